"""The page in a process of its own, and what that process holds: memory, threads, descriptors, files."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from msa_core.config import PACKAGE
from msa_core.errors import MsaError

START_S = 300.0  # for the page to load its models
END_S = 60.0  # to end by itself
MB = 1024 * 1024
LOADED = -1  # a number that this system does not tell


@dataclass(frozen=True)
class Held:
    """What the page holds at a moment; LOADED (-1) where the system does not tell.

    memory_mb: resident, of the page. media_mb: resident, of the processes that read media.
    """

    memory_mb: float
    media_mb: float
    threads: int
    descriptors: int
    files: int
    file_mb: float

    def most(self, other: Held) -> Held:
        """Return the larger of each."""
        return Held(*(max(a, b) for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))


class Server:
    """The page, started on a free port of this computer; leaving the `with` block ends it as Ctrl-C does."""

    def __init__(self) -> None:
        """Start it. Raises: MsaError when there is no app.py."""
        app = PACKAGE.parent / "app.py"
        if not app.is_file():
            raise MsaError(f"There is no page to start at {app}. Start one yourself and give --url.")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._folder = tempfile.TemporaryDirectory(prefix="soak-")
        self.folder = Path(self._folder.name)
        given = {name: str(self.folder) for name in ("TMPDIR", "TEMP", "TMP")}
        given |= {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
        given |= {"PYTHONPATH": os.pathsep.join(p for p in (str(app.parent), os.environ.get("PYTHONPATH", "")) if p)}
        around = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
        self._log = (self.folder.parent / f"{self.folder.name}.log").open("w+b")
        self._process = subprocess.Popen(
            [sys.executable, str(app)], env=around | given, cwd=app.parent, stdout=self._log, stderr=self._log
        )

    def __enter__(self) -> Server:
        deadline = time.monotonic() + START_S
        while True:
            with suppress(httpx.TransportError):
                httpx.get(f"{self.url}/theme.css")
                return self
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise MsaError(f"The page did not start: {self.said[-500:]}")
            time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.seek(0)
        self.said = self._log.read().decode(errors="replace")
        self._log.close()
        Path(self._log.name).unlink()
        self.left = [path for path in self.folder.rglob("*") if path.is_file()]
        self._folder.cleanup()

    def held(self) -> Held:
        """Look at the process now."""
        files = [p for p in self.folder.rglob("*") if p.is_file() and p.name != "hash_seed.txt"]
        size = 0.0
        for path in files:
            with suppress(OSError):  # deleted meanwhile
                size += path.stat().st_size / MB
        place = Path(f"/proc/{self._process.pid}")
        try:
            status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
            descriptors = len(list((place / "fd").iterdir()))
            children = (place / "task" / place.name / "children").read_text().split()
        except OSError:
            return Held(LOADED, LOADED, LOADED, LOADED, len(files), size)
        media = sum(map(_memory_mb, children))
        return Held(_memory_mb(place.name), media, int(status["Threads"]), descriptors, len(files), size)


def _memory_mb(pid: str) -> float:
    """Return the resident memory of a process; 0 when it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / MB


class Watch:
    """The most that a page holds while something goes on, looked at every second."""

    def __init__(self, server: Server) -> None:
        self._server, self._ended = server, threading.Event()
        self.most = server.held()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(1.0):
            self.most = self.most.most(self._server.held())
