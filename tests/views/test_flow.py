"""The flow of an answer: widths and signs are the contributions, what is off ends halfway, names are escaped."""

from __future__ import annotations

import re

import pytest
from predictions import gone, prediction

from msa_core.schema import MODALITIES
from msa_core.views import flow as flow_view


def widths(html: str) -> list[float]:
    """The widths of the upper halves, in pixels."""
    return [float(w) for w in re.findall(r'<path d="[^"]+" style="stroke-width:([\d.]+)px"', html)]


def test_a_stream_is_as_wide_as_its_contribution() -> None:
    changed = prediction(contributions={"base": -0.25, "text": 0.5, "audio": -1.0, "vision": 0.0})
    html = flow_view.flow(changed)
    assert widths(html) == [4.5, 9.0, 1.5]  # 9 px a point, at least 1.5
    assert re.findall(r'class="mm-stream mm-flow-(\w+)"', html) == ["pos", "neg", "zero"]
    assert [s for s in re.findall(r">([+−]?\d\.\d\d)</span>", html)] == ["+0.50", "−1.00", "0.00"]
    assert "training mean −0.25, Text +0.50, Audio −1.00, Vision 0.00" in html


def test_a_stream_has_a_greatest_width() -> None:
    huge = prediction(contributions={"base": 0.0, "text": 9.0, "audio": -9.0, "vision": 0.1})
    assert widths(flow_view.flow(huge))[:2] == [flow_view.WIDEST] * 2


@pytest.mark.parametrize("modality", MODALITIES)
def test_what_is_off_breaks(modality: str) -> None:
    html = flow_view.flow(prediction(**gone(modality) | {"text_source": "none"}))
    tones = re.findall(r'class="mm-stream mm-flow-(\w+)"', html)
    assert [t == "off" for t in tones] == [m == modality for m in MODALITIES] and html.count(">off</span>") == 1
    simulated = flow_view.flow(prediction(**gone(modality) | {"text_source": "simulated"}))
    assert (">simulated</span>" in simulated) == (modality == "text")


def test_halves_meet_in_the_middle_of_the_curve() -> None:
    upper, lower = flow_view._halves((0, 0), (0, 8), (16, 0), (16, 8))
    assert upper.split(" ")[-2:] == ["8.0", "4.0"] and lower.startswith("M8.0 4.0C") and lower.endswith("16.0 8.0")


def test_the_score_is_the_methods() -> None:
    html = flow_view.flow(prediction())
    assert "+0.75</strong>" in html and "SDUMC +0.75: training mean" in html
