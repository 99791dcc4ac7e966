"""A method of one file: the example of docs/add-a-method.md goes through everything, and nothing else is touched."""

import json
import os
import re
import shlex
import subprocess
import sys

import pytest
from paths import EXAMPLES, ROOT
from synthetic import corpus

from msa_core import checkpoint, i18n, methods
from msa_core.__main__ import main
from msa_core.errors import MsaError
from msa_core.features import COMPACT
from msa_core.methods import METHODS, outside
from msa_core.predict import Analyser
from msa_core.views import answer

PAGE = (ROOT / "docs" / "add-a-method.md").read_text()
FILE = "gated_mean.py"


def commands() -> list[list[str]]:
    """The arguments of the commands of the page, in their order."""
    block = re.search(r"<!-- add a method -->\n```bash\n(.*?)```", PAGE, re.S)
    return [shlex.split(line) for line in re.findall(r"^\.venv/bin/python -m msa_core (.+)$", block[1], re.M)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in that holds the file; what is registered in it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.S | re.M)
    (tmp_path / FILE).write_text(code)
    monkeypatch.setenv(outside.VARIABLE, FILE)
    before = dict(METHODS)
    yield tmp_path
    METHODS.clear()
    METHODS.update(before)
    for name in [name for name in sys.modules if name.startswith(outside.FILE_MODULE)]:
        del sys.modules[name]


def test_the_example_is_short():
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.S | re.M)
    assert 50 <= len([line for line in code.splitlines() if line.strip()]) <= 70


@pytest.mark.slow
def test_the_example_goes_through_everything(folder, quick, monkeypatch, capsys):
    from msa_core.page.build import build  # before the folder of checkpoints is another

    outside.load()
    shipped = folder / "checkpoints"
    shipped.mkdir()
    for name in checkpoint.available():
        (shipped / name).symlink_to(checkpoint.ROOT / name)
    monkeypatch.setattr(checkpoint, "ROOT", shipped)
    monkeypatch.setattr("msa_core.predict.Extractor.load", lambda *_: quick)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # evaluate's default of processes
    (folder / "examples").symlink_to(EXAMPLES)
    corpus(120, dims=COMPACT.dims).save(folder / "corpora" / "composite")
    said = []
    for arguments in commands():
        assert main([*arguments, *(["--json", "-"] if arguments[0] == "analyse" else [])]) == 0
        said.append(capsys.readouterr().out)
    trained, table, analysed, compared = said

    assert "gated_mean-seed1: validation MAE" in trained and "checkpoints/gated_mean-composite-v1: " in trained
    row = next(r for r in json.loads((folder / "evaluation" / "synthetic.json").read_text())["rows"] if r["seeds"])
    assert (row["method"], row["kind"], row["title"], row["seeds"]) == ("gated_mean", "method", "Gated mean", 2)
    assert "Gated mean (2 seeds)" in table
    found = json.loads(analysed)
    assert found["method"] == "gated_mean" and -3 <= found["scores"]["missing_model_left"] <= 3
    weights = found["mechanism"]["weights"]
    assert weights["text"] == 0 and sum(weights.values()) == pytest.approx(1, abs=1e-5)
    assert "Gated mean" in compared and "SDUMC" in compared

    analyser = Analyser.load("cpu")
    assert analyser.methods == ("sdumc", "corrkd", "promma", "gated_mean")
    prediction = analyser.predict(analyser.extract(EXAMPLES / "crema_happy.mp4"), "gated_mean", ["text"])
    for language in i18n.LANGUAGES:
        with i18n.use(language):
            assert "Gated mean" in "".join(map(str, answer.answer(prediction)))
    page = build(analyser)
    offered = [c["props"]["choices"] for c in page.config["components"] if c["props"].get("choices")]
    assert any(["Gated mean", "gated_mean"] in [list(choice) for choice in choices] for choices in offered)
    page.close()


@pytest.mark.slow
def test_the_example_keeps_the_contract(folder):
    tests = str(ROOT / "tests" / "methods" / "test_contract.py")
    variables = {**os.environ, outside.VARIABLE: str(folder / FILE)}
    command = [sys.executable, "-m", "pytest", tests, "-n", "0", "-k", "gated_mean", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0 and int(re.search(r"(\d+) passed", done.stdout)[1]) > 15, done.stdout


def test_the_command_line_reads_the_variable(folder):
    """In a process of its own: the name is known, so it is the corpus that is missed."""
    command = [sys.executable, "-m", "msa_core", "train", "gated_mean", "--corpus", "nowhere", "--out", "runs"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 2 and "nowhere holds no corpus" in done.stderr, done.stderr


def refused(folder, code):
    """The sentence about a file with this code."""
    (folder / "broken.py").write_text("from msa_core.methods import *\n" + code)
    with pytest.raises(MsaError) as e:
        outside.load("broken.py")
    assert not any(name.endswith("broken") for name in sys.modules)
    return str(e.value)


def test_what_cannot_be_imported_is_one_sentence(folder):
    with pytest.raises(MsaError, match="MSA_METHODS names nothing.py: there is no such file"):
        outside.load("nothing.py")
    with pytest.raises(MsaError, match="names no_such_module, which cannot be imported"):
        outside.load("no_such_module")
    assert "which cannot be imported (ZeroDivisionError: division by zero)." in refused(folder, "1 / 0")
    assert "(SyntaxError: " in refused(folder, "def")
    assert ".name is 'Two words'" in refused(folder, "@register\nclass A(Method):\n name = 'Two words'")
    assert "has no title" in refused(folder, "@register\nclass A(Method):\n name = 'a'")
    lacking = "@register\nclass A(Method):\n name, title, Config = 'a', 'A', int"
    assert "must be a dataclass with loss_weights() and debug()" in refused(folder, lacking)
    own = "from {} import {} as Base\n@register\nclass A(Base):\n {}"
    taken = refused(folder, own.format("msa_core.methods.sdumc", "SDUMC", "pass"))
    assert "The name 'sdumc' of msa_methods_broken.A is taken by msa_core.methods.sdumc.SDUMC." in taken
    other = refused(folder, own.format("msa_core.methods.sdumc", "SDUMC", "name, panel = 'a', 'none'"))
    assert "panel is 'none'; choose one of: attention" in other
    assert set(METHODS) == {"baseline", "sdumc", "corrkd", "promma", "lnln"}


def test_a_file_is_imported_once_and_may_register_anew(folder):
    outside.load(os.pathsep.join([FILE, "", str(folder / FILE)]))
    first = METHODS["gated_mean"]
    assert methods.register(first) is first and methods.method_name("gated_mean") == "Gated mean"
    (folder / "other").mkdir()
    (folder / "other" / FILE).write_text("")
    with pytest.raises(MsaError, match="has the same name. Rename one of them"):
        outside.load(f"other/{FILE}")
