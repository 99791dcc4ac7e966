"""Line charts: round ticks, names that never overlap, and shapes inside the frame."""

import xml.etree.ElementTree as ET

import pytest

from msa_core.evaluation import line_chart
from msa_core.evaluation.line_chart import DASHES, MARKERS, Axes, Frame, Line, Look

FRAME = Frame(400, 300, left=40, right=120, top=20, bottom=40, name_gap=20, wrap=12, prefix="x-")
AXES = Axes(
    x_ticks=(0.0, 0.5, 1.0),
    x_range=(0.0, 1.0),
    y_ticks=(-1.0, 0.0, 1.0),
    x_text=lambda x: f"{x:.0%}",
    y_text=lambda y: f"{y:g}",
    value_text=lambda y: f"{y:+.2f}",
    caption="share & rest",
)


def test_a_chart_has_its_lines_marks_bands_and_names():
    points = ((0.0, -1.0), (1.0, 1.0))
    lines = [
        Line("a <b>", Look("one", DASHES[0], MARKERS[0]), points, ((-1.0, -0.5), (0.5, 1.0))),
        Line("a name of many words", Look("two", DASHES[1], ""), points),
    ]
    svg = ET.fromstring(f"<svg>{line_chart.drawn(FRAME, AXES, lines)}</svg>")
    by_class = {}
    for shape in svg:
        by_class.setdefault(shape.get("class"), []).append(shape)
    assert len(by_class["x-grid"]) == 2 and len(by_class["x-grid x-zero"]) == 1
    assert [t.text for t in by_class["x-middle"]] == ["0%", "50%", "100%", "share & rest"]
    assert by_class["one"][0].get("d") == by_class["two"][0].get("d") == "M40.0 260.0L280.0 20.0"
    assert by_class["one x-band"][0].get("d") == "M40.0 200.0L280.0 20.0L280.0 80.0L40.0 260.0z"
    assert [m[0].text for m in by_class["one x-mark"]] == ["a <b>, 0%: -1.00", "a <b>, 100%: +1.00"]
    assert "two x-mark" not in by_class and len(by_class["x-lead"]) == 2
    assert [t.text for t in by_class["x-name two"]] == ["a name of", "many words"]
    heights = [float(t.get("y")) for css in ("x-name one", "x-name two") for t in by_class[css]]
    assert len(set(heights)) == 3 and all(FRAME.top - 8 <= h <= FRAME.height for h in heights)


@pytest.mark.parametrize(
    ("low", "high"), [(0.69, 1.6), (0.0, 1.0), (0.5, 0.5), (-0.2, 0.9), (12.0, 15.0), (0.001, 0.0013)]
)
def test_ticks_are_round_and_enclose(low: float, high: float) -> None:
    found = line_chart.ticks(low, high)
    assert found[0] <= low + 1e-9 and found[-1] >= high - 1e-9 and 2 <= len(found) <= 9
    steps = {round(b - a, 9) for a, b in zip(found[:-1], found[1:], strict=True)}
    assert len(steps) == 1


def test_names_do_not_overlap_and_stay_inside() -> None:
    for centres in ([100.0] * 9, [10.0, 12.0, 200.0, 201.0], [399.0, 399.5, 400.0], [50.0]):
        heights = [19.0] * len(centres)
        placed = line_chart.spread(centres, heights, 36, 412)
        assert all(b - a >= 19 - 1e-9 for a, b in zip(placed[:-1], placed[1:], strict=True))
        assert placed[0] >= 36 + 9.5 - 1e-9 and placed[-1] <= 412 - 9.5 + 1e-9
    assert line_chart.spread([100.0, 200.0], [19.0, 19.0], 36, 412) == [100.0, 200.0]
