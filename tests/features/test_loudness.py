"""Borders of words beside pauses: late ones go back to the pause, those within a stretch of sound stay."""

from __future__ import annotations

import numpy as np
import pytest
from bursts import bursts

from msa_core.features import loudness


def test_a_pause_is_longer_than_the_closure_of_a_consonant() -> None:
    sound = bursts([(0.0, 0.5), (0.56, 0.7), (1.0, 1.4)], 2.0)
    assert loudness.pauses(loudness.loud_frames(loudness.loudness_dbfs(sound, loudness.FRAME_S))) == [(35, 50)]
    assert loudness.after_pauses(sound) == [50]
    assert loudness.after_pauses(bursts([(0.3, 1.2)], 2.0)) == [], "silence before and after is no pause"


def test_a_late_border_goes_back_to_the_pause() -> None:
    """As "I love it, I love it": the alignment ended the first "it" 0.12 s within the second "I"."""
    sound = bursts([(0.0, 0.6), (1.0, 1.6)], 2.0)
    moved = loudness.in_pauses([(0.0, 0.4), (0.4, 1.12), (1.12, 1.3), (1.3, 1.6)], sound)
    assert moved == [(0.0, 0.4), (0.4, 1.0), (1.0, 1.3), (1.3, 1.6)]
    assert loudness.trimmed(moved, sound)[1] == (0.4, 0.6)


@pytest.mark.parametrize(
    "spans",
    [
        [(0.0, 0.3), (0.3, 0.6), (1.0, 1.6)],  # in time
        [(0.0, 0.6), (0.9, 1.2), (1.2, 1.6)],  # the border after a short word: it has no sound before the pause
        [(0.0, 1.4), (1.4, 1.6)],  # too much sound to be the first of a word
        [(0.5, 1.2), (1.2, 1.6)],  # less sound before the pause than after it: a noise before a short word
    ],
)
def test_other_borders_stay(spans: list[tuple[float, float]]) -> None:
    assert loudness.in_pauses(spans, bursts([(0.0, 0.6), (1.0, 1.6)], 2.0)) == spans


def test_the_first_word_is_beside_the_next_one() -> None:
    """Laughter before "That was": nobody wrote it down, and "That" had the whole time from the start."""
    sound = bursts([(0.0, 1.8), (2.4, 3.4)], 4.0)
    assert loudness.trimmed([(0.0, 2.7), (2.7, 3.4)], sound) == [(2.4, 2.7), (2.7, 3.4)]
    assert loudness.trimmed([(0.0, 3.4)], sound) == [(0.0, 1.8)], "the longest when nothing follows"


@pytest.mark.parametrize("hz, size", [(0, 0.1), (20, 0.1), (50, 0.04)])
def test_an_offset_and_rumble_hide_no_pause(hz: float, size: float) -> None:
    sound = bursts([(0.3, 1.0), (1.6, 2.2)], 3.0)
    rumble = size * np.cos(2 * np.pi * hz * np.arange(len(sound)) / loudness.SAMPLE_RATE_HZ)
    found = loudness.trimmed([(0.0, 1.4), (1.4, 3.0)], (sound + rumble).astype(np.float32))
    assert np.allclose(found, [(0.3, 1.0), (1.6, 2.2)], atol=0.021)
    assert loudness.is_silent(np.full(16_000, 0.3, np.float32)) and not loudness.is_silent(sound)


def test_a_low_voice_is_not_rumble() -> None:
    sound = np.sin(2 * np.pi * 100 * np.arange(16_000) / loudness.SAMPLE_RATE_HZ).astype(np.float32)
    assert np.allclose(loudness.loudness_dbfs(sound), -3.01, atol=0.2)
    assert [len(loudness.loudness_dbfs(sound[:n], 0.02)) for n in (0, 1, 320, 321)] == [0, 1, 1, 2]


def room(rng: np.random.Generator, seconds: float) -> np.ndarray:
    return rng.normal(0.0, 0.01, int(seconds * loudness.SAMPLE_RATE_HZ)).astype(np.float32)


@pytest.mark.parametrize("before_s, after_s", [(0.0, 0.0), (3.0, 0.0), (0.0, 5.0)])
def test_digital_silence_beside_a_room_does_not_hide_its_noise(before_s: float, after_s: float) -> None:
    """A recording in a room that began later than the video: the noise itself was taken for speech."""
    heard = bursts([(0.4, 1.0), (1.6, 2.2)], 3.0) + room(np.random.default_rng(0), 3.0)
    sound = np.concatenate([bursts([], before_s), heard, bursts([], after_s)])
    found = loudness.trimmed([(before_s, before_s + 1.3), (before_s + 1.3, before_s + 3.0)], sound)
    assert np.allclose(np.array(found) - before_s, [(0.4, 1.0), (1.6, 2.2)], atol=0.021)


def test_a_soft_speaker_after_a_bang_is_heard() -> None:
    rng = np.random.default_rng(0)
    words = bursts([(1.8, 2.2), (2.4, 2.9)], 3.5) * 0.02
    bang = np.concatenate([bursts([], 0.2), 50 * room(rng, 0.4), bursts([], 2.9)])
    for noise in (0.0, 0.01):
        sound = (words + bang + noise * room(rng, 3.5)).astype(np.float32)
        found = loudness.trimmed([(1.4, 2.3), (2.3, 3.4)], sound)
        assert np.allclose(found, [(1.8, 2.2), (2.4, 2.9)], atol=0.021)


def test_the_noise_of_a_loud_speaker_is_no_soft_one() -> None:
    """Two recordings joined: the second has less noise, and the first begins with a second of its own."""
    rng = np.random.default_rng(0)
    first = bursts([(1.2, 1.7)], 2.0) + room(rng, 2.0) / 4
    second = (bursts([(1.0, 1.5)], 2.0) + room(rng, 2.0) / 10) * 0.03
    loud = loudness.loud_frames(loudness.loudness_dbfs(np.concatenate([first, second]).astype(np.float32), 0.02))
    assert np.flatnonzero(loud).tolist() == [*range(60, 85), *range(150, 175)]


def test_a_first_word_within_a_phrase_is_not_in_the_noise_before_a_pause() -> None:
    sound = bursts([(0.2, 1.0), (2.0, 3.4)], 4.0)
    spans = [(0.0, 2.1), (2.1, 3.4)]
    assert loudness.in_pauses(spans, sound, 0.5) == spans, "ha ha ... That was"
    assert loudness.in_pauses(spans, sound) == [(0.0, 2.0), (2.0, 3.4)], "Yes. ... That was"
    unread = bursts([(0.2, 2.0), (3.0, 4.4)], 5.0)
    assert loudness.in_pauses([(0.0, 3.1), (3.1, 4.4)], unread) == [(0.0, 3.1), (3.1, 4.4)], "too long for a word"
    assert loudness.trimmed([(0.0, 3.1), (3.1, 4.4)], unread)[0] == (3.0, 3.1)


def test_a_first_word_is_beside_the_rest_of_its_phrase_and_not_in_speech_before_it() -> None:
    """As "(two seconds of Spanish) ... I really": the alignment ends "I" in the pause."""
    sound = bursts([(0.2, 1.0), (1.2, 2.0), (2.6, 3.4)], 4.0)
    spans = [(0.0, 2.3), (2.3, 3.4)]
    moved = loudness.in_pauses(spans, sound, 0.25)
    assert np.allclose(moved, [(2.6, 2.8), (2.8, 3.4)])
    assert loudness.in_pauses(spans, sound) == [(0.0, 2.3), (2.3, 3.4)], "Hola. ... I"
    assert loudness.in_pauses(spans, bursts([(1.4, 2.0), (2.6, 3.4)], 4.0), 0.25) == spans, "no longer than a word"
