"""The section of the Numbers tab about real sentences, voices and clips: `real.json` as tables with sentences."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from markupsafe import Markup

from msa_core.errors import MsaError
from msa_core.evaluation import results
from msa_core.evaluation.real import channels, tables
from msa_core.evaluation.result_columns import number
from msa_core.explain import conformal
from msa_core.i18n import known, say
from msa_core.views.numbers import csv_text, link, table_html
from msa_core.views.template import render


def screen() -> str:
    """Draw every set that was measured; a sentence says what is absent."""
    failure, result = "", None
    try:
        result = results.real()
    except MsaError as e:
        failure = known(e.message)
    if result is None and not failure:
        failure = say("Nothing was measured yet. Write it with 'python -m msa_core evaluate-real'.")
    level = number((result or {}).get("level")) or conformal.LEVEL
    shown = []
    for part in (result or {"sets": []})["sets"]:
        laid_out = tables.table(part, level)
        title = tables.title(part)
        save = link(
            say("Save this table (CSV)"), f"real-{escape(str(part['name']))}.csv", "text/csv", csv_text(laid_out)
        )
        said = tables.sentences(part)
        shown.append((title, tables.statement(part), said, table_html(laid_out, title), Markup(save)))
    beside = _beside(result)
    name, told = Path(results.REAL).stem, say("Save all of it (JSON)")
    whole = f'<button type="button" class="mm-link" data-save="{name}">{told}</button>' if result else ""
    absent = tables.absent(result) if result else ""
    return str(
        render(
            "real_people",
            beside=beside,
            sets=shown,
            failure=failure,
            absent=absent,
            whole=Markup(whole),
            level=level,
        )
    )


def _beside(result: Mapping[str, Any] | None) -> tuple[list[str], Markup, Markup] | None:
    """Draw people beside models by channel: sentences, table, link; None where the file lacks what is needed."""
    found = channels.find(result)
    if found is None:
        return None
    laid_out = channels.table(found)
    save = link(say("Save this table (CSV)"), "people-and-models.csv", "text/csv", csv_text(laid_out))
    return (
        channels.sentences(found),
        table_html(laid_out, say("People with a channel missing, models with it missing")),
        Markup(save),
    )
