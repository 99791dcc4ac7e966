"""The page's file as a command: it explains itself, refuses what it does not know, and starts no server for either."""

import subprocess
import sys

import pytest
from paths import ROOT


@pytest.mark.parametrize(
    ("given", "code", "said"), [("--help", 0, "usage: app.py"), ("--sing", 2, "arguments: --sing")]
)
def test_no_server_is_started(given: str, code: int, said: str) -> None:
    done = subprocess.run([sys.executable, "app.py", given], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == code and said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr and "Running on" not in done.stdout
