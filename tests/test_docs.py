"""README and docs: their size, links, commands, snippets, and the blocks that commands write."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import written_blocks
from paths import ROOT

from msa_core.__main__ import main
from msa_core.cli.parser import parser
from msa_core.evaluation import curve_svg, markdown
from msa_core.evaluation.benchmark import PARTS

README = ROOT / "README.md"
LEADING = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
SPEECH, SECURITY, PERFORMANCE = (ROOT / "docs" / f"{name}.md" for name in ("speech", "security", "performance"))
PAGES = [*LEADING, *sorted((ROOT / "examples").glob("README*.md"))]
MAX_README_BYTES = 6000
WITHOUT_DATA = ("analyse", "compare", "checkpoints")  # commands that run on what the repository holds


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def fences(path: Path, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.S | re.M)


def prose(path: Path) -> str:
    """The text without code blocks and without code in a line."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", path.read_text(), flags=re.S | re.M))


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub forms them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", path.read_text(), flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_readme_is_short():
    assert len(README.read_bytes()) <= MAX_README_BYTES


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"\w+:", target):
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        assert place.exists() and place.is_relative_to(ROOT), f"{name(path)} links to {target}, which is not there"
        assert not anchor or anchor in anchors(place), f"{name(path)} links to {target}, which has no such heading"


@pytest.mark.parametrize("path", [*PAGES, *sorted((ROOT / "checkpoints").rglob("*.md"))], ids=name)
def test_every_line_of_a_table_has_a_cell_for_each_column(path):
    for table in re.findall(r"(?:^\|.*\n)+", f"{path.read_text()}\n", re.M):
        cells = [len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()]
        assert len(set(cells)) == 1, f"{name(path)}: {table.splitlines()[0]}"


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text()
    pages = {p.name for p in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert pages == set(re.findall(r"^\| \[[^]]+\]\(([\w-]+\.md)\)", index, re.M))


def test_readme_commands_are_the_commands():
    text = README.read_text()
    app = re.search(r"<!-- app command -->\n```bash\n(.+?)\n```", text, re.S)
    test = re.search(r"<!-- test command -->\n```bash\n(.+?)\n```", text, re.S)
    assert app and app[1].endswith("app.py") and "requirements.txt" in app[1]
    assert test and test[1].endswith("pytest -n auto") and "requirements.txt" in test[1]


def command_lines() -> list[str]:
    """The arguments of every line of README and docs that starts the command line, each once."""
    text = "\n".join(block for path in LEADING for block in fences(path, "bash"))
    start = r"^\.venv/bin/(?:python|torchrun .+|accelerate .+) -m msa_core (.+)$"
    return list(dict.fromkeys(re.findall(start, text, re.M)))


def test_there_are_command_lines():
    lines = command_lines()
    assert len(lines) > 25 and {line.split()[0] for line in lines} >= {*WITHOUT_DATA, "study", "evaluate", "import"}


@pytest.mark.parametrize("line", command_lines())
def test_command_lines_are_understood(line):
    assert callable(parser().parse_args(shlex.split(line)).run)


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [c for c in command_lines() if c.startswith(WITHOUT_DATA) and not re.search("--readme|gated_mean|--out|CLIP", c)],
)
def test_command_lines_run(line, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(shlex.split(line)) == 0 and capsys.readouterr().out


def snippets() -> list[tuple[str, str]]:
    """Page and text of every Python snippet."""
    return [(name(path), text) for path in LEADING for text in fences(path, "python")]


def test_snippets_name_what_exists():
    """Every import of a snippet works."""
    assert snippets()
    for page, text in snippets():
        imports = [node for node in ast.parse(text, page).body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), page, "exec"), {})


@pytest.mark.slow
@pytest.mark.parametrize(
    "page,text", [s for s in snippets() if not re.search("gradio_client|@register|save_pretrained", s[1])]
)
def test_snippets_run(page, text, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    exec(compile(text, page, "exec"), {"__name__": "__main__"})
    assert "missing_model_left" in capsys.readouterr().out


def test_readme_tree_is_there():
    """Every path of the tree exists, and no folder of the package is left out."""
    tree = re.search(r"<!-- file tree -->\n```\n(.+?)\n```", README.read_text(), re.S)
    assert tree and len(tree[1].splitlines()) <= 20
    named = set()
    for line in tree[1].splitlines():  # indented: inside msa_core
        entries = re.split(r"\s{2,}", line.strip())[0].split()
        named |= {("msa_core/" if line.startswith(" ") else "") + entry for entry in entries}
    assert not [entry for entry in named if not (ROOT / entry).exists()]
    folders = {p.name for p in (ROOT / "msa_core").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert folders <= {entry.removeprefix("msa_core/").rstrip("/") for entry in named}


def test_the_table_of_modules_is_written_from_their_docstrings():
    text = written_blocks.ARCHITECTURE.read_text()
    found = re.search(r"<!-- modules:begin -->\n(.*?)\n<!-- modules:end -->", text, re.S)
    assert found and found[1] == written_blocks.modules(), "run python tests/support/written_blocks.py"


def test_tables_are_those_of_the_evaluation_files():
    """No number in README or docs is typed: every block of an evaluation is what its file says."""
    seen = set()
    for file, block, text in written_blocks.blocks():
        found = re.search(rf"<!-- {block}:begin -->\n(.*?)\n<!-- {block}:end -->", file.read_text(), re.S)
        assert found and found[1] == text, f"{name(file)}'s {block} is stale: write it with evaluate"
        seen.add((file, block))
    corpora = {result["corpus"] for _, result in written_blocks.results()}
    assert (README, "composite-brief") in seen and {(written_blocks.RESULTS, corpus) for corpus in corpora} <= seen
    assert {(written_blocks.RESULTS, f"composite-{part}") for part in ("ablations", "robustness", "intervals")} <= seen


def test_evaluation_files_and_their_tables_agree():
    for path, result in written_blocks.results():
        assert path.with_suffix(".md").read_text() == markdown.markdown(result)
        assert path.with_suffix(".svg").read_text() == curve_svg.curves_svg(result)


def test_only_results_hold_tables_of_numbers():
    """README has one results table; other measured tables stand on the page of their subject."""
    for path in LEADING:
        blocks = re.findall(r"<!-- ([\w-]+):begin -->", prose(path))
        allowed = {
            README: ["composite-brief"],
            written_blocks.ARCHITECTURE: ["modules"],
            SPEECH: ["speech", "speech-cost", "voices"],
        }
        allowed |= {
            ROOT / "docs" / "scale.md": ["scale-rates", "scale-plan"],
            SECURITY: ["soak"],
            PERFORMANCE: [f"benchmark-{part}" for part in PARTS],
        }
        assert path == written_blocks.RESULTS or blocks == allowed.get(path, [])
