"""Uploaded files and the claims on them: identical uploads share one path, and the last visitor takes it away."""

from __future__ import annotations

import os
import re
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msa_core import checkpoint
from msa_core.degrade import Degradation
from msa_core.errors import MsaError
from msa_core.page import folders, preview

EXAMPLES = checkpoint.ROOT.parent / "examples"
ADDRESS = re.compile(r"\s*(//|[a-z][a-z0-9+.-]+:)", re.IGNORECASE)  # of another computer, or data itself
Claim = tuple[str, str]  # a file's path, and the token that keeps it


class Uploads:
    """Claims on the files of a folder of uploads; a file without a claim is deleted at its last release."""

    def __init__(self, folder: Callable[[], Path]):
        """Args: folder: where uploads lie, asked every time because a server may move it."""
        self.folder, self._lock = folder, threading.Lock()
        self._claims: dict[Path, set[str]] = {}
        self._receiving, self._emptied = 0, set[Path]()  # uploads that are coming in; folders left for when none is

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Hold the folders while an upload comes in: gradio finds one by the content, makes it, and then moves in."""
        with self._lock:
            self._receiving += 1
        try:
            yield
        finally:
            with self._lock:
                self._receiving -= 1
                if not self._receiving:
                    for folder in self._emptied:
                        _remove_empty(folder)
                    self._emptied.clear()

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
            if path.is_relative_to(self.folder()) and not path.is_dir():
                path.unlink(missing_ok=True)
                if self._receiving:
                    self._emptied.add(path.parent)
                else:
                    _remove_empty(path.parent)

    def release_all(self, claims: Iterable[Claim]) -> None:
        """Give several claims back."""
        for clip, token in claims:
            self.release(clip, token)

    def sweep(self, older_than_s: float) -> None:
        """Delete what lies unclaimed for longer: broken-off uploads, clips that nobody analysed, empty folders.

        Only in a folder of this process alone (`folders.is_own`): in another one there may be files of others.
        """
        with self._lock:
            claimed = {path for path, claims in self._claims.items() if claims}
            _delete(self.folder(), claimed, time.time() - older_than_s, empty=not self._receiving)

    def clear(self) -> None:
        """Delete everything, claimed or not, of a folder of this process alone: the server ends."""
        with self._lock:
            self._claims.clear()
            _delete(self.folder(), set(), float("inf"))

    def check(self, clip: str) -> str:
        """Return the path when it is an upload or an example. Raises: MsaError for any other file of this computer."""
        path = Path(clip).resolve()
        if not any(path.is_relative_to(folder) for folder in (self.folder(), EXAMPLES)):
            raise MsaError("{name} was not uploaded here. Upload it first.", name=path.name)
        return clip

    def playable(self, clip: str, degradation: Degradation | None) -> str:
        """Return a file that the browser can show.

        It is the clip, a copy beside it, or what the models got when it was degraded. Raises: MediaError.
        """
        if degradation is not None and not degradation.none:
            folder = Path(tempfile.mkdtemp(dir=self.folder()))
            try:
                return str(preview.degraded_copy(clip, degradation, folder))
            except MsaError:
                folder.rmdir()
                raise
        return clip if Path(clip).is_relative_to(EXAMPLES) else str(preview.browser_copy(clip, Path(clip).parent))


def _delete(folder: Path, kept: set[Path], before: float, empty: bool = True) -> None:
    """Delete the files under an own folder that were last changed before a time, then the folders that are empty.

    Args: empty: False leaves the folders.
    """
    if not folders.is_own(folder):
        return
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder comes before it
        try:
            if path in kept or path.lstat().st_mtime >= before:
                continue
            if path.is_dir() and not path.is_symlink():
                if empty:
                    path.rmdir()
            else:
                path.unlink()
        except OSError:  # not empty, or gone meanwhile
            continue


def _remove_empty(folder: Path) -> None:
    """Delete a folder if nothing is in it."""
    with suppress(OSError):
        folder.rmdir()


def has_address(value: Any) -> bool:
    """Return whether a value from outside names a file by an address, such as http://.., anywhere in it."""
    if isinstance(value, dict):
        return ADDRESS.match(str(value.get("path"))) is not None or any(map(has_address, value.values()))
    return isinstance(value, list | tuple) and any(map(has_address, value))


def is_file(clip: Any) -> bool:
    """Return whether a value from outside has the form of an uploaded file."""
    return isinstance(clip, dict) and isinstance(clip.get("path"), str) and "\0" not in clip["path"]
