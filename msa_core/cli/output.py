"""What the commands write: folders, text files, and tables in blocks of Markdown files."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from msa_core import atomic
from msa_core.errors import MsaError


def folder(path: str, option: str = "--out") -> Path:
    """Make a folder to write to before any work is done. Raises: MsaError."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise MsaError(f"Cannot make the folder {path!r} ({e.strerror}). Give another {option}.") from e
    return Path(path)


def table(args: Namespace, block: str, text: str) -> None:
    """Put a table into its block of the files of --readme, then print it."""
    from msa_core.evaluation.readme import insert

    for file in args.readme:
        insert(Path(file), block, text)
    print(text)


def write(path: Path, text: str, option: str = "--json") -> None:
    """Write a text file that an option names. Raises: MsaError naming the option."""
    try:
        atomic.write_text(path, text)
    except OSError as e:
        why = f"Cannot write {str(path)!r} ({e.strerror})."
        raise MsaError(f"{why} Give {option} a file in a folder that exists.") from e
