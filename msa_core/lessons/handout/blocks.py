"""A short document as blocks, written as Markdown or as one HTML page for printing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from msa_core.tables import markdown_table

STYLE = """
@page { size: A4; margin: 15mm 16mm 16mm; }
body { font: 9.6pt/1.5 Sheet, sans-serif; color: #17191f; margin: 0; }
h1 { font-size: 19pt; line-height: 1.2; margin: 0 0 6pt; }
h2 { font-size: 13pt; margin: 15pt 0 4pt; break-after: avoid; }
h3 { font-size: 10.6pt; margin: 11pt 0 2pt; break-after: avoid; color: #5a43d0; }
p, ul, ol { margin: 3pt 0; }
ul, ol { padding-left: 15pt; } li { margin: 1.5pt 0; }
table { border-collapse: collapse; width: 100%; margin: 5pt 0; font-size: 8.8pt; }
tr { break-inside: avoid; }
th, td { border-bottom: .6pt solid #cfcfc7; padding: 3pt 6pt 3pt 0; text-align: left; vertical-align: top; }
th { font-weight: 650; }
td:first-child { white-space: nowrap; }
aside { border: 1.2pt solid #17191f; border-radius: 5pt; padding: 5pt 10pt; margin: 8pt 0; break-inside: avoid; }
aside b { display: block; }
"""


@dataclass(frozen=True)
class Heading:
    """level: 1 is the title."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Plain text; label: a bold word or two before it."""

    text: str
    label: str = ""


@dataclass(frozen=True)
class Points:
    """A list."""

    items: tuple[str, ...]
    numbered: bool = False


@dataclass(frozen=True)
class Box:
    """Points in a frame."""

    title: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """head and rows of plain texts."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Points | Box | Table


def markdown(blocks: Sequence[Block]) -> str:
    """The blocks as Markdown, ending with a line feed."""
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


def bold(blocks: Sequence[Block]) -> str:
    """All text that `page` sets in bold."""
    found = [b.text for b in blocks if isinstance(b, Heading)]
    found += [b.label for b in blocks if isinstance(b, Paragraph)]
    found += [b.title for b in blocks if isinstance(b, Box)]
    return "".join([*found, *("".join(b.head) for b in blocks if isinstance(b, Table))])


def page(blocks: Sequence[Block], language: str, fonts: str = "") -> str:
    """The blocks as one HTML page for printing; its title is the first heading. fonts: CSS of the family Sheet."""
    title = next(b.text for b in blocks if isinstance(b, Heading))
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{fonts}{STYLE}</style></head><body>{''.join(_html(b) for b in blocks)}</body></html>"
    )


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        label = f"<b>{escape(block.label)}</b> " if block.label else ""
        return f"<p>{label}{escape(block.text)}</p>"
    if isinstance(block, Table):
        head = "".join(f"<th>{escape(c)}</th>" for c in block.head)
        rows = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in line)}</tr>" for line in block.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    items = "".join(f"<li>{escape(item)}</li>" for item in block.items)
    if isinstance(block, Box):
        return f"<aside><b>{escape(block.title)}</b><ul>{items}</ul></aside>"
    return f"<ol>{items}</ol>" if block.numbered else f"<ul>{items}</ul>"
