"""Prosody: how something was said. Pitch, loudness, pace and pauses are measured for people; no model reads them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msa_core.features.loudness import loudness_dbfs
from msa_core.features.pitch import STEP_S, pitch_hz
from msa_core.schema import Prosody, Word

NO_VOICE = "no voiced sound"
NO_WORDS = "no words were recognised"
ONE_WORD = "it takes two words or more"
NO_LENGTH = "the words have no length in time"
TRANSLATED = "the words are a translation"
PAUSE_S = 0.25  # between two words; shorter silence belongs to plosives
SPREAD = (10, 90)  # percentiles: a few wrong frames move neither
MAX_PIECES = 400  # of the pitch curve


def measure(sound: np.ndarray, words: Sequence[Word] = (), translated: bool = False) -> Prosody:
    """Measure the prosody of a clip.

    Loudness and both spreads are those of the voiced steps of 20 ms, those with a pitch. A sound without any, such as
    silence, noise or whispering, has none of them, and the reason says so.

    Args:
        sound: samples (N,) at 16 kHz.
        words: as they were recognised, in order.
        translated: the words are not those that were spoken, so that they tell no pace.
    """
    track = pitch_hz(sound)
    voiced = np.isfinite(track)
    reasons, pitch, pitch_spread, loudness, loudness_spread = {}, None, None, None, None
    if voiced.any():
        level = loudness_dbfs(sound, STEP_S)[voiced]
        pitch, pitch_spread = float(np.median(track[voiced])), _spread(12 * np.log2(track[voiced]))
        loudness, loudness_spread = float(10 * np.log10(np.mean(10 ** (level / 10)))), _spread(level)
    else:
        reasons["voice"] = NO_VOICE
    pace, pauses, reason = _pace([] if translated else words)
    if reason:
        reasons["words"] = TRANSLATED if translated else reason
    return Prosody(
        pitch_hz=pitch,
        pitch_spread_semitones=pitch_spread,
        loudness_dbfs=loudness,
        loudness_spread_db=loudness_spread,
        voiced_share=float(voiced.mean()) if len(voiced) else 0.0,
        words_per_s=pace,
        pauses_s=pauses,
        curve=_curve(track),
        reasons=reasons,
    )


def _spread(values: np.ndarray) -> float:
    """Measure the width of the middle 80 % of some values."""
    low, high = np.percentile(values, SPREAD)
    return float(high - low)


def _pace(words: Sequence[Word]) -> tuple[float | None, tuple[tuple[float, float], ...] | None, str]:
    """Count the words a second from the first to the last, and find the pauses between them, or say why not."""
    if len(words) < 2:
        return None, None, ONE_WORD if words else NO_WORDS
    seconds = words[-1].end_s - words[0].start_s
    if seconds < STEP_S:
        return None, None, NO_LENGTH
    gaps = ((a.end_s, b.start_s) for a, b in zip(words, words[1:], strict=False))
    pauses = tuple((float(a), float(b)) for a, b in gaps if b - a >= PAUSE_S - 1e-6)
    return float(len(words) / seconds), pauses, ""


def _curve(track: np.ndarray) -> tuple[tuple[float, float, float], ...]:
    """Cut the pitch (T,) into at most MAX_PIECES pieces: start and end in s, median in Hz; those without are left out.

    Args: track: pitch in Hz of each step, NaN where there is none.
    """
    size = max(1, -(-len(track) // MAX_PIECES))
    pieces = []
    for first in range(0, len(track), size):
        part = track[first : first + size]
        if np.isfinite(part).any():
            span = first * STEP_S, (first + len(part)) * STEP_S
            pieces.append((round(span[0], 3), round(span[1], 3), round(float(np.nanmedian(part)), 1)))
    return tuple(pieces)
