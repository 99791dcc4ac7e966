"""Registry of the methods: their names, and models built from a name and settings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, TypeVar

from msa_core import checkpoint
from msa_core.config import from_dict
from msa_core.errors import CheckpointError, MsaError
from msa_core.methods.base import PANELS, Method
from msa_core.methods.corrkd import CorrKD
from msa_core.methods.late_fusion import LateFusion
from msa_core.methods.lnln import LNLN
from msa_core.methods.promma.model import ProMMA
from msa_core.methods.sdumc import SDUMC

METHODS: dict[str, type[Method]] = {m.name: m for m in (LateFusion, SDUMC, CorrKD, ProMMA, LNLN)}
Class = TypeVar("Class", bound=type[Method])


def register(method: Class) -> Class:
    """Add a method to METHODS, so that everything that asks for a method by name finds it; a class decorator.

    A class may be registered anew, as a notebook does when its cell is run again.

    Raises:
        MsaError: the class lacks something of the contract, or the name is another method's.
    """
    where = f"{method.__module__}.{method.__qualname__}"
    name, config = getattr(method, "name", None), getattr(method, "Config", None)
    if not (isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9_]*", name)):
        raise MsaError(f"{where}.name is {name!r}; give small letters, digits and _, the first a letter.")
    if not isinstance(getattr(method, "title", None), str):
        raise MsaError(f"{where} has no title; give the name that readers see.")
    lacking = [call for call in ("loss_weights", "debug") if not callable(getattr(config, call, None))]
    if not is_dataclass(config) or lacking:
        raise MsaError(f"{where}.Config must be a dataclass with loss_weights() and debug() (docs/add-a-method.md).")
    if method.panel not in PANELS:
        raise MsaError(f"{where}.panel is {method.panel!r}; choose one of: {', '.join(PANELS)}.")
    own = METHODS.get(name)
    if own is not None and (own.__module__, own.__qualname__) != (method.__module__, method.__qualname__):
        raise MsaError(f"The name {name!r} of {where} is taken by {own.__module__}.{own.__qualname__}. Give another.")
    METHODS[name] = method
    return method


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


def learning(emotions: Sequence[str]) -> list[str]:
    """List the methods that can learn a corpus' labels: scores, or emotions when it has some."""
    return [name for name, m in METHODS.items() if not emotions or "emotions" in m.Config.__dataclass_fields__]


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
