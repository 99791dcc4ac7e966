"""Checkpoints, saved, verified and loaded: `checkpoints/<name>/{model.safetensors, manifest.json, golden.safetensors}`.

Files are written under a temporary name and renamed, hashes are checked at every load, nothing is
loaded loosely. The networks inside the feature extractors use the same format as the methods.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from msa_core import atomic
from msa_core.config import shipped
from msa_core.errors import CheckpointError, MsaError

ROOT = shipped("checkpoints")
MODEL, MANIFEST, GOLDEN = "model.safetensors", "manifest.json", "golden.safetensors"
TEACHER = "-teacher"  # ending of the name of a shipped student's teacher
REPAIR = "Restore it with 'git checkout -- checkpoints', or train it again (docs/training.md)."


class Manifest(dict[str, Any]):
    """Facts of a checkpoint; one that is asked for and not there is a CheckpointError, wherever it is asked for."""

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.name = name

    def __missing__(self, key: str) -> Any:
        """Name the field that is missing. Raises: CheckpointError."""
        raise CheckpointError(f"{self.name}/{MANIFEST} has no {key!r}. {REPAIR}")


def directory(name: str | Path) -> Path:
    """Find the folder of a checkpoint.

    Args:
        name: a path to a folder, or a name under `checkpoints/`.

    Raises:
        CheckpointError: there is none; the message lists the checkpoints that exist.
    """
    for candidate in (Path(name), ROOT / str(name)) if str(name) else ():
        if (candidate / MANIFEST).is_file():
            return candidate
    have = ", ".join(available()) or "none"
    raise CheckpointError(
        f"No checkpoint {str(name)!r}. Available: {have}. Give one of these, or a folder with {MANIFEST}."
    )


def available() -> list[str]:
    """List the names of the checkpoints under `checkpoints/`, sorted."""
    return sorted(p.parent.name for p in ROOT.glob(f"*/{MANIFEST}"))


def sha256(path: Path) -> str:
    """Compute the hex digest of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write(
    folder: Path, tensors: Mapping[str, Tensor], manifest: Mapping[str, Any], golden: Mapping[str, Tensor] | None = None
) -> None:
    """Write a checkpoint folder atomically; the sha256 of each tensor file is added to the manifest.

    Args:
        folder: the target, replaced when it exists.
        tensors: the state dict.
        manifest: facts that JSON can hold.
        golden: one recorded input and its output, to check a rebuilt model.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    files = {MODEL: tensors} | ({GOLDEN: golden} if golden is not None else {})
    with atomic.replaced_folder(folder) as part:
        for name, content in files.items():
            data = save({k: v.detach().cpu().contiguous() for k, v in content.items()})
            (part / name).write_bytes(data)  # which a full disk ends with an OSError
            (part / name).chmod(0o644)
        full = {**manifest, "sha256": {name: sha256(part / name) for name in files}}
        (part / MANIFEST).write_text(json.dumps(full, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_manifest(name: str | Path) -> dict[str, Any]:
    """Read the manifest alone. Raises: CheckpointError when it is missing or no JSON object, or a field is missing."""
    path = directory(name) / MANIFEST
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as e:
        raise CheckpointError(f"{path.parent.name}/{MANIFEST} is not JSON ({e}). {REPAIR}") from e
    if not isinstance(found, dict) or not isinstance(found.get("sha256", {}), dict):
        raise CheckpointError(f"{path.parent.name}/{MANIFEST} is not the manifest of a checkpoint. {REPAIR}")
    return Manifest(path.parent.name, found)


def read(name: str | Path, file: str = MODEL) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read and verify the tensors and the manifest of a checkpoint.

    Raises:
        CheckpointError: a file is missing or altered; the message names both sha256 and the repair.
    """
    folder, manifest = directory(name), read_manifest(name)
    expected = manifest.get("sha256", {}).get(file)
    path = folder / file
    if not path.is_file() or expected is None:
        raise CheckpointError(f"{folder.name}/{file} is missing. {REPAIR}")
    found = sha256(path)
    if found != expected:
        raise CheckpointError(f"{folder.name}/{file} was altered: sha256 {found}, expected {expected}. {REPAIR}")
    try:
        return load_file(str(path)), manifest
    except SafetensorError as e:
        raise CheckpointError(f"{folder.name}/{file} cannot be read ({e}). {REPAIR}") from e


def read_state(path: Path, device: Any) -> dict[str, Any]:
    """Read the state of a half-done run, with a fingerprint of its settings. Raises: MsaError when it is damaged."""
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        state["fingerprint"]
    except (RuntimeError, EOFError, OSError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as e:
        raise MsaError(
            f"{path} is cut off or damaged ({type(e).__name__}). Delete it; the run then begins anew."
        ) from e
    return state
