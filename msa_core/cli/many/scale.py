"""Rates of one and two workers on this machine, each with one core: processes and actors of Ray, in turns."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from msa_core import checkpoint
from msa_core.cli.many.run import Place, run
from msa_core.cli.many.work import Analysis, Extraction, Row, Task, Work
from msa_core.errors import MsaError
from msa_core.methods.shipped import checkpoint_of

CLIP_S = 10.0  # of the clip that is measured: shipped speech over a shipped talking face
WORKERS = (1, 2)
FEATURES_A_CLIP = 20  # files of features to score for every clip to extract: that is so much faster
WORKS = ("extract", "analyse")  # analyse: of what extract wrote


@dataclass(frozen=True)
class Timed:
    """A task whose rows also tell the time of the processor and the memory that each clip took."""

    task: Task

    @property
    def columns(self) -> Mapping[str, str]:
        """Those of the task, and two more."""
        return {**self.task.columns, "processor_s": "number", "memory_bytes": "whole"}

    @property
    def settings(self) -> Row:
        """Those of the task."""
        return self.task.settings

    def clips(self, source: Path) -> list[Path]:
        """List the clips of the task."""
        return self.task.clips(source)

    def left_bytes(self, name: str) -> int | None:
        """Return what the task left of a clip."""
        return self.task.left_bytes(name)

    def left(self) -> list[str]:
        """List what the task left."""
        return self.task.left()

    def set_aside(self, name: str) -> bool | None:
        """Set aside what the task left of a clip."""
        return self.task.set_aside(name)

    def load(self) -> Work:
        """Load the task; its work is then timed with every process below this one, those that read media too."""
        from msa_core.evaluation.benchmark.timing import cpu_s, descendants, peak_bytes

        work = self.task.load()

        def timed(clip: Path) -> Row:
            before = cpu_s()
            row = work(clip)
            memory = sum(map(peak_bytes, [os.getpid(), *descendants(os.getpid())]))
            return {**row, "processor_s": cpu_s() - before, "memory_bytes": memory}

        return timed


def measured(clips: int, rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure this machine.

    Args:
        clips: for each worker to extract, after one that does not count.
        rounds: of all rows, in turns; the median of the rounds counts.
        progress: told what begins.

    Returns:
        machine, the clip, a row for each work, way and number of workers, and the efficiency of two.

    Raises:
        MsaError: there are fewer cores than workers, or a run cannot go on.
    """
    from msa_core.evaluation.benchmark.clips import write

    if (os.cpu_count() or 1) < max(WORKERS):
        raise MsaError(f"There is one core here; {max(WORKERS)} are needed. Measure on another machine.")
    found: dict[tuple[str, str, int], list[dict[str, float]]] = defaultdict(list)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    ways = ("processes", *(["Ray"] if find_spec("ray") else []))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        clip = write(folder / "clip.mp4", CLIP_S)
        for number in range(rounds):
            for way in ways:
                for workers in WORKERS[:: 1 if number % 2 == 0 else -1]:
                    progress(f"round {number + 1} of {rounds}, {way}, {workers} at a time")
                    for work, rows in _runs(clip, folder / f"{number} {way} {workers}", way, workers, clips):
                        found[work, way, workers].append(summary(rows))
        size = clip.stat().st_size
    rows = [
        {"work": work, "way": way, "workers": n, **{k: statistics.median(s[k] for s in each) for k in each[0]}}
        for (work, way, n), each in sorted(
            found.items(), key=lambda item: (WORKS.index(item[0][0]), ways.index(item[0][1]), item[0][2])
        )
    ]
    return {
        "machine": f"{os.cpu_count()} cores ({platform.machine()}), load {load:.1f} at the start, {rounds} rounds",
        "clip_s": CLIP_S,
        "clip_bytes": size,
        "rows": rows,
        "efficiency": [_efficiency(work, way, found) for work in WORKS for way in ways],
    }


def earlier(file: Path) -> dict[str, Any]:
    """Read the rates of an earlier measurement. Raises: MsaError."""
    try:
        found = json.loads(file.read_text())
        missing = [k for k in ("machine", "clip_s", "clip_bytes", "rows", "efficiency") if k not in found]
    except (OSError, ValueError, TypeError) as e:
        raise MsaError(f"{file.name} cannot be read as rates ({e}). Measure them: scale --json {file.name}.") from e
    if missing:
        raise MsaError(f"{file.name} holds no {missing[0]!r}. Measure the rates: scale --json {file.name}.")
    return found


def _runs(clip: Path, folder: Path, way: str, workers: int, clips: int) -> Iterable[tuple[str, list[Row]]]:
    """Extract copies of a clip, then score copies of its features; yield the rows of both.

    Raises:
        MsaError: a clip could not be read.
    """
    source, features, many = folder / "clips", folder / "features", folder / "many"
    for new in (source, many):
        new.mkdir(parents=True)
    for i in range(workers * (clips + 1)):
        shutil.copy(clip, source / f"{i:04d}.mp4")
    place = Place(workers, way == "Ray", cores=1)
    rows: list[Row] = []
    run(Timed(Extraction(source, features, device="cpu")), source, folder / "e.csv", place, told=rows.append)
    yield "extract", _read(rows)
    written = sorted(features.glob("*.npz"))[0]
    for i in range(workers * (clips * FEATURES_A_CLIP + 1)):
        os.link(written, many / f"{i:05d}.npz")
    rows = []
    own = checkpoint.sha256(checkpoint.directory(checkpoint_of("sdumc")) / checkpoint.MANIFEST)
    run(Timed(Analysis(device="cpu", checkpoint=own)), many, folder / "a.csv", place, told=rows.append)
    yield "analyse", _read(rows)
    shutil.rmtree(folder)


def summary(rows: Sequence[Row]) -> dict[str, float]:
    """Compute the rate of all workers together, and the means of a clip.

    Args:
        rows: of one run; the first of every worker does not count, nor what one worker did while another did not work.

    Returns:
        clips_per_s, processor_s and memory_bytes of a clip, and features_bytes where there are any.
    """
    ends: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        ends[row["worker"]].append(row["finished_s"])
    start, end = max(min(e) for e in ends.values()), min(max(e) for e in ends.values())
    together = [sorted(t for t in e if start <= t <= end) for e in ends.values()]
    if any(len(t) < 2 for t in together):
        raise MsaError("The workers hardly worked at the same time. Measure more --clips.")
    counted = [row for row in rows if row["finished_s"] > min(ends[row["worker"]])]
    mean = {k: statistics.fmean(r[k] for r in counted) for k in ("processor_s", "features_bytes") if counted[0].get(k)}
    return {
        "clips_per_s": sum((len(t) - 1) / (t[-1] - t[0]) for t in together),
        "memory_bytes": max(row["memory_bytes"] for row in rows),
        **mean,
    }


def _efficiency(work: str, way: str, found: Mapping[tuple[str, str, int], list[dict[str, float]]]) -> dict[str, Any]:
    """Compare two workers with one, round by round: rate a worker by the clock, and processor time a clip."""
    pairs = list(zip(found[work, way, 1], found[work, way, 2], strict=True))
    return {
        "work": work,
        "way": way,
        "clock": statistics.median(two["clips_per_s"] / (2 * one["clips_per_s"]) for one, two in pairs),
        "processor": statistics.median(one["processor_s"] / two["processor_s"] for one, two in pairs),
    }


def _read(rows: list[Row]) -> list[Row]:
    """Return the rows, of clips that were all read. Raises: MsaError."""
    bad = [row["reason"] for row in rows if row["reason"] is not None]
    if bad:
        raise MsaError(f"A clip that is measured could not be read ({bad[0]}). Check the installation.")
    return rows
