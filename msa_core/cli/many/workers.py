"""Processes of this computer that work on clips: one that dies is replaced, and its clip is tried once more."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from msa_core.cli.many.apart import why
from msa_core.cli.many.work import Row, Task, answered, unanswered
from msa_core.errors import MsaError

END_S = 10.0  # for a process to end when nothing is left, before it is killed
MOST_TRIES = 2  # of a clip that ends the process which works on it


def here(task: Task, source: Path, names: Sequence[str]) -> Generator[Row]:
    """Work on clips one after another in this process. Raises: MsaError when the run cannot go on."""
    work = task.load() if names else None
    for name in names:
        assert work is not None
        yield answered(work, source, name)


def side_by_side(task: Task, source: Path, names: Sequence[str], jobs: int, cores: int | None = None) -> Generator[Row]:
    """Work on clips in several processes, each with its own models and its share of the cores.

    Args:
        task: what is done with a clip.
        source: the folder of the clips.
        names: of the clips, relative to `source`.
        jobs: number of processes.
        cores: of each process; None shares those of this process out.

    Raises:
        MsaError: the run cannot go on; a process ended while it loaded its models.
    """
    waiting, tries = deque(names), Counter[str]()
    workers = [_Worker(task, source, share) for share in _shares(min(jobs, len(names)), cores)]
    try:
        while waiting or any(w.clip is not None for w in workers):
            for w in workers:
                if w.ready and w.clip is None and waiting:
                    w.give(waiting.popleft())
            wait([w.pipe for w in workers if w.clip is not None or not w.ready])
            for i, w in enumerate(workers):
                try:
                    row = w.answer()
                except _Ended as e:
                    row = _after(w, str(e), waiting, tries, source)
                    workers[i] = _Worker(task, source, w.cores)
                if row is not None:
                    yield row
    finally:
        for w in workers:
            w.end()


def _after(worker: _Worker, why: str, waiting: deque[str], tries: Counter[str], source: Path) -> Row | None:
    """Put the clip of a worker that has ended back, or return its row when it ended the last one too.

    Raises:
        MsaError: it ended before it had a clip.
    """
    if not worker.ready:
        raise MsaError(f"A process ended while it loaded its models ({why}). Give a smaller --jobs, or free memory.")
    if worker.clip is None:
        return None
    tries[worker.clip] += 1
    if tries[worker.clip] < MOST_TRIES:
        waiting.appendleft(worker.clip)
        return None
    return unanswered(source, worker.clip, why)


class _Ended(Exception):
    """A process that is gone, with the signal or the exit code."""


class _Worker:
    """One process, the pipe to it, and the clip that it works on."""

    def __init__(self, task: Task, source: Path, cores: set[int]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, task, source, cores), daemon=True)
        self._process.start()
        theirs.close()
        self.clip: str | None = None
        self.cores, self.ready = cores, False  # ready: its models are loaded

    def give(self, name: str) -> None:
        """Have it work on a clip."""
        self.clip = name
        with suppress(OSError):  # it is gone, which `answer` finds
            self.pipe.send(name)

    def answer(self) -> Row | None:
        """Return the row of its clip if that is finished. Raises: _Ended; MsaError when the run cannot go on."""
        try:
            if not self.pipe.poll():
                return None
            kind, value = self.pipe.recv()
        except (EOFError, OSError) as e:
            self._process.join()
            raise _Ended(why(self._process.exitcode or 0)) from e
        if kind == "stopped":
            raise MsaError(value)
        if kind == "ready":
            self.ready = True
            return None
        self.clip = None
        return value

    def end(self) -> None:
        """End it: at once if it works, else when it has put its things away."""
        if self.clip is not None or not self.ready:
            self._process.terminate()
        self.pipe.close()
        self._process.join(END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(pipe: Connection, task: Task, source: Path, cores: set[int]) -> None:
    """Do the work in a process of its own until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    keep_to(cores)
    from msa_core import media

    try:
        work = task.load()
        pipe.send(("ready", None))
        while True:
            pipe.send(("row", answered(work, source, pipe.recv())))
    except MsaError as e:
        with suppress(OSError):
            pipe.send(("stopped", str(e)))
    except (EOFError, OSError):  # nobody asks any more
        pass
    finally:
        media.close()


def keep_to(cores: set[int]) -> None:
    """Keep this thread, and the threads and processes that it will start, to some cores, where the system can."""
    os.environ["OMP_NUM_THREADS"] = str(max(1, len(cores)))  # read when torch is imported, which it is not yet
    if hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, cores)


def cores_here() -> list[int]:
    """List the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _shares(jobs: int, cores: int | None) -> list[set[int]]:
    """Share the cores out among `jobs` processes; each gets one at least."""
    own = cores_here()
    shares = [set(own[i::jobs]) or {own[i % len(own)]} for i in range(jobs)]
    return shares if cores is None else [set(sorted(share)[:cores]) for share in shares]
