"""Invented evaluation files in the form that `evaluate` writes, for the tests of what shows them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msa_core.evaluation import results
from msa_core.evaluation.metrics import NAMES, SIMS_NAMES

NASTY = '<img src=x onerror="window.hacked=1">'
PATTERNS = ["text", "audio", "vision", "text+audio", "text+vision", "audio+vision", "text+audio+vision"]
RATES = [round(0.1 * i, 1) for i in range(10)]
MODEL_ROWS = (  # name, title, kind, method, reconstruction, error on text + audio + vision
    ("late fusion, absent = mean", "Late fusion, complete", "naive", "baseline", False, 0.75),
    ("corrkd-teacher", "Teacher of CorrKD", "complete", "corrkd", False, 0.74),
    ("masked late fusion", "Late fusion, masked", "masked", "baseline", False, 0.71),
    ("sdumc", "SDUMC", "method", "sdumc", False, 0.69),
    ("corrkd", "CorrKD", "method", "corrkd", False, 0.70),
    ("promma", "ProMMA", "method", "promma", True, 0.695),
    ("promma, decide = never", "ProMMA (reconstruction), decide = never", "variant", "promma", True, 0.72),
    ("sdumc without mia", "SDUMC without MIA", "ablation", "sdumc", False, 0.73),
)


def values(error: float, names: Sequence[str] = NAMES) -> dict[str, float | None]:
    """Derive metrics from an error, so that every cell of the sample differs."""
    return {m: round(error if m == "mae" else 1 - error / 3, 5) for m in names}


def sample(corpus: str = "made-up", patterns: Sequence[str] = PATTERNS, scale: str = "mosi") -> dict[str, Any]:
    """Make an evaluation as `evaluate` writes it, with invented numbers."""
    names = SIMS_NAMES if scale == "sims" else NAMES
    frames = [f"frame:{r}" for r in RATES]
    result: dict[str, Any] = {
        "corpus": corpus,
        "statement": "Invented numbers for a test.",
        "split": "test",
        "n": 1234,
        "folds": 0,
        "scale": scale,
        "metrics": list(names),
        "level": 0.8,
        "patterns": list(patterns),
        "protocols": {"patterns": list(patterns), "frames": frames, "blocks": ["block:0.3", "block:0.5"],
                      "modality": ["modality:0.1", "modality:0.2"]},
        "realised": {"modality:0.1": 0.1003, "modality:0.2": 0.1987},
        "slices": {"conflict": 321, "decorrelated": 99},
        "naive": {"label": "late fusion, absent = mean", "six": 1.0},
        "specialists": 0.97,
    }  # fmt: skip
    rows = [_model(i, *told, patterns, frames, names) for i, told in enumerate(MODEL_ROWS)]
    constant = {c: {**values(1.6, names), "pearson": None} for c in rows[0]["table"]}
    rows.insert(0, {**rows[0], "label": "constant", "title": "Constant (training mean)", "kind": "constant", "seeds": 0,
                    "method": None, "table": constant, "sd": {}, "coverage": {}, "width": {}, "n_parameters": None,
                    "auilc": {m: None if m == "pearson" else 1.44 for m in names}, "six": 1.6, "six_sd": 0.0,
                    "complete": 1.6})  # fmt: skip
    for p in patterns[:-1]:
        rows.append({"label": f"late fusion, {p} only", "title": f"Specialist: {p}", "kind": "specialist",
                     "method": "baseline", "reconstruction": False, "seeds": 3, "regime": p, "n_parameters": 900_000,
                     "table": {p: values(0.97, names)}, "sd": {p: values(0.01, names)},
                     "slices": {"conflict": {p: 1.1}}})  # fmt: skip
    return result | {"rows": rows}


def _model(
    i: int,
    name: str,
    title: str,
    kind: str,
    method: str,
    rebuilt: bool,
    error: float,
    patterns: Sequence[str],
    frames: Sequence[str],
    names: Sequence[str],
) -> dict[str, Any]:
    """Make a row; teachers and ablations know patterns only."""
    table = {p: values(error + 0.1 * (len(patterns) - 1 - j), names) for j, p in enumerate(patterns)}
    if kind not in ("complete", "ablation"):
        table |= {c: values(error + (0.5 + 0.04 * i) * r, names) for c, r in zip(frames, RATES, strict=True)}
        table |= {c: values(error + 0.2, names) for c in ("block:0.3", "block:0.5", "modality:0.1", "modality:0.2")}
    measured = kind not in ("naive", "complete")
    incomplete_mae = sum(table[p]["mae"] for p in patterns[:-1]) / max(1, len(patterns) - 1)  # type: ignore[misc]
    return {
        "label": name, "title": title, "kind": kind, "method": method, "reconstruction": rebuilt, "seeds": 5,
        "regime": "subset", "n_parameters": 1_230_000, "table": table,
        "sd": {c: dict.fromkeys(names, 0.0123) for c in table},
        "slices": {s: {p: error + 0.3 for p in patterns} for s in ("conflict", "decorrelated")},
        "auilc": dict.fromkeys(names, 0.9 * error) if "frame:0.0" in table else None,
        "coverage": {p: 0.79 + 0.004 * i for p in patterns}, "width": {p: 2.5 + error for p in patterns},
        "six": incomplete_mae, "six_sd": 0.0044, "complete": error,
        "complete_model": "late fusion", "price": error / 0.75 - 1 if measured else None,
        "gap_closed": 1.2 + i / 100 if measured else None, "gap_interval": [1.1, 1.3] if measured else None,
        "distance": -0.02 if measured else None, "against_masked": [-0.01 * i, -0.1, 0.02] if measured else None,
    }  # fmt: skip


def write(folder: Path, *evaluations: dict[str, Any]) -> None:
    """Write evaluation files to a folder, with the shipped file of reported numbers."""
    folder.mkdir(exist_ok=True)
    for result in evaluations:
        (folder / f"{result['corpus']}.json").write_text(json.dumps(result))
    (folder / results.REPORTED).write_text((results.FOLDER / results.REPORTED).read_text())
