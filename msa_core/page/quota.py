"""Limits on uploads: bytes of one visitor in a quarter of an hour, and bytes that lie on the server in all."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from msa_core.config import MediaLimits
from msa_core.errors import Message, message

MB = 1024 * 1024
LARGEST = MediaLimits().max_bytes + MB  # one upload: a clip and the form around it
PER_VISITOR = 20 * MediaLimits().max_bytes
IN_ALL = 80 * MediaLimits().max_bytes


class Quota:
    """What was uploaded lately, by visitor."""

    def __init__(
        self, folder: Callable[[], Path], within_s: float, per_visitor: int = PER_VISITOR, in_all: int = IN_ALL
    ) -> None:
        """Args: folder: of the uploads. within_s: how long an upload counts. per_visitor, in_all: limits in bytes."""
        self._folder, self._within_s, self._per_visitor, self._in_all = folder, within_s, per_visitor, in_all
        self._lately: dict[str, deque[tuple[float, int]]] = {}
        self._lock = threading.Lock()

    def refused(self, visitor: str, size: int) -> Message | None:
        """Return why an upload of `size` bytes is refused, or None."""
        minutes = self._within_s / 60
        if size > LARGEST:
            most = MediaLimits().max_bytes / MB
            return message(
                "This file is larger than {limit:.0f} MB. Shorten the clip or export it smaller.", limit=most
            )
        if self._lying() + size > self._in_all:
            return message(
                "This server holds as many clips as it can. Try again in {minutes:.0f} minutes.", minutes=minutes
            )
        if self._of(visitor) + size > self._per_visitor:
            return message(
                "You have uploaded {limit:.0f} MB within {minutes:.0f} minutes. Wait before the next clip.",
                limit=self._per_visitor / MB,
                minutes=minutes,
            )
        return None

    def add(self, visitor: str, size: int) -> None:
        """Count bytes that a visitor has sent."""
        with self._lock:
            self._lately.setdefault(visitor, deque()).append((time.monotonic(), size))

    def _of(self, visitor: str) -> int:
        """Sum what a visitor has sent lately; whoever sent nothing for so long is forgotten."""
        old = time.monotonic() - self._within_s
        with self._lock:
            for sent in self._lately.values():
                while sent and sent[0][0] < old:
                    sent.popleft()
            self._lately = {who: sent for who, sent in self._lately.items() if sent}
            return sum(size for _, size in self._lately.get(visitor, ()))

    def _lying(self) -> int:
        """Sum the files that lie in the folder of uploads."""
        total = 0
        for path in self._folder().rglob("*"):
            try:
                total += path.stat().st_size if path.is_file() else 0
            except OSError:  # deleted meanwhile
                continue
        return total
