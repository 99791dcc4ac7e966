"""Results of the shipped evaluation that lessons quote: one clip shows behaviour, many show errors."""

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
    """Return the number of labelled test clips."""
    return int(_result()["n"])


def row(label: str) -> Mapping[str, Any]:
    """Return the row of a model by its label in the evaluation file.

    Raises: MsaError when there is no such row.
    """
    for found in _result()["rows"]:
        if found["label"] == label:
            return dict(found)
    raise MsaError(f"The evaluation file has no row {label!r}.")


def complete_mae(label: str) -> float:
    """Return a model's mean absolute error on complete input."""
    return float(row(label)["complete"])


def incomplete_mae(label: str) -> float:
    """Return a model's mean absolute error over the incomplete patterns."""
    return float(row(label)["six"])


def mae(label: str, condition: str) -> float:
    """Return a model's mean absolute error in one condition: a pattern or a rate, such as "audio" or "frame:0.5"."""
    return float(row(label)["table"][condition]["mae"])


def coverage(label: str, pattern: str) -> float:
    """Return the share of test clips whose label lay in the model's interval."""
    return float(row(label)["coverage"][pattern])
