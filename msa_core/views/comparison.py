"""The Compare screen: the board of all patterns and methods, a ranking, two clips side by side.

Each picture is followed by the same numbers as a table. A method is told by its place and name; colour means
sentiment. The curves of dropped frames stand in `robustness`.
"""

from __future__ import annotations

import base64
from html import escape

from msa_core import missing
from msa_core.compare import Comparison, Condition, PatternScores, Robustness
from msa_core.i18n import known, say
from msa_core.missing import PATTERNS
from msa_core.schema import MODALITIES
from msa_core.views.comparison_text import as_csv, as_json
from msa_core.views.parts import card, icon, method_title, percent, row, signed, span, tone
from msa_core.views.robustness import curve, table_cells, values_table
from msa_core.views.summary import DISCLAIMER, ORDINARY


def empty() -> str:
    """Draw the screen before there is a clip."""
    said = say("Choose or record a clip under Analyse to see here how every method copes with every missing modality.")
    return f'<div class="mm mm-compare"><p class="mm-verdict">{escape(said)}</p></div>'


def screen(comparison: Comparison, robustness: Robustness | None = None, other: Comparison | None = None) -> str:
    """Draw everything about one clip, beside a second one when there is one."""
    beside = pair(comparison, other) if other else ""
    curves = curve(robustness) if robustness else ""
    saved = f'<p class="mm-foot"><b>{escape(known(DISCLAIMER))}</b>{downloads(comparison, robustness)}</p>'
    return f'<div class="mm mm-compare">{board(comparison)}{beside}{nearest(comparison)}{curves}{saved}</div>'


def board(comparison: Comparison) -> str:
    """Draw patterns (rows) by methods (columns): both flows of each on the scale from -3 to 3."""
    heads = "".join(
        f"<b>{escape(method_title(m))}<small>{escape(say('vs. {model}', model=known(title)))}</small></b>"
        for m, title in comparison.complete.items()
    )
    order = sorted(comparison.conditions, key=lambda c: -len(PATTERNS[c.pattern]))
    lines, never = (
        "".join(_line(comparison, c) for c in order if bool(c.answers) is possible) for possible in (True, False)
    )
    axis = '<span class="mm-board-cell"><span class="mm-board-scale"><i>−3</i><i>0</i><i>+3</i></span></span>'
    grid = (
        f'<div class="mm-board" style="--n:{len(comparison.methods)}" aria-hidden="true">'
        f'<div class="mm-board-line mm-board-heads"><span>{escape(say("what is left"))}</span>{heads}</div>{lines}'
        f'<div class="mm-board-line mm-board-axes"><span></span>{axis * len(comparison.methods)}</div>{never}</div>'
    )
    body = f'<p class="mm-transfer">{escape(told(comparison))}</p>{_legend(comparison)}{grid}{_table(comparison)}'
    hint = say("Each row removes something. The closer a dot stays to its dashed line, the less the answer moved.")
    return card(escape(say("All patterns of missing modalities at once")), escape(hint), body, "mm-whole")


def told(comparison: Comparison) -> str:
    """Sum up the board in one or two sentences computed from the scores."""
    full = [comparison.answer(m).missing for m in comparison.methods]
    low, high = signed(min(full)), signed(max(full))
    effects = comparison.effect_of_removing()
    if not effects:
        only = known(ORDINARY[comparison.full])
        return say("This clip has only the {what}: {low} to {high}, and nothing can be removed.",
                   what=only, low=low, high=high)  # fmt: skip
    top = max(effects, key=lambda m: effects[m])
    return say(
        "With everything in the clip the methods say {low} to {high}. Losing the {what} moves them most, by {move} "
        "on average.",
        low=low,
        high=high,
        what=known(ORDINARY[top]),
        move=f"{effects[top]:.2f}",
    )


def _line(comparison: Comparison, condition: Condition) -> str:
    """Draw one row of the board."""
    css = " mm-board-whole" if condition.pattern == comparison.full else ""
    whole = f"<small>{escape(say('everything in the clip'))}</small>" if css else ""
    name = f'<span class="mm-board-left">{_pattern(condition.pattern, whole)}</span>'
    if not condition.answers:
        why = f'<span class="mm-board-reason">{_lacks(condition)}</span>'
        return f'<div class="mm-board-line mm-board-never">{name}{why}</div>'
    cells = "".join(_cell(comparison, condition, m) for m in comparison.methods)
    return f'<div class="mm-board-line{css}">{name}{cells}</div>'


def _pattern(pattern: str, note: str = "") -> str:
    """Draw a pattern: three dots, on for what is present, the names, and a note (HTML)."""
    members = PATTERNS[pattern]
    dots = "".join(f'<b class="{"on" if m in members else ""}"></b>' for m in MODALITIES)
    return f'<span class="mm-dots" aria-hidden="true">{dots}</span><span>{_names(pattern)}{note}</span>'


def _names(pattern: str) -> str:
    return " + ".join(escape(known(m)) for m in PATTERNS[pattern])


def _lacks(condition: Condition) -> str:
    """Explain why the clip cannot have a pattern."""
    parts = (
        say("{modality} is missing: {reason}", modality=known(m), reason=known(why))
        for m, why in condition.lacks.items()
    )
    return escape("; ".join(parts))


def _cell(comparison: Comparison, condition: Condition, method: str) -> str:
    """Draw one method on one pattern: track and numbers."""
    answer, full = condition.answers[method], comparison.answer(method)
    title = escape(_spoken(comparison, condition, method), quote=True)
    return (
        f'<span class="mm-board-cell" title="{title}"><em>{escape(method_title(method))}</em>{_track(answer, full)}'
        f'<span class="mm-board-read"><strong class="mm-{tone(answer.missing)}">{signed(answer.missing)}</strong>'
        f"<small>{signed(answer.complete)}</small></span></span>"
    )


def _track(answer: PatternScores, full: PatternScores) -> str:
    """Draw the markers of one cell, the later ones on top."""
    parts = ""
    if answer.interval:
        parts += span(answer.interval["low"], answer.interval["high"], "mm-board-band")
    parts += _mark("mm-board-own", full.missing)
    if answer.without_simulated_text is not None:
        parts += _mark("mm-board-bare", answer.without_simulated_text)
    parts += _mark("mm-board-ring", answer.complete) + _mark(f"mm-board-disc mm-{tone(answer.missing)}", answer.missing)
    return f'<span class="mm-board-rail">{parts}</span>'


def _mark(css: str, score: float) -> str:
    return f'<i class="{css}" style="left:{percent(score)}%"></i>'


def _spoken(comparison: Comparison, condition: Condition, method: str) -> str:
    """Put a cell into words."""
    answer = condition.answers[method]
    left = " + ".join(known(m) for m in PATTERNS[condition.pattern])
    said = say("{method} with {left}: {score}", method=method_title(method), left=left, score=signed(answer.missing))
    if answer.interval:
        said += say(" ({level} interval {low} to {high})", **_interval(answer))
    if answer.without_simulated_text is not None:
        said += say("; without simulated text: {score}", score=signed(answer.without_simulated_text))
    return said + say("; {model}: {score}", model=known(comparison.complete[method]), score=signed(answer.complete))


def _interval(answer: PatternScores) -> dict[str, str]:
    band = answer.interval or {}
    return {"level": f"{band['level']:.0%}", "low": signed(band["low"]), "high": signed(band["high"])}


def _legend(comparison: Comparison) -> str:
    """Explain the markers."""
    answers = [a for c in comparison.conditions for a in c.answers.values()]
    level = next((f"{a.interval['level']:.0%}" for a in answers if a.interval), None)
    entries = [
        ("mm-board-disc", say("missing-modality model (its colour: negative or positive)")),
        ("mm-board-ring", say("complete-modality model on the same input (small number)")),
        ("mm-board-own", say("the method's own full answer")),
    ]
    if any(a.without_simulated_text is not None for a in answers):
        entries.append(("mm-board-bare", say("the method without text simulated from the voice")))
    if level:
        entries.append(("mm-board-band", say("{level} interval", level=level)))
    items = "".join(
        f'<li><span class="mm-board-key"><i class="{css}"></i></span>{escape(t)}</li>' for css, t in entries
    )
    return f'<ul class="mm-legend mm-board-marks">{items}</ul>'


def _table(comparison: Comparison) -> str:
    """Write the board's numbers as a table."""
    rows = []
    for c in comparison.conditions:
        left = f"<th scope='row'>{_names(c.pattern)}</th>"
        if not c.answers:
            rows.append(f'<tr>{left}<td colspan="6" class="mm-text">{_lacks(c)}</td></tr>')
        for m, a in c.answers.items():
            band = "{low} … {high}".format(**_interval(a)) if a.interval else "–"
            bare = "–" if a.without_simulated_text is None else signed(a.without_simulated_text)
            move = signed(comparison.move(m, c.pattern))
            cells = (signed(a.missing), band, move, bare, signed(a.complete))
            rows.append(f'<tr>{left}<td class="mm-text">{escape(method_title(m))}</td>{table_cells(cells)}</tr>')
    heads = (
        say("what is left"),
        say("method"),
        say("score"),
        say("interval"),
        say("move from its full answer"),
        say("no simulated text"),
        say("complete model"),
    )
    return values_table(say("All patterns of missing modalities at once"), heads, rows)


def nearest(comparison: Comparison) -> str:
    """Rank the methods by their mean move from their own full answer, each beside its complete model."""
    title = escape(say("Which method stays closest to its own full answer?"))
    moves, complete = comparison.moves(), comparison.moves("complete")
    best = comparison.nearest
    if best is None:
        said = say("Nothing can be removed from this clip, so nothing moves.")
        return card(title, "", f'<p class="mm-transfer">{escape(said)}</p>', "mm-nearest")
    limit = max(1e-6, *moves.values(), *complete.values())
    lines = []
    for m in sorted(moves, key=lambda m: moves[m]):
        bars = f'<span class="mm-nearest-two">{_length(moves[m], limit, "mm-by-student")}'
        bars += f"{_length(complete[m], limit, 'mm-by-lost')}</span>"
        value = f"{moves[m]:.2f} <small>{complete[m]:.2f}</small>"
        name = f"<span>{escape(method_title(m))}<small>{escape(known(comparison.complete[m]))}</small></span>"
        lines.append(row(name, bars, value, "mm-flat" + (" mm-nearest-best" if m == best else "")))
    said = say(
        "{method} stays closest on this clip: over {n} patterns of missing modalities it moves by "
        "{move} on average; its complete model, {model}, moves by {complete}.",
        method=method_title(best),
        n=len(comparison.incomplete),
        move=f"{moves[best]:.2f}",
        model=known(comparison.complete[best]),
        complete=f"{complete[best]:.2f}",
    )
    caveat = say(
        "A method that never moves is stable, but not necessarily right: one that always gives the "
        "same answer would win here. Numbers shows how accurate each method is."
    )
    keys = (("mm-by-student", say("missing-modality model")), ("mm-by-lost", say("its complete model")))
    legend = "".join(f'<li><b class="{css}"></b>{escape(text)}</li>' for css, text in keys)
    body = (
        f'<p class="mm-transfer">{escape(said)}</p><ul class="mm-legend">{legend}</ul>'
        f'<div class="mm-chart">{"".join(lines)}</div><p class="mm-caveat">{escape(caveat)}</p>'
    )
    hint = say(
        "Mean distance between the answers with something missing and the answer with everything; shorter is closer."
    )
    return card(title, escape(hint), body, "mm-nearest")


def _length(value: float, limit: float, css: str) -> str:
    return f'<i class="{css}" style="width:{percent(value, 0.0, limit)}%"></i>'


def pair(a: Comparison, b: Comparison) -> str:
    """Draw two clips side by side: full answers, moves, effects of removing a modality, and one sentence."""
    limit = max(
        0.5,
        *(abs(c.move(m, p.pattern)) for c in (a, b) for p in c.incomplete for m in c.methods),
        *(v for c in (a, b) for v in c.effect_of_removing().values()),
    )
    columns = "".join(_column(c, limit) for c in (a, b))
    body = f'<p class="mm-transfer">{escape(difference(a, b))}</p><div class="mm-compare-clips">{columns}</div>'
    names = say(", ").join(method_title(m) for m in a.methods)
    hint = say("The bars of each row, from top to bottom: {methods}. Both clips share one scale.", methods=names)
    return card(escape(say("Two clips side by side")), escape(hint), body, "mm-two-clips")


def difference(a: Comparison, b: Comparison) -> str:
    """Compare two clips in words, from their full answers and the modality that each depends on most."""
    means = [sum(c.answer(m).missing for m in c.methods) / len(c.methods) for c in (a, b)]
    values = {"a": a.clip, "b": b.clip, "x": signed(means[0]), "y": signed(means[1])}
    top = [max(c.effect_of_removing(), key=lambda m: c.effect_of_removing()[m], default=c.full) for c in (a, b)]
    one, two = (known(ORDINARY[m]) for m in top)
    if top[0] == top[1]:
        return say(
            "{a} scores {x} and {b} {y} (mean of the methods). Both depend most on the {what}: losing it "
            "moves the answer most.",
            what=one,
            **values,
        )
    return say(
        "{a} scores {x} and {b} {y} (mean of the methods). The first depends most on the {one}, the "
        "second on the {two}: losing it moves the answer most.",
        one=one,
        two=two,
        **values,
    )


def _column(comparison: Comparison, limit: float) -> str:
    """Draw one clip of the pair."""
    full = "".join(
        row(
            escape(method_title(m)),
            span(0.0, s, f"mm-{tone(s)}"),
            signed(s),
        )
        for m in comparison.methods
        for s in [comparison.answer(m).missing]
    )
    losses = ""
    for c in comparison.conditions:
        losses += "" if c.pattern == missing.COMPLETE else _loss(comparison, c, limit)
    effects = comparison.effect_of_removing()
    bars = "".join(
        row(
            f"{icon(m)}{escape(known(m))}",
            f'<i class="mm-bar mm-weight" style="left:0;width:{percent(v, 0.0, limit)}%"></i>',
            f"{v:.2f}",
            "mm-flat" + (" mm-nearest-best" if v == max(effects.values()) else ""),
        )
        for m, v in effects.items()
    )
    nothing = f'<p class="mm-hint">{escape(say("Nothing can be removed from this clip, so nothing moves."))}</p>'
    return (
        f"<section><h3>{escape(comparison.clip)}</h3><h4>{escape(say('With everything in the clip'))}</h4>"
        f'<div class="mm-chart">{full}</div><h4>{escape(say("What is left, and how far the answer moves"))}</h4>'
        f'<div class="mm-chart mm-moves">{losses or nothing}</div>'
        f"<h4>{escape(say('Effect of removing one modality: mean move'))}</h4>"
        f'<div class="mm-chart">{bars or nothing}</div></section>'
    )


def _loss(comparison: Comparison, condition: Condition, limit: float) -> str:
    """Draw what is left, and the signed moves of all methods."""
    if condition.pattern == comparison.full or not condition.answers:
        why = _lacks(condition) or escape(say("everything in the clip"))
        label = f'<span class="mm-label">{_pattern(condition.pattern)}</span>'
        return f'<div class="mm-row mm-none">{label}<span class="mm-board-reason">{why}</span></div>'
    moves = [comparison.move(m, condition.pattern) for m in comparison.methods]
    bars = "".join(f'<span class="mm-move-bar">{span(0.0, v, f"mm-{tone(v)}", -limit, limit)}</span>' for v in moves)
    value = " · ".join(signed(v, 1) for v in moves)
    return row(_pattern(condition.pattern), f'<span class="mm-move-bars">{bars}</span>', value)


def downloads(comparison: Comparison, robustness: Robustness | None = None) -> str:
    """Link to the numbers as CSV and JSON; the files are part of the page, nothing is written on the server."""
    files = (
        ("comparison.csv", "text/csv", as_csv(comparison, robustness), say("Save all numbers (CSV)")),
        ("comparison.json", "application/json", as_json(comparison, robustness),
         say("Save all numbers (JSON)")),
    )  # fmt: skip
    return " ".join(
        f'<a class="mm-link" download="{name}" href="data:{kind};base64,'
        f'{base64.b64encode(text.encode()).decode()}">{escape(said)}</a>'
        for name, kind, text, said in files
    )
