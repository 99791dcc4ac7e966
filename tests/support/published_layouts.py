"""Writers of feature files in the public layouts, made of random numbers, with the values they were made from.

MMSA and MMSA-FET (aligned or not, padded in front or at the end), Self-MM's DataPre.py and its MulT files with lengths
of getLengths.py, MulT, and the labels of CMU-MOSEI of 2018.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
from feature_files import Content

SPLITS = {"train": 18, "valid": 5, "test": 7}
LENGTHS = {"text": 8, "audio": 14, "vision": 11}  # longest utterance, in frames
Frames = list[np.ndarray]


@dataclass
class Truth:
    """Utterances before a layout is made of them: per split ids and labels, per modality the frames of each."""

    ids: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # (video, clip)
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    frames: dict[str, dict[str, Frames]] = field(default_factory=dict)  # split -> modality -> (n, D) each
    ratings: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)


def truth(seed: int, widths: tuple[int, int, int] = (6, 7, 9), aligned: bool = False, holes: bool = True) -> Truth:
    """Draw utterances: 2 frames and more, some without audio or vision, some with zero frames inside (lost faces)."""
    rng, found, video = np.random.default_rng(seed), Truth(), 0
    for split, n in SPLITS.items():
        found.ids[split] = [(f"vid{video + i // 2}", str(i)) for i in range(n)]
        video += n
        found.labels[split] = np.round(rng.uniform(-3, 3, n) * 5) / 5
        found.labels[split][:2] = (2.8, -2.6)
        steps = rng.integers(2, LENGTHS["text"] + 1, n)
        steps[-1] = LENGTHS["text"]
        found.frames[split] = {}
        for modality, width in zip(LENGTHS, widths, strict=True):
            lengths = steps if aligned else rng.integers(2, LENGTHS[modality] + 1, n)
            lengths[0] = LENGTHS["text" if aligned else modality]  # an utterance without padding
            found.frames[split][modality] = [_frames(rng, m, width, holes and modality == "vision") for m in lengths]
        for modality in ("audio", "vision"):
            lost = int(rng.integers(2, n))
            found.frames[split][modality][lost] = np.zeros_like(found.frames[split][modality][lost])
        found.ratings[split] = {m: np.round(rng.uniform(-3, 3, n) * 5) / 5 for m in "TAV"}
    return found


def _frames(rng: np.random.Generator, length: int, width: int, holes: bool) -> np.ndarray:
    """Draw the frames of an utterance; with `holes` some inside are zero."""
    values = rng.normal(size=(length, width)).astype(np.float32)
    if holes:
        values[1:-1][rng.random(length)[1:-1] < 0.15] = 0
    return values


def pad(frames: Frames, length: int, front: bool = False) -> np.ndarray:
    """Pad with zeros at the end or in front, cut what is longer, as all public writers do."""
    out = np.zeros((len(frames), length, frames[0].shape[1]))
    for row, values in zip(out, frames, strict=True):
        part = values[:length]
        row[length - len(part) if front else 0 :][: len(part)] = part
    return out


def pieces(rng: np.random.Generator, frames: Frames, length: int, front: bool = False) -> np.ndarray:
    """Make text_bert (N, L, 3), one piece a frame: ids, mask, segment."""
    rows = [np.stack([rng.integers(1, 30, len(f)), np.ones(len(f)), np.zeros(len(f))], 1) for f in frames]
    return pad(rows, length, front)


def usual_length(found: Truth, modality: str) -> int:
    """Compute the length that DataPre.py and MMSA-FET pad to: mean and three deviations over all splits."""
    lengths = [len(f) for split in SPLITS for f in found.frames[split][modality]]
    return int(np.mean(lengths) + 3 * np.std(lengths))


def get_lengths(array: np.ndarray) -> list[int]:
    """Count the frames up to the first of zeros, 1 at least, as getLengths.py of MMSA does."""
    sums = array.sum(-1)
    return [max(1, int(np.argmin(row != 0))) if (row == 0).any() else len(row) for row in sums]


def mmsa(found: Truth, seed: int = 0, aligned: bool = False, front: bool = False) -> Content:
    """Write as MMSA publishes MOSI and MOSEI: BERT gives values to the padding of the text."""
    rng, content = np.random.default_rng(seed), {}
    for split, frames in found.frames.items():
        size = dict.fromkeys(LENGTHS, LENGTHS["text"]) if aligned else LENGTHS
        arrays = {m: pad(f, size[m], front).astype(np.float32) for m, f in frames.items()}
        bert = pieces(rng, frames["text"], size["text"], front).transpose(0, 2, 1)
        arrays["text"] += 0.5 * (bert[:, 1] == 0)[..., None]
        content[split] = {
            "raw_text": np.array(["words"] * len(arrays["text"])),
            "id": np.array([f"{v}$_${c}" for v, c in found.ids[split]]),
            "text_bert": bert.astype(np.float32),
            **arrays,
            "annotations": np.array(["Positive"] * len(arrays["text"]), object),
            "classification_labels": np.zeros(len(arrays["text"])),
            "regression_labels": found.labels[split].astype(np.float32),
        }
        if not aligned:
            content[split] |= {f"{m}_lengths": [len(f) for f in frames[m]] for m in ("audio", "vision")}
    return content


def mmsa_fet(found: Truth, seed: int = 0, front: bool = False, unimodal: bool = False) -> Content:
    """Write as MMSA-FET: one length for all splits, lengths cut to it, unimodal labels where a table has them."""
    rng, content = np.random.default_rng(seed), {}
    size = {m: usual_length(found, m) for m in LENGTHS}
    for split, frames in found.frames.items():
        content[split] = {
            "id": np.array([f"{v}$_${c}" for v, c in found.ids[split]]),
            "raw_text": np.array(["words"] * len(found.labels[split])),
            **{m: pad(f, size[m], front) for m, f in frames.items()},
            "text_bert": pieces(rng, frames["text"], size["text"], front).transpose(0, 2, 1),
            **{f"{m}_lengths": np.array([min(len(f), size[m]) for f in frames[m]]) for m in ("audio", "vision")},
            "annotations": np.array(["Positive"] * len(found.labels[split])),
            "regression_labels": found.labels[split],
        }
        if unimodal:
            content[split] |= {f"regression_labels_{m}": r for m, r in found.ratings[split].items()}
    return content


def self_mm(found: Truth, seed: int = 0, front: bool = False) -> Content:
    """Write as Self-MM's DataPre.py: text_bert (N, L, 3), lengths before the arrays were cut, lists of labels."""
    content = mmsa_fet(found, seed, front)
    for split, rows in content.items():
        rows["text_bert"] = rows["text_bert"].transpose(0, 2, 1)
        rows |= {f"{m}_lengths": [len(f) for f in found.frames[split][m]] for m in ("audio", "vision")}
        rows |= {key: rows[key].tolist() for key in ("id", "raw_text", "annotations", "regression_labels")}
        rows["classification_labels"] = [1] * len(rows["id"])
    return content


def mult(found: Truth, mosei: bool = True) -> Content:
    """Write as MulT: padded in front, labels (N, 1, 1), id (N, 3); neither word pieces nor lengths."""
    content = {}
    for split, frames in found.frames.items():
        ids = [(v, f"{c}.5", f"{c}.9") if mosei else (f"{v}_{c}", f"{c}.5", f"{c}.9") for v, c in found.ids[split]]
        content[split] = {
            **{m: pad(f, LENGTHS[m], front=True).astype(np.float32) for m, f in frames.items()},
            "labels": found.labels[split].astype(np.float32)[:, None, None],
            "id": np.array(ids) if mosei else np.array(ids).astype("S"),
        }
    return content


def mult_with_lengths(found: Truth, seed: int = 0) -> Content:
    """Write as Self-MM reads MOSI: MulT's arrays, word pieces padded at the end, lengths of getLengths.py."""
    rng, content = np.random.default_rng(seed), mult(found, mosei=False)
    for split, rows in content.items():
        bert = pieces(rng, found.frames[split]["text"], LENGTHS["text"])
        rows |= {f"{m}_lengths": get_lengths(rows[m]) for m in ("audio", "vision")}
        rows["text_bert"] = bert.transpose(0, 2, 1)
    return content


def mosei_labels(found: Truth, seed: int = 0) -> None:
    """Give labels as CMU-MOSEI of 2018 has them: means of three ratings, two of them up to 5."""
    rng = np.random.default_rng(seed)
    for split, labels in found.labels.items():
        found.labels[split] = rng.integers(-9, 10, len(labels)) / 3
    found.labels["train"][:3] = (5.0, 10 / 3, -3)


class Spelled(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Pickler that names the modules of numpy as version 1 or 2 does, whichever is installed."""

    dispatch = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def __init__(self, file: Any, protocol: int, core: str) -> None:
        super().__init__(file, protocol)
        self.core = core

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module = str(getattr(obj, "__module__", ""))
        start = next((c for c in ("numpy._core.", "numpy.core.") if module.startswith(c)), None)
        if start is None:
            super().save_global(obj, name)
            return
        module, name = f"{self.core}.{module.removeprefix(start)}", obj.__name__
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)

    dispatch[FunctionType] = save_global


def dump(path: Path, content: Content, protocol: int = 4, core: str = "numpy._core") -> Path:
    """Pickle `content` as numpy 1 ("numpy.core") or numpy 2 ("numpy._core") writes it."""
    with open(path, "wb") as file:
        Spelled(file, protocol, core).dump(content)
    return path
