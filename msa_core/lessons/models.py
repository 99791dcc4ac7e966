"""The methods that lessons drive, and the rows of the evaluation that belong to them."""

from __future__ import annotations

from ..report import title

METHODS = ("sdumc", "corrkd", "promma")
ROW = {"sdumc": "sdumc", "corrkd": "corrkd", "promma": "promma (reconstruction)"}  # label in the evaluation file
COMPLETE_ROW = {  # of the complete-modality model that stands beside the method
    "sdumc": "late fusion, absent = zero",
    "corrkd": "corrkd-teacher",
    "promma": "promma-teacher",
}


def method_options() -> tuple[tuple[str, str], ...]:
    """(title, name) of each, for a choice."""
    return tuple((title(m), m) for m in METHODS)
