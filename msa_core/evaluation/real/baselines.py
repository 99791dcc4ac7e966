"""Baselines that need no network: VADER on the words, ridge regression on loudness and pitch of the voice.

VADER (Hutto and Gilbert 2014, MIT) is a word list with rules; its package is optional. The regression is fitted on
the RAVDESS speakers of the train part, the clips that the shipped networks heard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from msa_core.features.loudness import SAMPLE_RATE_HZ, loud_frames, loudness_dbfs
from msa_core.features.pitch import autocorrelation
from msa_core.schema import SCORE_LIMIT

FRAME_S, STEP_S = 0.04, 0.02  # of pitch
LOWEST_HZ, HIGHEST_HZ = 70.0, 450.0
VOICED = 0.5  # normalised autocorrelation from which a frame has a pitch
NEARLY = 0.9  # of the best autocorrelation: a shorter period with so much of it is the pitch, not its double
PENALTY = 1.0  # of the ridge, on standardised features


def vader() -> Callable[[str], float] | None:
    """Return a function from a text to 3 x VADER's compound score, in [-3, 3]; None where it is not installed."""
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError:
        return None
    analyser = SentimentIntensityAnalyzer()
    return lambda text: SCORE_LIMIT * float(analyser.polarity_scores(text)["compound"])


def pitch_hz(sound: np.ndarray) -> np.ndarray:
    """Find the pitch of every frame by autocorrelation: (T,) in Hz, NaN where a frame has none."""
    size, step = int(FRAME_S * SAMPLE_RATE_HZ), int(STEP_S * SAMPLE_RATE_HZ)
    if len(sound) < size:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(sound.astype(np.float64), size)[::step]  # (T, size)
    frames = frames - frames.mean(1, keepdims=True)
    # Autocorrelation by lag, each relative to the energy and corrected for the shorter overlap.
    lags = autocorrelation(frames, 2 * size)[:, :size]
    lags = lags / np.maximum(lags[:, :1], 1e-12) * size / (size - np.arange(size))
    low, high = int(SAMPLE_RATE_HZ / HIGHEST_HZ), int(SAMPLE_RATE_HZ / LOWEST_HZ)
    inner = lags[:, low : high + 1]
    peak = (inner >= lags[:, low - 1 : high]) & (inner >= lags[:, low + 1 : high + 2])  # (T, L)
    strength = np.where(peak, inner, -np.inf)
    best = strength.max(1)
    first = (strength >= NEARLY * best[:, None]).argmax(1)
    loud = loud_frames(10 * np.log10(np.maximum((frames**2).mean(1), 1e-20)), one_speaker=True)
    return np.where((best >= VOICED) & loud, SAMPLE_RATE_HZ / (low + first), np.nan)


def prosody(sound: np.ndarray) -> np.ndarray:
    """Describe a voice by 8 numbers.

    They are the mean and spread of its loudness in dB, median, spread and range of its pitch in octaves, the share of
    its loud frames with a pitch, the change of its pitch from frame to frame, and its loud seconds.
    """
    level = loudness_dbfs(sound, STEP_S)
    loud = level[loud_frames(level, one_speaker=True)]
    octaves = np.log2(pitch_hz(sound) / 100)
    voiced = octaves[np.isfinite(octaves)]
    steps = np.abs(np.diff(octaves))
    steps = steps[np.isfinite(steps)]
    tone = [0.0, 0.0, 0.0]
    if len(voiced):
        tone = [np.median(voiced), voiced.std(), np.percentile(voiced, 90) - np.percentile(voiced, 10)]
    return np.array(
        [
            loud.mean(),
            loud.std(),
            *tone,
            len(voiced) / max(1, len(loud)),
            steps.mean() if len(steps) else 0.0,
            len(loud) * STEP_S,
        ]
    )


def fit_prosody(sounds: Sequence[np.ndarray], labels: np.ndarray) -> Callable[[np.ndarray], float]:
    """Fit ridge regression of the labels (N,) on `prosody`. Returns: a function from a waveform to a score."""
    x = np.stack([prosody(s) for s in sounds])
    centre, scale, mean = x.mean(0), np.maximum(x.std(0), 1e-6), float(labels.mean())
    z = (x - centre) / scale
    weight = np.linalg.solve(z.T @ z + PENALTY * np.eye(z.shape[1]), z.T @ (labels - mean))

    def score(sound: np.ndarray) -> float:
        value = mean + float((prosody(sound) - centre) / scale @ weight)
        return float(np.clip(value, -SCORE_LIMIT, SCORE_LIMIT))

    return score
