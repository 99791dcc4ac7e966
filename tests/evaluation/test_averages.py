"""Averages of several networks, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from msa_core.evaluation import averages, markdown
from msa_core.evaluation.groups import Group
from msa_core.methods import METHODS, Recipe

PATTERNS = ("text", "audio", "text+audio")
LABEL = np.array([0.0, 1.0])
DRAWN = (np.array(10 * [[1.0, 1.0001], [1.0001, 1.0]]), ())  # two utterances that are drawn almost alike


def group(title: str, kind: str, hears: bool, *trainings: tuple[float, float]) -> Group:
    scores = tuple({p: np.array(answers) for p in PATTERNS} for answers in trainings)
    recipe = Recipe(title.lower(), title, kind)
    return Group(
        title, title, recipe, METHODS["sdumc"], "subset", 1, PATTERNS, scores, LABEL, {}, {}, {}, (), hears
    )  # fmt: skip


GROUPS = [
    group("One", "method", True, (0.4, 1.0), (-0.4, 1.0)),
    group("Masked", "masked", True, (1.0, 1.0), (0.0, 1.0)),
    group("Two", "method", True, (-0.2, 1.0), (0.2, 1.2)),
    group("Deaf", "method", False, (2.0, 1.0)),
    group("Ablated", "ablation", True, (9.0, 9.0), (9.0, 9.0)),
]


def test_averages_by_hand():
    rows = averages.report(GROUPS, DRAWN)
    assert [(r["title"], r["networks"]) for r in rows] == [
        ("Masked, 2 trainings", 2), ("One, 2 trainings", 2), ("Two, 2 trainings", 2),
        ("One, Two, one training each", 2), ("One, Two, 2 trainings each", 4),
    ]  # fmt: skip
    masked, one, two, each, every = rows
    assert masked["six"] == pytest.approx(0.25) and masked["against_average"] is None
    assert masked["against_masked"][0] == pytest.approx(0.0)  # errors .5 and 0 of the mean; 1, 0 and 0, 0 of each
    assert one["table"] == pytest.approx([0.0, 0.0, 0.0]) and two["six"] == pytest.approx(0.05)
    assert one["against_masked"][0] == one["against_average"][0] == pytest.approx(-0.25)
    # (.4 - .2) / 2 and 1; (-.4 + .2) / 2 and 1.1: errors .1, 0 and .1, .1, mean over the two repetitions.
    assert each["six"] == pytest.approx(0.075)
    assert every["six"] == pytest.approx(0.025)  # the mean of all four answers: 0 and 1.05


def test_methods_of_the_other_input_are_averaged_by_themselves():
    more = group("Deaf too", "method", False, (-1.0, 1.0), (5.0, 1.0))
    found = [row for row in averages.report([*GROUPS, more], DRAWN) if row["title"].startswith("Deaf, ")]
    (each,) = found  # one of them has one training, so that there is nothing to average over all
    assert each["title"] == "Deaf, Deaf too, one training each" and each["networks"] == 2
    assert each["six"] == pytest.approx(0.25)  # (2 - 1) / 2 and 1
    assert each["reads_simulated_text"] is False and each["against_masked"] is None


def test_without_a_masked_model_nothing_is_compared():
    rows = averages.report([g for g in GROUPS if g.name == "One"], DRAWN)
    assert rows[0]["against_masked"] is rows[0]["against_average"] is None
    assert averages.report([GROUPS[3]], DRAWN) == []


def test_the_table_says_what_was_averaged():
    result = {"patterns": PATTERNS, "averages": averages.report(GROUPS, DRAWN), "rows": [{"reads_simulated_text": 1}]}
    lines = markdown.averages(result).splitlines()
    assert len(lines) == 9 and lines[2].startswith("| Masked, 2 trainings | 2 | yes | 0.250 |")
    nearer = "*One, 2 trainings*; *Two, 2 trainings*; *One, Two, one training each*; *One, Two, 2 trainings each*"
    assert lines[8].endswith(f"trained once, beyond chance: {nearer}. Than that model averaged: {nearer}.")
    assert lines[3].endswith("| -0.250 (-0.250 to -0.250) | -0.250 (-0.250 to -0.250) |")


def test_one_cluster_has_no_interval_and_no_verdict():
    rows = averages.report(GROUPS, (np.ones((20, 2)), ()))
    assert rows[1]["against_masked"] == [pytest.approx(-0.25), None, None]
    lines = markdown.averages({"patterns": PATTERNS, "averages": rows, "rows": [{"reads_simulated_text": 1}]})
    assert "-0.250 | -0.250 |" in lines and "beyond chance" not in lines
