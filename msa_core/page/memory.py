"""Memory and threads that a server gives back after a busy hour: what glibc keeps, and gradio's idle workers."""

from __future__ import annotations

import ctypes
import sys

from anyio import to_thread

ARENAS = 4  # heaps of glibc for all threads together; without a limit eight for each core, each as large as it ever was
_M_ARENA_MAX = -8  # of malloc.h


def limit_heaps() -> None:
    """Let all threads share few heaps; before the first of them starts. Does nothing where there is no glibc."""
    if (libc := _glibc()) is not None:
        libc.mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Hand free memory of all heaps back to the system. Does nothing where there is no glibc."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


async def end_idle_threads() -> None:
    """End the workers of gradio's thread pool that had nothing to do for 10 s, each with its threads of OpenMP.

    anyio, whose pool it is, ends them only when the next call comes; on a page that everybody has left none does.
    """
    await to_thread.run_sync(lambda: None)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library where it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
