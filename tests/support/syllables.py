"""Sounds with the spectrum of a few vowels, as the syllables of a phrase that can be said again and faster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msa_core.features.loudness import SAMPLE_RATE_HZ as RATE

FORMANTS_HZ = {"a": (800, 1200), "i": (300, 2300), "u": (320, 800), "e": (500, 1900), "o": (500, 900)}
PITCH_HZ = 120


def spoken(vowels: str, seconds: float, pitch_hz: float = PITCH_HZ) -> np.ndarray:
    """Make vowels (N,) of equal length one after the other, with a voice's harmonics."""
    t = np.arange(int(seconds / len(vowels) * RATE)) / RATE
    fade = np.minimum(1.0, np.minimum(t, t[::-1]) / 0.01)
    harmonics = np.arange(1, int(4000 / pitch_hz)) * pitch_hz
    made = []
    for vowel in vowels:
        weights = sum(np.exp(-(((harmonics - f) / 150) ** 2)) for f in FORMANTS_HZ[vowel]) + 0.002
        wave = (weights[:, None] * np.sin(2 * np.pi * harmonics[:, None] * t)).sum(axis=0)
        made.append(0.3 * fade * wave / np.abs(wave).max())
    return np.concatenate(made).astype(np.float32)


def repeated(vowels: str, turns_s: Sequence[float], pause_s: float = 0.1, silence_s: float = 0.3) -> np.ndarray:
    """Make a phrase (N,) that is said again and again, each turn as long as given and at a pitch of its own."""
    quiet, around = np.zeros(int(pause_s * RATE), np.float32), np.zeros(int(silence_s * RATE), np.float32)
    turns = [spoken(vowels, s, PITCH_HZ * (1 + 0.1 * (k % 3))) for k, s in enumerate(turns_s)]
    return np.concatenate([around, *(part for turn in turns for part in (turn, quiet)), around])
