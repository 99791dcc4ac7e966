"""The Dockerfile keeps the rules of Docker Spaces that can be read off it.

The rules: huggingface.co/docs/hub/spaces-sdks-docker. Nothing is built here.
"""

import json
import re
import shlex
import subprocess

from declared import PROJECT, ranges
from paths import ROOT

LINES = re.sub(r"\\\n\s*", "", (ROOT / "docs" / "Dockerfile").read_text()).splitlines()
STEPS = [tuple(line.split(maxsplit=1)) for line in LINES if line and not line.startswith("#")]
PORT, HOME = "7860", "/home/user"


def said(instruction: str) -> list[str]:
    """What stands behind every instruction of a kind."""
    return [rest for name, rest in STEPS if name == instruction]


def variables() -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in said("ENV") for pair in shlex.split(rest))


def test_python_is_the_one_of_the_space():
    version = re.search(r'^python_version: "(.+)"$', (ROOT / "README.md").read_text(), re.M)[1]
    assert said("FROM") == [f"python:{version}-slim-bookworm"] and STEPS[0][0] == "FROM"


def test_an_ordinary_user_does_everything():
    """Only the user itself is made as root; nobody goes back to root, and no system package is needed."""
    names = [name for name, _ in STEPS]
    assert said("USER") == ["user"] and said("RUN")[0] == "useradd --create-home --uid 1000 user"
    assert names[: names.index("USER")] == ["FROM", "RUN"]
    assert not any(word in rest for rest in said("RUN") for word in ("apt-get", "sudo", "chmod", "chown"))
    assert variables()["HOME"] == HOME and variables()["PATH"] == f"{HOME}/.local/bin:$PATH"


def test_nothing_belongs_to_root():
    """The folder is made by the user before WORKDIR, which some builders would make as root; copies are the user's."""
    assert said("WORKDIR") == ["$HOME/app"]
    assert STEPS.index(("RUN", "mkdir $HOME/app")) == STEPS.index(("WORKDIR", "$HOME/app")) - 1
    assert said("COPY") and all(rest.startswith("--chown=user ") for rest in said("COPY"))
    assert all("--no-cache-dir" in rest and "--user" in rest for rest in said("RUN") if "pip" in rest)


def test_the_page_is_reached_from_outside():
    assert said("EXPOSE") == [PORT] and variables()["GRADIO_SERVER_PORT"] == PORT
    assert variables()["GRADIO_SERVER_NAME"] == "0.0.0.0"
    assert json.loads(said("CMD")[0]) == ["python", "app.py"] and STEPS[-1][0] == "CMD"


def test_requirements_are_installed_before_the_code_is_copied():
    """A change of the code installs nothing anew."""
    install = next(i for i, (name, rest) in enumerate(STEPS) if name == "RUN" and "pip install" in rest)
    assert [rest for name, rest in STEPS[:install] if name == "COPY"] == ["--chown=user requirements.txt ."]


def test_what_is_installed_is_what_the_library_and_the_page_need():
    install = next(rest for rest in said("RUN") if "pip install" in rest)
    cut = install.split("|")[0]
    assert install.endswith("-r /dev/stdin") and "--extra-index-url $TORCH" in install
    done = subprocess.run(["sh", "-c", cut], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line and line[0] != "#"]
    assert ranges(lines) == ranges([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["page"]])


def test_everything_that_the_page_reads_is_copied():
    sources = [name for rest in said("COPY") for name in rest.split()[1:-1]]
    assert set(sources) == {"requirements.txt", "app.py", "LICENSE", "msa_core", "checkpoints", "examples"}
    assert all((ROOT / name).exists() for name in sources)
    asked = {
        name for p in (ROOT / "msa_core").rglob("*.py") for name in re.findall(r'shipped\("(\w+)"\)', p.read_text())
    }
    assert asked and asked <= set(sources)
    for rest in said("COPY")[2:]:  # a folder keeps its name: its contents are what COPY copies
        _, source, target = rest.split()
        assert source == target
