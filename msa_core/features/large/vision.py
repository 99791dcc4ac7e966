"""Face stream from a vision transformer: the faces that the compact set finds and follows, cut in colour.

ViT (arXiv 2010.11929) and its kin give the state of their class token at the chosen layers. A frame without the
followed face is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from msa_core.errors import FeatureError
from msa_core.features.box import Box
from msa_core.features.face import Detector, FaceFollower, crop
from msa_core.features.large import hub
from msa_core.features.large.config import ModelConfig

KINDS = ("vit", "deit", "beit", "data2vec-vision", "dinov2", "dinov2_with_registers")
PLAIN = (0.5, 0.5, 0.5)  # mean and spread of the colours, where a model says nothing else
BATCH = 32  # crops


def find(config: ModelConfig, folder: Path) -> hub.Source:
    """Find a vision model; see `hub.find` for arguments and errors."""
    return hub.find(config, folder, KINDS, "vision")


class LargeFaces(FaceFollower):
    """Reader of faces whose vision frames come from a vision transformer.

    Faces are described while the clip is read, BATCH at a time, so that a long clip keeps no crops.
    """

    def __init__(self, source: hub.Source, dtype: str, device: str, detector: Detector | None = None) -> None:
        """Load the model. Raises: FeatureError."""
        super().__init__(detector)
        self.source, self.device, self.dtype = source, device, hub.DTYPES[dtype]
        self.model = hub.load(source, "AutoModel", dtype, device)
        size = source.config.image_size
        self.side = int(size if isinstance(size, int) else max(size))
        looks = hub.preprocessing(source)
        self.mean, self.spread = (
            torch.tensor(looks.get(key, PLAIN)).view(3, 1, 1) for key in ("image_mean", "image_std")
        )
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []  # crops, and the rows to fill

    @property
    def dim(self) -> int:
        """Width of a vision frame."""
        return self.source.dim

    def cut(self, frame: np.ndarray, box: Box) -> np.ndarray:
        """Cut one face from a frame. Returns: its vision frame (D,), filled by `rows` at the latest."""
        row = np.zeros(self.dim, np.float32)
        self._waiting.append((crop(frame, box, self.side, grey=False), row))
        if len(self._waiting) >= BATCH:
            self._describe()
        return row

    def rows(self, faces: Sequence[np.ndarray]) -> np.ndarray:
        """Return the vision frames (N, D) of faces from `cut`."""
        self._describe()
        return np.stack(faces)

    @torch.inference_mode()
    def encode(self, crops: np.ndarray) -> np.ndarray:
        """Encode crops (N, side, side, 3) uint8 to (N, D) float32. Raises: FeatureError for another shape."""
        if crops.shape[1:] != (self.side, self.side, 3) or crops.dtype != np.uint8:
            raise FeatureError(f"Crops are {crops.dtype} {crops.shape}; give uint8 (N, {self.side}, {self.side}, 3).")
        pixels = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
        pixels = ((pixels - self.mean) / self.spread).to(self.device, self.dtype)
        states = self.model(pixel_values=pixels, output_hidden_states=True).hidden_states
        return hub.summed(states, self.source.layers)[:, 0].cpu().numpy()  # type: ignore[no-any-return]

    def _describe(self) -> None:
        """Fill the rows that wait."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            rows = self.encode(np.stack([face for face, _ in waiting]))
            for (_, row), values in zip(waiting, rows, strict=True):
                row[:] = values
