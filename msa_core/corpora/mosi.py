"""CMU-MOSI with one vector an utterance and modality: real text, voice and face of the same speaker and moment.

MOSI: Zadeh et al. 2016, arXiv:1606.06259. Features: Poria et al. 2017, ACL P17-1081 (text CNN, openSMILE, 3D-CNN).
The extractors of text and vision were themselves trained with the labels of that paper's training videos ("poria
train", 62 of 93). Their vectors of those videos carry the labels, whatever split is laid over them, hence two corpora:

- `mosi`: poria's own split. Test is clean. Training and validation lie in poria train: what a model chooses on
  validation is chosen on vectors that look better than those of a new video (ridge regression from vision alone: r .69
  on validation, .07 on test; from text .88 and .60).
- `mosi-cv`: poria's test videos alone, in folds. Nothing in it was seen by an extractor, but there is less of it.

What is below `build` serves the other corpora of stored features too (mosei_videos, mmmo).
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from msa_core.corpora.corpus import SPLITS, Corpus, Ragged
from msa_core.errors import MsaError
from msa_core.schema import SCORE_LIMIT, STREAMS

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

    Raises: MsaError for the standard split, which leaks labels, and for missing or damaged data.
    """
    _allowed(split)
    columns = ("id", "label", "poria_split", *FEATURES.values())
    corpus = assemble(arrays(Path(data) / FILE, columns), split, seed)
    corpus.save(out)
    return Corpus.load(out)


def assemble(found: Mapping[str, np.ndarray], split: str = "poria", seed: int = 0) -> Corpus:
    """Arrays of the feature file (U rows each) -> Corpus. Raises: MsaError as `build`."""
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
        label=scores(found["label"][rows], FILE),
        split=parts,
        pools=pools,
        index=index,
        columns={"row": rows.astype(float), "video": numbers(video[rows]), **columns},
        manifest={"statement": STATEMENTS[split], "utterances": counts(parts), **facts, "sources": SOURCES},
    )


def _allowed(split: str) -> None:
    if split in ("std", "standard"):
        raise MsaError(LEAK)
    if split not in NAMES:
        raise MsaError(f"Unknown split {split!r} of MOSI. Valid splits: {', '.join(NAMES)}.")


def arrays(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays `names` of a stored feature file (npz). Raises: MsaError naming the file and what it lacks."""
    if not path.is_file():
        raise MsaError(f"{path} is missing. Put the features of the corpus there (README, 'Corpora').")
    try:
        with np.load(path, allow_pickle=False) as stored:
            lacking = [n for n in names if n not in stored.files]
            found = {n: stored[n] for n in names if not lacking}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as e:
        raise MsaError(f"{path} cannot be read as arrays ({e}). Restore the file.") from e
    if lacking:
        raise MsaError(f"{path} has no array {lacking[0]!r}. Restore the file.")
    return found


def scores(labels: np.ndarray, where: str) -> np.ndarray:
    """Labels (U,) as scores, float32. Raises: MsaError when one is not in [-3, 3]."""
    found = np.asarray(labels, np.float32)
    wrong = np.flatnonzero(~(np.abs(found) <= SCORE_LIMIT))
    if len(wrong):
        raise MsaError(f"{where} has the score {found[wrong[0]]}; it must be from -3 to 3. Restore the file.")
    return found


def streams(entries: Mapping[str, Sequence[np.ndarray] | np.ndarray]) -> tuple[dict[str, Ragged], dict[str, Ragged]]:
    """Pools and index of utterances that share nothing. entries[s][u]: (T, D) of every utterance; T = 0 is absent.

    A stream that is not given is empty. Simulated text is always empty, and as wide as the text.
    """
    n_utterances = len(next(iter(entries.values())))
    nothing: list[list[int]] = [[] for _ in range(n_utterances)]
    widths = {stream: given[0].shape[1] for stream, given in entries.items()}
    widths["simulated"] = widths.get("text", 1)
    pools = {s: Ragged.of([], np.float32, widths.get(s, 1)) for s in STREAMS}
    index = {s: Ragged.of(nothing, np.int64) for s in STREAMS}
    for stream, given in entries.items():
        there = [u for u in range(n_utterances) if len(given[u])]
        place = {u: k for k, u in enumerate(there)}
        pools[stream] = Ragged.of([given[u] for u in there], np.float32, widths[stream])
        index[stream] = Ragged.of([[place[u]] if u in place else [] for u in range(n_utterances)], np.int64)
    return pools, index


def in_order(videos: np.ndarray, seed: int) -> list[str]:
    """The different videos in an order that depends on their names and the seed only."""
    return sorted(set(videos.tolist()), key=lambda v: hashlib.sha256(f"{seed}/{v}".encode()).digest())


def folds(videos: np.ndarray, n_folds: int, seed: int = 0) -> np.ndarray:
    """Fold (U,) float of every utterance, 0 to n_folds - 1; all utterances of a video are in one fold.

    Videos are dealt out from the longest to the shortest (equal ones in seeded order), each to the fold with the fewest
    utterances so far. Raises: MsaError when there are fewer videos than folds.
    """
    ordered = in_order(videos, seed)
    if len(ordered) < max(3, n_folds):
        raise MsaError(f"{len(ordered)} videos do not fill {max(3, n_folds)} folds. Give the complete corpus.")
    length = dict(zip(*np.unique(videos, return_counts=True), strict=True))
    size, fold = [0] * n_folds, {}
    for video in sorted(ordered, key=lambda v: -length[v]):
        fold[video] = size.index(min(size))
        size[fold[video]] += length[video]
    return np.array([fold[v] for v in videos.tolist()], float)


def split_of(fold: np.ndarray) -> np.ndarray:
    """The split (U,) of seed 0: fold 0 is test, fold 1 valid, the others train (see Corpus.for_seed)."""
    return np.where(fold == 0, "test", np.where(fold == 1, "valid", "train"))


def fold_facts(fold: np.ndarray, videos: np.ndarray, seed: int) -> dict[str, Any]:
    """Utterances and videos of every fold, for the manifest."""
    each = [fold == k for k in range(int(fold.max()) + 1)]
    sizes = {"utterances": [int(f.sum()) for f in each], "videos": [len(set(videos[f].tolist())) for f in each]}
    return {"n": len(each), "by": "video", "seed": seed, **sizes}


def numbers(names: np.ndarray) -> np.ndarray:
    """Equal names (U,) -> equal numbers, float."""
    return np.unique(names, return_inverse=True)[1].astype(float)


def counts(split: np.ndarray) -> dict[str, int]:
    """Utterances of every split."""
    return {s: int((split == s).sum()) for s in SPLITS}
