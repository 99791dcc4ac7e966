"""Teacher and student side by side: responses split at the target, likeness to prototypes, distances."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from msa_core.i18n import known, say
from msa_core.schema import SCORE_LIMIT, Prediction
from msa_core.views import summary
from msa_core.views.parts import card, meaning, method_name, percent, row, signed

WHO = {"teacher_full": "mm-by-teacher", "teacher_left": "mm-by-lost", "student": "mm-by-student"}  # key -> CSS class
EDGES = (-1.12, 1.12)  # of a cosine's track, so that a mark at 1 is seen whole
WIDTH, HEIGHT, MARGIN = 320.0, 150.0, 14.0  # of the picture of distances
NEAR = 9.0  # a teacher that hardly moved is drawn beside itself


def inside(prediction: Prediction) -> str:
    """What distillation transferred, responses and likeness of a method with a teacher; "" for other methods."""
    responses, likeness = (prediction.mechanism.get(k) for k in ("class_responses", "prototype_similarity"))
    if not (isinstance(responses, Mapping) and isinstance(likeness, Mapping)):
        return ""
    said = f'<p class="mm-transfer">{escape(summary.transfer(prediction) or "")}</p>'
    return said + _legend(prediction) + _responses(responses) + _likeness(likeness)


def distances(prediction: Prediction) -> str:
    """A card with the distances to the teacher's full answer; "" for methods without a teacher."""
    distance = prediction.mechanism.get("distance")
    if not isinstance(distance, Mapping):
        return ""
    hint = say("Distances in the joint representation, drawn to scale.")
    return card(say("How far from the teacher's full answer"), hint, _distance(distance), "mm-distances")


def _who() -> dict[str, str]:
    """Names of those who answer, by their key in the mechanism."""
    return {
        "teacher_full": say("teacher, everything"),
        "teacher_left": say("teacher, what is left"),
        "student": say("student, what is left"),
    }


def _legend(prediction: Prediction) -> str:
    told = say("Whose bars: {method}", method=method_name(prediction.method))
    marks = "".join(f'<li><b class="{WHO[key]}"></b>{who}</li>' for key, who in _who().items())
    return f'<ul class="mm-legend" aria-label="{told}">{marks}</ul>'


def _responses(responses: Mapping[str, Any]) -> str:
    """The probability of every class by all three: the target first, then the other classes."""
    target = str(responses["target"])
    others = list(responses["student"]["non_target"])
    head = say("what the teacher chooses with everything; percent, in the order above")
    title = say("Target: {target}", target=class_name(target))
    html = f"<h4>{title} <small>({head})</small></h4>"
    html += f'<div class="mm-chart">{_response(target, {k: responses[k]["target"] for k in WHO})}</div>'
    rows = "".join(_response(c, {k: responses[k]["non_target"][c] for k in WHO}) for c in others)
    return f'{html}<h4>{say("The other classes")}</h4><div class="mm-chart">{rows}</div>'


def _response(name: str, shares: Mapping[str, float]) -> str:
    bars = "".join(f'<i class="{WHO[k]}" style="width:{percent(v, 0, 1)}%"></i>' for k, v in shares.items())
    who = _who()
    told = "; ".join(f"{who[k]} {v:.0%}" for k, v in shares.items())
    bars = f'<span class="mm-three" role="img" aria-label="{told}" title="{told}">{bars}</span>'
    return row(class_name(name), bars, " · ".join(f"{100 * v:.0f}" for v in shares.values()), "mm-flat")


def class_name(name: str) -> str:
    """A class for people: a bin of the seven-point scale in words, other names as they are."""
    try:
        point = int(name)
    except ValueError:
        return escape(known(name))
    return f"{signed(point, 0)} <small>{meaning(point)}</small>" if abs(point) <= SCORE_LIMIT else escape(name)


def _likeness(likeness: Mapping[str, Any]) -> str:
    """Cosine with the prototype of every class, of the teacher with everything and the student with what is left."""
    rows = ""
    for name, ours in likeness["student"].items():
        theirs = likeness["teacher"][name]
        if ours is None or theirs is None:
            rows += row(class_name(name), "", say("no clip"), "mm-flat mm-off")
            continue
        points = (("mm-by-teacher", theirs), ("mm-by-student", ours))
        marks = "".join(f'<i class="mm-point {css}" style="left:{percent(v, *EDGES)}%"></i>' for css, v in points)
        told = say("teacher {teacher:.2f}, student {student:.2f}", teacher=theirs, student=ours)
        marks = f'<span role="img" aria-label="{told}" title="{told}">{marks}</span>'
        rows += row(class_name(name), marks, f"{signed(theirs)} · {signed(ours)}", "mm-flat")
    hint = say("cosine with the mean of a class's training clips; ring: teacher with everything, dot: student")
    return f'<h4>{say("Likeness to each class")} <small>({hint})</small></h4><div class="mm-chart">{rows}</div>'


def _distance(distance: Mapping[str, float]) -> str:
    """The exact triangle of teacher with everything, teacher and student with what is left; a dashed usual distance."""
    lost, ours, between = (float(distance[k]) for k in ("teacher_left", "student", "student_to_teacher_left"))
    usual = float(distance["typical"])
    points = triangle(lost, ours, between)
    xs, top_y = [0.0, usual, *(x for x, _ in points)], max(1e-6, *(y for _, y in points))
    unit = min((WIDTH - 2 * MARGIN - NEAR) / max(max(xs) - min(xs), 1e-6), (HEIGHT - 2 * MARGIN) / top_y)
    left, low = MARGIN + NEAR - min(xs) * unit, HEIGHT - MARGIN
    lost_at, ours_at = ((left + x * unit, low - y * unit) for x, y in points)
    if math.dist(lost_at, (left, low)) < NEAR:
        lost_at = (left - NEAR, low)
    angle = math.asin(min(1.0, (HEIGHT - 2 * MARGIN) / (usual * unit))) if usual > 0 else 0.0
    top = (left + usual * unit * math.cos(angle), low - usual * unit * math.sin(angle))
    arc = f'<path class="mm-usual" d="M{left + usual * unit:.1f} {low:.1f}A{usual * unit:.1f} {usual * unit:.1f} 0 0 0 '
    arc += f'{top[0]:.1f} {top[1]:.1f}"/>'
    lines = "".join(
        f'<path class="mm-to {css}" d="M{left:.1f} {low:.1f}L{x:.1f} {y:.1f}"/>'
        for css, (x, y) in (("mm-by-lost", lost_at), ("mm-by-student", ours_at))
    )
    dots = "".join(
        f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'
        for css, (x, y) in (
            ("mm-by-teacher", (left, low)),
            ("mm-by-lost", lost_at),
            ("mm-by-student", ours_at),
        )
    )
    told = say(
        "from the teacher's full answer: student {student:.2f}, teacher with what is left {teacher:.2f}, "
        "two different clips {usual:.2f}",
        student=ours,
        teacher=lost,
        usual=usual,
    )
    picture = f'<svg class="mm-apart" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{told}">'
    facts = ((say("student"), ours, "mm-by-student"), (say("teacher, what is left"), lost, "mm-by-lost"))
    items = "".join(f'<li><b class="{css}"></b>{who} <strong>{d:.2f}</strong></li>' for who, d, css in facts)
    items += f'<li><b class="mm-by-usual"></b>{say("two different clips")} <strong>{usual:.2f}</strong></li>'
    return f'{picture}{arc}{lines}{dots}</svg><ul class="mm-legend">{items}</ul>'


def triangle(a: float, b: float, c: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Two points at the distances a and b from the origin and c from each other: (a, 0) and (x, y) with y >= 0."""
    if a <= 1e-4 * max(b, c, 1e-9):  # the direction of nothing is noise
        return (0.0, 0.0), (b, 0.0)
    x = (a * a + b * b - c * c) / (2 * a)
    x = max(-b, min(b, x))
    return (a, 0.0), (x, math.sqrt(max(0.0, b * b - x * x)))
