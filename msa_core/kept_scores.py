"""What a trained run said on the test set, kept beside the tables after the run itself is gone.

So seeds can be added on another day or machine, intervals are drawn anew without a model, and a researcher can compute
statistics that no table has. A file holds one run: its manifest, and its scores under every condition that needed a
pass, with four decimals as whole numbers. Labels and utterances are not in it: they come from the corpus.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from . import checkpoint
from .data import Corpus
from .errors import MsaError
from .predictions import DECIMALS, Request, Scores, computed

NOTHING = np.iinfo(np.int16).min  # stands for NaN: nothing was left of the utterance
UNIT = 10**DECIMALS
KEYS = ("manifest", "tested", "variants", "conditions")
DELETE = "Delete the file; its run, when it is there, is then scored anew."


@dataclass(frozen=True)
class Kept:
    """The kept scores of one run: int16 (variants, conditions, utterances), in the order of the tested rows."""

    path: Path
    manifest: Mapping[str, Any]
    tested: str  # digest of the utterances and labels
    variants: Sequence[Mapping[str, Any]]
    conditions: Sequence[str]
    scores: np.ndarray

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return self.path.stem

    @property
    def weights(self) -> str:
        """sha256 of the run's weights."""
        return str(self.manifest["sha256"][checkpoint.MODEL])

    def answers(self, request: Request, corpus: Corpus) -> list[Scores] | None:
        """Per variant of the request the scores (len(corpus),) of its conditions; None when some were not kept.

        Raises: MsaError when they are of other utterances or labels than this corpus has.
        """
        if self.tested != digest(request, corpus):
            raise MsaError(f"{self.path} was kept of other test utterances or labels than {corpus.name} has. {DELETE}")
        asked = computed(request.conditions)
        if [dict(v) for v in request.variants] != list(self.variants) or not set(asked) <= set(self.conditions):
            return None
        found: list[Scores] = []
        for v in range(len(self.variants)):
            found.append({})
            for c in asked:
                stored = self.scores[v, self.conditions.index(c)]
                values = np.full(len(corpus), np.nan, np.float32)
                values[request.rows] = np.where(stored == NOTHING, np.nan, stored.astype(np.float32) / UNIT)
                found[-1][c] = values
        return found


def digest(request: Request, corpus: Corpus) -> str:
    """Hex digest of what is tested: ids and labels."""
    seen = hashlib.sha256(json.dumps(corpus.ids[request.rows].tolist()).encode())
    seen.update(corpus.score[request.rows].astype(np.float32).tobytes())
    return seen.hexdigest()


def read_all(folder: Path) -> dict[str, Kept]:
    """The kept runs in a folder by the name of their run; none when there is no folder.

    Raises: MsaError for a file that is damaged or something else.
    """
    return {path.stem: read(path) for path in sorted(Path(folder).glob("*.npz"))}


def read(path: Path) -> Kept:
    """One kept run. Raises: MsaError for a file that is damaged or something else."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts, scores = json.loads(bytes(stored["facts"])), stored["scores"]
        kept = Kept(path, **{k: facts[k] for k in KEYS}, scores=scores)
        fits = scores.shape[:2] == (len(kept.variants), len(kept.conditions)) and scores.dtype == np.int16
        if not (fits and scores.ndim == 3 and kept.weights):
            raise ValueError(f"scores are {scores.dtype} {scores.shape}")
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as e:
        raise MsaError(f"{path} cannot be read as kept scores ({e}). {DELETE}") from e
    return kept


def write(folder: Path, manifest: Mapping[str, Any], request: Request, corpus: Corpus, found: Sequence[Scores]) -> Path:
    """Keep what a run answered, `found` per variant. Returns: the file, replaced atomically."""
    conditions = computed(request.conditions)
    values = np.stack([[scores[c][request.rows] for c in conditions] for scores in found])
    whole = np.where(np.isnan(values), NOTHING, np.rint(values * UNIT)).astype(np.int16)
    facts = dict(zip(KEYS, (manifest, digest(request, corpus), list(request.variants), conditions), strict=True))
    path = Path(folder) / f"{request.folder.name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with open(part, "wb") as f:
        np.savez_compressed(f, facts=np.frombuffer(json.dumps(facts, sort_keys=True).encode(), np.uint8), scores=whole)
    os.replace(part, path)
    return path
