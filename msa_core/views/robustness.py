"""Two charts of a robustness curve: move and score of every model while frames and words are dropped.

A method is told by its marker and its name at the end of the line, a complete model by dashes and open markers; the
hues only help. The numbers follow as a table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from msa_core.compare import Point, Robustness, RobustnessCurve, Spread
from msa_core.evaluation.curve_svg import DASHES, MARKERS, spread, ticks, written
from msa_core.i18n import known, say
from msa_core.views.parts import card, method_title, signed

WIDTH, HEIGHT = 560, 360  # of one chart; its names stand in the right margin, which a phone cuts off
LEFT, RIGHT, TOP, BOTTOM = 44, 170, 14, 48
LINE_HEIGHT, WRAP = 16, 20


def curve(robustness: Robustness) -> str:
    """Draw move and score of every model against the share of dropped frames: two charts, a key, a table."""
    lines, said = robustness.lines, _weathered(robustness)
    move, score = say("distance from its own full answer"), say("score")
    charts = (
        f"<figure><figcaption>{escape(move)}</figcaption>{_chart(robustness, move, _move)}</figure>"
        f"<figure><figcaption>{escape(score)}</figcaption>{_chart(robustness, score, _score)}</figure>"
    )
    keys = "".join(
        f'<li><svg class="mm-fan" viewBox="0 0 36 14" aria-hidden="true"><path class="{css}" d="M1 7H35" '
        f'stroke-dasharray="{dash}"/><path class="{css} mm-spot" transform="translate(18 7)" d="{marker}"/></svg>'
        f"<span>{escape(_line_title(robustness, line))}</span></li>"
        for line, (css, dash, marker) in zip(lines, _looks(robustness), strict=True)
    )
    hint = say(
        "Frames, sounds and words are dropped at random from every modality; mean of {n} draws, shaded from the "
        "smallest to the largest. Solid: missing-modality models; dashed: complete models.",
        n=robustness.draws,
    )
    body = (
        f'<p class="mm-transfer">{escape(said)}</p><div class="mm-fan-charts">{charts}</div>'
        f'<ul class="mm-curve-key">{keys}</ul>{_curve_table(robustness)}'
    )
    return card(escape(say("What if only part of the input is lost?")), escape(hint), body, "mm-robust")


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


def _looks(robustness: Robustness) -> list[tuple[str, str, str]]:
    """Choose CSS class, dashes and marker of every line: a complete model is dashed and open."""
    order = list(robustness.complete)
    found = []
    for line in robustness.lines:
        i = order.index(line.methods[0])
        is_ours = line.flow == "missing"
        css = f"mm-hue{i % 3 + 1} {'mm-solid' if is_ours else 'mm-open'}"
        found.append((css, "none" if is_ours else DASHES[1 + i % 3], MARKERS[i % 4]))
    return found


def _line_title(robustness: Robustness, line: RobustnessCurve) -> str:
    if line.flow == "missing":
        return method_title(line.methods[0])
    return known(robustness.complete[line.methods[0]])


def _chart(robustness: Robustness, what: str, of: Callable[[Point], Spread]) -> str:
    """Draw one chart: grid, shades, lines, marks, names."""
    lines, looks = robustness.lines, _looks(robustness)
    rates = [p.rate for p in lines[0].points]
    edges = [v for line in lines for p in line.points for v in _edges(line, of(p))]
    marks = ticks(min(edges), max(edges))
    first, last = rates[0], rates[-1]

    def x(rate: float) -> float:
        return round(LEFT + (rate - first) / (last - first or 1) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - marks[0]) / (marks[-1] - marks[0]) * (HEIGHT - TOP - BOTTOM), 1)

    drawn, shades, end = "", "", WIDTH - RIGHT
    for m in marks:
        css = "mm-grid mm-nought" if m == 0 else "mm-grid"
        drawn += f'<path class="{css}" d="M{LEFT} {y(m)}H{end}"/>'
        drawn += f'<text x="{LEFT - 8}" y="{y(m) + 4.5:.1f}" class="mm-end">{written(m, digits=1)}</text>'
    for rate in rates:
        if round(10 * rate) % 3 == 0 or len(rates) < 5:
            drawn += f'<text x="{x(rate)}" y="{HEIGHT - BOTTOM + 20}" class="mm-middle">{rate:.0%}</text>'
    under = escape(say("share of frames and words dropped"))
    drawn += f'<text x="{(LEFT + end) / 2:.0f}" y="{HEIGHT - 8}" class="mm-middle">{under}</text>'
    strokes = ""
    for line, (css, dash, marker) in reversed(list(zip(lines, looks, strict=True))):
        means = [(x(p.rate), y(of(p).mean)) for p in line.points]
        if line.flow == "missing":
            there = [f"{x(p.rate)} {y(of(p).high)}" for p in line.points]
            back = [f"{x(p.rate)} {y(of(p).low)}" for p in reversed(line.points)]
            shades += f'<path class="{css} mm-shade" d="M{"L".join(there + back)}z"/>'
        strokes += f'<path class="{css}" d="M{"L".join(f"{a} {b}" for a, b in means)}" stroke-dasharray="{dash}"/>'
        for a, b in means:
            strokes += f'<path class="{css} mm-spot" transform="translate({a} {b})" d="{marker}"/>'
    ends = [(x(line.points[-1].rate), y(of(line.points[-1]).mean)) for line in lines]
    spoken = "; ".join(
        f"{_line_title(robustness, line)}: {signed(of(line.points[0]).mean)} → {signed(of(line.points[-1]).mean)}"
        for line in lines
    )
    return (
        f'<div class="mm-fan-window"><svg class="mm-fan" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(what + ". " + spoken, quote=True)}">{drawn}{shades}{strokes}'
        f"{_labels(robustness, looks, ends)}</svg></div>"
    )


def _edges(line: RobustnessCurve, spread_of: Spread) -> tuple[float, float]:
    """Give the values that must fit into the chart: shades are drawn for the methods only."""
    return (spread_of.low, spread_of.high) if line.flow == "missing" else (spread_of.mean, spread_of.mean)


def _labels(robustness: Robustness, looks: Sequence[tuple[str, str, str]], ends: Sequence[tuple[float, float]]) -> str:
    """Draw the names at the ends of the lines, moved apart."""
    order = sorted(range(len(ends)), key=lambda i: ends[i][1])
    texts = [_wrapped(_line_title(robustness, robustness.lines[i])) for i in order]
    heights = [LINE_HEIGHT * len(t) + 5.0 for t in texts]
    places = spread([ends[i][1] for i in order], heights, 2, HEIGHT - 30)
    left, drawn = WIDTH - RIGHT + 22, ""
    for i, text, at in zip(order, texts, places, strict=True):
        a, b = ends[i]
        drawn += f'<path class="mm-lead" d="M{a + 6:.1f} {b:.1f}L{left - 4} {at:.1f}"/>'
        for k, part in enumerate(text):
            base = at + 4.5 + LINE_HEIGHT * (k - (len(text) - 1) / 2)
            drawn += f'<text x="{left}" y="{base:.1f}" class="{looks[i][0]}">{escape(part)}</text>'
    return f'<g class="mm-names">{drawn}</g>'


def _wrapped(text: str) -> list[str]:
    """Wrap a text into at most two lines; a wide character (Chinese) takes the place of two."""
    words, rows, width = (text.split(" "), [""], 0) if text.isascii() else (list(text), [""], 0)
    glue, limit = (" ", WRAP) if text.isascii() else ("", WRAP - 3)
    for word in words:
        size = sum(1 if c.isascii() else 2 for c in word) + len(glue)
        if width and width + size > limit and len(rows) < 2:
            rows, width = [*rows, ""], 0
        rows[-1] += (glue if rows[-1] else "") + word
        width += size
    return rows


def _curve_table(robustness: Robustness) -> str:
    rates = [p.rate for p in robustness.lines[0].points]
    rows = []
    for line in robustness.lines:
        name = escape(_line_title(robustness, line))
        shown = {say("move"): [f"{p.move.mean:.2f}" for p in line.points]}
        shown[say("score")] = [signed(p.score.mean) for p in line.points]
        for what, values in shown.items():
            rows.append(
                f'<tr><th scope="row">{name}</th><td class="mm-text">{escape(what)}</td>{table_cells(values)}</tr>'
            )
    title = say("What if only part of the input is lost?")
    return values_table(title, [say("model"), "", *(f"{r:.0%}" for r in rates)], rows)


def table_cells(values: Sequence[str]) -> str:
    """Draw table cells of finished HTML."""
    return "".join(f"<td>{v}</td>" for v in values)


def values_table(title: str, heads: Sequence[str], rows: Sequence[str]) -> str:
    """Draw a table that opens under its picture; its first two columns are words. title: of the picture."""
    sides = ("", ' class="mm-text"', *[""] * (len(heads) - 2))
    head = "".join(f'<th scope="col"{side}>{escape(h)}</th>' for h, side in zip(heads, sides, strict=True))
    return (
        f'<details class="mm-compare-values"><summary>{escape(say("The same numbers as a table"))}</summary>'
        f'<div class="mm-scroll" tabindex="0" role="region" aria-label="{escape(title)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></details>"
    )
