"""The columns of the Numbers page: which values of an evaluation file a protocol's table shows, and in which form."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from msa_core.errors import message

Result = Mapping[str, Any]  # an evaluation file
EvaluationRow = Mapping[str, Any]  # one of its rows
PROTOCOLS = {
    "patterns": "patterns",
    "frames": "dropped frames",
    "blocks": "dropped blocks",
    "modality": "modality rate",
    "slices": "slices",
    "intervals": "intervals",
    "headline": "headline",
}
COUNTED = {1: "one", 2: "two", 6: "six", 10: "ten"}


@dataclass(frozen=True)
class NumbersColumn:
    """A column of a table.

    Args:
        note: small second line of its head.
        best: "low", "high", "level" (nearest to the table's level) or "" (none).
        form: "number", "share" (0..1, written in percent), "change" (a share with its sign) or "signed".
    """

    key: str
    title: str
    note: str = ""
    best: str = "low"
    form: str = "number"
    digits: int = 3


class Cell(NamedTuple):
    """A value with its standard deviation over seeds, or with its interval; None where there is none."""

    value: float | None
    sd: float | None = None
    interval: tuple[float, float] | None = None


Columns = tuple[list[NumbersColumn], Callable[[EvaluationRow], list[Cell]]]  # columns, and a row's cells in them


def columns_of(result: Result, protocol: str, metric: str) -> Columns:
    """Choose the columns of a protocol's table, and how a row fills them."""
    makers = {"slices": _slices, "intervals": _intervals, "headline": _headline}
    return makers[protocol](result) if protocol in makers else _conditions(result, protocol, metric)


def number(value: Any) -> float | None:
    """Read a finite number; anything else becomes None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def mapping(value: Any) -> Mapping[str, Any]:
    """Read a mapping; anything else becomes an empty one."""
    return value if isinstance(value, Mapping) else {}


def rate_of(condition: str) -> float | None:
    """Read the rate of a condition such as "frame:0.3"; None without one."""
    try:
        return number(float(condition.partition(":")[2]))
    except ValueError:
        return None


def patterns_of(result: Result) -> list[str]:
    """List the patterns of an evaluation, the complete one last."""
    return list(result.get("patterns") or mapping(result.get("protocols")).get("patterns", ()))


def cell_of(row: EvaluationRow, condition: str, metric: str) -> Cell:
    """Read a metric of a row under a condition, with its deviation."""
    values = mapping(mapping(row["table"]).get(condition))
    return Cell(number(values.get(metric)), number(mapping(mapping(row.get("sd")).get(condition)).get(metric)))


def _conditions(result: Result, protocol: str, metric: str) -> Columns:
    """Make a column for every condition of a protocol, and one of their mean where it is customary."""
    patterns = patterns_of(result)
    names = patterns if protocol == "patterns" else mapping(result.get("protocols")).get(protocol, [])
    best, form = "low" if metric == "mae" else "high", "number" if metric in ("mae", "pearson") else "share"
    style: dict[str, Any] = {"best": best, "form": form, "digits": 3 if form == "number" else 1}
    columns = []
    for c in names:
        rate, note = rate_of(c), "complete" if c in patterns[-1:] else ""
        realised = number(mapping(result.get("realised")).get(c))
        note = message("realised {rate:.1f} %", rate=100 * realised) if realised is not None else note
        columns.append(
            NumbersColumn(c, c.replace("+", " + ") if rate is None else f"{100 * rate:.0f} %", note, **style)
        )
    averaged = {"patterns": names[:-1], "frames": names}.get(protocol, [])
    if len(averaged) > 1:
        columns.append(
            NumbersColumn("mean", message("mean of {n}", n=COUNTED.get(len(averaged), len(averaged))), **style)
        )
    area = protocol == "frames" and any(row.get("auilc") for row in result["rows"])
    if area:
        columns.append(
            NumbersColumn("auilc", "AUILC", message("area to {rate:.0f} %", rate=100 * (rate_of(names[-1]) or 0)), best)
        )

    def cells(row: EvaluationRow) -> list[Cell]:
        found = [cell_of(row, c, metric) for c in names]
        if len(averaged) > 1:
            mean = _mean(found[: len(averaged)])
            incomplete_mae, sd = number(row.get("six")), number(row.get("six_sd"))
            known = protocol == "patterns" and metric == "mae" and mean and incomplete_mae and sd
            found.append(Cell(mean, sd * mean / incomplete_mae if known else None))  # type: ignore[operator]
        return found + ([Cell(number(mapping(row.get("auilc")).get(metric)))] if area else [])

    return columns, cells


def _slices(result: Result) -> Columns:
    """Make the columns of the MAE of every pattern on every slice of the test rows."""
    keys = [(s, p) for s in mapping(result.get("slices")) for p in patterns_of(result)]
    columns = [NumbersColumn(f"{s} {p}", p.replace("+", " + "), s) for s, p in keys]
    return columns, lambda row: [Cell(number(mapping(mapping(row.get("slices")).get(s)).get(p))) for s, p in keys]


def _intervals(result: Result) -> Columns:
    """Make the columns of coverage and width of the intervals of every pattern."""
    patterns = patterns_of(result)
    columns = [NumbersColumn(f"coverage {p}", p.replace("+", " + "), "coverage", "level", "share", 1) for p in patterns]
    columns += [NumbersColumn(f"width {p}", p.replace("+", " + "), "width", "", "number", 2) for p in patterns]
    if not any(row.get("coverage") for row in result["rows"]):
        columns = []
    return columns, lambda row: [
        Cell(number(mapping(row.get(k)).get(p))) for k in ("coverage", "width") for p in patterns
    ]


def _headline(result: Result) -> Columns:
    """Make the columns of where a row stands between its references.

    Key "six" of the file holds incomplete_mae, "distance" the excess over the specialists, "price" the cost on complete
    input.
    """
    columns = [
        NumbersColumn("gap_closed", "gap closed", "95 % interval", "high", "number", 2),
        NumbersColumn("distance", "above the specialists", "share of their MAE", "low", "change", 1),
        NumbersColumn("against_masked", "against masked", "95 % interval, same input", "low", "signed", 3),
        NumbersColumn("price", "price", "on complete input", "low", "change", 1),
        NumbersColumn("six", "MAE, incomplete", "mean of patterns", "low", "number", 3),
        NumbersColumn("complete", "MAE, complete", "", "low", "number", 3),
    ]

    def cells(row: EvaluationRow) -> list[Cell]:
        masked = row.get("against_masked")
        difference = list(masked) if isinstance(masked, Sequence) and len(masked) == 3 else [None] * 3
        return [
            Cell(number(row.get("gap_closed")), None, interval_of(row.get("gap_interval"))),
            Cell(number(row.get("distance"))),
            Cell(number(difference[0]), None, interval_of(difference[1:])),
            Cell(number(row.get("price"))),
            Cell(number(row.get("six")), number(row.get("six_sd")) or None),
            Cell(number(row.get("complete"))),
        ]

    return columns, cells


def interval_of(pair: Any) -> tuple[float, float] | None:
    """Read the two ends of an interval; anything else becomes None."""
    low, high = (number(v) for v in pair) if isinstance(pair, Sequence) and len(pair) == 2 else (None, None)
    return None if low is None or high is None else (low, high)


def _mean(cells: Iterable[Cell]) -> float | None:
    """Average cells; None when a value is missing."""
    values = [c.value for c in cells]
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
