"""Limits on how often a visitor may do something that costs the server much, or could be guessed."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from msa_core.errors import MsaError

MINUTE_S = 60.0
CLIPS = 30  # that one visitor may have read within a minute, without MSA_RATE


class Rate:
    """How often each visitor did something lately."""

    def __init__(self, most: int, within_s: float = MINUTE_S) -> None:
        """Args: most: times of one visitor within `within_s`; 0 is no limit."""
        self._most, self._within_s = most, within_s
        self._lately: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def wait_s(self, visitor: str) -> float:
        """Return how long a visitor has to wait for the next time; 0 is not at all."""
        now = time.monotonic()
        with self._lock:
            for times in self._lately.values():
                while times and times[0] <= now - self._within_s:
                    times.popleft()
            self._lately = {who: times for who, times in self._lately.items() if times}
            times = self._lately.get(visitor, deque())
            return times[0] + self._within_s - now if 0 < self._most <= len(times) else 0.0

    def add(self, visitor: str) -> None:
        """Count one time."""
        with self._lock:
            self._lately.setdefault(visitor, deque()).append(time.monotonic())


class Clips(Rate):
    """The clips that a visitor has read: MSA_RATE a minute, or CLIPS."""

    def __init__(self) -> None:
        """Raises: MsaError when MSA_RATE is no number."""
        told = os.environ.get("MSA_RATE", "") or str(CLIPS)
        if not told.isdecimal():
            raise MsaError(f"MSA_RATE is {told!r}; give the clips of one visitor a minute, such as 30; 0 is no limit.")
        super().__init__(int(told))

    def take(self, request: Any) -> None:
        """Count a clip that is going to be read for a request of gradio. Raises: MsaError when it is too many."""
        visitor = of_request(request)
        wait_s = self.wait_s(visitor)
        if wait_s:
            raise MsaError(
                "You have had {n} clips read within a minute. Wait {seconds} seconds, then choose the clip again.",
                n=self._most,
                seconds=math.ceil(wait_s),
            )
        self.add(visitor)


def address(forwarded: str, client: str) -> str:
    """Return who a visitor is: an address, the one that a proxy tells if there is one.

    Args: forwarded: the header X-Forwarded-For. client: the address that the connection came from.
    """
    return forwarded.split(",")[0].strip() or client


def of_request(request: Any) -> str:
    """Return the address of a request of gradio; "" of one that is none, such as a call from Python."""
    headers: Mapping[str, str] = getattr(request, "headers", None) or {}
    client = getattr(request, "client", None)
    return address(headers.get("x-forwarded-for", ""), getattr(client, "host", ""))
