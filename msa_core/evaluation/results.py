"""Evaluation files (`checkpoints/evaluation/*.json`) read, checked and laid out as tables of plain numbers.

Nothing is computed anew but means over columns. Values that a file lacks become None; a file that cannot be read is
left out with one sentence, so that one bad file never takes the others from the page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from msa_core import checkpoint
from msa_core.errors import MsaError, message
from msa_core.evaluation.result_columns import (
    PROTOCOLS,
    Cell,
    EvaluationRow,
    NumbersColumn,
    Result,
    cell_of,
    columns_of,
    mapping,
    number,
    rate_of,
)
from msa_core.schema import MODALITIES

FOLDER = checkpoint.ROOT / "evaluation"
REPORTED = "reported.json"  # typed from papers, never measured here
OTHER = ("-evidence.json", "-likeness.json", "-emotions.json")  # beside an evaluation, each in a form of its own
REAL = "real.json"  # of real people; it has a form and a section of its own (evaluation/real)
SEEDS = "seeds.json"  # how the shipped training was chosen among its seeds
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
EXTRA_KINDS = ("variant", "ablation")  # rows that the short table leaves out


@dataclass(frozen=True)
class TableLine:
    """A row of a table as it is shown.

    name: run name and variant; seeds: 0 for none, None for unknown; method: key of the method, "" for other rows;
    reads_simulated: reads text simulated from the voice.
    """

    title: str
    name: str
    kind: str
    seeds: int | None
    regime: str
    n_parameters: int | None
    cells: tuple[Cell, ...]
    method: str = ""
    reads_simulated: bool = False


@dataclass(frozen=True)
class NumbersTable:
    """A table as it is shown. left_out: number of rows that have none of these values; level: coverage asked for."""

    columns: tuple[NumbersColumn, ...]
    lines: tuple[TableLine, ...]
    left_out: int = 0
    level: float | None = None

    def best(self) -> set[tuple[int, int]]:
        """Find (line, column) of the best value of every column, equals included; values count as they are written."""
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
    """A row against the share of dropped frames: points (rate, value), rates rising; method as in `TableLine`."""

    title: str
    kind: str
    points: tuple[tuple[float, float], ...]
    method: str = ""


def load(folder: Path | None = None) -> tuple[dict[str, Result], list[str]]:
    """Load every evaluation by its corpus, and a sentence for each file that is left out; default: shipped ones."""
    found: dict[str, Result] = {}
    left_out: list[str] = []
    for path in sorted((folder or FOLDER).glob("*.json")):
        if path.name in (REPORTED, REAL, SEEDS) or path.name.endswith(OTHER):
            continue
        try:
            result = _read(path, path.stat().st_mtime_ns)
            if result["corpus"] in found:
                raise MsaError("the corpus {corpus} is also in another file", corpus=repr(result["corpus"]))
            found[result["corpus"]] = result
        except MsaError as e:
            left_out.append(
                message(
                    "{file} is left out: {why}. Write it again with 'python -m msa_core evaluate'.",
                    file=path.name,
                    why=e.message,
                )
            )
    return found, left_out


def of(corpus: str | None) -> Result:
    """Load the evaluation of a corpus. Raises: MsaError listing the corpora that have one."""
    found, _ = load()
    if not isinstance(corpus, str) or corpus not in found:
        names = ", ".join(found) or "none; write one with 'python -m msa_core evaluate'"
        raise MsaError("There is no evaluation of {corpus}. There is: {names}.", corpus=repr(corpus), names=names)
    return found[corpus]


def as_json(corpus: str) -> str:
    """Write the evaluation of a corpus, or "real" for real people, as JSON for a download. Raises: MsaError."""
    return json.dumps(real() if corpus == Path(REAL).stem else of(corpus), indent=1)


@lru_cache(maxsize=32)
def _read(path: Path, changed_ns: int) -> Result:
    """Read and check an evaluation file, again only when it has changed. Raises: MsaError naming the fault."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as e:
        raise MsaError("it cannot be read as JSON ({error})", error=str(e)) from e
    if fault := _fault(found):
        raise MsaError(fault)
    return found  # type: ignore[no-any-return]


def _fault(found: Any) -> str:
    """Name the fault in the structure of an evaluation, or "". Non-numeric values become None later (`number`)."""
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
            return message("the table of row {label} holds something other than metrics", label=repr(row["label"]))
    protocols = found.get("protocols", {})
    lists = [found.get("patterns", []), *(protocols.values() if isinstance(protocols, Mapping) else [None])]
    if not all(isinstance(names, list) and all(isinstance(n, str) for n in names) for names in lists):
        return "'patterns' or 'protocols' holds something other than names of conditions"
    rated = [c for name in ("frames", "blocks", "modality") for c in protocols.get(name, ())]
    wrong = next((c for c in rated if rate_of(c) is None), None)
    return "" if wrong is None else message("the condition {condition} has no rate", condition=repr(wrong))


def table(result: Result, protocol: str, metric: str = "mae", everything: bool = False) -> NumbersTable:
    """Lay out the table of a protocol.

    Args:
        everything: with ablations and variants.
    Raises:
        MsaError: for an unknown name.
    """
    if protocol not in PROTOCOLS or metric not in METRICS:
        raise MsaError(
            "There is no table of {protocol} in {metric}. Protocols: {protocols}; metrics: {metrics}.",
            protocol=repr(protocol),
            metric=repr(metric),
            protocols=", ".join(PROTOCOLS),
            metrics=", ".join(METRICS),
        )
    columns, cells = columns_of(result, protocol, metric)
    lines = [_line(row, tuple(cells(row))) for row in rows_of(result, everything)] if columns else []
    kept = tuple(line for line in lines if any(c.value is not None for c in line.cells))
    return NumbersTable(tuple(columns), kept, len(lines) - len(kept), number(result.get("level")))


def where_missing(shown: NumbersTable, modality: str) -> NumbersTable:
    """Keep the columns of patterns that lack a modality; other columns, of means too, are left out.

    A table without columns of patterns stays as it is.
    """
    sets = [set(c.title.split(" + ")) for c in shown.columns]
    patterns = [j for j, members in enumerate(sets) if members <= set(MODALITIES)]
    kept = [j for j in patterns if modality not in sets[j]] if patterns else range(len(sets))
    return replace(
        shown,
        columns=tuple(shown.columns[j] for j in kept),
        lines=tuple(replace(line, cells=tuple(line.cells[j] for j in kept)) for line in shown.lines),
    )


def rows_of(result: Result, everything: bool) -> list[EvaluationRow]:
    """List the rows in the file's order; the specialists, each of one pattern, are put together as the last ones.

    Those that read simulated text are put together with the others of patterns in which no text is simulated.
    """
    hidden = ("specialist", *(() if everything else EXTRA_KINDS))
    rows: list[EvaluationRow] = [r for r in result["rows"] if r.get("kind") not in hidden]
    known = [r for r in result["rows"] if r.get("kind") == "specialist"]
    plain, hearing = ([r for r in known if bool(r.get("reads_simulated_text")) is reads] for reads in (False, True))
    if plain:
        own = {"label": "specialists", "title": "A specialist for each pattern", "six": result.get("specialists")}
        rows.append(_merged(result, plain) | own)
    if plain and hearing:
        heard = {r.get("regime") for r in hearing}
        own = {
            "label": "specialists, simulated text",
            "title": "A specialist for each pattern + simulated text",
            "six": mapping(result.get("with_simulated_text")).get("specialists"),
            "reads_simulated_text": True,
        }
        rows.append(_merged(result, [*(r for r in plain if r.get("regime") not in heard), *hearing]) | own)
    return rows


def _merged(result: Result, known: list[EvaluationRow]) -> dict[str, Any]:
    """Merge specialists of different patterns to one row."""
    merged: dict[str, Any] = {"kind": "specialist"}
    for key in ("table", "sd", "coverage", "width"):
        merged[key] = {c: v for r in known for c, v in _own(r, r.get(key)).items()}
    merged["slices"] = {
        s: {c: v for r in known for c, v in _own(r, mapping(r.get("slices")).get(s)).items()}
        for s in mapping(result.get("slices"))
    }
    seeds = [r["seeds"] for r in known if isinstance(r.get("seeds"), int)]
    return merged | {"seeds": min(seeds, default=None)}


def _own(specialist: EvaluationRow, values: Any) -> dict[str, Any]:
    """Keep the values of a specialist's own pattern."""
    return {c: v for c, v in mapping(values).items() if specialist.get("regime", c) == c}


def title_of(row: EvaluationRow) -> str:
    """Title a row; one of ProMMA always says that it is a reconstruction."""
    title = str(row.get("title") or row["label"])
    rebuilt = row.get("reconstruction") is True or "promma" in f"{row.get('method')} {row['label']} {title}".lower()
    return title if not rebuilt or "(reconstruction)" in title else f"{title} (reconstruction)"


def method_of(row: EvaluationRow) -> str:
    """Name the method that a row is a model of, for its colour; "" for baselines, teachers and the constant."""
    kind = row.get("kind")
    return str(row.get("method") or row["label"]) if kind == "method" or kind in EXTRA_KINDS else ""


def curves(result: Result, metric: str = "mae") -> list[Curve]:
    """Collect the main rows against the share of dropped frames; rows with fewer than two values are left out."""
    found = []
    for row in rows_of(result, everything=False):
        cells = (
            (rate_of(c), cell_of(row, c, metric).value) for c in mapping(result.get("protocols")).get("frames", ())
        )
        points = tuple(sorted((rate, v) for rate, v in cells if rate is not None and v is not None))
        if len(points) > 1:
            found.append(Curve(title_of(row), str(row.get("kind")), points, method_of(row)))
    return found


def reported(folder: Path | None = None) -> list[Mapping[str, Any]]:
    """Load the tables that papers report. Raises: MsaError when the file is missing or malformed."""
    path = (folder or FOLDER) / REPORTED
    try:
        tables = json.loads(path.read_text())["tables"]
        for t in tables:
            texts = [t["dataset"], t["what"], t["source"], t["caveat"], *t["columns"], *(r["name"] for r in t["rows"])]
            values = [v for r in t["rows"] for v in r["values"] if v is not None]
            fits = all(len(r["values"]) == len(t["columns"]) for r in t["rows"])
            if not fits or not all(isinstance(v, str) for v in texts + values):
                raise ValueError(
                    message(
                        "the table {what} has rows of different widths, or values that are not text",
                        what=repr(t["what"]),
                    )
                )
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise MsaError(
            "{file} cannot be read ({error}). Restore it with 'git checkout -- checkpoints'.",
            file=REPORTED,
            error=str(e),
        ) from e
    return list(tables)


def real(folder: Path | None = None) -> Mapping[str, Any] | None:
    """Load what was measured on real people; None where it was not. Raises: MsaError when the file is malformed."""
    path = (folder or FOLDER) / REAL
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text())
        for part in found["sets"]:
            part["kind"], part["name"], part["n"], part["patterns"]
            for row in part["rows"]:
                row["label"], row["title"], row["kind"], row["values"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise MsaError(
            "{file} cannot be read ({error}). Write it again with 'python -m msa_core evaluate-real'.",
            file=REAL,
            error=repr(e),
        ) from e
    return found  # type: ignore[no-any-return]


def _line(row: EvaluationRow, cells: tuple[Cell, ...]) -> TableLine:
    """Make a line of a row and its cells."""
    seeds, size = number(row.get("seeds")), number(row.get("n_parameters"))
    return TableLine(
        title_of(row), row["label"], str(row.get("kind") or ""), None if seeds is None else int(seeds),
        str(row.get("regime") or ""), None if size is None else int(size), cells, method_of(row),
        bool(row.get("reads_simulated_text")),
    )  # fmt: skip
