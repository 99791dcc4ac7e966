"""A generator in a process of its own, for a library that ends its process when something outside is gone."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from typing import Any

from msa_core.errors import MsaError

END_S = 20.0  # for the process to put its things away


class Ended(Exception):
    """The process that is gone before its generator came to an end, by its signal or exit code."""


def apart(function: Callable[..., Generator[Any]], *arguments: Any) -> Generator[Any]:
    """Yield what a generator function yields in a process of its own, which ends with this generator.

    Args:
        function: of a module, so that the process finds it.
        arguments: of the function, plain values.

    Raises:
        MsaError: as it was raised there.
        Ended: the process is gone.
        RuntimeError: a fault of the function, with its traceback.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, function, arguments), daemon=True)
    process.start()
    theirs.close()
    ended = False
    try:
        for kind, value in _received(ours):
            if kind == "error":
                raise MsaError(value)
            if kind == "fault":
                raise RuntimeError(value)
            if kind == "end":
                ended = True
                return
            yield value
        process.join()
        raise Ended(why(process.exitcode or 0))
    finally:
        ours.close()
        if not ended:
            process.terminate()
        process.join(END_S)
        if process.is_alive():
            process.kill()
            process.join()


def why(code: int) -> str:
    """Name the signal or the exit code that ended a process."""
    with suppress(ValueError):
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"exit code {code}"


def _received(pipe: Connection) -> Iterator[tuple[str, Any]]:
    """Yield what comes through a pipe until its other end is closed."""
    while True:
        try:
            yield pipe.recv()
        except (EOFError, OSError):
            return


def _serve(pipe: Connection, function: Callable[..., Generator[Any]], arguments: tuple[Any, ...]) -> None:
    """Call the function in this process and send what it yields."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    try:
        with closing(function(*arguments)) as values:
            for value in values:
                pipe.send(("value", value))
        pipe.send(("end", None))
    except MsaError as e:
        pipe.send(("error", str(e)))
    except BrokenPipeError:  # nobody asks any more
        pass
    except Exception:
        pipe.send(("fault", traceback.format_exc()))
