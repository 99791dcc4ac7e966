"""The headline finding of an evaluation: which rows are nearest, and which methods beat the masked model beyond chance.

Two rows count as apart only when their difference is larger than both deviations over seeds together, and when the
stored bootstrap intervals do not leave it open: that of the difference from one masked model where both rows have it,
else that of the gap closed between the naive model and the specialists of the same input. On one speaker or video no
two rows do. A method is said to beat the masked model of its own input: one that reads simulated text, the masked model
that reads it too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msa_core.evaluation.result_columns import EvaluationRow, Result, cell_of, interval_of, mapping, number, patterns_of
from msa_core.evaluation.results import rows_of, title_of
from msa_core.i18n import known, say

METRIC = "mae"
NAMED = 4  # rows named in a sentence; the others are counted
CORPORA = {  # names of the shipped tables' corpora within a sentence
    "composite": "the composed corpus",
    "mosi": "CMU-MOSI",
    "mosi-cv": "CMU-MOSI (31 videos)",
    "mosei-922": "CMU-MOSEI (922 videos)",
    "mmmo-120": "MMMO",
    "ravdess": "RAVDESS",
    "mosi-text": "CMU-MOSI (words alone)",
    "mosei-text": "CMU-MOSEI (words alone)",
}
Interval = tuple[float, float]


@dataclass(frozen=True)
class Standing:
    """A row with its mean error over the incomplete patterns.

    spread: standard deviation over seeds of the mean, at most. against: interval of the difference from the masked
    model of the same input, common: from the one without simulated text, gap: of the gap closed; None where none is
    stored. reads_simulated: the row reads simulated text.
    """

    title: str
    kind: str
    error: float
    spread: float
    against: Interval | None
    gap: Interval | None
    common: Interval | None = None
    reads_simulated: bool = False


@dataclass(frozen=True)
class Finding:
    """What an evaluation shows over the rows that are drawn.

    conditions: the incomplete patterns, or the only one. tied: rows that cannot be told from the best, nearest first.
    beats_constant: whether any row is clearly nearer than the constant; None without one. masked: the titles of the
    baselines, empty where nothing was measured against one; better, unclear, worse: the rows beside the baseline of the
    same input.
    """

    conditions: tuple[str, ...]
    best: Standing
    tied: tuple[Standing, ...]
    beats_constant: bool | None
    masked: tuple[str, ...]
    better: tuple[Standing, ...]
    unclear: tuple[Standing, ...]
    worse: tuple[Standing, ...]


def find(result: Result, everything: bool) -> Finding | None:
    """Find what an evaluation shows; None where fewer than two rows have every pattern.

    Args:
        everything: with ablations and variants, as in the table.
    """
    patterns = patterns_of(result)
    conditions = tuple(patterns[:-1] or patterns)
    told = (lambda near, far: False) if _one_cluster(result) else apart
    found = [_standing(result, row, conditions) for row in rows_of(result, everything)]
    rows = sorted((row for row in found if row is not None), key=lambda row: row.error)
    if len(rows) < 2:
        return None
    best = rows[0]
    constant = next((row for row in rows if row.kind == "constant"), None)
    masked = tuple(row.title for row in sorted(rows, key=lambda row: row.reads_simulated) if row.kind == "masked")
    measured = [row for row in rows if row.against is not None and row.kind != "masked"]
    ends = {id(row): row.against or (0.0, 0.0) for row in measured}
    better = tuple(row for row in measured if ends[id(row)][1] < 0)
    worse = tuple(row for row in measured if ends[id(row)][0] > 0)
    return Finding(
        conditions,
        best,
        tuple(row for row in rows[1:] if not told(best, row)),
        None if constant is None else any(row.error < constant.error and told(row, constant) for row in rows),
        masked if measured else (),
        better,
        tuple(row for row in measured if row not in better and row not in worse),
        worse,
    )


def apart(near: Standing, far: Standing) -> bool:
    """Tell whether a row is nearer than another beyond chance."""
    if far.error - near.error <= near.spread + far.spread:
        return False
    if near.common is not None and far.common is not None:
        return near.common[1] < far.common[0]
    if near.reads_simulated != far.reads_simulated:
        return True  # the other intervals are of different references
    if near.against is not None and far.against is not None:
        return near.against[1] < far.against[0]
    if near.gap is not None and far.gap is not None:
        return far.gap[1] < near.gap[0]  # the more of the gap is closed, the nearer
    return True


def sentences(result: Result, everything: bool) -> tuple[str, str] | None:
    """Say the finding in one sentence, and in a second what it does not name; plain text in the active language."""
    found = find(result, everything)
    if found is None:
        return None
    first, more = _nearest(str(result["corpus"]), found), []
    if found.masked:
        first += (
            say(", and these methods reliably beat the masked baseline: {rows}.", rows=_names(found.better))
            if found.better
            else say(", and no method reliably beats the masked baseline.")
        )
        more.append(
            say(
                "The masked baseline is the row “{masked}”; a method beats it reliably when the stored 95 % interval "
                "of the difference lies below 0.",
                masked=known(found.masked[0]),
            )
        )
        if len(found.masked) > 1:
            more.append(
                say(
                    "Rows that read simulated text are measured against “{masked}”, which reads it too.",
                    masked=known(found.masked[1]),
                )
            )
        if found.unclear:
            more.append(say("Not told apart from it: {rows}.", rows=_names(found.unclear)))
        if found.worse:
            more.append(say("Reliably worse: {rows}.", rows=_names(found.worse)))
    else:
        first += say(".")
    if _one_cluster(result):
        more.append(
            say("The test set is one speaker or video, so that there are no intervals and no rows are told apart.")
        )
    more.append(
        say(
            "Rows count as told apart when they differ by more than their standard deviations over seeds together, "
            "and the stored 95 % intervals, where there are some, do not leave it open."
        )
    )
    return first, " ".join(more)


def named(corpus: str) -> str:
    """Name a corpus within a sentence, in the active language; one of the visitor's own keeps its name."""
    return known(CORPORA[corpus]) if corpus in CORPORA else corpus


def _nearest(corpus: str, found: Finding) -> str:
    """Say which rows are nearest to the labels, without a full stop."""
    n, best, tied = len(found.conditions), found.best, found.tied
    where = (
        say("over the {n} incomplete patterns", n=n)
        if n > 1
        else say("with {pattern} alone", pattern=known(found.conditions[0]))
    )
    values: dict[str, object] = {"corpus": named(corpus), "where": where, "near": f"{best.error:.3f}"}
    models = [row for row in (best, *tied) if row.kind != "constant"]
    if found.beats_constant is False and not models:
        return say("On {corpus}, {where}, no model is as near to the labels as the constant (MAE {near})", **values)
    if found.beats_constant is False:
        return say(
            "On {corpus}, {where}, no model is clearly nearer to the labels than the constant (not told apart from it: "
            "{rows})",
            rows=_names(models),
            **values,
        )
    if not tied:
        return say(
            "On {corpus}, {where}, one row is clearly nearest to the labels: “{row}” (MAE {near})",
            row=known(best.title),
            **values,
        )
    return say(
        "On {corpus}, {where}, no row is clearly nearest to the labels (not told apart: {rows}; MAE {near} to {far})",
        rows=_names([best, *tied]),
        far=f"{tied[-1].error:.3f}",
        **values,
    )


def _names(rows: Sequence[Standing]) -> str:
    """List rows by title, the first ones by name; titles hold commas."""
    names = say("; ").join(known(row.title) for row in rows[:NAMED])
    left = len(rows) - NAMED
    return say("{names}; {n} more", names=names, n=left) if left > 0 else names


def _standing(result: Result, row: EvaluationRow, conditions: Sequence[str]) -> Standing | None:
    """Read where a row stands; None where it lacks a pattern."""
    cells = [cell_of(row, c, METRIC) for c in conditions]
    errors = [c.value for c in cells if c.value is not None]
    if not errors or len(errors) < len(conditions):
        return None
    # Deviation of the mean as stored; else the mean of the deviations, which it cannot exceed.
    spread = number(row.get("six_sd")) if len(conditions) > 1 else None
    if spread is None:
        spread = sum(c.sd or 0.0 for c in cells) / len(cells)
    # Intervals of the row; the masked model, the naive one and the specialists are the fixed points of the two scales.
    kind = str(row.get("kind") or "")
    against = _around(row.get("against_masked"))
    gap = interval_of(row.get("gap_interval"))
    simulated, common = bool(row.get("reads_simulated_text")), _around(row.get("against_plain"))
    if kind == "masked":
        against = (0.0, 0.0)
        common = common if simulated else (0.0, 0.0)
    if kind == "specialist":
        gap = (1.0, 1.0)
    elif row["label"] in (naive.get("label") for naive in _naive(result)):
        gap = (0.0, 0.0)
    return Standing(title_of(row), kind, sum(errors) / len(errors), spread, against, gap, common, simulated)


def _around(difference: Any) -> Interval | None:
    """Read the interval of a stored difference; of one that has none, because of one cluster, it is unbounded."""
    if not isinstance(difference, Sequence) or len(difference) != 3:
        return None
    ends = list(difference)[1:]
    return (-math.inf, math.inf) if ends == [None, None] else interval_of(ends)


def _one_cluster(result: Result) -> bool:
    """Tell whether the test set is one speaker or video, which has no intervals."""
    return result.get("one_cluster") is True


def _naive(result: Result) -> list[Mapping[str, Any]]:
    """List the naive models at the end of the gaps: that of every input."""
    return [mapping(result.get("naive")), mapping(mapping(result.get("with_simulated_text")).get("naive"))]
