"""ICT-MMMO: 120 film reviews from YouTube as aligned sequences of 20 steps, with all three modalities.

MMMO: Wöllmer et al. 2013, doi:10.1109/MIS.2013.34. Features of MFN (Zadeh et al. 2018, arXiv:1802.00927): text GloVe
(300), audio COVAREP (74), vision FACET (36). Hardly any text vector occurs twice, so a step stands for several words.
MFN's text of the 220 training clips is not available: the corpus is its valid and test parts, in folds of its own.

A step at which a stream is all zero was not observed. Before the first and after the last step of a clip it is padding
(most clips have none; padding is at either end); between them it is mostly a moment without a face. Neither is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from msa_core.corpora.corpus import Corpus
from msa_core.corpora.stored_features import arrays, checked_labels, counts, fold_facts, folds, split_of, streams
from msa_core.errors import MsaError

NAME = "mmmo-120"
FEATURE_SET = "mmmo-mfn20-v1"
FILE = "mmmo/mmmo.npz"
FEATURES = {"text": "text", "audio": "audio", "vision": "video"}  # names in the file, before "_valid" and "_test"
PARTS = ("valid", "test")
RATINGS = (1.0, 5.0)  # the annotators' scale; 3 is neutral
N_FOLDS = 5
FLOOR = -255.0  # how the file writes minus infinity (COVAREP's peak slope; pitch reaches +255 by itself)
STATEMENT = (
    "120 YouTube film reviews, three modalities in step, one rating a review, in 5 folds. With 120 clips intervals are "
    "wide; speakers are not known, so one may be in two folds. No published table has these folds."
)
SOURCES = {
    "labels": "ICT-MMMO, Wöllmer et al. 2013, doi:10.1109/MIS.2013.34; YouTube; research use",
    "features": "MFN, Zadeh et al. 2018, arXiv:1802.00927, repository MIT; the features come from CMU",
}


def build(data: Path, out: Path, seed: int = 0) -> Corpus:
    """Build the corpus from the research data below `data` and store it in folder `out`.

    Args:
        seed: of the folds.

    Raises:
        MsaError: the file is missing or damaged.
    """
    names = [f"{name}_{part}" for part in PARTS for name in (*FEATURES.values(), "y")]
    corpus = assemble(arrays(Path(data) / FILE, [*names, "y_train"]), seed)
    corpus.save(out)
    return Corpus.load(out)


def assemble(found: Mapping[str, np.ndarray], seed: int = 0) -> Corpus:
    """Build the corpus from the arrays of the file: "text_valid" (U, T, D), "y_valid" (U,) ..; "y_train" is counted.

    Raises:
        MsaError: a label outside 1 to 5, streams that are not in step, a clip in which nothing was observed.
    """
    ratings = [found[f"y_{part}"] for part in PARTS]
    ids = np.array([f"mmmo-{part}-{k}" for part, y in zip(PARTS, ratings, strict=True) for k in range(len(y))])
    steps = {s: np.concatenate([found[f"{name}_{part}"] for part in PARTS]) for s, name in FEATURES.items()}
    if len({v.shape[:2] for v in steps.values()} | {(len(ids), steps["text"].shape[1])}) != 1:
        shapes = ", ".join(f"{s} {v.shape}" for s, v in steps.items())
        raise MsaError(f"{FILE} has {len(ids)} labels and streams that are not in step: {shapes}. Restore the file.")
    # an all-zero step was not observed; minus infinity becomes 0
    observed = {stream: np.count_nonzero(v, axis=2) > 0 for stream, v in steps.items()}
    inside = _inside(observed, ids)
    floor = steps["audio"] <= FLOOR
    steps["audio"] = np.where(floor, np.float32(0), steps["audio"])
    pools, index = streams({s: [v[o] for v, o in zip(steps[s], observed[s], strict=True)] for s in FEATURES})
    fold = folds(ids, N_FOLDS, seed)
    split = split_of(fold)
    number = np.arange(len(ids), dtype=float)
    manifest = {
        "statement": STATEMENT,
        "utterances": counts(split),
        "folds": {**fold_facts(fold, ids, seed), "by": "clip"},
        "removed": {"training clips without text": len(found["y_train"]), **_unobserved(observed, inside)},
        "repaired": {"audio": {"minus_infinity_set_to_0": int(floor.sum()), "columns": _columns(floor)}},
        "absent": {stream: int((~o.any(1)).sum()) for stream, o in observed.items()},
        "score": "(label - 3) * 1.5, label 1 to 5",
        "sources": SOURCES,
    }
    return Corpus(
        name=NAME,
        feature_set=FEATURE_SET,
        ids=ids,
        label=label_of(np.concatenate(ratings)),
        split=split,
        pools=pools,
        index=index,
        columns={"row": number, "video": number.copy(), "fold": fold},
        manifest=manifest,
    )


def label_of(rating: np.ndarray) -> np.ndarray:
    """Convert ratings (U,) from 1 to 5 to labels in [-3, 3].

    Raises:
        MsaError: another rating.
    """
    outside = rating[~((rating >= RATINGS[0]) & (rating <= RATINGS[1]))]
    if len(outside):
        raise MsaError(f"{FILE} has the label {outside[0]}; it must be from 1 to 5. Restore the file.")
    return checked_labels((rating - 3) * 1.5, FILE)


def _inside(observed: Mapping[str, np.ndarray], ids: np.ndarray) -> np.ndarray:
    """Mark the steps (U, T) from a clip's first to its last observed one, whatever the stream."""
    anything: np.ndarray = np.any(list(observed.values()), axis=0)
    if not anything.any(1).all():
        raise MsaError(f"{ids[~anything.any(1)][0]} in {FILE} has no observed step at all. Restore the file.")
    step, last = np.arange(anything.shape[1]), anything.shape[1] - 1 - anything[:, ::-1].argmax(1)
    within: np.ndarray = (step >= anything.argmax(1)[:, None]) & (step <= last[:, None])
    return within


def _unobserved(observed: Mapping[str, np.ndarray], inside: np.ndarray) -> dict[str, Any]:
    """Count the steps that are not stored."""
    first = inside.argmax(1)
    before = int(first.sum())
    return {
        "padding_steps": {"before": before, "after": int((~inside).sum()) - before},
        "padded_clips": int((~inside).any(1).sum()),
        "unobserved_steps_inside": {stream: int((inside & ~o).sum()) for stream, o in observed.items()},
    }


def _columns(cells: np.ndarray) -> list[int]:
    """List the columns (last axis) with any True."""
    found: list[int] = np.flatnonzero(cells.any((0, 1))).tolist()
    return found
