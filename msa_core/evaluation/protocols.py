"""The conditions that a model is tested under: named, and the same for every method, process and machine.

- patterns: one of the subsets of the modalities is left (seven for three modalities).
- frames: every frame and token is dropped with probability 0, 0.1, .. 0.9, in all modalities (the protocol of
  TFR-Net and LNLN). AUILC is the area under that curve by the trapezoid rule (EMT-DLFR; there up to 1.0, here 0.9).
- blocks: one contiguous stretch of 30 or 50 % of every modality is dropped.
- modality: a share of the (utterance, modality) cells is absent, at least one modality is left (GCNet, DiCMoR). The
  literature's 0.7 is 2/3: of three modalities one is always there. A rate that a corpus cannot reach is left out.

Conditions are the names of `missing.regime`: "text+audio", "frame:0.3", "block:0.5", "modality:0.2". All draws come
from SEED and the utterance's id.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msa_core import missing
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.missing import PATTERNS
from msa_core.schema import MODALITIES, Batch

SEED = 0  # of every draw; training draws on other utterances
FRAME_RATES = tuple(round(0.1 * i, 1) for i in range(10))
BLOCK_RATES = (0.3, 0.5)
MODALITY_RATES = tuple(round(0.1 * i, 1) for i in range(1, 8))


def patterns_of(corpus: Corpus, split: str) -> tuple[str, ...]:
    """List the patterns of the modalities that a split has, in the order of PATTERNS; the last one is complete.

    Raises: MsaError when there is one modality only.
    """
    rows = np.arange(len(corpus)) if corpus.n_folds else corpus.rows(split)
    there = {m for m in MODALITIES if corpus.index[m].lengths[rows].any()}
    found = tuple(p for p, members in PATTERNS.items() if set(members) <= there)
    if len(found) < 2:
        raise MsaError(f"{corpus.name}, {split}: only {found or 'nothing'} is there; nothing can go missing.")
    return found


def conditions(patterns: Sequence[str]) -> dict[str, list[str]]:
    """List the conditions of every protocol, for a corpus that has these patterns; the last pattern is complete."""
    n = len(PATTERNS[patterns[-1]])
    highest = round((n - 1) / n, 1)  # 0.7 stands for 2/3
    return {
        "patterns": list(patterns),
        "frames": [f"frame:{r}" for r in FRAME_RATES],
        "blocks": [f"block:{r}" for r in BLOCK_RATES],
        "modality": [f"modality:{r}" for r in MODALITY_RATES if r <= highest],
    }


def removed(batch: Batch, condition: str) -> Batch:
    """Remove from a batch what a condition takes away. Raises: MsaError for an unknown condition."""
    kind, _, rate = condition.partition(":")
    if kind == "modality" and rate:
        return missing.modality_rate(batch, min(float(rate), missing.MAX_MISSING_RATE), SEED)
    return missing.regime(condition)(batch, SEED, 0)


def auilc(curve: Sequence[float]) -> float:
    """Integrate a metric over FRAME_RATES (trapezoids, step 0.1); NaN when a value does not exist.

    >>> round(auilc([0.8] * 10), 4), auilc([0.8, float("nan")])
    (0.72, nan)
    """
    return float(np.trapezoid(np.asarray(curve, np.float64), dx=0.1))
