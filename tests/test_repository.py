"""The repository keeps its own promises: layout, style, imports, README."""

import json
import re
import shlex
import subprocess
import sys

import pytest
from paths import ROOT

from msa_core.__main__ import main
from msa_core.evaluation import curve_svg, markdown
from msa_core.methods import METHODS

SOURCES = sorted((ROOT / "msa_core").rglob("*.py"))


def run(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_lint():
    run("ruff", "check", ".")


def test_ruff_format():
    run("ruff", "format", "--check", ".")


def test_types():
    run("mypy")


def test_gradio_is_imported_in_app_only():
    users = [p.name for p in SOURCES if re.search(r"^\s*(import|from) (gradio|spaces)\b", p.read_text(), re.M)]
    assert users == []


def test_imports_point_one_way():
    """No module of the line may import one that stands after it."""
    line = """schema errors language config checkpoint weights media preview damage features simulate extract
        missing data metrics layers losses contributions methods train runs protocols slices predictions
        bootstrap kept_scores groups tables evaluate study evidence edits timeline predict calls visit uploads
        cells report compare numbers figures_parts figures_clip figures_distillation figures_prompts figures
        figures_robustness figures_compare figures_lessons figures_page figures_numbers figures_report lessons
        export""".split()
    assert all((ROOT / "msa_core" / name).is_dir() or (ROOT / "msa_core" / f"{name}.py").is_file() for name in line)
    rank = {name: i for i, name in enumerate(line)}
    free = {("missing", "data"), ("data", "missing")}
    for path in SOURCES:
        parts = path.relative_to(ROOT / "msa_core").with_suffix("").parts
        if parts[0] not in rank:
            continue
        dots = r"\.\." if len(parts) > 1 else r"\."
        for match in re.finditer(rf"^from {dots}(\w*)[.\w]* import ([\w, ]+)", path.read_text(), re.M):
            for name in [match[1]] if match[1] else [n.strip() for n in match[2].split(",")]:
                later = rank.get(name, -1) > rank[parts[0]]
                assert not later or (parts[0], name) in free, f"{path.name} imports {name}, which stands after it"


def test_readme_commands_are_the_commands():
    readme = (ROOT / "README.md").read_text()
    app = re.search(r"<!-- app command -->\n```bash\n(.+?)\n```", readme, re.S)
    test = re.search(r"<!-- test command -->\n```bash\n(.+?)\n```", readme, re.S)
    assert app and app[1].endswith("app.py") and "requirements.txt" in app[1]
    assert test and test[1].endswith("pytest") and "requirements.txt" in test[1]


README_LINES = re.findall(
    r"^\.venv/bin/python (-m msa_core (?:analyse|compare|checkpoints).*)$", (ROOT / "README.md").read_text(), re.M
)


@pytest.mark.slow
@pytest.mark.parametrize("line", README_LINES)
def test_readme_command_lines_run(line, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(shlex.split(line)[2:]) == 0 and capsys.readouterr().out


def test_readme_file_tree_is_the_tree():
    tree = re.search(r"<!-- file tree -->\n```\n(.+?)\n```", (ROOT / "README.md").read_text(), re.S)
    assert tree, "README has no file tree"
    named = set(re.findall(r"^\s*([\w/.]+\.py)\s", tree[1], re.M))
    real = {str(p.relative_to(ROOT)) for p in [*SOURCES, ROOT / "app.py"] if p.name != "__init__.py"}
    assert named == real


def test_requirements_are_bounded():
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            assert re.match(r"[\w-]+(==|>=[\d.]+,<)[\d.]+( ; .+?)?\s+# .", line), f"pin or range, and a reason: {line}"


def test_no_machine_paths():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    for name in tracked:
        if name.endswith((".py", ".md", ".toml", ".txt", ".json", ".css", "run")):
            found = re.search(r"/(w[o]rk|r[o]ot|h[o]me/\w+|t[m]p/\w+)/", (ROOT / name).read_text())
            assert not found, f"{name}: {found[0] if found else ''}"


EVALUATIONS = sorted((ROOT / "checkpoints" / "evaluation").glob("*.json"))


def test_readme_tables_are_those_of_the_evaluation_files():
    """No number in README is typed: every block of an evaluation is what its file says."""
    readme, seen = (ROOT / "README.md").read_text(), 0
    for path in EVALUATIONS:
        result = json.loads(path.read_text())
        if "protocols" not in result:
            continue
        for block, text in {"": markdown.headline(result), **markdown.parts(result)}.items():
            name = "-".join(filter(None, (result["corpus"], block)))
            found = re.search(rf"<!-- {name}:begin -->\n(.*?)\n<!-- {name}:end -->", readme, re.S)
            assert found or block, f"README has no table of {name}"
            assert not found or found[1] == text, f"README's {name} is not that of {path.name}: write it with evaluate"
            seen += found is not None
        assert path.with_suffix(".md").read_text() == markdown.markdown(result)
        assert path.with_suffix(".svg").read_text() == curve_svg.curves_svg(result)
    assert seen >= 6


def test_shipped_evaluation_has_every_reference():
    result = json.loads((ROOT / "checkpoints" / "evaluation" / "composite.json").read_text())
    kinds = {r["kind"] for r in result["rows"]}
    assert kinds == {"constant", "naive", "complete", "masked", "specialist", "method", "variant", "ablation"}
    trained = [r for r in result["rows"] if r["kind"] != "constant"]
    assert all(r["seeds"] == 5 for r in trained) and {r["method"] for r in trained} == set(METHODS)
    assert all("(reconstruction)" in r["title"] for r in result["rows"] if r["method"] == "promma")
