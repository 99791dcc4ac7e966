"""Who still needs an uploaded file: identical uploads share one path, and the last visitor takes it away."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from pathlib import Path


class Uploads:
    """Claims on the files of a folder of uploads; a file without a claim is deleted at its last release."""

    def __init__(self, folder: Callable[[], Path]):
        """Args: folder: where uploads lie, asked every time because a server may move it."""
        self._folder, self._lock = folder, threading.Lock()
        self._claims: dict[Path, set[str]] = {}

    def claim(self, clip: str) -> str:
        """Keep `clip` until the returned claim is released. Claims on files that are gone are forgotten."""
        token = uuid.uuid4().hex
        with self._lock:
            self._claims = {path: claims for path, claims in self._claims.items() if os.path.exists(path)}
            self._claims.setdefault(Path(clip).resolve(), set()).add(token)
        return token

    def release(self, clip: str, token: str) -> None:
        """Give a claim back, at most once; the last one deletes the file, if it is an upload, and its folder."""
        path = Path(clip).resolve()
        with self._lock:
            claims = self._claims.get(path, set())
            if token not in claims:
                return
            claims.discard(token)
            if claims:
                return
            del self._claims[path]
            if path.is_relative_to(self._folder()) and not path.is_dir():
                path.unlink(missing_ok=True)
                if path.parent.is_dir() and not any(path.parent.iterdir()):
                    path.parent.rmdir()
