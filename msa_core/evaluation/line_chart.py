"""Line charts as SVG: axes, lines with marks, and a name at the end of every line.

The one drawing routine of the Numbers page, the files of `evaluate` and the Compare page. It returns the shapes inside
an `<svg>`; the caller gives the frame, the texts (in the active language) and the CSS. Every element has a class:
grid, zero (the grid line at 0), end and middle (texts of the axes), band, mark, lead and name.
"""

from __future__ import annotations

import math
import re
import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

LINE_HEIGHT = 15
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


class Look(NamedTuple):
    """The style of a line: CSS class, dashes, marker (a path, "" for none)."""

    css: str
    dash: str
    marker: str


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Args:
        name: what stands at its end, and in front of every mark's title.
        points: (x, y) of its marks, x rising.
        band: (low, high) at every point, shaded behind the lines; empty for none.
    """

    name: str
    look: Look
    points: tuple[tuple[float, float], ...]
    band: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Frame:
    """Size and margins of a chart in pixels.

    Args:
        right: margin that holds the names, each broken after `wrap` columns into two lines at most.
        name_gap: from the end of the lines to the names.
        prefix: of every CSS class, for a page where short names could mean something else.
    """

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    name_gap: int
    wrap: int
    prefix: str = ""


@dataclass(frozen=True)
class Axes:
    """Scales of a chart and their texts.

    Args:
        x_ticks: where the x axis has a text; x_range: its ends.
        y_ticks: rising, see `ticks`; the first and last are the ends of the axis.
        x_text, y_text: format a tick; value_text formats a y value in a mark's title.
        caption: text under the x axis.
    """

    x_ticks: Sequence[float]
    x_range: tuple[float, float]
    y_ticks: Sequence[float]
    x_text: Callable[[float], str]
    y_text: Callable[[float], str]
    value_text: Callable[[float], str]
    caption: str


class _Chart(NamedTuple):
    """A frame with its axes: places values in pixels."""

    frame: Frame
    axes: Axes

    def x(self, value: float) -> float:
        """Place an x value in pixels."""
        first, last = self.axes.x_range
        return self.frame.left + (value - first) / (last - first or 1) * (self.end - self.frame.left)

    def y(self, value: float) -> float:
        """Place a y value in pixels."""
        low, high = self.axes.y_ticks[0], self.axes.y_ticks[-1]
        return self.floor - (value - low) / (high - low) * (self.floor - self.frame.top)

    def at(self, point: tuple[float, float]) -> tuple[float, float]:
        """Place a point in pixels, rounded to a tenth."""
        return round(self.x(point[0]), 1), round(self.y(point[1]), 1)

    @property
    def end(self) -> int:
        """Right end of the plot."""
        return self.frame.width - self.frame.right

    @property
    def floor(self) -> int:
        """Lower end of the plot."""
        return self.frame.height - self.frame.bottom


def drawn(frame: Frame, axes: Axes, lines: Sequence[Line]) -> str:
    """Draw a chart: axes, bands, lines with their marks, names; a later line lies over an earlier one."""
    chart = _Chart(frame, axes)
    bands = "".join(_band(chart, line) for line in lines if line.band)
    return _axes(chart) + bands + "".join(_line(chart, line) for line in lines) + _names(chart, lines)


def _axes(chart: _Chart) -> str:
    """Draw the grid with the texts of both axes."""
    frame, axes = chart.frame, chart.axes
    p, shapes = frame.prefix, ""
    for value in axes.y_ticks:
        y, css = chart.y(value), f"{p}grid {p}zero" if value == 0 else f"{p}grid"
        shapes += f'<path class="{css}" d="M{frame.left} {y:.1f}H{chart.end}"/>'
        shapes += f'<text x="{frame.left - 9}" y="{y + 4:.1f}" class="{p}end">{axes.y_text(value)}</text>'
    for value in axes.x_ticks:
        text = axes.x_text(value)
        shapes += f'<text x="{chart.x(value):.1f}" y="{chart.floor + 20}" class="{p}middle">{text}</text>'
    middle = frame.left + (chart.end - frame.left) / 2
    caption = escape(axes.caption, quote=False)
    return shapes + f'<text x="{middle:.0f}" y="{frame.height - 10}" class="{p}middle">{caption}</text>'


def _band(chart: _Chart, line: Line) -> str:
    """Draw the area between the low and the high ends of a line's band."""
    pairs = list(zip(line.points, line.band, strict=True))
    there = [chart.at((x, high)) for (x, _), (_, high) in pairs]
    back = [chart.at((x, low)) for (x, _), (low, _) in reversed(pairs)]
    path = "L".join(f"{a} {b}" for a, b in there + back)
    return f'<path class="{line.look.css} {chart.frame.prefix}band" d="M{path}z"/>'


def _line(chart: _Chart, line: Line) -> str:
    """Draw a line and its marks, each with a title that says its value."""
    css, dash, marker = line.look
    at = [chart.at(point) for point in line.points]
    path = "M" + "L".join(f"{a} {b}" for a, b in at)
    shapes = f'<path class="{css}" d="{path}" stroke-dasharray="{dash}"/>'
    for (a, b), (x, y) in zip(at, line.points, strict=True) if marker else ():
        said = f"{escape(line.name)}, {chart.axes.x_text(x)}: {chart.axes.value_text(y)}"
        shapes += f'<path class="{css} {chart.frame.prefix}mark" transform="translate({a} {b})" d="{marker}">'
        shapes += f"<title>{said}</title></path>"
    return shapes


def _names(chart: _Chart, lines: Sequence[Line]) -> str:
    """Draw the names at the ends of the lines, moved apart; a thin line leads from each end to its name."""
    frame, p = chart.frame, chart.frame.prefix
    # Order the names from top to bottom, break them, and move them apart.
    ends = [(chart.x(line.points[-1][0]), chart.y(line.points[-1][1])) for line in lines]
    order = sorted(range(len(lines)), key=lambda i: ends[i][1])
    texts = [wrapped(lines[i].name, frame.wrap)[:2] or [""] for i in order]
    heights = [LINE_HEIGHT * len(t) + 4.0 for t in texts]
    places = spread([ends[i][1] for i in order], heights, frame.top - 8, frame.height - 8)
    # Draw the lead and the rows of text of each.
    left, shapes = chart.end + frame.name_gap, ""
    for i, text, place in zip(order, texts, places, strict=True):
        a, b = ends[i]
        shapes += f'<path class="{p}lead" d="M{a + 7:.1f} {b:.1f}L{left - 5} {place:.1f}"/>'
        for k, row in enumerate(text):
            base = place + 4.5 + LINE_HEIGHT * (k - (len(text) - 1) / 2)
            shapes += f'<text x="{left}" y="{base:.1f}" class="{p}name {lines[i].look.css}">{escape(row)}</text>'
    return shapes


def swatch(look: Look, css: str, prefix: str = "") -> str:
    """Draw a short piece of a line with its mark, for a list of names; css: class of the picture."""
    mark = (
        f'<path class="{look.css} {prefix}mark" transform="translate(18 7)" d="{look.marker}"/>' if look.marker else ""
    )
    line = f'<path class="{look.css}" d="M1 7H35" stroke-dasharray="{look.dash}"/>'
    return f'<svg class="{css}" viewBox="0 0 36 14" aria-hidden="true">{line}{mark}</svg>'


def ticks(low: float, high: float) -> list[float]:
    """Choose a few round numbers, equally far apart, that enclose both ends."""
    span = max(high - low, 1e-6)
    step = 10.0 ** math.floor(math.log10(span))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if span / s <= 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, max(last, first + 1) + 1)]


def spread(centres: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Move centres (in rising order) as little as needed so that blocks of these heights do not overlap."""
    placed: list[float] = []
    bottom = low
    for centre, height in zip(centres, heights, strict=True):
        placed.append(max(centre, bottom + height / 2))
        bottom = placed[-1] + height / 2
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], high - heights[i] / 2)
        high = placed[i] - heights[i] / 2
    return placed


def wrapped(name: str, columns: int) -> list[str]:
    """Break a name into lines; Chinese is broken between characters, but not before punctuation."""
    if name.isascii():
        return textwrap.wrap(name, columns)
    lines = [""]
    for piece in re.findall(r"\s*(?:[\u4e00-\u9fff]|[^\s\u4e00-\u9fff，。、；：）]+|.)[，。、；：）]*", name):
        if lines[-1] and text_width(lines[-1] + piece) > columns:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return lines


def text_width(text: str) -> int:
    """Count the columns of a text; a wide character has two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
