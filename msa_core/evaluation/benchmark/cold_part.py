"""Cold starts, each in processes of its own: import, the first page, the first answer, memory, size of the wheel."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from msa_core.config import shipped
from msa_core.errors import MsaError
from msa_core.evaluation.benchmark.rows import Goal, plain, row
from msa_core.evaluation.benchmark.timing import descendants, interleaved, peak_bytes

ROOT = Path(__file__).parents[3]
GIGABYTE, MEGABYTE = 1e9, 1e6
CLIP = "crema_happy.mp4"  # 2 s
LONGEST_S = 300.0  # for a page to open
POLL_S = 0.05
LIBRARIES = "import torch, whisper, cv2, av"
TRANSCRIBE = (
    "import sys, whisper; from msa_core.features import weights; from msa_core.evaluation.speech_comparison import "
    "reference; from msa_core.evaluation.benchmark.reference_pipeline import sound; "
    "reference(weights.whisper('tiny.en'), sound(sys.argv[1]))"
)
PAGE_GOAL = Goal(4.0, "seconds", "cpu", "the reference is the floor: the imports alone")
ANSWER_GOAL = Goal(2.5, "seconds", "cpu", "the reference is the floor: the words alone")
MEMORY_GOAL = Goal(1.0, "seconds", bound="bounded by torch, gradio and the weights of the networks")


def rows(repeats: int) -> list[dict[str, Any]]:
    """Measure what starts cold; the files lie in the cache of the system after the round that does not count.

    Raises:
        MsaError: a process ended with an error, or the page did not open.
    """
    clip = str(shipped("examples") / CLIP)
    imports = interleaved(
        {"ours": lambda: _python("import msa_core.predict"), "theirs": lambda: _python(LIBRARIES)}, repeats
    )
    analyse = ["-m", "msa_core", "analyse", clip, "--json", "-"]
    answers = interleaved({"ours": lambda: _run(analyse), "theirs": lambda: _run(["-c", TRANSCRIBE, clip])}, repeats)
    ours, theirs = _peak(analyse), _peak(["-c", TRANSCRIBE, clip])
    return [
        row("`import msa_core.predict`", imports["ours"], f"`{LIBRARIES}`", imports["theirs"]),
        row(
            f"`analyse {CLIP}`, from process start to answer",
            answers["ours"],
            "openai-whisper's `transcribe` alone, from process start, same clip and weights",
            answers["theirs"],
            ANSWER_GOAL,
        ),
        plain("peak memory of `analyse`", ours / GIGABYTE, "GB", "of `transcribe` alone", theirs / GIGABYTE, None),
        *(_page(repeats) + [_wheel()] if (ROOT / "app.py").is_file() else []),
    ]


def _page(repeats: int) -> list[dict[str, Any]]:
    """Measure the page from start to HTTP 200, and its peak memory then, with what reads media beside it."""
    peaks: list[int] = []

    def page() -> None:
        peaks.append(_opened())

    times = interleaved({"ours": page, "theirs": lambda: _python(f"{LIBRARIES}, gradio")}, repeats)
    said = f"`{LIBRARIES}, gradio`"
    memory = max(peaks) / GIGABYTE
    return [
        row("the page, from process start to its first HTTP 200", times["ours"], said, times["theirs"], PAGE_GOAL),
        plain("peak memory of the page at its first HTTP 200", memory, "GB", "", None, MEMORY_GOAL),
    ]


def _opened() -> int:
    """Start the page, wait for its first answer and end it. Returns: peak memory in bytes."""
    port = _free_port()
    env = {**os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    page = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(page, f"http://127.0.0.1:{port}/")
        return sum(map(peak_bytes, [page.pid, *descendants(page.pid)]))
    finally:
        page.terminate()
        try:
            page.wait(30)
        except subprocess.TimeoutExpired:
            page.kill()
            page.wait()


def _wait(page: subprocess.Popen[bytes], address: str) -> None:
    """Ask until the page answers. Raises: MsaError."""
    end = time.monotonic() + LONGEST_S
    while time.monotonic() < end:
        if page.poll() is not None:
            raise MsaError(f"The page ended with exit code {page.returncode}. Start it to see why: python app.py.")
        with suppress(urllib.error.URLError, OSError):
            if urllib.request.urlopen(address, timeout=10).status == 200:
                return
        time.sleep(POLL_S)
    raise MsaError(f"The page did not open in {LONGEST_S:.0f} s. Start it to see why: python app.py.")


def _free_port() -> int:
    """Find a free port of this machine."""
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wheel() -> dict[str, Any]:
    """Build the wheel and weigh it, beside its weights and clips."""
    parts = [shipped("checkpoints"), shipped("examples")]
    held = sum(f.stat().st_size for part in parts for f in part.rglob("*") if f.is_file() and "scores" not in f.parts)
    with tempfile.TemporaryDirectory() as folder:
        _run(["-m", "hatchling", "build", "-t", "wheel", "-d", folder])
        size = sum(f.stat().st_size for f in Path(folder).glob("*.whl"))
    beside = "checkpoints and examples, not packed"
    return plain("the wheel", size / MEGABYTE, "MB", beside, held / MEGABYTE, None)


def _peak(arguments: list[str]) -> int:
    """Run Python with arguments. Returns: the most memory in bytes that it had, with its media processes."""
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    peaks: dict[int, int] = {}
    while process.poll() is None:
        for pid in (process.pid, *descendants(process.pid)):
            peaks[pid] = max(peaks.get(pid, 0), peak_bytes(pid))
        time.sleep(POLL_S)
    return sum(peaks.values())


def _python(code: str) -> None:
    """Run a line of Python in a process of its own."""
    _run(["-c", code])


def _run(arguments: list[str]) -> None:
    """Run Python with arguments. Raises: MsaError with the last line that it said."""
    found = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    if found.returncode:
        said = (found.stderr or found.stdout).strip().splitlines()[-1:] or ["no message"]
        raise MsaError(f"python {' '.join(arguments)[:80]} ended with exit code {found.returncode}: {said[0]}")
