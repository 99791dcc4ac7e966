"""Blocks of README and docs that are written from the code and from the evaluation files, never by hand.

`python tests/support/written_blocks.py` writes all of them anew; tests compare them.
"""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

from paths import ROOT

from msa_core.evaluation import likeness, markdown, readme
from msa_core.evaluation import results as evaluation_files
from msa_core.evaluation.real import seeds, tables

README, RESULTS, ARCHITECTURE = ROOT / "README.md", ROOT / "docs" / "results.md", ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "msa_core"


def modules() -> str:
    """Every module of the package with the first sentence of its docstring, as a Markdown table."""
    lines = ["| module | purpose |", "|---|---|"]
    for path in sorted(PACKAGE.rglob("*.py"), key=lambda p: (len(p.relative_to(PACKAGE).parts) > 1, str(p))):
        sentence = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].replace("\n", " ")
        lines.append(f"| `{path.relative_to(PACKAGE)}` | {sentence.replace('|', '/')} |")
    return "\n".join(lines)


def results() -> Iterator[tuple[Path, dict]]:
    """Every evaluation file with protocols, and what it says."""
    for path in sorted((ROOT / "checkpoints" / "evaluation").glob("*.json")):
        result = json.loads(path.read_text())
        if "protocols" in result:
            yield path, result


def blocks() -> Iterator[tuple[Path, str, str]]:
    """File, name and text of every block that stands in README or docs."""
    yield ARCHITECTURE, "modules", modules()
    if (real := evaluation_files.real()) is not None:
        yield RESULTS, "real", tables.markdown(real)
    yield (
        RESULTS,
        seeds.NAME,
        seeds.markdown(json.loads((evaluation_files.FOLDER / evaluation_files.SEEDS).read_text())),
    )
    for path in sorted((ROOT / "checkpoints" / "evaluation").glob(f"*-{likeness.NAME}.json")):
        yield RESULTS, path.stem, likeness.markdown(json.loads(path.read_text()))
    for _, result in results():
        for part, text in {"": markdown.headline(result), **markdown.parts(result)}.items():
            name = "-".join(filter(None, (result["corpus"], part)))
            yield from ((file, name, text) for file in (README, RESULTS) if readme.has_block(file, name))


if __name__ == "__main__":
    for file, name, text in blocks():
        readme.insert(file, name, text)
