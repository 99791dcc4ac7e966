"""Cache of slow results on disk, under a hash of their inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from msa_core import atomic

CountProgress = Callable[[str, int, int], None]  # what, done, of


def digest(*parts: object) -> str:
    """Hash `parts` to 24 hex digits, arrays by content."""
    found = hashlib.sha256()
    for part in parts:
        found.update(np.ascontiguousarray(part).tobytes() if isinstance(part, np.ndarray) else str(part).encode())
        found.update(b"\x00")
    return found.hexdigest()[:24]


def cached(path: Path, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Load the arrays in `path` (npz); compute and store them atomically when it does not exist."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = compute()
        with atomic.replaced_file(path) as part:
            np.savez(part, **arrays)  # type: ignore[arg-type]
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def quiet(what: str, done: int, of: int) -> None:
    """Report nothing."""
