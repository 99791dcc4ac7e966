"""The repository keeps its own promises: layout, style, imports."""

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from paths import ROOT

from msa_core.methods import KINDS, METHODS
from msa_core.methods.shipped import SHIPPED_RUNS

SOURCES = sorted((ROOT / "msa_core").rglob("*.py"))


def run(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_lint():
    run("ruff", "check", ".")


def test_ruff_format():
    run("ruff", "format", "--check", ".")


@pytest.mark.slow
def test_types():
    run("mypy")


def test_gradio_is_imported_in_the_page_only():
    page = ROOT / "msa_core" / "page"
    users = [p for p in SOURCES if re.search(r"^\s*(import|from) (gradio|spaces)\b", p.read_text(), re.M)]
    assert [str(p) for p in users if not p.is_relative_to(page)] == []


# The straight line from file to score, its ground before it and what stands beside it after it.
RANKS = """
    errors atomic tables i18n schema config checkpoint people media degrade features clip_reader extract large
    prepared edit missing batch methods explain predict compare live feature_training corpora training evaluation
    views lessons page soak cli __main__
""".split()


def imports_of(path: Path, modules: set[str]) -> set[str]:
    """The modules of msa_core that a file imports, anywhere in it; a name below `msa_core` each."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name.removeprefix("msa_core.") for a in node.names if a.name.startswith("msa_core.")}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            if (node.module or "").split(".")[0] == "msa_core":
                base = (node.module or "").removeprefix("msa_core").lstrip(".")
                inside = {f"{base}.{a.name}".lstrip(".") for a in node.names}
                found |= {name if name in modules else base for name in inside}
    return found - {""}


@cache
def graph() -> dict[str, set[str]]:
    """Every module of msa_core with those that it imports."""
    names = {}
    for path in SOURCES:
        parts = path.relative_to(ROOT / "msa_core").with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return {name: imports_of(path, set(names)) - {name} for name, path in names.items()}


def test_every_module_has_a_rank():
    assert {name.split(".")[0] for name in graph()} - {""} == set(RANKS)


def test_imports_point_one_way():
    """No module may import one of a unit that stands after its own, nor a function inside it, nor a type check."""
    for name, imported in graph().items():
        for other in imported if name else ():
            own, theirs = name.split(".")[0], other.split(".")[0]
            assert RANKS.index(theirs) <= RANKS.index(own), f"{name} imports {other}, which stands after it"


def test_the_documented_order_is_the_order():
    documented = re.search(r"^errors → .*$", (ROOT / "docs" / "architecture.md").read_text(), re.M)
    assert documented and re.findall(r"\w+", documented[0]) == RANKS


@pytest.mark.slow
def test_no_import_circle():
    """Take away what imports nothing that is left, until nothing is left."""
    left = graph()
    while free := {name for name, imported in left.items() if not imported & left.keys()}:
        left = {name: imported for name, imported in left.items() if name not in free}
    assert not left, f"these import each other: {', '.join(left)}"


def test_no_file_is_long():
    files = [*SOURCES, ROOT / "app.py", *(ROOT / "tests").rglob("*.py")]
    assert {str(p.relative_to(ROOT)): n for p in files if (n := len(p.read_text().splitlines())) > 400} == {}


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


def test_the_chosen_seed_is_shipped():
    found = json.loads((ROOT / "checkpoints" / "evaluation" / "seeds.json").read_text())
    for label, rows in found["settings"].items():
        shipped = json.loads((ROOT / "checkpoints" / SHIPPED_RUNS[label] / "manifest.json").read_text())
        (chosen,) = [row for row in rows if row["chosen"]]
        assert chosen["run"] == f"{label}-seed{shipped['seed']}"
        assert chosen["valid"] == pytest.approx(shipped["selection"]["valid_mae"], abs=1e-5)


def test_shipped_evaluation_has_every_reference():
    result = json.loads((ROOT / "checkpoints" / "evaluation" / "composite.json").read_text())
    kinds = {r["kind"] for r in result["rows"]}
    assert kinds == set(KINDS)
    trained = [r for r in result["rows"] if r["kind"] not in ("constant", "classical")]
    for kind in ("naive", "masked", "specialist"):  # for rows without simulated text, and for rows with it
        assert {r["reads_simulated_text"] for r in trained if r["kind"] == kind} == {False, True}
    assert all(r["seeds"] == 5 for r in trained) and {r["method"] for r in trained} == set(METHODS)
    assert all("(reconstruction)" in r["title"] for r in result["rows"] if r["method"] == "promma")
