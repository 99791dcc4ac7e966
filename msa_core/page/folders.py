"""Folders that may be written to, for a user without a home: a container that starts as any user gives none."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

DAY_S = 86_400


def ensure() -> None:
    """Set HOME if there is none, and GRADIO_TEMP_DIR to a folder of this process alone; before gradio is imported.

    What an earlier process that was killed has left is deleted. A GRADIO_TEMP_DIR that is set already stays.
    """
    if os.environ.get("HOME") == "" or not _ours(Path(os.path.expanduser("~"))):
        os.environ["HOME"] = tempfile.mkdtemp(prefix="missing-modality-lab-")
    if "GRADIO_TEMP_DIR" not in os.environ:
        os.environ["GRADIO_TEMP_DIR"] = str(_own_uploads(Path(tempfile.gettempdir())))


def end_on_sigterm() -> None:
    """End as on Ctrl-C when the system asks for it, so that nothing of a visitor stays."""

    def end(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)


def _own_uploads(folder: Path) -> Path:
    """Make a folder for the uploads of this process that only its user may read; delete those of dead processes."""
    around = folder / f"missing-modality-lab-uploads-{getattr(os, 'getuid', lambda: 0)()}"
    try:
        around.mkdir(mode=0o700, exist_ok=True)
        if around.is_symlink() or (hasattr(os, "getuid") and around.stat().st_uid != os.getuid()):
            raise PermissionError(around)  # someone else's
        for left in around.iterdir():
            if _dead(left):
                shutil.rmtree(left, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=around))
    except OSError:
        return Path(tempfile.mkdtemp(prefix="missing-modality-lab-uploads-"))


def _dead(uploads: Path) -> bool:
    """Return whether the process that made a folder of uploads is gone; where nothing tells, after a day."""
    pid = uploads.name.partition("-")[0]
    if os.name == "posix" and pid.isdecimal():
        try:
            os.kill(int(pid), 0)
        except (ProcessLookupError, OverflowError):
            return True
        except PermissionError:
            return False
        if int(pid) == os.getpid():
            return True  # of an earlier process with our number
    return time.time() - uploads.stat().st_mtime > DAY_S


def _ours(folder: Path) -> bool:
    """Return whether a folder is there and this process may write to it; "~" is what a user without a home gets."""
    return folder.is_absolute() and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
