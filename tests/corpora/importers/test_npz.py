"""Arrays of an .npz that cannot be read, or that say nothing, are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from feature_files import npz, save_npz

from msa_core.corpora import importers
from msa_core.corpora.importers import problems
from msa_core.errors import MsaError


@pytest.mark.parametrize("key", ["id", "split"])
def test_ids_and_splits_that_are_objects_cannot_be_read(tmp_path: Path, key: str) -> None:
    arrays = npz()
    path = save_npz(tmp_path / "f.npz", arrays | {key: arrays[key].astype(object)})
    with pytest.raises(MsaError, match=f"^f.npz: {key} cannot be read .*Save numbers or text, e.g. numpy.array"):
        importers.read(path)


def test_videos_in_two_splits_are_found_beside_speakers(tmp_path: Path) -> None:
    arrays = npz()
    speakers = np.array([f"s{split}" for split in arrays["split"]])
    videos = np.array([f"v{split}" for split in arrays["split"]])
    videos[[0, -1]] = "shared"
    path = save_npz(tmp_path / "f.npz", arrays | {"speaker": speakers, "video": videos})
    (found,) = (f for f in problems(path) if f.startswith("warning: "))
    said = "warning: 1 videos of 4 are in more than one of train, test: 'shared'. A model may know the person."
    assert found.startswith(said)
    corpus = importers.read(path)
    assert corpus.manifest["speakers"] == 3 and "videos" not in corpus.manifest


def test_arrays_that_say_nothing_are_noted(tmp_path: Path) -> None:
    arrays = npz()
    assert arrays["text"].ndim == 2 and "vision" not in arrays
    more = {"text_lengths": np.ones(9), "vision_lengths": np.ones(9), "label": arrays["score"] / 3}
    new = set(problems(save_npz(tmp_path / "f.npz", arrays | more))) - set(
        problems(save_npz(tmp_path / "g.npz", arrays))
    )
    assert new == {
        "note: label is not read beside score. Leave out the one that is not meant.",
        "note: text_lengths is not read: text has one vector an utterance.",
        "note: vision_lengths is not read: vision is not there.",
    }
