"""Sounds made for tests, and their comparison."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve

SAMPLE_RATE_HZ = 16_000


def tone(hz: float, seconds: float, level: float = 0.3) -> np.ndarray:
    """Make a harmonic tone (N,) float32 like a steady voice."""
    t = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    parts = [np.sin(2 * np.pi * k * hz * t) / k for k in range(1, 8) if k * hz < SAMPLE_RATE_HZ / 2]
    sound = np.sum(parts, axis=0)
    return (level * sound / np.abs(sound).max()).astype(np.float32)


def write_tone(path: Path, hz: float, seconds: float, level: float = 0.3) -> None:
    """Write a tone as a WAV file, whatever its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((tone(hz, seconds, level) * 32767).astype("<i2").tobytes())


def correlations(sound: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Compute Pearson's r of `part` (M,) with every stretch of `sound` (N,): (N - M + 1,); 0 where one is constant."""
    sound, part = sound.astype(float) - sound.mean(), part.astype(float) - part.mean()
    n, sums = len(part), (np.concatenate([[0.0], np.cumsum(sound**k)]) for k in (1, 2))
    total, square = (s[n:] - s[:-n] for s in sums)
    norm = np.sqrt(np.maximum(square - total**2 / n, 0.0) * (part**2).sum())
    product = fftconvolve(sound, part[::-1], "valid")
    return np.divide(product, norm, out=np.zeros_like(norm), where=norm > 1e-9)
