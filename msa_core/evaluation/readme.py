"""Insert tables into a page of Markdown, between `<!-- BLOCK:begin -->` and `<!-- BLOCK:end -->`."""

from __future__ import annotations

from pathlib import Path

from msa_core import atomic
from msa_core.errors import MsaError


def has_block(page: Path, block: str) -> bool:
    """Check whether a page has a place for the block."""
    return page.is_file() and f"<!-- {block}:begin -->" in page.read_text()


def around(page: Path, block: str) -> tuple[str, str]:
    """Return what stands before and after the text of a block.

    Raises: MsaError when the page has no such block.
    """
    begin, end = f"<!-- {block}:begin -->", f"<!-- {block}:end -->"
    head, found, rest = page.read_text().partition(begin) if page.is_file() else ("", "", "")
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise MsaError(f"{page.name} has no block {begin} .. {end}. Add the two lines, or leave --readme out.")
    return head + begin, end + tail


def insert(page: Path, block: str, text: str) -> None:
    """Replace the text of a block, so that no number is typed.

    Raises: MsaError when the page has no such block.
    """
    head, tail = around(page, block)
    atomic.write_text(page, f"{head}\n{text}\n{tail}")
