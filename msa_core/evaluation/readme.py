"""Insert tables into a page of Markdown, between `<!-- BLOCK:begin -->` and `<!-- BLOCK:end -->`."""

from __future__ import annotations

from pathlib import Path

from msa_core import atomic
from msa_core.errors import MsaError


def has_block(page: Path, block: str) -> bool:
    """Check whether a page has a place for the block. Raises: MsaError when it cannot be read."""
    return f"<!-- {block}:begin -->" in _text(page)


def _text(page: Path) -> str:
    """Read a page; one that is not there is empty. Raises: MsaError when it is no text in UTF-8."""
    try:
        return page.read_text("utf-8") if page.is_file() else ""
    except (OSError, UnicodeDecodeError) as e:
        raise MsaError(f"Cannot read the page {page.name} ({e}). Give a page in UTF-8.") from e


def around(page: Path, block: str) -> tuple[str, str]:
    """Return what stands before and after the text of a block.

    Raises: MsaError when the page has no such block, or cannot be read.
    """
    begin, end = f"<!-- {block}:begin -->", f"<!-- {block}:end -->"
    head, found, rest = _text(page).partition(begin)
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
