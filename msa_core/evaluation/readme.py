"""TODO."""

from __future__ import annotations

from pathlib import Path

from msa_core import atomic
from msa_core.errors import MsaError


def has_block(readme: Path, block: str) -> bool:
    """True when the file has a place for the block."""
    return readme.is_file() and f"<!-- {block}:begin -->" in readme.read_text()


def insert(readme: Path, block: str, text: str) -> None:
    """Replace what stands between `<!-- BLOCK:begin -->` and `<!-- BLOCK:end -->`, so that no number is typed.

    Raises: MsaError when the file has no such block.
    """
    begin, end = f"<!-- {block}:begin -->", f"<!-- {block}:end -->"
    head, found, rest = readme.read_text().partition(begin) if readme.is_file() else ("", "", "")
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise MsaError(f"{readme.name} has no block {begin} .. {end}. Add the two lines, or leave --readme out.")
    atomic.write_text(readme, f"{head}{begin}\n{text}\n{end}{tail}")
