"""Where the values of a table lie: a dot with its interval on a rail in every cell, and the constant as a line.

Every column has a scale of its own, which its models and their intervals fill, so that rows are compared from top to
bottom. A constant beyond it is a mark at its end instead of squashing them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msa_core.evaluation.result_columns import Cell
from msa_core.evaluation.results import NumbersTable

MARGIN = 0.06  # of the scale, left free at both ends
DIFFERENCES = ("change", "signed")  # forms of values whose line is 0


@dataclass(frozen=True)
class Rail:
    """A value on the scale of its column, in percent of the width.

    Args:
        at: the value.
        low, high: its interval, or one standard deviation over seeds to each side; `at` where there is neither.
        line: the constant, 0 of a difference, or the level asked for; None without one.
        beyond: "low" or "high" where the line lies outside the scale and is drawn at its end, else "".
    """

    at: float
    low: float
    high: float
    line: float | None
    beyond: str


def rails(shown: NumbersTable) -> list[list[Rail | None]]:
    """Lay out the cells of a table. Returns: a rail for every line and column, None where nothing is drawn."""
    lines = [_line(shown, j) for j in range(len(shown.columns))]
    scales = [_scale(shown, j, line) for j, line in enumerate(lines)]
    return [
        [
            None if line.kind == "constant" or scale is None else _rail(cell, scale, reference)
            for cell, scale, reference in zip(line.cells, scales, lines, strict=True)
        ]
        for line in shown.lines
    ]


def tied(shown: NumbersTable) -> set[tuple[int, int]]:
    """Find (line, column) of the values that cannot be told from the best of their column.

    Two values are told apart when they differ by more than their deviations over seeds together, or when their
    intervals do not meet; a value with neither is tied with no other.
    """
    best = shown.best()
    found = set()
    for j in range(len(shown.columns)):
        tops = [shown.lines[i].cells[j] for i, column in best if column == j]
        for i, line in enumerate(shown.lines):
            if (i, j) not in best and any(_meet(line.cells[j], top) for top in tops):
                found.add((i, j))
    return found


def _meet(one: Cell, other: Cell) -> bool:
    """Tell whether two values are not told apart."""
    if one.value is None or other.value is None:
        return False
    if one.interval and other.interval:
        return one.interval[0] <= other.interval[1] and other.interval[0] <= one.interval[1]
    if one.sd is None or other.sd is None:
        return False
    return abs(one.value - other.value) <= one.sd + other.sd


def _line(shown: NumbersTable, j: int) -> float | None:
    """Choose the line of a column: 0 of a difference, the level of a coverage, else the value of the constant."""
    column = shown.columns[j]
    if column.form in DIFFERENCES:
        return 0.0
    if column.best == "level":
        return shown.level
    return next((line.cells[j].value for line in shown.lines if line.kind == "constant"), None)


def _scale(shown: NumbersTable, j: int, line: float | None) -> tuple[float, float] | None:
    """Fit the scale of a column; None where no model has a value."""
    column = shown.columns[j]
    ends = [v for row in shown.lines if row.kind != "constant" for v in _ends(row.cells[j])]
    if not ends:
        return None
    if line is not None and (column.form in DIFFERENCES or column.best == "level"):  # this line is always in sight
        ends.append(line)
    low, high = min(ends), max(ends)
    margin = MARGIN * (high - low) or MARGIN * abs(high) or MARGIN
    return low - margin, high + margin


def _ends(cell: Cell) -> Iterable[float]:
    """Give what must fit on the rail: the value and its interval."""
    if cell.value is None:
        return ()
    if cell.interval is not None:
        return (cell.value, *cell.interval)
    sd = cell.sd or 0.0
    return (cell.value - sd, cell.value + sd)


def _rail(cell: Cell, scale: tuple[float, float], line: float | None) -> Rail | None:
    """Place a value, its interval and the line on a scale."""
    if cell.value is None:
        return None
    low, high = scale

    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 1)

    ends = [place(v) for v in _ends(cell)]
    beyond = "" if line is None or low <= line <= high else "low" if line < low else "high"
    at = None if line is None else {"low": 0.0, "high": 100.0}.get(beyond, place(line))
    return Rail(place(cell.value), min(ends), max(ends), at, beyond)
