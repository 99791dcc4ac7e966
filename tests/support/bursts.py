"""A tone that sounds now and then, as words between pauses."""

from __future__ import annotations

import numpy as np

from msa_core.features.loudness import SAMPLE_RATE_HZ as RATE


def bursts(spans: list[tuple[float, float]], seconds: float) -> np.ndarray:
    """Make a tone (N,) that sounds only in the spans (s)."""
    t = np.arange(int(seconds * RATE)) / RATE
    on = np.any([(t >= a) & (t < b) for a, b in spans], axis=0)
    return (0.3 * np.sin(2 * np.pi * 300 * t) * on).astype(np.float32)
