"""Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(head: Sequence[str | None], rows: Iterable[Sequence[str | None]], rule: str = "---") -> str:
    """Write a Markdown table without a line feed at its end; a bar inside a cell becomes a slash.

    Args:
        head: names of the columns.
        rows: one cell a column; None is an empty cell of one space.
        rule: cell of the line below the head.

    >>> print(markdown_table(["pattern", "MAE"], [["text", "1.35"]]))
    | pattern | MAE |
    |---|---|
    | text | 1.35 |
    """
    return "\n".join([_line(head), f"|{'|'.join([rule] * len(head))}|", *map(_line, rows)])


def _line(cells: Sequence[str | None]) -> str:
    """Write one line of a table."""
    return "|" + "|".join(" " if cell is None else f" {cell.replace('|', '/')} " for cell in cells) + "|"
