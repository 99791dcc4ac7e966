"""What hostile media do to the process that reads them, without media: tests have these called there by name."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np


def memory(path: Path) -> int:
    """Take memory until there is no more."""
    kept = [np.ones(2**20)]
    while True:
        kept.append(np.ones(2**20))


def processor(path: Path) -> None:
    """Compute without an end, in C, where Python is never asked."""
    int.from_bytes(b"1" * 2**22, "big").__pow__(2**20)


def nothing(path: Path) -> None:
    """Wait without an end."""
    time.sleep(1e6)


def crash(path: Path) -> None:
    """End as a fault of memory does."""
    os.kill(os.getpid(), 11)


def fault(path: Path) -> None:
    """Fail as a fault of ours does."""
    raise ZeroDivisionError("of ours")


def modules(path: Path) -> list[str]:
    """List the modules that are loaded."""
    return sorted(sys.modules)


def arrays(path: Path, n: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield numbered arrays, for ever when nobody stops it."""
    for i in range(n):
        yield i, np.full((2, 3), i, np.uint8)
