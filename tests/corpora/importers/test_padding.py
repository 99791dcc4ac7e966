"""Arrays whose frames stand on the wrong axis, and masks that tell no padding, are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from feature_files import save_npz
from published_layouts import dump, mmsa, mmsa_fet, truth

from msa_core.corpora.importers import problems, read
from msa_core.corpora.importers.padding import nonzero, transposed

MODALITIES = ("text", "audio", "vision")


def turned(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values.transpose(0, 2, 1))


@pytest.mark.parametrize("front", [False, True])
def test_text_that_has_its_word_pieces_on_the_last_axis_is_refused(tmp_path: Path, front: bool) -> None:
    content = mmsa_fet(truth(0), front=front)
    for rows in content.values():
        rows["text"] = turned(rows["text"])
    n, width, length = content["train"]["text"].shape
    found = [f for f in problems(dump(tmp_path / "f.pkl", content)) if f.startswith("error: ")]
    assert found[0] == (
        f"error: text of train has shape ({n}, {width}, {length}), and text_bert has {length} word pieces: the frames "
        f"stand on the last axis. Give it as ({n}, {length}, {width}), or leave text_bert out if {length} is its width."
    )
    assert [f.split(" has ")[0] for f in found] == [f"error: text of {s}" for s in content]


def test_word_pieces_of_another_length_are_a_warning(tmp_path: Path) -> None:
    content = mmsa_fet(truth(0))
    for rows in content.values():
        rows["text_bert"] = np.pad(rows["text_bert"], ((0, 0), (0, 0), (0, 2)))
    length = content["train"]["text"].shape[1]
    said = f"has {length} frames and text_bert {length + 2} word pieces: its mask is not used; zeros tell the padding."
    assert problems(dump(tmp_path / "f.pkl", content)) == [f"warning: text of {s} {said}" for s in content]


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("front", [False, True])
def test_zeros_along_the_last_axis_only_are_a_warning(tmp_path: Path, modality: str, front: bool) -> None:
    content = mmsa_fet(truth(0, holes=False), front=front)
    for rows in content.values():
        for key in ("text_bert", "audio_lengths", "vision_lengths"):
            del rows[key]
    assert not any("last axis" in f for f in problems(dump(tmp_path / "f.pkl", content)))
    for rows in content.values():
        rows[modality] = turned(rows[modality])
    (found,) = (f for f in problems(dump(tmp_path / "f.pkl", content)) if "last axis" in f)
    shape = content["train"][modality].shape
    assert found == (
        f"warning: {modality} has shape {shape} and ends in zeros along its last axis only: if the frames stand there, "
        "give it as (N, T, D)."
    )
    rows = content["train"]
    arrays = {"id": rows["id"], "split": np.array(["train"] * len(rows["id"])), "score": rows["regression_labels"]}
    assert found in problems(save_npz(tmp_path / "f.npz", arrays | {modality: rows[modality]}))


def test_features_that_are_zero_now_and_then_are_not_transposed() -> None:
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(40, 9, 12))
    sparse = dense * (rng.random(dense.shape) < 0.1)
    sparse[:, :, 0] = 1
    dead, binary, silent = dense.copy(), dense.copy(), np.zeros_like(dense)
    dead[:, :, 8:] = 0  # columns that no utterance has
    binary[::2, :, -1] = 0
    for values in (dense, sparse, dead, binary, silent):
        assert not transposed(values, nonzero(values))


@pytest.mark.parametrize("front", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_a_mask_that_is_1_throughout_tells_no_padding(tmp_path: Path, front: bool, padded: bool) -> None:
    """Zeros do: those of the text, or where BERT gave values to its padding those of audio and vision aligned to it."""
    found = truth(0, aligned=True, holes=False)
    content = mmsa(found, aligned=True, front=front)
    for rows in content.values():
        if not padded:
            rows["text"] -= 0.5 * (rows["text_bert"][:, 1] == 0)[..., None]
    expected = read(dump(tmp_path / "f.pkl", content), "f")
    for rows in content.values():
        rows["text_bert"][:, 1] = 1
    path = dump(tmp_path / "f.pkl", content)
    corpus = read(path, "f")
    told = ("audio", "vision") if padded else MODALITIES
    rows_ = np.arange(len(corpus))
    for modality in told:
        valid = (c.batch(rows_).valid[modality].sum(1).tolist() for c in (expected, corpus))
        assert next(valid) == next(valid)
    warnings = [f for f in problems(path) if f.startswith("warning: ")]
    side = "in front" if front else "at the end"
    if padded:
        said = [f"{m} of {s}: the text has frames throughout although most of it ends before; zeros are padding."
                for s in content for m in told]  # fmt: skip
    else:
        said = [f"text_bert of {s}: the mask is 1 throughout although most utterances end before; there zeros {side} "
                "are padding." for s in content]  # fmt: skip
    assert warnings == [f"warning: {one}" for one in said]
