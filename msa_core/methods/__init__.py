"""The methods by name, and checkpoints rebuilt from their manifests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from msa_core import checkpoint
from msa_core.config import from_dict
from msa_core.errors import CheckpointError, MsaError
from msa_core.methods.base import KINDS, PANELS, Displayed, Mechanism, Method, MethodConfig, Recipe
from msa_core.methods.corrkd import CorrKD
from msa_core.methods.late_fusion import LateFusion
from msa_core.methods.promma.model import ProMMA
from msa_core.methods.sdumc import SDUMC
from msa_core.schema import STREAMS, Batch

METHODS: dict[str, type[Method]] = {m.name: m for m in (LateFusion, SDUMC, CorrKD, ProMMA)}
GOLDEN_TOLERANCE = 1e-4  # of a score; other processors round differently

__all__ = [
    "KINDS",
    "METHODS",
    "PANELS",
    "Displayed",
    "Mechanism",
    "Method",
    "MethodConfig",
    "Recipe",
    "build",
    "golden",
    "load",
    "load_teacher",
    "method_name",
    "method_of",
    "panel_of",
    "verify_golden",
]


def build(name: str, config: Mapping[str, Any], dims: Mapping[str, int]) -> Method:
    """A new model of method `name`. Raises: MsaError for an unknown method or setting."""
    if name not in METHODS:
        raise MsaError(f"Unknown method {name!r}. Valid methods: {', '.join(METHODS)}.")
    return METHODS[name](from_dict(METHODS[name].Config, config), dims)


def method_of(manifest: Mapping[str, Any], where: str) -> type[Method]:
    """The method that the manifest of checkpoint `where` names. Raises: CheckpointError when it is unknown."""
    method = manifest.get("method")
    if method not in METHODS:
        raise CheckpointError(
            f"Checkpoint {where} is of method {method!r}, which is unknown. Valid methods: {', '.join(METHODS)}."
        )
    return METHODS[method]


def load(
    name: str | Path, feature_set: str, settings: Mapping[str, Any] | None = None
) -> tuple[Method, dict[str, Any]]:
    """A verified model in evaluation mode and its manifest.

    Args: name: checkpoint name or folder. feature_set: id that the features at hand have. settings: fields of the
        method's config that change nothing about the weights (the fill of the baseline, an ablation).
    Raises: CheckpointError when altered, unknown, bound to other features or not fitting its method.
    """
    tensors, manifest = checkpoint.read(name)
    where = checkpoint.directory(name).name
    method = method_of(manifest, where).name
    if manifest.get("feature_set") != feature_set:
        raise CheckpointError(
            f"Checkpoint {where} needs features {manifest.get('feature_set')!r}, these are {feature_set!r}. "
            f"Extract the clip with {manifest.get('feature_set')!r}, or choose a checkpoint of {feature_set!r}."
        )
    try:
        model = build(method, {**manifest["config"], **(settings or {})}, manifest["dims"])
        model.load_state_dict(tensors, strict=True)
    except (RuntimeError, KeyError) as e:
        raise CheckpointError(f"Checkpoint {where} does not fit method {method!r}: {e}. {checkpoint.REPAIR}") from e
    return model.eval(), manifest


def load_teacher(name: str | Path, manifest: Mapping[str, Any]) -> Method | None:
    """The verified teacher that the manifest of student `name` names, from beside it or shipped; None without one.

    Raises: CheckpointError when it is not there or is another one than the student learned from.
    """
    facts = manifest.get("teacher")
    if not facts:
        return None
    where = checkpoint.directory(name).resolve()
    places = [folder / facts["checkpoint"] for folder in (where.parent, checkpoint.ROOT)]
    beside = next((p for p in places if (p / checkpoint.MANIFEST).is_file()), None)
    if beside is None:
        raise CheckpointError(
            f"Checkpoint {where.name} learned from {facts['checkpoint']}, which is neither beside it nor shipped. "
            f"Put it beside {where.name}. {checkpoint.REPAIR}"
        )
    model, own = load(beside, manifest["feature_set"])
    if own["sha256"][checkpoint.MODEL] != facts["sha256"]:
        raise CheckpointError(
            f"{facts['checkpoint']} is not the teacher that {where.name} learned from: sha256 "
            f"{own['sha256'][checkpoint.MODEL]}, expected {facts['sha256']}. {checkpoint.REPAIR}"
        )
    verify_golden(model, beside)
    return model


def golden(model: Method, batch: Batch) -> dict[str, Tensor]:
    """A batch and the scores that `model` gives it, as tensors to store."""
    with torch.no_grad():
        tensors = {"present": batch.present, "output.score": model(batch).score}
    for stream in STREAMS:
        tensors[f"features.{stream}"] = batch.features[stream]
        tensors[f"valid.{stream}"] = batch.valid[stream]
        tensors[f"observed.{stream}"] = batch.observed[stream]
    return {k: v.cpu().clone() for k, v in tensors.items()}


def verify_golden(model: Method, name: str | Path) -> float:
    """Largest difference to the recorded scores. Raises: CheckpointError when above GOLDEN_TOLERANCE."""
    tensors, _ = checkpoint.read(name, checkpoint.GOLDEN)
    parts = {k: {s: tensors[f"{k}.{s}"] for s in STREAMS} for k in ("features", "valid", "observed")}
    batch = Batch(parts["features"], parts["valid"], parts["observed"], tensors["present"])
    with torch.no_grad():
        difference = float((model(batch).score - tensors["output.score"]).abs().max())
    if not difference <= GOLDEN_TOLERANCE:
        raise CheckpointError(
            f"Checkpoint {checkpoint.directory(name).name} answers {difference:.2g} away from its recorded scores "
            f"(allowed: {GOLDEN_TOLERANCE}). {checkpoint.REPAIR}"
        )
    return difference


def method_name(method: str) -> str:
    """How a method is written for people; a checkpoint's name or folder is shown as it is."""
    return METHODS[method].title if method in METHODS else method


def panel_of(method: str) -> str:
    """Return the panel, one of PANELS, that shows the mechanism of a method or of a checkpoint's name or folder.

    A teacher has the panel of its method, though its mechanism is the attention only. "attention" for an unknown name.
    """
    if method in METHODS:
        return METHODS[method].panel
    try:
        return method_of(checkpoint.read_manifest(method), method).panel
    except CheckpointError:
        return Method.panel
