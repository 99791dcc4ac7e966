"""The shipped checkpoints: which there are, and each one loaded and verified with its teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msa_core import methods
from msa_core.checkpoint import REPAIR, available, read_manifest
from msa_core.errors import CheckpointError
from msa_core.features import COMPACT
from msa_core.methods import Method

CORPUS = "composite"  # the corpus of the shipped checkpoints

VERSION = "v1"

COMPLETE_MODEL = f"baseline-{CORPUS}-{VERSION}"  # the complete-modality model of methods that have none of their own


@dataclass(frozen=True)
class Loaded:
    """A model, the manifest it was rebuilt from, and its own complete-modality model (its teacher) if it has one."""

    model: Method
    manifest: dict[str, Any]
    teacher: Method | None = None


def checkpoint_of(method: str) -> str:
    """The checkpoint that `method` means: a shipped method's name, a checkpoint's name or a folder.

    Raises: CheckpointError listing what there is.
    """
    shipped = f"{method}-{CORPUS}-{VERSION}"
    return shipped if shipped in available() else method


def shipped_methods() -> list[str]:
    """The shipped checkpoints of published methods, in the order of METHODS.

    Raises: CheckpointError when there is none.
    """
    names = [n for n in available() if n.endswith(f"-{CORPUS}-{VERSION}")]
    order = list(methods.METHODS.values())
    found = [(methods.method_of(read_manifest(n), n), n) for n in names]
    published = [n for method, n in sorted(found, key=lambda f: order.index(f[0])) if method.published]
    if not published:
        raise CheckpointError("No method checkpoint is installed. {repair}", repair=REPAIR)
    return published


def load_verified(name: str, device: str) -> Loaded:
    """Load a checkpoint and its teacher, both checked against their recorded scores.

    Raises: CheckpointError when either is altered, unknown or bound to another feature set.
    """
    model, manifest = methods.load(name, COMPACT.id)
    methods.verify_golden(model, name)
    teacher = methods.load_teacher(name, manifest)
    return Loaded(model.to(device), manifest, None if teacher is None else teacher.to(device))
