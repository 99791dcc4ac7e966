"""Tables: Markdown to write, CSV that people give to read."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from msa_core.errors import MsaError

Row = dict[str, str]


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


def read_csv(path: Path, columns: Sequence[str], called: str = "") -> list[tuple[int, Row]]:
    """Read the rows of a CSV table, each with its line number.

    Args:
        path: of a file in UTF-8, with or without a byte order mark.
        columns: that it must have; others come along.
        called: the table's name in messages; "" takes that of the file.

    Returns:
        Cells by column, without the blanks around them; empty where a line is short.

    Raises:
        MsaError: it cannot be read, lacks a column or has one twice, or has no rows.
    """
    called = called or path.name
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            head, rows = Counter(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise MsaError(f"Cannot read the table {called} ({e}). Give a CSV in UTF-8.") from e
    twice = [c for c, times in head.items() if c and times > 1]
    if twice:
        raise MsaError(f"{called} has the column {twice[0]!r} more than once. Keep one of them.")
    found = [c for c in (rows[0] if rows else {}) if c]
    lost = [c for c in columns if c not in found]
    if lost:
        there = ", ".join(map(repr, found)) or "no rows"
        raise MsaError(f"{called} has no column {lost[0]!r} but {there}. Give the columns {', '.join(columns)}.")
    cells = [{k: (v or "").strip() for k, v in row.items() if k and not isinstance(v, list)} for row in rows]
    return list(enumerate(cells, start=2))
