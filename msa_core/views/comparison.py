"""The Compare screen: the board of all patterns and methods, a ranking, two clips side by side.

Each picture is followed by the same numbers as a table. A method is told by its place and name; colour means
sentiment. The curves of dropped frames stand in `robustness`.
"""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

from markupsafe import Markup

from msa_core import missing
from msa_core.compare import Comparison, Condition, PatternScores, Robustness
from msa_core.i18n import known, say
from msa_core.missing import PATTERNS
from msa_core.schema import MODALITIES
from msa_core.views import people
from msa_core.views.comparison_text import as_csv, as_json
from msa_core.views.parts import method_title, signed
from msa_core.views.robustness import curve
from msa_core.views.summary import DISCLAIMER, ORDINARY
from msa_core.views.template import render


class Cell(NamedTuple):
    """One method on one pattern: its scores, those of its full answer, both in words and as cells of the table."""

    title: str
    answer: PatternScores
    full: PatternScores
    spoken: str
    values: tuple[str, ...]


class Line(NamedTuple):
    """One pattern: its modalities, a cell a method, or why the clip cannot have it."""

    members: tuple[str, ...]
    is_whole: bool
    lacks: str
    cells: tuple[Cell, ...]
    people: float | None = None


def empty() -> Markup:
    """Draw the screen before there is a clip."""
    return render("compare", board=None)


def screen(comparison: Comparison, robustness: Robustness | None = None, other: Comparison | None = None) -> Markup:
    """Draw everything about one clip, beside a second one when there is one."""
    return render(
        "compare",
        board=board(comparison),
        beside=pair(comparison, other) if other else "",
        people=judged(comparison),
        nearest=nearest(comparison),
        curves=curve(robustness) if robustness else "",
        disclaimer=known(DISCLAIMER),
        files=downloads(comparison, robustness),
    )


def board(comparison: Comparison) -> Markup:
    """Draw patterns (rows) by methods (columns): both flows of each on the scale from -3 to 3."""
    lines = [_line(comparison, c) for c in comparison.conditions]
    return render(
        "board",
        told=told(comparison),
        legend=_legend(comparison),
        heads=[(method_title(m), say("vs. {model}", model=known(title))) for m, title in comparison.complete.items()],
        lines=sorted(lines, key=lambda line: -len(line.members)),
        table=lines,
        modalities=MODALITIES,
        whole=say("everything in the clip"),
    )


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
        "With everything in the clip, the methods score it {low} to {high}. Losing the {what} moves them most, by "
        "{move} on average.",
        low=low,
        high=high,
        what=known(ORDINARY[top]),
        move=f"{effects[top]:.2f}",
    )


def _line(comparison: Comparison, condition: Condition) -> Line:
    """Collect one row of the board."""
    cells = tuple(_cell(comparison, condition, m) for m in comparison.methods if condition.answers)
    is_whole = condition.pattern == comparison.full
    mean = None if condition.people is None else condition.people.mean
    return Line(PATTERNS[condition.pattern], is_whole, _lacks(condition), cells, mean)


def _lacks(condition: Condition) -> str:
    """Explain why the clip cannot have a pattern; "" when it can."""
    return "; ".join(
        say("{modality} is missing: {reason}", modality=known(m), reason=known(why))
        for m, why in condition.lacks.items()
    )


def _cell(comparison: Comparison, condition: Condition, method: str) -> Cell:
    """Collect one method on one pattern."""
    answer = condition.answers[method]
    values = (
        signed(answer.missing),
        "{low} … {high}".format(**_interval(answer)) if answer.interval else "–",
        signed(comparison.move(method, condition.pattern)),
        "–" if answer.without_simulated_text is None else signed(answer.without_simulated_text),
        signed(answer.complete),
    )
    said = _spoken(comparison, condition, method)
    return Cell(method_title(method), answer, comparison.answer(method), said, values)


def _spoken(comparison: Comparison, condition: Condition, method: str) -> str:
    """Put a cell into words."""
    answer = condition.answers[method]
    left = " + ".join(known(m) for m in PATTERNS[condition.pattern])
    said = say("{method} with {left}: {score}", method=method_title(method), left=left, score=signed(answer.missing))
    if answer.interval:
        said += say(" ({level} interval {low} to {high})", **_interval(answer))
    if answer.without_simulated_text is not None:
        said += say("; without simulated text: {score}", score=signed(answer.without_simulated_text))
    said += say("; {model}: {score}", model=known(comparison.complete[method]), score=signed(answer.complete))
    if condition.people is None:
        return said
    mean, keep = signed(condition.people.mean), PATTERNS[condition.pattern]
    if "audio" in keep and "text" not in keep:
        return said + say("; people, who heard the words too: {score}", score=mean)
    return said + say("; people: {score}", score=mean)


def _interval(answer: PatternScores) -> dict[str, str]:
    band = answer.interval or {}
    return {"level": f"{band['level']:.0%}", "low": signed(band["low"]), "high": signed(band["high"])}


def _legend(comparison: Comparison) -> list[tuple[str, str]]:
    """List the markers as (CSS class, meaning)."""
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
    if any(c.people for c in comparison.conditions):
        entries.append(("mm-board-people", say("mean vote of people; those who listened heard the words in every row")))
    return entries


def nearest(comparison: Comparison) -> Markup:
    """Rank the methods by their mean move from their own full answer, each beside its complete model."""
    moves, complete = comparison.moves(), comparison.moves("complete")
    best = comparison.nearest
    if best is None:
        said = say("Nothing can be removed from this clip, so nothing moves.")
        return render("nearest", told=said, hint="", lines=[], limit=1.0)
    said = say(
        "{method} stays closest on this clip: over {n} patterns of missing modalities it moves by "
        "{move} on average; its complete model, {model}, moves by {complete}.",
        method=method_title(best),
        n=len(comparison.incomplete),
        move=f"{moves[best]:.2f}",
        model=known(comparison.complete[best]),
        complete=f"{complete[best]:.2f}",
    )
    hint = say(
        "Mean distance between the answers with something missing and the answer with everything; shorter is closer."
    )
    lines = [
        (method_title(m), known(comparison.complete[m]), moves[m], complete[m], m == best)
        for m in sorted(moves, key=lambda m: moves[m])
    ]
    return render("nearest", told=said, hint=hint, lines=lines, limit=max(1e-6, *moves.values(), *complete.values()))


def judged(comparison: Comparison) -> Markup:
    """Rank the models by their distance from people who had as little as they; nothing where nobody voted."""
    lines = people.nearer(comparison)
    if not lines:
        return Markup("")
    limit = max(1e-6, *(max(n.ours, n.theirs) for n in lines))
    best = min(min(n.ours, n.theirs) for n in lines)
    return render("judged", told=people.told(comparison), lines=lines, limit=limit, best=best)


def pair(a: Comparison, b: Comparison) -> Markup:
    """Draw two clips side by side: full answers, moves, effects of removing a modality, and one sentence."""
    limit = max(
        0.5,
        *(abs(c.move(m, p.pattern)) for c in (a, b) for p in c.incomplete for m in c.methods),
        *(v for c in (a, b) for v in c.effect_of_removing().values()),
    )
    return render(
        "pair",
        told=difference(a, b),
        methods=say(", ").join(method_title(m) for m in a.methods),
        clips=[_column(c) for c in (a, b)],
        limit=limit,
        modalities=MODALITIES,
    )


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


def _column(comparison: Comparison) -> dict[str, Any]:
    """Collect one clip of the pair."""
    losses = []
    for c in comparison.conditions:
        if c.pattern == missing.COMPLETE:
            continue
        why = "" if c.answers and c.pattern != comparison.full else _lacks(c) or say("everything in the clip")
        moves = [] if why else [comparison.move(m, c.pattern) for m in comparison.methods]
        losses.append((PATTERNS[c.pattern], moves, why))
    return {
        "name": comparison.clip,
        "full": [(method_title(m), comparison.answer(m).missing) for m in comparison.methods],
        "losses": losses,
        "effects": comparison.effect_of_removing(),
    }


def downloads(comparison: Comparison, robustness: Robustness | None = None) -> list[tuple[str, str, str]]:
    """List the files of all numbers as (name, address, text); they are part of the page, the server writes nothing."""
    files = (
        ("comparison.csv", "text/csv", as_csv(comparison, robustness), say("Save all numbers (CSV)")),
        ("comparison.json", "application/json", as_json(comparison, robustness), say("Save all numbers (JSON)")),
    )
    return [
        (name, f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}", said)
        for name, kind, text, said in files
    ]
