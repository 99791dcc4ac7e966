"""Hugging Face ZeroGPU: a GPU is reserved for one generator at a time, which runs in a process of its own."""

from __future__ import annotations

import gc
import io
import os
import pickle
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

from msa_core import media
from msa_core.errors import Message, MsaError, message
from msa_core.extract import Extractor
from msa_core.predict import Analyser

try:
    import spaces
    from spaces.config import Config

    ZERO = bool(Config.zero_gpu)
except ImportError:
    ZERO = False
if ZERO:  # a forked process must not free what other threads left: a picture's converter would wait for its threads
    os.register_at_fork(after_in_child=gc.freeze)

Generator = Callable[..., Iterator[Any]]


def load() -> Analyser:
    """Load the models of the page; on ZeroGPU onto the CPU, because only a reservation may use the GPU there."""
    return Analyser.load("cpu" if ZERO else None)


def gpu_reader(analyser: Analyser) -> Analyser | None:
    """Return what reads clips while a GPU is reserved; None off ZeroGPU, where nothing is reserved."""
    return Analyser(Extractor.load("cuda"), analyser.complete, {}, "cuda") if ZERO else None


def reserved(function: Generator) -> Generator:
    """Run a generator function in a process that has a GPU.

    Its arguments must be plain values. What it yields may be any value of the library, and an expected error is raised
    here as it was raised there, with the template of its sentence: both are packed on their way.

    Raises: gr.Error when there is no GPU to be had; MsaError; RuntimeError with the traceback of a fault.
    """

    @spaces.GPU
    def there(*args: Any) -> Iterator[bytes]:
        _after_fork()
        with closing(function(*args)) as values:  # type: ignore[type-var]
            try:
                for value in values:
                    yield packed(value)
            except MsaError as e:
                yield packed(e)
            except Exception:
                yield packed(RuntimeError(traceback.format_exc()))

    def here(*args: Any) -> Iterator[Any]:
        with closing(there(*args)) as crossing:  # type: ignore[type-var]
            for data in crossing:
                value = pickle.loads(data)  # made by `packed` in our own process
                if isinstance(value, Exception):
                    raise value
                yield value

    return here


def packed(value: Any) -> bytes:
    """Return a value as bytes that `pickle.loads` restores; sentences keep their templates, unlike in a file."""
    out = io.BytesIO()
    _Packer(out).dump(value)
    return out.getvalue()


class _Packer(pickle.Pickler):
    """A pickler for values that cross to another process of ours."""

    def reducer_override(self, value: Any) -> Any:
        """Keep what a sentence was made from."""
        if isinstance(value, Message):
            return _sentence, (value.template, dict(value.values))
        return NotImplemented


def _sentence(template: str, values: Mapping[str, object]) -> Message:
    return message(template, **values)


def _after_fork() -> None:
    """Keep OpenCV from waiting for threads that a forked process does not have; start what reads media for this one."""
    import cv2

    cv2.setNumThreads(0)
    media.warm()
