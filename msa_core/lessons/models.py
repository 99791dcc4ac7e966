"""The methods that lessons use, their rows in the evaluation and the level of their intervals."""

from __future__ import annotations

from functools import lru_cache

from msa_core import checkpoint
from msa_core.methods.shipped import checkpoint_of
from msa_core.views.parts import method_title

METHODS = ("sdumc", "corrkd", "promma")
ROW = {"sdumc": "sdumc", "corrkd": "corrkd", "promma": "promma (reconstruction)"}  # label in the evaluation file
COMPLETE_ROW = {  # of the complete model that stands beside the method
    "sdumc": "late fusion, absent = zero",
    "corrkd": "corrkd-teacher",
    "promma": "promma-teacher",
}


@lru_cache
def level(method: str) -> float:
    """Return the share of labels, 0 to 1, that the intervals of a shipped method are calibrated to contain.

    Raises: CheckpointError when its checkpoint is missing.
    """
    return float(checkpoint.read_manifest(checkpoint_of(method))["calibration"]["level"])


def in_100(share: float) -> int:
    """Turn a share, 0 to 1, into a count in 100."""
    return round(100 * share)


def method_options() -> tuple[tuple[str, str], ...]:
    """Return (title, name) of every method, for a choice."""
    return tuple((method_title(m), m) for m in METHODS)
