"""Sounds without speech for measuring speech reading: music, singing without words, hum, knocks, tones, noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from msa_core.evaluation.spoken_cases import RATE, Case, coloured

LENGTHS_S = (2.0, 4.0, 7.0, 14.0)
Maker = Callable[[np.random.Generator, float], np.ndarray]


def _times(seconds: float) -> np.ndarray:
    return np.arange(int(seconds * RATE)) / RATE


def _notes(seconds: float, per_s: float) -> Iterator[tuple[int, np.ndarray]]:
    """Give the first sample and the times from it of each note, until the end of the sound."""
    n = int(seconds * RATE)
    for start in range(0, n, int(RATE / per_s)):
        yield start, np.arange(n - start) / RATE


def plucked(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Pluck guitar chords (decaying harmonics), two a second."""
    out = np.zeros(int(seconds * RATE))
    for start, t in _notes(seconds, 2):
        root = 110 * 2 ** (int(rng.integers(0, 12)) / 12)
        for step in (0, 4, 7, 12):
            hz = root * 2 ** (step / 12)
            out[start:] += sum(np.sin(2 * np.pi * hz * h * t) / h * np.exp(-(2 + h) * t) for h in range(1, 8))
    return out


def melody(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Play a melody of a flute-like tone, four notes a second."""
    out = np.zeros(int(seconds * RATE))
    for start, t in _notes(seconds, 4):
        hz = 440 * 2 ** (int(rng.choice([0, 2, 4, 5, 7, 9, 11])) / 12)
        on = t < 0.25
        out[start:] += (
            on * np.sin(np.pi * (t / 0.25).clip(0, 1)) * (np.sin(2 * np.pi * hz * t) + 0.3 * np.sin(4 * np.pi * hz * t))
        )
    return out


def chord(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Hold an organ chord."""
    t, root = _times(seconds), 220 * 2 ** (int(rng.integers(0, 12)) / 12)
    return np.asarray(sum(np.sin(2 * np.pi * root * f * h * t) / h for f in (1, 1.26, 1.5) for h in (1, 2, 3)))


def vowels(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Sing vowels without words: a voice-like source through two formants, with vibrato."""
    out = np.zeros(int(seconds * RATE))
    formants = ((700, 1200), (400, 2000), (300, 800), (500, 1800))
    for start, t in _notes(seconds, 1):
        on = t < 0.95
        hz = 200 * 2 ** (int(rng.choice([0, 2, 4, 5, 7])) / 12)
        phase = 2 * np.pi * hz * (t + 0.003 * np.sin(2 * np.pi * 5.5 * t) / 5.5)
        for h in range(1, 20):
            gain = sum(np.exp(-(((h * hz - f) / 150) ** 2)) for f in formants[int(rng.integers(4))])
            out[start:] += on * (gain + 0.02) * np.sin(h * phase)
    return out


def hum(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Make mains hum."""
    t, hz = _times(seconds), float(rng.choice([50.0, 60.0]))
    return np.asarray(sum(np.sin(2 * np.pi * hz * h * t + h) / h for h in range(1, 9)))


def knocks(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Knock on wood at uneven times."""
    out = np.zeros(int(seconds * RATE))
    for start in rng.integers(0, len(out) - 2000, int(2 * seconds)):
        t = np.arange(1600) / RATE
        out[start : start + 1600] += np.sin(2 * np.pi * rng.uniform(150, 500) * t) * np.exp(-40 * t)
    return out


def drums(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Beat a drum kit: bass drum and snare in turn."""
    out = np.zeros(int(seconds * RATE))
    for i, (start, t) in enumerate(_notes(seconds, 4)):
        hit = np.sin(2 * np.pi * 60 * t) if i % 2 == 0 else rng.normal(size=len(t)) * 0.5
        out[start:] += hit * np.exp(-18 * t)
    return out


def tone(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Hold a sine."""
    return np.sin(2 * np.pi * rng.uniform(200, 2000) * _times(seconds))


def beeps(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Beep as a telephone or a microwave does."""
    t = _times(seconds)
    return np.sin(2 * np.pi * rng.uniform(400, 1200) * t) * (t % 1.0 < 0.4)


def sweep(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Sweep up and down like a siren."""
    t = _times(seconds)
    return np.sin(2 * np.pi * (800 * t + 300 / (2 * np.pi * 0.5) * np.sin(2 * np.pi * 0.5 * t)))


def engine(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Run an engine: a low buzz with noise."""
    t = _times(seconds)
    buzz = np.sign(np.sin(2 * np.pi * rng.uniform(40, 90) * t + 2 * np.sin(2 * np.pi * 0.7 * t)))
    return buzz + coloured(rng, seconds, 1.0, -3.0)[: len(t)]


def typing(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Type on a keyboard: short clicks of noise."""
    out = np.zeros(int(seconds * RATE))
    for start in rng.integers(0, len(out) - 400, int(7 * seconds)):
        out[start : start + 320] += rng.normal(size=320) * np.exp(-np.arange(320) / 60)
    return out


def applause(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Clap with many hands."""
    out = np.zeros(int(seconds * RATE))
    for start in rng.integers(0, len(out) - 1000, int(120 * seconds)):
        out[start : start + 800] += rng.normal(size=800) * np.exp(-np.arange(800) / 150) * rng.uniform(0.2, 1)
    return out


def _noise(colour: float) -> Maker:
    return lambda rng, seconds: coloured(rng, seconds, colour, -20.0)


SOUNDS: dict[str, tuple[str, Maker]] = {
    "plucked chords": ("music", plucked),
    "melody": ("music", melody),
    "organ chord": ("music", chord),
    "drums": ("music", drums),
    "sung vowels": ("singing", vowels),
    "hum": ("sound only", hum),
    "knocks": ("sound only", knocks),
    "tone": ("sound only", tone),
    "beeps": ("sound only", beeps),
    "siren": ("sound only", sweep),
    "engine": ("sound only", engine),
    "typing": ("sound only", typing),
    "applause": ("sound only", applause),
    "white noise": ("noise only", _noise(0)),
    "pink noise": ("noise only", _noise(1)),
    "brown noise": ("noise only", _noise(2)),
}


def sounds(seed: int = 0) -> Iterator[Case]:
    """Make every sound in every length, at levels from -6 to -40 dBFS."""
    rng = np.random.default_rng(seed)
    for k, seconds in enumerate(LENGTHS_S):
        for i, (name, (kind, make)) in enumerate(SOUNDS.items()):
            wave = make(rng, seconds)
            level = (-12.0, -20.0, -30.0, -40.0)[(i + k) % 4]
            wave = wave / wave.std() * 10 ** (level / 20)
            yield Case(kind, f"{name} {seconds:.0f} s", np.clip(wave, -1, 1).astype(np.float32), "")
