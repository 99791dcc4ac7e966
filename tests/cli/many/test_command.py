"""`extract` and `analyse` over a folder as a user meets them: tables, what is refused, and equal scores."""

import csv
import json

import pyarrow.parquet as pq
import pytest
from paths import EXAMPLES, ROOT

from msa_core.__main__ import main
from msa_core.cli.many import command
from msa_core.cli.many.run import Outcome
from msa_core.predict import Analyser

CLIPS = ("crema_happy.mp4", "crema_sad.mp4")


@pytest.fixture
def folder(tmp_path, analyser, monkeypatch):
    """Two shipped clips and a text; the session's models in place of a second load."""
    monkeypatch.setattr(Analyser, "load", lambda device, name, *large: analyser)
    (tmp_path / "clips").mkdir()
    for name in CLIPS:
        (tmp_path / "clips" / name).symlink_to(EXAMPLES / name)
    (tmp_path / "clips" / "broken.mp4").write_text("text")
    return tmp_path / "clips"


@pytest.mark.slow
def test_a_folder_is_scored_as_its_clips_are(folder, analyser, tmp_path, capsys):
    table = tmp_path / "t.parquet"
    given = ["analyse", str(folder), "--out", str(table), "--drop", "text", "--method", "corrkd"]
    assert main(given) == 0
    said = capsys.readouterr().out
    assert "2 clips scored, one a row of" in said and "1 could not be read" in said and "  broken.mp4: " in said
    rows = {row["clip"]: row for row in pq.read_table(table).to_pylist()}
    assert list(rows) == ["broken.mp4", *CLIPS] and rows["broken.mp4"]["missing_model_left"] is None
    for name in CLIPS:
        one, row = analyser.predict(analyser.extract(EXAMPLES / name), "corrkd", ["text"]), rows[name]
        assert {k: row[k] for k in one.scores} == one.scores and row["reason"] is None
        assert {k: row[f"contribution_{k}"] for k in one.contributions} == one.contributions
        assert {k: row[f"interval_{k}"] for k in ("level", "low", "high")} == dict(one.interval)
        assert row["text_absent"] == "switched off by the user" and row["vision_absent"] is None
        assert row["transcript"] == one.transcript and row["duration_s"] == one.duration_s
    assert main(given) == 0 and "0 of 3 were worked on now" in capsys.readouterr().out
    assert main([*given[:-2], "--method", "sdumc"]) == 2
    assert 'rows of other settings (method "corrkd", now "sdumc")' in capsys.readouterr().err


@pytest.mark.slow
def test_features_are_scored_as_their_clips_are_and_nothing_is_read(folder, analyser, tmp_path, monkeypatch):
    assert main(["analyse", str(folder), "--out", str(tmp_path / "clips.jsonl")]) == 0
    monkeypatch.setattr(analyser, "extract", None)
    features = tmp_path / "features"
    features.mkdir()
    for name in CLIPS:
        (features / f"{name}.npz").symlink_to(EXAMPLES / "features" / f"{name}.npz")
    assert main(["analyse", str(features), "--out", str(tmp_path / "features.csv")]) == 0
    clips = {r["clip"]: r for r in map(json.loads, (tmp_path / "clips.jsonl").read_text().splitlines())}
    with open(tmp_path / "features.csv", newline="") as file:
        for row in csv.DictReader(file):
            other = clips[row["clip"]]
            assert float(row["missing_model_left"]) == pytest.approx(other["missing_model_left"], abs=1e-5)


@pytest.mark.parametrize(
    "given, said",
    [
        (["analyse", "FOLDER"], "is a folder. Give --out TABLE, which ends in .parquet, .csv or .jsonl."),
        (["analyse", "FOLDER", "--out", "t.txt"], "The table is 't.txt'; give a file that ends in"),
        (["analyse", "FOLDER", "--out", "t.csv", "--json", "-"], "--json is for one clip, and"),
        (["analyse", "FOLDER", "--out", "t.csv", "--drop", "smell"], "Unknown modality 'smell'"),
        (["analyse", "FOLDER", "--out", "t.csv", "--method", "magic"], "magic"),
        (["analyse", "FOLDER", "--out", "t.csv", "--jobs", "9999"], "--jobs is 9999, but there are"),
        (["analyse", "FOLDER", "--out", "t.csv", "--ray-address", "a:1"], "but --ray is not there. Give both"),
        (["analyse", "FOLDER", "--out", "t.csv", "--language", "zh"], "--language is for one clip, and"),
        (["analyse", "READ", "--out", "t.csv", "--blur", "0.1"], "--blur 0.1 changes how a clip is read, and read h"),
        (["analyse", "READ", "--out", "t.csv", "--noise", "-10"], "--noise -10.0 changes how a clip is read"),
        (["analyse", "READ", "--out", "t.csv", "--spoken", "zh"], "--spoken zh changes how a clip is read"),
        (["analyse", "READ", "--out", "t.csv", "--any-language"], "--any-language changes how a clip is read"),
        (["analyse", "READ", "--out", "t.csv", "--whisper", "base"], "--whisper base changes how a clip is read"),
        (["analyse", str(EXAMPLES / CLIPS[0]), "--out", "t.csv"], "--out is for a folder, and"),
        (["analyse", str(EXAMPLES / CLIPS[0]), "--jobs", "2"], "--jobs is for a folder, and"),
        (["analyse", str(EXAMPLES / CLIPS[0]), "--again"], "--again is for a folder, and"),
        (["analyse", str(EXAMPLES / CLIPS[0]), "--language", "zh"], "--language is for a report, and --report is not"),
        (["analyse", str(EXAMPLES / CLIPS[0]), "--no-pictures"], "--no-pictures is for a report, and --report is not"),
        (["extract", "nowhere", "--out", "OUT"], "There is no folder nowhere."),
        (["extract", "FOLDER", "--out", "OUT", "--table", "t.doc"], "The table is 't.doc'; give a file that ends in"),
    ],
)
def test_what_is_refused_is_one_line(tmp_path, capsys, given, said):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_text("text")
    (tmp_path / "read").mkdir()
    (tmp_path / "read" / "a.mp4.npz").write_bytes(b"features")
    places = {"FOLDER": str(tmp_path / "clips"), "READ": str(tmp_path / "read"), "OUT": str(tmp_path / "out")}
    assert main([places.get(word, word) for word in given]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (ROOT / "t.csv").exists()


def test_a_table_of_labels_is_never_written_over(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes((EXAMPLES / CLIPS[0]).read_bytes())
    labels = tmp_path / "labels.csv"
    labels.write_text("clip,score,split\na.mp4,1,train\n")
    before = labels.read_bytes()
    for given, option in (
        (["extract", "clips", "--out", "features", "--table", "labels.csv"], "--table"),
        (["analyse", "clips", "--out", "labels.csv"], "--out"),
    ):
        assert main(given) == 2
        error = capsys.readouterr().err
        assert f"labels.csv is there already, and is no table that {given[0]} writes" in error
        assert error.count("\n") == 1
        assert f"(its columns: clip, score, split). Give another {option} to keep it, or move it away." in error
    assert labels.read_bytes() == before and sorted(p.name for p in tmp_path.iterdir()) == ["clips", "labels.csv"]


def test_many_reasons_are_shortened_on_the_screen(tmp_path, capsys):
    bad = {f"{i}.mp4": "no file" for i in range(25)}
    assert command._said(Outcome(30, bad, 30), "5 clips extracted to out", tmp_path / "clips.csv", str(tmp_path)) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "5 clips extracted to out, 25 could not be read. 30 of 30 were worked on now."
    assert len(said) == 22 and said[-1].strip().startswith("and 5 more in ")


def test_features_that_were_set_aside_are_said(tmp_path, capsys):
    found = Outcome(2, {"a.mp4": "no file"}, 1, {"a.mp4": True, "deep/gone.mp4": True, "own": False})
    assert command._said(found, "1 clips extracted to out", tmp_path / "clips.csv", str(tmp_path)) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "  Earlier features whose clip is gone or cannot be read, renamed to end in .npz.aside: 2 (a.mp4, gone.mp4)",
        "  Features of no clip that was read, left as they are, because extract did not write them: 1 (own.npz)",
    ]


def test_files_that_are_passed_over_are_said(tmp_path, capsys):
    for number in range(7):
        (tmp_path / f"{number}.bin").write_bytes(b"1")
    assert command._said(Outcome(1, {}, 1), "1 clips extracted to out", tmp_path / "clips.csv", str(tmp_path)) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "  Passed over, because their names end as no clip's do: 7 (0.bin, 1.bin, 2.bin, 3.bin, 4.bin, ...)"


def test_features_of_another_folder_are_refused_before_any_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "run", lambda *given, **how: pytest.fail("worked"))
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").symlink_to(EXAMPLES / CLIPS[0])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "gone.mp4.npz").write_bytes((EXAMPLES / "features" / f"{CLIPS[0]}.npz").read_bytes())
    assert main(["extract", str(tmp_path / "clips"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "holds the features of 1 other clips, such as gone.mp4, and of none of those in" in said
    assert "Give each folder of clips an --out of its own, or delete them." in said
