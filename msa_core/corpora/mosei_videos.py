"""922 whole videos of CMU-MOSEI: one vector a modality, the mean sentiment of the video's rated segments.

MOSEI: Zadeh et al. 2018, ACL P18-1208. Text: BERT's [CLS] of the whole transcript. Audio: COVAREP, averaged. Vision:
the first 35 numbers of OpenFace 2, averaged: time stamp, confidence, success, gaze, and the eyes' places in pixels.
They hold no expression, and pixels tell how large a picture is as well as where the face is in it. No extractor was
trained with sentiment labels. The videos come from all three standard splits, so the corpus has folds of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from msa_core.corpora.corpus import Corpus
from msa_core.corpora.stored_features import (
    arrays,
    checked_labels,
    counts,
    fold_facts,
    folds,
    numbers,
    split_of,
    streams,
)
from msa_core.errors import MsaError

NAME = "mosei-922"
FEATURE_SET = "mosei-video922-v1"
FILE = "mosei/mosei_video922.npz"
FEATURES = {"text": "language_bert768", "audio": "acoustic_covarep40", "vision": "visual_openface35"}
N_FOLDS = 5
CLOCK = 1  # column of vision: the mean time stamp, which a video without any face has too
STATEMENT = (
    "922 whole YouTube videos, one vector a modality, scored by the mean rating of their segments, in 5 folds: no "
    "published table has this task. Vision is gaze and the place of the eyes in pixels, not expression: what it knows "
    "may be the kind of recording."
)
SOURCES = {
    "labels": "CMU-MOSEI, Zadeh et al. 2018, ACL P18-1208; YouTube; research use",
    "features": "Multimodal-Sentiment-Analysis-with-MOSEI-Dataset of JugalGajjar, MIT, from CMU's features; 922 of "
    "3,293 videos; its labels were wrong and are made anew from the segments",
}


def build(data: Path, out: Path, seed: int = 0) -> Corpus:
    """Build the corpus from the research data below `data` and store it in folder `out`.

    Args:
        seed: of the folds.

    Raises:
        MsaError: the file is missing or damaged.
    """
    columns = ("id", "sentiment_video_mean", "std_split", *FEATURES.values())
    corpus = assemble(arrays(Path(data) / FILE, columns), seed)
    corpus.save(out)
    return Corpus.load(out)


def assemble(found: Mapping[str, np.ndarray], seed: int = 0) -> Corpus:
    """Build the corpus from the arrays of the feature file (U rows each).

    Raises:
        MsaError: a value that cannot be repaired.
    """
    values, repairs = {}, {}
    for stream, name in FEATURES.items():
        values[stream], repairs[stream] = repaired(found[name])
    faces = np.count_nonzero(np.delete(found[FEATURES["vision"]], CLOCK, axis=1), axis=1) > 0
    entries = {
        stream: [v if stream != "vision" or seen else v[:0] for v, seen in zip(rows[:, None], faces, strict=True)]
        for stream, rows in values.items()
    }
    pools, index = streams(entries)
    video = found["id"]
    fold = folds(video, N_FOLDS, seed)
    split = split_of(fold)
    names, sizes = np.unique(found["std_split"], return_counts=True)
    manifest = {
        "statement": STATEMENT,
        "utterances": counts(split),
        "folds": fold_facts(fold, video, seed),
        "repaired": repairs,
        "absent": {"vision": int((~faces).sum())},  # no face in the whole video
        "standard_split": dict(zip(names.tolist(), sizes.tolist(), strict=True)),
        "sources": SOURCES,
    }
    return Corpus(
        name=NAME,
        feature_set=FEATURE_SET,
        ids=video,
        label=checked_labels(found["sentiment_video_mean"], FILE),
        split=split,
        pools=pools,
        index=index,
        columns={"row": np.arange(len(video), dtype=float), "video": numbers(video), "fold": fold},
        manifest=manifest,
    )


def repaired(values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Remove infinities and NaN from features (U, D); return them and the counts of what was done.

    A column that is not finite in more than half of the rows is dropped, elsewhere such a value becomes 0: neither
    looks at labels or folds.

    Raises:
        MsaError: no column is left.
    """
    bad = ~np.isfinite(values)
    dropped = bad.mean(0) > 0.5
    if dropped.all():
        raise MsaError(f"All {len(dropped)} columns of a feature in {FILE} are mostly not finite. Restore the file.")
    facts = {
        "not_finite": {str(j): int(bad[:, j].sum()) for j in np.flatnonzero(bad.any(0))},
        "dropped_columns": np.flatnonzero(dropped).tolist(),
        "set_to_0": int(bad[:, ~dropped].sum()),
    }
    kept: np.ndarray = np.where(bad, 0, values)[:, ~dropped].astype(np.float32)
    return kept, facts
