"""Seats of live visitors: so many at a time, the others in a queue; who is gone, idle or long there makes room."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
MOST_WAITING = 30
SILENT_S = 8.0  # without a word from a seated visitor's browser, until the seat is free
ABSENT_S = 75.0  # from one who waits: a browser asks for a hidden tab once a minute only
IDLE_S = 120.0  # with nobody seen or heard
TURN_S = 300.0  # of a visitor, when others wait
LOST, IDLE, TURN = "lost", "idle", "turn"  # why a visit ended


@dataclass
class Guest(Generic[T]):
    """A visitor with a seat or in the queue; `seat` is what the seat holds for them, None in the queue."""

    asked_s: float
    seated_s: float = 0.0
    active_s: float = 0.0  # somebody was seen or heard
    seat: T | None = None


@dataclass(frozen=True)
class Place(Generic[T]):
    """Where a visitor is: at a seat, at a place of the queue (1 is next), or gone for a reason."""

    seat: T | None = None
    ahead: int = 0
    ended: str | None = None


class Seats(Generic[T]):
    """A few seats and a queue."""

    def __init__(self, most: int, make: Callable[[], T], clock: Callable[[], float] = time.monotonic) -> None:
        """Args: most: seats. make: makes what a seat holds, when it is taken. clock: in s."""
        self.most, self._make, self._clock = most, make, clock
        self._guests: dict[str, Guest[T]] = {}  # in the order in which they came
        self._ended: dict[str, str] = {}
        self._lock = threading.Lock()

    def enter(self) -> str | None:
        """Take a seat or a place in the queue. Returns: the visitor's secret name; None when the queue is full."""
        with self._lock:
            self._sweep()
            if sum(g.seat is None for g in self._guests.values()) >= MOST_WAITING:
                return None
            name = secrets.token_urlsafe(16)
            self._guests[name] = Guest(self._clock())
            self._sweep()
            return name

    def place(self, name: str) -> Place[T]:
        """Tell where a visitor is, who has just asked."""
        with self._lock:
            if name in self._guests:
                self._guests[name].asked_s = self._clock()
            self._sweep()
            if name not in self._guests:
                return Place(ended=self._ended.pop(name, LOST))
            guest = self._guests[name]
            waiting = [n for n, g in self._guests.items() if g.seat is None]
            return Place(guest.seat, 0 if guest.seat is not None else waiting.index(name) + 1)

    def active(self, name: str) -> None:
        """Note that somebody was seen or heard at a seat."""
        with self._lock:
            if name in self._guests:
                self._guests[name].active_s = self._clock()

    def has(self, name: str) -> bool:
        """Tell whether a visitor has a seat or a place in the queue."""
        return name in self._guests

    def leave(self, name: str) -> None:
        """Free the seat or the place of a visitor."""
        with self._lock:
            self._guests.pop(name, None)
            self._sweep()

    def sweep(self) -> None:
        """Free the seats of those who are gone, idle or long there, and seat those who wait."""
        with self._lock:
            self._sweep()

    def _sweep(self) -> None:
        now = self._clock()
        for name, why in [(n, why) for n, g in self._guests.items() if (why := self._over(g, now))]:
            del self._guests[name]
            self._ended[name] = why
        while len(self._ended) > MOST_WAITING:
            del self._ended[next(iter(self._ended))]
        free = self.most - sum(g.seat is not None for g in self._guests.values())
        for guest in [g for g in self._guests.values() if g.seat is None][: max(free, 0)]:
            guest.seat, guest.seated_s, guest.active_s, guest.asked_s = self._make(), now, now, now

    def _over(self, guest: Guest[T], now: float) -> str | None:
        """Return why a visit is over, or None."""
        if now - guest.asked_s > (ABSENT_S if guest.seat is None else SILENT_S):
            return LOST
        if guest.seat is None:
            return None
        if now - guest.active_s > IDLE_S:
            return IDLE
        waits = any(g.seat is None for g in self._guests.values())
        return TURN if waits and now - guest.seated_s > TURN_S else None
