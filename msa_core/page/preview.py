"""Copies of clips that a browser can show: recordings get a duration, foreign codecs become h264 with AAC.

They are written by a process that reads media, to a temporary name that this one renames or deletes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msa_core import atomic, media
from msa_core.config import MediaLimits
from msa_core.degrade import Degradation
from msa_core.errors import MediaError
from msa_core.media import process
from msa_core.media.child import Request
from msa_core.media.paths import absolute, unwritten

LIMITS = MediaLimits()


def browser_copy(path: str | Path, out_dir: str | Path) -> Path:
    """Return a file that a browser plays with a time line: `path` itself when it does, else a copy in `out_dir`.

    The copy has the tracks that the analysis reads, and its time 0 is the analysis's. A recording without duration is
    rewritten; HEVC, AVI and the like become h264 with AAC, longer side 640.
    Raises: MediaError when it cannot be read or written; no partial file is left.
    """
    path = media.check_file(path, LIMITS)
    kind = _copies("kind_of_copy", path)
    if kind is None:
        return path
    out = Path(out_dir) / f"{path.stem}-preview.{kind or 'mp4'}"
    if kind:
        try:
            return _written("remux", path, out)
        except MediaError:  # damaged packets do not fit another container: decode them
            pass
    return _written("encode", path, out.with_suffix(".mp4"))


def degraded_copy(path: str | Path, degradation: Degradation, out: str | Path) -> Path:
    """Encode what the models get of a degraded clip as h264 and AAC into the folder `out`, and nowhere else.

    Returns: the mp4, named after the clip and the degradation.

    Raises: MediaError; no partial file is left.
    """
    path = Path(path)
    media.probe(path, LIMITS)  # before there is a folder
    name = f"{path.stem}-blur{1000 * degradation.blur:.0f}"
    name += "" if degradation.noise_db is None else f"-noise{degradation.noise_db:g}"
    return _written("encode", path, Path(out) / f"{name}.mp4", degradation.picture, degradation.sound)


def _written(function: str, path: Path, out: Path, *values: Any) -> Path:
    """Have a copy written to `out`, complete in the end or not there. Raises: MediaError naming `path`."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replaced_file(out) as part:
            _copies(function, path, absolute(part), *values)
    except OSError as e:
        raise unwritten(path, out.suffix[1:], e) from e
    return out


def _copies(function: str, path: Path, *values: Any) -> Any:
    """Have a function of `media.copies` called. Raises: MediaError."""
    name, asked = f"msa_core.media.copies:{function}", (*values[:1], LIMITS, *values[1:])
    return process.call(Request(name, absolute(path), asked, LIMITS, LIMITS.max_decoding_s))
