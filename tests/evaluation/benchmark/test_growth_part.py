"""The line through the costs, and its chart."""

from xml.etree import ElementTree

import pytest

from msa_core.evaluation.benchmark import growth_part
from msa_core.evaluation.benchmark.timing import Times


def times(cost):
    return {str(x): Times((cost(x),), (cost(x),)) for x in growth_part.LENGTHS_S}


def test_a_straight_line_is_found_and_a_curve_stands_out():
    straight, curved = growth_part.fitted(times(lambda x: 0.5 + 0.1 * x)), growth_part.fitted(times(lambda x: x * x))
    assert straight["slope_s"] == pytest.approx(0.1) and straight["fixed_s"] == pytest.approx(0.5)
    assert straight["largest_deviation"] < 1e-6 and curved["largest_deviation"] > 0.5


def test_the_chart_is_an_svg_with_a_mark_for_every_length():
    line = growth_part.fitted(times(lambda x: 0.5 + 0.1 * x))
    drawing = growth_part.svg({"length_s": line, "clips": line})
    marks = [e for e in ElementTree.fromstring(drawing).iter() if e.get("class") == "line mark"]
    assert len(marks) == len(growth_part.LENGTHS_S)
    assert [len(r) for r in growth_part.sentences({"length_s": line, "clips": line})] == [4, 4]
