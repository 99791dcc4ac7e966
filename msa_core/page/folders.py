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
OWN = "missing-modality-lab-uploads-"  # beginning of the names of such folders


def ensure() -> None:
    """Set HOME if there is none, and GRADIO_TEMP_DIR to a folder of this process alone; before gradio is imported.

    It lies in the GRADIO_TEMP_DIR that is set already, or else in the system's folder for temporary files. What an
    earlier process that was killed has left there is deleted.
    """
    if os.environ.get("HOME") == "" or not _ours(Path(os.path.expanduser("~"))):
        os.environ["HOME"] = tempfile.mkdtemp(prefix="missing-modality-lab-")
    place = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())
    if not is_own(place):
        os.environ["GRADIO_TEMP_DIR"] = str(_own_uploads(place))


def is_own(folder: Path) -> bool:
    """Tell whether a folder was made for the uploads of one process, so that everything in it may be deleted."""
    return any(part.name.startswith(OWN) for part in (folder, folder.parent))


def end_on_sigterm() -> None:
    """End as on Ctrl-C when the system asks for it, so that nothing of a visitor stays."""

    def end(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)


def _own_uploads(folder: Path) -> Path:
    """Make a folder for the uploads of this process that only its user may read; delete those of dead processes."""
    around = folder / f"{OWN}{getattr(os, 'getuid', lambda: 0)()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        around.mkdir(mode=0o700, exist_ok=True)
        if around.is_symlink() or (hasattr(os, "getuid") and around.stat().st_uid != os.getuid()):
            raise PermissionError(around)  # someone else's
        for left in around.iterdir():
            if _dead(left):
                shutil.rmtree(left, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=around))
    except OSError:
        return Path(tempfile.mkdtemp(prefix=OWN))


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
