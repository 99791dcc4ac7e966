"""Manifests of checkpoints: whatever is missing in one is a CheckpointError that names it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from msa_core import checkpoint
from msa_core.errors import CheckpointError


def stored(folder: Path, manifest: object) -> Path:
    (folder / checkpoint.MANIFEST).write_text(json.dumps(manifest))
    return folder


def test_a_field_that_is_missing_is_named(tmp_path: Path) -> None:
    found = checkpoint.read_manifest(stored(tmp_path, {"a": 1}))
    assert found["a"] == 1 and found.get("calibration") is None and {**found} == {"a": 1}
    with pytest.raises(CheckpointError, match="has no 'calibration'. Restore it"):
        found["calibration"]


@pytest.mark.parametrize("manifest", [[], "text", 3, None, {"sha256": "abc"}])
def test_what_is_no_manifest_is_refused(manifest: object, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not the manifest of a checkpoint"):
        checkpoint.read_manifest(stored(tmp_path, manifest))
