"""A set of real items scored by every row, and what is reported of it as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from msa_core.evaluation import metrics
from msa_core.evaluation.real import measures
from msa_core.missing import COMPLETE, PATTERNS

DIGITS = 5  # of every number in the file
KINDS = ("constant", "baseline", "person", "complete", "masked", "method")  # of rows, in their order


@dataclass(frozen=True)
class Row:
    """Scores (P, N) of a row, NaN where it has none.

    kind: one of KINDS. complete: label of the row that a method
    is compared with. inside: (P, N), 1 where the label is inside the interval, 0 where not, NaN without an interval.
    errors: (P, N) in place of the distance from the labels, for people, who have no score of their own.
    """

    label: str
    title: str
    kind: str
    scores: np.ndarray
    complete: str | None = None
    inside: np.ndarray | None = None
    errors: np.ndarray | None = None


@dataclass(frozen=True)
class Scored:
    """A set: P patterns of N items.

    labels: (P, N) in [-3, 3], NaN where nobody gave one; None for a set without labels. clusters: (N,) names of what
    belongs together. positive, negative, neutral: (N,) bool. emotions, sentences, speakers: (N,) names, of voices.
    """

    kind: str
    name: str
    patterns: tuple[str, ...]
    ids: tuple[str, ...]
    rows: Sequence[Row]
    labels: np.ndarray | None = None
    clusters: np.ndarray | None = None
    positive: np.ndarray | None = None
    negative: np.ndarray | None = None
    neutral: np.ndarray | None = None
    emotions: np.ndarray | None = None
    sentences: np.ndarray | None = None
    speakers: np.ndarray | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)  # item -> why
    each: bool = False  # the scores of every item are reported too

    def errors(self, row: Row) -> np.ndarray | None:
        """Return the distances (P, N) of a row from the labels, of the incomplete patterns that have labels."""
        found = self._all_errors(row)
        if found is None:
            return None
        kept = [i for i, p in enumerate(self.patterns) if p != COMPLETE and np.isfinite(self.labels[i]).any()]  # type: ignore[index]
        return found[kept]

    def _all_errors(self, row: Row) -> np.ndarray | None:
        if self.labels is None:
            return None
        return row.errors if row.errors is not None else np.abs(row.scores - self.labels)

    def report(self) -> dict[str, Any]:
        """Report the set as a part of `real.json`."""
        rows = [self._row(row) for row in self.rows]
        found: dict[str, Any] = {"kind": self.kind, "name": self.name, "n": len(self.ids), "facts": dict(self.facts)}
        found |= {"patterns": list(self.patterns), "left_out": dict(self.left_out), "rows": rows}
        found |= {"nearest": self._nearest(), "against_complete": self._told(rows)}
        if self.each:
            found["items"] = [self._item(i) for i in range(len(self.ids))]
        return found

    def _row(self, row: Row) -> dict[str, Any]:
        """Report a row: its values, and its paired difference from its complete model."""
        values = {k: _plain(v) for k, v in self._values(row).items()}
        other = next((r for r in self.rows if r.label == row.complete), None)
        difference = None if other is None else self._difference(row, other)
        return {
            "label": row.label,
            "title": row.title,
            "kind": row.kind,
            "complete": row.complete,
            "values": {k: v for k, v in values.items() if v is not None},
            "against_complete": difference and [_plain(v) for v in difference],
        }

    def _values(self, row: Row) -> dict[str, float]:
        """Measure a row; NaN where it lacks what is needed."""
        values: dict[str, float] = {}
        single = len(self.patterns) == 1
        errors, every = self.errors(row), self._all_errors(row)
        if errors is not None and every is not None and self.labels is not None:
            values["mae"] = measures.mean_error(errors) if len(errors) else math.nan
            for p, own in zip(self.patterns, every, strict=True):
                values[f"mae {p}"] = math.nan if single else measures.mean_error(own[None])
            if single:
                values["pearson"] = metrics.pearson(row.scores[0], self.labels[0])
        if row.inside is not None and np.isfinite(row.inside).any():
            values["coverage"] = float(np.nanmean(row.inside))
        if self.neutral is not None and row.errors is None:
            for p, own in zip(self.patterns, row.scores, strict=True):
                values["within_1" if single else f"within_1 {p}"] = measures.within(own[self.neutral])
        if single:
            values |= self._voices_and_classes(row.scores[0])
        return values

    def _voices_and_classes(self, scores: np.ndarray) -> dict[str, float]:
        """Measure order of the classes, content, and the mean score of every emotion."""
        values: dict[str, float] = {}
        if self.positive is not None and self.negative is not None:
            values["auc"] = measures.auc(scores, self.positive, self.negative)
        if self.emotions is not None and self.sentences is not None and self.speakers is not None:
            after = [self.emotions, self.speakers]
            values["content"] = measures.share_explained(scores, self.sentences, after)
            for emotion in dict.fromkeys(self.emotions.tolist()):
                values[f"mean {emotion}"] = float(scores[self.emotions == emotion].mean())
        return values

    def _difference(self, row: Row, other: Row) -> measures.Difference | None:
        """Compare a row with its complete model."""
        one, two = self.errors(row), self.errors(other)
        if one is None or two is None or self.clusters is None or not len(one):
            return None
        return measures.difference(one, two, self.clusters)

    def _nearest(self) -> dict[str, Any] | None:
        """Name the row nearest to the labels, and those that cannot be told from it."""
        if self.labels is None or self.clusters is None:
            return None
        errors = {row.label: e for row in self.rows if (e := self.errors(row)) is not None and len(e)}
        found = measures.nearest(errors, self.clusters)
        return None if found is None else {"row": found[0], "tied": found[1]}

    @staticmethod
    def _told(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]] | None:
        """Sort the rows with a complete model by whether they are nearer to the labels than it is."""
        told: dict[str, list[str]] = {"nearer": [], "farther": [], "unclear": []}
        for row in rows:
            if row["against_complete"] is not None:
                _, low, high = row["against_complete"]
                known = low is not None and high is not None
                told["nearer" if known and high < 0 else "farther" if known and low > 0 else "unclear"].append(
                    row["label"]
                )
        return told if any(told.values()) else None

    def _item(self, i: int) -> dict[str, Any]:
        """Report an item: its labels and the scores of every row, by pattern."""

        def by_pattern(values: np.ndarray) -> dict[str, float]:
            found = ((p, _plain(v)) for p, v in zip(self.patterns, values[:, i], strict=True))
            return {p: v for p, v in found if v is not None}

        scores = {row.label: by_pattern(row.scores) for row in self.rows if row.kind != "constant"}
        labels = {} if self.labels is None else by_pattern(self.labels)
        return {"id": self.ids[i], "labels": labels, "scores": {k: v for k, v in scores.items() if v}}


def joined(kind: str, name: str, parts: Sequence[Scored]) -> Scored:
    """Put sets of clips together: items after each other, patterns and rows that one lacks without values."""
    patterns = tuple(p for p in PATTERNS if any(p in part.patterns for part in parts))

    def spread(part: Scored, values: np.ndarray | None) -> np.ndarray:
        whole = np.full((len(patterns), len(part.ids)), np.nan)
        if values is not None:
            whole[[patterns.index(p) for p in part.patterns]] = values
        return whole

    def over(label: str, of: str) -> np.ndarray:
        each = []
        for part in parts:
            row = next((r for r in part.rows if r.label == label), None)
            each.append(spread(part, None if row is None else getattr(row, of)))
        return np.concatenate(each, axis=1)

    found = [row for part in parts for row in part.rows if row.errors is None]
    known = {row.label: row for row in sorted(found, key=lambda row: KINDS.index(row.kind))}
    rows = [
        Row(row.label, row.title, row.kind, over(row.label, "scores"), row.complete,
            over(row.label, "inside") if row.inside is not None else None)
        for row in known.values()
    ]  # fmt: skip
    ids = tuple(f"{part.name}/{name}" for part in parts for name in part.ids)
    labels = np.concatenate([spread(part, part.labels) for part in parts], axis=1)
    left_out = {f"{part.name}/{k}": v for part in parts for k, v in part.left_out.items()}
    return Scored(kind, name, patterns, ids, rows, labels, np.array(ids), left_out=left_out)


def _plain(value: float) -> float | None:
    """Round a number for the file; None for what does not exist."""
    return round(float(value), DIGITS) if math.isfinite(value) else None
