"""Atomic writes: a file or a folder is replaced whole, or what stood there stays and nothing is left beside it."""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PART = re.compile(r"\.part-[0-9a-f]{12}(\..{0,15})?")
STALE_S = 86_400.0  # a part that nothing has changed for so long belongs to a process that was killed
_swept: set[Path] = set()


def write_text(path: str | Path, text: str) -> None:
    """Write a file of UTF-8 text, line ends as given.

    Raises:
        OSError: as `replaced_file`.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file.

    Raises:
        OSError: as `replaced_file`.
    """
    with replaced_file(path) as part:
        part.write_bytes(data)


@contextmanager
def replaced_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` with the same suffix; rename it to `path` at the end.

    A link is followed. A file that is replaced hands its mode on. A device or a pipe is written in place.

    Raises:
        OSError: nothing can be written there; the folder must exist.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        yield target
        return
    part = _beside(target)
    try:
        yield part
        if target.exists():
            shutil.copymode(target, part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replaced_folder(folder: str | Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `folder`; rename it to `folder` at the end, readable by everyone.

    Raises:
        OSError: nothing can be written there; the folder around it must exist.
    """
    target = Path(folder)
    part, old = _beside(target), _beside(target)
    part.mkdir(mode=0o700)
    try:
        yield part
        part.chmod(0o755)
        if not target.exists():
            os.replace(part, target)
            return
        os.replace(target, old)
        try:
            os.replace(part, target)
        except BaseException:
            os.replace(old, target)
            raise
        _remove(old)
    finally:
        _remove(part)


def _beside(path: Path) -> Path:
    """Make a free hidden name in the folder of `path`, short however long its name is."""
    if path.parent not in _swept:
        _swept.add(path.parent)
        _sweep(path.parent)
    return path.with_name(f".part-{uuid.uuid4().hex[:12]}{path.suffix[:16]}")


def _sweep(folder: Path) -> None:
    """Delete what processes that were killed have left half written in a folder."""
    for part in folder.iterdir() if folder.is_dir() else ():
        try:
            if PART.fullmatch(part.name) and time.time() - part.lstat().st_mtime > STALE_S:
                _remove(part)
        except OSError:  # gone meanwhile, or not ours
            continue


def _remove(path: Path) -> None:
    """Delete a folder or a file that may be there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
