"""The line through the costs, and its chart."""

from xml.etree import ElementTree

import pytest

from msa_core.evaluation.benchmark import growth_part
from msa_core.evaluation.benchmark.timing import Times
from msa_core.schema import Stream, Utterance


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
    assert [len(r) for r in growth_part.sentences({"length_s": line, "clips": line})] == [4, 4]  # of an older file
    assert len(growth_part.sentences({"length_s": line, "clips": line, "scored": line})) == 3


def test_clips_are_scored_one_by_one_each_as_its_own():
    class Analyser:
        seen: list[str] = []

        def predict(self, utterance):
            self.seen.append(utterance.id)

    growth_part._scored(Analyser(), Utterance("a", 1.0, "compact-v2", *[Stream.absent("")] * 4), 3)
    assert Analyser.seen == ["0", "1", "2"]
