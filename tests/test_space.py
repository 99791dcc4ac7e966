"""A Space takes this repository: what the Hub refuses is found before it is pushed."""

import subprocess
from pathlib import Path

import pytest
from paths import ROOT

from msa_core.__main__ import main
from msa_core.cli.space import check, front_matter_errors

CARD = "---\ntitle: A\nsdk: gradio\nsdk_version: 6.31.0\napp_file: app.py\nshort_description: {}\ncolorFrom: {}\n---\n"


def test_this_repository_may_be_a_space(capsys):
    assert main(["check-space", str(ROOT)]) == 0
    said = capsys.readouterr().out
    assert "error" not in said
    assert "hf upload" in said and "git lfs migrate" in said and "*.safetensors" in said and "*.mp4" in said


def test_clones_need_no_lfs():
    """A rule with filter=lfs in plain git would break every clone without git-lfs."""
    assert "filter=lfs" not in (ROOT / ".gitattributes").read_text()


@pytest.mark.parametrize(
    ("length", "colour", "error"),
    [
        (60, "red", None),
        (61, "red", "short_description has 61 characters; the Hub takes 60"),
        (5, "violet", "colorFrom is violet"),
    ],
)
def test_front_matter(tmp_path, length, colour, error):
    (tmp_path / "app.py").touch()
    errors = front_matter_errors(CARD.format("x" * length, colour), tmp_path)
    assert errors == [] if error is None else errors[0].startswith(error)


def test_front_matter_that_lacks_something(tmp_path):
    assert "front matter" in front_matter_errors("# A page\n", tmp_path)[0]
    errors = front_matter_errors(CARD.format("x", "red").replace("sdk: gradio\n", ""), tmp_path)
    assert errors == ["the front matter lacks sdk", "app_file is app.py, which is not there"]


def repository(folder: Path) -> Path:
    (folder / "README.md").write_text(CARD.format("x", "red"))
    (folder / "app.py").touch()
    (folder / "model.bin").write_bytes(b"\0" * 100)
    (folder / "big.txt").write_bytes(b"a" * (11 * 2**20))
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    return folder


def test_large_and_binary_files(tmp_path):
    errors, steps = check(repository(tmp_path))
    assert errors == ["big.txt is 11 MB: above 10 MB the Hub takes files by LFS or Xet only"]
    assert steps[0] == "binary files in plain git, 1 in all: *.bin"
    (tmp_path / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n*.txt filter=lfs\n")
    errors, steps = check(tmp_path)
    assert (errors, steps) == ([], [])


def test_what_is_no_checkout(tmp_path, capsys):
    assert main(["check-space", str(tmp_path)]) == 2
    assert "has no README.md" in capsys.readouterr().err
