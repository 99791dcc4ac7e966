"""A Markdown table of the installed checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msa_core import checkpoint
from msa_core.tables import markdown_table


def table() -> str:
    """Verify every installed checkpoint and list its size, its evaluation and its licence as Markdown.

    Raises:
        CheckpointError: a file is missing or was altered.
    """
    return markdown_table(
        ["checkpoint", "MB", "measured", "trained on, licence"], [_row(name) for name in checkpoint.available()]
    )


def _row(name: str) -> list[str]:
    """Return the cells of one checkpoint."""
    tensors, manifest = checkpoint.read(name)
    size = sum(t.numel() * t.element_size() for t in tensors.values()) / 1e6
    condition, values = _evaluation(manifest)
    numbers = ", ".join(f"{k} {v:.3f}" for k, v in values.items() if isinstance(v, float))
    trained, total = (manifest.get(k) for k in ("n_trained", "n_parameters"))
    if trained and total and trained < total:
        numbers += f"; {trained:,} of {total:,} parameters trained ({trained / total:.1%}), the rest frozen"
    licence = manifest.get("licence") or manifest.get("data", {}).get("licence", "")
    return [name, f"{size:.1f}", f"{condition}: {numbers}", licence]


def _evaluation(manifest: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the name and the numbers of the evaluation in a manifest."""
    metrics = manifest.get("metrics", {})
    for split in ("test", "test_ravdess_clean"):
        if split in metrics:
            return split.replace("_", " "), metrics[split]
    if "validation" in manifest:
        return "validation", manifest["validation"]
    return "validation MAE", manifest.get("validation_mae", {})
