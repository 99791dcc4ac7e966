"""Rebuild every network, corpus, checkpoint and table from the research data: one command, resumable by its log.

Each step is a command of this program in a process of its own, so that it is what a person would have typed. A step
that the log says is done is skipped; delete its line, or the log, to have it done again.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msa_core import checkpoint
from msa_core.errors import MsaError

LOG = "rebuild.jsonl"
CORPUS = "corpora/composite"
RUNS = "runs/composite"
METHODS = ("sdumc", "corrkd", "promma")
BESIDE = "sdumc, rs by rmse"  # whose likeness is measured beside the shipped SDUMC's
SEEDS = "sdumc"  # whose seed is chosen by real people too; of the others the best by validation is shipped
EVIDENCE = ("sdumc", "corrkd", "promma (reconstruction)")


@dataclass(frozen=True)
class Step:
    """A step: its name in the log and the arguments of its command."""

    name: str
    arguments: tuple[str, ...]


def steps(data: Path, media: Path, seeds: int, jobs: int, ablations: bool) -> list[Step]:
    """List the steps in order: feature networks, corpora, trainings, tables."""
    project = checkpoint.ROOT.parent
    evaluation, results = str(checkpoint.ROOT / "evaluation"), str(project / "docs" / "results.md")
    tables = ("--readme", str(project / "README.md"), "--readme", results)
    study = ("--seeds", str(seeds), "--jobs", str(jobs), *(() if ablations else ("--no-ablations",)))
    chosen = ("--label", SEEDS, "--data", str(data), "--media", str(media), "--out", evaluation, "--readme", results)
    found = [
        Step("voice networks", ("fit", "voice", "--data", str(data))),
        Step("composite corpus", ("corpus", "composite", "--data", str(data), "--out", CORPUS, "--jobs", str(jobs))),
        Step("study", ("study", "--corpus", CORPUS, "--out", RUNS, *study, "--ship")),
        Step("seeds", ("seeds", "--runs", RUNS, *chosen, "--ship")),
        Step("text layers", ("fit", "text-layers", "--data", str(data))),
    ]
    for corpus, runs, name in ((CORPUS, RUNS, "composite"), ("corpora/ravdess", "runs/ravdess", "ravdess")):
        if name == "ravdess":
            found.append(Step("ravdess corpus", ("corpus", name, "--data", str(data), "--out", corpus)))
            found.append(Step("ravdess study", ("study", "--corpus", corpus, "--out", runs, *study)))
        kept = ("--scores", f"{evaluation}/scores") if name == "composite" else ()
        options = (
            "--corpus",
            corpus,
            "--runs",
            runs,
            "--out",
            evaluation,
            *kept,
            *tables,
            "--jobs",
            str(jobs),
            "--classical",
        )
        found.append(Step(f"{name} tables", ("evaluate", *options)))
    labels = tuple(part for label in EVIDENCE for part in ("--label", label))
    options = ("--corpus", CORPUS, "--runs", RUNS, *labels, "--out", evaluation, "--readme", results)
    found.append(Step("evidence", ("evidence", *options)))
    beside = ("--runs", RUNS, "--label", BESIDE) if ablations else ()
    options = ("--corpus", CORPUS, *beside, "--out", evaluation, "--readme", results)
    found.append(Step("likeness", ("likeness", *options)))
    options = ("--data", str(data), "--media", str(media), "--out", evaluation, "--readme", results)
    found.append(Step("real people", ("evaluate-real", *options)))
    for method in METHODS:
        clips = ("clips", str(project / "examples"), "--method", method, "--readme", results)
        found.append(Step(f"clips, {method}", clips))
    found.append(Step("checkpoint table", ("checkpoints", "--readme", results)))
    found.append(Step("model cards", ("cards",)))
    return [*found, Step("teacher's sheet", ("sheet",))]


def command(data: Path, media: Path, work: Path, seeds: int, jobs: int, ablations: bool = True) -> Iterator[str]:
    """Run the steps that the log in `work` does not have.

    Args:
        data: research data, the folders of docs/corpora.md.
        media: real clips for `evaluate-real`.
        work: folder for corpora, runs, caches and the log.
        seeds, jobs, ablations: of the studies.

    Yields:
        A line for each step.

    Raises:
        MsaError: this is no checkout, or a step failed; its own words stand above.
    """
    if not (checkpoint.ROOT.parent / "docs" / "results.md").is_file():
        raise MsaError("rebuild writes README.md and docs/: run it in a checkout of the project, not from a wheel.")
    log, done = work / LOG, _done(work / LOG)
    environment = {**os.environ, "PYTHONPATH": str(checkpoint.ROOT.parent), "OMP_NUM_THREADS": "1"}
    for step in steps(data.resolve(), media.resolve(), seeds, jobs, ablations):
        if step.name in done:
            yield f"{step.name}: done before"
            continue
        if step.name == "composite tables":  # scores kept of an older corpus
            shutil.rmtree(checkpoint.ROOT / "evaluation" / "scores" / "composite", ignore_errors=True)
        started, used = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
        code = subprocess.run([sys.executable, "-m", "msa_core", *step.arguments], cwd=work, env=environment).returncode
        if code:
            raise MsaError(f"The step {step.name!r} ended with exit code {code}. Mend what it says and start again.")
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        line = {
            "step": step.name,
            "arguments": step.arguments,
            "seconds": round(time.time() - started),
            "cpu_s": round(now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime),
            "peak_mb": round(now.ru_maxrss / 1024),
        }
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        yield f"{step.name}: {line['seconds']} s, {line['cpu_s']} CPU s"


def _done(log: Path) -> set[str]:
    """Read the names of the steps in a log. Raises: MsaError when a line is none of ours."""
    found: set[str] = set()
    for number, line in enumerate(log.read_text(encoding="utf-8").splitlines() if log.is_file() else (), 1):
        try:
            entry: dict[str, Any] = json.loads(line)
            found.add(str(entry["step"]))
        except (ValueError, KeyError, TypeError) as e:
            raise MsaError(f"{log}, line {number} is no step of ours ({e}). Delete the line or the file.") from e
    return found
