"""Add the rows of one evaluation to another of the same corpus, so that not every run has to be there again.

The rows that stand are kept as they are. What both measured must agree: the constant to the last digit, because then
corpus, test rows, folds and labels are the same; a trained row to within one per cent of its MAE, which is what one
training on two processors may differ by, so that a difference from the masked model means the same in both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msa_core.errors import MsaError
from msa_core.methods import KINDS

SAME = ("corpus", "split", "n", "folds", "scale", "metrics", "level", "patterns", "protocols", "slices")
EXACTLY, NEARLY = 1e-4, 0.01  # shares of the MAE: of rows that need no training, and of trained ones
ENDS = ("naive", "specialists", "with_simulated_text")  # where a gap lies; those of the file that stands come first


def standing(path: Path) -> dict[str, Any]:
    """Read the evaluation that rows are added to. Raises: MsaError when there is none or it cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not all("table" in row and "label" in row for row in found["rows"]):
            raise ValueError("a row has no label or no table")
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise MsaError(f"{path} is no evaluation that rows can be added to ({e!r}). Leave --add out.") from e
    return dict(found)


def added(stands: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """Put the rows of `result` that are new into the evaluation that stands.

    Args:
        stands, result: contents of evaluation files.

    Raises:
        MsaError: they are of other utterances, or a row that both have differs.
    """
    where = f"the evaluation of {stands.get('corpus')} that stands"
    for key in SAME:
        if stands.get(key) != result.get(key):
            raise MsaError(f"{where} has {key} {stands.get(key)!r}, this one {result.get(key)!r}. Leave --add out.")
    known = {row["label"]: row for row in stands["rows"]}
    for row in result["rows"]:
        old = known.get(row["label"])
        worst = 0.0 if old is None else _difference(old, row)
        if worst > (NEARLY if row.get("seeds") else EXACTLY):
            raise MsaError(
                f"The row {row['label']!r} of {where} differs by {100 * worst:.2f} % of its MAE from the one measured "
                "now: it is another training or corpus. Leave --add out, or leave its runs away."
            )
    place = {kind: i for i, kind in enumerate(KINDS)} | {"variant": KINDS.index("method")}
    rows = [*stands["rows"], *(row for row in result["rows"] if row["label"] not in known)]
    ends = {key: stands.get(key) or result.get(key) for key in ENDS if key in stands or key in result}
    return {**stands, **ends, "rows": sorted(rows, key=lambda row: place.get(row["kind"], len(KINDS)))}


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
    """Compute the largest difference of the MAE of two rows over the conditions that both have, as a share."""
    both = old["table"].keys() & new["table"].keys()
    pairs = [(old["table"][c].get("mae"), new["table"][c].get("mae")) for c in both]
    return max((abs(a - b) / max(b, 1e-9) for a, b in pairs if a is not None and b is not None), default=0.0)
