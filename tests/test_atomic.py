"""Atomic writes: whole or not at all, and nothing is left beside what was there."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from msa_core import atomic


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def full(*args: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_new_file_has_the_text_and_the_usual_mode(tmp_path):
    (tmp_path / "usual").touch()
    atomic.write_text(tmp_path / "a.csv", "ä,b\r\n")
    assert (tmp_path / "a.csv").read_bytes() == "ä,b\r\n".encode()
    assert mode(tmp_path / "a.csv") == mode(tmp_path / "usual") and names(tmp_path) == ["a.csv", "usual"]


def test_a_replaced_file_keeps_its_mode(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o640)
    atomic.write_text(str(tmp_path / "a"), "new")
    assert (tmp_path / "a").read_text() == "new" and mode(tmp_path / "a") == 0o640


def test_the_temporary_name_is_hidden_and_keeps_the_suffix(tmp_path):
    """So that a store does not list a half-written file, and numpy and FFmpeg know the format by the name."""
    with atomic.replaced_file(tmp_path / "a.npz") as part:
        assert part.name.startswith(".") and part.suffix == ".npz" and not (tmp_path / "a.npz").exists()
        np.savez(part, x=np.ones(3))
    assert names(tmp_path) == ["a.npz"] and np.load(tmp_path / "a.npz")["x"].sum() == 3


def test_a_long_name_is_written(tmp_path):
    atomic.write_text(tmp_path / ("n" * 250 + ".json"), "x")
    atomic.write_text(tmp_path / ("." + "s" * 250), "x")
    assert len(names(tmp_path)) == 2


@pytest.mark.parametrize("error", [ValueError("bad value"), KeyboardInterrupt()])
def test_an_error_while_writing_leaves_the_old_file(tmp_path, error):
    (tmp_path / "a").write_text("old")
    with pytest.raises(type(error)), atomic.replaced_file(tmp_path / "a") as part:
        part.write_text("half of it")
        raise error
    assert (tmp_path / "a").read_text() == "old" and names(tmp_path) == ["a"]


@pytest.mark.parametrize("broken", ["replace", "write"])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, broken):
    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(*((os, "replace") if broken == "replace" else (Path, "write_bytes")), full)
    with pytest.raises(OSError, match="No space"):
        atomic.write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old" and names(tmp_path) == ["a"]


def test_text_that_cannot_be_encoded_leaves_the_old_file(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        atomic.write_text(tmp_path / "a", "\ud800")
    assert (tmp_path / "a").read_text() == "old" and names(tmp_path) == ["a"]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic.replaced_file(tmp_path / "a"):
        pass
    assert names(tmp_path) == []


def test_a_missing_folder_or_a_folder_as_file_is_named(tmp_path):
    for path, error in ((tmp_path / "no" / "a", FileNotFoundError), (tmp_path, IsADirectoryError)):
        with pytest.raises(error):
            atomic.write_text(path, "x")
    assert names(tmp_path) == []


def test_a_link_is_followed(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "a")
    atomic.write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "deep" / "a").read_text() == "new"
    assert names(tmp_path / "deep") == ["a"]


def test_a_device_is_written_in_place(tmp_path):
    atomic.write_text("/dev/null", "x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def write_folder(folder: Path, text: str) -> None:
    with atomic.replaced_folder(folder) as part:
        assert part.name.startswith(".") and part.parent == folder.parent
        (part / "sub").mkdir()
        (part / "sub" / "a").write_text(text)


def test_a_folder_is_replaced_whole(tmp_path):
    write_folder(tmp_path / "f", "old")
    (tmp_path / "f" / "more").touch()
    write_folder(tmp_path / "f", "new")
    assert names(tmp_path) == ["f"] and names(tmp_path / "f") == ["sub"]
    assert (tmp_path / "f" / "sub" / "a").read_text() == "new" and mode(tmp_path / "f") == 0o755


@pytest.mark.parametrize("error", [ValueError("bad value"), KeyboardInterrupt()])
def test_an_error_while_writing_leaves_the_old_folder(tmp_path, error):
    write_folder(tmp_path / "f", "old")
    with pytest.raises(type(error)), atomic.replaced_folder(tmp_path / "f") as part:
        (part / "a").write_text("half of it")
        raise error
    assert names(tmp_path) == ["f"] and (tmp_path / "f" / "sub" / "a").read_text() == "old"


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failed_rename_leaves_the_old_folder(tmp_path, monkeypatch, failing):
    """The old folder is moved aside first (1), then the new one takes its name (2)."""
    write_folder(tmp_path / "f", "old")
    calls, rename = [], os.replace

    def replace(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == failing:
            full()
        rename(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="No space"):
        write_folder(tmp_path / "f", "new")
    assert names(tmp_path) == ["f"] and (tmp_path / "f" / "sub" / "a").read_text() == "old"


def test_what_a_killed_process_left_half_written_is_deleted_after_a_day(tmp_path):
    old, new, other = (tmp_path / n for n in (".part-0123456789ab.csv", ".part-ba9876543210.csv", ".part-of mine.csv"))
    for path in (old, new, other):
        path.write_text("half")
    for path in (old, other):
        os.utime(path, (1, 1))
    (tmp_path / ".part-aaaaaaaaaaaa").mkdir()
    os.utime(tmp_path / ".part-aaaaaaaaaaaa", (1, 1))
    atomic.write_text(tmp_path / "a.csv", "whole")
    assert names(tmp_path) == sorted([new.name, other.name, "a.csv"])
