"""Scores of a model on a corpus under every pattern, their errors, and the calibration of intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from msa_core import missing
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.explain.conformal import LEVEL, VOICED, WITHOUT_SIMULATED_TEXT, half_width
from msa_core.methods import Method
from msa_core.methods.gather import gather
from msa_core.training.processes import Processes


@torch.no_grad()
def pattern_scores(
    model: Method,
    corpus: Corpus,
    rows: np.ndarray,
    patterns: Sequence[str],
    team: Processes | None = None,
    simulated: bool = True,
    size: int = 256,
    called: str = "",
) -> dict[str, np.ndarray]:
    """Score rows of a corpus under each pattern of missing.PATTERNS.

    Args:
        team: processes that share the rows; None = this one, on the CPU.
        simulated: False also removes the simulated text.
        size: utterances at a time.
        called: the run in errors; "" takes the name of its class.

    Returns:
        Scores (len(rows),), of E emotions (len(rows), E), per pattern; NaN for an utterance with nothing left.

    Raises:
        MsaError: a score is not finite although something is left.
    """
    model.eval()
    team = team or Processes()
    result = {p: np.full((len(rows), *corpus.label.shape[1:]), np.nan) for p in patterns}
    left_of = {p: np.zeros(len(rows), bool) for p in patterns}
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        batch = corpus.batch(some, share=team.share(len(some))).to(team.device)
        batch = batch if simulated else missing.without_simulated_text(batch)
        for p in patterns:
            left = missing.pattern(batch, p)
            score, there = model(left).score, left.present.any(1)
            if team.share(len(some)) is not None:
                score, there = gather([score, there])
            result[p][start : start + size] = score.cpu().numpy()
            left_of[p][start : start + size] = there.cpu().numpy()
    for p in patterns:
        need_finite(result[p], left_of[p], called or type(model).__name__, p)
        result[p][~left_of[p]] = np.nan
    return result


def need_finite(scores: np.ndarray, left: np.ndarray, called: str, condition: str) -> None:
    """Check that every utterance of which something is left (U,) has finite scores (U,) or (U, E).

    NaN stands for "nothing left", so such a score would drop its utterance from every measure.

    Raises:
        MsaError: some have not; the message counts them.
    """
    answered = np.isfinite(scores.reshape(len(scores), -1)).all(1)
    lost = int((left & ~answered).sum())
    if lost:
        raise MsaError(
            f"The scores of {called} under {condition} are not finite for {lost} of {int(left.sum())} utterances "
            "asked. Lower lr and train it again, or correct its forward."
        )


def calibrate(model: Method, corpus: Corpus, team: Processes | None = None) -> dict[str, Any]:
    """Compute split-conformal half-widths on validation per pattern, where text can be simulated also without it.

    Returns:
        {"level", "half_width": {pattern: w, pattern + WITHOUT_SIMULATED_TEXT: w}}; see `conformal.half_width`. A
        pattern of too few utterances has none, nor has an emotion.
    """
    if corpus.emotions:
        return {"level": LEVEL, "half_width": {}}
    rows = corpus.rows("valid")
    scores = pattern_scores(model, corpus, rows, tuple(missing.PATTERNS), team)
    bare = pattern_scores(model, corpus, rows, VOICED, team, simulated=False)
    scores |= {p + WITHOUT_SIMULATED_TEXT: s for p, s in bare.items()}
    widths = {p: half_width(r, LEVEL) for p, r in errors_of(scores, corpus).items()}
    return {"level": LEVEL, "half_width": {p: width for p, width in widths.items() if width is not None}}


def errors_of(scores: Mapping[str, np.ndarray], corpus: Corpus) -> dict[str, np.ndarray]:
    """Compute the errors on validation per pattern that has any utterance.

    Args:
        scores: (U,) per pattern, of emotions log odds (U, E).

    Returns:
        Absolute errors; of emotions the cross-entropy of an utterance, mean over the emotions.
    """
    true = corpus.label[corpus.rows("valid")]
    found = {p: _cross_entropy(s, true) if corpus.emotions else np.abs(s - true) for p, s in scores.items()}
    return {p: e[np.isfinite(e)] for p, e in found.items() if np.isfinite(e).any()}


def _cross_entropy(log_odds: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Compute log(1 + e^x) of the log odds (U, E) against what is true (U, E), mean over the emotions (U,)."""
    x = np.where(true > 0, -log_odds, log_odds)
    found: np.ndarray = (np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))).mean(1)
    return found


def measure(corpus: Corpus) -> str:
    """Name the error by which an epoch is chosen."""
    return "cross_entropy" if corpus.emotions else "mae"


def chosen_by(corpus: Corpus) -> str:
    """Return the key of a manifest's selection, and of a history, that holds the error on validation."""
    return f"valid_{measure(corpus)}"


def selected(manifest: Mapping[str, Any]) -> tuple[str, float]:
    """Read from a manifest the error on validation by which it was chosen, its name for readers first."""
    found = manifest["selection"]
    if "valid_cross_entropy" in found:
        return "cross-entropy", float(found["valid_cross_entropy"])
    return "MAE", float(found["valid_mae"])
