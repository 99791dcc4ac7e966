"""Files to write are checked before any work: they can be written, none is read or written twice or named '-'."""

import json
import os
import tempfile
from argparse import Namespace
from pathlib import Path

import pytest
from paths import EXAMPLES

from msa_core.__main__ import main
from msa_core.cli import output
from msa_core.errors import MsaError

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


FILES = [
    *(("analyse", "own.mp4", option) for option in ("--json", "--csv", "--report")),
    *(("compare", "own.mp4", option) for option in ("--json", "--csv")),
    *(("benchmark", option) for option in ("--json", "--svg")),
    ("scale", "--json"),
]


@pytest.fixture
def idle(monkeypatch):
    for name in {argv[0] for argv in FILES} | {"clips"}:
        monkeypatch.setattr(f"msa_core.cli.commands.{name}", lambda args: 0)


@pytest.mark.parametrize("argv", FILES)
def test_a_file_needs_a_folder_that_exists(own, idle, capsys, argv):
    folder = str(Path("nowhere").absolute())
    said = (
        f"Cannot write 'nowhere/a.x' (there is no folder '{folder}'). Give {argv[-1]} a file in a folder that exists."
    )
    assert said in refused(capsys, *argv, "nowhere/a.x")
    Path("nowhere").mkdir()
    assert main([*argv, "nowhere/a.x"]) == 0 and not any(Path("nowhere").iterdir())


@pytest.mark.parametrize(
    ("path", "why"), [("features", "it is a folder"), ("", "it is a folder"), ("x" * 300, "File name too long"),
                      ("own.mp4/a.json", "there is no folder")]
)  # fmt: skip
def test_what_cannot_be_written_is_refused(own, idle, capsys, path, why):
    Path("features").mkdir()
    assert f"Cannot write {path!r} ({why}" in refused(capsys, "scale", "--json", path)


def test_a_folder_without_rights_is_refused(own, idle, capsys, monkeypatch):
    def denied(dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", denied)
    assert "Cannot write 'a.json' (Permission denied). Give --json" in refused(capsys, "scale", "--json", "a.json")
    assert main(["scale", "--json", "/dev/null"]) == 0  # a device is written in place


@pytest.mark.parametrize("argv", [("benchmark",), ("scale",), ("clips", ".")])
def test_a_page_of_a_table_is_there(own, idle, capsys, argv):
    assert "--readme is 'page.md', which is no file" in refused(capsys, *argv, "--readme", "page.md")


@pytest.mark.parametrize(
    ("argv", "work", "block"),
    [
        (("benchmark", "--only", "cold", "--json", "old.json"), "evaluation.benchmark.command.run", "benchmark-clip"),
        (("scale",), "cli.many.command.scale", "scale-plan"),
        (("clips", ".", "--method", "corrkd"), "evaluation.sample_clips.table", "clips-corrkd"),
        (("speech-check",), "evaluation.speech_comparison.table", "speech"),
        (("speech-check", "--before", "."), "evaluation.reading_cost.table", "speech-cost"),
        (("evaluate-real", "--data", ".", "--out", "."), "evaluation.real.command.command", "real"),
    ],
)
def test_a_page_has_the_blocks_before_anything_is_measured(own, capsys, monkeypatch, argv, work, block):
    monkeypatch.setattr(f"msa_core.{work}", lambda *given: pytest.fail("measured"))
    names = ("benchmark-cold", "scale-rates")
    Path("page.md").write_text("".join(f"<!-- {name}:begin -->\n<!-- {name}:end -->\n" for name in names))
    Path("old.json").write_text(json.dumps({"clip": {}}))
    assert f"page.md has no block <!-- {block}:begin -->" in refused(capsys, *argv, "--readme", "page.md")


@pytest.mark.parametrize("content", ["\u00e9".encode("latin-1"), "\u00e9".encode("utf-16")])
def test_a_page_of_another_encoding_is_refused(own, capsys, content):
    Path("page.md").write_bytes(content)
    said = refused(capsys, "scale", "--readme", "page.md")
    assert "Cannot read the page page.md (" in said and "Give a page in UTF-8." in said


def test_a_chart_needs_the_part_that_it_draws(own, capsys, monkeypatch):
    monkeypatch.setattr("msa_core.evaluation.benchmark.command.run", lambda *given: pytest.fail("measured"))
    said = refused(capsys, "benchmark", "--only", "clip", "--json", "new.json", "--svg", "a.svg")
    assert "--svg draws the part growth, which is not measured. Add --only growth, or leave --svg out." in said


def test_a_table_is_printed_even_where_its_page_lost_the_block(tmp_path, capsys):
    args = Namespace(readme=[str(tmp_path / "page.md")])
    with pytest.raises(MsaError, match="page.md has no block"):
        output.table(args, "soak", "| a |")
    assert capsys.readouterr().out == "| a |\n"
