"""Checkpoints, saved, verified and loaded: `checkpoints/<name>/{model.safetensors, manifest.json, golden.safetensors}`.

Files are written under a temporary name and renamed, hashes are checked at every load, nothing is
loaded loosely. The networks inside the feature extractors use the same format as the methods.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from msa_core.errors import CheckpointError

ROOT = Path(__file__).resolve().parent.parent / "checkpoints"
MODEL, MANIFEST, GOLDEN = "model.safetensors", "manifest.json", "golden.safetensors"
TEACHER = "-teacher"  # ending of the name of a shipped student's teacher
REPAIR = "Restore it with 'git checkout -- checkpoints', or train it again (docs/training.md)."


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
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        files = {MODEL: tensors} | ({GOLDEN: golden} if golden is not None else {})
        for name, content in files.items():
            save_file({k: v.detach().cpu().contiguous() for k, v in content.items()}, str(part / name))
            (part / name).chmod(0o644)
        full = {**manifest, "sha256": {name: sha256(part / name) for name in files}}
        (part / MANIFEST).write_text(json.dumps(full, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        part.chmod(0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
            os.replace(folder, old / "was")
            os.replace(part, folder)
            shutil.rmtree(old)
        else:
            os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read_manifest(name: str | Path) -> dict[str, Any]:
    """Read the manifest alone. Raises: CheckpointError when it is missing or not JSON."""
    path = directory(name) / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as e:
        raise CheckpointError(f"{path.parent.name}/{MANIFEST} is not JSON ({e}). {REPAIR}") from e
    return manifest


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


def table() -> str:
    """Tabulate every installed checkpoint, verified, with the measurements of its manifest, as Markdown."""
    lines = ["| checkpoint | MB | measured | trained on, licence |", "|---|---|---|---|"]
    for name in available():
        tensors, manifest = read(name)
        size = sum(t.numel() * t.element_size() for t in tensors.values()) / 1e6
        where, values = _measured(manifest)
        numbers = ", ".join(f"{k} {v:.3f}" for k, v in values.items() if isinstance(v, float))
        trained, of = (manifest.get(k) for k in ("n_trained", "n_parameters"))
        if trained and of and trained < of:
            numbers += f"; {trained:,} of {of:,} parameters trained ({trained / of:.1%}), the rest frozen"
        licence = manifest.get("licence") or manifest.get("data", {}).get("licence", "")
        lines.append(f"| {name} | {size:.1f} | {where}: {numbers} | {licence} |")
    return "\n".join(lines)


def _measured(manifest: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the name and the numbers of the evaluation that a manifest holds."""
    found = manifest.get("metrics", {})
    for where in ("test", "test_ravdess_clean"):
        if where in found:
            return where.replace("_", " "), found[where]
    if "validation" in manifest:
        return "validation", manifest["validation"]
    return "validation MAE", manifest.get("validation_mae", {})
