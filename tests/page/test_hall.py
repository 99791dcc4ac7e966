"""Halls: guesses counted under a shared code, one a tab and lesson, forgotten in time and bounded in number."""

from __future__ import annotations

import pytest

from msa_core.page import hall
from msa_core.page.hall import Halls, tidy


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def halls(clock: list[float]) -> Halls:
    return Halls(lambda: clock[0])


def test_guesses_are_counted_by_code_and_lesson(halls: Halls) -> None:
    for tab, choice in (("a", 0), ("b", 2), ("c", 2)):
        halls.guess("MSA 42", "people", tab, choice)
    assert halls.counts("msa-42", "people") == {0: 1, 2: 2} and halls.counts("MSA42", "people").total() == 3
    assert halls.counts("MSA42", "adds") == {} == halls.counts("OTHER", "people")


def test_a_tab_has_one_guess_the_latest(halls: Halls) -> None:
    halls.guess("X", "people", "a", 0)
    halls.guess("X", "people", "a", 3)
    assert halls.counts("X", "people") == {3: 1}


@pytest.mark.parametrize("code", ["", "  ", "!?-"])
def test_without_a_code_nothing_is_counted(halls: Halls, code: str) -> None:
    halls.guess(code, "people", "a", 0)
    assert halls.counts(code, "people") == {} and halls._halls == {}


def test_a_hall_is_forgotten_two_hours_after_the_last_guess(halls: Halls, clock: list[float]) -> None:
    halls.guess("X", "people", "a", 0)
    clock[0] = hall.KEEP_S - 1
    halls.guess("X", "people", "b", 0)
    clock[0] = 2 * hall.KEEP_S - 2
    assert halls.counts("X", "people") == {0: 2}
    clock[0] = 2 * hall.KEEP_S
    assert halls.counts("X", "people") == {} and halls._halls == {}


def test_halls_and_guesses_have_a_limit(halls: Halls, clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hall, "MOST_HALLS", 2)
    monkeypatch.setattr(hall, "MOST_GUESSES", 2)
    for n, code in enumerate(("A", "B", "C")):
        clock[0] = float(n)
        halls.guess(code, "people", "t", 0)
    assert set(halls._halls) == {"B", "C"}
    for tab in ("u", "v", "w"):
        halls.guess("C", "people", tab, 1)
    assert halls.counts("C", "people") == {0: 1, 1: 1}
    halls.guess("C", "people", "t", 1)  # who is counted may think again
    assert halls.counts("C", "people") == {1: 2}


def test_a_code_is_short_and_as_it_is_read_aloud() -> None:
    assert tidy(" msa-42 ") == "MSA42" and tidy("课堂 1") == "课堂1" and len(tidy("x" * 100_000)) == hall.LONGEST
