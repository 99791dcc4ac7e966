"""Registry of the methods: their names, and models built from a name and settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msa_core import checkpoint
from msa_core.config import from_dict
from msa_core.errors import CheckpointError, MsaError
from msa_core.methods.base import Method
from msa_core.methods.corrkd import CorrKD
from msa_core.methods.late_fusion import LateFusion
from msa_core.methods.promma.model import ProMMA
from msa_core.methods.sdumc import SDUMC

METHODS: dict[str, type[Method]] = {m.name: m for m in (LateFusion, SDUMC, CorrKD, ProMMA)}


def build(name: str, config: Mapping[str, Any], dims: Mapping[str, int]) -> Method:
    """Build a new model of method `name`.

    Args:
        config: fields of the method's config; the others keep their defaults.
        dims: width per stream.

    Raises:
        MsaError: for an unknown method or setting.
    """
    if name not in METHODS:
        raise MsaError(f"Unknown method {name!r}. Valid methods: {', '.join(METHODS)}.")
    return METHODS[name](from_dict(METHODS[name].Config, config), dims)


def method_of(manifest: Mapping[str, Any], where: str) -> type[Method]:
    """Return the method that the manifest of checkpoint `where` names.

    Raises:
        CheckpointError: when it is unknown.
    """
    method = manifest.get("method")
    if method not in METHODS:
        raise CheckpointError(
            f"Checkpoint {where} is of method {method!r}, which is unknown. Valid methods: {', '.join(METHODS)}."
        )
    return METHODS[method]


def method_name(method: str) -> str:
    """Return a method's title for readers; a checkpoint's name or folder as it is."""
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
