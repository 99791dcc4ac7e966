"""What the commands write: folders, text files, and tables in blocks of Markdown files."""

from __future__ import annotations

import os
import stat
import tempfile
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

from msa_core import atomic
from msa_core.errors import MsaError

FILES = ("json", "csv", "report", "svg")  # options of all commands that name a file to write
PRINTED = ("analyse", "compare")  # commands whose `--json -` goes to standard output
OTHER_FILES = {"analyse": "out", "extract": "table"}  # one more of these commands


def check(args: Namespace) -> None:
    """Check that files can be written, and that none is one that is read, or that another option writes.

    Raises: MsaError.
    """
    outputs = [n for n in (*FILES, OTHER_FILES.get(args.command)) if n and getattr(args, n, None) is not None]
    if args.command in PRINTED and args.json == "-":
        outputs.remove("json")
    if dashed := next((name for name in outputs if getattr(args, name) == "-"), None):
        raise MsaError(f"--{dashed} is '-', and this command writes it to a file only. Give --{dashed} a file.")
    for number, name in enumerate(outputs):
        given = {
            other: value
            for other, value in vars(args).items()
            if other != name and (other not in outputs or other in outputs[:number])
        }
        for other, value in given.items():
            for path in value if isinstance(value, list) else [value]:
                if isinstance(path, str) and _same(path, getattr(args, name), there=other not in outputs):
                    what = f"--{other} writes too" if other in outputs else "is read"
                    raise MsaError(f"--{name} is {getattr(args, name)!r}, which {what}. Give --{name} another file.")
    for name in outputs:
        if name in FILES:  # the tables of many clips make their folder
            _needs_place(getattr(args, name), f"--{name}")
    for page in getattr(args, "readme", ()):
        if not Path(page).is_file():
            raise MsaError(f"--readme is {page!r}, which is no file. Give a page that has a block for the table.")
        _needs_place(page, "--readme")


def _needs_place(path: str, option: str) -> None:
    """Check that a file that an option names can be written. Raises: MsaError naming the option."""
    try:
        target, kind, why = Path(os.path.realpath(path)), stat.S_IFREG, None
        with suppress(FileNotFoundError, NotADirectoryError):
            kind = stat.S_IFMT(target.stat().st_mode)
        if kind == stat.S_IFDIR:
            why = "it is a folder"
        elif not target.parent.is_dir():
            why = f"there is no folder {str(target.parent)!r}"
        elif kind == stat.S_IFREG:  # a device or a pipe is written in place, all else beside it first
            with tempfile.TemporaryFile(dir=target.parent):
                pass
    except OSError as e:
        why = e.strerror
    if why is not None:
        raise MsaError(f"Cannot write {path!r} ({why}). Give {option} a file in a folder that exists.")


def _same(one: str, other: str, there: bool) -> bool:
    """Tell whether two paths are one file; `there`: the first counts only as a file that exists."""
    try:
        if Path(one).is_file() and Path(other).is_file():
            return Path(one).samefile(other)
        return not there and Path(one).resolve() == Path(other).resolve()
    except (OSError, ValueError, RuntimeError):  # no path at all, or links in a circle
        return False


def folder(path: str, option: str = "--out") -> Path:
    """Make a folder to write to before any work is done. Raises: MsaError."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise MsaError(f"Cannot make the folder {path!r} ({e.strerror}). Give another {option}.") from e
    return Path(path)


def needs_blocks(args: Namespace, *blocks: str) -> None:
    """Check that the files of --readme have the blocks that will be written. Raises: MsaError."""
    from msa_core.evaluation.readme import around

    for file in args.readme:
        for block in blocks:
            around(Path(file), block)


def table(args: Namespace, block: str, text: str) -> None:
    """Print a table, then put it into its block of the files of --readme."""
    from msa_core.evaluation.readme import insert

    print(text)
    for file in args.readme:
        insert(Path(file), block, text)


def write(path: Path, text: str, option: str = "--json") -> None:
    """Write a text file that an option names. Raises: MsaError naming the option."""
    try:
        atomic.write_text(path, text)
    except OSError as e:
        why = f"Cannot write {str(path)!r} ({e.strerror})."
        raise MsaError(f"{why} Give {option} a file in a folder that exists.") from e
