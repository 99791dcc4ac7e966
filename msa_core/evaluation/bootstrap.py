"""Paired bootstrap intervals over clusters of utterances that belong together.

Utterances of one source row share a label, those of one speaker or video a voice: neither is a new observation. Whole
clusters are drawn anew, in every direction at once: the weight of an utterance is the product of how often its row
and how often its speaker was drawn (the pigeonhole bootstrap, Owen 2007, Annals of Applied Statistics 1(2)).
Errors are means over seeds: an interval speaks of these trained runs on new utterances, not of new trainings.

A bootstrap of few clusters is too sure: of four actors its 95 % interval holds the truth in 76 % of cases. The part of
the uncertainty that comes from a direction with few clusters is therefore widened by what separates Student's t from
the normal law (Hesterberg 2015, The American Statistician 69(4)). One cluster tells nothing of others: it has no
interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

N_RESAMPLES = 1000
LEVEL = 0.95
FEW = 30  # clusters; from here on the widening would be less than 7 %
Few = Sequence[tuple[np.ndarray, float]]  # of every direction with few clusters: its own weights (n, U), its widening


def independent(clusters: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Leave out the columns (U,) whose clusters lie inside another's: a row of one video is drawn with its video."""
    # Number the clusters of each column from 0.
    numbers = [np.unique(column, return_inverse=True)[1] for column in clusters]
    kept: list[np.ndarray] = []
    for i, inner in enumerate(numbers):
        # `inner` lies inside `outer` when there are as many pairs as inner clusters; of two equal ones keep the first.
        coarser = (
            np.unique(np.stack([inner, outer]), axis=1).shape[1] == inner.max() + 1
            and (outer.max() < inner.max() or j < i)
            for j, outer in enumerate(numbers)
            if j != i
        )
        if not any(coarser):
            kept.append(inner)
    return kept


def cluster_weights(clusters: Sequence[np.ndarray], n: int = N_RESAMPLES) -> np.ndarray:
    """Draw the weights (n, U) of the utterances in every resample. clusters: a column (U,) of cluster names each."""
    rng = np.random.default_rng(0)
    weights = np.ones((n, len(clusters[0])), np.float32)
    # Pigeonhole bootstrap: draw the m clusters of each direction with replacement, multiply the counts.
    for number in independent(clusters):
        m = int(number.max()) + 1
        weights *= rng.multinomial(m, np.full(m, 1 / m), n).astype(np.float32)[:, number]
    return weights


def few_clusters(clusters: Sequence[np.ndarray], level: float = LEVEL) -> Few:
    """Find the directions with fewer than FEW clusters. clusters: as of `cluster_weights`."""
    found = []
    for number in independent(clusters):
        m = int(number.max()) + 1
        if 2 <= m < FEW:
            found.append((cluster_weights([number]), widening(m, level)))
    return found


def alike(weights: np.ndarray, there: np.ndarray | slice = slice(None)) -> bool:
    """Tell whether utterances weigh alike in every resample: they are of one cluster, or there are none.

    Args:
        weights: (n, U), see `cluster_weights`.
        there: the utterances, bool (U,); default: all.
    """
    return all((row[there] == row[there][:1]).all() for row in weights)


def _one_cluster(errors: np.ndarray, weights: np.ndarray, few: Few) -> bool:
    """Tell whether the utterances of an incomplete pattern are of one cluster. Arguments as of `gap_interval`."""
    drawn = [weights, *(alone for alone, _ in few)]
    return any(alike(each, there) for there in np.isfinite(errors[:-1]) for each in drawn)


def widening(n: int, level: float = LEVEL) -> float:
    """Compute by how much an interval of n clusters, at least 2, is widened: 1 for many."""
    from scipy.special import ndtri, stdtrit  # here: the page reads intervals without it

    tail = (1 + level) / 2
    return float(stdtrit(n - 1, tail) / ndtri(tail) * math.sqrt(n / (n - 1)))


def pattern_means(errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average the weighted mean error over the incomplete patterns (all but the last), per resample (n,).

    Args:
        errors: (P, U), NaN = nothing left.
        weights: (n, U), see `cluster_weights`.
    """
    # Weighted sums and counts (n, P - 1) over the utterances that have something left.
    there = np.isfinite(errors[:-1])
    total = weights @ np.where(there, errors[:-1], 0.0).T.astype(np.float32)
    count = weights @ there.T.astype(np.float32)
    mean: np.ndarray = np.where(count > 0, total / np.maximum(count, 1e-9), np.nan).mean(1)
    return mean


def gap_interval(
    naive: np.ndarray,
    method: np.ndarray,
    specialists: np.ndarray,
    weights: np.ndarray,
    level: float = LEVEL,
    few: Few = (),
) -> tuple[float, float] | None:
    """Compute the interval of (N - M) / (N - S); None when N - S may well be 0 or less, or of one cluster.

    Args:
        naive, method, specialists: errors (P, U) of N, M and S.
        weights: (n, U), see `cluster_weights`.
        few: directions with few clusters, see `few_clusters`.
    """
    reference = difference_interval(naive, specialists, weights, level, few)
    if reference is None or reference[0] <= 0 or _one_cluster(method, weights, few):
        return None
    # The three means of every resample: paired, because all are weighted alike.
    n, m, s = (pattern_means(errors, weights) for errors in (naive, method, specialists))
    gap = n - s
    if (gap <= 0).mean() > (1 - level) / 2:
        return None  # the few resamples below are left out of the quantiles
    low, high = np.nanquantile((n - m) / np.where(gap > 0, gap, np.nan), [(1 - level) / 2, (1 + level) / 2])
    if not few:
        return float(low), float(high)
    # The quotient q moves as (N - M) - q (N - S) does.
    one = np.ones((1, weights.shape[1]), np.float32)
    whole_n, whole_m, whole_s = (float(pattern_means(e, one)[0]) for e in (naive, method, specialists))
    quotient = (whole_n - whole_m) / (whole_n - whole_s)
    moves = naive - method - quotient * (naive - specialists)
    return _widened(quotient, float(low), float(high), _scale(moves, weights, few))


def difference_interval(
    method: np.ndarray, other: np.ndarray, weights: np.ndarray, level: float = LEVEL, few: Few = ()
) -> tuple[float, float] | None:
    """Compute the interval of the difference of two incomplete_mae, paired; None of one cluster.

    Arguments as of `gap_interval`. A pattern in which only one cluster has something left counts as one cluster.
    """
    if _one_cluster(method - other, weights, few):
        return None
    difference = pattern_means(method, weights) - pattern_means(other, weights)
    low, high = np.nanquantile(difference, [(1 - level) / 2, (1 + level) / 2])
    if not few:
        return float(low), float(high)
    one = np.ones((1, weights.shape[1]), np.float32)
    mean = float(pattern_means(method, one)[0] - pattern_means(other, one)[0])
    return _widened(mean, float(low), float(high), _scale(method - other, weights, few))


def _scale(moves: np.ndarray, weights: np.ndarray, few: Few) -> float:
    """Compute by how much an interval widens when the part of its variance from few clusters does.

    moves: what the interval is the mean of, (P, U).
    """
    total = float(np.nanvar(pattern_means(moves, weights)))
    if not few or total <= 0:
        return 1.0
    more = sum((wider**2 - 1) * float(np.nanvar(pattern_means(moves, alone))) for alone, wider in few)
    return math.sqrt(1 + more / total)


def _widened(middle: float, low: float, high: float, scale: float) -> tuple[float, float]:
    """Move the ends of an interval away from its middle."""
    return middle - scale * max(middle - low, 0.0), middle + scale * max(high - middle, 0.0)
