"""`real.json` as tables and sentences in the active language, and as Markdown.

Every sentence that names a row is made from the facts of the file, over all rows that are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msa_core.evaluation.curve_svg import written
from msa_core.evaluation.real.texts import EMOBANK_FACTOR, EMOBANK_NEUTRAL, MELD_POINTS
from msa_core.evaluation.result_columns import Cell, NumbersColumn, mapping, number
from msa_core.evaluation.results import NumbersTable, TableLine, method_of, title_of
from msa_core.i18n import known, say
from msa_core.missing import COMPLETE, PATTERNS
from msa_core.tables import markdown_table

TITLE = "Real people"
CONSTANT, PROSODY, PERSON = "Constant", "Loudness and pitch", "One person against the others"
CHOSE = ("ravdess", "cremad", "grid")  # sets that decide which training of SDUMC is shipped (`seeds.py`)
Part = Mapping[str, Any]  # a set of the file


def title(part: Part) -> str:
    """Title a set."""
    titles = {
        "meld": say("MELD: spoken lines, words alone"),
        "emobank": say("EmoBank: everyday prose, words alone"),
        "ravdess": say("RAVDESS: acted English voices, voice alone"),
        "nemo": say("nEMO: acted Polish voices, voice alone"),
        "cremad": say("CREMA-D: acted clips, against people's votes"),
        "grid": say("GRID: commands without a feeling"),
        "clips": say("All clips together"),
    }
    return titles.get(str(part["kind"])) or say("Labelled clips: {name}", name=part["name"])


def statement(part: Part) -> str:
    """Say what a set is and what its labels are."""
    facts, n = mapping(part.get("facts")), part["n"]
    constant = number(facts.get("constant"))
    said = {
        "meld": say(
            "{n} lines of the dev part. People saw the video and chose one of three classes, which stand here at "
            "−{points}, 0 and {points}. AUC: a positive line above a negative one.",
            n=n,
            points=MELD_POINTS,
        ),
        "emobank": say(
            "{n} sentences of the dev part. The label is {factor:.0f} (V − 3), with V the readers' mean valence from "
            "1 to 5; a sentence is neutral within {near} of V = 3.",
            n=n,
            factor=EMOBANK_FACTOR,
            near=EMOBANK_NEUTRAL,
        ),
        "ravdess": say(
            "{n} clips of the {speakers} actors of the valid and test parts, two sentences: no shipped network was "
            "trained on them, though the valid part chose settings. The label is "
            "the score of the acted emotion. AUC: happy above sad, angry, fearful and disgusted. Content: share of "
            "the score's variance that the sentence explains after emotion and actor; 0 is ideal.",
            n=n,
            speakers=facts.get("speakers", "–"),
        ),
        "nemo": say(
            "{n} clips of {speakers} unheard speakers: {sentences} sentences, drawn with a seed, in six emotions. "
            "There are no labels in points. AUC: happiness above sadness, anger and fear. Content: share of the "
            "score's variance that the sentence explains after emotion and speaker; 0 is ideal.",
            n=n,
            speakers=facts.get("speakers", "–"),
            sentences=facts.get("sentences", "–"),
        ),
        "cremad": say(
            "{n} clips. The label is the mean vote of people who only listened, words included, only watched, or did "
            "both; happy counts 2, neutral 0, every other emotion −2. Their votes have a standard deviation of "
            "{spread:.2f}.",
            n=n,
            spread=number(facts.get("spread")) or 0.0,
        ),
        "grid": say(
            "{n} clips. The label is 0, so that the constant is right by definition. Within 1: share of answers at "
            "most 1 away from it, in percent.",
            n=n,
        ),
        "clips": say("{n} clips of the sets above.", n=n),
    }  # fmt: skip
    text = said.get(str(part["kind"])) or say("{n} clips, labelled in {file}.", n=n, file="labels.csv")
    if part["kind"] in CHOSE:
        text += " " + say("They also chose which training of SDUMC is shipped (of RAVDESS, the valid part).")
    if constant is not None:
        text += " " + say(
            "The constant is {constant}: the median label of the training part, or 0 where there is none.",
            constant=written(constant, "signed", 2),
        )
    if facts.get("without_words"):
        text += " " + say("Left out because they hold no word: {n}.", n=int(facts["without_words"]))
    if part.get("left_out"):
        text += " " + say(
            "Could not be used: {clips}.",
            clips=say("; ").join(f"{k} ({v})" for k, v in mapping(part["left_out"]).items()),
        )
    return text


def sentences(part: Part) -> list[str]:
    """Say which row is nearest to the labels, and which rows are nearer than their complete model."""
    titles = {row["label"]: known(title_of(row)) for row in part["rows"]}

    def names(labels: Sequence[str]) -> str:
        return say(", ").join(titles[label] for label in labels if label in titles)

    said = []
    nearest = mapping(part.get("nearest"))
    if nearest.get("row") in titles:
        best, tied = nearest["row"], list(nearest.get("tied") or ())
        if tied:
            rows = names([best, *tied])
            said.append(say("No row is clearly nearest to the labels: {rows} cannot be told apart.", rows=rows))
        else:
            said.append(say("{row} is nearest to the labels, beyond chance against every other row.", row=titles[best]))
    told = mapping(part.get("against_complete"))
    if told:
        none = say("none")
        said.append(
            say(
                "Against their complete model with the same input: nearer to the labels: {nearer}; farther: {farther}; "
                "not told apart: {unclear}.",
                nearer=names(told.get("nearer", ())) or none,
                farther=names(told.get("farther", ())) or none,
                unclear=names(told.get("unclear", ())) or none,
            )
        )
    return said


def columns(part: Part) -> list[NumbersColumn]:
    """Choose the columns of a set: those of which at least one row has a value."""
    there = {key for row in part["rows"] for key in mapping(row.get("values"))}
    several = len(part["patterns"]) > 1
    found = [
        NumbersColumn("auc", "AUC", "", "high", "number", 3),
        NumbersColumn("pearson", "Pearson's r", "", "high", "number", 3),
    ]
    if several:
        style = (
            ("within_1", "within 1", "", "share", 0) if part["kind"] == "grid" else ("mae", "MAE", "low", "number", 2)
        )
        key, note, best, form, digits = style
        found += [NumbersColumn(f"{key} {p}", p.replace("+", " + "), note, best, form, digits) for p in PATTERNS]  # type: ignore[arg-type]
    note = "mean of incomplete patterns" if several and COMPLETE in part["patterns"] else ""
    found += [
        NumbersColumn("mae", "MAE", note, "low", "number", 2 if several else 3),
        NumbersColumn("within_1", "neutral within 1", "share in percent", "", "share", 1),
        NumbersColumn("content", "content", "share in percent", "low", "share", 1),
        NumbersColumn("coverage", "coverage", "share in percent", "level", "share", 1),
        NumbersColumn("against_complete", "against complete", "MAE, 95 % interval", "", "signed", 2 if several else 3),
    ]
    emotions = [k for k in dict.fromkeys(k for row in part["rows"] for k in mapping(row.get("values"))) if "mean " in k]
    found += [NumbersColumn(k, k.removeprefix("mean "), "mean score", "", "signed", 2) for k in emotions]
    compared = any(row.get("against_complete") for row in part["rows"])
    return [c for c in found if c.key in there or (c.key == "against_complete" and compared)]


def table(part: Part, level: float | None) -> NumbersTable:
    """Lay out a set. Args: level: coverage that the intervals were calibrated for."""
    shown = columns(part)

    def cell(row: Mapping[str, Any], column: NumbersColumn) -> Cell:
        if column.key != "against_complete":
            return Cell(number(mapping(row.get("values")).get(column.key)))
        mean, low, high = (number(v) for v in row.get("against_complete") or (None, None, None))
        return Cell(mean, None, None if low is None or high is None else (low, high))

    lines = tuple(
        TableLine(
            title_of(row),
            str(row["label"]),
            str(row["kind"]),
            0,
            "",
            None,
            tuple(cell(row, c) for c in shown),
            method_of(row),
        )  # fmt: skip
        for row in part["rows"]
    )
    return NumbersTable(tuple(shown), lines, 0, level)


def markdown(result: Mapping[str, Any]) -> str:
    """Write every set as a heading, a statement, a table and its sentences."""
    parts = []
    for part in result["sets"]:
        shown = table(part, number(result.get("level")))
        head = [None, *(_head(c) for c in shown.columns)]
        best = shown.best()
        rows = [
            [line.title, *(_cell(c, shown.columns[j], (i, j) in best) for j, c in enumerate(line.cells))]
            for i, line in enumerate(shown.lines)
        ]
        parts += [f"**{title(part)}.** {statement(part)}", markdown_table(head, rows), *sentences(part)]
    if missing := absent(result):
        parts.append(missing)
    return "\n\n".join(parts)


def absent(result: Mapping[str, Any]) -> str:
    """Say what was not there to measure, or "" when everything was."""
    missing = mapping(result.get("not_there"))
    if not missing:
        return ""
    return say(
        "Not measured, because it was not there: {sets}.", sets=say(", ").join(f"{k} ({v})" for k, v in missing.items())
    )


def _head(column: NumbersColumn) -> str:
    """Write the head of a column with its note."""
    return column.title + (f" ({column.note})" if column.note else "")


def _cell(cell: Cell, column: NumbersColumn, best: bool) -> str:
    """Write a cell, the best of its column in bold."""
    if cell.value is None:
        return ""
    text = written(cell.value, column.form, column.digits)
    if cell.interval is not None:
        low, high = (written(v, column.form, column.digits) for v in cell.interval)
        text += f" ({low} to {high})"
    return f"**{text}**" if best else text
