"""How cost grows with the length of a clip and with the number of clips: a fitted line, and how far points lie off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from msa_core.config import MediaLimits
from msa_core.evaluation import line_chart
from msa_core.evaluation.benchmark.clips import write
from msa_core.evaluation.benchmark.timing import Spread, Times, interleaved
from msa_core.evaluation.line_chart import DASHES, MARKERS, Axes, Frame, Line, Look
from msa_core.predict import Analyser
from msa_core.schema import Utterance

LENGTHS_S = (1, 5, 10, 20, 60)
NUMBERS = (1, 2, 5, 10, 20)  # clips of 1 s
SCORED = (10, 100, 1000)  # clips of 1 s whose features are at hand
FRAME = Frame(width=640, height=300, left=56, right=150, top=20, bottom=52, name_gap=22, wrap=20)
STYLE = (
    "text{font:12px sans-serif;fill:#333}.end{text-anchor:end}.middle{text-anchor:middle}.grid{stroke:#ddd}"
    "svg{background:#fff}.lead{stroke:#bbb}.line.band{fill:#1f5f99}.line{stroke:#1f5f99;fill:none;stroke-width:2}.line.mark{fill:#1f5f99}"
    "text.line{stroke:none;fill:#1f5f99}.fit{stroke:#b5541c;fill:none;stroke-width:1.5}text.fit{stroke:none;fill:#b5541c}"
    ".band{stroke:none;opacity:.2}"
)


def measured(analyser: Analyser, folder: Path, repeats: int) -> dict[str, Any]:
    """Measure clips of LENGTHS_S; one after another NUMBERS of clips of a second, and scores of SCORED of them.

    Args:
        analyser: the loaded models.
        folder: where the clips are written.
        repeats: rounds.
    """
    paths = {s: write(folder / f"{s}s.mp4", s) for s in LENGTHS_S}
    one, limits = paths[LENGTHS_S[0]], MediaLimits.command_line()

    def whole(path: Path, n: int = 1) -> Callable[[], object]:
        return lambda: [analyser.predict(analyser.extract(path, limits)) for _ in range(n)]

    by_length = interleaved({str(s): whole(path) for s, path in paths.items()}, repeats)
    by_number = interleaved({str(n): whole(one, n) for n in NUMBERS}, repeats)
    read = analyser.extract(one, limits)
    by_score = interleaved({str(n): partial(_scored, analyser, read, n) for n in SCORED}, repeats)
    return {"length_s": fitted(by_length), "clips": fitted(by_number), "scored": fitted(by_score)}


def _scored(analyser: Analyser, read: Utterance, n: int) -> None:
    """Predict n clips, each an utterance of its own."""
    for i in range(n):
        analyser.predict(replace(read, id=str(i)))


def fitted(times: dict[str, Times]) -> dict[str, Any]:
    """Fit processor time as a line through points, each weighed by its relative error.

    Args:
        times: by the number that grows.

    Returns:
        slope_s and fixed_s of the line, the largest relative deviation of a point from it, and the points.
    """
    x = np.array([float(n) for n in times])
    spreads = [Spread.of(t.cpu_s) for t in times.values()]
    walls = [Spread.of(t.wall_s) for t in times.values()]
    y = np.array([s.median for s in spreads])
    slope, fixed = np.polyfit(x, y, 1, w=1 / y)
    off = np.abs(slope * x + fixed - y) / y
    return {
        "slope_s": float(slope),
        "fixed_s": float(fixed),
        "largest_deviation": float(off.max()),
        "points": [
            {"x": float(a), "cpu_s": asdict(c), "wall_s": asdict(w)} for a, c, w in zip(x, spreads, walls, strict=True)
        ],
    }


def sentences(growth: dict[str, Any]) -> list[list[str]]:
    """Write the rows of the table: what grows, the line, the deviation, and every point."""
    units = {
        "length_s": ("length of a clip", "s"),
        "clips": ("number of clips of 1 s", "clips"),
        "scored": ("number of clips of 1 s, scored from features at hand", "clips"),
    }
    found = []
    for key in (key for key in units if key in growth):
        (name, unit), line = units[key], growth[key]
        points = ", ".join(f"{p['x']:g} {unit}: {p['cpu_s']['median']:.2f} s" for p in line["points"])
        shape = f"{line['slope_s']:.3f} s each + {line['fixed_s']:.2f} s"
        found.append([name, shape, f"{100 * line['largest_deviation']:.0f} %", points])
    return found


def svg(growth: dict[str, Any]) -> str:
    """Draw processor time over the length of a clip, with its quartiles and the fitted line, as an SVG file."""
    line = growth["length_s"]
    points = line["points"]
    x = [p["x"] for p in points]
    measured_ = [(p["x"], p["cpu_s"]["median"]) for p in points]
    band = tuple((p["cpu_s"]["low"], p["cpu_s"]["high"]) for p in points)
    fit = [(a, line["slope_s"] * a + line["fixed_s"]) for a in x]
    axes = Axes(
        x_ticks=_readable(x),
        x_range=(0, x[-1]),
        y_ticks=line_chart.ticks(0, max(b for _, b in (*measured_, *band, *fit))),
        x_text=lambda value: f"{value:g}",
        y_text=lambda value: f"{value:g}",
        value_text=lambda value: f"{value:.2f} s",
        caption="length of the clip (s); upwards: processor time from file to answer (s)",
    )
    lines = [
        Line("fitted line", Look("fit", DASHES[1], ""), tuple(fit)),
        Line("measured, with quartiles", Look("line", DASHES[0], MARKERS[0]), tuple(measured_), band),
    ]
    drawn = line_chart.drawn(FRAME, axes, lines)
    size = f'viewBox="0 0 {FRAME.width} {FRAME.height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>{drawn}</svg>\n'


def _readable(x: Sequence[float]) -> list[float]:
    """Leave out ticks that would stand on one another."""
    kept: list[float] = []
    for value in x:
        if not kept or value - kept[-1] >= 0.05 * x[-1]:
            kept.append(value)
    return kept
