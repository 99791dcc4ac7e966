"""Run the parts of the benchmark and write them as JSON, Markdown and a chart."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from msa_core import atomic
from msa_core.errors import MsaError
from msa_core.evaluation.benchmark import PARTS, clip_part, cold_part, growth_part, network_part, training_part
from msa_core.evaluation.benchmark.clips import write
from msa_core.evaluation.benchmark.rows import HEAD, cells
from msa_core.predict import Analyser
from msa_core.tables import markdown_table

GROWTH_HEAD = ("what grows", "line, of the processor", "largest deviation from it", "points, of the processor")


def run(
    parts: Sequence[str],
    repeats: int,
    earlier: Mapping[str, Any],
    draw: clip_part.Draw,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Measure some parts.

    Args:
        parts: of PARTS.
        repeats: rounds of every row.
        earlier: a result whose other parts are kept, each with the machine that it was measured on.
        draw: draws an answer; the drawing is measured, too.
        progress: told which part begins.

    Raises:
        MsaError: a part is unknown, or something that it needs is not installed.
    """
    unknown = [p for p in parts if p not in PARTS]
    if unknown:
        raise MsaError(f"Unknown part {unknown[0]!r}. Choose from: {', '.join(PARTS)}.")
    found = {name: part for name, part in earlier.items() if name in PARTS}
    analyser = Analyser.load("cpu") if set(parts) & {"clip", "networks", "growth"} else None
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in (p for p in PARTS if p in parts):
            progress(name)
            found[name] = {"machine": machine(repeats), **_part(name, analyser, folder, draw, repeats)}
    return {name: found[name] for name in PARTS if name in found}


def machine(repeats: int) -> str:
    """Describe this machine, its load and the rounds in one line."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return (
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {os.cpu_count()} cores ({platform.machine()}), "
        f"load {load:.1f} at the start, {repeats} rounds"
    )


def tables(result: Mapping[str, Any]) -> dict[str, str]:
    """Write every part as Markdown, by its name: a line about the machine and a table."""
    found = {}
    for name, part in result.items():
        if name == "growth":
            table = markdown_table(GROWTH_HEAD, growth_part.sentences(part))
        else:
            table = markdown_table(HEAD, [cells(row) for row in part["rows"]])
        found[name] = f"Measured with {part['machine']}.\n\n{table}"
    return found


def earlier(file: Path | None) -> dict[str, Any]:
    """Read an earlier result; nothing when there is none. Raises: MsaError when it is no JSON object."""
    if file is None or not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text())
    except ValueError as e:
        raise MsaError(f"{file.name} is no JSON ({e}). Delete it, or give another --json.") from e
    if not isinstance(found, dict):
        raise MsaError(f"{file.name} holds a {type(found).__name__}, not an object. Delete it, or give another --json.")
    return found


def save(result: Mapping[str, Any], json_file: Path | None, svg_file: Path | None) -> None:
    """Write the JSON, and the chart of the part growth."""
    if json_file is not None:
        atomic.write_text(json_file, json.dumps(result, indent=1) + "\n")
    if svg_file is not None and "growth" in result:
        atomic.write_text(svg_file, growth_part.svg(result["growth"]))


def _part(name: str, analyser: Analyser | None, folder: Path, draw: clip_part.Draw, repeats: int) -> dict[str, Any]:
    """Measure one part."""
    if name == "training":
        return {"rows": training_part.rows(repeats)}
    if name == "cold":
        return {"rows": cold_part.rows(repeats)}
    assert analyser is not None
    if name == "growth":
        return growth_part.measured(analyser, folder, repeats)
    clip = write(folder / "clip.mp4", clip_part.LENGTH_S)
    if name == "clip":
        return {"rows": clip_part.rows(analyser, clip, draw, repeats)}
    return {"rows": network_part.rows(analyser, analyser.extract(clip), repeats)}
