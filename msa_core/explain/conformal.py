"""Split-conformal intervals: their half-widths on validation data, and the interval around one score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from msa_core.schema import MODALITIES, SCORE_LIMIT, Utterance

LEVEL = 0.8  # of the conformal intervals
VOICED = ("audio", "audio+vision")  # patterns in which text can be simulated from the voice
WITHOUT_SIMULATED_TEXT = ", nothing imagined"  # ending of a calibration key: the voice is there, simulated text is not


def half_width(residuals: np.ndarray, level: float) -> float | None:
    """Compute the half-width: the ceil((n + 1) level)-th smallest residual (Lei et al., JASA 2018).

    None where there are fewer residuals than that: no width of so few promises the level.

    Args:
        residuals: absolute errors (n,) on validation data.
        level: share of scores that the interval shall hold.
    """
    rank = math.ceil((len(residuals) + 1) * level)
    return float(np.sort(residuals)[rank - 1]) if rank <= len(residuals) else None


def interval(manifest: Mapping[str, Any], left: Utterance, score: float) -> dict[str, float] | None:
    """Look up the split-conformal interval around a score, held inside the score range.

    Args:
        manifest: of the checkpoint; its "calibration" holds a half-width per pattern.
        left: the utterance as the model saw it.
        score: in [-3, 3].

    Returns:
        Level, low and high; None for a pattern without calibration.
    """
    calibration = manifest.get("calibration") or {}
    pattern = "+".join(m for m in MODALITIES if left.stream(m).present)
    if left.audio.present and not left.text.present and not left.simulated.present:
        pattern += WITHOUT_SIMULATED_TEXT
    half = calibration.get("half_width", {}).get(pattern)
    if half is None:
        return None
    low, high = max(-SCORE_LIMIT, score - half), min(SCORE_LIMIT, score + half)
    return {"level": float(calibration["level"]), "low": low, "high": high}
