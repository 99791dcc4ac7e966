"""Choose, among trainings of one setting, the typical one: its answers to real clips are nearest to the others' mean.

Validation tells such trainings apart by less than chance, and the lowest error may be that of a training that answers
real clips unlike all the others. What the trainings agree on is what the setting learned. No label is looked at, so
that nothing is fitted to the few clips there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from msa_core import checkpoint, media, methods, prepared
from msa_core.batch import collate
from msa_core.config import MediaLimits
from msa_core.errors import MsaError
from msa_core.extract import Extractor
from msa_core.missing import PATTERNS, keep_only
from msa_core.schema import MODALITIES, Batch, Utterance

FEWEST = 3  # trainings of which one can be typical; of fewer the lowest validation error decides


def every_pattern(clips: Path) -> Batch:
    """Read the clips of a folder, each under every pattern that it can have; what was read beforehand is not read.

    Raises:
        MsaError: there is no clip, or one cannot be read.
    """
    found: list[Utterance] = []
    extractor: Extractor | None = None
    for clip in media.files(clips):
        utterance = prepared.utterance(clip)
        if utterance is None:
            extractor = extractor or Extractor.load()
            utterance = extractor.utterance(clip, MediaLimits.command_line())
        has = {m for m in MODALITIES if utterance.stream(m).present}
        found += [keep_only(utterance, kept) for kept in PATTERNS.values() if has.issuperset(kept)]
    if not found:
        raise MsaError(f"The folder {clips.name} has no clip with a modality. Give one with a face or a voice.")
    return collate(found)


def typical(runs: Sequence[Path], batch: Batch) -> Path:
    """Choose among trainings of one setting. Raises: CheckpointError when one is damaged or reads other features."""
    if len(runs) < FEWEST:
        return min(runs, key=lambda run: checkpoint.read_manifest(run)["selection"]["valid_mae"])
    return runs[int(np.argmin(distances(np.stack([_scores(run, batch) for run in runs]))))]


def distances(scores: np.ndarray) -> np.ndarray:
    """Compute the mean distance (R,) of each training's scores (R, N) from the mean of the others.

    >>> distances(np.array([[0.0], [1.0], [5.0]]))
    array([3. , 1.5, 4.5])
    """
    others = (scores.sum(0) - scores) / (len(scores) - 1)
    mean: np.ndarray = np.abs(scores - others).mean(1)
    return mean


def _scores(run: Path, batch: Batch) -> np.ndarray:
    """Score a batch by one training: (N,)."""
    model, manifest = methods.load(run, checkpoint.read_manifest(run)["feature_set"])
    with torch.inference_mode():
        scores: np.ndarray = model(batch).score.numpy()
    return scores
