"""Freed memory is kept for the next tensor, for processes that do nothing but compute.

glibc gives every block of more than 128 kB back to the system when it is freed, and the next tensor of that size is
made of pages that the system first has to clear: 60,000 a second while a corpus is scored, about a tenth of the time.
"""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # parameters of mallopt (man 3 mallopt)
LARGEST_BLOCK, MOST = 1 << 25, 1 << 30  # bytes: what glibc allows, and of what is free


def keep_freed() -> bool:
    """Tell the C library of this process to keep what is freed. Returns: False where it is not glibc."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(MMAP_THRESHOLD, LARGEST_BLOCK) and mallopt(TRIM_THRESHOLD, MOST))
