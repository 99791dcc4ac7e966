"""The journal of a run: rows that were cut off, rows of other settings, damage, and two runs at once."""

import csv
import json
import os

import pyarrow.parquet as pq
import pytest
from counted import Doubled, numbers

from msa_core.cli.many import rows
from msa_core.cli.many.rows import Journal
from msa_core.cli.many.run import run
from msa_core.cli.many.work import COMMON, stamp
from msa_core.errors import MsaError


@pytest.fixture
def table(tmp_path):
    numbers(tmp_path / "clips", 1, 2)
    return tmp_path / "t.csv"


def row(table, name, **more):
    return {"clip": name, "reason": None, **stamp(table.parent / "clips" / name), **more}


def open_(table, renew=False, **how):
    return Journal(table, Doubled(table.parent / "log", **how), renew)


def test_a_line_that_was_cut_off_is_taken_away(table):
    with open_(table) as journal:
        journal.add(row(table, "00.txt"))
        journal.add(row(table, "01.txt"))
    whole = journal.path.read_bytes()
    for cut in (1, 20, len(whole.splitlines()[-1])):
        journal.path.write_bytes(whole[:-cut])
        with open_(table) as again:
            assert [again.finished(n, table.parent / "clips", False) for n in ("00.txt", "01.txt")] == [True, False]
            again.add(row(table, "01.txt"))
        assert journal.path.read_bytes() == whole
    journal.path.write_bytes(whole[:5])
    with open_(table) as again:
        assert list(again.rows(["00.txt", "01.txt"])) == []


def test_the_later_row_of_a_clip_counts(table):
    with open_(table) as journal:
        journal.add(row(table, "00.txt", value=1))
        journal.add(row(table, "00.txt", value=2))
        assert [r["value"] for r in journal.rows(["00.txt", "01.txt"])] == [2]


def test_rows_of_other_settings_are_refused_or_begun_anew(table):
    with open_(table) as journal:
        journal.add(row(table, "00.txt"))
    with pytest.raises(MsaError, match=r"rows of other settings \(factor 2, now 3\). Give another --out than t.csv"):
        open_(table, factor=3)
    assert len(journal.path.read_text().splitlines()) == 2, "nothing was lost"
    with open_(table, renew=True, factor=3) as journal:
        assert not journal.finished("00.txt", table.parent / "clips", False)


@pytest.mark.parametrize("line", ["nonsense", "[1]", '{"clip": "a"}'])
def test_a_damaged_line_is_named(table, line):
    with open_(table) as journal:
        pass
    with open(journal.path, "a") as file:
        file.write(line + "\n")
    with pytest.raises(MsaError, match="line 2 is no row .* Delete the line, or the file to begin anew"):
        open_(table)


def test_two_runs_at_once_are_refused(table):
    with open_(table), pytest.raises(MsaError, match="^Another run writes t.rows.jsonl. Wait for its end"):
        open_(table)
    with open_(table):
        pass


@pytest.mark.parametrize("part", [0, 10])
def test_a_full_disk_leaves_the_journal_as_it_was(table, part):
    """The disk takes nothing of a row, or a part of it."""
    with open_(table) as journal:
        journal.add(row(table, "00.txt"))
        before, file = journal.path.read_bytes(), journal._file

        class Full:
            seek, truncate, close = file.seek, file.truncate, file.close

            def write(self, line):
                if not part:
                    raise OSError(28, "No space left on device")
                return file.write(line[:part])

        journal._file = Full()
        with pytest.raises(OSError, match="No space left"):
            journal.add(row(table, "01.txt"))
        assert journal.path.read_bytes() == before


def test_names_that_are_not_utf8_are_kept(table):
    name = os.fsdecode(b"caf\xe9.txt")
    (table.parent / "clips" / name).write_text("3")
    with open_(table) as journal:
        journal.add(row(table, name))
    with open_(table) as journal:
        assert journal.finished(name, table.parent / "clips", False)
        for suffix in rows.SUFFIXES:
            rows.write_table(table.with_suffix(suffix), journal.rows([name]), {"value": "whole"})
    assert json.loads(table.with_suffix(".jsonl").read_text())["clip"] == "caf?.txt"


def test_parquet_without_pyarrow_is_one_line(table, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MsaError, match=r"pip install 'missing-modality-lab\[cluster\]'"):
        rows.check_table(table.with_suffix(".parquet"), Doubled.columns, "double")


def test_tables_of_three_kinds_hold_the_same(tmp_path):
    folder, task = numbers(tmp_path / "clips", 1, 2, "bad", 4), Doubled(tmp_path / "log")
    (folder / "=1+1.txt").write_text("7")
    expected = {"00.txt": 2, "01.txt": 4, "02.txt": None, "03.txt": 8, "=1+1.txt": 14}
    for suffix in ("parquet", "csv", "jsonl"):
        run(task, folder, tmp_path / f"{suffix}.{suffix}")
    found = pq.read_table(tmp_path / "parquet.parquet")
    assert str(found.schema.field("value").type) == "int64" and str(found.schema.field("seconds").type) == "double"
    rows = found.to_pylist()
    assert {r["clip"]: r["value"] for r in rows} == expected
    jsonl = [json.loads(line) for line in (tmp_path / "jsonl.jsonl").read_text().splitlines()]
    with open(tmp_path / "csv.csv", newline="") as file:
        plain = list(csv.DictReader(file))
    assert [list(r) for r in (rows[0], jsonl[0], plain[0])] == [list(rows[0])] * 3
    assert [r["clip"] for r in rows] == [r["clip"] for r in jsonl] == sorted(expected)
    assert [r["clip"] for r in plain if r["value"] == "14"] == ["'=1+1.txt"], "no spreadsheet calculates it"
    assert next(r for r in plain if r["clip"] == "02.txt")["reason"] == "02.txt holds no number."


@pytest.mark.parametrize("suffix", rows.SUFFIXES)
def test_a_table_is_written_again_by_the_command_that_wrote_it(tmp_path, suffix):
    folder, task, table = numbers(tmp_path / "clips", 1, 2), Doubled(tmp_path / "log"), tmp_path / f"t{suffix}"
    assert run(task, folder, table).worked_on == 2
    assert run(task, folder, table).worked_on == 0
    (tmp_path / "t.rows.jsonl").unlink()
    assert run(task, folder, table).worked_on == 2, "known by its columns"
    before = table.read_bytes()
    with pytest.raises(MsaError, match="is there already, and is no table that extract writes"):
        run(Other(tmp_path / "log"), folder, table, renew=True)
    assert table.read_bytes() == before


class Other(Doubled):
    """A command whose rows have another column."""

    columns = {"value": "whole", "more": "text"}
    settings = {"command": "extract"}


@pytest.mark.parametrize(
    "name, content, known",
    [
        ("labels.csv", "clip,score,split\na.mp4,1,train\n", "its columns: clip, score, split"),
        ("labels.csv", ",".join([*COMMON, "value", "score"]), "its columns: clip, reason, "),
        ("labels.csv", "\xff", "its columns: "),
        ("labels.jsonl", '{"clip": "a.mp4", "score": 1}\n', "its columns: clip, score"),
        ("labels.jsonl", "[1]", "no columns can be read from it"),
        ("labels.parquet", "clip", "no columns can be read from it"),
    ],
)
@pytest.mark.parametrize("journal", [False, True])
def test_a_table_of_anybody_else_is_refused_before_any_work(tmp_path, name, content, known, journal):
    folder, task, table = numbers(tmp_path / "clips", 1, 2), Doubled(tmp_path / "log"), tmp_path / name
    if journal:
        run(task, folder, table)
        table.unlink()
    before = sorted(p.name for p in (tmp_path / "log").iterdir())
    table.write_text(content)
    with pytest.raises(MsaError) as error:
        run(task, folder, table, renew=True, again=True)
    assert str(table) in str(error.value) and "move it away" in str(error.value) and known in str(error.value)
    assert table.read_text() == content and sorted(p.name for p in (tmp_path / "log").iterdir()) == before


def test_an_empty_file_is_written_and_a_folder_is_refused(tmp_path):
    folder, task = numbers(tmp_path / "clips", 1), Doubled(tmp_path / "log")
    (tmp_path / "t.csv").touch()
    assert run(task, folder, tmp_path / "t.csv").clips == 1 and (tmp_path / "t.csv").read_text()
    (tmp_path / "u.csv").mkdir()
    with pytest.raises(MsaError, match="u.csv is there already"):
        run(task, folder, tmp_path / "u.csv")


def test_the_rows_of_another_command_are_never_begun_anew(tmp_path):
    folder, table = numbers(tmp_path / "clips", 1), tmp_path / "t.csv"
    run(Doubled(tmp_path / "log"), folder, table)
    table.unlink()
    before = (tmp_path / "t.rows.jsonl").read_bytes()
    with pytest.raises(MsaError, match='rows of other settings .command "double", now "extract".'):
        run(Other(tmp_path / "log"), folder, table, renew=True)
    assert (tmp_path / "t.rows.jsonl").read_bytes() == before
