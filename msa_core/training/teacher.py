"""Frozen teacher of a training run: find its checkpoint and check that it fits the student."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from msa_core import checkpoint, methods
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.methods import Method


def frozen(
    name: str | Path | None, model: Method, corpus: Corpus, device: str
) -> tuple[Method | None, dict[str, str] | None]:
    """Load the frozen teacher of a model.

    Returns:
        The teacher and the facts of it for the student's manifest; None, None for a model that needs none.

    Raises:
        MsaError: when a teacher is needed and not given, not needed and given, or does not fit.
    """
    if name is None and model.needs_teacher:
        raise MsaError(
            f"{model.name} learns from a trained teacher and has none. Train one on complete input first and "
            "give it with --teacher (docs/training.md)."
        )
    if name is None:
        return None, None
    if not model.needs_teacher:
        raise MsaError(f"{model.name} with these settings learns from no teacher. Leave --teacher out.")
    teacher, manifest = methods.load(name, corpus.feature_set)
    _check(name, teacher, manifest, model, corpus)
    with torch.no_grad():
        answers = [m.cpu().eval()(corpus.batch(corpus.rows("train")[:1])) for m in (teacher, model)]
    theirs, ours = ([None if t is None else list(t.shape[1:]) for t in (a.joint, a.logits)] for a in answers)
    if theirs != ours:
        raise MsaError(
            f"Teacher {name} answers with joint and logits of width {theirs}, the student with {ours}. "
            "Train both with the same widths and classes."
        )
    model.to(device)
    facts = {"checkpoint": checkpoint.directory(name).resolve().name, "sha256": manifest["sha256"][checkpoint.MODEL]}
    return teacher.to(device).requires_grad_(False), facts


def _check(name: str | Path, teacher: Method, manifest: Mapping[str, Any], model: Method, corpus: Corpus) -> None:
    """Refuse a teacher of another method, not trained on complete input, or of another corpus.

    Raises:
        MsaError: saying which.
    """
    if manifest["method"] != model.name or teacher.needs_teacher or manifest["train"]["regime"] != "complete":
        raise MsaError(
            f"{name} is {manifest['method']}, trained on {manifest['train']['regime']!r} input; the teacher of "
            f"{model.name} must be {model.name}, trained without a teacher on complete input (docs/training.md)."
        )
    own = {"name": corpus.name, **corpus.manifest}
    if json.dumps(manifest["corpus"], sort_keys=True) != json.dumps(own, sort_keys=True):
        raise MsaError(
            f"Teacher {name} was trained on another corpus than this {corpus.name} (its manifest says which); its "
            "training may have seen this test set. Train a teacher on this corpus."
        )
    if teacher.dims != corpus.dims:
        raise MsaError(f"Teacher {name} has widths {teacher.dims}, corpus {corpus.name} has {corpus.dims}.")


def of_seeds(teacher: str | None, out: Path, seeds: Sequence[int]) -> dict[int, str | Path | None]:
    """Find the teacher of every seed: the run of that name and seed in `out`, or one checkpoint for all.

    Args:
        teacher: run name or checkpoint; None = no teacher.

    Raises:
        MsaError: when only some seeds have a run.
        CheckpointError: when there is no such checkpoint.
    """
    if teacher is None:
        return dict.fromkeys(seeds)
    runs = {seed: out / f"{teacher}-seed{seed}" for seed in seeds}
    lost = [run for run in runs.values() if not (run / checkpoint.MANIFEST).is_file()]
    if lost and len(lost) < len(runs):
        raise MsaError(f"Teacher {lost[0].name} is not in {out}. Train it first, or ask for fewer --seeds.")
    return dict.fromkeys(seeds, checkpoint.directory(teacher)) if lost else dict(runs)
