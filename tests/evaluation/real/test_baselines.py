"""Baselines without a network: pitch against the truth and librosa, ridge, VADER."""

import librosa
import numpy as np
import pytest
from sounds import tone

from msa_core.evaluation.real import baselines


@pytest.mark.parametrize("hz", [85, 120, 210, 390])
def test_pitch_of_a_tone_is_its_pitch(hz):
    found = baselines.pitch_hz(tone(hz, 0.5))
    assert np.isfinite(found).mean() > 0.9
    assert np.nanmedian(found) == pytest.approx(hz, rel=0.02)


def test_pitch_follows_librosa_on_a_glide():
    t = np.arange(16_000) / 16_000
    phase = 2 * np.pi * (120 * t + 60 * t**2)  # 120 to 240 Hz
    sound = (0.3 * (np.sin(phase) + 0.5 * np.sin(2 * phase))).astype(np.float32)
    own = baselines.pitch_hz(sound)
    theirs = librosa.yin(sound, fmin=70, fmax=450, sr=16_000, frame_length=1024, hop_length=320)
    middle = slice(5, 40)
    assert np.abs(np.log2(own[middle] / theirs[middle])).max() < 0.1


def test_noise_and_nothing_have_no_pitch():
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    assert np.isfinite(baselines.pitch_hz(noise)).mean() < 0.05
    assert len(baselines.pitch_hz(noise[:100])) == 0
    assert np.isfinite(baselines.prosody(noise)).all() and np.isfinite(baselines.prosody(noise[:400])).all()


def test_ridge_finds_what_pitch_says():
    hz = np.linspace(90, 400, 24)
    score = baselines.fit_prosody([tone(f, 0.3) for f in hz], np.log2(hz / 190) * 2)
    assert score(tone(100, 0.3)) < -1 and score(tone(380, 0.3)) > 1
    assert abs(score(tone(190, 0.3))) < 0.5


def test_vader_reads_words():
    score = baselines.vader()
    if score is None:
        pytest.skip("vaderSentiment is not installed")
    assert score("I love this.") > 1 > -1 > score("This is terrible.") and score("The table.") == 0
    assert -3 <= score("awful " * 50) <= score("great " * 50) <= 3


def test_vader_is_optional(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "vaderSentiment.vaderSentiment", None)
    assert baselines.vader() is None
