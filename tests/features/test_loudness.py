"""Borders of words beside pauses: late ones go back to the pause, those within a stretch of sound stay."""

from __future__ import annotations

import pytest
from bursts import bursts

from msa_core.features import loudness


def test_a_pause_is_longer_than_the_closure_of_a_consonant() -> None:
    sound = bursts([(0.0, 0.5), (0.56, 0.7), (1.0, 1.4)], 2.0)
    assert loudness.pauses(loudness.loud_frames(loudness.loudness_dbfs(sound, loudness.FRAME_S))) == [(35, 50)]
    assert loudness.after_pauses(sound) == [50]
    assert loudness.after_pauses(bursts([(0.3, 1.2)], 2.0)) == [], "silence before and after is no pause"


def test_a_late_border_goes_back_to_the_pause() -> None:
    """As "I love it, I love it": the alignment ended the first "it" 0.12 s within the second "I"."""
    sound = bursts([(0.0, 0.6), (1.0, 1.6)], 2.0)
    moved = loudness.in_pauses([(0.0, 0.4), (0.4, 1.12), (1.12, 1.3), (1.3, 1.6)], sound)
    assert moved == [(0.0, 0.4), (0.4, 1.0), (1.0, 1.3), (1.3, 1.6)]
    assert loudness.trimmed(moved, sound)[1] == (0.4, 0.6)


@pytest.mark.parametrize(
    "spans",
    [
        [(0.0, 0.3), (0.3, 0.6), (1.0, 1.6)],  # in time
        [(0.0, 0.6), (0.9, 1.2), (1.2, 1.6)],  # the border after a short word: it has no sound before the pause
        [(0.0, 1.4), (1.4, 1.6)],  # too much sound to be the first of a word
        [(0.5, 1.2), (1.2, 1.6)],  # less sound before the pause than after it: a noise before a short word
    ],
)
def test_other_borders_stay(spans: list[tuple[float, float]]) -> None:
    assert loudness.in_pauses(spans, bursts([(0.0, 0.6), (1.0, 1.6)], 2.0)) == spans


def test_the_first_word_is_beside_the_next_one() -> None:
    """Laughter before "That was": nobody wrote it down, and "That" had the whole time from the start."""
    sound = bursts([(0.0, 1.8), (2.4, 3.4)], 4.0)
    assert loudness.trimmed([(0.0, 2.7), (2.7, 3.4)], sound) == [(2.4, 2.7), (2.7, 3.4)]
    assert loudness.trimmed([(0.0, 3.4)], sound) == [(0.0, 1.8)], "the longest when nothing follows"
