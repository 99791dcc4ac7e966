"""The teacher's sheet: its plan, its Markdown, and the PDF printed from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from msa_core.errors import MsaError
from msa_core.i18n import LANGUAGES, use
from msa_core.lessons import LESSONS
from msa_core.lessons.handout import content, printing, sheet
from msa_core.lessons.handout.blocks import Box, Heading, Paragraph, Points, Table, markdown, page
from msa_core.lessons.handout.notes import notes
from msa_core.schema import Utterance


def test_the_plan_is_45_minutes_and_has_every_lesson() -> None:
    assert content.minutes() == 45 and set(notes()) == {lesson.name for lesson in LESSONS}
    rows = content.plan().rows
    assert rows[0][0].startswith("0–") and rows[-1][0].endswith("–45") and len(rows) == len(LESSONS) + 2


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sheet_is_what_the_command_writes(language: str, analyser: Any, read: Mapping[str, Utterance]) -> None:
    """No number in it is typed; its PDF was printed from it."""
    with use(language):
        text = markdown(content.build(analyser, read))
    shipped = sheet.path(language, "md").read_text(encoding="utf-8")
    assert shipped == text, "run python -m msa_core sheet"
    printed = sheet.path(language, "pdf").read_bytes()
    assert printed.endswith(sheet.HASH + sheet.digest(shipped) + b"\n"), "run python -m msa_core sheet"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pdf_is_a_readable_pdf_of_its_title(language: str) -> None:
    printed = sheet.path(language, "pdf").read_bytes()
    assert printed.startswith(b"%PDF-") and len(printed) < 300_000
    place = int(re.findall(rb"startxref\s+(\d+)\s+%%EOF", printed)[-1])
    assert printed[place : place + 4] == b"xref"
    objects = int(re.search(rb"/Size (\d+)", printed[place:])[1])  # type: ignore[index]
    offsets = re.findall(rb"(\d{10}) \d{5} n", printed[place:])
    assert len(offsets) == objects - 1 and all(re.match(rb"\d+ 0 obj", printed[int(o) : int(o) + 12]) for o in offsets)
    assert 2 <= int(re.search(rb"/Type /Pages\s*/Count (\d+)", printed)[1]) <= 8  # type: ignore[index]
    title = sheet.path(language, "md").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    assert title.encode("utf-16-be").hex().encode() in printed.lower() or title.encode() in printed
    assert b"/FontFile2" in printed, "no font is embedded"


def test_blocks_as_markdown_and_as_html() -> None:
    blocks = [
        Heading("A & B", 1),
        Paragraph("text", "Bold."),
        Points(("one", "two"), numbered=True),
        Box("Box", ("point",)),
        Table(("a", "b"), (("1", "2|3"),)),
    ]
    expected = "# A & B\n\n**Bold.** text\n\n1. one\n2. two\n\n> **Box**\n> \n> - point\n\n"
    assert markdown(blocks) == expected + "| a | b |\n| --- | --- |\n| 1 | 2/3 |\n"
    html = page(blocks, "en")
    assert "<title>A &amp; B</title>" in html and "<ol><li>one</li><li>two</li></ol>" in html
    assert "<td>2|3</td>" in html and '<html lang="en">' in html


def test_sheet_without_chromium_says_so(
    analyser: Any, read: Mapping[str, Utterance], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet.Analyser, "load", lambda device=None: analyser)
    monkeypatch.setattr(sheet, "utterances", lambda a: read)
    monkeypatch.setattr(sheet, "build", lambda a, r: [Heading("Title", 1)])
    monkeypatch.setattr(printing.shutil, "which", lambda name: None)
    lines = list(sheet.command(tmp_path))
    assert sum("No Chromium" in line for line in lines) == 1
    assert {p.suffix for p in tmp_path.iterdir()} == {".md"}


def test_a_browser_that_prints_nothing_is_an_error() -> None:
    with pytest.raises(MsaError, match="printed nothing"):
        printing.pdf("<p>x</p>", "/bin/true")
