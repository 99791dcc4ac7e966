"""Tables: Markdown to write, CSV that people give to read."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TextIO

from msa_core.errors import MsaError, shortened

Row = dict[str, str]
SHOWN = 200  # characters of a line in a message


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
    """Read the rows of a CSV table, each with the number of the line where it begins.

    Args:
        path: of a file in UTF-8, with or without a byte order mark.
        columns: that it must have; others come along.
        called: the table's name in messages; "" takes that of the file.

    Returns:
        Cells by column, without the blanks around them; empty where a line is short.

    Raises:
        MsaError: it cannot be read, lacks a column or has one twice, has no rows, or a line has more cells than
            columns.
    """
    called = called or path.name
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = _numbered(file, called)
    except (OSError, UnicodeDecodeError) as e:
        raise MsaError(f"Cannot read the table {called} ({e}). Give a CSV in UTF-8.") from e
    head, rows = (lines[0][1], lines[1:]) if lines else ([], [])
    twice = [c for c, times in Counter(head).items() if c and times > 1]
    if twice:
        raise MsaError(f"{called} has the column {twice[0]!r} more than once. Keep one of them.")
    found = [c for c in head if c] if rows else []
    lost = [c for c in columns if c not in found]
    if lost:
        there = ", ".join(map(repr, found)) or "no rows"
        raise MsaError(f"{called} has no column {lost[0]!r} but {there}. Give the columns {', '.join(columns)}.")
    for number, cells in rows:
        if len(cells) > len(head):
            seen = shortened(", ".join(map(repr, cells)), SHOWN)
            raise MsaError(
                f"{called}, line {number}: {len(cells)} cells for {len(head)} columns: {seen}. Put a cell that has "
                'a comma in it in quotes, "like, this", and write numbers with a point, 0.5.'
            )
    return [(n, {k: v for k, v in zip_longest(head, cells, fillvalue="") if k}) for n, cells in rows]


def _numbered(file: TextIO, called: str) -> list[tuple[int, list[str]]]:
    """List the lines that are not empty, without empty cells at their end, by the number where each begins.

    Raises: MsaError for quotes that nothing closes, or with text behind them, which would swallow lines.
    """
    reader = csv.reader(file, strict=True)
    found: list[tuple[int, list[str]]] = []
    start = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return found
        except csv.Error as e:
            raise MsaError(
                f"{called}, line {start}: the cells cannot be told apart ({e}). Put a cell in quotes as a whole, and "
                'double the quotes in it: "he said ""no"", twice".'
            ) from e
        cells = [cell.strip() for cell in row] if found else row
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            found.append((start, cells))
        start = reader.line_num + 1


def names_file(path: Path) -> bool:
    """Tell whether a path from a table is a file; one that no file can have, such as a long one, is none."""
    try:
        return path.is_file()
    except OSError:
        return False
