"""Augmentation of recorded voices: other speed, pitch, room, microphone, noise, line and level."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.signal import fftconvolve, resample

from msa_core.feature_training.voice_clips import SAMPLE_RATE_HZ, generator


def augment(
    waveform: np.ndarray, seed: tuple[object, ...], babble: Sequence[np.ndarray] = (), stage: bool = False
) -> np.ndarray:
    """Simulate a new recording of the same utterance: other speed, pitch, room, microphone, noise, line and level.

    Args:
        waveform: (N,) float32 at 16 kHz.
        seed: identifies clip and version; the same seed gives the same samples.
        babble: other voices that may be mixed in as background.
        stage: music or an audience may be mixed in too.

    Returns:
        (M,) float32, |x| <= 1, at least 0.5 s.
    """
    rng = generator("augment", *seed)
    steps: list[tuple[float, Callable[[np.ndarray, np.random.Generator], np.ndarray]]] = [
        (0.5, _cut_silence),
        (0.5, lambda x, r: change_pitch(x, r.uniform(-2.5, 2.5))),
        (0.6, lambda x, r: stretch(x, r.uniform(0.85, 1.2))),
        (0.35, _room),
        (0.7, _microphone),
        (0.6, lambda x, r: _noise(x, r, babble)),
        (0.35, _line),
    ]
    if stage:
        steps.insert(-1, (0.3, lambda x, r: _mixed(x, (_music if r.random() < 0.5 else _audience)(len(x), r), r)))
    out = waveform.astype(np.float64)
    for probability, step in steps:
        if rng.random() < probability:
            out = step(out, rng)
    if len(out) < SAMPLE_RATE_HZ // 2:
        out = np.pad(out, (0, SAMPLE_RATE_HZ // 2 - len(out)))
    out = out * 10 ** (rng.uniform(-15, 6) / 20)
    return np.clip(out, -1, 1).astype(np.float32)


def stretch(waveform: np.ndarray, rate: float, window: int = 1024) -> np.ndarray:
    """Speed a waveform up by `rate` at the same pitch (phase vocoder): (N,) -> about (N / rate,)."""
    hop = window // 4
    shape = np.hanning(window + 1)[:-1]
    padded = np.pad(waveform, (window, window + hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop] * shape
    spectrum = np.fft.rfft(frames, axis=1)  # (T, F)
    # Magnitudes at fractional frames; phases advance as between the two frames around.
    position = np.arange(0, len(spectrum) - 1, rate)
    index, fraction = position.astype(int), (position % 1)[:, None]
    magnitude = (1 - fraction) * np.abs(spectrum[index]) + fraction * np.abs(spectrum[index + 1])
    expected = 2 * np.pi * hop * np.arange(spectrum.shape[1]) / window
    advance = np.angle(spectrum[index + 1]) - np.angle(spectrum[index]) - expected
    advance = expected + advance - 2 * np.pi * np.round(advance / (2 * np.pi))
    phase = np.angle(spectrum[0]) + np.concatenate([np.zeros_like(expected)[None], np.cumsum(advance, axis=0)[:-1]])
    # Overlap-add, normalised by the sum of the squared windows.
    parts = np.fft.irfft(magnitude * np.exp(1j * phase), axis=1) * shape
    out = np.zeros(len(parts) * hop + window)
    weight = np.zeros_like(out)
    for k, part in enumerate(parts):
        out[k * hop : k * hop + window] += part
        weight[k * hop : k * hop + window] += shape**2
    out /= np.maximum(weight, 0.5)
    start = int(window / rate)
    return out[start : start + int(len(waveform) / rate)]


def change_pitch(waveform: np.ndarray, semitones: float) -> np.ndarray:
    """Move pitch and formants by `semitones` at the same duration."""
    factor = 2 ** (semitones / 12)
    slower = stretch(waveform, 1 / factor)
    return resample(slower, max(int(len(slower) / factor), 1))  # type: ignore[no-any-return]


def _loud(waveform: np.ndarray) -> np.ndarray:
    """Find the 25 ms blocks within 35 dB of the loudest, as a mask."""
    blocks = waveform[: len(waveform) // 400 * 400].reshape(-1, 400)
    energy = (blocks**2).mean(axis=1)
    return energy > max(energy.max(initial=0.0), 1e-12) * 10**-3.5  # type: ignore[no-any-return]


def _cut_silence(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shorten the silence before and after the voice by a random share."""
    loud = np.flatnonzero(_loud(waveform))
    if len(loud) == 0:
        return waveform
    first, last = loud[0] * 400, (loud[-1] + 1) * 400
    return waveform[int(first * rng.random()) : last + int((len(waveform) - last) * rng.random())]


def _room(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Convolve with decaying noise as impulse response: T60 0.1-0.6 s, direct sound 0-15 dB above it."""
    t60, direct = rng.uniform(0.1, 0.6), 10 ** (rng.uniform(0, 15) / 20)
    t = np.arange(int(t60 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = rng.normal(size=len(t)) * 10 ** (-3 * t / t60)
    tail /= np.sqrt((tail**2).sum()) * direct
    tail[0] = 1.0
    return fftconvolve(waveform, tail)[: len(waveform)]  # type: ignore[no-any-return]


def _filter(waveform: np.ndarray, frequency_hz: Sequence[float], gain_db: Sequence[float] | np.ndarray) -> np.ndarray:
    """Filter with zero phase by a gain curve that is linear in log frequency."""
    spectrum = np.fft.rfft(waveform)
    f = np.maximum(np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE_HZ), 1.0)
    gain = 10 ** (np.interp(np.log(f), np.log(frequency_hz), gain_db) / 20)
    return np.fft.irfft(spectrum * gain, len(waveform))


def _microphone(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Filter by a smooth random frequency response, about +-6 dB."""
    bands = (60, 150, 350, 800, 1800, 4000, 8000)
    return _filter(waveform, bands, np.clip(rng.normal(0, 3.5, len(bands)), -9, 9))


def _noise(waveform: np.ndarray, rng: np.random.Generator, babble: Sequence[np.ndarray]) -> np.ndarray:
    """Add coloured noise (white to brown) or other voices, 8-30 dB below the speech."""
    n = len(waveform)
    if len(babble) and rng.random() < 0.35:
        noise = np.zeros(n)
        for k in rng.choice(len(babble), size=min(5, len(babble)), replace=False):
            noise += np.roll(np.resize(babble[k], n), int(rng.integers(n)))
    else:
        noise = _filter(rng.normal(size=n), (50, 8000), (0.0, -float(rng.uniform(0, 44))))
    return _mixed(waveform, noise, rng)


def _mixed(waveform: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add a noise (N,) 8-30 dB below the speech."""
    loud = np.repeat(_loud(waveform), 400)
    speech = np.sqrt((waveform[: len(loud)][loud] ** 2).mean()) if loud.any() else 0.0
    scale = speech * 10 ** (-rng.uniform(8, 30) / 20) / max(np.sqrt((noise**2).mean()), 1e-9)
    return waveform + scale * noise  # type: ignore[no-any-return]


def _music(n: int, rng: np.random.Generator) -> np.ndarray:
    """Play random chords of four harmonics a note, each struck and fading, at 70-140 beats a minute: (n,)."""
    beat = int(60 / rng.uniform(70, 140) * SAMPLE_RATE_HZ)
    t = np.arange(beat) / SAMPLE_RATE_HZ
    key, fall = 110 * 2 ** (rng.integers(12) / 12), np.exp(-t * rng.uniform(1, 6))
    out = np.zeros(n + beat)
    for start in range(0, n, beat):
        root = rng.choice((0, 3, 5, 7, 9))
        for step in (0, rng.choice((3, 4)), 7, 12):
            pitch = key * 2 ** ((root + step) / 12)
            for harmonic in range(1, 5):
                out[start : start + beat] += fall * np.sin(2 * np.pi * pitch * harmonic * t) / harmonic**1.5
    return out[:n]


def _audience(n: int, rng: np.random.Generator) -> np.ndarray:
    """Clap or laugh with many people: short bursts of coloured noise, dense or in syllables of 4-6 Hz: (n,)."""
    t = np.arange(n) / SAMPLE_RATE_HZ
    if rng.random() < 0.5:  # applause: bursts of 10 ms at random times
        strikes = np.zeros(n)
        strikes[rng.integers(n, size=max(1, int(n / SAMPLE_RATE_HZ * rng.uniform(40, 200))))] = 1.0
        level = fftconvolve(strikes, np.exp(-np.arange(1600) / 160))[:n]
        return _filter(level * rng.normal(size=n), (300, 1200, 8000), (-12.0, 0.0, -15.0))
    voices = sum(
        np.clip(np.sin(2 * np.pi * rng.uniform(4, 6) * t + rng.uniform(0, 6.3)), 0, None)
        * np.sin(2 * np.pi * rng.uniform(130, 350) * t)
        for _ in range(6)
    )
    swell = np.sin(np.pi * np.clip((t - t[-1] * rng.uniform(0, 0.5)) / (0.5 * t[-1] + 1e-9), 0, 1))
    return (voices + 0.7 * _filter(rng.normal(size=n), (400, 1500, 8000), (-12.0, 0.0, -18.0))) * swell  # type: ignore[no-any-return]


def _line(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pass through a telephone band, a codec's low-pass or coarse logarithmic quantisation."""
    kind = rng.integers(3)
    if kind == 0:
        low, high = rng.uniform(150, 350), rng.uniform(3000, 3800)
        return _filter(waveform, (low / 2, low, high, high * 1.3), (-40, 0, 0, -50))
    if kind == 1:
        high = rng.uniform(3500, 7000)
        return _filter(waveform, (high, high * 1.15), (0, -60))
    peak = max(np.abs(waveform).max(initial=0.0), 1e-9)
    levels = 2 ** rng.uniform(5, 7)
    squeezed = np.sign(waveform) * np.log1p(255 * np.abs(waveform) / peak) / np.log(256)
    coarse = np.round(squeezed * levels) / levels
    return np.sign(coarse) * (256 ** np.abs(coarse) - 1) / 255 * peak  # type: ignore[no-any-return]
