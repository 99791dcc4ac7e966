"""What the shipped evaluation measured, for lessons: one clip shows how a model behaves, not whether it is right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msa_core.errors import MsaError
from msa_core.evaluation.results import FOLDER

CORPUS = "composite"


@lru_cache
def _result() -> Mapping[str, Any]:
    path = FOLDER / f"{CORPUS}.json"
    if not path.is_file():
        raise MsaError(
            "The evaluation file {name} is missing. Get checkpoints/evaluation from the repository.", name=path.name
        )
    found: Mapping[str, Any] = json.loads(path.read_text())
    return found


def n_clips() -> int:
    """Test rows of the composite corpus."""
    return int(_result()["n"])


def row(label: str) -> Mapping[str, Any]:
    """A row by its label. Raises: MsaError when the file has none."""
    for found in _result()["rows"]:
        if found["label"] == label:
            return dict(found)
    raise MsaError(f"The evaluation file has no row {label!r}.")


def mae(label: str, column: str) -> float:
    """Mean absolute error of a row: a pattern or a rate, "complete", or "six" (mean of the incomplete patterns)."""
    found = row(label)
    return float(found[column] if column in ("six", "complete") else found["table"][column]["mae"])


def coverage(label: str, pattern: str) -> float:
    """Share of test rows whose rating lay in the row's interval."""
    return float(row(label)["coverage"][pattern])
