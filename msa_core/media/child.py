"""The process that reads media: it does what its pipe asks for, within limits, and ends when the pipe closes.

It is a plain Python without torch. What hostile media break or fill is this process and not the one that asked.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import struct
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from io import FileIO, RawIOBase
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from msa_core.config import MediaLimits
from msa_core.errors import MsaError
from msa_core.media import wire, work
from msa_core.media.paths import label

try:
    import resource
except ImportError:  # Windows: the time of the clock is limited there, and that of the processor between two pictures
    resource = None  # type: ignore[assignment]

SIZE = struct.Struct("<I")  # bytes of a request; 0 stops the one that is worked on
LATE = 1  # exit code of faulthandler, whose clock ends a process that FFmpeg never gives back to Python


@dataclass(frozen=True)
class Request:
    """What is asked for: a function by its name, `module:function`, for a clip, and what it may use."""

    function: str
    path: Path
    values: tuple[Any, ...]
    limits: MediaLimits
    cpu_s: float


def main() -> None:
    """Serve the requests that come through standard input, one after another."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks: this one ends with it
    asked, answers = FileIO(os.dup(0), "r"), FileIO(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints goes nowhere
    work.clock = time.process_time
    for name in ("probing", "pictures", "sound"):  # before the first clip
        with suppress(ImportError):  # told by the first request
            import_module(f"msa_core.media.{name}")
    base = _in_use()
    queue: SimpleQueue[tuple[Request, threading.Event]] = SimpleQueue()
    threading.Thread(target=_listen, args=(asked, queue), daemon=True).start()
    wire.send(answers, "ready")
    while True:
        request, stopped = queue.get()
        _limit(request, base)
        _serve(request, answers, stopped)


def _listen(asked: RawIOBase, queue: SimpleQueue[tuple[Request, threading.Event]]) -> None:
    """Hand on what is asked for; end the process as soon as nobody can ask any more."""
    stopped = threading.Event()
    try:
        while True:
            (n,) = SIZE.unpack(wire.read(asked, SIZE.size))
            if n:
                stopped = threading.Event()
                queue.put((pickle.loads(wire.read(asked, n)), stopped))  # written by `process`, our own
            else:
                stopped.set()
    except BaseException:
        os._exit(0)


def _serve(request: Request, answers: RawIOBase, stopped: threading.Event) -> None:
    """Answer one request: by a value, by items and their end, by an error of ours, or by a fault."""
    wall_s = request.limits.max_wall_s
    try:
        faulthandler.dump_traceback_later(wall_s, exit=True)
        found = _function(request.function)(request.path, *request.values)
        if not isinstance(found, Iterator):
            _tell(answers, "value", found)
            return
        for item in found:
            _tell(answers, "item", item)
            if stopped.is_set():
                break
            faulthandler.dump_traceback_later(wall_s, exit=True)
        _tell(answers, "end")
    except MsaError as e:
        _tell(answers, "error", [type(e).__name__, e.message])
    except MemoryError:
        error = work.too_large(label(request.path), request.limits.max_memory_bytes)
        _tell(answers, "error", [type(error).__name__, error.message])
    except Exception:
        _tell(answers, "fault", traceback.format_exc())


def _tell(answers: RawIOBase, kind: str, value: Any = None) -> None:
    """Send a message; while the asker is busy no time passes."""
    faulthandler.cancel_dump_traceback_later()
    wire.send(answers, kind, value)


def _function(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


def _limit(request: Request, base: int) -> None:
    """Limit what the request may use of the processor and of memory, beside the `base` bytes of Python itself."""
    if resource is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = int(used.ru_utime + used.ru_stime + request.cpu_s) + 1
    most = base + request.limits.max_memory_bytes
    for name, value in (("RLIMIT_CPU", cpu_s), ("RLIMIT_DATA", most), ("RLIMIT_AS", most), ("RLIMIT_CORE", 0)):
        with suppress(AttributeError, OSError, ValueError):  # not on this system
            kind = getattr(resource, name)
            _, hard = resource.getrlimit(kind)
            resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _in_use() -> int:
    """Return the bytes of address space that this process has; a guess where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 512 * 1024 * 1024
