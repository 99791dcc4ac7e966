"""Write the teacher's sheet in every language: Markdown, and a PDF printed from it.

A PDF ends with the hash of the Markdown that it was printed from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from msa_core import config
from msa_core.errors import MsaError
from msa_core.i18n import ENGLISH, LANGUAGES, use
from msa_core.lessons.handout.blocks import Block, markdown, page
from msa_core.lessons.handout.content import CLIPS, build
from msa_core.lessons.handout.printing import chromium, pdf
from msa_core.predict import Analyser
from msa_core.schema import Utterance

FOLDER = config.shipped("examples") / "teaching"
NAME = "teachers-sheet"
HASH = b"%sheet "  # before the hash at the end of a PDF


def path(language: str, ending: str, folder: Path = FOLDER) -> Path:
    """Name the file of a language's sheet.

    Args:
        language: a key of LANGUAGES.
        ending: "md" or "pdf".
        folder: where the sheets lie.
    """
    return folder / f"{NAME}{'' if language == ENGLISH else f'.{language}'}.{ending}"


def command(folder: Path = FOLDER, device: str | None = None) -> Iterator[str]:
    """Write the sheets and yield a line for each file; without Chromium, write only the Markdown.

    Raises: MsaError when the example clips or the folder cannot be used.
    """
    analyser = Analyser.load(device)
    clips = utterances(analyser)
    folder.mkdir(parents=True, exist_ok=True)
    browser = chromium()
    for language in LANGUAGES:
        with use(language):
            blocks = build(analyser, clips)
        text = markdown(blocks)
        path(language, "md", folder).write_text(text, encoding="utf-8")
        yield str(path(language, "md", folder))
        if browser is not None:
            yield _print(blocks, language, browser, path(language, "pdf", folder))
    if browser is None:
        yield "No Chromium was found, so no PDF was printed. Install Chromium or set CHROMIUM."


def _print(blocks: list[Block], language: str, browser: str, target: Path) -> str:
    """Print one sheet and return the line about it."""
    try:
        printed = pdf(page(blocks, language), browser)
    except MsaError as e:
        return f"The PDF was left as it is: {e}"
    target.write_bytes(printed + HASH + digest(markdown(blocks)) + b"\n")
    return str(target)


def utterances(analyser: Analyser) -> dict[str, Utterance]:
    """Read the shipped clips.

    Raises: MsaError when one cannot be read.
    """
    return {name: analyser.extract(FOLDER.parent / name) for name in CLIPS}


def digest(text: str) -> bytes:
    """Hash the Markdown for the end of its PDF."""
    return hashlib.sha256(text.encode()).hexdigest().encode()
