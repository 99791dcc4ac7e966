"""The processes that read media, started ahead and used again: what is asked of them, and what their end means.

A hostile clip can fill the memory or keep the processor busy while FFmpeg opens it, before anything can be checked.
So clips are read by processes of their own with limits; MSA_MEDIA_PROCESS=0 reads them in this one, without.
"""

from __future__ import annotations

import atexit
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from io import FileIO
from typing import Any, cast

from msa_core.config import PACKAGE
from msa_core.errors import CheckpointError, FeatureError, MediaError, MsaError
from msa_core.media import wire
from msa_core.media.child import LATE, SIZE, Request
from msa_core.media.paths import absolute, label
from msa_core.media.work import too_slow

WARM = 2  # processes kept for the next clip: its sound and its pictures are read together
MOST_REQUESTS = 60  # of one process, after which another takes its place
STOP_S = 0.5  # for a process to leave what nobody wants any more
PIPE_BYTES = 2**20
ENDED_S = 5.0  # for a process that has closed its pipe
CODE = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from msa_core.media.child import main; main()"
ERRORS = {kind.__name__: kind for kind in (MsaError, MediaError, FeatureError, CheckpointError)}


def separate() -> bool:
    """Return whether media are read by processes of their own."""
    return os.environ.get("MSA_MEDIA_PROCESS", "1") != "0"


def call(request: Request) -> Any:
    """Have a function called; its result is of plain values, arrays, or a MediaInfo.

    Raises: MediaError when the clip passes a limit or breaks the process; MsaError; RuntimeError for a fault of ours.
    """
    if not separate():
        return _here(request)
    reader = _taken()
    try:
        reader.ask(request)
        return reader.reply(request)[1]
    finally:
        READERS.give(reader)


def stream(request: Request) -> Iterator[Any]:
    """Have a function called that yields; what it yields comes as it is ready. Raises: as `call`."""
    if not separate():
        yield from _here(request)
        return
    reader = _taken()
    try:
        reader.ask(request)
        while (answer := reader.reply(request))[0] == "item":
            yield tuple(answer[1]) if isinstance(answer[1], list) else answer[1]
    except GeneratorExit:
        reader.stop()
        raise
    finally:
        READERS.give(reader)


def _here(request: Request) -> Any:
    module, _, function = request.function.partition(":")
    return getattr(import_module(module), function)(request.path, *request.values)


def _taken() -> Reader:
    """Take a process. Raises: MediaError when none can be started."""
    try:
        return READERS.take()
    except OSError as e:
        raise _not_started(e.strerror or type(e).__name__) from e


def _not_started(why: str) -> MediaError:
    return MediaError(
        "The process that reads media does not start ({why}). Install the requirements again, or set "
        "MSA_MEDIA_PROCESS=0 to read media without one.",
        why=why,
    )


class Reader:
    """One process that reads media, and its pipe."""

    def __init__(self) -> None:
        """Start it; it is ready a moment later. Raises: OSError."""
        paths = [str(absolute(p)) for p in sys.path if isinstance(p, str)]
        if str(PACKAGE.parent) not in paths:
            paths.append(str(PACKAGE.parent))
        alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1") | {"MALLOC_ARENA_MAX": "2"}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-X", f"utf8={sys.flags.utf8_mode}", "-c", CODE, json.dumps(paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # a lock of a buffer could be held by another thread while a process forks
            cwd=PACKAGE.parent,
            env={**os.environ, **alone},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._to, self._from = cast(FileIO, self._process.stdin), cast(FileIO, self._process.stdout)
        self._ready, self._requests = False, 0
        self.busy = False  # with a request that has not been answered to its end
        with suppress(ImportError, AttributeError, OSError):  # fewer turns for a picture, where the system can
            import fcntl

            fcntl.fcntl(self._from, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    @property
    def worn(self) -> bool:
        """Whether another one should take its place."""
        return self.busy or self._requests >= MOST_REQUESTS or not self.alive

    def ask(self, request: Request) -> None:
        """Send a request. Raises: MediaError when the process has ended."""
        self.busy, self._requests = True, self._requests + 1
        data = pickle.dumps(request)
        try:
            wire.write(self._to, SIZE.pack(len(data)) + data)
        except OSError as e:
            raise self._ended(request) from e

    def reply(self, request: Request) -> tuple[str, Any]:
        """Wait for the next answer: a "value", an "item", or the "end" of the items.

        Raises: MsaError as it was raised there; MediaError when the process has ended; RuntimeError.
        """
        try:
            if not self._ready:
                self._ready = wire.receive(self._from)[0] == "ready"
            kind, value = wire.receive(self._from)
        except (EOFError, OSError, ValueError) as e:
            raise self._ended(request) from e
        self.busy = kind == "item"
        if kind == "error":
            raise ERRORS[value[0]](value[1])
        if kind == "fault":
            raise RuntimeError(f"a fault in the process that reads media\n{value}")
        return kind, value

    def stop(self) -> None:
        """Have the process leave its request. One that goes on for longer is ended."""
        timer = threading.Timer(STOP_S, self._process.kill)
        timer.start()
        try:
            wire.write(self._to, SIZE.pack(0))
            while self.busy:
                self.busy = wire.receive(self._from)[0] == "item"
        except (EOFError, OSError, ValueError):  # `busy` stays
            pass
        finally:
            timer.cancel()
            timer.join()

    def kill(self) -> None:
        """End the process at once, whatever it does and for whom."""
        self._process.kill()

    def end(self) -> None:
        """End the process and wait for it, so that it leaves nothing."""
        self.kill()
        self._process.wait()
        self.forget()

    def forget(self) -> None:
        """Close our ends of the pipe."""
        self._to.close()
        self._from.close()

    def _ended(self, request: Request) -> MediaError:
        """Make the error of a process that has ended within a request, or cannot be understood."""
        try:
            code = self._process.wait(ENDED_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        with suppress(ValueError):  # a signal, by its name
            why = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        if not self._ready:
            return _not_started(why)
        name, limits = label(request.path), request.limits
        if code == -getattr(signal, "SIGXCPU", 0):
            return too_slow(name, request.cpu_s)
        if code == LATE:
            return MediaError(
                "{name} could not be read within {limit:.0f} s. Try again later, or export it again as mp4.",
                name=name,
                limit=limits.max_wall_s,
            )
        return MediaError(
            "{name} broke the process that reads media ({why}). Export it again as mp4.", name=name, why=why
        )


class Readers:
    """The processes that wait for a clip, and those that read one."""

    def __init__(self) -> None:
        self._idle: list[Reader] = []
        self._taken: list[Reader] = []
        self._lock = threading.Lock()

    def take(self) -> Reader:
        """Return a process that nobody else has: one that waits, or a new one. Raises: OSError."""
        with self._lock:
            while self._idle:
                reader = self._idle.pop(0)  # the one that has been ready for longest
                if reader.alive:
                    break
                reader.end()
            else:
                reader = Reader()
            self._taken.append(reader)
        return reader

    def give(self, reader: Reader) -> None:
        """Take a process back; one that is worn is ended, and another starts in its place."""
        worn = reader.worn
        with self._lock:
            self._taken.remove(reader)
            kept = not worn and len(self._idle) < WARM
            if kept:
                self._idle.append(reader)
        if not kept:
            reader.end()
        if worn:
            with suppress(OSError):
                self.warm()

    def warm(self) -> None:
        """Start the processes that are missing. Raises: OSError."""
        with self._lock:
            while len(self._idle) < WARM:
                self._idle.append(Reader())

    def close(self) -> None:
        """End the processes; whoever waits for one of them gets an error."""
        with self._lock:
            idle, self._idle = self._idle, []
            for reader in self._taken:
                reader.kill()
        for reader in idle:
            reader.end()

    def forget(self) -> None:
        """Leave the processes to the one that this process was forked from."""
        others, self._lock = [*self._idle, *self._taken], threading.Lock()
        self._idle, self._taken = [], []
        for reader in others:
            reader.forget()


READERS = Readers()
atexit.register(READERS.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=READERS.forget)
