"""Parts of a test set that are told apart in every table.

conflict: the human ratings of text, audio and vision lie at least CONFLICT apart. decorrelated: rows chosen so that
the ratings hardly correlate (the corpus says which), so that no modality tells anything about another.
"""

from __future__ import annotations

import numpy as np

from msa_core.corpora.corpus import Corpus
from msa_core.schema import MODALITIES

CONFLICT = 2.4  # smallest range of the ratings, of 6
RATINGS = tuple(f"rating_{m}" for m in MODALITIES)


def conflict(corpus: Corpus, rows: np.ndarray) -> np.ndarray:
    """Mark the `rows` (U,) in conflict, bool (U,); the corpus has all ratings."""
    found: np.ndarray = np.ptp(np.stack([corpus.columns[name][rows] for name in RATINGS], 1), axis=1) >= CONFLICT
    return found


def of(corpus: Corpus, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Mark the slices that a corpus knows, bool (U,) each; an empty one is left out."""
    found = {}
    if all(name in corpus.columns for name in RATINGS):
        found["conflict"] = conflict(corpus, rows)
    if "decorrelated" in corpus.columns:
        found["decorrelated"] = corpus.columns["decorrelated"][rows] > 0
    return {name: inside for name, inside in found.items() if inside.any()}
