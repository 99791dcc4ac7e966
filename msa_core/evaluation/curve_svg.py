"""The robustness curve: a metric against the share of dropped frames, as one SVG that also stands alone as a file.

Lines differ in dash and marker, and each is named at its end; colour only helps (three hues for the methods, greys for
what they are measured against). On the page the colours are the page's, in a file the same ones written out.
Texts are in the active language.
"""

from __future__ import annotations

import math
import re
import textwrap
import unicodedata
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from msa_core.errors import MsaError
from msa_core.evaluation import metrics, results
from msa_core.evaluation.results import METRICS, Curve, Result
from msa_core.i18n import known, say

WIDTH, HEIGHT = 800, 420
LEFT, RIGHT, TOP, BOTTOM = 54, 226, 44, 50  # margins; the right one holds the names
LINE_HEIGHT = 15
WRAP = 29  # characters of a name on one line; a Chinese one is as wide as two
MARKERS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",  # circle
    "M-3.6-3.6h7.2v7.2h-7.2z",  # square
    "M0-5L5 0L0 5L-5 0z",  # diamond
    "M0-4.8L4.6 3.4H-4.6z",  # triangle
    "M0 4.8L4.6-3.4H-4.6z",  # triangle on its point
    "M-4-4L4 4M-4 4L4-4",  # cross
    "M-5 0H5M0-5V5",  # plus
)
DASHES = ("none", "9 4", "3 3", "7 3 2 3", "5 2", "2 4", "12 3")
LIGHT = {"card": "#ffffff", "line": "#dfdfd7", "ink": "#17191f", "ink2": "#474c58", "ink3": "#666c79",
         "curve1": "#5a43d0", "curve2": "#00705f", "curve3": "#a3286a"}  # fmt: skip
DARK = {"card": "#191c23", "line": "#2f343f", "ink": "#f2f3f5", "ink2": "#bcc2cd", "ink3": "#99a0ae",
        "curve1": "#a597ff", "curve2": "#5fd0b8", "curve3": "#f08fc0"}  # fmt: skip

RULES = """.mm-curves path{fill:none;stroke-linejoin:round}
.mm-curves .card{fill:var(--k-card)}
.mm-curves .grid{stroke:var(--k-line)}
.mm-curves .lead{stroke:var(--k-ink3);stroke-width:.8;opacity:.55}
.mm-curves .constant{stroke:var(--k-ink3);stroke-width:1}
.mm-curves .other{stroke:var(--k-ink3);stroke-width:1.5}
.mm-curves .method{stroke-width:2.3}
.mm-curves .mark{stroke-width:1.4}
.mm-curves .other.mark{fill:var(--k-card)}
.mm-curves text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;
font-variant-numeric:tabular-nums;fill:var(--k-ink3);stroke:none}
.mm-curves text.head{font-size:14px;font-weight:600;fill:var(--k-ink)}
.mm-curves text.name{stroke:none}
.mm-curves text.method{font-weight:600}
.mm-curves .end{text-anchor:end}
.mm-curves .middle{text-anchor:middle}
"""


class Look(NamedTuple):
    """How a line is drawn: CSS class, dashes, marker (a path, "" for none)."""

    css: str
    dash: str
    marker: str


def curves_svg(result: Result, metric: str = "mae") -> str:
    """The main rows of an evaluation against the share of dropped frames, as an SVG document.

    Raises: MsaError when the evaluation has no such values.
    """
    found = results.curves(result, metric)
    if not found:
        raise MsaError(
            "The evaluation of {corpus} has no {metric} for dropped frames. Evaluate it again.",
            corpus=repr(result["corpus"]),
            metric=repr(metric),
        )
    name, lower = known(METRICS[metric]), metric in metrics.LOWER_IS_BETTER
    on = {"metric": name, "corpus": result["corpus"], "split": known(str(result.get("split", "test")))}
    title = say("{metric} on {corpus}, {split}, against the share of dropped frames", **on)
    head = (
        say("{metric} on {corpus}, {split} (lower is better)", **on)
        if lower
        else say("{metric} on {corpus}, {split} (higher is better)", **on)
    )
    told = say("; ").join(f"{known(c.title)}{say(': ')}{_ends(c, metric)}" for c in found)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="mm-curves" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-labelledby="mm-curves-title mm-curves-told">'
        f'<title id="mm-curves-title">{escape(title)}</title><desc id="mm-curves-told">{escape(told)}.</desc>'
        f'<style>{_style()}</style><rect class="card" width="{WIDTH}" height="{HEIGHT}" rx="12"/>'
        f'<text x="{LEFT - 38}" y="22" class="head">{escape(head)}</text>{_drawn(found, metric)}</svg>'
    )


def key(result: Result, metric: str) -> str:
    """The names of the lines as a list for small screens, where the names in the picture are out of sight."""
    found = results.curves(result, metric)
    items = ""
    for curve, look in zip(found, looks(found), strict=True):
        swatch = f'<path class="{look.css}" d="M1 7H35" stroke-dasharray="{look.dash}"/>'
        swatch += (
            f'<path class="{look.css} mark" transform="translate(18 7)" d="{look.marker}"/>' if look.marker else ""
        )
        items += (
            f'<li><svg class="mm-curves" viewBox="0 0 36 14" aria-hidden="true">{swatch}</svg>'
            f"<span>{escape(known(curve.title))} <small>{_ends(curve, metric)}</small></span></li>"
        )
    return f'<ul class="mm-curve-key">{items}</ul>'


def written(value: float | None, form: str = "number", digits: int = 3) -> str:
    """How a value is written: a real minus, shares in percent, a dash for nothing. form: see numbers.Column."""
    if value is None:
        return "–"
    scaled = 100 * value if form in ("share", "change") else value
    text = f"{scaled:{'+' if form in ('change', 'signed') else ''}.{digits}f}"
    text = text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")
    return f"{text} %" if form == "change" else text


def looks(found: Sequence[Curve]) -> list[Look]:
    """One look per line: methods in colour and solid marks, the constant thin and bare, the others grey and open."""
    chosen, methods, others = [], 0, 0
    for curve in found:
        if curve.kind == "constant":
            chosen.append(Look("constant", "1 3", ""))
        elif curve.kind == "method":
            chosen.append(Look(f"method curve{methods % 3 + 1}", DASHES[methods % 7], MARKERS[methods % 7]))
            methods += 1
        else:
            chosen.append(Look("other", DASHES[(others + 3) % 7], MARKERS[(others + 3) % 7]))
            others += 1
    return chosen


def ticks(low: float, high: float) -> list[float]:
    """A few round numbers, equally far apart, that enclose both ends."""
    span = max(high - low, 1e-6)
    step = 10.0 ** math.floor(math.log10(span))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if span / s <= 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, max(last, first + 1) + 1)]


def spread(centres: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Centres (in rising order) moved as little as needed so that blocks of these heights do not overlap."""
    placed: list[float] = []
    bottom = low
    for centre, height in zip(centres, heights, strict=True):
        placed.append(max(centre, bottom + height / 2))
        bottom = placed[-1] + height / 2
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], high - heights[i] / 2)
        high = placed[i] - heights[i] / 2
    return placed


def _drawn(found: Sequence[Curve], metric: str) -> str:
    """Axes, lines, marks and names."""
    rates = [r for c in found for r, _ in c.points]
    marks = ticks(min(v for c in found for _, v in c.points), max(v for c in found for _, v in c.points))
    first, last = min(rates), max(rates)

    def x(rate: float) -> float:
        return LEFT + (rate - first) / (last - first or 1) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - marks[0]) / (marks[-1] - marks[0]) * (HEIGHT - TOP - BOTTOM)

    drawn = _axes([(x(r), f"{100 * r:.0f} %") for r in sorted(set(rates))], [(y(m), m) for m in marks], metric)
    chosen = looks(found)
    for curve, look in sorted(zip(found, chosen, strict=True), key=lambda pair: pair[1].css.startswith("method")):
        at = [(round(x(r), 1), round(y(v), 1)) for r, v in curve.points]
        path = "M" + "L".join(f"{a} {b}" for a, b in at)
        drawn += f'<path class="{look.css}" d="{path}" stroke-dasharray="{look.dash}"/>'
        for (a, b), (r, v) in zip(at, curve.points, strict=True) if look.marker else ():
            said = f"{escape(known(curve.title))}, {100 * r:.0f} %: {_value(v, metric)}"
            drawn += f'<path class="{look.css} mark" transform="translate({a} {b})" d="{look.marker}">'
            drawn += f"<title>{said}</title></path>"
    return drawn + _names(found, chosen, [(x(c.points[-1][0]), y(c.points[-1][1])) for c in found])


def _axes(rates: Sequence[tuple[float, str]], marks: Sequence[tuple[float, float]], metric: str) -> str:
    digits = 0 if _form(metric) == "share" else 2
    drawn = ""
    for at, value in marks:
        drawn += f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>'
        label = written(value, _form(metric), digits if round(value, 2) == value else 3)
        drawn += f'<text x="{LEFT - 9}" y="{at + 4:.1f}" class="end">{label}</text>'
    for at, label in rates:
        drawn += f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 20}" class="middle">{label}</text>'
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    said = say("share of frames and words dropped from every modality")
    return drawn + f'<text x="{middle:.0f}" y="{HEIGHT - 10}" class="middle">{said}</text>'


def _names(found: Sequence[Curve], chosen: Sequence[Look], ends: Sequence[tuple[float, float]]) -> str:
    """The names at the ends of the lines, moved apart; a thin line leads from each end to its name."""
    order = sorted(range(len(found)), key=lambda i: ends[i][1])
    texts = [wrapped(known(found[i].title))[:2] or [""] for i in order]
    heights = [LINE_HEIGHT * len(t) + 4.0 for t in texts]
    left, drawn = WIDTH - RIGHT + 30, ""
    for i, text, at in zip(
        order, texts, spread([ends[i][1] for i in order], heights, TOP - 8, HEIGHT - 8), strict=True
    ):
        a, b = ends[i]
        drawn += f'<path class="lead" d="M{a + 7:.1f} {b:.1f}L{left - 5} {at:.1f}"/>'
        for k, line in enumerate(text):
            base = at + 4.5 + LINE_HEIGHT * (k - (len(text) - 1) / 2)
            drawn += f'<text x="{left}" y="{base:.1f}" class="name {chosen[i].css}">{escape(line)}</text>'
    return drawn


def wrapped(name: str) -> list[str]:
    """Lines of at most WRAP characters; Chinese is broken between characters, but not before punctuation."""
    if name.isascii():
        return textwrap.wrap(name, WRAP)
    lines = [""]
    for piece in re.findall(r"\s*(?:[\u4e00-\u9fff]|[^\s\u4e00-\u9fff，。、；：）]+|.)[，。、；：）]*", name):
        if lines[-1] and _width(lines[-1] + piece) > WRAP:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return lines


def _width(text: str) -> int:
    """Columns of a text: wide characters count two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _form(metric: str) -> str:
    return "number" if metric in ("mae", "pearson") else "share"


def _value(value: float, metric: str) -> str:
    return written(value, _form(metric), 3 if _form(metric) == "number" else 1)


def _ends(curve: Curve, metric: str) -> str:
    (first, a), (last, b) = curve.points[0], curve.points[-1]
    return say(
        "{a} at {first:.0f} %, {b} at {last:.0f} %",
        a=_value(a, metric),
        b=_value(b, metric),
        first=100 * first,
        last=100 * last,
    )


def _style() -> str:
    """Own colours, light or dark as the reader's system; on the page its variables come first."""
    light, dark = ("".join(f"--k-{n}:var(--mm-{n},{colour});" for n, colour in c.items()) for c in (LIGHT, DARK))
    hues = "".join(
        f".mm-curves .curve{n}{{stroke:var(--k-curve{n})}}.mm-curves .curve{n}.mark{{fill:var(--k-curve{n})}}"
        f".mm-curves text.curve{n}{{fill:var(--k-curve{n})}}"
        for n in (1, 2, 3)
    )
    return f".mm-curves{{{light}}}@media(prefers-color-scheme:dark){{.mm-curves{{{dark}}}}}{RULES}{hues}"
