"""Folders for a user without a home; test_other_user.py opens the page as one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from msa_core.page import folders


def test_a_user_of_no_list_without_a_home_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pwd = pytest.importorskip("pwd", reason="users of a Unix")

    def nobody(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("USERPROFILE", raising=False)
    folders.ensure()
    made = Path(os.environ["HOME"])
    assert made.is_dir() and os.access(made, os.W_OK) and os.path.expanduser("~") == str(made)
    made.rmdir()


def test_a_home_that_is_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", "elsewhere")
    folders.ensure()
    assert (os.environ["HOME"], os.environ["GRADIO_TEMP_DIR"]) == (str(tmp_path), "elsewhere")


@pytest.mark.parametrize("home", ["", "~", "/no/such/folder"])
def test_a_home_that_is_none_is_replaced(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home)
    folders.ensure()
    made = Path(os.environ["HOME"])
    assert made.is_dir() and os.access(made, os.W_OK)
    made.rmdir()
