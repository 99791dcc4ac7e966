"""Turns of a phrase: each lies in its own stretch of sound where there are as many."""

from __future__ import annotations

import numpy as np
import pytest
from bursts import bursts

from msa_core.features import loudness, turns

SOUND = bursts([(0.0, 0.6), (1.0, 1.6), (2.0, 2.6), (3.0, 3.8)], 4.0)
COME_ON = [" Come", " on,", " come", " on,", " come", " on,", " we", " go."]


def test_stretches_lie_between_pauses() -> None:
    loud = loudness.loud_frames(loudness.loudness_dbfs(SOUND, loudness.FRAME_S))
    found = turns.stretches(loud)
    assert found == [(0, 30), (50, 80), (100, 130), (150, 190)] and turns.stretches(loud[:0]) == []
    assert [turns.place(found, *word) for word in ((3, 60), (15, 70), (45, 46), (140, 300))] == [0, 1, 1, 3]
    assert turns.place([], 0, 1) == -1


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a b c", []),
        ("no no", []),
        ("no no no yes", [(0, 1, 3)]),
        ("well go on go on go on then", [(1, 2, 3)]),
        ("ha ha ha ha so ha ha ha", [(0, 1, 4), (5, 1, 3)]),
    ],
)
def test_runs_are_phrases_three_times_in_a_row(text: str, expected: list[tuple[int, int, int]]) -> None:
    assert list(turns.runs(text.split())) == expected


def test_a_turn_that_was_skipped_gets_its_stretch() -> None:
    """The second turn got the sound of the third, whose words were left with no time."""
    late = [(0.0, 0.2), (0.2, 1.6), (2.0, 2.2), (2.2, 2.24), (2.24, 2.26), (2.26, 2.6), (3.0, 3.4), (3.4, 3.8)]
    found = turns.turn_by_turn(COME_ON, [(0.0, 0.2), (0.2, 0.6), *late[2:]], SOUND)
    assert found == [
        *((0.0, 0.2), (0.2, 0.6), (1.0, 1.2), (1.2, 1.6)),
        *late[4:],
    ]
    assert turns.word_times(
        [(text, *span) for text, span in zip(COME_ON, [(0.0, 0.2), (0.2, 0.6), *late[2:]], strict=True)], SOUND
    )[2] == (1.0, 1.2)


def test_a_word_without_sound_gets_its_part_of_the_stretch() -> None:
    spans = [(0.0, 0.2), (0.2, 0.6), (0.9, 0.9), (0.9, 1.6), (2.0, 2.2), (2.2, 2.6), (3.0, 3.4), (3.4, 3.8)]
    assert turns.turn_by_turn(COME_ON, spans, SOUND)[2:4] == [(1.0, 1.2), (1.2, 1.6)]


@pytest.mark.parametrize(
    "texts, spans",
    [
        (COME_ON[:4] + COME_ON[6:], [(0.0, 0.2), (0.2, 1.6), (2.0, 2.2), (2.2, 2.6), (3.0, 3.4), (3.4, 3.8)]),  # twice
        ([" Go"] * 3, [(0.0, 0.3), (0.3, 0.6), (1.0, 1.6)]),  # more turns than stretches
        ([" Go"] * 3, [(0.0, 0.6), (1.0, 1.6), (2.0, 2.6)]),  # in time
        ([" Go", " on", " it"], [(0.0, 0.6), (0.6, 0.7), (2.0, 2.6)]),  # nothing is repeated
    ],
)
def test_other_words_keep_their_times(texts: list[str], spans: list[tuple[float, float]]) -> None:
    assert turns.turn_by_turn(texts, spans, SOUND) == spans


def test_stretches_of_unlike_length_are_no_turns() -> None:
    sound = bursts([(0.0, 0.2), (0.6, 2.0), (2.4, 2.6)], 3.0)
    spans = [(0.0, 0.2), (0.6, 1.2), (1.2, 2.6)]
    late = [(0.0, 0.2), (0.1, 0.2), (2.4, 2.6)]
    assert turns.turn_by_turn([" Go"] * 3, spans, sound) == spans
    assert turns.turn_by_turn([" Go"] * 3, late, sound) == late


def test_the_stretch_of_the_next_words_is_none_of_the_turns() -> None:
    """As "No, no, no! Stop it": the last turn lay with "Stop"."""
    spans = [(0.0, 0.8), (0.9, 1.5), (3.0, 3.04), (3.2, 3.5), (3.5, 3.8)]
    found = turns.turn_by_turn([" No,", " no,", " no.", " Stop", " it"], spans, SOUND)
    assert found[2] == (2.0, pytest.approx(2.6)) and found[3:] == spans[3:]


def test_turns_without_time_share_that_of_the_one_before() -> None:
    said = ["well", "well", "well", "look"]
    spans = [(0.0, 0.5), (0.8, 0.8), (1.0, 1.0), (1.2, 1.5)]
    assert np.allclose(turns.evenly(said, spans), [(0.0, 0.4), (0.4, 0.8), (0.8, 1.2), (1.2, 1.5)])
    timed = [(0.0, 0.4), (0.5, 0.8), (0.8, 1.2), (1.2, 1.5)]
    assert turns.evenly(said, timed) == timed and turns.evenly(said[:1], timed[:1]) == timed[:1]
