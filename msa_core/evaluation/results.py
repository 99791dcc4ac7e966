"""Evaluation files (`checkpoints/evaluation/*.json`) as tables of plain numbers: reading and choosing.

Nothing is computed anew but means over columns. What a file does not say is None; a file that cannot be read is left
out with one sentence, so that one bad file never takes the others from the page.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from msa_core import checkpoint
from msa_core.errors import MsaError

Result = Mapping[str, Any]  # one evaluation file
EvaluationRow = Mapping[str, Any]  # one of its rows
FOLDER = checkpoint.ROOT / "evaluation"
REPORTED = "reported.json"  # typed from papers, never measured here
METRICS = {  # name in the files -> how people write it
    "mae": "MAE",
    "pearson": "Pearson's r",
    "acc2_has0": "Acc-2, has0 (negative or not)",
    "acc2_non0": "Acc-2, non0 (negative or positive)",
    "f1_has0": "F1, has0",
    "f1_non0": "F1, non0",
    "acc7": "Acc-7",
    "acc5": "Acc-5",
    "acc3": "Acc-3",
    "acc2": "Acc-2 (CH-SIMS)",
    "f1": "F1 (CH-SIMS)",
}
PROTOCOLS = {
    "patterns": "patterns",
    "frames": "dropped frames",
    "blocks": "dropped blocks",
    "modality": "modality rate",
    "slices": "slices",
    "intervals": "intervals",
    "headline": "headline",
}
EXTRA_KINDS = ("variant", "ablation")  # rows that the short table leaves out
COUNTED = {1: "one", 2: "two", 6: "six", 10: "ten"}


@dataclass(frozen=True)
class NumbersColumn:
    """One column. note: small second line; best: "low", "high", "level" (nearest to the table's level) or "" (none).

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


@dataclass(frozen=True)
class TableLine:
    """One row of a table as it is shown. seeds: 0 for none, None for unknown."""

    title: str
    label: str
    kind: str
    seeds: int | None
    regime: str
    n_parameters: int | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class NumbersTable:
    """What one choice shows. left_out: rows that have none of these numbers."""

    columns: tuple[NumbersColumn, ...]
    lines: tuple[TableLine, ...]
    left_out: int = 0
    level: float | None = None

    def best(self) -> set[tuple[int, int]]:
        """(line, column) of the best value of every column, equals included; values count as they are written."""
        found = set()
        for j, column in enumerate(self.columns):
            digits = column.digits + (0 if column.form in ("number", "signed") else 2)
            values = {i: round(c.value, digits) for i, line in enumerate(self.lines)
                      if (c := line.cells[j]).value is not None}  # fmt: skip
            if column.best == "level" and self.level is not None:
                values = {i: round(abs(v - self.level), digits) for i, v in values.items()}
            if column.best and len(values) > 1:
                top = max(values.values()) if column.best == "high" else min(values.values())
                found |= {(i, j) for i, v in values.items() if v == top}
        return found


class Curve(NamedTuple):
    """A row against the share of dropped frames: (rate, value), rates rising."""

    title: str
    kind: str
    points: tuple[tuple[float, float], ...]


def load(folder: Path | None = None) -> tuple[dict[str, Result], list[str]]:
    """Every evaluation by its corpus, and one sentence for each file that is left out. No folder: the shipped one."""
    found: dict[str, Result] = {}
    left_out = []
    for path in sorted((folder or FOLDER).glob("*.json")):
        if path.name == REPORTED or path.name.endswith("-evidence.json"):
            continue
        try:
            result = _read(path, path.stat().st_mtime_ns)
            if result["corpus"] in found:
                raise MsaError(f"the corpus {result['corpus']!r} is also in another file")
            found[result["corpus"]] = result
        except MsaError as e:
            left_out.append(f"{path.name} is left out: {e}. Write it again with 'python -m msa_core evaluate'.")
    return found, left_out


def of(corpus: str | None) -> Result:
    """The evaluation of a corpus. Raises: MsaError listing the corpora that have one."""
    found, _ = load()
    if not isinstance(corpus, str) or corpus not in found:
        names = ", ".join(found) or "none; write one with 'python -m msa_core evaluate'"
        raise MsaError(f"There is no evaluation of {corpus!r}. There is: {names}.")
    return found[corpus]


def as_json(corpus: str) -> str:
    """The evaluation of a corpus as JSON, for a download. Raises: MsaError."""
    return json.dumps(of(corpus), indent=1)


@lru_cache(maxsize=32)
def _read(path: Path, changed_ns: int) -> Result:
    """A checked evaluation file; read again only when it has changed. Raises: MsaError saying what is wrong."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as e:
        raise MsaError(f"it cannot be read as JSON ({e})") from e
    if fault := _fault(found):
        raise MsaError(fault)
    return found  # type: ignore[no-any-return]


def _fault(found: Any) -> str:
    """What is wrong with the structure of an evaluation, or "". Values are not looked at: what is no number is None."""
    if not isinstance(found, Mapping) or not isinstance(found.get("corpus"), str):
        return "it names no corpus"
    rows = found.get("rows")
    if not isinstance(rows, list) or not all(isinstance(r, Mapping) for r in rows):
        return "'rows' is not a list of objects"
    for row in rows:
        table = row.get("table")
        if not isinstance(row.get("label"), str) or not isinstance(table, Mapping):
            return "a row has no 'label' or no 'table'"
        if not all(isinstance(values, Mapping) for values in table.values()):
            return f"the table of row {row['label']!r} holds something other than metrics"
    protocols = found.get("protocols", {})
    lists = [found.get("patterns", []), *(protocols.values() if isinstance(protocols, Mapping) else [None])]
    if not all(isinstance(names, list) and all(isinstance(n, str) for n in names) for names in lists):
        return "'patterns' or 'protocols' holds something other than names of conditions"
    rated = [c for name in ("frames", "blocks", "modality") for c in protocols.get(name, ())]
    wrong = next((c for c in rated if _rate(c) is None), None)
    return "" if wrong is None else f"the condition {wrong!r} has no rate"


def table(result: Result, protocol: str, metric: str = "mae", everything: bool = False) -> NumbersTable:
    """The table of a protocol. everything: with ablations and variants. Raises: MsaError for an unknown name."""
    if protocol not in PROTOCOLS or metric not in METRICS:
        known = f"Protocols: {', '.join(PROTOCOLS)}; metrics: {', '.join(METRICS)}"
        raise MsaError(f"There is no table of {protocol!r} in {metric!r}. {known}.")
    makers = {"slices": _slices, "intervals": _intervals, "headline": _headline}
    columns, cells = makers[protocol](result) if protocol in makers else _conditions(result, protocol, metric)
    lines = [_line(row, tuple(cells(row))) for row in rows_of(result, everything)] if columns else []
    kept = tuple(line for line in lines if any(c.value is not None for c in line.cells))
    return NumbersTable(tuple(columns), kept, len(lines) - len(kept), number(result.get("level")))


def rows_of(result: Result, everything: bool) -> list[EvaluationRow]:
    """The rows in the file's order; specialists, who know one pattern each, are put together as the last one."""
    hidden = ("specialist", *(() if everything else EXTRA_KINDS))
    rows = [r for r in result["rows"] if r.get("kind") not in hidden]
    known = [r for r in result["rows"] if r.get("kind") == "specialist"]
    if not known:
        return rows
    merged: dict[str, Any] = {"label": "specialists", "title": "A specialist for each pattern", "kind": "specialist"}
    for key in ("table", "sd", "coverage", "width"):
        merged[key] = {c: v for r in known for c, v in _own(r, r.get(key)).items()}
    merged["slices"] = {
        s: {c: v for r in known for c, v in _own(r, mapping(r.get("slices")).get(s)).items()}
        for s in mapping(result.get("slices"))
    }
    seeds = [r["seeds"] for r in known if isinstance(r.get("seeds"), int)]
    return [*rows, merged | {"seeds": min(seeds, default=None), "six": result.get("specialists")}]


def _own(specialist: EvaluationRow, values: Any) -> dict[str, Any]:
    """What a specialist has to say: the values of its own pattern."""
    return {c: v for c, v in mapping(values).items() if specialist.get("regime", c) == c}


def title_of(row: EvaluationRow) -> str:
    """How a row is written; one of ProMMA always says that it is a reconstruction."""
    title = str(row.get("title") or row["label"])
    rebuilt = row.get("reconstruction") is True or "promma" in f"{row.get('method')} {row['label']} {title}".lower()
    return title if not rebuilt or "(reconstruction)" in title else f"{title} (reconstruction)"


def curves(result: Result, metric: str = "mae") -> list[Curve]:
    """The main rows against the share of dropped frames; rows with fewer than two values are left out."""
    found = []
    for row in rows_of(result, everything=False):
        cells = ((_rate(c), _cell(row, c, metric).value) for c in mapping(result.get("protocols")).get("frames", ()))
        points = tuple(sorted((rate, v) for rate, v in cells if rate is not None and v is not None))
        if len(points) > 1:
            found.append(Curve(title_of(row), str(row.get("kind")), points))
    return found


def reported(folder: Path | None = None) -> list[Mapping[str, Any]]:
    """The tables that papers report. Raises: MsaError when the file is missing or not what it should be."""
    path = (folder or FOLDER) / REPORTED
    try:
        tables = json.loads(path.read_text())["tables"]
        for t in tables:
            texts = [t["dataset"], t["what"], t["source"], t["caveat"], *t["columns"], *(r["name"] for r in t["rows"])]
            values = [v for r in t["rows"] for v in r["values"] if v is not None]
            fits = all(len(r["values"]) == len(t["columns"]) for r in t["rows"])
            if not fits or not all(isinstance(v, str) for v in texts + values):
                raise ValueError(f"the table {t['what']!r} has rows of different widths, or values that are not text")
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise MsaError(f"{REPORTED} cannot be read ({e}). Restore it with 'git checkout -- checkpoints'.") from e
    return list(tables)


def number(value: Any) -> float | None:
    """A finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def mapping(value: Any) -> Mapping[str, Any]:
    """The mapping, or an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def _rate(condition: str) -> float | None:
    """The rate of "frame:0.3"; None without one."""
    try:
        return number(float(condition.partition(":")[2]))
    except ValueError:
        return None


def _line(row: EvaluationRow, cells: tuple[Cell, ...]) -> TableLine:
    seeds, size = number(row.get("seeds")), number(row.get("n_parameters"))
    return TableLine(
        title_of(row), row["label"], str(row.get("kind") or ""), None if seeds is None else int(seeds),
        str(row.get("regime") or ""), None if size is None else int(size), cells,
    )  # fmt: skip


def _cell(row: EvaluationRow, condition: str, metric: str) -> Cell:
    values = mapping(mapping(row["table"]).get(condition))
    return Cell(number(values.get(metric)), number(mapping(mapping(row.get("sd")).get(condition)).get(metric)))


def _interval(pair: Any) -> tuple[float, float] | None:
    low, high = (number(v) for v in pair) if isinstance(pair, Sequence) and len(pair) == 2 else (None, None)
    return None if low is None or high is None else (low, high)


def _mean(cells: Iterable[Cell]) -> float | None:
    values = [c.value for c in cells]
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def patterns_of(result: Result) -> list[str]:
    """The patterns of a corpus, the complete one last."""
    return list(result.get("patterns") or mapping(result.get("protocols")).get("patterns", ()))


def _conditions(result: Result, protocol: str, metric: str) -> tuple[list[NumbersColumn], Any]:
    """Columns of a protocol whose conditions stand in the rows' tables, and their mean where it is customary."""
    patterns = patterns_of(result)
    names = patterns if protocol == "patterns" else mapping(result.get("protocols")).get(protocol, [])
    best, form = "low" if metric == "mae" else "high", "number" if metric in ("mae", "pearson") else "share"
    style: dict[str, Any] = {"best": best, "form": form, "digits": 3 if form == "number" else 1}
    columns = []
    for c in names:
        rate, note = _rate(c), "complete" if c in patterns[-1:] else ""
        realised = number(mapping(result.get("realised")).get(c))
        note = f"realised {100 * realised:.1f} %" if realised is not None else note
        columns.append(
            NumbersColumn(c, c.replace("+", " + ") if rate is None else f"{100 * rate:.0f} %", note, **style)
        )
    averaged = {"patterns": names[:-1], "frames": names}.get(protocol, [])
    if len(averaged) > 1:
        columns.append(NumbersColumn("mean", f"mean of {COUNTED.get(len(averaged), len(averaged))}", **style))
    area = protocol == "frames" and any(row.get("auilc") for row in result["rows"])
    if area:
        columns.append(NumbersColumn("auilc", "AUILC", f"area to {100 * (_rate(names[-1]) or 0):.0f} %", best))

    def cells(row: EvaluationRow) -> list[Cell]:
        found = [_cell(row, c, metric) for c in names]
        if len(averaged) > 1:
            mean, six, sd = _mean(found[: len(averaged)]), number(row.get("six")), number(row.get("six_sd"))
            known = protocol == "patterns" and metric == "mae" and mean and six and sd
            found.append(Cell(mean, sd * mean / six if known else None))  # type: ignore[operator]
        return found + ([Cell(number(mapping(row.get("auilc")).get(metric)))] if area else [])

    return columns, cells


def _slices(result: Result) -> tuple[list[NumbersColumn], Any]:
    """MAE of every pattern on every slice of the test rows."""
    keys = [(s, p) for s in mapping(result.get("slices")) for p in patterns_of(result)]
    columns = [NumbersColumn(f"{s} {p}", p.replace("+", " + "), s) for s, p in keys]
    return columns, lambda row: [Cell(number(mapping(mapping(row.get("slices")).get(s)).get(p))) for s, p in keys]


def _intervals(result: Result) -> tuple[list[NumbersColumn], Any]:
    """Coverage and width of the intervals of every pattern."""
    patterns = patterns_of(result)
    columns = [NumbersColumn(f"coverage {p}", p.replace("+", " + "), "coverage", "level", "share", 1) for p in patterns]
    columns += [NumbersColumn(f"width {p}", p.replace("+", " + "), "width", "", "number", 2) for p in patterns]
    if not any(row.get("coverage") for row in result["rows"]):
        columns = []
    return columns, lambda row: [
        Cell(number(mapping(row.get(k)).get(p))) for k in ("coverage", "width") for p in patterns
    ]


def _headline(result: Result) -> tuple[list[NumbersColumn], Any]:
    """What the references say about every row."""
    columns = [
        NumbersColumn("gap_closed", "gap closed", "95 % interval", "high", "number", 2),
        NumbersColumn("distance", "above the specialists", "share of their MAE", "low", "change", 1),
        NumbersColumn("against_masked", "against masked", "95 % interval", "low", "signed", 3),
        NumbersColumn("price", "price", "on complete input", "low", "change", 1),
        NumbersColumn("six", "MAE, incomplete", "mean of patterns", "low", "number", 3),
        NumbersColumn("complete", "MAE, complete", "", "low", "number", 3),
    ]

    def cells(row: EvaluationRow) -> list[Cell]:
        masked = row.get("against_masked")
        difference = list(masked) if isinstance(masked, Sequence) and len(masked) == 3 else [None] * 3
        return [
            Cell(number(row.get("gap_closed")), None, _interval(row.get("gap_interval"))),
            Cell(number(row.get("distance"))),
            Cell(number(difference[0]), None, _interval(difference[1:])),
            Cell(number(row.get("price"))),
            Cell(number(row.get("six")), number(row.get("six_sd")) or None),
            Cell(number(row.get("complete"))),
        ]

    return columns, cells
