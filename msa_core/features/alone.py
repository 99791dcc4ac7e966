"""One thread at a time at a model that keeps something while it works; the others ask whether to go on waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_S = 0.2  # between two looks at whether the work is still wanted, while another thread reads


@contextmanager
def alone(lock: threading.Lock, poll: Callable[[], None]) -> Iterator[None]:
    """Hold a lock, asking `poll` whether to go on waiting while another thread has it."""
    while not lock.acquire(timeout=PATIENCE_S):
        poll()
    try:
        yield
    finally:
        lock.release()
