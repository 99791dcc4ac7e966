"""Teacher and student side by side: responses split at the target, similarity to prototypes, distances."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from msa_core.i18n import known, say
from msa_core.schema import SCORE_LIMIT, Prediction
from msa_core.views import summary
from msa_core.views.parts import meaning, method_title, signed
from msa_core.views.template import render

WHO = {"teacher_full": "mm-by-teacher", "teacher_left": "mm-by-lost", "student": "mm-by-student"}  # key -> CSS class
EDGES = (-1.12, 1.12)  # of a cosine's track, so that a mark at 1 is seen whole
WIDTH, HEIGHT, MARGIN = 320.0, 150.0, 14.0  # of the picture of distances
NEAR = 9.0  # a teacher that hardly moved is drawn beside itself


def hint(method: str) -> str:
    """Explain what is shown of teacher and student."""
    return say(
        "How {method}'s frozen teacher and its student respond to this clip, each from what it sees.", method=method
    )


def inside(prediction: Prediction) -> Markup:
    """Draw what distillation transferred, the responses and the similarities; "" without a teacher's responses."""
    responses, similarity = (prediction.mechanism.get(k) for k in ("class_responses", "prototype_similarity"))
    if not (isinstance(responses, Mapping) and isinstance(similarity, Mapping)):
        return Markup("")
    classes = similarity["student"]
    return render(
        "distillation",
        transfer=summary.transfer(prediction) or "",
        method=method_title(prediction.method),
        who=_who(),
        css=WHO,
        responses=_responses(responses),
        similarity=[(class_name(c), similarity["teacher"][c], ours) for c, ours in classes.items()],
        edges=EDGES,
    )


def gap(prediction: Prediction) -> Markup:
    """Draw what enters the student in the place of a missing modality."""
    whole = all(state["present"] for state in prediction.modalities.values())
    substitute = None if whole else prediction.mechanism.get("substitute")
    return render("substitute", method=method_title(prediction.method), substitute=substitute)


def distances(prediction: Prediction) -> Markup:
    """Draw a card with the distances to the teacher's full answer; "" for methods without a teacher."""
    distance = prediction.mechanism.get("distance")
    if not isinstance(distance, Mapping):
        return Markup("")
    return render(
        "card",
        title=say("How far from the teacher's full answer"),
        hint=say("Distances in the joint representation, drawn to scale."),
        body=Markup(_distance(distance)),
        css="mm-distances",
    )


def _who() -> dict[str, str]:
    """Name those who answer, by their key in the mechanism."""
    return {
        "teacher_full": say("teacher, everything"),
        "teacher_left": say("teacher, what is left"),
        "student": say("student, what is left"),
    }


def _responses(responses: Mapping[str, Any]) -> list[tuple[Markup, dict[str, float]]]:
    """List every class, the target first, with its probability according to each of WHO."""
    target = str(responses["target"])
    shares = [(class_name(target), {k: float(responses[k]["target"]) for k in WHO})]
    others = responses["student"]["non_target"]
    return shares + [(class_name(c), {k: float(responses[k]["non_target"][c]) for k in WHO}) for c in others]


def class_name(name: str) -> Markup:
    """Write a class for people: a bin of the seven-point scale in words, other names as they are."""
    try:
        point = int(name)
    except ValueError:
        return escape(known(name))
    if abs(point) > SCORE_LIMIT:
        return escape(name)
    return Markup("{} <small>{}</small>").format(signed(point, 0), meaning(point))


def _distance(distance: Mapping[str, float]) -> str:
    """Draw the exact triangle of teacher with everything, teacher and student with what is left; usual dashed."""
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
    """Place two points at distances a and b from the origin and c apart: (a, 0) and (x, y) with y >= 0."""
    if a <= 1e-4 * max(b, c, 1e-9):  # the direction of nothing is noise
        return (0.0, 0.0), (b, 0.0)
    x = (a * a + b * b - c * c) / (2 * a)
    x = max(-b, min(b, x))
    return (a, 0.0), (x, math.sqrt(max(0.0, b * b - x * x)))
