"""Memory that was used is given back to the system, and idle threads end."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import coroutines
import pytest
from anyio import to_thread
from anyio._backends._asyncio import WorkerThread

from msa_core.page import memory

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's heaps")


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_free_memory_between_used_is_given_back() -> None:
    kept: list[bytes] = []

    def work() -> None:
        pieces = [os.urandom(20_000) for _ in range(4_000)]
        kept.append(pieces[-1])  # holds the end of the heap

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    full = resident()
    memory.give_back()
    assert full - resident() > 40 * 10**6


def test_a_system_without_glibc_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    memory.limit_heaps()
    memory.give_back()


def test_idle_workers_end_without_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy_then_idle() -> tuple[int, int]:
        together = threading.Barrier(6)
        await asyncio.gather(*(to_thread.run_sync(together.wait) for _ in range(6)))
        monkeypatch.setattr(WorkerThread, "MAX_IDLE_TIME", 0)
        workers = [thread for thread in threading.enumerate() if isinstance(thread, WorkerThread)]
        await memory.end_idle_threads()
        for _ in range(100):
            if sum(thread.is_alive() for thread in workers) <= 1:
                break
            await asyncio.sleep(0.05)
        return len(workers), sum(thread.is_alive() for thread in workers)

    assert coroutines.run(busy_then_idle()) == (6, 1)
