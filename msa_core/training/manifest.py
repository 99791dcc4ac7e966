"""Manifest of a trained checkpoint: method, settings, corpus, selection, calibration and versions."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from msa_core import __version__
from msa_core.config import facts
from msa_core.corpora.corpus import Corpus
from msa_core.methods import Method
from msa_core.training.scores import measure


def manifest(
    model: Method,
    corpus: Corpus,
    *,
    train: Mapping[str, Any],
    teacher: Mapping[str, str] | None,
    selection: Mapping[str, Any],
    best_epoch: int,
    validation: Mapping[str, float],
    calibration: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Collect the facts of a training run, JSON-able.

    Args:
        train: settings of the loop.
        teacher: checkpoint and sha256 of the teacher, or None.
        selection: patterns and validation error by which the epoch was chosen.
        validation: error per pattern of the chosen epoch, see `scores.errors_of`.
        calibration: see `scores.calibrate`.
        history: losses and validation of every epoch.
    """
    told = dict(corpus.manifest)
    rows = corpus.rows("train")
    sources = told.get("sources", {"": "see corpus"})
    return {
        "method": model.name,
        "config": facts(model.config),
        "dims": model.dims,
        "feature_set": corpus.feature_set,
        "train": dict(train),
        "teacher": teacher,
        "corpus": {"name": corpus.name, **told},
        "licence": "research and teaching only: " + "; ".join(sources.values()),
        "seed": train["seed"],
        "best_epoch": best_epoch,
        "selection": dict(selection),
        f"validation_{measure(corpus)}": dict(validation),
        "calibration": dict(calibration),
        **({} if corpus.emotions else {"mean_score": float(corpus.label[rows].mean(dtype=np.float64))}),
        "n_parameters": sum(p.numel() for p in model.parameters()),
        "n_trained": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "history": [{k: v for k, v in h.items() if k != "valid"} for h in history],
        "versions": {
            "msa_core": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
