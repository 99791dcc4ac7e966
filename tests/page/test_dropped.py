"""A named call whose client has gone stops computing, and its clip is deleted."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from paths import EXAMPLES

from msa_core import prepared

pytestmark = pytest.mark.slow


def test_a_dropped_call_stops_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from msa_core.page.build import build, launch

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    steps: list[float] = []
    ended: list[str] = []

    def extract(path: str, progress: Any, **_: Any) -> Any:
        try:
            for _ in range(3_000):
                steps.append(time.monotonic())
                progress("speech", 0.1)
                time.sleep(0.1)
        except BaseException as e:
            ended.append(type(e).__name__)
            raise

    monkeypatch.setattr(prepared, "utterance", lambda clip: None)  # nothing to answer on arrival
    stand_in: Any = SimpleNamespace(methods=("sdumc",), extract=extract, reads_simulated_text=lambda _: True)
    page = build(stand_in)
    _, url, _ = launch(page, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        address = f"{url.rstrip('/')}/gradio_api"
        clip = EXAMPLES / "crema_happy.mp4"
        (path,) = httpx.post(f"{address}/upload", files={"files": (clip.name, clip.read_bytes())}, timeout=60).json()
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        asked = {"data": [file, None, "transcript", "sdumc", None, None, None, 0.0, None, "en", False]}
        event = httpx.post(f"{address}/call/analyse", json=asked, timeout=60).json()["event_id"]
        deadline = time.monotonic() + 60
        with httpx.stream("GET", f"{address}/call/analyse/{event}", timeout=60):
            while len(steps) < 3 and time.monotonic() < deadline:
                time.sleep(0.1)
        while not ended and time.monotonic() < deadline:
            time.sleep(0.1)
        assert ended == ["Left"]
        while Path(path).exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not Path(path).exists()
    finally:
        page.close()
