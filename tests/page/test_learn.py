"""The Learn tab without a browser: a change of language draws again what is shown, and nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest
from paths import EXAMPLES

from msa_core.lessons import LESSONS
from msa_core.page.hall import Halls
from msa_core.page.learn import LessonInputs, LessonScreen, Teaching


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
    assert teaching.redraw(inputs(), finding="", counted="") == {}


def test_what_is_shown_follows_the_language(teaching: Teaching) -> None:
    tried: Any = teaching.redraw(inputs(), finding="<p>In this order</p>", counted="<p>7 guesses</p>")
    assert set(tried) == {"finding", "counted"} and tried["counted"] == "" and "按这个顺序" in tried["finding"]
    asked: Any = teaching.redraw(inputs(LESSONS[1].name), finding="<p>In this order</p>", counted="")
    assert set(asked) == {"answer", "finding"} and "贡献最大的是" in asked["answer"]
