"""Intervals of few clusters hold what they promise; those of many stay as they are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from msa_core.evaluation import bootstrap


def held(n_clusters: int, widened: bool, times: int = 400) -> float:
    """Share of simulated tests whose 95 % interval of a difference holds the true one, 0.2."""
    rng, speaker = np.random.default_rng(n_clusters), np.repeat(np.arange(n_clusters), 12)
    weights = bootstrap.cluster_weights([speaker])
    few = bootstrap.few_clusters([speaker]) if widened else ()
    inside = 0
    for _ in range(times):
        moves = 0.2 + rng.normal(0, 0.3, (3, n_clusters))[:, speaker] + rng.normal(0, 0.5, (3, len(speaker)))
        low, high = bootstrap.difference_interval(1 + moves, np.ones_like(moves), weights, few=few)
        inside += low <= 0.2 <= high
    return inside / times


def test_four_actors_are_too_sure_without_widening_and_right_with_it() -> None:
    assert held(4, widened=False) < 0.85
    assert 0.92 <= held(4, widened=True) <= 0.99
    assert 0.92 <= held(8, widened=True) <= 0.99


def test_the_widening_of_one_direction_is_that_of_student() -> None:
    speaker = np.repeat(np.arange(4), 10)
    errors = np.abs(np.random.default_rng(0).normal(size=(3, 40)) + np.arange(4.0)[speaker])
    weights, few = bootstrap.cluster_weights([speaker]), bootstrap.few_clusters([speaker])
    (alone, wider), zero = few[0], np.zeros_like(errors)
    assert np.array_equal(alone, weights) and wider == pytest.approx(t.ppf(0.975, 3) / 1.959964 * np.sqrt(4 / 3))
    plain = bootstrap.difference_interval(errors, zero, weights)
    low, high = bootstrap.difference_interval(errors, zero, weights, few=few)
    mean = errors[:-1].mean()
    assert (mean - low, high - mean) == pytest.approx((wider * (mean - plain[0]), wider * (plain[1] - mean)))


def test_only_the_part_of_the_few_is_widened() -> None:
    """Of a difference that no speaker moves the interval stays; of one that only speakers move it widens in full."""
    rng = np.random.default_rng(1)
    row, speaker = np.arange(400) // 5, np.arange(400) % 5  # crossed
    weights, few = bootstrap.cluster_weights([row, speaker]), bootstrap.few_clusters([row, speaker])
    assert len(few) == 1 and few[0][1] == pytest.approx(bootstrap.widening(5))

    def widths(errors: np.ndarray) -> float:
        zero = np.zeros_like(errors)
        one, two = (bootstrap.difference_interval(errors, zero, weights, few=f) for f in ((), few))
        return (two[1] - two[0]) / (one[1] - one[0])

    noise = rng.normal(size=(3, 400))
    noise -= np.stack([noise[:, speaker == s].mean(1) for s in range(5)], 1)[:, speaker]
    shift = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])[speaker] * np.ones((3, 1))
    assert 1 <= widths(noise) < 1.25 < widths(shift) <= bootstrap.widening(5) + 1e-6


def test_the_gap_widens_with_its_difference_and_many_clusters_change_nothing() -> None:
    rng, speaker = np.random.default_rng(2), np.repeat(np.arange(4), 30)
    special = np.abs(rng.normal(size=(4, 120)))
    naive = special + 0.5
    method = special + 0.2 + 0.1 * np.array([-1.0, -0.5, 0.5, 1.0])[speaker]
    weights, few = bootstrap.cluster_weights([speaker]), bootstrap.few_clusters([speaker])
    plain = bootstrap.gap_interval(naive, method, special, weights)
    wide = bootstrap.gap_interval(naive, method, special, weights, few=few)
    assert plain is not None and wide is not None
    assert (wide[1] - wide[0]) / (plain[1] - plain[0]) == pytest.approx(bootstrap.widening(4), rel=1e-3)
    doubtful = special + 0.05 + 0.1 * np.array([-1.0, -0.2, 0.6, 0.6])[speaker]  # N - S of four actors may be 0
    assert bootstrap.gap_interval(doubtful, method, special, weights, few=few) is None
    assert bootstrap.few_clusters([np.arange(120), np.arange(120) // 4]) == []


@pytest.mark.parametrize("clusters", [[np.zeros(6)], [np.arange(6), np.zeros(6)], [np.arange(6) // 2, np.zeros(6)]])
def test_one_cluster_has_no_interval(clusters: list[np.ndarray]) -> None:
    drawn, few = bootstrap.cluster_weights(clusters), bootstrap.few_clusters(clusters)
    special = np.linspace(0.1, 0.6, 6) * np.ones((3, 1))
    assert bootstrap.alike(drawn)
    assert bootstrap.difference_interval(special + 0.2, special, drawn, few=few) is None
    assert bootstrap.gap_interval(special + 0.3, special + 0.1, special, drawn, few=few) is None


def test_a_pattern_of_one_cluster_has_no_interval() -> None:
    row, speaker = np.arange(40) // 4, np.arange(40) % 4  # crossed
    drawn, few = bootstrap.cluster_weights([row, speaker]), bootstrap.few_clusters([row, speaker])
    errors = np.random.default_rng(0).uniform(size=(3, 40))
    zero = np.zeros_like(errors)
    assert not bootstrap.alike(drawn) and bootstrap.difference_interval(errors, zero, drawn, few=few) is not None
    for there in (speaker == 2, row == 2, np.zeros(40, bool)):  # of the first pattern, in which nothing else is left
        some = errors.copy()
        some[0, ~there] = np.nan
        assert bootstrap.difference_interval(some, zero, drawn, few=few) is None
        assert bootstrap.gap_interval(some + 1, some, zero - 1, drawn, few=few) is None
