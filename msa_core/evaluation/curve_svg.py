"""The robustness curve: a metric against the share of dropped frames, as one SVG that also stands alone as a file.

Lines differ in dash and marker, and each is named at its end; colour only helps (three hues for the methods, greys for
what they are measured against). On the page the colours are the page's, in a file the same ones written out.
Texts are in the active language. `line_chart` draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from msa_core.errors import MsaError
from msa_core.evaluation import line_chart, metrics, results
from msa_core.evaluation.finding import named
from msa_core.evaluation.line_chart import DASHES, MARKERS, Axes, Frame, Line, Look
from msa_core.evaluation.results import METRICS, Curve, Result
from msa_core.i18n import known, say

WIDTH, HEIGHT = 800, 420
FRAME = Frame(WIDTH, HEIGHT, left=54, right=226, top=44, bottom=50, name_gap=30, wrap=29)
LIGHT = {"card": "#ffffff", "line": "#dfdfd7", "ink": "#17191f", "ink2": "#474c58", "ink3": "#666c79",
         "curve1": "#5a43d0", "curve2": "#00705f", "curve3": "#a3286a", "curve4": "#8a5a00"}  # fmt: skip
DARK = {"card": "#191c23", "line": "#2f343f", "ink": "#f2f3f5", "ink2": "#bcc2cd", "ink3": "#99a0ae",
        "curve1": "#a597ff", "curve2": "#5fd0b8", "curve3": "#f08fc0", "curve4": "#e3b341"}  # fmt: skip

HUES = {"sdumc": 1, "corrkd": 2, "promma": 3, "lnln": 4}  # one colour a method, everywhere

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


def curves_svg(result: Result, metric: str = "mae") -> str:
    """Draw the main rows of an evaluation against the share of dropped frames, as an SVG document.

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
    on = {"metric": name, "corpus": named(str(result["corpus"])), "split": known(str(result.get("split", "test")))}
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
        f'<text x="{FRAME.left - 38}" y="22" class="head">{escape(head)}</text>{_drawn(found, metric)}</svg>'
    )


def key(result: Result, metric: str) -> str:
    """List the names of the lines for small screens, where the names in the picture are out of sight."""
    found = results.curves(result, metric)
    items = "".join(
        f"<li>{line_chart.swatch(look, 'mm-curves')}"
        f"<span>{escape(known(curve.title))} <small>{_ends(curve, metric)}</small></span></li>"
        for curve, look in zip(found, looks(found), strict=True)
    )
    return f'<ul class="mm-curve-key">{items}</ul>'


def written(value: float | None, form: str = "number", digits: int = 3) -> str:
    """Format a value: a real minus, shares in percent, a dash for nothing. form: see results.NumbersColumn."""
    if value is None:
        return "–"
    scaled = 100 * value if form in ("share", "change") else value
    text = f"{scaled:{'+' if form in ('change', 'signed') else ''}.{digits}f}"
    text = text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")
    return f"{text} %" if form == "change" else text


def hue(method: str) -> int:
    """Choose the colour of a method by its key, 1 to 4; methods from outside share them."""
    return HUES.get(method, 1 + sum(method.encode()) % len(HUES))


def looks(found: Sequence[Curve]) -> list[Look]:
    """Choose a look per line: methods coloured with solid marks, the constant thin and bare, others grey and open."""
    chosen, methods, others = [], 0, 0
    for curve in found:
        if curve.kind == "constant":
            chosen.append(Look("constant", "1 3", ""))
        elif curve.kind == "method":
            chosen.append(Look(f"method curve{hue(curve.method)}", DASHES[methods % 7], MARKERS[methods % 7]))
            methods += 1
        else:
            chosen.append(Look("other", DASHES[(others + 3) % 7], MARKERS[(others + 3) % 7]))
            others += 1
    return chosen


def _drawn(found: Sequence[Curve], metric: str) -> str:
    """Draw the curves; those of the methods lie over the others."""
    rates = sorted({rate for curve in found for rate, _ in curve.points})
    values = [value for curve in found for _, value in curve.points]
    digits = 0 if _form(metric) == "share" else 2
    axes = Axes(
        x_ticks=rates,
        x_range=(rates[0], rates[-1]),
        y_ticks=line_chart.ticks(min(values), max(values)),
        x_text=lambda rate: f"{100 * rate:.0f} %",
        y_text=lambda value: written(value, _form(metric), digits if round(value, 2) == value else 3),
        value_text=lambda value: _value(value, metric),
        caption=say("share of frames and words dropped from every modality"),
    )
    lines = [Line(known(c.title), look, c.points) for c, look in zip(found, looks(found), strict=True)]
    return line_chart.drawn(FRAME, axes, sorted(lines, key=lambda line: line.look.css.startswith("method")))


def _form(metric: str) -> str:
    """Choose the form of a metric's values, see `written`."""
    return "number" if metric in ("mae", "pearson") else "share"


def _value(value: float, metric: str) -> str:
    """Format a value of a metric."""
    return written(value, _form(metric), 3 if _form(metric) == "number" else 1)


def _ends(curve: Curve, metric: str) -> str:
    """Say the first and the last value of a curve."""
    (first, a), (last, b) = curve.points[0], curve.points[-1]
    return say(
        "{a} at {first:.0f} %, {b} at {last:.0f} %",
        a=_value(a, metric),
        b=_value(b, metric),
        first=100 * first,
        last=100 * last,
    )


def _style() -> str:
    """Write the style sheet: own colours, light or dark as the reader's; on the page its variables come first."""
    light, dark = ("".join(f"--k-{n}:var(--mm-{n},{colour});" for n, colour in c.items()) for c in (LIGHT, DARK))
    hues = "".join(
        f".mm-curves .curve{n}{{stroke:var(--k-curve{n})}}.mm-curves .curve{n}.mark{{fill:var(--k-curve{n})}}"
        f".mm-curves text.curve{n}{{fill:var(--k-curve{n})}}"
        for n in HUES.values()
    )
    return f".mm-curves{{{light}}}@media(prefers-color-scheme:dark){{.mm-curves{{{dark}}}}}{RULES}{hues}"
