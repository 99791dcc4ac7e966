"""Processes of one training on this computer, started as torchrun starts them: by variables of the environment."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from paths import ROOT


def environment(rank: int, count: int, port: int) -> dict[str, str]:
    """Return the variables of process `rank` of `count`; one thread each."""
    found = {**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count), "OMP_NUM_THREADS": "1"}
    path = os.pathsep.join(str(ROOT / p) for p in (".", "tests/support"))
    return found | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "PYTHONPATH": path}


def free_port() -> int:
    """Find a port that nobody uses."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def start(arguments: Sequence[str], count: int, folder: Path) -> list[subprocess.Popen[str]]:
    """Start `count` processes of one Python program; what process r says goes to folder/r.out and folder/r.err."""
    port, found = free_port(), []
    for rank in range(count):
        with open(folder / f"{rank}.out", "w") as out, open(folder / f"{rank}.err", "w") as err:
            own = environment(rank, count, port)
            found.append(subprocess.Popen([sys.executable, *arguments], stdout=out, stderr=err, env=own, text=True))
    return found
