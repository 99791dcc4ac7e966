"""Files to write are checked before any work: none is an input or another output, and none is named '-'."""

import os
from pathlib import Path

import pytest
from paths import EXAMPLES

from msa_core.__main__ import main

CLIP = (EXAMPLES / "crema_happy.mp4").read_bytes()


def refused(capsys, *argv: str) -> str:
    assert main(list(argv)) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.count("\n") == 1
    return said.err


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.mp4").write_bytes(CLIP)
    os.link("own.mp4", "linked.mp4")
    Path("pointed.mp4").symlink_to("own.mp4")
    return Path("own.mp4")


@pytest.mark.parametrize("option", ["--json", "--csv", "--report", "--out"])
@pytest.mark.parametrize("same", ["own.mp4", "./own.mp4", "linked.mp4", "pointed.mp4"])
def test_a_clip_is_never_written_over(own, capsys, option, same):
    assert f"{option} is {same!r}, which is read" in refused(capsys, "analyse", "own.mp4", option, same)
    assert own.read_bytes() == CLIP


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_neither_of_two_clips_is_written_over(own, capsys, option):
    Path("other.mp4").write_bytes(CLIP)
    assert "which is read" in refused(capsys, "compare", "other.mp4", "own.mp4", option, "own.mp4")
    assert own.read_bytes() == CLIP


@pytest.mark.parametrize("first, second", [("--json", "--csv"), ("--csv", "--report"), ("--json", "--report")])
def test_two_options_never_write_one_file(own, capsys, first, second):
    said = refused(capsys, "analyse", "own.mp4", first, "a.txt", second, "./a.txt")
    assert f"{second} is './a.txt', which {first} writes too" in said and not Path("a.txt").exists()


@pytest.mark.parametrize(
    "argv",
    [
        ("analyse", "own.mp4", "--csv", "-"),
        ("analyse", "own.mp4", "--report", "-"),
        ("analyse", ".", "--out", "-"),
        ("compare", "own.mp4", "--csv", "-"),
        ("extract", ".", "--out", "features", "--table", "-"),
        ("benchmark", "--json", "-"),
        ("benchmark", "--svg", "-"),
        ("scale", "--json", "-"),
    ],
)
def test_no_file_is_named_like_standard_output(own, capsys, argv):
    assert "is '-', and this command writes it to a file only" in refused(capsys, *argv)
    assert not Path("-").exists()


def test_a_table_of_features_is_no_file_that_is_read(own, capsys):
    Path("set.csv").write_text("{}")
    argv = ("extract", ".", "--out", "features", "--features", "set.csv", "--table", "set.csv")
    assert "--table is 'set.csv', which is read" in refused(capsys, *argv)


def test_a_word_that_is_no_file_may_be_the_name_of_one(own, monkeypatch):
    seen = []
    monkeypatch.setattr("msa_core.cli.commands.analyse", seen.append)
    assert main(["analyse", "own.mp4", "--method", "sdumc", "--json", "sdumc", "--csv", "analyse"]) == 0 and seen
