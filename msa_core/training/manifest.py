"""Manifest of a trained checkpoint: method, settings, corpus, selection, calibration and versions."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from msa_core import __version__
from msa_core.corpora.corpus import Corpus
from msa_core.methods import Method


def manifest(
    model: Method,
    corpus: Corpus,
    *,
    train: Mapping[str, Any],
    teacher: Mapping[str, str] | None,
    selection: Mapping[str, Any],
    best_epoch: int,
    validation_mae: Mapping[str, float],
    calibration: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Collect the facts of a training run, JSON-able.

    Args:
        train: settings of the loop.
        teacher: checkpoint and sha256 of the teacher, or None.
        selection: patterns and validation MAE by which the epoch was chosen.
        validation_mae: MAE per pattern of the chosen epoch.
        calibration: see `scores.calibrate`.
        history: losses and validation of every epoch.
    """
    facts = dict(corpus.manifest)
    sources = facts.get("sources", {"": "see corpus"})
    return {
        "method": model.name,
        "config": asdict(model.config),
        "dims": model.dims,
        "feature_set": corpus.feature_set,
        "train": dict(train),
        "teacher": teacher,
        "corpus": {"name": corpus.name, **facts},
        "licence": "research and teaching only: " + "; ".join(sources.values()),
        "seed": train["seed"],
        "best_epoch": best_epoch,
        "selection": dict(selection),
        "validation_mae": dict(validation_mae),
        "calibration": dict(calibration),
        "mean_score": float(corpus.label[corpus.rows("train")].mean(dtype=np.float64)),
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
