"""Windows of sound: those of the voice overlap, begin at position 0, and equal the same sound cut out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import variants
from paths import EXAMPLES

from msa_core.features import voice, windows
from msa_core.features.loudness import SAMPLE_RATE_HZ
from msa_core.features.speech import SpeechReader

FRAME = windows.POOL * windows.FRAME_SAMPLES  # samples of a pooled frame


@pytest.fixture(scope="module")
def reader(tiny: Any) -> SpeechReader:
    return SpeechReader(tiny)


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """9.4 s of one talk."""
    return np.resize(variants.sound(EXAMPLES / "latentsync_demo2.mp4", SAMPLE_RATE_HZ), 94 * FRAME)


@pytest.mark.parametrize(
    ("seconds", "starts"),
    [
        (0.02, [0.0]),
        (3.97, [0.0]),
        (4.0, [0.0]),
        (4.01, [-2.0, 0.0, 0.1, 2.1]),
        (5.5, [-2.0, 0.0, 1.5, 3.5]),
        (6.0, [-2.0, 0.0, 2.0, 4.0]),
        (9.95, [-2.0, 0.0, 2.0, 4.0, 6.0, 8.0]),
        (10.3, [-2.0, 0.0, 2.0, 4.0, 6.0, 6.3, 8.3]),
    ],
)
def test_windows_of_the_voice_overlap_and_reach_both_ends(seconds: float, starts: list[float]) -> None:
    wave = np.arange(round(seconds * SAMPLE_RATE_HZ), dtype=np.float32)
    found = windows.voice_windows(3, wave)
    assert [w.start_s for w in found] == starts and {w.clip for w in found} == {3}
    for window in found:
        assert len(window.sound) <= 4 * SAMPLE_RATE_HZ and window.padded_s == 5
        first = round(window.start_s * SAMPLE_RATE_HZ)
        assert window.sound[0] == max(0, first) and window.sound[-1] == min(len(wave), first + len(window.sound)) - 1


def test_overlapping_frames_are_weighted_by_the_distance_from_the_edge() -> None:
    """By hand: 6 s in windows of ones from -2 s on, twos from 0 s, threes from 2 s, and 2 s of fours from 4 s."""
    cut = windows.voice_windows(0, np.zeros(6 * SAMPLE_RATE_HZ, np.float32))
    frames = [np.full((n, 2), v, np.float32) for n, v in ((40, 1.0), (40, 2.0), (40, 3.0), (20, 4.0))]
    joined = windows.overlapped(frames, cut)
    assert joined.shape == (60, 2) and joined.dtype == np.float32
    # frame 0 is 19.5 frames from the end of the first window and 0.5 from the start of the second
    np.testing.assert_allclose(joined[[0, 20, 40], 0], [(19.5 * v + 0.5 * (v + 1)) / 20 for v in (1, 2, 3)])
    np.testing.assert_allclose(joined[[9, 29, 49], 0], [(10.5 * v + 9.5 * (v + 1)) / 20 for v in (1, 2, 3)])


def test_a_window_is_the_same_sound_cut_out(reader: SpeechReader, talk: np.ndarray) -> None:
    frames, times_s = reader.frames(talk)
    cut = windows.voice_windows(0, talk)
    alone = [reader.frames(w.sound)[0] for w in cut]
    np.testing.assert_allclose(frames, windows.overlapped(alone, cut), atol=2e-4)
    np.testing.assert_allclose(times_s, (np.arange(94) + 0.5) / 10, atol=1e-6)


def test_a_stretch_means_the_same_wherever_it_lies(reader: SpeechReader) -> None:
    """A voice repeated every 4 s for 30 s is the same in every repetition, and nearly so at the ends."""
    voice_4s = np.resize(variants.sound(EXAMPLES / "crema_happy.mp4", SAMPLE_RATE_HZ), 40 * FRAME)
    frames, _ = reader.frames(np.tile(voice_4s, 7))
    each = frames.reshape(7, 40, -1)
    np.testing.assert_allclose(each[2:-1], each[1:2].repeat(4, axis=0), atol=2e-4)
    network = voice.load()
    scores = [voice.reading(voice.read_frames(network, part))[1] for part in each]
    assert max(scores) - min(scores) < 0.2
