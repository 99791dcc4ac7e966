"""What a tab has: edits belong to one clip, closed tabs stop their work, examples are read once and block nobody."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msa_core.errors import MsaError
from msa_core.page.session import (
    Kept,
    Left,
    Presence,
    Settings,
    Shipped,
    Visit,
    edit_again,
    predict,
    rewrite,
    seen,
    strike,
)
from msa_core.schema import Stream, Utterance, Word


class Asked:
    """An analyser that remembers what it was asked; its edits mark the transcript."""

    def __init__(self) -> None:
        self.edits: list[tuple[str | None, set[int]]] = []
        self.asked: tuple[Any, ...] = ()

    def edit(self, utterance: Utterance, transcript: str | None = None, struck: Collection[int] = ()) -> Utterance:
        """See `Analyser.edit`."""
        self.edits.append((transcript, set(struck)))
        words = utterance.words if transcript is None else tuple(Word(w, 0.0, 0.1) for w in transcript.split())
        return replace(utterance, transcript=f"{transcript} {sorted(struck)}", words=words, original=utterance)

    def predict(self, *asked: Any) -> str:
        """See `Analyser.predict`."""
        self.asked = asked[1:]
        return "answer"


def utterance(name: str, words: str = "so very good") -> Utterance:
    """A clip with a text and a voice, and without a face."""
    stream = Stream(np.zeros((2, 3), np.float32), np.array([0.0, 0.5], np.float32))
    absent = Stream.absent("no video track")
    return Utterance(
        id=name, duration_s=1.0, feature_set="made-up", text=stream, audio=stream, vision=absent, simulated=absent,
        transcript=words, words=tuple(Word(w, i / 10, (i + 1) / 10) for i, w in enumerate(words.split())),
    )  # fmt: skip


def visit(name: str = "a.mp4") -> Visit:
    return Visit(utterance(name), name, "claim", name, "claim", "tab", 1.0)


def test_an_edit_is_of_one_clip_only() -> None:
    analyser: Any = Asked()
    one, two = visit("a.mp4"), visit("b.mp4")
    edit = strike(analyser, one, None, [1])
    assert seen(one, edit) is edit.utterance and seen(one, None) is one.utterance
    assert seen(two, edit) is two.utterance
    fresh = strike(analyser, two, edit, [0])
    assert fresh.struck == {0} and fresh.of is two.utterance and analyser.edits[-1] == (None, {0})
    again = replace(one, utterance=utterance("a.mp4"))  # the same file read again is another clip
    assert seen(again, edit) is again.utterance


def test_words_are_struck_and_taken_back_within_other_words() -> None:
    analyser: Any = Asked()
    here = visit()
    edit = strike(analyser, here, strike(analyser, here, None, [0]), [2])
    assert edit.struck == {0, 2} and strike(analyser, here, edit, [0]).struck == {2}
    assert strike(analyser, here, edit, [0, 1]).struck == {1, 2} and strike(analyser, here, edit, []).struck == {0, 2}
    written = rewrite(analyser, here, "quite bad")
    assert written is not None and written.struck == frozenset() and written.transcript == "quite bad"
    both = strike(analyser, here, written, [1])
    assert analyser.edits[-1] == ("quite bad", {1}) and both.transcript == "quite bad"
    assert rewrite(analyser, here, None) is None
    for word in (-1, 2, "1", [1], True):
        with pytest.raises(MsaError, match=rf"no word {re.escape(str(word))}; the clip has 2"):
            strike(analyser, here, written, [0, word])  # type: ignore[list-item]


def test_settings_ask_only_for_what_the_clip_has() -> None:
    analyser: Any = Asked()
    rates = {"text": 0.3, "audio": 0.5, "vision": 0.9}
    on = {"text": True, "audio": True, "vision": False}
    clip = utterance("a.mp4")
    assert predict(analyser, clip, Settings(on, rates, "none", "sdumc")) == "answer"
    assert analyser.asked == ("sdumc", [], "transcript", {"text": 0.3, "audio": 0.5})
    predict(analyser, clip, Settings({**on, "text": False}, rates, "simulated", "promma"))
    assert analyser.asked == ("promma", ["text"], "simulated", {"audio": 0.5})
    predict(analyser, clip.without("text", "no speech found"), Settings(on, {}, "none", "sdumc"))
    assert analyser.asked == ("sdumc", [], "none", {})


def test_work_for_a_closed_tab_stops_and_nothing_is_remembered() -> None:
    presence = Presence()
    mine, again, other = presence.watch("mine"), presence.watch("mine"), presence.watch("other")
    mine()
    presence.leave("mine")
    for check in (mine, again):
        with pytest.raises(Left):
            check()
    other()
    presence.watch(None)()
    presence.leave(None)
    presence.leave("never seen")
    presence.leave("other")
    assert presence._gone == {}
    presence.watch("mine")()  # a tab that came back


def test_a_tab_has_the_language_that_was_chosen_last_until_it_is_closed() -> None:
    presence = Presence()
    assert presence.language("mine", "en") == "en" and presence.language(None, "zh") == "zh"
    for language in ("zh", "en", "zh"):
        presence.speak("mine", language)
        assert presence.language("mine", "en") == language and presence.language("other", "en") == "en"
    presence.speak(None, "zh")
    presence.leave("mine")
    assert presence.language("mine", "en") == "en" and presence._languages == {}


def test_examples_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    read: list[str] = []

    def extract(path: str) -> Utterance:
        read.append(path)
        return utterance(Path(path).name)

    shipped = Shipped(tmp_path, extract)
    assert shipped.utterance("a.mp4") is shipped.utterance("a.mp4") and read == [str(tmp_path / "a.mp4")]
    (tmp_path.parent / "outside.mp4").write_bytes(b"")
    for name in ("b.mp4", "", ".", "..", "../outside.mp4", str(tmp_path / "a.mp4"), "x" * 5_000, "a\0", None, 5, ["a"]):
        with pytest.raises(MsaError, match="There is no example") as told:
            shipped.utterance(name)  # type: ignore[arg-type]
        assert name == str(tmp_path / "a.mp4") or str(tmp_path) not in str(told.value)


def test_reading_one_example_does_not_hold_up_those_that_were_read(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()
    for name in ("quick.mp4", "slow.mp4"):
        (tmp_path / name).write_bytes(b"")

    def extract(path: str) -> Utterance:
        if "slow" in path:
            begun.set()
            go_on.wait(20)
        return utterance(Path(path).name)

    shipped = Shipped(tmp_path, extract)
    known = shipped.utterance("quick.mp4")
    slow = threading.Thread(target=shipped.utterance, args=("slow.mp4",))
    slow.start()
    assert begun.wait(5)
    found: list[Utterance] = []
    quick = threading.Thread(target=lambda: found.append(shipped.utterance("quick.mp4")))
    quick.start()
    quick.join(5)
    go_on.set()
    slow.join(5)
    assert found == [known]


def test_a_failed_example_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    answers = [MsaError("The weights are not there. Get them."), utterance("a.mp4")]

    def extract(path: str) -> Utterance:
        answer = answers.pop(0)
        if isinstance(answer, MsaError):
            raise answer
        return answer

    shipped = Shipped(tmp_path, extract)
    with pytest.raises(MsaError, match="weights"):
        shipped.utterance("a.mp4")
    assert shipped.utterance("a.mp4").id == "a.mp4"


def kept(**words: Any) -> Kept:
    return Kept(Settings(dict.fromkeys("tav", True), {}, "none", "sdumc"), **words)


def test_words_hold_for_another_reading_of_a_clip() -> None:
    analyser: Any = Asked()
    again = visit()
    assert edit_again(analyser, again, kept()) is None and analyser.edits == []
    same = edit_again(analyser, again, kept(struck=frozenset({2}), heard=("so", "very", "good")))
    assert same is not None and same.struck == {2} and same.of is again.utterance
    typed = edit_again(analyser, again, kept(transcript="not so bad at all", struck=frozenset({4})))
    assert typed is not None and typed.transcript == "not so bad at all" and typed.struck == {4}
    with pytest.raises(MsaError, match="Other words are heard now"):
        edit_again(analyser, again, kept(struck=frozenset({2}), heard=("so", "very", "bad")))
    with pytest.raises(MsaError, match="There is no word 7; the clip has 3"):
        edit_again(analyser, again, kept(struck=frozenset({7})))


def test_what_a_clip_lacks_was_switched_off_by_nobody() -> None:
    off = Settings({"text": False, "audio": True, "vision": False}, {}, "none", "sdumc")
    assert Kept.of(visit(), None, off).settings.on == {"text": False, "audio": True, "vision": True}
