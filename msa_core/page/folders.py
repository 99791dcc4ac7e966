"""Folders that may be written to, for a user without a home: a container that starts as any user gives none."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def ensure() -> None:
    """Set HOME and GRADIO_TEMP_DIR where the ones of the system are missing or not ours; before gradio is imported."""
    if os.environ.get("HOME") == "" or not _ours(Path(os.path.expanduser("~"))):
        os.environ["HOME"] = tempfile.mkdtemp(prefix="missing-modality-lab-")
    uploads = Path(tempfile.gettempdir()) / "gradio"
    if "GRADIO_TEMP_DIR" not in os.environ and uploads.exists() and not _ours(uploads):
        os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="gradio-")


def _ours(folder: Path) -> bool:
    """Return whether a folder is there and this process may write to it; "~" is what a user without a home gets."""
    return folder.is_absolute() and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
