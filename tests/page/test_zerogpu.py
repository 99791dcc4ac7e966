"""ZeroGPU: clips are read in the process that the real `spaces` package forks, and everything crosses."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from paths import EXAMPLES, TESTS

from msa_core.errors import MediaError, message
from msa_core.page.gpu import packed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(clip: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process in ZeroGPU mode says (tests/support/zerogpu.py)."""
    pytest.importorskip("spaces", reason="the package spaces is not installed")
    if not hasattr(os, "fork"):
        pytest.skip("ZeroGPU forks")
    folder = tmp_path_factory.mktemp("zero")
    bad = folder / "bad.mp4"
    bad.write_bytes(b"no clip")
    script = [sys.executable, str(TESTS / "support" / "zerogpu.py"), str(EXAMPLES / "crema_happy.mp4"), str(bad)]
    done = subprocess.run([*script, str(folder)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1]) | {"log": done.stdout + done.stderr}


def test_a_clip_is_read_in_the_worker(found: Any) -> None:
    assert found["mode"] is True and found["decorated"] > 0, "a Space without a decorated function does not start"
    for name in ("clip", "again"):
        answer = found[name]
        assert answer["same"] is True and answer["steps"][0].startswith("process ")
        assert answer["steps"][0] != f"process {found['here']}" and "faces" in answer["steps"]


def test_an_error_keeps_its_sentence(found: Any) -> None:
    bad = found["bad"]
    assert bad["error"] == "MediaError" and bad["said"].startswith("bad.mp4 ")
    assert bad["chinese"] != bad["said"] and "bad.mp4" in bad["chinese"]


def test_a_fault_is_one_of_ours(found: Any) -> None:
    assert found["broken"]["error"] == "RuntimeError" and "ZeroDivisionError" in found["broken"]["said"]


def test_a_closed_tab_stops_the_work(found: Any) -> None:
    assert found["left"]["error"] == "Left"
    assert found["closing_s"] < 1, "gradio closes it in its event loop: every visitor would wait"
    assert found["stopped"] == ["Left", "Left"], "the work went on for nobody"


def test_without_a_gpu_the_clip_is_read_on_the_cpu(found: Any) -> None:
    assert found["busy"]["same"] is True and found["busy"]["steps"][0] == f"process {found['here']}"
    assert "the clip is read on the CPU" in found["log"]


def test_what_crosses_keeps_the_template_of_a_sentence() -> None:
    error = pickle.loads(packed(MediaError("{name} is bad.", name=message("a {kind}", kind="clip"))))
    assert type(error) is MediaError and str(error) == "a clip is bad."
    assert error.message.template == "{name} is bad." and error.message.values["name"].template == "a {kind}"
