"""Checkpoints of methods: rebuild and verify one with its teacher, and name the shipped ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from msa_core import checkpoint
from msa_core.checkpoint import REPAIR
from msa_core.errors import CheckpointError
from msa_core.features import TUNED, known
from msa_core.methods.base import Method
from msa_core.methods.registry import METHODS, build, method_of
from msa_core.schema import STREAMS, Batch

CORPUS = "composite"  # the corpus of the shipped checkpoints
VERSION = "v1"
COMPLETE_MODEL = f"baseline-{CORPUS}-{VERSION}"  # late fusion (complete), for methods without a complete model
SHIPPED_RUNS = {  # run name -> shipped checkpoint
    "late fusion": f"baseline-{CORPUS}-{VERSION}",
    "masked late fusion": f"masked-{CORPUS}-{VERSION}",
    "sdumc": f"sdumc-{CORPUS}-{VERSION}",
    "corrkd": f"corrkd-{CORPUS}-{VERSION}",
    "promma (reconstruction)": f"promma-{CORPUS}-{VERSION}",
}
GOLDEN_TOLERANCE = 1e-4  # of a score; other processors round differently


@dataclass(frozen=True)
class Loaded:
    """A model, the manifest it was rebuilt from, and its own complete-modality model (its teacher) if it has one."""

    model: Method
    manifest: dict[str, Any]
    teacher: Method | None = None


def load(
    name: str | Path, feature_set: str, settings: Mapping[str, Any] | None = None
) -> tuple[Method, dict[str, Any]]:
    """Load a verified model in evaluation mode, with its manifest.

    Args:
        name: checkpoint name or folder.
        feature_set: id of the features at hand.
        settings: fields of the method's config that change nothing about the weights, such as the fill of late fusion.

    Raises:
        CheckpointError: when altered, unknown, bound to other features or not fitting its method.
    """
    tensors, manifest = checkpoint.read(name)
    where = checkpoint.directory(name).name
    method = method_of(manifest, where).name
    trained_on = manifest.get("feature_set")
    at_hand = known(feature_set)
    if trained_on != feature_set and not (at_hand and at_hand.fits(str(trained_on))):
        raise CheckpointError(
            f"Checkpoint {where} needs features {trained_on!r}, these are {feature_set!r}. "
            f"Extract the clip with {trained_on!r}, or choose a checkpoint of {feature_set!r}."
        )
    try:
        model = build(method, {**manifest["config"], **(settings or {})}, manifest["dims"])
        model.load_state_dict(tensors, strict=True)
    except (RuntimeError, KeyError) as e:
        raise CheckpointError(f"Checkpoint {where} does not fit method {method!r}: {e}. {REPAIR}") from e
    return model.eval(), manifest


def teacher_folder(name: str | Path, manifest: Mapping[str, Any]) -> Path | None:
    """Find the folder of the teacher that the manifest of student `name` names: in it, beside it, or shipped.

    Returns:
        The folder; None for a model without a teacher.

    Raises:
        CheckpointError: it is not there.
    """
    facts = manifest.get("teacher")
    if not facts:
        return None
    where = checkpoint.directory(name).resolve()
    places = [folder / facts["checkpoint"] for folder in (where, where.parent, checkpoint.ROOT)]
    found = next((p for p in places if (p / checkpoint.MANIFEST).is_file()), None)
    if found is None:
        raise CheckpointError(
            f"Checkpoint {where.name} learned from {facts['checkpoint']}, which is neither beside it nor shipped. "
            f"Put it beside {where.name}. {REPAIR}"
        )
    return found


def load_teacher(name: str | Path, manifest: Mapping[str, Any]) -> Method | None:
    """Load the verified teacher that the manifest of student `name` names.

    Returns:
        The teacher; None for a model without one.

    Raises:
        CheckpointError: when it is not there or is another one than the student learned from.
    """
    beside, facts = teacher_folder(name, manifest), manifest.get("teacher")
    if beside is None or not facts:
        return None
    model, own = load(beside, manifest["feature_set"])
    if own["sha256"][checkpoint.MODEL] != facts["sha256"]:
        student = checkpoint.directory(name).resolve().name
        raise CheckpointError(
            f"{facts['checkpoint']} is not the teacher that {student} learned from: sha256 "
            f"{own['sha256'][checkpoint.MODEL]}, expected {facts['sha256']}. {REPAIR}"
        )
    verify_golden(model, beside)
    return model


def load_verified(name: str, device: str, feature_set: str = TUNED.id) -> Loaded:
    """Load a checkpoint and its teacher, both checked against their recorded scores.

    Args:
        feature_set: id of the features at hand.

    Raises:
        CheckpointError: when either is altered, unknown or bound to another feature set.
    """
    model, manifest = load(name, feature_set)
    verify_golden(model, name)
    teacher = load_teacher(name, manifest)
    return Loaded(model.to(device), manifest, None if teacher is None else teacher.to(device))


def golden(model: Method, batch: Batch) -> dict[str, Tensor]:
    """Record a batch and the scores that `model` gives it, as tensors to store."""
    with torch.no_grad():
        tensors = {"present": batch.present, "output.score": model(batch).score}
    for stream in STREAMS:
        tensors[f"features.{stream}"] = batch.features[stream]
        tensors[f"valid.{stream}"] = batch.valid[stream]
        tensors[f"observed.{stream}"] = batch.observed[stream]
    return {k: v.cpu().clone() for k, v in tensors.items()}


def verify_golden(model: Method, name: str | Path) -> float:
    """Compare a model's scores with those recorded in checkpoint `name`.

    Returns:
        The largest difference.

    Raises:
        CheckpointError: when it is above GOLDEN_TOLERANCE.
    """
    tensors, _ = checkpoint.read(name, checkpoint.GOLDEN)
    parts = {k: {s: tensors[f"{k}.{s}"] for s in STREAMS} for k in ("features", "valid", "observed")}
    batch = Batch(parts["features"], parts["valid"], parts["observed"], tensors["present"])
    with torch.no_grad():
        difference = float((model(batch).score - tensors["output.score"]).abs().max())
    if not difference <= GOLDEN_TOLERANCE:
        raise CheckpointError(
            f"Checkpoint {checkpoint.directory(name).name} answers {difference:.2g} away from its recorded scores "
            f"(allowed: {GOLDEN_TOLERANCE}). {REPAIR}"
        )
    return difference


def checkpoint_of(method: str) -> str:
    """Return the checkpoint that `method` means: a shipped method's name, a checkpoint's name or a folder."""
    name = f"{method}-{CORPUS}-{VERSION}"
    return name if name in checkpoint.available() else method


def shipped_methods() -> list[str]:
    """List the shipped checkpoints of published methods, in the order of METHODS.

    Raises:
        CheckpointError: when there is none.
    """
    names = [n for n in checkpoint.available() if n.endswith(f"-{CORPUS}-{VERSION}")]
    order = list(METHODS.values())
    found = [(method_of(checkpoint.read_manifest(n), n), n) for n in names]
    published = [n for method, n in sorted(found, key=lambda f: order.index(f[0])) if method.published]
    if not published:
        raise CheckpointError("No method checkpoint is installed. {repair}", repair=REPAIR)
    return published
