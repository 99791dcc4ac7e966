"""Names and shapes of other published pickles, turned into those of MMSA before they are read.

- Self-MM `DataPre.py`: text_bert (N, L, 3); its older CH-SIMS files: feature_T/_A/_V, label_M/_T/_A/_V, ids
- MulT (Tsai et al. 2019): labels (N, 1, 1), id (N, 3) of video, start and end
- IEMOCAP of MulT: labels (N, 4, 2), no id (emotions.py)
- CMU-MOSEI by its SDK: labels (N, 1, 7) or (N, 7), sentiment first, then six emotions
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from msa_core.corpora.importers import emotions
from msa_core.corpora.importers.arrays import numbers, texts
from msa_core.corpora.importers.contents import FeatureFile, Finding, named
from msa_core.corpora.ragged import Ragged
from msa_core.errors import MsaError

SPLIT_NAMES = {"valid": ("valid", "val", "dev")}
OTHER_NAMES = {  # name in MMSA -> names elsewhere
    "id": ("ids",),
    "text": ("feature_T",),
    "audio": ("feature_A", "acoustic"),
    "vision": ("feature_V", "visual"),
    "audio_lengths": ("acoustic_lengths",),
    "vision_lengths": ("visual_lengths",),
    "regression_labels": ("labels", "label_M", "label"),
    "regression_labels_T": ("label_T",),
    "regression_labels_A": ("label_A",),
    "regression_labels_V": ("label_V",),
}
SENTIMENT_AND_EMOTIONS = 7


def split_of(content: dict[str, Any], split: str) -> Any:
    """Take a split out of a pickle, by its name here or elsewhere; None when it is not there."""
    for name in SPLIT_NAMES.get(split, (split,)):
        if name in content:
            return content.pop(name)
    return None


def rename(file: FeatureFile, rows: dict[str, Any]) -> None:
    """Give the arrays of a split the names of MMSA; each that is read under another name is noted."""
    for name, others in OTHER_NAMES.items():
        other = next((o for o in others if rows.get(o) is not None), None)
        if other == "labels" and emotions.are(rows[other]):
            continue
        if rows.get(name) is None and other is not None:
            rows[name] = rows.pop(other)
            if name == "regression_labels":
                rows[name] = _first_label(file, rows[name], other)
            file.remark("note", f"{other!r} is read as {name!r}.")


def unread(file: FeatureFile, rows: dict[str, Any], read: Sequence[str], split: str) -> None:
    """Warn of arrays (N, T, D) of a split that no reader knows: a modality may be among them."""
    names = [str(k)[:40] for k, v in rows.items() if k not in read and isinstance(v, np.ndarray) and v.ndim == 3]
    if names:
        sentence = f"Not read in {split}: {named(names)}. Frames are read from text, audio and vision."
        file.findings.append(Finding("warning", sentence))


def join_ids(splits: Sequence[dict[str, Any]]) -> None:
    """Make one id of every row of an id (N, K): the first column where it is unique, else 'video$_$start_end'."""
    columns = [_columns(rows.get("id")) for rows in splits]
    if not any(columns):
        return
    first = [name for found in columns if found for name in found[0]]
    alone = len(set(first)) == len(first)
    for rows, found in zip(splits, columns, strict=True):
        if found and (alone or len(found) == 1):
            rows["id"] = found[0]
        elif found:
            rows["id"] = [f"{row[0]}$_${'_'.join(row[1:])}" for row in zip(*found, strict=True)]


def pieces(file: FeatureFile, value: Any, what: str, n: int) -> np.ndarray:
    """Check word pieces (N, 3, L) of whole numbers: ids, mask, segment. Others are turned, with a warning.

    Raises:
        MsaError: the array has another shape or other values.
    """
    given = numbers(value, what, n, (3,))
    turned = given.transpose(0, 2, 1)
    for one in (given, turned):
        if one.shape[1] == 3 and _are_pieces(one):
            if one is turned:
                said = f"text_bert has shape (N, L, 3) in the file, {given.shape} in {what.rpartition(' ')[2]}"
                file.remark("warning", f"{said}; it is read as (N, 3, L).", "text_bert has shape (N, L, 3)")
            return one
    if 3 not in given.shape[1:]:
        raise MsaError(f"{what} has shape {given.shape}; give (N, 3, L): ids, mask and segment.")
    raise MsaError(f"{what}: ids must be whole numbers and the mask 0 or 1. Export it again, or leave it out.")


def held(values: np.ndarray, stream: Ragged) -> np.ndarray:
    """Mark the utterances (N,) of an array (N, T, D) that hold any value but 0, whether they were read or not."""
    found = stream.lengths > 0
    absent = np.flatnonzero(~found)
    found[absent] = (values[absent] != 0).any((1, 2))
    return np.asarray(found)


def _are_pieces(value: np.ndarray) -> bool:
    """Tell whether an array (N, 3, L) may hold ids, a mask and segments."""
    return bool(np.isfinite(value).all() and (value >= 0).all() and np.isin(value[:, 1], (0, 1)).all())


def _first_label(file: FeatureFile, value: Any, name: str) -> Any:
    """Take the sentiment of labels (N, 1, 1), (N, 1, 7) or (N, 7); others are returned as they are."""
    array = value if isinstance(value, np.ndarray) else None
    if array is None or array.ndim not in (2, 3) or any(n != 1 for n in array.shape[1:-1]):
        return value
    if array.shape[-1] == SENTIMENT_AND_EMOTIONS:
        file.remark("warning", f"{name!r} has 7 columns: the first is read as the sentiment, as CMU-MOSEI has it.")
    elif array.shape[-1] != 1:
        return value
    return array.reshape(len(array), -1)[:, 0] if len(array) else array.reshape(0)


def _columns(value: Any) -> list[list[str]]:
    """List the columns of an id (N, K) as texts; empty unless it is one."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(row, (list, tuple)) for row in value):
        if len({len(row) for row in value}) != 1 or not value[0]:
            return []
        columns: Any = list(zip(*value, strict=True))
    elif isinstance(value, np.ndarray) and value.ndim == 2 and value.size:
        columns = list(value.T)
    else:
        return []
    try:
        return [texts(list(column), "id") for column in columns]
    except MsaError:
        return []
