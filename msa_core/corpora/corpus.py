"""The one form of a corpus on disk and in memory: labelled utterances composed of feature arrays, with splits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from msa_core import atomic
from msa_core.batch import from_arrays
from msa_core.checkpoint import sha256
from msa_core.corpora.ragged import REBUILD, Ragged, ranges
from msa_core.errors import MsaError
from msa_core.schema import STREAMS, Batch

SPLITS = ("train", "valid", "test")

MANIFEST, TABLE = "manifest.json", "utterances.npy"


MIN_CROP = 0.7  # augmentation keeps at least this share of an audio or vision stream, contiguously


@dataclass(frozen=True)
class Corpus:
    """Labelled utterances with a split, composed of pool entries.

    pools[s]: Ragged (N_s, D_s) for every stream; index[s]: Ragged of int64, per utterance the entries that are
    concatenated in order (empty = absent). columns: further facts per utterance, each (U,) float, e.g. the
    human ratings `rating_text`, the row and the actor. manifest: sources, counts, seed, licences.
    """

    name: str
    feature_set: str
    ids: np.ndarray  # (U,) str, unique
    label: np.ndarray  # (U,) float32 human scores in [-3, 3]; of E emotions (U, E), 1 = there; "score" on disk
    split: np.ndarray  # (U,) str, one of SPLITS
    pools: Mapping[str, Ragged]
    index: Mapping[str, Ragged]
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.ids)
        for what, rows in {"label": self.label, "split": self.split, **self.columns}.items():
            if len(rows) != n:
                raise MsaError(f"Corpus {self.name}: {what} has {len(rows)} rows for {n} ids.")
        if self.label.shape[1:] != ((len(self.emotions),) if self.emotions else ()):
            raise MsaError(f"Corpus {self.name}: label has shape {self.label.shape}, the emotions are {self.emotions}.")
        if len(np.unique(self.ids)) != n:
            raise MsaError(f"Corpus {self.name}: utterance ids repeat; make them unique.")
        unknown = sorted(set(self.split.tolist()) - set(SPLITS))
        if unknown:
            raise MsaError(f"Corpus {self.name}: unknown split {unknown[0]!r}. Valid splits: {', '.join(SPLITS)}.")
        if "fold" in self.columns:
            folds = np.unique(self.columns["fold"])
            if len(folds) < 3 or not np.array_equal(folds, np.arange(len(folds))):
                raise MsaError(
                    f"Corpus {self.name}: the folds are {folds.tolist()[:5]}; give whole numbers from 0, at least "
                    "three of them (test, validation, training)."
                )
        for stream in STREAMS:
            if stream not in self.pools or stream not in self.index:
                raise MsaError(f"Corpus {self.name} has no {stream} pool and index; give an empty one if it is absent.")
            entries = self.index[stream].values
            if len(self.index[stream]) != n or (
                len(entries) and not 0 <= entries.min() <= entries.max() < len(self.pools[stream])
            ):
                raise MsaError(f"Corpus {self.name}: the {stream} index does not fit its pool or the ids. {REBUILD}")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dims(self) -> dict[str, int]:
        """Width per stream."""
        return {s: int(self.pools[s].values.shape[1]) for s in STREAMS}

    @property
    def emotions(self) -> tuple[str, ...]:
        """Names of the emotions that the labels tell, each a yes or no; none where the labels are scores."""
        return tuple(self.manifest.get("emotions", ()))

    @property
    def digest(self) -> str:
        """Hex digest of everything a training sees: two corpora with the same digest train the same model."""
        seen = hashlib.sha256()
        for array in (self.ids, self.label, self.split):
            seen.update(array.tobytes())
        for stream in STREAMS:
            for ragged in (self.pools[stream], self.index[stream]):
                seen.update(ragged.values.tobytes())
                seen.update(ragged.offsets.tobytes())
        return seen.hexdigest()

    @property
    def n_folds(self) -> int:
        """Number of folds of a corpus without an official split (column "fold"); 0 when the split is fixed."""
        return int(self.columns["fold"].max()) + 1 if "fold" in self.columns else 0

    def for_seed(self, seed: int) -> Corpus:
        """Assign the splits of a run with that seed: with n folds, fold seed % n is test and the next validation."""
        if not self.n_folds:
            return self
        test, fold = seed % self.n_folds, self.columns["fold"]
        split = np.where(fold == test, "test", np.where(fold == (test + 1) % self.n_folds, "valid", "train"))
        return replace(self, split=split, manifest={**self.manifest, "fold": test})

    def rows(self, split: str) -> np.ndarray:
        """Return the utterance numbers of a split.

        Raises:
            MsaError: an unknown or empty split.
        """
        found = np.flatnonzero(self.split == split)
        if not len(found):
            raise MsaError(f"Corpus {self.name} has no {split!r} utterances. Valid splits: {', '.join(SPLITS)}.")
        return found

    def batch(
        self,
        indices: Sequence[int] | np.ndarray,
        augment: np.random.Generator | None = None,
        share: slice | None = None,
    ) -> Batch:
        """Collate the utterances `indices` into one padded batch.

        Args:
            augment: when given, audio and vision are cropped to a random contiguous 70-100 % of their frames.
            share: of the batch, when only these rows of it are wanted; they are cropped and padded as in the whole.
        """
        rows = np.asarray(indices, np.int64)
        features, valid = {}, {}
        for stream in STREAMS:
            crop = augment if stream in ("audio", "vision") else None
            features[stream], valid[stream] = self._padded(stream, rows, crop, share)
        rows = rows if share is None else rows[share]
        return from_arrays(features, valid, self.label[rows], tuple(self.ids[rows].tolist()))

    def examples(self, split: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield utterances one by one in plain values, as `datasets.Dataset.from_generator` takes them.

        Args:
            split: one of SPLITS; None = all of them.

        Yields:
            id, label (or label_EMOTION), split and the columns, and every stream as (T, D) float32, T = 0 where it is
            absent.

        Raises:
            MsaError: an unknown or empty split.
        """
        for row in range(len(self)) if split is None else self.rows(split).tolist():
            streams = {}
            for stream in STREAMS:
                pool = self.pools[stream]
                parts = [pool[entry] for entry in self.index[stream][row]]
                streams[stream] = np.concatenate([pool.values[:0], *parts]).astype(np.float32)
            facts = {name: float(values[row]) for name, values in self.columns.items()}
            labels = np.atleast_1d(self.label[row]).tolist()
            label = dict(zip([f"label_{e}" for e in self.emotions] or ["label"], labels, strict=True))
            yield {"id": str(self.ids[row]), **label, "split": str(self.split[row]), **facts, **streams}

    def statistics(self, rows: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Compute the mean and standard deviation (D,) of every stream over the frames of `rows`.

        A frame counts as often as utterances use it.
        """
        result = {}
        for stream in STREAMS:
            pool, index = self.pools[stream], self.index[stream]
            # how often each pool entry is used
            used = index.values[ranges(index.offsets[rows], index.lengths[rows])]
            times = np.bincount(used, minlength=len(pool)).astype(np.float64)
            total, mean, square = 0.0, np.zeros(self.dims[stream]), np.zeros(self.dims[stream])
            # weighted sums of frames and of their squares, 2,000 entries at a time
            for entries in np.array_split(np.flatnonzero(times), max(1, len(pool) // 2000)):
                weight = np.repeat(times[entries], pool.lengths[entries])
                frames = pool.values[ranges(pool.offsets[entries], pool.lengths[entries])].astype(np.float64)
                total, mean, square = total + weight.sum(), mean + weight @ frames, square + weight @ frames**2
            # a constant column keeps its scale
            mean, square = mean / max(total, 1.0), square / max(total, 1.0)
            deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
            result[stream] = mean.astype(np.float32), np.where(deviation > 1e-4, deviation, 1.0).astype(np.float32)
        return result

    def _padded(
        self, stream: str, rows: np.ndarray, crop: np.random.Generator | None, share: slice | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gather features (B, T, D) float32 and valid (B, T) of a stream; T is at least 1."""
        pool, index = self.pools[stream], self.index[stream]
        # pool rows of all frames, with the batch row and the place in it that each goes to
        n_entries = index.lengths[rows]
        entries = index.values[ranges(index.offsets[rows], n_entries)]
        lengths = pool.offsets[entries + 1] - pool.offsets[entries]
        frames = ranges(pool.offsets[entries], lengths)
        owner = np.repeat(np.repeat(np.arange(len(rows)), n_entries), lengths)
        n_frames = np.bincount(owner, minlength=len(rows))
        place = ranges(np.zeros(len(rows), np.int64), n_frames)
        # crop: keep a random contiguous part of every utterance
        if crop is not None:
            kept = np.ceil(n_frames * crop.uniform(MIN_CROP, 1.0, len(rows))).astype(np.int64)
            first = np.floor((n_frames - kept + 1) * crop.random(len(rows))).astype(np.int64)
            inside = (place >= first[owner]) & (place < (first + kept)[owner])
            frames, owner, place, n_frames = frames[inside], owner[inside], (place - first[owner])[inside], kept
        # share: only some rows, as long as the whole batch
        longest = max(1, int(n_frames.max(initial=0)))
        if share is not None:
            mine = (owner >= share.start) & (owner < share.stop)
            frames, owner, place, n_frames = frames[mine], owner[mine] - share.start, place[mine], n_frames[share]
        # scatter into zeros; what no frame filled is padding
        features = np.zeros((len(n_frames), longest, pool.values.shape[1]), np.float32)
        features[owner, place] = pool.values[frames]
        return features, np.arange(features.shape[1]) < n_frames[:, None]

    def save(self, folder: Path) -> None:
        """Write the corpus atomically in place of an older one; the manifest gets the sha256 of every file.

        Raises:
            MsaError: as `needs_place`.
        """
        needs_place(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replaced_folder(folder) as part:
            for stream in STREAMS:
                self.pools[stream].save(part, stream)
                self.index[stream].save(part, f"{stream}.index")
            np.save(part / TABLE, self._table())
            hashes = {p.name: sha256(p) for p in sorted(part.glob("*.npy"))}
            manifest = {
                "name": self.name,
                "feature_set": self.feature_set,
                "facts": dict(self.manifest),
                "sha256": hashes,
            }
            (part / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def _table(self) -> np.ndarray:
        """Pack ids, labels, splits and columns into one structured array (U,)."""
        parts: dict[str, np.ndarray] = {"id": np.asarray(self.ids, np.str_), "split": np.asarray(self.split, np.str_)}
        parts |= {"score": self.label.astype(np.float32)} | {
            k: np.asarray(v, np.float64) for k, v in self.columns.items()
        }
        table = np.zeros(len(self), [(k, v.dtype, v.shape[1:]) for k, v in parts.items()])
        for key, values in parts.items():
            table[key] = values
        return table

    @staticmethod
    def load(folder: Path, feature_set: str | None = None, memmap: bool = False) -> Corpus:
        """Read and verify a corpus.

        Args:
            feature_set: the id that is needed; None accepts any.

        Raises:
            MsaError: a missing or altered file or another feature set.
        """
        path = Path(folder) / MANIFEST
        if not path.is_file():
            raise MsaError(f"{folder} holds no corpus ({MANIFEST} is missing). {REBUILD}")
        manifest = _manifest(path)
        if feature_set not in (None, manifest["feature_set"]):
            raise MsaError(
                f"Corpus {manifest['name']} has features {manifest['feature_set']!r}, {feature_set!r} is needed. "
                f"Build it again with --features {feature_set}."
            )
        for name, expected in manifest["sha256"].items():
            file = path.parent / name
            found = sha256(file) if file.is_file() else "no file"
            if found != expected:
                raise MsaError(f"{manifest['name']}/{name} was altered: sha256 {found}, expected {expected}. {REBUILD}")
        table = np.load(path.parent / TABLE, allow_pickle=False)
        fixed = ("id", "split", "score")
        return Corpus(
            name=manifest["name"],
            feature_set=manifest["feature_set"],
            ids=table["id"].copy(),
            label=table["score"].copy(),
            split=table["split"].copy(),
            pools={s: Ragged.load(path.parent, s, memmap) for s in STREAMS},
            index={s: Ragged.load(path.parent, f"{s}.index") for s in STREAMS},
            columns={k: table[k].copy() for k in table.dtype.names or () if k not in fixed},
            manifest=manifest["facts"],
        )


def needs_place(folder: Path) -> None:
    """Refuse a folder whose contents are no corpus, because writing one there would delete them.

    Raises:
        MsaError: the folder holds something else.
    """
    if folder.exists() and not (folder / TABLE).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise MsaError(f"{folder} is there and is no corpus; its contents would be lost. Give another --out.")


def _manifest(path: Path) -> dict[str, Any]:
    """Read the manifest of a corpus.

    Raises:
        MsaError: it is not one.
    """
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
        missing = [k for k in ("name", "feature_set", "facts", "sha256") if k not in manifest]
    except (OSError, ValueError, TypeError) as e:
        raise MsaError(f"{path} cannot be read as a corpus manifest ({e}). {REBUILD}") from e
    if missing:
        raise MsaError(f"{path} is no corpus manifest: it has no {missing[0]!r}. {REBUILD}")
    return manifest
