"""Conformal intervals: half-widths by hand, and the interval of what is left of a clip."""

import numpy as np
import pytest
from paths import EXAMPLES

from msa_core.explain import conformal


@pytest.fixture(scope="module")
def happy(analyser):
    return analyser.extract(EXAMPLES / "crema_happy.mp4")


def test_half_width_by_hand():
    residuals = np.arange(1.0, 10.0)[::-1]  # 9 of them: ceil(10 * 0.8) = the 8th smallest
    assert conformal.half_width(residuals, 0.8) == 8.0


@pytest.mark.parametrize(("n", "level", "width"), [(0, 0.8, None), (3, 0.8, None), (4, 0.8, 4.0), (9, 0.95, None)])
def test_too_few_residuals_promise_nothing(n, level, width):
    assert conformal.half_width(np.arange(1.0, n + 1), level) == width


def test_an_interval_stays_within_the_scores(happy):
    manifest = {"calibration": {"level": 0.8, "half_width": {"text+audio+vision": 1.0}}}
    assert conformal.interval(manifest, happy, 2.5) == {"level": 0.8, "low": 1.5, "high": 3.0}
    assert conformal.interval(manifest, happy.without("vision", "off"), 2.5) is None
    assert conformal.interval({}, happy, 2.5) is None


def test_without_simulated_text_the_interval_has_its_own_width(analyser, happy):
    half = analyser.manifest("sdumc")["calibration"]["half_width"]
    assert half["audio, nothing imagined"] > half["audio"]
    p = analyser.predict(happy, dropped=["vision"], text_source="none")
    assert p.interval["high"] - p.scores["missing_model_left"] == pytest.approx(half["audio, nothing imagined"])
