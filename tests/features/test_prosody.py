"""Prosody on sounds known by hand, on real clips beside librosa, and on sounds that have nothing to measure."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from paths import EXAMPLES
from sounds import SAMPLE_RATE_HZ, tone

from msa_core import media
from msa_core.features import pitch, prosody
from msa_core.features.prosody import NO_VOICE, NO_WORDS, ONE_WORD, TRANSLATED, measure
from msa_core.schema import Prosody, Word


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No sound may raise a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def sine(hz: float, seconds: float, amplitude: float = 0.5) -> np.ndarray:
    t = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (amplitude * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def glide(low_hz: float, octaves: float, seconds: float) -> np.ndarray:
    """A tone that rises by the same interval in the same time."""
    rate = octaves * math.log(2) / seconds
    t = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (0.5 * np.sin(2 * np.pi * low_hz * (np.exp(rate * t) - 1) / rate)).astype(np.float32)


def numbers(found: Prosody) -> list[float]:
    """Every number of a prosody."""
    single = [v for v in vars(found).values() if isinstance(v, float)]
    return [*single, *(x for part in (found.curve, found.pauses_s or ()) for piece in part for x in piece)]


@pytest.mark.parametrize("hz", [80, 120, 220, 330, 440, 590])
def test_a_tone_has_its_pitch_in_every_step(hz: float) -> None:
    for sound in (sine(hz, 1), tone(hz, 1)):
        found = measure(sound)
        assert found.pitch_hz == pytest.approx(hz, abs=0.1) and found.voiced_share == 1.0
        assert found.pitch_spread_semitones == pytest.approx(0, abs=0.05)
        assert found.curve[0][0] == 0.0 and found.curve[-1][1] == pytest.approx(1.0) and len(found.curve) == 50


def test_a_glide_of_an_octave_spreads_over_four_fifths_of_it() -> None:
    """12 semitones, evenly filled: their middle 80 % is 9.6 wide, and half the time lies below 110 * 2 ** 0.5 Hz."""
    found = measure(glide(110, 1, 2))
    assert found.pitch_spread_semitones == pytest.approx(9.6, abs=0.15)
    assert found.pitch_hz == pytest.approx(155.6, abs=1.0) and found.voiced_share == 1.0
    rising = [hz for _, _, hz in found.curve]
    assert (
        rising == sorted(rising) and rising[0] == pytest.approx(110, abs=2) and rising[-1] == pytest.approx(220, abs=2)
    )


def test_loudness_is_the_effective_value_below_full_scale() -> None:
    """A sine of amplitude 0.5 has 0.5 / sqrt(2), which is -9.03 dB; a tenth of it 20 dB less."""
    assert measure(sine(220, 1, 0.5)).loudness_dbfs == pytest.approx(-9.03, abs=0.02)
    assert measure(sine(220, 1, 0.05)).loudness_dbfs == pytest.approx(-29.03, abs=0.02)
    assert measure(sine(200, 1)).loudness_spread_db == pytest.approx(0, abs=0.01)  # four whole periods a step
    pause = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    halves = np.concatenate([sine(200, 1, 0.5), pause, sine(200, 1, 0.05)])
    found = measure(halves)
    assert found.loudness_spread_db == pytest.approx(20, abs=0.1)
    assert found.loudness_dbfs == pytest.approx(
        -9.03 - 2.97, abs=0.02
    )  # the mean power: (1 + 0.01) / 2 of the loud part


def test_half_silence_is_half_voiced() -> None:
    found = measure(np.concatenate([sine(220, 1), np.zeros(SAMPLE_RATE_HZ, np.float32)]))
    assert found.voiced_share == 0.5 and found.curve[-1][1] == pytest.approx(1.0)
    assert found.loudness_dbfs == pytest.approx(-9.03, abs=0.02)  # silence does not count


def test_noise_beside_a_tone_has_no_pitch() -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 2 * SAMPLE_RATE_HZ)
    noise[:SAMPLE_RATE_HZ] += sine(220, 1, 0.5)
    found = measure(noise)
    assert found.pitch_hz == pytest.approx(220, abs=0.5) and found.voiced_share == pytest.approx(0.5, abs=0.01)


def test_an_octave_error_does_not_last() -> None:
    """A tenth of a second at four times the pitch, as in a whistled s: no voice leaps so far and back."""
    parts = [tone(110, 1), tone(440, 0.1), tone(110, 1)]
    found = measure(np.concatenate(parts))
    assert found.pitch_hz == pytest.approx(110, abs=0.5) and max(hz for _, _, hz in found.curve) <= 220.5
    assert found.pitch_spread_semitones == pytest.approx(0, abs=0.1)


WORDS = tuple(Word("w", *at) for at in ((1.0, 1.4), (1.5, 2.0), (2.6, 3.0), (3.24, 4.0), (4.25, 5.0)))


def test_pace_and_pauses_are_those_of_the_words() -> None:
    """Five words in four seconds; gaps of 0.1, 0.6, 0.24 and 0.25 s."""
    found = measure(sine(220, 6), WORDS)
    assert found.words_per_s == pytest.approx(5 / 4)
    assert found.pauses_s == ((2.0, 2.6), (4.0, 4.25)) and found.reasons == {}


@pytest.mark.parametrize(
    ("words", "translated", "reason"),
    [((), False, NO_WORDS), (WORDS[:1], False, ONE_WORD), (WORDS, True, TRANSLATED), ((), True, TRANSLATED)],
)
def test_without_words_there_is_no_pace_and_the_reason(words: tuple[Word, ...], translated: bool, reason: str) -> None:
    found = measure(sine(220, 1), words, translated)
    assert (found.words_per_s, found.pauses_s, found.reasons) == (None, None, {"words": reason})


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(0),
        np.zeros(1),
        np.zeros(16_000),
        np.ones(16_000),
        np.random.default_rng(0).normal(0, 0.1, 48_000),
        np.eye(1, 16_000, 8_000)[0],
        sine(30, 1),
        np.diff(np.random.default_rng(2).normal(0, 0.1, 48_000), 2),
        tone(220, 0.03),
    ],
    ids=["empty", "one sample", "silence", "constant", "noise", "click", "hum", "hiss", "too short"],
)
def test_what_has_no_voice_has_no_pitch_and_says_so(sound: np.ndarray) -> None:
    found = measure(sound.astype(np.float32), WORDS)
    assert (found.pitch_hz, found.pitch_spread_semitones, found.loudness_dbfs, found.loudness_spread_db) == (None,) * 4
    assert found.voiced_share == 0.0 and found.curve == () and found.reasons == {"voice": NO_VOICE}
    assert found.words_per_s == pytest.approx(5 / 4)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, st.integers(0, 4000), elements=st.floats(-1, 1, width=32)))
def test_nothing_is_ever_nan(sound: np.ndarray) -> None:
    found = measure(sound)
    assert all(math.isfinite(x) for x in numbers(found)) and 0.0 <= found.voiced_share <= 1.0
    assert (found.pitch_hz is None) == (found.voiced_share == 0.0) == ("voice" in found.reasons)


def test_a_long_curve_is_cut_into_fewer_pieces_that_stay_in_place() -> None:
    sound = np.concatenate([sine(150, 20), np.zeros(20 * SAMPLE_RATE_HZ, np.float32), sine(250, 20)])
    curve = measure(sound).curve
    assert len(curve) <= prosody.MAX_PIECES and curve[-1][1] == pytest.approx(60.0, abs=0.01)
    assert {hz for a, _, hz in curve if a < 19} == {150.0} and {hz for a, _, hz in curve if a > 41} == {250.0}
    assert not [a for a, b, _ in curve if a > 20.2 and b < 39.8]


@pytest.mark.parametrize("name", ["jfk.flac", "latentsync_demo1.mp4"])
def test_a_real_voice_agrees_with_librosa(name: str) -> None:
    """Where librosa's pyin and ours both hear a voice they hear the same pitch, but for a few frames in a hundred."""
    path = EXAMPLES / name
    sound = media.waveform(path, media.probe(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, heard, _ = librosa.pyin(sound, fmin=75, fmax=600, sr=16_000, frame_length=1024, hop_length=320)
    own = pitch.pitch_hz(sound)
    n = min(len(own), len(theirs))
    both = np.isfinite(own[:n]) & heard[:n]
    apart = 12 * np.abs(np.log2(own[:n][both] / theirs[:n][both]))
    assert both.mean() > 0.4 and np.median(apart) < 0.3 and np.mean(apart > 1) < 0.08 and np.mean(apart > 6) < 0.01
    assert measure(sound).pitch_hz == pytest.approx(float(np.nanmedian(theirs)), rel=0.03)


def test_an_actor_is_higher_in_anger_and_joy_than_in_sadness() -> None:
    """The same man, the same sentence: his median pitch and loudness order as anybody hears them."""
    found = {}
    for name in ("angry", "happy", "neutral", "sad"):
        path = EXAMPLES / f"crema_{name}.mp4"
        found[name] = measure(media.waveform(path, media.probe(path)))
    hz = {name: m.pitch_hz or 0.0 for name, m in found.items()}
    assert hz["sad"] < hz["neutral"] < min(hz["angry"], hz["happy"])
    assert (
        (found["sad"].loudness_dbfs or 0) < (found["neutral"].loudness_dbfs or 0) < (found["angry"].loudness_dbfs or 0)
    )


def test_words_without_any_length_tell_no_pace() -> None:
    found = prosody.measure(np.zeros(SAMPLE_RATE_HZ), [Word("so", 0.5, 0.5), Word("it", 0.5, 0.5)])
    assert (found.words_per_s, found.pauses_s, found.reasons["words"]) == (None, None, prosody.NO_LENGTH)
