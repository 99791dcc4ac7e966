"""Media files before anything opens them: their suffixes, their names in sentences, and the check of a file."""

from __future__ import annotations

import os
import re
from pathlib import Path

from msa_core.config import MediaLimits
from msa_core.errors import MediaError

SUFFIXES = (
    ".mp4 .m4v .mov .qt .mkv .webm .avi .wmv .asf .flv .f4v .mpg .mpeg .vob .ts .mts .m2ts .3gp .3g2 .ogv .gif".split()
    + ".wav .mp3 .m4a .m4b .aac .flac .ogg .oga .opus .wma .aiff .aif .caf .amr .mka .weba .mp2 .spx .w64".split()
)
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/+[^/]", re.IGNORECASE)
NO_CLIPS = ".npz .csv .tsv .json .jsonl .parquet .txt .md .srt .vtt".split()  # files that stand beside clips
SUPPORTED = "Give a video (mp4, mov, mkv, webm, avi) or a sound file (wav, mp3, m4a, flac, ogg)."


def files(folder: str | Path) -> list[Path]:
    """List the media files under a folder, by suffix, sorted. Raises: MediaError when there is none."""
    folder = Path(folder)
    named = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    found = sorted(p for p in named if p.is_file())
    if not found:
        raise MediaError(
            "There is no clip in the folder {name}. Give a folder with files such as .mp4 or .wav.",
            name=label(folder),
        )
    return found


def passed_over(folder: str | Path) -> list[str]:
    """List the files under a folder that may be clips although their suffix is none of one, sorted."""
    folder, known = Path(folder), {*SUFFIXES, *NO_CLIPS}
    named = (p for p in folder.rglob("*") if p.suffix.lower() not in known and not p.name.startswith("."))
    return sorted(str(p.relative_to(folder)) for p in named if p.is_file())


def label(path: Path) -> str:
    """Shorten the file's name for one line of an error message."""
    return _in_a_line(path.name)


def _in_a_line(name: str) -> str:
    name = "".join(c if c.isprintable() else "?" for c in name)
    return name if len(name) <= 80 else f"{name[:60]}...{name[-15:]}"


def check_name(path: str | Path) -> None:
    """Check that a clip is named by a path, as it was given. Raises: MediaError for an address or an empty name."""
    given = str(path)
    if path == "":
        raise MediaError("The name of the clip is empty. Give the path of a file.")
    if ADDRESS.match(given) and not os.path.exists(given):  # of any length
        name = _in_a_line(given)
        raise MediaError("{name} is an address. Addresses are not opened: download the clip first.", name=name)


def check_file(path: str | Path, limits: MediaLimits) -> Path:
    """Return the path of an ordinary file of an acceptable size. Raises: MediaError."""
    path = Path(path)
    name = label(path)
    try:
        if path.is_dir():
            raise MediaError(
                "{name} is a folder. Give one clip, or use 'python -m msa_core extract FOLDER'.", name=name
            )
        there = path.is_symlink() or path.exists()
        if there and not path.is_file():
            raise MediaError("{name} is not an ordinary file. Give a clip that is stored in a file.", name=name)
        if not path.is_file():
            raise MediaError("There is no file {name}. Check its path and name.", name=name)
        size = path.stat().st_size
        with open(path, "rb") as f:
            head = f.read(16)
    except (OSError, ValueError) as e:
        why = getattr(e, "strerror", None) or str(e)
        raise MediaError("{name} cannot be read ({why}). Check its path and rights.", name=name, why=why) from e
    if size == 0:
        raise MediaError("{name} is empty (0 bytes). Record or export the clip again.", name=name)
    if size > limits.max_bytes:
        raise MediaError(
            "{name} has {size:.1f} MB; the limit is {limit:.0f} MB. Shorten it or export it smaller.",
            name=name,
            size=size / 2**20,
            limit=limits.max_bytes / 2**20,
        )
    still = head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"BM")) or head[8:12] in (b"WEBP", b"heic", b"mif1", b"avif")
    if still:
        raise MediaError("{name} is a still image, not a clip. {supported}", name=name, supported=SUPPORTED)
    return path


def unwritten(path: Path, kind: str, error: Exception) -> MediaError:
    """Make the error of a copy that could not be written as a kind of file."""
    why = getattr(error, "strerror", None) or type(error).__name__
    return MediaError(
        "{name} cannot be rewritten as {kind} ({why}). Export it as mp4.", name=label(path), kind=kind, why=why
    )


def absolute(path: str | Path) -> Path:
    """Return a path that does not depend on the folder of a process."""
    path = Path(path)
    try:
        return path.absolute()
    except OSError:  # the folder of this process is gone
        return path
