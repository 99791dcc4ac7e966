"""The Numbers tab: evaluation files as sortable tables with a robustness curve, and the numbers that papers report.

Nothing here knows the page: every function gives a string of HTML in the active language. `static/numbers.js` sorts
and saves in the browser. Titles, statements and caveats of the files are English and are translated where they are
shown.
"""

from __future__ import annotations

import base64
import csv
import io
from html import escape

from markupsafe import Markup

from msa_core.errors import MsaError
from msa_core.evaluation import finding, metrics, results
from msa_core.evaluation.curve_svg import curves_svg, hue, key, written
from msa_core.evaluation.results import METRICS, PROTOCOLS, Cell, NumbersColumn, NumbersTable, Result, TableLine
from msa_core.i18n import known, say
from msa_core.methods.shipped import CORPUS
from msa_core.views import rails
from msa_core.views.parts import card
from msa_core.views.template import render

__all__ = ["choices", "curves_svg", "reported", "screen"]
ROWS = {"main": "main rows", "all": "with ablations and variants"}
ANYTHING = "any"  # the choice that leaves no pattern out
MISSING = {"text": "the words", "audio": "the voice", "vision": "the face"}
CORPORA = {  # names for people, the shipped networks' own first
    "composite": "Composed: words, voice and face put together",
    "mosi": "Real: CMU-MOSI, opinions on YouTube",
    "mosi-cv": "Real: CMU-MOSI, 31 videos that no extractor saw",
    "mosei-922": "Real: CMU-MOSEI, 922 whole videos",
    "mmmo-120": "Real: MMMO, 120 film reviews",
    "ravdess": "Acted: RAVDESS, voice and face",
    "mosi-text": "Real: CMU-MOSI, words alone",
    "mosei-text": "Real: CMU-MOSEI, words alone",
}
SCALES = {"mosi": "−3 to 3", "sims": "−1 to 1"}
OWN_METRIC = ("slices", "intervals", "headline")  # protocols whose columns say what is measured


def choices() -> list[tuple[str, str, list[tuple[str, str]], str | None]]:
    """List the choices in the order of `screen`: name, label, (text, value) pairs, the value at the start.

    Labels and texts are in the active language, values are the same in all.
    """
    corpora = sorted(results.load()[0], key=lambda c: (c not in CORPORA, list(CORPORA).index(c) if c in CORPORA else 0))
    start = "composite" if "composite" in corpora else next(iter(corpora), None)
    missing = [(say("anything"), ANYTHING), *((known(text), name) for name, text in MISSING.items())]
    return [
        ("corpus", say("Corpus"), [(corpus_name(c), c) for c in corpora], start),
        ("protocol", say("Protocol"), [(known(text), name) for name, text in PROTOCOLS.items()], "patterns"),
        ("metric", say("Metric"), [(known(text), name) for name, text in METRICS.items()], "mae"),
        ("rows", say("Rows"), [(known(text), name) for name, text in ROWS.items()], "main"),
        ("missing", say("What is missing"), missing, ANYTHING),
    ]


def corpus_name(corpus: str) -> str:
    """Name a corpus for people: real or composed, then what it is; one of the visitor's own keeps its name."""
    return known(CORPORA[corpus]) if corpus in CORPORA else corpus


def screen(corpus: str | None, protocol: str, metric: str, rows: str, missing: str = ANYTHING) -> str:
    """Draw everything that is measured here for one choice; a sentence says what is absent."""
    left_out = "".join(f'<p class="mm-hint mm-left-out">{escape(known(said))}</p>' for said in results.load()[1])
    head = f"<h2>{say('Measured here')}</h2>"
    try:
        result = results.of(corpus)
        shown = results.table(result, protocol, metric, rows == "all")
        shown = results.where_missing(shown, missing) if missing in MISSING else shown
    except MsaError as e:
        return f'<div class="mm mm-sheet">{head}<p class="mm-hint">{escape(known(e.message))}</p>{left_out}</div>'
    drawn = curves_svg(result, metric) if results.curves(result, metric) else ""
    return (
        f'<div class="mm mm-sheet">{head}{left_out}{_finding(result, rows)}{_facts(result, shown)}'
        f"{_measured(result, shown, protocol, metric)}{_robustness(result, drawn, metric)}"
        f"{_downloads(result, shown, protocol, metric, drawn)}</div>"
    )


def _finding(result: Result, rows: str) -> Markup | str:
    """Draw the headline finding over all rows that are drawn, or nothing where there are too few."""
    said = finding.sentences(result, rows == "all")
    return "" if said is None else render("numbers_finding", sentence=said[0], more=said[1])


def _facts(result: Result, shown: NumbersTable) -> Markup:
    """Draw the facts of an evaluation: test rows, seeds, split, scale."""
    seeds = sorted({line.seeds for line in shown.lines if line.seeds})
    folds, n = results.number(result.get("folds")), results.number(result.get("n"))
    facts = {
        say("test utterances"): f"{n:,.0f}" if n is not None else "–",
        say("seeds per row"): "–" if not seeds else f"{seeds[0]}" if len(seeds) == 1 else _range(seeds[0], seeds[-1]),
        say("split"): "–" if folds is None else say("{n:.0f} folds", n=folds) if folds else say("fixed"),
        say("scale"): known(SCALES.get(str(result.get("scale")), "–")),
    }
    corpus, statement = str(result["corpus"]), str(result.get("statement") or "–")
    tuned = corpus == CORPUS  # the corpus of the shipped networks
    return render("numbers_facts", corpus=corpus_name(corpus), statement=statement, facts=facts, tuned=tuned)


def _range(low: object, high: object) -> str:
    """Write a range."""
    return f"{low} {say('to')} {high}"


def _measured(result: Result, shown: NumbersTable, protocol: str, metric: str) -> str:
    """Draw the table with its explanation, or the reason why there is none."""
    title = known(PROTOCOLS[protocol]).capitalize()
    title += "" if protocol in OWN_METRIC else say(": ") + escape(known(METRICS[metric]))
    corpus = escape(str(result["corpus"]))
    if not shown.columns:
        return card(title, say("The evaluation of {corpus} has none of these numbers.", corpus=corpus), "")
    if not shown.lines:
        names = say(", ").join(known(METRICS.get(str(m), str(m))) for m in result.get("metrics", ()))
        hint = (
            say("No row of {corpus} has this metric; it has: {metrics}.", corpus=corpus, metrics=escape(names))
            if names
            else say("No row of {corpus} has this metric; it has: none.", corpus=corpus)
        )
        return card(title, hint, "")
    hint = _hint(result, protocol, escape(known(METRICS[metric]))) + _reading(result, shown, protocol, metric)
    caption = f"{known(PROTOCOLS[protocol])}, {result['corpus']}"
    return card(title, hint, table_html(shown, caption), "mm-wide")


def _hint(result: Result, protocol: str, metric: str) -> str:
    """Explain the table of a protocol."""
    if protocol == "slices":
        sizes = results.mapping(result.get("slices")).items()
        parts = say(", ").join(f"{known(str(name))} {n}" for name, n in sizes)
        return say("MAE on parts of the test rows ({parts} rows).", parts=escape(parts))
    if protocol == "intervals":
        return say("Share of test rows inside their interval, and the interval's full width in points of the scale.")
    if protocol == "headline":
        return say(
            "Gap closed = (N − M) / (N − S) of the MAE over incomplete patterns: N the naive complete model, M the "
            "row, S a specialist for each pattern. Against masked: difference from late fusion trained on random "
            "subsets. Rows that read simulated text are measured against N, S and a masked model that read it too. "
            "Price: how much higher the error on complete input is than that of the row's complete model."
        )
    if protocol == "patterns":
        return say("Test {metric} by the modalities that are present.", metric=metric)
    if protocol == "frames":
        return say(
            "Test {metric} when this share of frames and words is dropped from every modality, each on its own.",
            metric=metric,
        )
    if protocol == "blocks":
        return say(
            "Test {metric} when one contiguous stretch of every modality, this share of it, is dropped.", metric=metric
        )
    return say(
        "Test {metric} when this share of all (utterance, modality) cells is absent; one modality is always left.",
        metric=metric,
    )


def _reading(result: Result, shown: NumbersTable, protocol: str, metric: str) -> str:
    """Explain direction, unit and marks of a table."""
    said = []
    if protocol not in OWN_METRIC:
        lower, share = metric in metrics.LOWER_IS_BETTER, any(c.form == "share" for c in shown.columns)
        if lower:
            said.append(say("Lower is better; in percent.") if share else say("Lower is better."))
        else:
            said.append(say("Higher is better; in percent.") if share else say("Higher is better."))
    if protocol == "headline" and (naive := results.mapping(result.get("naive")).get("label")):
        said.append(say("N is {naive}.", naive=escape(known(str(naive)))))
        simulated = results.mapping(results.mapping(result.get("with_simulated_text")).get("naive")).get("label")
        if simulated:
            said.append(say("With simulated text N is {naive}.", naive=escape(known(str(simulated)))))
    if protocol == "intervals":
        said.append(
            say(
                "Marked: coverage closest to the nominal level; widths are not marked, because narrow is good"
                " only where coverage holds."
            )
            if shown.level is None
            else say(
                "Marked: coverage closest to {level:.0f} %; widths are not marked, because narrow is good "
                "only where coverage holds.",
                level=100 * shown.level,
            )
        )
    else:
        said.append(say("★ is the best of the rows shown."))
    if rails.tied(shown):
        said.append(say("≈ cannot be told from it by deviations over seeds or intervals."))
    if any(rail for line in rails.rails(shown) for rail in line):
        said.append(say("Dots: each column has its own scale; the line is the constant, 0 or the level asked for."))
    if any(cell.sd is not None for line in shown.lines for cell in line.cells):
        said.append(say("± is the standard deviation over seeds."))
    if shown.left_out:
        one = shown.left_out == 1
        said.append(
            say("One row was not tested this way.")
            if one
            else say("{n} rows were not tested this way.", n=shown.left_out)
        )
    return " " + " ".join(said)


def table_html(shown: NumbersTable, caption: str) -> Markup:
    """Draw the table, a rail in every cell; buttons in its head sort it: best first, reversed, the file's order."""
    best, tied, drawn = shown.best(), rails.tied(shown), rails.rails(shown)
    rows = [
        (
            line,
            f"mm-hue{hue(line.method)}" if line.method else "",
            _note(line),
            [
                (_cell(c, column), "best" if (i, j) in best else "tied" if (i, j) in tied else "", drawn[i][j])
                for j, (c, column) in enumerate(zip(line.cells, shown.columns, strict=True))
            ],
        )
        for i, line in enumerate(shown.lines)
    ]
    return render("numbers_table", caption=caption, columns=shown.columns, rows=rows)


def _note(line: TableLine) -> tuple[str, str]:
    """Write the small print under a row's name: seeds, and where there is room training regime and size."""
    seeds = say("seeds –") if line.seeds is None else "" if line.seeds == 0 else _counted(line.seeds)
    more = [say("trained on {regime}", regime=known(line.regime))] if line.regime and line.kind != "constant" else []
    more += [say("{n:.2f} M parameters", n=line.n_parameters / 1e6)] if line.n_parameters else []
    more += [say("reads simulated text")] if line.reads_simulated else []
    return seeds, "".join(f" · {told}" for told in more)


def _counted(seeds: int) -> str:
    return say("{n} seeds", n=seeds) if seeds > 1 else say("{n} seed", n=seeds)


def _cell(cell: Cell, column: NumbersColumn) -> tuple[float | None, str, str]:
    """Give a cell's value, the value as it is written, and its interval or deviation."""
    text, note = written(cell.value, column.form, column.digits), ""
    if cell.value is not None and cell.interval is not None:
        note = _range(*(written(v, column.form, column.digits) for v in cell.interval))
    elif cell.value is not None and cell.sd is not None:
        note = f"± {written(cell.sd, column.form, column.digits)}"
    return cell.value, text, note


def _robustness(result: Result, drawn: str, metric: str) -> str:
    """Draw the robustness curve, whatever the table shows."""
    title = say("Robustness curve")
    if not drawn:
        corpus, name = escape(str(result["corpus"])), escape(known(METRICS[metric]))
        said = say("The evaluation of {corpus} has no {metric} for dropped frames.", corpus=corpus, metric=name)
        return card(title, said, "")
    body = f'<div class="mm-scroll" tabindex="0" role="region" aria-label="{title}">{drawn}</div>'
    hint = say("The metric as more and more frames are dropped. The table “dropped frames” has the same numbers.")
    return card(title, hint, body + key(result, metric), "mm-wide")


def _downloads(result: Result, shown: NumbersTable, protocol: str, metric: str, drawn: str) -> str:
    """Link to table and curve as files within the page; only the large JSON is fetched on demand."""
    corpus = escape(str(result["corpus"]))
    name = f"{corpus}-{protocol}" + ("" if protocol in OWN_METRIC else f"-{metric}")
    whole = say("Save the whole evaluation (JSON)")
    links = link(say("Save this table (CSV)"), f"{name}.csv", "text/csv", csv_text(shown)) if shown.lines else ""
    links += f'<button type="button" class="mm-link" data-save="{corpus}">{whole}</button>'
    links += link(say("Save the curve (SVG)"), f"{corpus}-{metric}.svg", "image/svg+xml", drawn) if drawn else ""
    return f'<p class="mm-saves">{links}</p>'


def csv_text(shown: NumbersTable) -> str:
    """Export a table as CSV with all its digits, in English, with columns for deviations and intervals."""
    extras = [
        (any(line.cells[j].sd is not None for line in shown.lines), any(line.cells[j].interval for line in shown.lines))
        for j in range(len(shown.columns))
    ]
    head = ["row", "label", "kind", "seeds"]
    for column, (sd, interval) in zip(shown.columns, extras, strict=True):
        head += [column.key] + [f"{column.key} sd"] * sd + [f"{column.key} low", f"{column.key} high"] * interval
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    for line in shown.lines:
        cells: list[object] = [line.title, line.name, line.kind, line.seeds]
        for cell, (sd, interval) in zip(line.cells, extras, strict=True):
            cells += [cell.value] + [cell.sd] * sd + list(cell.interval or (None, None)) * interval
        writer.writerow("" if c is None else c for c in cells)
    return out.getvalue()


def link(text: str, name: str, kind: str, content: str) -> str:
    """Link to a file that lies within the page; all but the content is HTML."""
    data = base64.b64encode(content.encode()).decode()
    return f'<a class="mm-link" download="{name}" href="data:{kind};base64,{data}">{text}</a>'


def reported() -> str:
    """Draw the tables of papers by dataset with source and caveat, never mixed with our own numbers."""
    tables, failure = [], ""
    try:
        tables = results.reported()
    except MsaError as e:
        failure = known(e.message)
    return str(render("numbers_reported", tables=tables, failure=failure))
