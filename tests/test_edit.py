"""Typed and struck words: times by hand, the text encoded anew, everything else of the clip untouched."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from paths import EXAMPLES

from msa_core import edit
from msa_core.edit import aligned
from msa_core.errors import MsaError
from msa_core.schema import MODALITIES, Utterance, Word

HEARD = (Word("Don't", 0.0, 0.5), Word("forget", 0.5, 1.0), Word("it.", 2.0, 2.5))


@pytest.fixture(scope="module")
def happy(analyser: Any) -> Utterance:
    return analyser.extract(EXAMPLES / "crema_happy.mp4")


@pytest.fixture(scope="module")
def wordless(analyser: Any, happy: Utterance) -> Utterance:
    """A clip in which no word was heard."""
    from dataclasses import replace

    return replace(happy.without("text", "no speech found"), words=(), transcript="")


def times(typed: str, duration_s: float = 4.0, heard: tuple[Word, ...] = HEARD) -> list[tuple[float, float]]:
    return [(round(w.start_s, 4), round(w.end_s, 4)) for w in aligned(typed.split(), heard, duration_s)]


def test_heard_words_keep_their_times_whatever_their_case_and_punctuation() -> None:
    assert times("don’t FORGET it") == [(0.0, 0.5), (0.5, 1.0), (2.0, 2.5)]
    assert times("it.") == [(2.0, 2.5)]
    assert [w.text for w in aligned(["DON'T", "it!"], HEARD, 4.0)] == ["DON'T", "it!"]


def test_new_words_share_the_time_between_the_kept_ones() -> None:
    # from the end of "forget" (1.0) to the start of "it." (2.0); after the last word to the end of the clip (4.0)
    assert times("Don't forget to check it.") == [(0.0, 0.5), (0.5, 1.0), (1.0, 1.5), (1.5, 2.0), (2.0, 2.5)]
    assert times("Don't forget it. at all now")[3:] == [(2.5, 3.0), (3.0, 3.5), (3.5, 4.0)]
    assert times("Don't lose it.") == [(0.0, 0.5), (0.5, 2.0), (2.0, 2.5)]  # in place of "forget", and its pause
    assert times("we all agree") == [(0.0, 1.3333), (1.3333, 2.6667), (2.6667, 4.0)]  # nothing was kept


def test_without_a_gap_a_neighbour_gives_up_a_tenth_of_its_time() -> None:
    assert times("Don't ever forget it.") == [(0.0, 0.45), (0.45, 0.5), (0.5, 1.0), (2.0, 2.5)]
    assert times("Please don't forget it.") == [(0.0, 0.05), (0.05, 0.5), (0.5, 1.0), (2.0, 2.5)]


def test_words_for_a_clip_without_words_fill_it() -> None:
    assert times("a b c d", heard=()) == [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0)]
    assert times("", heard=HEARD) == []


@pytest.mark.parametrize("seed", range(5))
def test_times_of_any_edit_are_in_order_and_inside_the_clip(seed: int) -> None:
    random = np.random.default_rng(seed)
    pool = ["Don't", "forget", "it.", "new", "😀", "好", "<b>"]
    for _ in range(50):
        typed = [pool[i] for i in random.integers(0, len(pool), random.integers(0, 9))]
        words = aligned(typed, HEARD, 4.0)
        marks = [t for w in words for t in (w.start_s, w.end_s)]
        assert [w.text for w in words] == typed and marks == sorted(marks)
        assert all(0 <= t <= 4.0 for t in marks) and all(w.end_s > w.start_s for w in words)


def test_no_change_gives_the_clip_itself(analyser: Any, happy: Utterance) -> None:
    assert analyser.edit(happy) is happy and analyser.edit(happy, happy.transcript) is happy
    once = analyser.edit(happy, struck=[0])
    assert analyser.edit(once) is happy  # every edit starts from what was heard


def test_encoding_anew_is_what_the_extractor_does(analyser: Any, happy: Utterance) -> None:
    longer = analyser.edit(happy, happy.transcript + " now")
    back = analyser.edit(longer, happy.transcript, struck=[])
    assert back is happy
    added = analyser.edit(happy, happy.transcript + " extra", struck=[len(happy.words)])
    assert np.array_equal(added.text.values, happy.text.values)
    assert np.array_equal(added.text.times_s, happy.text.times_s)
    assert added.text.times_s.dtype == np.float32


def test_struck_words_are_kept_and_marked(analyser: Any, happy: Utterance) -> None:
    edited = analyser.edit(happy, struck={1, 3})
    assert [w.struck for w in edited.words] == [False, True, False, True, False]
    assert edited.transcript == "Don't to it." and edited.original is happy
    without = analyser.extractor.text.encode_words([w for w in happy.words if w.text not in ("forget", "check")])
    assert np.array_equal(edited.text.values, without.values)
    for name in ("audio", "vision", "simulated"):
        assert edited.stream(name) is happy.stream(name)
    p = analyser.predict(edited)
    assert not p.edited and [w["struck"] for w in p.to_json()["words"]] == [False, True, False, True, False]
    assert edit.VOICE_STAYS in p.notes and p.transcript == edited.transcript


def test_full_answers_stay_those_of_what_was_heard(analyser: Any, happy: Utterance) -> None:
    whole, p = analyser.predict(happy), analyser.predict(analyser.edit(happy, "I hate this, it is awful."))
    for key in ("complete_model_full", "missing_model_full"):
        assert p.scores[key] == pytest.approx(whole.scores[key], abs=1e-5)
    assert p.edited and p.scores["missing_model_left"] < whole.scores["missing_model_left"] - 0.1
    assert p.scores["complete_model_left"] < whole.scores["complete_model_left"] - 0.1
    alone = analyser.predict(analyser.edit(happy, "It is wonderful."), dropped=["audio", "vision"])
    assert alone.scores["missing_model_left"] > 0.5
    assert sum(alone.contributions.values()) == pytest.approx(alone.scores["missing_model_left"], abs=1e-4)


@pytest.mark.parametrize(
    ("transcript", "struck"), [(None, range(5)), ("", ()), (" \n\t ", ()), ("...", ()), ("a", [0])]
)
def test_without_any_word_the_text_is_absent(analyser: Any, happy: Utterance, transcript: str, struck: Any) -> None:
    edited = analyser.edit(happy, transcript, struck)
    assert edited.text.reason == "every word was struck out" and edited.transcript in ("", "...")
    p = analyser.predict(edited)
    assert not p.modalities["text"]["present"] and p.text_source == "simulated"
    assert p.scores["missing_model_left"] == pytest.approx(
        analyser.predict(happy, dropped=["text"]).scores["missing_model_left"], abs=1e-5
    )


def test_words_may_be_typed_where_none_were_heard(analyser: Any, wordless: Utterance) -> None:
    assert analyser.edit(wordless, "") is wordless
    edited = analyser.edit(wordless, "This is great news")
    p = analyser.predict(edited)
    assert edited.text.present and p.modalities["text"]["present"] and p.edited and p.contributions["text"] != 0
    assert edit.TYPED in p.notes and edited.words[0].start_s == 0
    assert edited.words[-1].end_s == pytest.approx(wordless.duration_s)
    assert analyser.edit(wordless, "?!").text.reason == "no speech found"


@pytest.mark.parametrize(
    "transcript",
    [
        "<script>alert(1)</script>",
        "我 很 高兴",
        "😀 👩‍👩‍👧 ok",
        "a\x00b\x1bc\ud800d",
        "x\u202ey\u200b z",
        "{x} %s {{",
        "ﬁ’s  n't",
    ],
)
def test_any_text_is_safe(analyser: Any, happy: Utterance, transcript: str) -> None:
    edited = analyser.edit(happy, transcript)
    p = analyser.predict(edited)
    assert json.dumps(p.to_json(), ensure_ascii=False, allow_nan=False).encode()
    assert not any(unsafe in edited.transcript for unsafe in ("\x00", "\x1b", "\ud800", "\u202e", "\u200b"))
    assert all(np.isfinite(v) for v in p.scores.values())


def test_a_long_text_is_read_to_its_end(analyser: Any, happy: Utterance) -> None:
    edited = analyser.edit(happy, ("good " * 400).strip())
    assert len(edited.words) == 400 and len(edited.text.values) == 400
    assert {m: analyser.predict(edited).modalities[m]["present"] for m in MODALITIES} == dict.fromkeys(MODALITIES, True)


@pytest.mark.parametrize(
    ("transcript", "struck", "message"),
    [
        ("x" * 2001, (), "has 2001 characters; shorten it to at most 2000"),
        (None, [5], "no word number 5: the text has 5 words, counted from 0"),
        (None, [-1], "no word number -1"),
        ("two words", [2], "the text has 2 words"),
        (None, ["0"], "no word number '0'"),
        (7, (), "The transcript is 7; give a text"),
    ],
)
def test_bad_edits_are_refused(analyser: Any, happy: Utterance, transcript: Any, struck: Any, message: str) -> None:
    with pytest.raises(MsaError, match=message):
        analyser.edit(happy, transcript, struck)


def test_numpy_indices_and_one_time_iterators_strike_as_a_list_does(analyser: Any, happy: Utterance) -> None:
    asked = analyser.edit(happy, struck=[0, 1])
    assert [w.struck for w in asked.words] == [True, True, False, False, False]
    for struck in (np.array([0, 1]), iter([0, 1]), {np.int64(1), np.int64(0)}):
        assert analyser.edit(happy, struck=struck).words == asked.words
