"""Words said again where there is time for one turn only."""

from __future__ import annotations

import pytest
from bursts import bursts

from msa_core.features.surplus import surplus_words

SOUND = bursts([(0.0, 0.5), (0.9, 1.4), (1.8, 2.3), (2.7, 3.9)], 4.2)
END = ([" That", " was", " all."], [(2.7, 3.1), (3.1, 3.5), (3.5, 3.9)])


@pytest.mark.parametrize(
    "texts, spans, expected",
    [
        ([" No,", " no,", " no,"], [(0.0, 0.5), (0.9, 1.4), (1.8, 2.3)], set()),
        ([" No,", " no,", " no,", " no."], [(0.0, 0.5), (0.9, 1.4), (1.8, 2.1), (2.1, 2.3)], {3}),
        ([" No", " no", " no", " no"], [(0.0, 0.25), (0.25, 0.5), (0.9, 1.15), (1.15, 1.4)], set()),
        ([" No,", " no,", " no."], [(0.0, 0.5), (1.8, 2.0), (2.0, 2.3)], set()),
        (
            [" Go", " away,", " go", " away,", " go", " away,"],
            [(0.0, 0.2), (0.2, 0.5), (0.9, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4)],
            {4, 5},
        ),
    ],
    ids=["one each", "two in the last", "two in each", "one late", "a phrase"],
)
def test_turns_that_share_the_time_of_one_are_surplus(
    texts: list[str], spans: list[tuple[float, float]], expected: set[int]
) -> None:
    assert surplus_words([*texts, *END[0]], [*spans, *END[1]], SOUND) == expected


def test_a_longer_stretch_holds_more_turns() -> None:
    sound = bursts([(0.0, 0.5), (0.9, 2.4)], 2.6)
    assert surplus_words([" No,", " no,", " no,"], [(0.0, 0.5), (0.9, 1.6), (1.6, 2.4)], sound) == set()


WELL = ([" Well,", " well,", " well,", " look", " here."], [(0.0, 0.4), (0.8, 0.8), (1.1, 1.1), (1.3, 1.6), (1.6, 2.0)])


def test_a_repetition_without_time_by_the_attention_was_said_where_the_sound_has_time() -> None:
    """As "Well well well, look who is here" in one breath: the later turns got no time, and were left out."""
    assert surplus_words(*WELL, bursts([(0.2, 2.0)], 2.2)) == set()
    assert surplus_words(*WELL, bursts([(0.2, 0.5), (1.25, 2.0)], 2.2)) == {1, 2}, "there is no sound for them"


@pytest.mark.parametrize("likelier, expected", [(True, {1, 2}), (False, set())])
def test_where_time_is_short_the_likelier_text_counts(likelier: bool, expected: set[int]) -> None:
    asked = []

    def ask(more: set[int], fewer: set[int]) -> bool:
        asked.append((sorted(more), sorted(fewer)))
        return likelier

    hasty = ([" Six,", " six,", " six."], [(0.0, 0.5), (0.5, 0.52), (0.52, 0.54)])
    assert surplus_words(*hasty, bursts([(0.0, 0.6)], 1.0), ask) == expected
    assert asked[0] == ([], [2])


LOVE = [" I", " love", " this", " place."]


def test_a_sentence_after_music_is_said_once() -> None:
    """The first word spans the music, in which no whole sentence was said."""
    once = [(0.0, 4.4), (4.4, 4.8), (4.8, 5.1), (5.1, 5.6)]
    sound = bursts([(0.0, 3.6), (4.1, 5.6)], 6.0)
    assert surplus_words(LOVE * 2, once + [(5.6, 5.6)] * 4, sound, lambda more, fewer: False) == {4, 5, 6, 7}
    turns = [(0.0, 0.2), (0.2, 0.2), (0.2, 0.2), (0.2, 3.6), *once[1:], (5.6, 5.6)]
    assert surplus_words(LOVE * 2, turns, sound) == set(), "a sentence in the sound before it"


def test_a_turn_with_less_sound_than_anybody_needs_is_surplus() -> None:
    """As "Don't forget, don't forget": the end of the first turn lies in the second."""
    once = [(0.2, 0.5), (0.5, 0.8), (0.8, 1.1), (1.1, 1.2)]
    sound = bursts([(0.2, 1.3)], 2.0)
    assert surplus_words(LOVE * 2, [*once, *[(1.2, 1.2)] * 3, (1.2, 1.3)], sound) == {4, 5, 6, 7}
    texts, once = [" I", " know"], [(0.2, 0.4), (0.4, 0.8)]
    turns = [*once, (0.8, 1.0), (1.0, 1.4), (1.4, 1.4), (1.4, 1.7), (1.7, 1.7), (1.7, 2.0)]
    assert surplus_words(texts * 4, turns, bursts([(0.2, 2.2)], 2.4)) == set(), "two turns at once are no turn"
