"""Tasks for runs over many clips: numbers in text files with every try noted, and extraction by the small stand-ins."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from msa_core.cli.many.work import Extraction, Stopped
from msa_core.errors import MediaError, MsaError


@dataclass(frozen=True)
class Doubled:
    """Twice the number in a text file.

    A file that says "bad" cannot be read, "die" kills its process, "once" kills it the first time, "full" ends the run.
    """

    log: Path  # folder with a file for every try
    seconds: float = 0.0
    factor: int = 2
    loads: bool = True
    columns = {"value": "whole"}

    @property
    def settings(self):
        return {"command": "double", "factor": self.factor}

    def clips(self, source):
        return sorted(source.rglob("*.txt"))

    def left_bytes(self, name):
        return None

    def left(self):
        return []

    def set_aside(self, name):
        return None

    def load(self):
        if not self.loads:
            raise MsaError("The weights are missing. Install them.")
        return self.work

    def work(self, clip):
        earlier = tries(self.log, clip.name)
        note(self.log, clip.name)
        time.sleep(self.seconds)
        text = clip.read_text()
        if text == "die" or (text == "once" and not earlier):
            os.kill(os.getpid(), signal.SIGKILL)
        if text == "full":
            raise Stopped("Cannot write 3.txt (No space left on device). Give a folder you may write to.")
        if text == "bad":
            raise MediaError("{name} holds no number.", name=clip.name)
        return {"value": self.factor * int(text if text != "once" else 0)}


def note(log: Path, name: str) -> None:
    """Note a try of a clip by this process."""
    (log / f"{name}.{os.getpid()}.{uuid.uuid4().hex}").touch()


def tries(log: Path, name: str) -> int:
    """Count the tries of a clip."""
    return len(list(log.glob(f"{name}.*")))


@contextmanager
def killed_at(log: Path, name: str):
    """Kill the process that works on a clip as soon as it does, once; the task has to take some tenths of a second."""

    def kill():
        while not (tries := list(log.glob(f"{name}.*"))):
            time.sleep(0.02)
        os.kill(int(tries[0].name.split(".")[-2]), signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    yield
    thread.join(10)
    assert not thread.is_alive(), f"nothing worked on {name}"


def numbers(folder: Path, *texts: object) -> Path:
    """Write files 00.txt, 01.txt, .. with these texts, and the folder `log` beside `folder`."""
    folder.mkdir()
    (folder.parent / "log").mkdir(exist_ok=True)
    for i, text in enumerate(texts):
        (folder / f"{i:02d}.txt").write_text(str(text))
    return folder


def counting(n: int, how: str = ""):
    """Yield the numbers below n with the process, then end in some way."""
    for i in range(n):
        yield i, os.getpid()
    if how == "refuse":
        raise MsaError("Nothing more. Give less.")
    if how == "fault":
        print(1 // 0)
    if how == "exit":
        os._exit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


def ending(*_):
    """Stand-in for Ray's part of a run, whose process ends with the cluster after one row."""
    yield {"clip": "00.txt", "reason": None, "size_bytes": 1, "modified_ns": 1}
    os._exit(1)


@dataclass(frozen=True)
class QuickExtraction(Extraction):
    """The real extraction with the small stand-ins for the large networks; every try is noted in `log`."""

    log: Path | None = None
    seconds: float = 0.0

    def load(self):
        from stand_ins import quick_extractor

        from msa_core.features.weights import Once

        return partial(self.noted, partial(self._work, Once(quick_extractor)))

    def noted(self, work, clip):
        if self.log is not None:
            note(self.log, clip.name)
        time.sleep(self.seconds)
        return work(clip)
