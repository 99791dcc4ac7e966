"""Paired bootstrap intervals over clusters of utterances that belong together.

Utterances of one source row share a label, those of one speaker or video a voice: neither is a new observation. Whole
clusters are drawn anew, in every direction at once: the weight of an utterance is the product of how often its row
and how often its speaker was drawn (the pigeonhole bootstrap, Owen 2007, Annals of Applied Statistics 1(2)).
Errors are means over seeds: an interval speaks of these trained runs on new utterances, not of new trainings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

N_RESAMPLES = 1000
LEVEL = 0.95


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
    naive: np.ndarray, method: np.ndarray, specialists: np.ndarray, weights: np.ndarray, level: float = LEVEL
) -> tuple[float, float] | None:
    """Compute the interval of (N - M) / (N - S); None when N - S may well be 0 or less.

    Args:
        naive, method, specialists: errors (P, U) of N, M and S.
        weights: (n, U), see `cluster_weights`.
    """
    # The three means of every resample: paired, because all are weighted alike.
    n, m, s = (pattern_means(errors, weights) for errors in (naive, method, specialists))
    gap = n - s
    if (gap <= 0).mean() > (1 - level) / 2:
        return None  # the few resamples below are left out of the quantiles
    low, high = np.nanquantile((n - m) / np.where(gap > 0, gap, np.nan), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def difference_interval(
    method: np.ndarray, other: np.ndarray, weights: np.ndarray, level: float = LEVEL
) -> tuple[float, float]:
    """Compute the interval of the difference of two incomplete_mae, paired. Errors (P, U), weights (n, U)."""
    difference = pattern_means(method, weights) - pattern_means(other, weights)
    low, high = np.nanquantile(difference, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
