"""CMU-MOSI with one vector an utterance and modality: real text, voice and face of the same speaker and moment.

MOSI: Zadeh et al. 2016, arXiv:1606.06259. Features: Poria et al. 2017, ACL P17-1081 (text CNN, openSMILE, 3D-CNN).
The extractors of text and vision were themselves trained with the labels of that paper's training videos ("poria
train", 62 of 93). Their vectors of those videos carry the labels, whatever split is laid over them, hence two corpora:

- `mosi`: poria's own split. Test is clean. Training and validation lie in poria train: what a model chooses on
  validation is chosen on vectors that look better than those of a new video (ridge regression from vision alone: r .69
  on validation, .07 on test; from text .88 and .60).
- `mosi-cv`: poria's test videos alone, in folds. Nothing in it was seen by an extractor, but there is less of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from msa_core.corpora.corpus import SPLITS, Corpus
from msa_core.corpora.stored_features import (
    arrays,
    checked_labels,
    counts,
    fold_facts,
    folds,
    in_order,
    numbers,
    split_of,
    streams,
)
from msa_core.errors import MsaError

NAME, CV_NAME = "mosi", "mosi-cv"
FEATURE_SET = "mosi-poria-v1"
FILE = "mosi/mosi_utt_features.npz"
FEATURES = {"text": "text_cnn100", "audio": "audio_opensmile73", "vision": "video_3dcnn100"}
VALID_SHARE = 0.15  # of the training videos
N_FOLDS = 5
NAMES = {"poria": NAME, "cv": CV_NAME}
STATEMENTS = {
    "poria": "Real utterances of YouTube opinion videos, one vector a modality, split by video as their features were. "
    "The extractors of text and vision were trained with the labels of the training and validation videos, so "
    "validation error is far too low and a model trusts both too much; only the test videos are new to everything.",
    "cv": "Real utterances of YouTube opinion videos, one vector a modality: only the 31 videos whose labels the "
    "feature extractors never saw, in 5 folds by video. Smaller than MOSI and split otherwise: compare it with no "
    "published table.",
}
STATEMENT = STATEMENTS["poria"]
SOURCES = {
    "labels": "CMU-MOSI, Zadeh et al. 2016, arXiv:1606.06259; YouTube; research use",
    "features": "Poria et al. 2017, ACL P17-1081, contextual-utterance-level-multimodal-sentiment-analysis; no licence",
}
LEAK = (
    "The standard split of MOSI cannot be used with these features: their text and vision extractors were trained with "
    "labels, and on 558 of its 686 test utterances (ridge regression then reaches an Acc-2 of 94 % from text and 84 % "
    "from vision, which is recall). Use split='poria', or split='cv' for the videos that no extractor saw."
)


def build(data: Path, out: Path, split: str = "poria", seed: int = 0) -> Corpus:
    """Build `mosi` (split "poria") or `mosi-cv` (split "cv") from the data below `data` and store it in folder `out`.

    Raises:
        MsaError: the standard split, which leaks labels, and for missing or damaged data.
    """
    _allowed(split)
    columns = ("id", "label", "poria_split", *FEATURES.values())
    corpus = assemble(arrays(Path(data) / FILE, columns), split, seed)
    corpus.save(out)
    return Corpus.load(out)


def assemble(found: Mapping[str, np.ndarray], split: str = "poria", seed: int = 0) -> Corpus:
    """Build the corpus from the arrays of the feature file (U rows each).

    Raises:
        MsaError: as `build`.
    """
    _allowed(split)
    part, video = found["poria_split"], np.array([str(name).rsplit("_", 1)[0] for name in found["id"]])
    if unknown := set(part.tolist()) - {"train", "test"}:
        raise MsaError(f"poria_split is {min(unknown)!r} in {FILE}; it must be train or test. Restore the file.")
    if both := set(video[part == "train"].tolist()) & set(video[part == "test"].tolist()):
        raise MsaError(f"Video {min(both)!r} is in poria train and in poria test. Restore {FILE}.")
    if split == "cv":
        rows = np.flatnonzero(part == "test")
        fold = folds(video[rows], N_FOLDS, seed)
        parts = split_of(fold)
        facts: dict[str, Any] = {"folds": fold_facts(fold, video[rows], seed)}
        facts["removed"] = {"utterances whose labels the extractors saw": int((part == "train").sum())}
        columns = {"fold": fold}
    else:
        rows, columns, parts = np.arange(len(part)), {}, np.where(part == "test", "test", "train")
        trained = in_order(video[part == "train"], seed)
        parts[np.isin(video, trained[: max(1, round(VALID_SHARE * len(trained)))])] = "valid"
        facts = {"videos": {s: len(set(video[parts == s].tolist())) for s in SPLITS}, "seed": seed}
        facts["labels_seen_by_extractors"] = {s: int((part[parts == s] == "train").sum()) for s in SPLITS}
    pools, index = streams({stream: found[name][rows][:, None] for stream, name in FEATURES.items()})
    return Corpus(
        name=NAMES[split],
        feature_set=FEATURE_SET,
        ids=found["id"][rows],
        label=checked_labels(found["label"][rows], FILE),
        split=parts,
        pools=pools,
        index=index,
        columns={"row": rows.astype(float), "video": numbers(video[rows]), **columns},
        manifest={"statement": STATEMENTS[split], "utterances": counts(parts), **facts, "sources": SOURCES},
    )


def _allowed(split: str) -> None:
    """Refuse a split that leaks labels or does not exist.

    Raises:
        MsaError: the split is none of NAMES.
    """
    if split in ("std", "standard"):
        raise MsaError(LEAK)
    if split not in NAMES:
        raise MsaError(f"Unknown split {split!r} of MOSI. Valid splits: {', '.join(NAMES)}.")
