"""Labels of emotions in a feature file: MulT's IEMOCAP, four emotions, each a yes or no.

`iemocap_data.pkl` (aligned, 20 frames) and `iemocap_data_noalign.pkl` hold no ids, and labels (N, 4, 2): for each
emotion (1, 0) when it is not there and (0, 1) when it is; its code takes the larger of the two, and names the emotions
in this order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from msa_core.corpora.importers.contents import FeatureFile, Finding, Part, chosen, named
from msa_core.errors import MsaError

EMOTIONS = ("neutral", "happy", "sad", "angry")
STATEMENT = "Features as the file has them; its labels tell of each emotion whether it is there."
SHAPE = (len(EMOTIONS), 2)


def are(value: Any) -> bool:
    """Tell whether labels have the shape (N, 4, 2) of emotions."""
    return isinstance(value, np.ndarray) and value.shape[1:] == SHAPE


def numbered(file: FeatureFile, split: str, n: int) -> list[str]:
    """Make ids of the row numbers, for a file without ids."""
    file.remark("note", "The file has no ids: utterances are called by their split and row, such as 'train_0'.")
    return [f"{split}_{row}" for row in range(n)]


def take(file: FeatureFile, part: Part, value: np.ndarray) -> None:
    """Store the emotions of a split (N, 4), 1 = there. Raises: MsaError when the labels are no pairs of 0 and 1."""
    if len(value) != len(part.ids):
        raise MsaError(f"labels of {part.split} have {len(value)} rows for {len(part.ids)} utterances.")
    pairs = value.astype(np.float64) if value.dtype.kind in "biuf" else np.full(value.shape, np.nan)
    wrong = ~((np.isin(pairs, (0, 1)).all(2)) & (pairs.sum(2) == 1)).all(1)
    if wrong.any():
        raise MsaError(
            f"labels of {part.split} have the shape of emotions {value.shape}, but those of "
            f"{named(chosen(part.ids, wrong))} are no pairs of 0 and 1. Export them again."
        )
    file.emotions, part.emotions = EMOTIONS, pairs[:, :, 1].astype(np.float32)


def findings(file: FeatureFile) -> list[Finding]:
    """List what is wrong with emotions: splits without them, emotions that all or no utterances of a split have."""
    found = []
    for part in file.parts if file.emotions else ():
        if part.emotions is None:
            if len(part.ids):
                said = f"{part.split} has scores or no labels, other splits have emotions. Give all of them the same."
                found.append(Finding("error", said))
            continue
        for name, there in zip(EMOTIONS, part.emotions.T, strict=True):
            if len(there) and there.min() == there.max():
                which = "every" if there[0] else "no"
                said = f"{name} is there in {which} utterance of {part.split}"
                more = ": nothing to learn." if part.split == "train" else ": its F1 says nothing there."
                found.append(Finding("error" if part.split == "train" else "warning", said + more))
    return found


def described(file: FeatureFile) -> str:
    """Write how often each emotion is there."""
    there = np.concatenate([p.emotions for p in file.parts if p.emotions is not None])
    return "emotions: " + ", ".join(f"{name} {there[:, i].mean():.1%}" for i, name in enumerate(EMOTIONS))
