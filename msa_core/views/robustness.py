"""Two charts of a robustness curve: move and score of every model while frames and words are dropped.

A method is told by its marker and its name at the end of the line, a complete model by dashes and open markers; the
hues only help. The numbers follow as a table.
"""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from msa_core.compare import Point, Robustness, RobustnessCurve, Spread
from msa_core.evaluation import line_chart
from msa_core.evaluation.curve_svg import hue, written
from msa_core.evaluation.line_chart import DASHES, MARKERS, Axes, Frame, Line, Look
from msa_core.i18n import known, say
from msa_core.views.parts import method_title, signed
from msa_core.views.template import render

WIDTH, HEIGHT = 560, 360  # of one chart; its names stand in the right margin, which a phone cuts off
LEFT, BOTTOM = 48, 48
FRAME = Frame(WIDTH, HEIGHT, LEFT, right=170, top=14, bottom=BOTTOM, name_gap=22, wrap=20, prefix="mm-")


def curve(robustness: Robustness) -> Markup:
    """Draw move and score of every model against the share of dropped frames: two charts, a key, a table."""
    titles = [_line_title(robustness, line) for line in robustness.lines]
    swatches = [Markup(line_chart.swatch(look, "mm-fan", FRAME.prefix)) for look in _looks(robustness)]
    return render(
        "robustness",
        told=_weathered(robustness),
        draws=robustness.draws,
        charts=[
            _chart(robustness, say("distance from its own full answer"), _move),
            _chart(robustness, say("score"), _score),
        ],
        width=WIDTH,
        height=HEIGHT,
        key=list(zip(swatches, titles, strict=True)),
        rates=[f"{p.rate:.0%}" for p in robustness.lines[0].points],
        table=_table(robustness),
    )


def _weathered(robustness: Robustness) -> str:
    """Say which method moved least and most at the highest rate."""
    ends = {line.methods[0]: line.points[-1] for line in robustness.lines if line.flow == "missing"}
    moves = {m: p.move.mean for m, p in ends.items()}
    steady, loose = min(moves, key=lambda m: moves[m]), max(moves, key=lambda m: moves[m])
    rate = f"{ends[steady].rate:.0%}"
    if steady == loose:
        return say(
            "With {rate} of all frames and words dropped, {method} has moved by {move}.",
            rate=rate,
            method=method_title(steady),
            move=f"{moves[steady]:.2f}",
        )
    return say(
        "With {rate} of all frames and words dropped, {steady} has moved least ({least}) and {loose} most ({most}).",
        rate=rate,
        steady=method_title(steady),
        least=f"{moves[steady]:.2f}",
        loose=method_title(loose),
        most=f"{moves[loose]:.2f}",
    )


def _move(point: Point) -> Spread:
    return point.move


def _score(point: Point) -> Spread:
    return point.score


def _looks(robustness: Robustness) -> list[Look]:
    """Choose the look of every line: a complete model looks like its first method, dashed and open."""
    order = list(robustness.complete)
    found = []
    for line in robustness.lines:
        i = order.index(line.methods[0])
        is_ours = line.flow == "missing"
        css = f"mm-hue{hue(line.methods[0])} {'mm-solid' if is_ours else 'mm-open'}"
        found.append(Look(css, "none" if is_ours else DASHES[1 + i % 3], MARKERS[i % 4]))
    return found


def _line_title(robustness: Robustness, line: RobustnessCurve) -> str:
    if line.flow == "missing":
        return method_title(line.methods[0])
    return known(robustness.complete[line.methods[0]])


def _chart(robustness: Robustness, what: str, of: Callable[[Point], Spread]) -> dict[str, str]:
    """Draw one value of every model against the share of dropped frames; the first method lies on top."""
    rates = [p.rate for p in robustness.lines[0].points]
    edges = [v for line in robustness.lines for p in line.points for v in _edges(line, of(p))]
    axes = Axes(
        x_ticks=[r for r in rates if round(10 * r) % 3 == 0 or len(rates) < 5],
        x_range=(rates[0], rates[-1]),
        y_ticks=line_chart.ticks(min(edges), max(edges)),
        x_text=lambda rate: f"{rate:.0%}",
        y_text=lambda value: written(value, digits=1 if round(value, 1) == value else 2),
        value_text=signed,
        caption=say("share of frames and words dropped"),
    )
    lines = [
        Line(
            _line_title(robustness, line),
            look,
            tuple((p.rate, of(p).mean) for p in line.points),
            tuple((of(p).low, of(p).high) for p in line.points) if line.flow == "missing" else (),
        )
        for line, look in zip(robustness.lines, _looks(robustness), strict=True)
    ]
    spoken = "; ".join(f"{n.name}: {signed(n.points[0][1])} → {signed(n.points[-1][1])}" for n in lines)
    drawn = Markup(line_chart.drawn(FRAME, axes, lines[::-1]))
    return {"caption": what, "spoken": f"{what}. {spoken}", "drawn": drawn}


def _edges(line: RobustnessCurve, spread_of: Spread) -> tuple[float, float]:
    """Give the values that must fit into the chart: shades are drawn for the methods only."""
    return (spread_of.low, spread_of.high) if line.flow == "missing" else (spread_of.mean, spread_of.mean)


def _table(robustness: Robustness) -> list[tuple[str, str, list[str]]]:
    """Write the numbers of both charts as rows: model, what, values."""
    rows = []
    for line in robustness.lines:
        name = _line_title(robustness, line)
        rows.append((name, say("move"), [f"{p.move.mean:.2f}" for p in line.points]))
        rows.append((name, say("score"), [signed(p.score.mean) for p in line.points]))
    return rows
