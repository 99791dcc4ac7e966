"""Pieces between pauses: a phrase that each of them says again was said again, and a loop alone is refused."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
from bursts import RATE, bursts
from heard_words import heard

from msa_core.evaluation import spoken_cases
from msa_core.features import pieces
from msa_core.features.speech import SpeechReader
from msa_core.features.whisper_decoding import NO_SPEECH, NOT_UNDERSTOOD, Decoded
from msa_core.features.windows import DecodedWindow, Window

THREE = bursts([(0.0, 0.4), (0.6, 1.0), (1.4, 1.8), (2.0, 2.4), (2.8, 3.2), (3.4, 3.8)], 4.0)
LOOP = Decoded((1, 2), -0.3, 0.3, True, True)


def test_pieces_end_in_the_longest_pauses() -> None:
    parts = pieces.pieces(Window(3, 7.0, THREE))
    assert [(p.clip, round(p.start_s, 2), len(p.sound) / RATE) for p in parts] == [(3, 7.0, 2.6), (3, 9.6, 1.4)]
    np.testing.assert_array_equal(np.concatenate([p.sound for p in parts]), THREE)
    whole = bursts([(0.0, 6.0)], 6.0)
    assert [len(p.sound) for p in pieces.pieces(Window(0, 0.0, whole))] == [len(whole)], "there is no pause"


def test_brief_pieces_end_in_pauses_then_at_the_softest_moments() -> None:
    spans = [(p.start_s, len(p.sound) / RATE) for p in pieces.brief_pieces(Window(0, 0.0, THREE))]
    assert max(length for _, length in spans) <= pieces.BRIEF_S and len(spans) > 2
    np.testing.assert_array_equal(np.concatenate([p.sound for p in pieces.brief_pieces(Window(0, 0.0, THREE))]), THREE)
    whole = bursts([(0.0, 3.0)], 3.0)
    whole[int(1.3 * RATE) : int(1.4 * RATE)] *= 0.2
    parts = pieces.brief_pieces(Window(2, 5.0, whole))
    assert [p.clip for p in parts] == [2, 2, 2], "the longer half once more"
    assert any(6.28 <= p.start_s <= 6.42 for p in parts), "at the soft moment"
    assert all(len(p.sound) <= pieces.BRIEF_S * RATE for p in parts)


def test_a_brief_piece_may_loop_because_it_holds_about_one_turn() -> None:
    parts = pieces.pieces(Window(0, 0.0, THREE))
    loop, one = heard((" No,", 0.0, 0.4), loop=True), heard((" No", 0.0, 0.4), (" no", 0.5, 0.8))
    parts = [*parts, parts[-1]]
    assert pieces.confirmed(" No", parts, [loop, one, one], brief=True)
    assert not pieces.confirmed(" No", parts, [loop, one, one]), "most is not understood"
    assert not pieces.confirmed(" No", parts, [loop, loop, one], brief=True), "said once without a loop"
    assert not pieces.confirmed(" No", parts, [loop, loop, loop], brief=True), "the decoder loops on anything"
    whole = pieces.joined(Window(0, 0.0, THREE), parts, [loop, one, one], brief=True)
    assert whole.aligned is not None and [w[0] for w in whole.aligned.words] == [" No,", *[" No", " no"] * 2]


def test_a_phrase_is_confirmed_by_pieces_without_each_other() -> None:
    parts = pieces.pieces(Window(0, 0.0, THREE))
    no, other = heard((" No,", 0.0, 0.4), (" no.", 0.6, 1.0)), heard((" That", 0.2, 0.6))
    assert pieces.confirmed(" No, no", parts, [no, no])
    assert not pieces.confirmed(" No, no", parts, [no, other]), "once"
    assert not pieces.confirmed(" The hill", parts, [no, no]), "another phrase"
    for unsaid in (DecodedWindow(reason=NOT_UNDERSTOOD), DecodedWindow(reason=NO_SPEECH)):
        assert not pieces.confirmed(" No, no", parts, [no, unsaid])
    assert not pieces.confirmed(" No, no", parts, [no, heard((" No,", 0.0, 0.4), loop=True)]), "a loop again"
    quarter = [Window(0, 0.0, THREE[: RATE // 2])] * 2 + [Window(0, 0.0, THREE)]
    assert not pieces.confirmed(" No", quarter, [no, no, DecodedWindow(reason=NOT_UNDERSTOOD)]), (
        "most is not understood"
    )


def test_words_of_pieces_are_joined_in_the_time_of_the_window() -> None:
    parts = [Window(0, 20.0, THREE[:RATE]), Window(0, 21.0, THREE[RATE : 2 * RATE]), Window(0, 22.0, THREE[2 * RATE :])]
    found = [heard((" No", 0.1, 0.4), (" no", 0.5, 0.8)), DecodedWindow(reason=NO_SPEECH), heard((" Go", 0.2, 0.5))]
    whole = pieces.joined(Window(0, 20.0, THREE), parts, found)
    assert whole.reason is None and whole.log_probability == pytest.approx(-0.2) and whole.aligned is not None
    assert whole.aligned.words == ((" No", 0.1, 0.4), (" no", 0.5, 0.8), (" Go", 2.2, 2.5))
    np.testing.assert_allclose(whole.aligned.token_times_s, [(0.1, 0.4), (0.5, 0.8), (2.2, 2.5)])
    assert whole.aligned.token_words.tolist() == [0, 1, 2] and whole.aligned.states.shape == (3, 2)


@pytest.mark.parametrize(
    "answer, expected",
    [
        (DecodedWindow(reason=NOT_UNDERSTOOD, decoded=LOOP), True),
        (DecodedWindow(unfinished=True, decoded=LOOP), True),
        (DecodedWindow(reason=NO_SPEECH, decoded=LOOP), False),
        (DecodedWindow(reason=NOT_UNDERSTOOD, decoded=Decoded((1, 2), -1.5, 0.3, True, True)), False),  # a guess
        (DecodedWindow(reason=NOT_UNDERSTOOD, decoded=Decoded((1,), -2.0, 0.3, False)), False),
        (DecodedWindow(decoded=LOOP), False),
    ],
)
def test_only_likely_loops_that_were_refused_are_heard_in_pieces(answer: DecodedWindow, expected: bool) -> None:
    assert pieces.refused_loop(answer) == expected


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
@pytest.mark.slow
def test_a_word_said_nine_times_is_understood(tiny: Any) -> None:
    text = "No, no, no. " * 3 + "That is not what I said."
    found = SpeechReader(tiny).read(spoken_cases.spoken(text, "en-gb-scotland", 133, 63))
    plain = "".join(c for c in found.transcript.lower() if c.isalpha() or c == " ").split()
    assert 8 <= plain.count("no") <= 10 and plain[-3:] == ["what", "i", "said"]


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
@pytest.mark.slow
@pytest.mark.parametrize("text, word, at_least", [("No, no, no. " * 4, "no", 8), ("Stop! Stop! " * 5, "stop", 8)])
def test_nothing_but_a_repetition_is_understood(tiny: Any, base: Any, text: str, word: str, at_least: int) -> None:
    found = SpeechReader(tiny, second=base).read(spoken_cases.spoken(text))
    plain = "".join(c for c in found.transcript.lower() if c.isalpha() or c == " ").split()
    assert at_least <= plain.count(word) <= len(text.split()) and set(plain) == {word}


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
@pytest.mark.slow
@pytest.mark.parametrize("text, language", [("je ne sais pas " * 8, "fr-fr"), ("das ist gut " * 8, "de")])
def test_a_repetition_in_another_language_stays_refused(tiny: Any, base: Any, text: str, language: str) -> None:
    assert SpeechReader(tiny, second=base).read(spoken_cases.spoken(text, language)).words == ()
