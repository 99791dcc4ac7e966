"""Ideas of the lessons on the examples: people decide, each idea holds on one and not on another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from paths import EXAMPLES

from msa_core import people
from msa_core.i18n import LANGUAGES, use
from msa_core.lessons import LESSONS, drawings, judged
from msa_core.lessons.contract import Lesson, LessonAnswer
from msa_core.lessons.models import METHODS
from msa_core.schema import Utterance
from msa_core.views.page_parts import EXAMPLE_TITLES

BY_NAME = {lesson.name: lesson for lesson in LESSONS}
IDEAS = [lesson for lesson in LESSONS if lesson.name not in ("people", "adds")]  # one asks people, one is a definition
each_idea = pytest.mark.parametrize("lesson", IDEAS, ids=lambda lesson: lesson.name)
ACTED = ("angry", "disgusted", "fearful", "happy", "neutral", "sad")


def score(analyser: Any, utterance: Utterance, method: str, gone: str, source: str | None = None) -> float:
    return float(analyser.predict(utterance, method, [gone], source).scores["missing_model_left"])


def test_every_lesson_with_an_idea_names_two_examples() -> None:
    for lesson in LESSONS:
        named = {lesson.holds_on, lesson.fails_on, lesson.close_on} - {""}
        assert len(named) == (2 if lesson in IDEAS else 0) and named <= set(EXAMPLE_TITLES), lesson.name
        assert bool(lesson.texts.claim) == (lesson in IDEAS)


@each_idea
def test_each_idea_holds_on_one_example_and_not_on_another(
    lesson: Lesson, analyser: Any, read: Mapping[str, Utterance]
) -> None:
    assert lesson.answer(analyser, read[lesson.holds_on]).holds is True
    if lesson.fails_on:
        assert lesson.answer(analyser, read[lesson.fails_on]).holds is False
    else:
        assert lesson.answer(analyser, read[lesson.close_on]).correct == 2
        assert all(lesson.answer(analyser, clip).holds is not False for clip in read.values())
    assert lesson.clip in (lesson.holds_on, lesson.fails_on), "the lesson starts with a clip that decides something"


@pytest.mark.parametrize("name", ["breaks", "imagine", "distil", "frames"])
def test_about_the_same_is_too_close_to_call(name: str, analyser: Any, read: Mapping[str, Utterance]) -> None:
    lesson = BY_NAME[name]
    assert "within" in lesson.choices[2] or "less than" in lesson.choices[2]
    found = [lesson.answer(analyser, clip) for clip in read.values()]
    assert {a.holds for a in found if a.correct == 2} <= {None} and {a.holds for a in found if a.correct == 1} - {None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_too_close_is_not_said_to_fail(language: str) -> None:
    with use(language):
        for holds in (True, None):
            told = drawings.answered(BY_NAME["frames"], LessonAnswer(1, "Because.", holds=holds))
            assert ("is too close to call on" in told or "it is too close to call" in told) == (language == "en")
            assert ("难分高下" in told) == (language == "zh") and "fails" not in told and "不成立" not in told


@pytest.mark.parametrize("name", ["crema_angry.mp4", "crema_happy.mp4", "crema_sad.mp4", "crema_neutral.mp4"])
def test_people_decide_and_not_the_full_answer(name: str, analyser: Any, read: Mapping[str, Utterance]) -> None:
    """Recompute the three judgements from the table of votes and the scores."""
    utterance = read[name]
    heard, both = (utterance.people[channel].mean for channel in ("voice", "both"))
    with_it, without = (abs(score(analyser, utterance, "sdumc", "text", s) - both) for s in ("simulated", "none"))
    answer = BY_NAME["imagine"].answer(analyser, utterance)
    assert answer.holds == (None if abs(with_it - without) < judged.ALIKE else with_it < without)
    assert answer.correct == (2 if answer.holds is None else 0 if answer.holds else 1)

    left = analyser.predict(utterance, "sdumc", ["vision"]).scores
    ours, complete = (abs(left[k] - heard) for k in ("missing_model_left", "complete_model_left"))
    answer = BY_NAME["breaks"].answer(analyser, utterance)
    assert answer.holds == (None if abs(ours - complete) < judged.ALIKE else ours < complete)
    assert answer.correct == (2 if answer.holds is None else 1 if answer.holds else 0)

    verdict = analyser.predict(utterance, "promma", ["text"]).mechanism["evaluator"]["text"]
    made, left_out = (abs(verdict[k] - both) for k in ("score_generated", "score_left_out"))
    answer = BY_NAME["impute"].answer(analyser, utterance)
    right = (made < left_out) == (verdict["decision"] == "generated")
    assert answer.holds == (None if abs(made - left_out) < judged.ALIKE else right)
    assert answer.holds is None or ("The decision was right" in answer.said) == answer.holds

    inside = []
    for method in METHODS:
        interval = analyser.predict(utterance, method).interval
        inside.append(interval["low"] <= both <= interval["high"])
    assert BY_NAME["interval"].answer(analyser, utterance).holds == all(inside)


def test_without_votes_nobody_is_right(analyser: Any, happy: Utterance) -> None:
    unknown = replace(happy, people={})
    for name in ("breaks", "imagine"):
        answer = BY_NAME[name].answer(analyser, unknown)
        assert answer.correct is answer.holds is None and answer.said.startswith("Nobody voted"), name
        assert "SDUMC" in answer.said, "the scores are still told"
        assert "people" not in BY_NAME[name].experiment(analyser, unknown).facts
    for name in ("impute", "interval", "distil"):
        answer = BY_NAME[name].answer(analyser, unknown)
        assert answer.correct is not None and "people" not in answer.said, name
    assert BY_NAME["impute"].answer(analyser, unknown).holds is None


def test_simulated_text_lowers_the_score_of_every_acted_clip(analyser: Any) -> None:
    """The teacher's notes say so."""
    for emotion in ACTED:
        utterance = analyser.extract(EXAMPLES / f"crema_{emotion}.mp4")
        simulated, bare = (score(analyser, utterance, "sdumc", "text", s) for s in ("simulated", "none"))
        assert simulated < bare, emotion
        votes = utterance.people["both"]
        most = max(votes.counts, key=lambda e: votes.counts[e])
        if most in ("anger", "happiness"):
            nearer = abs(simulated - votes.mean) < abs(bare - votes.mean)
            assert nearer == (most == "anger"), emotion


def test_an_experiment_stands_beside_those_who_had_the_same(analyser: Any, read: Mapping[str, Utterance]) -> None:
    angry = read["crema_angry.mp4"]
    for left, channel in (("both", "both"), ("audio", "voice")):
        tried = BY_NAME["imagine"].experiment(analyser, angry, left=left)
        assert tried.facts["people"] == angry.people[channel].mean and f"{angry.people[channel].n} people" in tried.said
    tried = BY_NAME["imagine"].experiment(analyser, angry, left="audio")
    expected = analyser.predict(angry, "sdumc", ["text", "vision"], "simulated").scores["missing_model_left"]
    assert tried.facts["now"] == expected and 0 <= float(tried.facts["before"]) <= float(tried.facts["after"]) < 1
    tried = BY_NAME["breaks"].experiment(analyser, angry, gone="text")
    assert tried.facts["people"] == angry.people["both"].mean
    assert "people" not in BY_NAME["breaks"].experiment(analyser, angry, gone="audio").facts, "nobody had this"


def test_nearer_needs_a_clear_difference() -> None:
    votes = people.votes({"A": 10})
    assert votes.mean == -2.0
    assert judged.nearer(-1.5, -1.0, votes) is True and judged.nearer(-3.0, -1.5, votes) is False
    assert judged.nearer(-1.5, -2.46, votes) is None
    assert judged.joined("One.", "", "Two.") == "One. Two." and judged.joined("", "") == ""
