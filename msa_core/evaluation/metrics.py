"""The metrics of the field, exactly as MMSA's and LNLN's `metricsTop.py` define them for scores in [-3, 3].

has0: negative (y < 0) against non-negative, every sample. non0: negative against positive (y > 0), samples whose
true score is 0 left out. F1 is the support-weighted mean over the two classes, arguments (true, predicted).
CH-SIMS has a scale of its own, [-1, 1], and other cuts: see `sims_scores`.

Every metric takes two arrays (N,), computes in float64, and raises MsaError where the shapes are others.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from msa_core.errors import MsaError

NAMES = ("mae", "pearson", "acc2_has0", "acc2_non0", "f1_has0", "f1_non0", "acc7", "acc5", "acc3")
SIMS_NAMES = ("mae", "pearson", "acc2", "f1", "acc3", "acc5")
LOWER_IS_BETTER = frozenset({"mae"})
SIMS_FACTOR = 3.0  # a CH-SIMS label in [-1, 1] times this is a score in [-3, 3]


def scores(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Compute all metrics of NAMES for predicted and true scores (N,); a value that does not exist is NaN.

    >>> found = scores(np.array([2.0, -1.0, 0.5, -0.5]), np.array([2.5, -1.0, -0.5, 0.0]))
    >>> found["mae"], round(found["pearson"], 4), found["acc2_has0"], round(found["acc2_non0"], 4), found["acc7"]
    (0.5, 0.8915, 0.5, 0.6667, 1.0)
    """
    predicted, true = _paired(predicted, true, np.float64)
    keep = true != 0
    return {
        "mae": mae(predicted, true),
        "pearson": pearson(predicted, true),
        "acc2_has0": accuracy(predicted >= 0, true >= 0),
        "acc2_non0": accuracy(predicted[keep] > 0, true[keep] > 0),
        "f1_has0": weighted_f1(predicted >= 0, true >= 0),
        "f1_non0": weighted_f1(predicted[keep] > 0, true[keep] > 0),
        "acc7": accuracy(_classes(predicted, 3), _classes(true, 3)),
        "acc5": accuracy(_classes(predicted, 2), _classes(true, 2)),
        "acc3": accuracy(_classes(predicted, 1), _classes(true, 1)),
    }


def sims_scores(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Compute all metrics of SIMS_NAMES as `metricsTop.py` does for CH-SIMS: labels (N,) in [-1, 1], clipped to it.

    acc2: cut at 0, which is negative. acc3: cuts at -0.1 and 0.1. acc5: at -0.7, -0.1, 0.1, 0.7. A value on a cut is
    in the lower class. MAE and correlation use the clipped values too, as there.

    >>> found = sims_scores(np.array([0.8, -0.3, 0.1]), np.array([1.0, -0.8, 0.2]))
    >>> round(found["mae"], 4), found["acc2"], round(found["acc3"], 4), round(found["acc5"], 4)
    (0.2667, 1.0, 0.6667, 0.3333)
    """
    predicted, true = (np.clip(v, -1, 1) for v in _paired(predicted, true, np.float64))
    result = {"mae": mae(predicted, true), "pearson": pearson(predicted, true)}
    for name, cuts in {"acc2": (0.0,), "acc3": (-0.1, 0.1), "acc5": (-0.7, -0.1, 0.1, 0.7)}.items():
        classes = [np.searchsorted(cuts, v, side="left") for v in (predicted, true)]
        result[name] = accuracy(*classes)
        if name == "acc2":
            result["f1"] = weighted_f1(*classes)
    return result


def on_scale(scale: str) -> tuple[tuple[str, ...], Callable[[np.ndarray, np.ndarray], dict[str, float]], float]:
    """Choose names and function of a corpus' metrics, and the divisor of scores in [-3, 3]: 3 for "sims", else 1."""
    return (SIMS_NAMES, sims_scores, SIMS_FACTOR) if scale == "sims" else (NAMES, scores, 1.0)


def mae(predicted: np.ndarray, true: np.ndarray) -> float:
    """Compute the mean absolute error.

    >>> mae(np.array([1.0, -1.0]), np.array([2.0, -1.0]))
    0.5
    """
    predicted, true = _paired(predicted, true, np.float64)
    return float(np.mean(np.abs(predicted - true))) if len(true) else math.nan


def pearson(predicted: np.ndarray, true: np.ndarray) -> float:
    """Compute Pearson's correlation; NaN when either side is constant, where it is undefined.

    >>> pearson(np.array([0.0, 1.0, 2.0]), np.array([3.0, 5.0, 7.0])), pearson(np.zeros(3), np.arange(3.0))
    (1.0, nan)
    """
    predicted, true = _paired(predicted, true, np.float64)
    if len(true) < 2 or np.ptp(predicted) == 0 or np.ptp(true) == 0:
        return math.nan
    a, b = predicted - np.mean(predicted), true - np.mean(true)
    return float(a @ b / math.sqrt(float(a @ a) * float(b @ b)))


def accuracy(predicted: np.ndarray, true: np.ndarray) -> float:
    """Compute the share of equal classes.

    >>> accuracy(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0]))
    0.75
    """
    predicted, true = _paired(predicted, true)
    return float(np.mean(predicted == true)) if len(true) else math.nan


def weighted_f1(predicted: np.ndarray, true: np.ndarray) -> float:
    """Average the F1 of the classes, 2 TP / (predicted + true), by true counts; a class never predicted scores 0.

    >>> round(weighted_f1(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0])), 4)  # .25 * 2/3 + .75 * 4/5
    0.7667
    """
    predicted, true = _paired(predicted, true)
    if not len(true):
        return math.nan
    total = 0.0
    for c in np.unique(true):
        hit, n = np.sum((predicted == c) & (true == c)), np.sum(true == c)
        total += 2 * hit / (np.sum(predicted == c) + n) * n
    return float(total / len(true))


def _paired(predicted: np.ndarray, true: np.ndarray, dtype: type | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read predicted and true values as arrays (N,) of a type. Raises: MsaError where the shapes are others."""
    predicted, true = np.asarray(predicted, dtype), np.asarray(true, dtype)
    if predicted.ndim != 1 or predicted.shape != true.shape:
        raise MsaError(
            f"Predicted values of shape {predicted.shape} cannot be measured against true ones of shape {true.shape}. "
            "Give one value of each utterance on both sides, shape (N,): reshape(-1) makes it of (N, 1)."
        )
    return predicted, true


def _classes(values: np.ndarray, limit: int) -> np.ndarray:
    """Put values into 2 * limit + 1 classes: clip to [-limit, limit], round half to even."""
    return np.round(np.clip(values, -limit, limit))
