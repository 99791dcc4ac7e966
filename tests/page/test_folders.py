"""The page opens as an ordinary user in a container that gives no home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

from msa_core.page import folders

WITHOUT_HOME = """
import os, pwd
from types import SimpleNamespace

def nobody(*_):
    raise KeyError("uid not found")

pwd.getpwuid = nobody
import app
import httpx

analyser = SimpleNamespace(methods=("sdumc",), extract=None, reads_simulated_text=lambda _: True)
_, url, _ = app.launch(app.build(analyser), prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
print(httpx.get(url).status_code, os.access(os.path.expanduser("~"), os.W_OK))
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="users of a Unix")
def test_the_page_opens_without_a_home(tmp_path: Path) -> None:
    left = {k: v for k, v in os.environ.items() if k not in ("HOME", "USER", "LOGNAME", "GRADIO_TEMP_DIR")}
    script = WITHOUT_HOME.replace("os._exit(0)", "import sys; sys.stdout.flush(); os._exit(0)")
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=left | {"TMPDIR": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.stdout.split()[-2:] == ["200", "True"], done.stdout + done.stderr


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
