"""The methods that lessons drive, and the rows of the evaluation that belong to them."""

from __future__ import annotations

from functools import lru_cache

from msa_core import checkpoint
from msa_core.methods.shipped import checkpoint_of
from msa_core.views.parts import method_title

METHODS = ("sdumc", "corrkd", "promma")
ROW = {"sdumc": "sdumc", "corrkd": "corrkd", "promma": "promma (reconstruction)"}  # label in the evaluation file
COMPLETE_ROW = {  # of the complete-modality model that stands beside the method
    "sdumc": "late fusion, absent = zero",
    "corrkd": "corrkd-teacher",
    "promma": "promma-teacher",
}


@lru_cache
def level(method: str) -> float:
    """The share of true ratings, 0 to 1, that the intervals of a shipped method are made to hold.

    Raises: CheckpointError when it is not there.
    """
    return float(checkpoint.read_manifest(checkpoint_of(method))["calibration"]["level"])


def in_100(share: float) -> int:
    """A share, 0 to 1, as people count: so many in 100."""
    return round(100 * share)


def method_options() -> tuple[tuple[str, str], ...]:
    """(title, name) of each, for a choice."""
    return tuple((method_title(m), m) for m in METHODS)
