"""The Learn tab without a browser: a change of language draws again what is shown, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest
from paths import EXAMPLES

from msa_core.lessons import LESSONS
from msa_core.page.hall import Halls
from msa_core.page.learn import LessonInputs, LessonScreen, Teaching

BY_NAME = {lesson.name: lesson for lesson in LESSONS}


@pytest.fixture
def teaching(analyser: Any) -> Teaching:
    happy = analyser.extract(EXAMPLES / "crema_happy.mp4")
    services: Any = SimpleNamespace(
        analyser=analyser, halls=Halls(), shipped=SimpleNamespace(utterance=lambda name: happy)
    )
    names: Any = ["player", "guess", "counted", "ask", "answer"]
    screen = LessonScreen(LESSONS[1], *names, controls={}, finding=cast(gr.HTML, "finding"))
    return Teaching(services, screen, cast(gr.State, "answered"), cast(gr.HTML, "overview"))


def inputs(*answered: str) -> LessonInputs:
    analyse: Any = SimpleNamespace(language="zh", utterance=None)
    return LessonInputs(analyse, "example", "", "", list(answered), None, {})


def test_what_is_not_shown_is_left_alone(teaching: Teaching) -> None:
    """On a busy server the page may be said in Chinese after the visitor has asked: that answer has to stay."""
    assert teaching.redraw(inputs(), answer="", finding="", counted="") == {}


def test_what_is_shown_follows_the_language(teaching: Teaching) -> None:
    tried: Any = teaching.redraw(inputs(), answer="", finding="<p>In this order</p>", counted="<p>7 guesses</p>")
    assert set(tried) == {"finding", "counted"} and tried["counted"] == "" and "按这个顺序" in tried["finding"]
    asked: Any = teaching.redraw(inputs(), answer="<p>The largest</p>", finding="<p>In this order</p>", counted="")
    assert set(asked) == {"answer", "finding"} and "贡献最大的是" in asked["answer"]


@pytest.mark.parametrize(("votes", "ticked"), [(True, True), (False, False)])
def test_only_a_lesson_that_the_clip_answers_is_ticked(analyser: Any, votes: bool, ticked: bool) -> None:
    happy = analyser.extract(EXAMPLES / "crema_happy.mp4")
    clip = happy if votes else replace(happy, people={})
    services: Any = SimpleNamespace(
        analyser=analyser, halls=Halls(), shipped=SimpleNamespace(utterance=lambda name: clip),
        presence=SimpleNamespace(language=lambda tab, language: language),
    )  # fmt: skip
    names: Any = ["player", "guess", "counted", "ask", "answer"]
    screen = LessonScreen(BY_NAME["imagine"], *names, controls={}, finding=cast(gr.HTML, "finding"))
    asked: Any = Teaching(services, screen, cast(gr.State, "answered"), cast(gr.HTML, "overview")).ask(
        inputs("adds"), cast(gr.Request, SimpleNamespace(session_hash="a tab"))
    )
    assert asked["answered"] == (["adds", "imagine"] if ticked else ["adds"])
    assert ("没有人评判过" in asked["answer"]) != ticked and asked["finding"]
