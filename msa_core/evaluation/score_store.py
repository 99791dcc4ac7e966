"""Keep the scores of a trained run on the test set, beside the tables, after the run itself is gone.

So seeds can be added on another day or machine, intervals are drawn anew without a model, and a researcher can compute
statistics that no table has. A file holds one run: its manifest, and its scores under every condition that needed a
pass, with four decimals as whole numbers. Labels and utterances are not in it: they come from the corpus.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from msa_core import atomic, checkpoint
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.evaluation import protocols
from msa_core.evaluation.scoring import DECIMALS, Request, Scores, computed, frames_of
from msa_core.schema import SCORE_LIMIT, STREAMS

KEPT = "[!.]*.npz"  # the files of a store
NOTHING = np.iinfo(np.int16).min  # stands for NaN: nothing was left of the utterance
UNIT = 10**DECIMALS
FORMAT = {
    "version": 1,
    "decimals": DECIMALS,
    "seed": protocols.SEED,
}  # a new version when a condition's meaning changes
KEYS = ("manifest", "tested", "features", "variants", "conditions")
SAME = 1e-3  # features of two builds of a corpus differ by less (relative; see Store.features)
DELETE = "Delete the file; its run, when it is there, is then scored anew."


@dataclass(frozen=True)
class Kept:
    """The kept scores of one run: int16 (variants, conditions, utterances), in the order of the tested rows."""

    path: Path
    manifest: Mapping[str, Any]
    tested: str  # digest of the utterances and labels
    features: Mapping[str, Sequence[float]]  # what the corpus' features look like
    variants: Sequence[Mapping[str, Any]]
    conditions: Sequence[str]
    scores: np.ndarray

    @property
    def weights(self) -> str:
        """The sha256 of the run's weights."""
        return str(self.manifest["sha256"][checkpoint.MODEL])

    @staticmethod
    def read(path: Path) -> Kept:
        """Read a kept run. Raises: MsaError for a file that is damaged, of another version or something else."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                facts, scores = json.loads(bytes(stored["facts"])), stored["scores"]
            kept = Kept(path, **{k: facts[k] for k in KEYS}, scores=scores)
            if facts["format"] != FORMAT:
                raise ValueError(f"they are of {facts['format']}, this version keeps {FORMAT}")
            if scores.dtype != np.int16 or scores.ndim != 3 or not kept.weights:
                raise ValueError(f"scores are {scores.dtype} {scores.shape}")
            if scores.shape[:2] != (len(kept.variants), len(kept.conditions)) or set(kept.features) != set(STREAMS):
                raise ValueError(f"scores are {scores.shape}, the file tells of other ones")
            if not isinstance(kept.conditions, list) or np.shape([kept.features[s] for s in STREAMS]) != (
                len(STREAMS),
                3,
            ):
                raise ValueError("its conditions or features are no lists")
            np.asarray([kept.features[s] for s in STREAMS], np.float64)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError) as e:
            raise MsaError(f"{path} cannot be read as kept scores ({e}). {DELETE}") from e
        except (BadZipFile, zlib.error) as e:
            raise MsaError(f"{path} is damaged ({e}). {DELETE}") from e
        return kept


@dataclass(frozen=True)
class Store:
    """A folder of kept runs of one corpus."""

    folder: Path
    corpus: Corpus

    def runs(self) -> dict[str, Kept]:
        """Read the kept runs, by the folder name of each. Raises: MsaError as Kept.read."""
        return {path.stem: Kept.read(path) for path in sorted(self.folder.glob(KEPT))}

    def prepare(self) -> None:
        """Make the folder before any work is done. Raises: MsaError when nothing can be written there."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError as e:
            raise MsaError(f"Cannot write to {self.folder} ({e.strerror}). Give another --scores.") from e

    @cached_property
    def features(self) -> dict[str, list[float]]:
        """Mean size, deviation and frames of every stream, which tell features of another network from these.

        No digest of the values: on another processor the same corpus differs in the last digits.
        """
        rows = np.arange(len(self.corpus))
        return {
            s: [float(np.abs(mean).mean()), float(std.mean()), float(frames_of(self.corpus, s, rows).mean())]
            for s, (mean, std) in self.corpus.statistics(rows).items()
        }

    def answers(self, kept: Kept, request: Request) -> list[Scores] | None:
        """Read the answers of a kept run to a request.

        Returns:
            Per variant the scores (len(corpus),) of its conditions; None when some were not kept.
        Raises:
            MsaError: when they are of other utterances, labels or features than this corpus has.
        """
        what = None
        if kept.tested != self._tested(request) or kept.scores.shape[2] != len(request.rows):
            what = "test utterances or labels"
        elif not all(np.allclose(kept.features[s], v, rtol=SAME, atol=1e-6) for s, v in self.features.items()):
            what = "features"
        if what is not None:
            raise MsaError(f"{kept.path} was kept of other {what} than {self.corpus.name} has. {DELETE}")
        asked = computed(request.conditions)
        if [dict(v) for v in request.variants] != list(kept.variants) or not set(asked) <= set(kept.conditions):
            return None
        found: list[Scores] = []
        for v in range(len(kept.variants)):
            found.append({})
            for c in asked:
                stored = kept.scores[v, kept.conditions.index(c)]
                values = np.full(len(self.corpus), np.nan, np.float32)
                values[request.rows] = np.where(stored == NOTHING, np.nan, stored.astype(np.float32) / UNIT)
                found[-1][c] = values
        return found

    def write(self, name: str, manifest: Mapping[str, Any], request: Request, found: Sequence[Scores]) -> Path:
        """Keep the answers of a run, `found` per variant. Returns: the file, replaced atomically.

        Raises: MsaError for a score outside [-3, 3], or when the file cannot be written.
        """
        conditions = computed(request.conditions)
        values = np.stack([[scores[c][request.rows] for c in conditions] for scores in found])
        if np.nanmax(np.abs(values), initial=0) > SCORE_LIMIT:
            raise MsaError(f"{name} says {np.nanmax(np.abs(values)):.2f}; scores must lie within ±{SCORE_LIMIT:g}.")
        whole = np.where(np.isnan(values), NOTHING, np.rint(values * UNIT)).astype(np.int16)
        facts: dict[str, Any] = {"format": FORMAT, "manifest": manifest, "tested": self._tested(request)}
        facts |= {"features": self.features, "variants": list(request.variants), "conditions": conditions}
        path = self.folder / f"{name}.npz"
        try:
            with atomic.replaced_file(path) as part:
                as_bytes = np.frombuffer(json.dumps(facts, sort_keys=True).encode(), np.uint8)
                np.savez_compressed(part, facts=as_bytes, scores=whole)
                part.chmod(0o644)
        except OSError as e:
            raise MsaError(f"Cannot write {path} ({e.strerror}). Give another --scores.") from e
        return path

    def _tested(self, request: Request) -> str:
        """Digest what is tested: ids and labels."""
        seen = hashlib.sha256(json.dumps(self.corpus.ids[request.rows].tolist()).encode())
        seen.update(self.corpus.label[request.rows].astype(np.float32).tobytes())
        return seen.hexdigest()
