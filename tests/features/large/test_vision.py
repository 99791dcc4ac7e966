"""Large vision models: crops in colour, the class token of transformers' own path, faces in batches as they come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import transformers

from msa_core.errors import FeatureError
from msa_core.features.box import Box
from msa_core.features.face import crop
from msa_core.features.large import vision
from msa_core.features.large.config import ModelConfig


def load(folder: Path, layers: tuple[int, ...] = (-1,), detector: Any = None) -> vision.LargeFaces:
    return vision.LargeFaces(vision.find(ModelConfig(str(folder), layers=layers), Path()), "fp32", "cpu", detector)


def pictures(n: int) -> list[tuple[float, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [(0.2 * k, rng.integers(40, 255, (120, 160, 3), np.uint8)) for k in range(n)]


def two_faces(image: np.ndarray) -> list[Box]:
    """A large face on the left, a small one on the right; none in a picture whose corner is black."""
    h, w = image.shape[:2]
    return [] if image[0, 0].sum() == 0 else [Box(0.1 * w, 0.2 * h, 0.3 * w, 0.4 * h), Box(0.7 * w, 0.2 * h, 9, 12)]


def test_states_are_those_of_the_class_token(tiny_model: Any) -> None:
    crops = np.random.default_rng(1).integers(0, 255, (3, 32, 32, 3), np.uint8)
    model = transformers.AutoModelForImageClassification.from_pretrained(tiny_model("vit")).eval()
    mean, spread = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.3, 0.25])  # of its preprocessor_config.json
    pixels = torch.from_numpy((crops / 255 - mean) / spread).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        states = model(pixels, output_hidden_states=True).hidden_states
    np.testing.assert_allclose(load(tiny_model("vit"), (0, 1)).encode(crops), (states[0] + states[1])[:, 0], atol=1e-5)


def test_a_crop_in_colour_is_the_square_around_the_face() -> None:
    frame = np.zeros((100, 100, 3), np.uint8)
    frame[:, :, 0] = np.arange(100)
    cut = crop(frame, Box(41, 41, 18, 18), 20, grey=False)  # side 18 / .9 = 20, from 40 to 60
    assert cut.shape == (20, 20, 3) and cut[0, :, 0].tolist() == list(range(40, 60)) and not cut[..., 1:].any()
    grey = crop(frame, Box(41, 41, 18, 18), 20)
    np.testing.assert_array_equal(grey, cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY))


def test_the_larger_face_is_followed_and_frames_without_it_are_zero(tiny_model: Any, monkeypatch: Any) -> None:
    shown = pictures(9)
    shown[4][1][:] = 0
    shown[4][1][50:, 50:] = 200  # not black, but without a face
    rows = []
    for batch in (3, 100):
        monkeypatch.setattr(vision, "BATCH", batch)
        faces = load(tiny_model("vit"), detector=lambda image: two_faces(image) if image[0, 0].sum() else [])
        rows.append(faces.read(shown))
    values = rows[0].stream.values
    assert values is not None and values.shape == (9, 12) and not values[4].any() and values[[0, 3, 5, 8]].all()
    np.testing.assert_allclose(values, rows[1].stream.values, atol=1e-6)
    assert [t.valence for t in rows[0].thumbnails] == [None] * 9 and rows[0].thumbnails[0].box is not None
    left = [crop(f, Box(16, 24, 48, 48), 32, grey=False) for _, f in shown]
    again = load(tiny_model("vit"))
    np.testing.assert_allclose(values[8], again.encode(np.stack(left[8:]))[0], atol=0.2)


def test_wrong_crops_and_models_are_refused(tiny_model: Any) -> None:
    with pytest.raises(FeatureError, match=r"Crops are float64 \(1, 32, 32\); give uint8 \(N, 32, 32, 3\)"):
        load(tiny_model("vit")).encode(np.zeros((1, 32, 32)))
    with pytest.raises(FeatureError, match="is a roberta model; as vision model are read: vit, deit"):
        load(tiny_model("roberta"))
