"""Measures on real sets: against scikit-learn, by hand, and what no winner may be named by."""

import math

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, roc_auc_score
from sklearn.preprocessing import OneHotEncoder

from msa_core.evaluation.real import measures


@pytest.mark.parametrize("seed", range(3))
def test_auc_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    classes = rng.integers(-1, 2, 200)
    scores = np.round(rng.normal(0.3 * classes, 1), 1)  # with equals
    kept = classes != 0
    expected = roc_auc_score(classes[kept] > 0, scores[kept])
    assert measures.auc(scores, classes > 0, classes < 0) == pytest.approx(expected)


def test_auc_by_hand_and_without_a_class():
    one = np.array([True, False, False])
    assert measures.auc(np.array([1.0, 1.0, 0.0]), one, ~one) == pytest.approx(0.75)
    assert measures.auc(np.ones(3), one, ~one) == 0.5
    assert math.isnan(measures.auc(np.ones(3), one, one & False))


def test_share_explained_is_the_gain_of_a_regression():
    rng = np.random.default_rng(0)
    emotion, speaker, sentence = (rng.choice(list("abcd"), 150) for _ in range(3))
    scores = rng.normal(size=150) + (emotion == "a") + 0.5 * (sentence == "b")

    def r2(*factors):
        x = OneHotEncoder().fit_transform(np.stack(factors, 1)).toarray()
        return LinearRegression().fit(x, scores).score(x, scores)

    expected = r2(emotion, speaker, sentence) - r2(emotion, speaker)
    assert measures.share_explained(scores, sentence, [emotion, speaker]) == pytest.approx(expected)


def test_content_that_is_all_or_nothing():
    sentence = np.array(["a", "b"] * 6)
    emotion = np.repeat(["x", "y", "z"], 4)
    assert measures.share_explained((sentence == "a") * 2.0, sentence, [emotion]) == pytest.approx(1)
    assert measures.share_explained((emotion == "x") * 2.0, sentence, [emotion]) == pytest.approx(0)
    assert math.isnan(measures.share_explained(np.ones(12), sentence, [emotion]))


def test_mean_error_averages_items_then_patterns():
    rng = np.random.default_rng(1)
    true, predicted = rng.normal(size=(2, 5)), rng.normal(size=(2, 5))
    errors = np.abs(true - predicted)
    errors[1, 2:] = np.nan
    expected = (mean_absolute_error(true[0], predicted[0]) + mean_absolute_error(true[1, :2], predicted[1, :2])) / 2
    assert measures.mean_error(errors) == pytest.approx(expected, abs=1e-6)


def test_within_counts_its_edge_and_no_nan():
    assert measures.within(np.array([1.0, -1.0, 1.01, np.nan])) == pytest.approx(2 / 3)


def test_a_difference_is_paired():
    """A constant offset between two noisy rows has an interval without width."""
    noise = np.abs(np.random.default_rng(2).normal(size=(1, 40))) + 1
    found = measures.difference(noise - 0.25, noise, np.arange(40))
    assert found == pytest.approx((-0.25, -0.25, -0.25), abs=1e-5)


def test_a_winner_is_named_only_beyond_chance():
    rng = np.random.default_rng(3)
    noise = np.abs(rng.normal(size=(1, 60)))
    items = np.arange(60)
    clear = {"a": noise, "b": noise + 0.3, "c": noise + rng.normal(0.4, 0.1, (1, 60))}
    assert measures.nearest(clear, items) == ("a", [])
    close = clear | {"d": noise + rng.normal(0.02, 0.3, (1, 60))}
    best, tied = measures.nearest(close, items)
    assert {best, *tied} == {"a", "d"}
    partial = {**clear, "e": np.where(np.arange(60) < 3, 0.0, np.nan)[None]}  # has too few items to take part
    assert measures.nearest(partial, items) == ("a", [])
    assert measures.nearest({"a": noise}, items) is None and measures.nearest({}, items) is None


def test_a_cluster_counts_as_one():
    """With all items in two clusters chance is never excluded."""
    noise = np.abs(np.random.default_rng(4).normal(size=(1, 20)))
    two = np.repeat(["a", "b"], 10)
    other = noise + np.where(two == "a", 0.5, -0.2)
    assert measures.nearest({"x": noise, "y": other}, two) == ("x", ["y"])


def test_few_clips_are_no_evidence():
    """Two clips that agree, and a pattern that only one clip has, say nothing beyond chance."""
    rng = np.random.default_rng(5)
    two = np.abs(rng.normal(1, 0.1, (1, 2)))
    low_high = measures.difference(two - np.array([[0.2, 0.3]]), two, np.arange(2))
    assert low_high.mean == pytest.approx(-0.25, abs=1e-5) and low_high.high > 0
    assert measures.nearest({"a": two - [[0.2, 0.3]], "b": two}, np.arange(2)) == ("a", ["b"])
    one_has_it = np.abs(rng.normal(1, 0.1, (2, 30)))
    one_has_it[1, 1:] = np.nan
    found = measures.difference(one_has_it - 0.5, one_has_it, np.arange(30))
    assert found.mean == pytest.approx(-0.5, abs=1e-5) and math.isnan(found.low) and math.isnan(found.high)


@pytest.mark.parametrize("n", [3, 5, 8])
def test_intervals_of_few_clips_hold_the_truth(n):
    """Of normal differences around 0 about 95 % of the intervals hold 0; without widening far fewer."""
    rng = np.random.default_rng(n)
    noise = np.full((1, n), 5.0)
    held = 0
    for _ in range(200):
        _, low, high = measures.difference(noise + rng.normal(size=(1, n)), noise, np.arange(n))
        held += low <= 0 <= high
    assert held / 200 >= 0.91


def test_many_clusters_are_hardly_widened():
    assert measures.widening(2) == pytest.approx(12.706 / 1.95996 * 2**0.5, rel=1e-4)
    assert 1 < measures.widening(1000) < 1.003
