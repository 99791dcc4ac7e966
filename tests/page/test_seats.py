"""Seats of live visitors: a limit, a queue in order, and an end for who is gone, idle or long there."""

from __future__ import annotations

from typing import Any

import pytest

from msa_core.page import seats
from msa_core.page.seats import Seats


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def room(clock: list[float]) -> Seats[Any]:
    return Seats(1, object, lambda: clock[0])


def test_the_second_waits_and_follows(room: Any) -> None:
    first, second, third = room.enter(), room.enter(), room.enter()
    assert len({first, second, third}) == 3
    assert room.place(first).seat is not None and room.place(first).ahead == 0
    assert (room.place(second).seat, room.place(second).ahead, room.place(third).ahead) == (None, 1, 2)
    old = room.place(first).seat
    room.leave(first)
    assert room.place(second).seat not in (None, old) and room.place(third).ahead == 1
    assert room.place(first).ended == "lost" and not room.has(first)


def test_one_who_is_not_heard_of_loses_the_seat_and_the_place(room: Any, clock: list[float]) -> None:
    first, second = room.enter(), room.enter()
    clock[0] = seats.SILENT_S + 1
    assert room.place(second).seat is not None and room.place(first).ended == "lost"
    third = room.enter()
    while clock[0] < seats.ABSENT_S + 20:  # the second keeps asking, the third does not
        clock[0] += 5
        room.active(second)
        assert room.place(second).seat is not None
    assert room.place(third).ended == "lost"


def test_idle_and_long_visits_end(room: Any, clock: list[float]) -> None:
    first = room.enter()
    while clock[0] < 3 * seats.TURN_S:  # alone, a visit may go on
        clock[0] += 5
        room.active(first)
        assert room.place(first).seat is not None
    second = room.enter()
    assert room.place(first).ended == "turn" and room.place(second).seat is not None
    begun = clock[0]
    while room.place(second).seat is not None:
        clock[0] += 5
        assert clock[0] - begun < seats.IDLE_S + 10
    assert clock[0] - begun > seats.IDLE_S
    assert room.place(second).ended == "lost", "told once"


def test_why_it_ended_is_told_once(room: Any, clock: list[float]) -> None:
    name = room.enter()
    for _ in range(int(seats.IDLE_S / 5)):
        clock[0] += 5
        room.place(name)
    clock[0] += 5
    assert room.place(name).ended == "idle" and room.place(name).ended == "lost"


def test_the_queue_has_an_end(room: Any) -> None:
    names = [room.enter() for _ in range(seats.MOST_WAITING + 1)]
    assert None not in names and room.enter() is None
    room.leave(names[3])
    assert room.enter() is not None
    for _ in range(1000):
        room.leave(room.enter())
    assert len(room._ended) <= seats.MOST_WAITING


def test_the_sweep_forgets_without_a_request(room: Any, clock: list[float]) -> None:
    name = room.enter()
    clock[0] = seats.SILENT_S + 1
    room.sweep()
    assert not room.has(name)
