"""Rails of the Numbers tables: places worked by hand, the line of the constant, and what is not told apart."""

from __future__ import annotations

import pytest

from msa_core.evaluation.result_columns import Cell, NumbersColumn
from msa_core.evaluation.results import NumbersTable, TableLine, where_missing
from msa_core.views import rails


def line(title: str, *cells: Cell, kind: str = "method") -> TableLine:
    return TableLine(title, title, kind, 5, "", None, cells)


def table(*lines: TableLine, columns: tuple[NumbersColumn, ...] = (NumbersColumn("a", "a"),)) -> NumbersTable:
    return NumbersTable(columns, lines, 0, 0.8)


def test_places_are_in_percent_of_a_scale_with_a_margin() -> None:
    shown = table(line("low", Cell(1.0)), line("high", Cell(2.0)), line("middle", Cell(1.5, 0.25)))
    low, high, middle = (row[0] for row in rails.rails(shown))
    assert low and high and middle  # the scale runs from 0.94 to 2.06
    assert (low.at, high.at, middle.at) == (5.4, 94.6, 50.0)
    assert (middle.low, middle.high) == (27.7, 72.3) and (low.low, low.high) == (5.4, 5.4) and low.line is None


def test_the_constant_is_a_line_and_squashes_nothing() -> None:
    models = [line("a", Cell(1.0)), line("b", Cell(2.0))]
    for value, at, beyond in ((1.5, 50.0, ""), (9.0, 100.0, "high"), (0.1, 0.0, "low")):
        constant, a, _ = rails.rails(table(line("c", Cell(value), kind="constant"), *models))
        assert constant == [None] and a[0] is not None
        assert (a[0].at, a[0].line, a[0].beyond) == (5.4, at, beyond)


def test_every_column_has_its_scale_and_differences_have_a_zero() -> None:
    columns = (NumbersColumn("a", "a"), NumbersColumn("b", "b"), NumbersColumn("d", "d", form="signed"))
    difference = Cell(0.1, None, (0.05, 0.2))
    lines = line("x", Cell(1.0), Cell(20.0), difference), line("y", Cell(2.0), Cell(10.0), difference)
    (first, second, third), _ = rails.rails(table(*lines, columns=columns))
    assert first and second and third and (first.at, second.at) == (5.4, 94.6)
    assert third.line == 5.4 and third.beyond == "" and third.line < third.low < third.at < third.high


def test_a_column_without_values_has_no_rail() -> None:
    assert rails.rails(table(line("x", Cell(None)))) == [[None]]
    only = rails.rails(table(line("x", Cell(3.0))))[0][0]
    assert only is not None and only.at == 50.0


def test_tied_is_what_deviations_or_intervals_leave_open() -> None:
    shown = table(line("best", Cell(1.0, 0.1)), line("near", Cell(1.19, 0.1)), line("far", Cell(1.21, 0.1)),
                  line("bare", Cell(1.01)))  # fmt: skip
    assert shown.best() == {(0, 0)} and rails.tied(shown) == {(1, 0)}
    met = table(line("best", Cell(1.0, None, (0.9, 1.1))), line("meets", Cell(1.2, None, (1.1, 1.3))),
                line("apart", Cell(1.3, None, (1.2, 1.4))))  # fmt: skip
    assert rails.tied(met) == {(1, 0)}


@pytest.mark.parametrize(
    ("modality", "left"), [("text", ["audio"]), ("audio", ["text", "text + vision"]), ("vision", ["text", "audio"])]
)
def test_columns_are_chosen_by_what_is_missing(modality: str, left: list[str]) -> None:
    titles = ("text", "audio", "text + vision", "text + audio + vision", "mean of six")
    columns = tuple(NumbersColumn(t, t) for t in titles)
    shown = where_missing(table(line("x", *(Cell(float(i)) for i in range(5))), columns=columns), modality)
    assert [c.title for c in shown.columns] == left and len(shown.lines[0].cells) == len(left)
    rates = table(line("x", Cell(1.0)), columns=(NumbersColumn("frame:0.5", "50 %"),))
    assert where_missing(rates, modality) == rates
