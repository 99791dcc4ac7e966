"""Examples read beforehand: they are what reading the clip gives, and hold for that content only."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import EXAMPLES

from msa_core import checkpoint, media, prepared
from msa_core.features import TUNED, store
from msa_core.schema import STREAMS

MOST_BYTES = 2_000_000  # of all that lies ready


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """An example with its features in another folder."""
    (tmp_path / prepared.FOLDER).mkdir()
    for name in ("crema_happy.mp4", f"{prepared.FOLDER}/crema_happy.mp4.npz"):
        shutil.copy(EXAMPLES / name, tmp_path / name)
    return tmp_path / "crema_happy.mp4"


def test_every_example_lies_ready_and_is_small() -> None:
    """`python -m msa_core extract examples --out examples/features` writes them anew."""
    clips = media.files(EXAMPLES)
    assert [c.name for c in clips if prepared.utterance(c) is None] == []
    files = sorted((EXAMPLES / prepared.FOLDER).iterdir())
    assert [f.name for f in files] == sorted(f"{c.name}.npz" for c in clips)
    assert sum(f.stat().st_size for f in files) < MOST_BYTES


@pytest.mark.parametrize("name", ["crema_happy.mp4", "grid_bbaf2n.mp4", "jfk.flac"])
def test_what_lies_ready_is_what_reading_gives(analyser: Any, name: str) -> None:
    fresh, ready = analyser.extract(EXAMPLES / name), prepared.utterance(EXAMPLES / name)
    assert ready is not None
    for field in ("id", "duration_s", "feature_set", "transcript", "notes", "people", "label", "original"):
        assert getattr(ready, field) == getattr(fresh, field), field
    assert [w.text for w in ready.words] == [w.text for w in fresh.words]
    assert np.allclose([w.start_s for w in ready.words], [w.start_s for w in fresh.words], atol=0.05)
    for s in STREAMS:
        one, other = ready.stream(s), fresh.stream(s)
        assert one.reason == other.reason
        if other.present:
            assert np.allclose(one.values, other.values, atol=2e-3) and np.allclose(one.times_s, other.times_s)
    assert len(ready.thumbnails) == len(fresh.thumbnails)
    for shot, other in zip(ready.thumbnails, fresh.thumbnails, strict=True):
        assert (shot.time_s, shot.box) == (other.time_s, other.box) and np.array_equal(shot.image, other.image)
    assert ready.prosody.pitch_hz == pytest.approx(fresh.prosody.pitch_hz, rel=0.01)
    for method in analyser.methods:
        scores = [analyser.predict(u, method).scores for u in (ready, fresh)]
        assert scores[0] == pytest.approx(scores[1], abs=0.01)


def test_a_changed_clip_has_nothing_ready(copied: Path) -> None:
    assert prepared.utterance(copied) is not None
    copied.write_bytes(copied.read_bytes() + b"\0")
    assert prepared.utterance(copied) is None


def test_features_of_other_extractors_are_not_used(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "TUNED", replace(TUNED, extractors=(*TUNED.extractors, "a new one")))
    assert prepared.utterance(copied) is None


def test_features_of_networks_that_were_trained_anew_are_not_used(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "checkpoints"
    shutil.copytree(checkpoint.ROOT / "text-layers-v1", root / "text-layers-v1")
    manifest = root / "text-layers-v1" / checkpoint.MANIFEST
    found = json.loads(manifest.read_text())
    found["sha256"][checkpoint.MODEL] = "0" * 64
    manifest.write_text(json.dumps(found))
    monkeypatch.setattr(checkpoint, "ROOT", root)
    store._with_weights.cache_clear()
    try:
        assert prepared.utterance(copied) is None
        assert "text-layers-v1 0000000000000000" in store.extractors(TUNED)
    finally:
        store._with_weights.cache_clear()


def test_without_features_or_with_damaged_ones_nothing_is_ready(copied: Path) -> None:
    stored = copied.parent / prepared.FOLDER / "crema_happy.mp4.npz"
    stored.write_bytes(stored.read_bytes()[:1000])
    assert prepared.utterance(copied) is None
    stored.unlink()
    assert prepared.utterance(copied) is None
