"""Teacher and student on the page: side by side, and their distances true to scale."""

from __future__ import annotations

import math
import re

import pytest
from predictions import NASTY, taught, whole

from msa_core.views import distillation


def test_teacher_and_student_stand_side_by_side() -> None:
    html = whole(taught())
    assert "Inside CorrKD" in html and "Target: +2 <small>positive</small>" in html
    assert "teacher, everything 61%; teacher, what is left 22%; student, what is left 55%" in html
    assert (
        html.count("mm-three") == 7
        and "61 · 22 · 55" in html
        and "+0.50 · +0.60" in html
        and html.count("mm-point") == 2 * 6
        and "no clip" in html
    )
    assert (
        html.count("<b>Complete model</b>") == 2
        and "with everything (teacher)" in html
        and "student <strong>3.00</strong>" in html
    )
    assert "CorrKD simulates nothing" in html and "one zero frame" in html and "simulated text" not in html
    nasty = dict(taught().mechanism) | {"substitute": NASTY}
    assert NASTY not in whole(taught(mechanism=nasty))


@pytest.mark.parametrize(
    ("a", "b", "c"), [(4.0, 3.0, 5.0), (0.0, 2.0, 2.0), (2.0, 0.0, 2.0), (1.0, 1.0, 0.0), (1e-6, 2.0, 2.0)]
)
def test_the_picture_of_distances_is_true_to_scale(a: float, b: float, c: float) -> None:
    lost, ours = distillation.triangle(a, b, c)
    assert math.hypot(*lost) == pytest.approx(a, abs=1e-5) and math.hypot(*ours) == pytest.approx(b)
    assert math.dist(lost, ours) == pytest.approx(c)
    assert a > 1e-3 or ours == (b, 0.0)


@pytest.mark.parametrize(
    "values", [(3.0, 4.0, 5.0, 8.0), (9.0, 1.0, 9.5, 2.0), (0.0, 0.0, 0.0, 0.0), (5.0, 0.0, 5.0, 3.0)]
)
def test_the_picture_of_distances_stays_in_its_frame(values: tuple[float, ...]) -> None:
    keys = ("student", "teacher_left", "student_to_teacher_left", "typical")
    facts = dict(taught().mechanism) | {"distance": dict(zip(keys, values, strict=True))}
    html = distillation.distances(taught(mechanism=facts))
    circles = [(float(x), float(y)) for x, y in re.findall(r'cx="([-\d.]+)" cy="([-\d.]+)"', html)]
    assert len(circles) == 3 and "nan" not in html
    assert all(0 <= x <= distillation.WIDTH and 0 <= y <= distillation.HEIGHT for x, y in circles)
