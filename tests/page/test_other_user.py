"""The page by its command, as an ordinary user of a container: no home, in no list of users, a read-only checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from chromium import wait_until
from gradio_client import Client, handle_file
from paths import EXAMPLES, ROOT

pytestmark = pytest.mark.slow

UID = 54321
READ_ALL = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
OF_NO_LIST = """
import os, runpy

if os.name == "posix":
    import pwd

    def nobody(*_):
        raise KeyError("uid not found")

    pwd.getpwuid = nobody
runpy.run_path("app.py", run_name="__main__")
"""
LOOK = "import os, pwd, sys; open(sys.argv[1]).close(); assert os.getuid() == int(sys.argv[2])"
CLIP = "crema_happy.mp4"


def as_other(*command: str, reading: tuple[str, ...] = ()) -> list[str]:
    """Prefix a command so that it runs as UID, who is in no group; `env` starts it when no right of root is left."""
    return ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", *reading, "env", *command]


@pytest.fixture
def command(folder: Path) -> list[str]:
    """The page's command for a user without a home: another one where that can be, else this one of no list."""
    if sys.platform != "win32" and os.geteuid() == 0 and shutil.which("setpriv"):  # of util-linux
        os.chown(folder, UID, UID)
        # An interpreter below root's own home is out of reach: then, and only then, the user may read what root may.
        for reading in ((), READ_ALL):
            look = as_other(sys.executable, "-c", LOOK, str(ROOT / "app.py"), str(UID), reading=reading)
            if subprocess.run(look, cwd="/", env={"PATH": os.environ["PATH"]}, capture_output=True).returncode == 0:
                return as_other(sys.executable, "app.py", reading=reading)
    return [sys.executable, "-c", OF_NO_LIST]


@pytest.fixture
def folder() -> Iterator[Path]:
    """The one folder that the other user may write to; pytest's own are closed to others."""
    made = Path(tempfile.mkdtemp(prefix="other-"))
    yield made
    shutil.rmtree(made)


def of_other(place: Path) -> list[Path]:
    """List what the other user owns below a folder, environments and version control aside."""
    found = []
    for at, folders, names in os.walk(place):
        folders[:] = [f for f in folders if f not in (".venv", ".git", "shared")]
        paths = (Path(at, name) for name in (*folders, *names))
        found += [p for p in paths if os.path.lexists(p) and p.lstat().st_uid == UID]
    return found


def test_the_page_opens_by_its_command_and_answers(command: list[str], folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    if sys.platform == "win32":
        environment |= {k: os.environ[k] for k in ("SYSTEMROOT", "TEMP", "TMP") if k in os.environ}
    environment |= {"GRADIO_SERVER_PORT": port, "HF_HUB_OFFLINE": "1"}
    said, is_other = folder / "said", command[0] == "setpriv"
    with open(said, "w") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:

        def address() -> str:
            assert process.poll() is None, said.read_text()
            return "".join(re.findall(r"Running on local URL: +(http\S+)", said.read_text()))

        wait_until(lambda: bool(address()), "no page", 120)
        url = address()
        status = Path(f"/proc/{process.pid}/status")
        assert not is_other or not status.exists() or f"Uid:\t{UID}\t" in status.read_text()
        assert url.rstrip("/").endswith(f":{port}") and "Missing-Modality Lab" in httpx.get(url).text
        answer = Client(url, verbose=False).predict(handle_file(EXAMPLES / CLIP), ["text"], api_name="/analyse")
    finally:
        process.terminate()
        process.wait(30)
    golden = json.loads((ROOT / "tests/goldens/examples.json").read_text())[CLIP]["sdumc audio+vision"]
    given = [answer["scores"][f"{model}_left"] for model in ("complete_model", "missing_model")]
    assert given == pytest.approx(golden, abs=1e-4)
    assert "Traceback" not in said.read_text(), said.read_text()
    assert of_other(ROOT) == [] and [p for p in folder.rglob("*") if p.suffix in (".mp4", ".npz")] == []
