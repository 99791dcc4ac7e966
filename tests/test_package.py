"""The installed package: its files, its declared dependencies, and its command on a clip away from the checkout."""

import json
import re
import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from declared import PROJECT, ranges
from paths import EXAMPLES, ROOT

SCORE_TOLERANCE = 1e-5


def test_requirements_and_pyproject_state_the_same_ranges():
    extras = PROJECT["optional-dependencies"]
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert ranges(lines) == ranges([*PROJECT["dependencies"], *extras["page"], *extras["tests"]])


def test_runtime_needs_neither_the_page_nor_the_tests():
    assert not {"gradio", "pytest", "playwright", "mypy"} & ranges(PROJECT["dependencies"]).keys()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(ROOT),
    ]
    done = subprocess.run(pip, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_the_library_and_what_it_reads(wheel):
    assert wheel.stat().st_size < 25e6
    names = {n for n in zipfile.ZipFile(wheel).namelist() if not re.match(r"[\w.-]+\.dist-info/", n)}
    assert all(n.startswith("msa_core/") and "/evaluation/scores/" not in n and "/tests/" not in n for n in names)
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    modules = {n for n in tracked if n.startswith("msa_core/") and (ROOT / n).exists()}
    data = {f"msa_core/{n}" for n in tracked if n.startswith(("checkpoints/", "examples/"))}
    left_out = {n for n in data if "/evaluation/scores/" in n or n.endswith("page.jpg")}
    assert names >= modules | (data - left_out) and not names & left_out


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; its dependencies are those of the running environment."""
    home = tmp_path_factory.mktemp("installed") / "venv"
    venv.EnvBuilder(with_pip=False, symlinks=True).create(home)
    python = home / "bin" / "python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "-q",
        "--no-deps",
        "--no-compile",
        str(wheel),
    ]
    done = subprocess.run(pip, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    own = next((home / "lib").glob("python*/site-packages"))
    (own / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return home / "bin"


@pytest.mark.slow
def test_the_installed_command_answers_as_the_checkout_does(installed, analyser, tmp_path):
    clip = shutil.copy(EXAMPLES / "crema_happy.mp4", tmp_path / "mine.mp4")
    command = [str(installed / "missing-modality-lab"), "analyse", "mine.mp4", "--drop", "text", "--json", "-"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    own = analyser.predict(analyser.extract(clip), "sdumc", ["text"]).to_json()
    assert json.loads(done.stdout)["scores"] == pytest.approx(own["scores"], abs=SCORE_TOLERANCE)
    where = "import msa_core, msa_core.checkpoint as c; print(msa_core.__file__, c.ROOT)"
    places = subprocess.run([str(installed / "python"), "-c", where], cwd=tmp_path, capture_output=True, text=True)
    assert places.stdout.count("site-packages") == 2 and str(installed.parent) in places.stdout
