"""Cache of what large models made of a clip: one file for a clip's content and a part, named by everything in its key.

A part is read once for a content of the file, a model, its revision, layers and dtype, whatever set it belongs to.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from msa_core import atomic
from msa_core.errors import FeatureError
from msa_core.features.store import DAMAGE
from msa_core.schema import Stream


@dataclass(frozen=True)
class Part:
    """Stream of a clip with facts that JSON can hold."""

    stream: Stream
    facts: Mapping[str, Any] = field(default_factory=dict)


class Cache:
    """Folder of parts; without one everything is made anew."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def __call__(self, clip: str | None, key: str, make: Callable[[], Part]) -> Part:
        """Return a part of a clip, from the folder or made now and kept there.

        Args:
            clip: sha256 of the file; None makes the part and keeps nothing.
            key: of what makes it: model, revision, layers, dtype, and what it reads besides the clip.
            make: makes it.

        Raises:
            FeatureError: the folder cannot be written.
        """
        if self.folder is None or clip is None:
            return make()
        name = hashlib.sha256(f"{clip} {key}".encode()).hexdigest()
        path = self.folder / name[:2] / f"{name}.part.npz"
        known = _read(path)
        if known is not None:
            return known
        made = make()
        _write(path, made)
        return made


def _read(path: Path) -> Part | None:
    """Read a part; None when it is missing or damaged."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {k: stored[k] for k in stored.files}
        kept = json.loads(bytes(arrays["facts"]))
        if kept["reason"] is not None:
            return Part(Stream.absent(kept["reason"]), kept["facts"])
        return Part(Stream(arrays["values"], arrays["times_s"]), kept["facts"])
    except DAMAGE:
        return None


def _write(path: Path, part: Part) -> None:
    """Write a part. Raises: FeatureError."""
    stream = part.stream
    facts = json.dumps({"reason": stream.reason if stream.values is None else None, "facts": dict(part.facts)})
    arrays = {"facts": np.frombuffer(facts.encode(), np.uint8)}
    if stream.values is not None and stream.times_s is not None:
        arrays |= {"values": stream.values, "times_s": stream.times_s}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, buffer.getvalue())
    except OSError as e:
        raise FeatureError(f"Cannot write the cache {path.parent} ({e.strerror}). Give another --cache.") from e
