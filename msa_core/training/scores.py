"""Scores of a model on a corpus under every pattern, their errors, and the calibration of intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from msa_core import missing
from msa_core.corpora.corpus import Corpus
from msa_core.explain.conformal import LEVEL, VOICED, WITHOUT_SIMULATED_TEXT, half_width
from msa_core.methods import Method


@torch.no_grad()
def pattern_scores(
    model: Method,
    corpus: Corpus,
    rows: np.ndarray,
    patterns: Sequence[str],
    device: str = "cpu",
    simulated: bool = True,
    size: int = 256,
) -> dict[str, np.ndarray]:
    """Score rows of a corpus under each pattern of missing.PATTERNS.

    Args:
        simulated: False also removes the simulated text.
        size: utterances at a time.

    Returns:
        Scores (len(rows),) per pattern; NaN for an utterance with nothing left.
    """
    model.eval()
    result = {p: np.full(len(rows), np.nan) for p in patterns}
    for start in range(0, len(rows), size):
        batch = corpus.batch(rows[start : start + size]).to(device)
        batch = batch if simulated else missing.without_simulated_text(batch)
        for p in patterns:
            left = missing.pattern(batch, p)
            score = torch.where(left.present.any(1), model(left).score, torch.nan)
            result[p][start : start + size] = score.cpu().numpy()
    return result


def calibrate(model: Method, corpus: Corpus, device: str = "cpu") -> dict[str, Any]:
    """Compute split-conformal half-widths on validation per pattern, where text can be simulated also without it.

    Returns:
        {"level", "half_width": {pattern: w, pattern + WITHOUT_SIMULATED_TEXT: w}}; see `conformal.half_width`.
    """
    rows = corpus.rows("valid")
    scores = pattern_scores(model, corpus, rows, tuple(missing.PATTERNS), device)
    bare = pattern_scores(model, corpus, rows, VOICED, device, simulated=False)
    scores |= {p + WITHOUT_SIMULATED_TEXT: s for p, s in bare.items()}
    return {"level": LEVEL, "half_width": {p: half_width(r, LEVEL) for p, r in absolute_errors(scores, corpus).items()}}


def absolute_errors(scores: Mapping[str, np.ndarray], corpus: Corpus) -> dict[str, np.ndarray]:
    """Compute the absolute errors on validation per pattern that has any utterance."""
    true = corpus.label[corpus.rows("valid")]
    return {p: np.abs(s - true)[np.isfinite(s)] for p, s in scores.items() if np.isfinite(s).any()}
