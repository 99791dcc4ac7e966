"""The flow of an answer: what words, voice and face each add to the method's score, as streams that break and refill.

A stream begins under the switch of its modality and is as wide as its exact contribution (a Shapley value, see
`explain`), whatever its sign; blue adds to the score, orange takes from it. One that is off ends halfway.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from msa_core.i18n import say
from msa_core.schema import MODALITIES, Prediction
from msa_core.views.parts import method_title, modality_title, signed, tone
from msa_core.views.template import render

WIDTH, HEIGHT = 600.0, 44.0  # of the drawing, which is stretched to the width of the switches
NARROWEST, WIDEST = 1.5, 22.0  # pixels
PER_POINT = 9.0  # pixels of width for a contribution of 1
Point = tuple[float, float]


@dataclass(frozen=True)
class Stream:
    """A stream, for its template.

    upper, lower: the halves of its path. width: in pixels. tone: CSS class of the contribution's sign; "off" of what is
    missing. place: of its label, in percent of the width.
    """

    title: str
    upper: str
    lower: str
    width: float
    tone: str
    place: float
    value: str


def flow(prediction: Prediction) -> Markup:
    """Draw the streams of an answer into the method's score."""
    method, values = method_title(prediction.method), prediction.contributions
    score = prediction.scores["missing_model_left"]
    streams = [_stream(prediction, i, m) for i, m in enumerate(MODALITIES)]
    parts = say(", ").join(f"{s.title} {s.value}" for s in streams)
    told = say("{method} {score}: training mean {base}, {parts}", method=method, score=_written(score),
               base=signed(values["base"]), parts=parts)  # fmt: skip
    return render("flow", streams=streams, method=method, score=_written(score), tone=_tone(score), told=told,
                  base=signed(values["base"]), width=WIDTH, height=HEIGHT)  # fmt: skip


def _stream(prediction: Prediction, number: int, modality: str) -> Stream:
    """Lay out the stream of a modality from under its switch to the middle."""
    value = prediction.contributions[modality]
    on = bool(prediction.modalities[modality]["present"])
    begin = WIDTH * (2 * number + 1) / (2 * len(MODALITIES))
    end = WIDTH / 2 + 12 * (number - 1)
    upper, lower = _halves((begin, 0), (begin, 0.62 * HEIGHT), (end, 0.3 * HEIGHT), (end, HEIGHT))
    width = min(max(PER_POINT * abs(value), NARROWEST), WIDEST) if on else NARROWEST
    if on:
        written = signed(value)
    elif modality == "text" and prediction.text_source == "simulated":
        written = say("simulated")
    else:
        written = say("off")
    place = 100 * begin / WIDTH
    return Stream(
        modality_title(modality), upper, lower, round(width, 1), _tone(value) if on else "off", place, written
    )


def _halves(a: Point, b: Point, c: Point, d: Point) -> tuple[str, str]:
    """Divide a cubic curve in the middle (de Casteljau). Returns: two paths."""
    ab, bc, cd = _middle(a, b), _middle(b, c), _middle(c, d)
    abc, bcd = _middle(ab, bc), _middle(bc, cd)
    top = _middle(abc, bcd)
    return _path(a, ab, abc, top), _path(top, bcd, cd, d)


def _middle(a: Point, b: Point) -> Point:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def _path(start: Point, *others: Point) -> str:
    """Write a cubic curve as an SVG path."""
    return f"M{start[0]:.1f} {start[1]:.1f}C" + " ".join(f"{x:.1f} {y:.1f}" for x, y in others)


def _written(score: float | None) -> str:
    return "–" if score is None else signed(score)


def _tone(score: float | None) -> str:
    return "none" if score is None else tone(score)
