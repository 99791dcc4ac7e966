"""Runs over many clips on this computer: every clip a row, whatever ends, and a restart does only what is left."""

import json
import os

import pytest
from counted import Doubled, QuickExtraction, numbers, tries

from msa_core.cli.many.rows import SUFFIXES, write_table
from msa_core.cli.many.run import Place, run
from msa_core.cli.many.work import COMMON, EXTRACTED
from msa_core.errors import MediaError, MsaError

TWO = Place(jobs=2)


@pytest.fixture
def folder(tmp_path):
    return numbers(tmp_path / "clips", 1, 2, "bad", 4, 5, 6)


@pytest.fixture
def task(tmp_path, folder):
    return Doubled(tmp_path / "log")


def values(table):
    return {row["clip"]: row["value"] for row in map(json.loads, table.read_text().splitlines())}


EXPECTED = {"00.txt": 2, "01.txt": 4, "02.txt": None, "03.txt": 8, "04.txt": 10, "05.txt": 12}


@pytest.mark.parametrize("place", [Place(), TWO])
def test_every_clip_is_a_row_and_a_bad_one_has_its_reason(folder, task, tmp_path, place):
    found = run(task, folder, tmp_path / "t.jsonl", place)
    assert (found.clips, found.bad, found.worked_on) == (6, {"02.txt": "02.txt holds no number."}, 6)
    assert values(tmp_path / "t.jsonl") == EXPECTED
    assert all(tries(task.log, name) == 1 for name in EXPECTED)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clips", "log", "t.jsonl", "t.rows.jsonl"]


def test_a_restart_does_only_what_is_left(folder, task, tmp_path):
    seen = []

    def leave(row):
        seen.append(row["clip"])
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(task, folder, tmp_path / "t.jsonl", told=leave)
    assert not (tmp_path / "t.jsonl").exists()
    found = run(task, folder, tmp_path / "t.jsonl", TWO)
    assert found.worked_on == 3 and values(tmp_path / "t.jsonl") == EXPECTED
    assert all(tries(task.log, name) == 1 for name in EXPECTED)
    assert run(task, folder, tmp_path / "t.jsonl").worked_on == 0
    (folder / "03.txt").write_text("40")
    (folder / "06.txt").write_text("7")
    (folder / "00.txt").unlink()
    assert run(task, folder, tmp_path / "t.jsonl").worked_on == 2
    left = {k: v for k, v in EXPECTED.items() if k != "00.txt"}
    assert values(tmp_path / "t.jsonl") == left | {"03.txt": 80, "06.txt": 14}
    assert run(task, folder, tmp_path / "t.jsonl", again=True).worked_on == 1 and tries(task.log, "02.txt") == 2


@pytest.mark.parametrize("place", [Place(), TWO])
def test_a_full_disk_and_missing_weights_end_the_run_and_keep_what_is_finished(tmp_path, place):
    folder = numbers(tmp_path / "clips", 1, 2, 3, "full", 5)
    with pytest.raises(MsaError, match="No space left"):
        run(Doubled(tmp_path / "log"), folder, tmp_path / "t.csv", place)
    kept = (tmp_path / "t.rows.jsonl").read_text().splitlines()[1:]
    assert len(kept) >= 2 and not (tmp_path / "t.csv").exists()
    with pytest.raises(MsaError, match="The weights are missing. Install them."):
        run(Doubled(tmp_path / "log", loads=False), folder, tmp_path / "other.csv", place)


def test_a_folder_without_clips_and_no_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "none"):
        with pytest.raises(MediaError if place.exists() else MsaError, match="^There is no "):
            run(QuickExtraction(place, tmp_path / "out"), place, tmp_path / "t.csv")
    with pytest.raises(MsaError, match="give a file that ends in .parquet, .csv, .jsonl"):
        run(QuickExtraction(tmp_path, tmp_path / "out"), tmp_path, tmp_path / "t.xlsx")


class OfFeatures(Doubled):
    """Numbers in files that are called as features are."""

    def clips(self, source):
        return sorted(source.rglob("*.npz"))


@pytest.fixture
def features(tmp_path):
    """The features of two clips, one in a folder, and of one that is no number."""
    (tmp_path / "log").mkdir()
    (tmp_path / "features" / "x").mkdir(parents=True)
    for name, text in {"a.mp4": "1", "x/c.mp4": "2", "b.flac": "bad"}.items():
        (tmp_path / "features" / f"{name}.npz").write_text(text)
    return tmp_path / "features"


def test_features_have_the_names_of_their_clips_and_are_read_once(features, tmp_path):
    task, table = OfFeatures(tmp_path / "log"), tmp_path / "t.jsonl"
    found = run(task, features, table)
    assert values(table) == {"a.mp4": 2, "b.flac": None, "x/c.mp4": 4}
    assert found.bad == {"b.flac": "b.flac.npz holds no number."} and found.worked_on == 3
    assert run(task, features, table, TWO).worked_on == 0 and values(table)["x/c.mp4"] == 4
    (features / "x" / "c.mp4.npz").write_text("30")
    assert run(task, features, table).worked_on == 1 and values(table)["x/c.mp4"] == 60


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_clips_that_extract_could_not_read_are_rows_with_their_reason(features, tmp_path, suffix):
    stale, written, columns = features / "old.csv", features / f"clips{suffix}", {**COMMON, **EXTRACTED}
    reasons = {"-d.mp4": "-d.mp4 is not a media file", "a.mp4": None, "b.flac": "read since", "x/c.mp4": None}
    for table, clips in ((stale, {"gone.mp4": "broken"}), (written, reasons)):
        rows = ({**dict.fromkeys(columns), "clip": name, "reason": why} for name, why in clips.items())
        write_table(table, rows, EXTRACTED)
    os.utime(stale, (1, 1))
    task, table = OfFeatures(tmp_path / "log"), tmp_path / "t.jsonl"
    found = run(task, features, table)
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert [row["clip"] for row in rows] == ["-d.mp4", "a.mp4", "b.flac", "x/c.mp4"]
    assert all(list(row) == list(rows[0]) for row in rows) and rows[0]["value"] is None
    assert rows[0]["reason"] == found.bad["-d.mp4"] == "-d.mp4 is not a media file"
    assert found.bad["b.flac"] == "b.flac.npz holds no number." and (found.clips, found.worked_on) == (4, 3)
    (features / "-d.mp4.npz").write_text("7")  # it was extracted since
    found = run(task, features, table)
    assert found.worked_on == 1 and list(found.bad) == ["b.flac"] and values(table)["-d.mp4"] == 14


def test_a_table_of_extract_that_cannot_be_read_is_named(features, tmp_path):
    (features / "clips.csv").write_bytes(",".join([*COMMON, *EXTRACTED]).encode() + b"\n\xff\n")
    with pytest.raises(MsaError, match=r"clips.csv cannot be read \(UnicodeDecodeError\). Write it again with extract"):
        run(OfFeatures(tmp_path / "log"), features, tmp_path / "t.jsonl")
    (features / "clips.csv").write_text(",".join([*COMMON, *EXTRACTED]) + "\ncut off\n")
    with pytest.raises(MsaError, match="clips.csv cannot be read"):
        run(OfFeatures(tmp_path / "log"), features, tmp_path / "t.jsonl")
