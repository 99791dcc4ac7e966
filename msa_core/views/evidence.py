"""The section of the Numbers tab about displayed weights: what gates, prompts and exact contributions really tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from msa_core.errors import message
from msa_core.evaluation.result_columns import Cell, NumbersColumn, number
from msa_core.evaluation.results import NumbersTable, TableLine
from msa_core.i18n import known, say
from msa_core.views import summary
from msa_core.views.numbers import csv_text, link, table_html
from msa_core.views.parts import method_title
from msa_core.views.template import render

COLUMNS = (  # key of the file, title, note, form
    ("natural", "rank correlation", "natural clips", "number"),
    ("decorrelated", "rank correlation", "re-paired clips", "number"),
    ("conflict_top_1", "names the largest", "clips in conflict", "share"),
    ("decorrelated_top_1", "names the largest", "re-paired clips", "share"),
)


def section() -> Markup:
    """Draw the evidence with its sentences; nothing where it was not measured."""
    if not summary.EVIDENCE.is_file():
        return Markup("")
    result = json.loads(summary.EVIDENCE.read_text())
    shown = table(result)
    title = say("Do displayed weights mean what they seem to?")
    said = [s for s in (summary.gates_evidence(), summary.evidence()) if s]
    save = link(say("Save this table (CSV)"), "evidence.csv", "text/csv", csv_text(shown))
    return render("numbers_evidence", title=title, said=said, table=table_html(shown, title), save=Markup(save))


def table(result: Mapping[str, Any]) -> NumbersTable:
    """Lay out how displayed numbers follow what each modality truly adds: a line for each number of each method."""
    columns = tuple(
        NumbersColumn(key, message(title), message(note), "high", form, 2 if form == "number" else 0)
        for key, title, note, form in COLUMNS
    )
    lines = []
    for row in result["rows"]:
        key = row["label"].split(" ")[0]  # of the run name "promma (reconstruction)"
        for name, found in row["truth"].items():
            control = name.startswith("control")
            if control and row is not result["rows"][0]:
                continue  # controls look at the clips only, so that they are the same for every method
            cells = tuple(Cell(number(found.get(key))) for key, *_ in COLUMNS)
            lines.append(TableLine(
                known(name) if control else f"{method_title(key)}{say(': ')}{known(name)}", row["label"],
                "baseline" if control else "method", 0 if control else row["seeds"], "", None, cells,
                "" if control else key,
            ))  # fmt: skip
    return NumbersTable(columns, tuple(sorted(lines, key=lambda line: line.kind == "baseline")))
