"""A process in ZeroGPU mode with the real `spaces` package and a scheduler that always, or never, has a GPU.

`python zerogpu.py CLIP BAD_CLIP FOLDER` reads clips as the page does and prints what came, as JSON. There is no GPU:
the extractors that read "there" are stand-ins on the CPU, in the process that `spaces` forks.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class Scheduler(BaseHTTPRequestHandler):
    """The scheduler of ZeroGPU, as `spaces.zero.api` asks it."""

    busy = False

    def do_POST(self) -> None:
        """Answer every question; a GPU is there unless `busy`."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        scheduling = self.path.startswith("/schedule")
        gpu = {"idle": False, "nvidiaIndex": 0, "nvidiaUUID": "none", "allowToken": "yes"}
        body = json.dumps(gpu).encode() if scheduling else b""
        self.send_response(503 if scheduling and self.busy else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


def zero_mode(folder: Path) -> None:
    """Start the scheduler and import `spaces` in ZeroGPU mode; before torch."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scheduler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (folder / "cgroup").write_text("0::/here\n")
    os.environ |= {
        "SPACES_ZERO_GPU": "true",
        "SPACES_ZERO_DEVICE_API_URL": f"http://127.0.0.1:{server.server_port}",
        "ZEROGPU_PROC_SELF_CGROUP_PATH": str(folder / "cgroup"),
        "HOME": str(folder),
    }
    sys.modules["torch"] = None  # type: ignore[assignment]  # spaces wants a build with CUDA, or none
    import spaces.zero.wrappers  # noqa: F401

    del sys.modules["torch"]


class Reader:
    """Stand-in for an `Analyser` that reads; it says in which process."""

    def __init__(self, extractor: Any, marks: Path) -> None:
        self.extractor, self.marks = extractor, marks

    def extract(self, clip: str, progress: Any, degradation: Any, spoken: str, any_language: bool = False) -> Any:
        """See `Analyser.extract`. "slow" goes on until it is stopped; "broken" is a fault of ours."""
        from msa_core.config import MediaLimits

        progress(f"process {os.getpid()}", 0.0)
        if clip == "broken":
            raise ZeroDivisionError("a fault of ours")
        try:
            while clip == "slow":
                time.sleep(0.05)
                progress("speech", 0.1)
        except BaseException as e:
            mark = self.marks / f"mark {time.monotonic_ns()}"
            mark.write_text(type(e).__name__)
            mark.rename(self.marks / f"stopped {os.getpid()}")  # whole or not at all
            raise
        return self.extractor.utterance(clip, MediaLimits(), progress, degradation, spoken, any_language)


def main(clip: str, bad: str, folder: Path) -> dict[str, Any]:
    """Read the clips, and say what came."""
    zero_mode(folder)
    import stand_ins
    from spaces.zero.decorator import decorated_cache

    from msa_core.degrade import Degradation
    from msa_core.i18n import known, use
    from msa_core.page import gpu
    from msa_core.page.extraction import extraction
    from msa_core.page.services import Services
    from msa_core.page.session import Left
    from msa_core.schema import MODALITIES, Utterance

    reader: Any = Reader(stand_ins.quick_extractor(), folder)
    read = extraction(Services(reader, None, gpu_reader=reader))  # type: ignore[arg-type]
    own = reader.extract(clip, lambda *_: None, Degradation(), "en")  # as a named call does, before anything forks

    def outcome(path: str, here: Any = lambda: None) -> Any:
        steps: list[str] = []
        try:
            for item in read(path, Degradation(), "en", here):
                if isinstance(item, Utterance):
                    same = all((item.stream(m).values == own.stream(m).values).all() for m in MODALITIES)
                    return {"same": bool(same), "steps": steps}
                steps.append(item[0])
        except BaseException as e:
            with use("zh"):
                sentence = known(getattr(e, "message", ""))
            return {"error": type(e).__name__, "said": str(e), "chinese": sentence, "steps": steps}

    told = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(told)
    found: dict[str, Any] = {"mode": gpu.ZERO, "decorated": len(decorated_cache), "here": os.getpid()}
    found |= {"clip": outcome(clip), "again": outcome(clip), "bad": outcome(bad), "broken": outcome("broken")}
    seen = SimpleNamespace(steps=0)

    def gone() -> None:
        seen.steps += 1
        if seen.steps > 2:
            raise Left

    found["left"] = outcome("slow", gone)
    steps = read("slow", Degradation(), "en", lambda: None)
    next(steps), next(steps)
    start = time.perf_counter()
    steps.close()  # type: ignore[attr-defined]
    found["closing_s"] = time.perf_counter() - start
    deadline = time.monotonic() + 20
    while len(list(folder.glob("stopped *"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    found["stopped"] = [p.read_text() for p in folder.glob("stopped *")]
    Scheduler.busy = True
    found["busy"] = outcome(clip)
    return found


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2])]
    print("\n" + json.dumps(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
    sys.stdout.flush()
    for worker in multiprocessing.active_children():  # they wait for more, and hold the output open
        worker.kill()
    os._exit(0)
