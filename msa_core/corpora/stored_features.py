"""Reading, checking and splitting of stored feature arrays, for the corpora made of them (mosi, mosei_videos, mmmo)."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from msa_core.corpora.corpus import SPLITS
from msa_core.corpora.ragged import Ragged
from msa_core.errors import MsaError
from msa_core.schema import SCORE_LIMIT, STREAMS


def arrays(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Read the arrays `names` of a stored feature file (npz).

    Raises:
        MsaError: the file is missing, damaged or lacks an array.
    """
    if not path.is_file():
        raise MsaError(f"{path} is missing. Put the features of the corpus there (docs/corpora.md).")
    try:
        with np.load(path, allow_pickle=False) as stored:
            lacking = [n for n in names if n not in stored.files]
            found = {n: stored[n] for n in names if not lacking}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as e:
        raise MsaError(f"{path} cannot be read as arrays ({e}). Restore the file.") from e
    if lacking:
        raise MsaError(f"{path} has no array {lacking[0]!r}. Restore the file.")
    return found


def checked_labels(labels: np.ndarray, where: str) -> np.ndarray:
    """Return labels (U,) as float32.

    Raises:
        MsaError: one is not in [-3, 3].
    """
    found = np.asarray(labels, np.float32)
    outside = np.flatnonzero(~(np.abs(found) <= SCORE_LIMIT))
    if len(outside):
        raise MsaError(f"{where} has the score {found[outside[0]]}; it must be from -3 to 3. Restore the file.")
    return found


def streams(entries: Mapping[str, Sequence[np.ndarray] | np.ndarray]) -> tuple[dict[str, Ragged], dict[str, Ragged]]:
    """Pack the streams of utterances that share nothing into pools and index.

    entries[s][u]: (T, D) of every utterance; T = 0 is absent.

    A stream that is not given is empty. Simulated text is always empty, and as wide as the text.
    """
    n_utterances = len(next(iter(entries.values())))
    nothing: list[list[int]] = [[] for _ in range(n_utterances)]
    widths = {stream: given[0].shape[1] for stream, given in entries.items()}
    widths["simulated"] = widths.get("text", 1)
    pools = {s: Ragged.of([], np.float32, widths.get(s, 1)) for s in STREAMS}
    index = {s: Ragged.of(nothing, np.int64) for s in STREAMS}
    for stream, given in entries.items():
        present = [u for u in range(n_utterances) if len(given[u])]
        place = {u: k for k, u in enumerate(present)}
        pools[stream] = Ragged.of([given[u] for u in present], np.float32, widths[stream])
        index[stream] = Ragged.of([[place[u]] if u in place else [] for u in range(n_utterances)], np.int64)
    return pools, index


def in_order(videos: np.ndarray, seed: int) -> list[str]:
    """Order the different videos by a hash of their name and the seed."""
    return sorted(set(videos.tolist()), key=lambda v: hashlib.sha256(f"{seed}/{v}".encode()).digest())


def folds(videos: np.ndarray, n_folds: int, seed: int = 0) -> np.ndarray:
    """Deal videos out to folds; return the fold (U,) float, 0 to n_folds - 1, of every utterance.

    Videos are dealt out from the longest to the shortest (equal ones in seeded order), each to the fold with the fewest
    utterances so far, so that all utterances of a video are in one fold.

    Raises:
        MsaError: there are fewer videos than folds.
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
    """Name the split (U,) of seed 0: fold 0 is test, fold 1 valid, the others train (see Corpus.for_seed)."""
    return np.where(fold == 0, "test", np.where(fold == 1, "valid", "train"))


def fold_facts(fold: np.ndarray, videos: np.ndarray, seed: int) -> dict[str, Any]:
    """Count utterances and videos of every fold, for the manifest."""
    each = [fold == k for k in range(int(fold.max()) + 1)]
    sizes = {"utterances": [int(f.sum()) for f in each], "videos": [len(set(videos[f].tolist())) for f in each]}
    return {"n": len(each), "by": "video", "seed": seed, **sizes}


def numbers(names: np.ndarray) -> np.ndarray:
    """Number names (U,): equal names have equal numbers, float."""
    return np.unique(names, return_inverse=True)[1].astype(float)


def counts(split: np.ndarray) -> dict[str, int]:
    """Count the utterances of every split."""
    return {s: int((split == s).sum()) for s in SPLITS}
