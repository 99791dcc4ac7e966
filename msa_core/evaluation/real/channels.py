"""People with a channel missing beside models with it missing: mean distances from the mean vote, and who is nearest.

All is computed from the set "cremad" of `real.json`. Rows are told apart by the paired bootstrap over clips
(`measures`). Of one person only the mean distance is stored, so that it counts as a fixed number there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from msa_core.errors import message
from msa_core.evaluation.real import measures
from msa_core.evaluation.result_columns import Cell, NumbersColumn, mapping, number
from msa_core.evaluation.results import NumbersTable, TableLine, method_of, title_of
from msa_core.i18n import known, say

CHANNELS = {"audio": "voice alone", "vision": "face alone", "audio+vision": "both"}  # pattern -> what the models had
KINDS = ("person", "constant", "complete", "masked", "method")  # of the rows shown, in their order
PERSON, CONSTANT = "person", "constant"
Row = Mapping[str, Any]  # of the file


@dataclass(frozen=True)
class Channel:
    """A channel that people voted on.

    n: clips. distances: by row label, of the rows that have every clip. tied: rows not told from the nearest. nearer,
    farther: models that are so beyond chance, beside one person.
    """

    pattern: str
    n: int
    distances: Mapping[str, float]
    best: str
    tied: tuple[str, ...]
    nearer: tuple[str, ...]
    farther: tuple[str, ...]


@dataclass(frozen=True)
class Channels:
    """The channels side by side, and the rows that have a distance in any of them."""

    rows: tuple[Row, ...]
    channels: tuple[Channel, ...]


def find(result: Mapping[str, Any] | None) -> Channels | None:
    """Compare people and models by channel; None where the file lacks votes, scores or the row of one person."""
    part = next((p for p in (result or {}).get("sets", ()) if p["kind"] == "cremad"), None)
    if part is None or not isinstance(part.get("items"), Sequence):
        return None
    items = [item for item in part["items"] if isinstance(item, Mapping)]
    rows = sorted((r for r in part["rows"] if r["kind"] in KINDS), key=lambda r: KINDS.index(r["kind"]))
    constant = number(mapping(part.get("facts")).get("constant"))
    found = [c for p in CHANNELS if (c := _channel(p, items, rows, constant)) is not None]
    shown = tuple(row for row in rows if any(row["label"] in c.distances for c in found))
    return Channels(shown, tuple(found)) if found else None


def _channel(pattern: str, items: Sequence[Row], rows: Sequence[Row], constant: float | None) -> Channel | None:
    """Measure one channel; None without the votes or without one person and a model."""
    # Labels (N,) of the clips that people judged with this channel.
    voted = [(item, v) for item in items if (v := number(mapping(item.get("labels")).get(pattern))) is not None]
    labels = np.array([v for _, v in voted])
    errors: dict[str, np.ndarray] = {}
    for row in rows:
        label, kind = row["label"], row["kind"]
        if kind == PERSON:
            each = [number(mapping(row["values"]).get(f"mae {pattern}"))] * len(voted)
        elif kind == CONSTANT:
            each = [None if constant is None else abs(constant - v) for v in labels]
        else:
            scores = [number(mapping(mapping(item.get("scores")).get(label)).get(pattern)) for item, _ in voted]
            each = [None if s is None else abs(s - v) for s, v in zip(scores, labels, strict=True)]
        if each and None not in each:
            errors[label] = np.array([each], float)
    models = [r["label"] for r in rows if r["kind"] not in (PERSON, CONSTANT) and r["label"] in errors]
    person = next((r["label"] for r in rows if r["kind"] == PERSON and r["label"] in errors), None)
    if person is None or not models:
        return None
    clips = np.array([str(item.get("id")) for item, _ in voted])
    nearest = measures.nearest(errors, clips)
    assert nearest is not None  # there are a person and a model
    beside = {label: measures.difference(errors[label], errors[person], clips) for label in models}
    return Channel(
        pattern,
        len(voted),
        {label: measures.mean_error(e) for label, e in errors.items()},
        nearest[0],
        tuple(nearest[1]),
        tuple(label for label, d in beside.items() if d.high < 0),
        tuple(label for label, d in beside.items() if d.low > 0),
    )


def table(found: Channels) -> NumbersTable:
    """Lay out the distances, a column a channel."""
    columns = tuple(
        NumbersColumn(c.pattern, CHANNELS[c.pattern], message("{n} clips", n=c.n), "low", "number", 2)
        for c in found.channels
    )
    lines = tuple(
        TableLine(title_of(row), str(row["label"]), str(row["kind"]), 0, "", None,
                  tuple(Cell(c.distances.get(row["label"])) for c in found.channels), method_of(row))
        for row in found.rows
    )  # fmt: skip
    return NumbersTable(columns, lines)


def sentences(found: Channels) -> list[str]:
    """Say first whether any row is clearly nearest, then the same channel by channel, with one person beside it."""
    titles = {row["label"]: known(title_of(row)) for row in found.rows}

    def names(labels: Sequence[str]) -> str:
        return say("; ").join(titles[label] for label in labels) or say("none")

    clear = [f"“{titles[c.best]}” ({known(CHANNELS[c.pattern])})" for c in found.channels if not c.tied]
    said = [
        say("Clearly nearest to people's mean vote: {rows}.", rows=say("; ").join(clear))
        if clear
        else say("With no channel is any row clearly nearest to people's mean vote.")
    ]
    for c in found.channels:
        person = next(row["label"] for row in found.rows if row["kind"] == PERSON)
        values: dict[str, object] = {"channel": known(CHANNELS[c.pattern]).capitalize(), "row": titles[c.best]}
        values |= {"near": f"{c.distances[c.best]:.2f}", "person": f"{c.distances[person]:.2f}"}
        nearest = (
            say("{channel}: “{row}” is nearest ({near}); not told apart from it: {tied}.", tied=names(c.tied), **values)
            if c.tied
            else say("{channel}: “{row}” is nearest ({near}), beyond chance against every other row.", **values)
        )
        beside = say(
            "One person is {person} from the others; models nearer than that beyond chance: {nearer}; "
            "farther: {farther}.",
            nearer=names(c.nearer),
            farther=names(c.farther),
            **values,
        )
        said.append(f"{nearest} {beside}")
    return said
