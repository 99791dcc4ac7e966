"""What the Live tab shows: its panel in both languages, and the state that its script draws."""

from __future__ import annotations

import json

import numpy as np
import parsed
import pytest

from msa_core.i18n import use
from msa_core.schema import Stream, Utterance
from msa_core.views import live

SCORES = {
    "complete_model_full": 1.2,
    "complete_model_left": -0.5,
    "missing_model_full": 1.0,
    "missing_model_left": 0.0,
}
INTERVAL = {"level": 0.8, "low": -1.5, "high": 3.0}


def window(**absent: str) -> Utterance:
    there = Stream(np.zeros((2, 3), np.float32), np.arange(2.0))
    streams = {s: Stream.absent(absent[s]) if s in absent else there for s in ("text", "audio", "vision", "simulated")}
    return Utterance("live", 3.0, "compact", transcript="" if "text" in absent else "hello", **streams)


def test_marks_stand_where_the_scores_are() -> None:
    left = window().without("vision", "switched off by the user")
    state = live.state(window(), None, ["vision"], "sdumc", (SCORES, INTERVAL, left))
    marks = state["marks"]
    assert {k: m["at"] for k, m in marks.items()} == {"full": 70.0, "left": 41.67, "missing": 50.0}  # type: ignore[attr-defined]
    assert marks["left"]["number"] == "−0.50" and state["interval"] == [25.0, 100.0]  # type: ignore[index]
    assert state["modalities"]["vision"] == {"present": True, "said": "switched off"}  # type: ignore[index]
    assert state["kept"] == {"left": "Text + Audio", "missing": "Text + Audio"}
    json.dumps(state, allow_nan=False)


def test_simulated_text_is_named_for_the_method_that_reads_it() -> None:
    left = window(text="switched off by the user")
    for reads, own in ((True, "simulated text + Audio + Vision"), (False, "Audio + Vision")):
        state = live.state(window(), None, ["text"], "sdumc", (SCORES, None, left), reads)
        assert state["kept"] == {"left": "Audio + Vision", "missing": own} and state["interval"] is None


def test_nothing_left_and_nobody_there_are_told_apart() -> None:
    nobody = window(text="no camera", audio="no microphone", vision="no camera", simulated="no")
    assert live.state(nobody, None, [], "sdumc", None)["sentence"].startswith("Nobody can be seen")  # type: ignore[attr-defined]
    off = live.state(window(), None, ["text", "audio", "vision"], "sdumc", None)
    assert off["sentence"] == "Nothing is left: switch something on." and off["marks"] == {}
    with use("zh"):
        assert live.state(nobody, None, [], "sdumc", None)["modalities"]["audio"]["said"] == "缺失：没有麦克风"  # type: ignore[index]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_panel_hands_its_script_every_sentence(language: str) -> None:
    with use(language):
        drawn = live.panel(["sdumc", "corrkd"], 3.0, 120.0)
        said = live.sentences(120.0)
    root = next(attributes for _, attributes in parsed.Parsed(drawn).tags if attributes.get("class") == "mm mm-live")
    assert json.loads(root["data-words"]) == said
    assert f'data-language="{language}"' in drawn and all(said.values())
    assert said["live"].count("#") == 2 and said["waiting"].count("#") == 1
