"""A short document as blocks, written as Markdown or as one HTML page for printing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from msa_core.lessons.template import render
from msa_core.tables import markdown_table


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the title of the document."""

    kind: ClassVar = "heading"
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Plain text after an optional label, a bold word or two."""

    kind: ClassVar = "paragraph"
    text: str
    label: str = ""


@dataclass(frozen=True)
class Points:
    """A list, with bullets or numbers."""

    kind: ClassVar = "points"
    items: tuple[str, ...]
    numbered: bool = False


@dataclass(frozen=True)
class Box:
    """A titled list in a frame."""

    kind: ClassVar = "box"
    title: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of plain texts."""

    kind: ClassVar = "table"
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Points | Box | Table


def markdown(blocks: Sequence[Block]) -> str:
    """Write the blocks as Markdown that ends with a line feed."""
    return "\n\n".join(_markdown(b) for b in blocks) + "\n"


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {block.text}"
    if isinstance(block, Paragraph):
        return f"**{block.label}** {block.text}" if block.label else block.text
    if isinstance(block, Points):
        return "\n".join(f"{f'{i}.' if block.numbered else '-'} {item}" for i, item in enumerate(block.items, 1))
    if isinstance(block, Box):
        return "\n".join(f"> {line}" for line in (f"**{block.title}**", "", *(f"- {item}" for item in block.items)))
    return markdown_table(block.head, block.rows, rule=" --- ")


def page(blocks: Sequence[Block], language: str) -> str:
    """Write the blocks as one HTML page for printing, titled by the first heading."""
    title = next(b.text for b in blocks if isinstance(b, Heading))
    return render("handout.html", blocks=blocks, language=language, title=title)
