"""Rows: ratios of pairs of repetitions, goals judged by the clock they name, and cells for every kind of row."""

import pytest

from msa_core.evaluation.benchmark.rows import HEAD, Goal, cells, plain, row
from msa_core.evaluation.benchmark.timing import Times

OURS = Times((2.0, 4.0, 3.0), (0.5, 0.25, 0.5))
THEIRS = Times((4.0, 4.0, 4.0), (1.0, 1.0, 1.0))


def test_ratios_are_of_the_same_round():
    found = row("clip", OURS, "other", THEIRS, duration_s=10.0)
    assert found["wall_ratio"]["median"] == 0.75 and found["cpu_ratio"]["median"] == 0.5
    assert found["real_time_factor"] == {"wall": 0.3, "cpu": 0.05}


@pytest.mark.parametrize(
    "goal,met",
    [
        (Goal(0.5), True),
        (Goal(0.5, clock="wall", bound="why"), False),
        (Goal(0.4, "seconds", bound="why"), False),
        (Goal(3.0, "seconds", "wall"), True),
    ],
)
def test_a_goal_is_judged_by_its_clock_and_a_miss_says_what_bounds_it(goal, met):
    found = row("clip", OURS, "other", THEIRS, goal)
    assert found["goal"]["met"] is met and ("bound" in found["goal"]) is not met
    assert cells(found)[-1].endswith("reached" if met else "missed; why")


def test_every_kind_of_row_fills_the_table():
    rows = [
        row("clip", OURS, "other", THEIRS),
        row("alone", OURS),
        plain("memory", 1.5, "GB", "", None, Goal(1.0, "seconds", bound="torch")),
        plain("wheel", 1.5, "MB", "weights", 3.0, None),
    ]
    assert all(len(cells(r)) == len(HEAD) for r in rows)
    assert cells(rows[2])[-1] == "at most 1 GB: missed; torch" and cells(rows[3])[4] == "0.50"
