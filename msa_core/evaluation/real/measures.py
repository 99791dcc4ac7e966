"""Measures of scores on real sets: order, error, content, and intervals of paired differences.

Errors are (P, N): patterns by items, NaN where an item has no such pattern or no label. What is averaged over
patterns is first averaged over the items of each pattern, as everywhere in the tables.

A bootstrap of few clusters is too sure: two clips that agree would always be "beyond chance". Its intervals are
therefore widened (`bootstrap.widening`), with the number of clusters in the pattern that has fewest; one cluster has no
interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from msa_core.evaluation.bootstrap import LEVEL, cluster_weights, difference_interval, pattern_means, widening


class Difference(NamedTuple):
    """Difference of two mean errors with the ends of its bootstrap interval."""

    mean: float
    low: float
    high: float


def auc(scores: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> float:
    """Compute the chance that a positive item scores above a negative one, equals counting half; NaN without both.

    Args:
        scores: (N,).
        positive, negative: (N,) bool.
    """
    n, m = int(positive.sum()), int(negative.sum())
    if not n or not m:
        return math.nan
    from scipy.stats import rankdata  # here: it takes half a second; the page only shows what was measured

    ranks = rankdata(np.concatenate([scores[positive], scores[negative]]))
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def share_explained(scores: np.ndarray, by: np.ndarray, after: Sequence[np.ndarray] = ()) -> float:
    """Compute the share of the variance of scores that a factor explains beyond others, by least squares.

    Args:
        scores: (N,).
        by: (N,) names of the factor's levels.
        after: columns (N,) of the factors that come first.

    Returns:
        R2 of all factors minus R2 without `by`; NaN for constant scores.
    """
    total = float(((scores - scores.mean()) ** 2).sum())
    if total < 1e-12:
        return math.nan
    return (_residual(scores, after) - _residual(scores, [*after, by])) / total


def _residual(scores: np.ndarray, factors: Sequence[np.ndarray]) -> float:
    """Compute the sum of squares that the factors leave."""
    columns = [np.ones((len(scores), 1))]
    columns += [(factor[:, None] == np.unique(factor)[None]).astype(float) for factor in factors]
    design = np.concatenate(columns, axis=1)
    fitted = design @ np.linalg.lstsq(design, scores, rcond=None)[0]
    return float(((scores - fitted) ** 2).sum())


def within(scores: np.ndarray, distance: float = 1.0) -> float:
    """Compute the share of scores at most so far from 0; NaN values do not count."""
    known = scores[np.isfinite(scores)]
    return float((np.abs(known) <= distance).mean()) if len(known) else math.nan


def mean_error(errors: np.ndarray) -> float:
    """Average errors (P, N) over items, then over patterns; NaN when a pattern has none."""
    return float(pattern_means(_closed(errors), np.ones((1, errors.shape[1]), np.float32))[0])


def difference(one: np.ndarray, other: np.ndarray, clusters: np.ndarray, level: float = LEVEL) -> Difference:
    """Compare the mean errors of two rows, paired.

    Args:
        one, other: (P, N).
        clusters: (N,) names of items that belong together, which are drawn together.
        level: of the interval.

    Returns:
        The difference of the means; its ends are NaN where a pattern has fewer than two clusters.
    """
    mean = mean_error(one) - mean_error(other)
    n = min(len(np.unique(clusters[np.isfinite(row)])) for row in one - other)
    interval = difference_interval(_closed(one), _closed(other), cluster_weights([clusters]), level)
    if interval is None or n < 2:
        return Difference(mean, math.nan, math.nan)
    low, high = interval
    wider = widening(n, level)
    return Difference(mean, mean - wider * max(mean - low, 0.0), mean + wider * max(high - mean, 0.0))


def nearest(errors: Mapping[str, np.ndarray], clusters: np.ndarray) -> tuple[str, list[str]] | None:
    """Find the row nearest to the labels, and those that cannot be told from it.

    Args:
        errors: (P, N) by row; rows that lack a pattern or an item that another row has do not take part.
        clusters: (N,) names of items that belong together.

    Returns:
        The row of the smallest mean error, and all rows whose difference from it has an interval that touches 0, or
        none at all; None with fewer than two rows.
    """
    most = max((int(np.isfinite(e).sum()) for e in errors.values()), default=0)
    whole = {name: e for name, e in errors.items() if most and int(np.isfinite(e).sum()) == most}
    if len(whole) < 2:
        return None
    best = min(whole, key=lambda name: mean_error(whole[name]))
    tied = [name for name, e in whole.items() if name != best and not difference(e, whole[best], clusters).low > 0]
    return best, tied


def _closed(errors: np.ndarray) -> np.ndarray:
    """Add the row of complete input that `pattern_means` leaves out."""
    return np.concatenate([errors, np.full((1, errors.shape[1]), np.nan)])
