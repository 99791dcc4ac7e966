import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from msa_core.errors import MsaError
from msa_core.evaluation import metrics

EVERY = [metrics.scores, metrics.sims_scores, metrics.mae, metrics.pearson, metrics.accuracy, metrics.weighted_f1]


def test_hand_table():
    true = np.array([-2.0, -0.4, 0.0, 1.0, 2.5])
    predicted = np.array([-1.0, 0.2, -0.1, 0.5, 3.4])
    m = metrics.scores(predicted, true)
    assert m["mae"] == pytest.approx((1 + 0.6 + 0.1 + 0.5 + 0.9) / 5)
    assert m["acc2_has0"] == pytest.approx(3 / 5)  # wrong: -0.4 -> +, 0 -> -
    assert m["acc2_non0"] == pytest.approx(3 / 4)
    # has0: class neg: precision 1/2, recall 1/2; class non-neg: precision 2/3, recall 2/3
    assert m["f1_has0"] == pytest.approx((2 * 0.5 + 3 * 2 / 3) / 5)
    # rounded (half to even), true: -2 -0 0 1 2 (2.5 -> 2), predicted: -1 0 -0 0 3
    assert m["acc7"] == pytest.approx(2 / 5)
    assert m["acc5"] == pytest.approx(3 / 5)  # clipped to 2: the last one is right
    assert m["acc3"] == pytest.approx(4 / 5)  # clipped to 1: -2 and -1 agree too


@pytest.mark.parametrize("seed", range(5))
def test_against_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    true = np.round(rng.normal(0, 1.5, 200).clip(-3, 3) * 3) / 3
    predicted = true + rng.normal(0, 1, 200)
    m, keep = metrics.scores(predicted, true), true != 0
    assert m["acc2_has0"] == pytest.approx(accuracy_score(true >= 0, predicted >= 0))
    assert m["f1_has0"] == pytest.approx(f1_score(true >= 0, predicted >= 0, average="weighted"))
    assert m["acc2_non0"] == pytest.approx(accuracy_score(true[keep] > 0, predicted[keep] > 0))
    assert m["f1_non0"] == pytest.approx(f1_score(true[keep] > 0, predicted[keep] > 0, average="weighted"))
    assert m["pearson"] == pytest.approx(np.corrcoef(predicted, true)[0, 1])
    for name, limit in (("acc7", 3), ("acc5", 2), ("acc3", 1)):
        classes = [np.round(np.clip(v, -limit, limit)) for v in (true, predicted)]
        assert m[name] == pytest.approx(accuracy_score(*classes))


def test_f1_of_a_constant_and_argument_order():
    true = np.array([-1.0, 1.0, 1.0, 1.0])
    m = metrics.scores(np.full(4, 0.5), true)
    assert m["f1_has0"] == pytest.approx(f1_score(true >= 0, [True] * 4, average="weighted"))
    assert m["f1_has0"] != pytest.approx(f1_score([True] * 4, true >= 0, average="weighted"))
    assert math.isnan(m["pearson"])


def test_empty_is_nan():
    assert all(math.isnan(v) for v in metrics.scores(np.array([]), np.array([])).values())


def test_sims_by_hand_and_against_scikit_learn():
    true = np.array([-0.8, -0.7, -0.1, 0.0, 0.1, 0.4, 0.8])
    predicted = np.array([-1.2, -0.5, 0.0, 0.1, -0.2, 0.7, 0.9])
    m = metrics.sims_scores(predicted, true)
    # 0 is negative: true n n n n p p p, predicted n n n p n p p
    assert m["acc2"] == pytest.approx(5 / 7)
    # cuts -0.1, 0.1, a value on a cut below it: true 0 0 0 1 1 2 2, predicted 0 0 1 1 0 2 2
    assert m["acc3"] == pytest.approx(5 / 7)
    # cuts -0.7, -0.1, 0.1, 0.7: true 0 0 1 2 2 3 4, predicted 0 1 2 2 1 3 4
    assert m["acc5"] == pytest.approx(4 / 7)
    assert m["mae"] == pytest.approx((0.2 + 0.2 + 0.1 + 0.1 + 0.3 + 0.3 + 0.1) / 7)  # -1.2 is clipped to -1
    assert m["f1"] == pytest.approx(f1_score(true > 0, predicted > 0, average="weighted"))
    assert metrics.on_scale("sims") == (metrics.SIMS_NAMES, metrics.sims_scores, 3.0) and set(
        metrics.SIMS_NAMES
    ) == set(m)
    assert metrics.on_scale("mosi") == (metrics.NAMES, metrics.scores, 1.0)


@pytest.mark.parametrize("metric", EVERY)
@pytest.mark.parametrize(
    ("predicted", "true"), [((3, 1), (3,)), ((3,), (3, 1)), ((3, 1), (3, 1)), ((2,), (3,)), ((0,), (3,)), ((), ())]
)
def test_other_shapes_are_refused(metric, predicted, true):
    with pytest.raises(MsaError, match="Give one value of each utterance on both sides") as error:
        metric(np.zeros(predicted), np.zeros(true))
    assert f"of shape {predicted} " in str(error.value) and f"of shape {true}." in str(error.value)


@pytest.mark.parametrize("metric", EVERY)
def test_the_type_of_the_numbers_changes_nothing(metric):
    predicted, true = [0, 1, 3, 1], [1, 2, 2, 0]
    expected = metric(np.array(predicted, float), np.array(true, float))
    for dtype in (np.uint8, np.uint64, np.int8, np.float32):
        assert metric(np.array(predicted, dtype), np.array(true, dtype)) == pytest.approx(expected)
    assert metric(predicted, true) == pytest.approx(expected)
    assert metrics.mae(np.array([1], np.uint8), np.array([2], np.uint8)) == 1.0
    assert metrics.mae(np.array([127], np.int8), np.array([-128], np.int8)) == 255.0


def test_classes_may_be_names():
    assert metrics.accuracy(np.array(["a", "b"]), np.array(["a", "a"])) == 0.5
    assert metrics.weighted_f1(np.array(["a", "b"]), np.array(["a", "a"])) == pytest.approx(2 / 3)
