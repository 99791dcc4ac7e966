"""Folders for a user without a home; test_other_user.py opens the page as one."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from msa_core.page import folders
from msa_core.page.files import Uploads


def test_a_user_of_no_list_without_a_home_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pwd = pytest.importorskip("pwd", reason="users of a Unix")

    def nobody(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("USERPROFILE", raising=False)
    monkeypatch.setenv("GRADIO_TEMP_DIR", f"{folders.OWN}elsewhere")
    folders.ensure()
    made = Path(os.environ["HOME"])
    assert made.is_dir() and os.access(made, os.W_OK) and os.path.expanduser("~") == str(made)
    made.rmdir()


def test_a_home_that_is_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", f"{folders.OWN}elsewhere")
    folders.ensure()
    assert (os.environ["HOME"], os.environ["GRADIO_TEMP_DIR"]) == (str(tmp_path), f"{folders.OWN}elsewhere")


@pytest.mark.parametrize("home", ["", "~", "/no/such/folder"])
def test_a_home_that_is_none_is_replaced(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("GRADIO_TEMP_DIR", f"{folders.OWN}elsewhere")
    folders.ensure()
    made = Path(os.environ["HOME"])
    assert made.is_dir() and os.access(made, os.W_OK)
    made.rmdir()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for temporary files, and no GRADIO_TEMP_DIR."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", "x")
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    return tmp_path


def test_uploads_lie_in_a_folder_that_nobody_else_reads(temporary: Path) -> None:
    folders.ensure()
    made = Path(os.environ["GRADIO_TEMP_DIR"])
    assert made.is_relative_to(temporary) and made.is_dir()
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (made, made.parent)} == {0o700}


def test_a_folder_that_is_given_holds_our_own(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be anybody's, a home folder even: what is in it is never deleted."""
    given = temporary / "given"
    given.mkdir()
    (given / "letter.txt").write_text("keep")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(given))
    assert not folders.is_own(given)
    folders.ensure()
    made = Path(os.environ["GRADIO_TEMP_DIR"])
    assert made != given and made.is_relative_to(given) and folders.is_own(made)
    folders.ensure()
    assert Path(os.environ["GRADIO_TEMP_DIR"]) == made  # once only
    for place in (given, made):
        uploads = Uploads(lambda place=place: place)
        uploads.sweep(-1)
        uploads.clear()
    assert (given / "letter.txt").read_text() == "keep"


def test_what_a_killed_process_left_is_deleted(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders.ensure()
    mine = Path(os.environ["GRADIO_TEMP_DIR"])
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead, alive = mine.parent / f"{gone.pid}-a", mine.parent / f"{os.getppid()}-b"
    for folder in (dead, alive):
        folder.mkdir()
        (folder / "clip.mp4").write_bytes(b"x")
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    folders.ensure()
    assert not dead.exists() and (alive / "clip.mp4").exists()


def test_a_folder_of_someone_else_is_not_used(temporary: Path) -> None:
    folders.ensure()
    around = Path(os.environ.pop("GRADIO_TEMP_DIR")).parent
    shutil.rmtree(around)
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    around.symlink_to(elsewhere, target_is_directory=True)
    folders.ensure()
    assert list(elsewhere.iterdir()) == []


def test_sigterm_ends_as_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    folders.end_on_sigterm()
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
