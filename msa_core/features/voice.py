"""Emotion and sentiment of a voice from Whisper encoder frames: small convolutional networks, averaged.

Trained by `feature_training/voice.py` on acted (RAVDESS) and broadcast (URDU) speech; every network of the
ensemble was trained without the speakers of one fold. A frame's output depends on the frames within 0.6 s
only, so it stays what it is when other frames are dropped. All networks run as one grouped convolution.

The gate of a frame, in [0, 1], weighs its evidence: it is near 0 in pauses and noise. The stream carries gate x
probability and gate x score, so a frame without evidence is near zero in all nine; `reading` divides the
sums again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msa_core import checkpoint
from msa_core.config import from_dict
from msa_core.errors import CheckpointError, FeatureError
from msa_core.schema import SCORE_LIMIT, Stream

CHECKPOINT = "voice-ravdess-urdu-v1"
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
FRAME_DIM = 384  # Whisper tiny.en encoder frames, about 10 Hz
STREAM_DIM = FRAME_DIM + len(EMOTIONS) + 1


@dataclass(frozen=True)
class VoiceConfig:
    """Shape of the ensemble."""

    n_networks: int = 5  # one per fold of speakers
    width: int = 64  # channels inside one network
    kernel: int = 5  # frames of one convolution
    dilations: tuple[int, ...] = (1, 2)  # reach = (kernel - 1) / 2 * sum frames to each side
    input_dropout: float = 0.2  # share of the 384 inputs zeroed in training
    dropout: float = 0.4  # share of the inner channels zeroed in training

    @property
    def reach(self) -> int:
        """Number of frames to each side that a frame's output depends on."""
        return (self.kernel - 1) // 2 * sum(self.dilations)


class VoiceNetwork(nn.Module):
    """G networks side by side: standardise -> 1x1 -> residual dilated convolutions -> 8 logits, score, gate."""

    def __init__(self, config: VoiceConfig) -> None:
        super().__init__()
        self.config = config
        n, width = config.n_networks, config.width
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(FRAME_DIM))
        self.register_buffer("scale", torch.ones(FRAME_DIM))
        self.inputs = nn.Conv1d(FRAME_DIM, n * width, 1)
        self.blocks = nn.ModuleList(
            nn.Conv1d(n * width, n * width, config.kernel, padding="same", dilation=d, groups=n)
            for d in config.dilations
        )
        self.gains = nn.Parameter(torch.ones(len(config.dilations) + 1, n * width))
        self.shifts = nn.Parameter(torch.zeros(len(config.dilations) + 1, n * width))
        self.heads = nn.Conv1d(n * width, n * (len(EMOTIONS) + 2), 1, groups=n)

    def forward(self, frames: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read frames.

        Args:
            frames: (B, T, 384).
            valid: (B, T) bool, True = a real frame.

        Returns:
            Logits (G, B, T, 8), score (G, B, T) in [-3, 3] and gate (G, B, T) in [0, 1].
        """
        c, (b, t, _) = self.config, frames.shape
        keep = valid[:, None]  # (B, 1, T)
        x = ((frames - self.mean) / self.scale).clamp(-6, 6).transpose(1, 2)  # (B, 384, T)
        x = F.dropout1d(x, c.input_dropout, self.training)
        h = self._activate(self.inputs(torch.where(keep, x, 0.0)), 0)  # (B, G * width, T)
        for k, block in enumerate(self.blocks, start=1):
            step = F.dropout1d(torch.where(keep, h, 0.0), c.dropout, self.training)
            h = h + self._activate(block(step), k)
        out = self.heads(F.dropout1d(h, c.dropout, self.training))
        out = out.view(b, c.n_networks, -1, t).permute(1, 0, 3, 2)  # (G, B, T, 10)
        n = len(EMOTIONS)
        return out[..., :n], SCORE_LIMIT * torch.tanh(out[..., n] / SCORE_LIMIT), out[..., n + 1].sigmoid()

    def _activate(self, h: Tensor, k: int) -> Tensor:
        """Normalise the channels of each network at each frame on its own, scale and shift them, apply GELU."""
        b, channels, t = h.shape
        parts = h.view(b, self.config.n_networks, -1, t)
        variance, mean = torch.var_mean(parts, dim=2, keepdim=True, correction=0)
        normal = ((parts - mean) * torch.rsqrt(variance + 1e-5)).view(b, channels, t)
        return F.gelu(normal * self.gains[k, :, None] + self.shifts[k, :, None])


@torch.no_grad()
def read_frames(network: VoiceNetwork, frames: np.ndarray) -> np.ndarray:
    """Compute gated emotion probabilities and score of every frame, averaged over the networks.

    Args:
        network: in evaluation mode.
        frames: (T, 384) of `SpeechReader`, T >= 0.

    Returns:
        (T, 9) float32: 8 probabilities that sum to the gate, score in [-3, 3] times the gate.

    Raises:
        FeatureError: another width, or non-finite values.
    """
    if frames.ndim != 2 or frames.shape[1] != FRAME_DIM:
        raise FeatureError(
            "Voice frames have shape {shape}; give (T, {width}) frames of Whisper tiny.en.",
            shape=frames.shape,
            width=FRAME_DIM,
        )
    if not np.isfinite(frames).all():
        raise FeatureError("Voice frames contain NaN or infinity. Decode the clip again, or drop its audio.")
    if len(frames) == 0:
        return np.zeros((0, len(EMOTIONS) + 1), np.float32)
    x = torch.from_numpy(np.ascontiguousarray(frames, dtype=np.float32))[None].to(network.mean.device)
    valid = torch.ones(1, len(frames), dtype=torch.bool, device=x.device)
    return evidence(*network(x, valid)).mean(0)[0].cpu().numpy()  # type: ignore[no-any-return]


def evidence(logits: Tensor, score: Tensor, gate: Tensor) -> Tensor:
    """Weigh probabilities and score by the gate: logits (.., 8), score (..), gate (..) -> (.., 9)."""
    return torch.cat([logits.softmax(-1), score.unsqueeze(-1)], dim=-1) * gate.unsqueeze(-1)


def reading(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Summarise a stretch of the stream as emotion probabilities (8,) and score in [-3, 3].

    Without any evidence the probabilities are equal and the score is 0.

    Args:
        values: (T, 9) of `read_frames`, or (T, 393) of `audio_stream`.
    """
    total = values[:, -len(EMOTIONS) - 1 :].sum(axis=0, dtype=np.float64)
    gate = total[:-1].sum()
    if gate <= 1e-6:
        return np.full(len(EMOTIONS), 1 / len(EMOTIONS)), 0.0
    return total[:-1] / gate, float(total[-1] / gate)


def audio_stream(network: VoiceNetwork, frames: np.ndarray, times_s: np.ndarray) -> Stream:
    """Make the audio stream of a clip: encoder frames, emotion probabilities, score.

    Args:
        network: in evaluation mode.
        frames: (T, 384) of `SpeechReader`.
        times_s: (T,) of the frames.

    Returns:
        A stream with values (T, 393) float32; absent when there is no frame.
    """
    if len(frames) == 0:
        return Stream.absent("the audio is too short for one frame")
    values = np.concatenate([frames.astype(np.float32), read_frames(network, frames)], axis=1)
    return Stream(values=values, times_s=np.asarray(times_s, np.float32))


def load(name: str | Path = CHECKPOINT, device: str = "cpu") -> VoiceNetwork:
    """Load and verify the shipped ensemble. Raises: CheckpointError."""
    tensors, manifest = checkpoint.read(name)
    network = VoiceNetwork(from_dict(VoiceConfig, _config(manifest)))
    try:
        network.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=True)
    except RuntimeError as e:
        raise CheckpointError(f"{name} does not fit its manifest ({e}). {checkpoint.REPAIR}") from e
    return network.to(device).eval().requires_grad_(False)


def _config(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    config = manifest.get("config")
    if not isinstance(config, Mapping):
        raise CheckpointError(f"The manifest has no 'config'. {checkpoint.REPAIR}")
    return config
