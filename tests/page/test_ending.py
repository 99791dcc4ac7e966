"""A server that the system ends leaves nothing of its visitors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals of a Unix")]
SERVER = """
from contextlib import suppress
from types import SimpleNamespace
from msa_core import prepared
from msa_core.page import folders
prepared.utterance = lambda clip: None  # nothing to answer on arrival
folders.ensure()
from msa_core.page.build import build, launch
folders.end_on_sigterm()
analyser = SimpleNamespace(methods=("sdumc",), extract=None, reads_simulated_text=lambda _: True)
with suppress(KeyboardInterrupt):
    launch(build(analyser), server_name="127.0.0.1", server_port=PORT, quiet=True)
"""


def test_sigterm_leaves_no_file(tmp_path: Path) -> None:
    port = 20_000 + os.getpid() % 20_000
    given = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    given.pop("GRADIO_TEMP_DIR", None)
    server = subprocess.Popen([sys.executable, "-c", SERVER.replace("PORT", str(port))], env=given, cwd=tmp_path)
    try:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 300
        while True:
            try:
                httpx.post(f"{url}/gradio_api/upload", files={"files": ("face.mp4", b"x" * 1000)}).raise_for_status()
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline and server.poll() is None
                time.sleep(0.2)
        (broken,) = tmp_path.glob("missing-modality-lab-uploads-*/*")
        (broken / "tmpbroken").write_bytes(b"x")
        assert len([p for p in tmp_path.rglob("*") if p.is_file()]) >= 2
        server.send_signal(signal.SIGTERM)
        server.wait(120)
    finally:
        server.kill()
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
