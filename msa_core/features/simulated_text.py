"""Simulated text: the states of Whisper's decoder, projected to the text space.

SDUMC simulates text by a speech language model; here the hidden states with which Whisper's decoder answers the audio
stand in for the text. Nothing but the audio enters. The projector is trained on sentences whose words are known: each
decoder state learns the text vector of the true word at its place, whatever the recogniser made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msa_core import checkpoint
from msa_core.config import from_dict
from msa_core.errors import CheckpointError, MsaError
from msa_core.features.spoken import Speech
from msa_core.schema import Stream

CHECKPOINT = "projector-tts-v1"


@dataclass(frozen=True)
class ProjectorConfig:
    """Shape and training of the projector."""

    state_dim: int = 384  # of a decoder state
    text_dim: int = 384  # of a text vector
    width: int = 384  # inside
    reach: int = 2  # tokens seen to each side
    dropout: float = 0.1
    epochs: int = 30  # at most; the best on validation is kept
    patience: int = 4  # epochs without improvement before stopping
    batch: int = 64  # sentences
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    validation: float = 0.1  # share of groups held out

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        if not 0.0 < self.validation < 1.0:
            raise MsaError(f"ProjectorConfig.validation is {self.validation}; give a share between 0 and 1.")


class Projector(nn.Module):
    """Network from decoder states to text vectors: a residual convolution over tokens between two linear layers."""

    def __init__(self, config: ProjectorConfig | None = None) -> None:
        super().__init__()
        self.config = config or ProjectorConfig()
        c = self.config
        self.norm = nn.LayerNorm(c.state_dim)
        self.inward = nn.Linear(c.state_dim, c.width)
        self.neighbours = nn.Conv1d(c.width, c.width, 2 * c.reach + 1, padding=c.reach, groups=c.width)
        self.mix = nn.Linear(c.width, c.width)
        self.mix_norm = nn.LayerNorm(c.width)
        self.outward = nn.Linear(c.width, c.text_dim)
        self.dropout = nn.Dropout(c.dropout)
        self.register_buffer("target_mean", torch.zeros(c.text_dim))
        self.register_buffer("target_scale", torch.ones(()))
        self.target_mean: Tensor
        self.target_scale: Tensor

    def forward(self, states: Tensor, valid: Tensor) -> Tensor:
        """Project states (B, K, D_state) to text vectors (B, K, D_text); valid (B, K): True = a real token."""
        x = self.inward(self.norm(torch.where(valid[..., None], states, 0.0)))
        x = torch.where(valid[..., None], x, 0.0)
        near = self.neighbours(x.transpose(1, 2)).transpose(1, 2)
        x = x + self.mix(self.dropout(F.gelu(self.mix_norm(near))))
        return self.target_mean + self.target_scale * self.outward(self.dropout(F.gelu(x)))

    @torch.inference_mode()
    def project(self, states: np.ndarray) -> np.ndarray:
        """Project the states of one clip (K, D_state), K >= 1, to text vectors (K, D_text) float32."""
        x = torch.from_numpy(np.asarray(states, dtype=np.float32))[None].to(self.target_mean.device)
        return self(x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device))[0].cpu().numpy()


def stream(speech: Speech, projector: Projector) -> Stream:
    """Simulate the text of a clip; absent, with the reason of the speech, when nothing was said."""
    if not len(speech.states):
        return Stream.absent(speech.silent_reason or speech.no_speech_reason or "no speech found")
    return Stream(values=projector.project(speech.states), times_s=speech.state_times_s)


def load(name: str | Path = CHECKPOINT) -> Projector:
    """Load the trained projector, in evaluation mode. Raises: CheckpointError."""
    tensors, manifest = checkpoint.read(name)
    projector = Projector(from_dict(ProjectorConfig, manifest["config"]))
    try:
        projector.load_state_dict({k: v.float() for k, v in tensors.items()})
    except RuntimeError as e:
        raise CheckpointError(f"{name} does not fit its manifest ({e}). {checkpoint.REPAIR}") from e
    return projector.eval().requires_grad_(False)


def save(projector: Projector, folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the projector in float16 with its config, `manifest` and a golden input and output."""
    half = {k: v.detach().half() for k, v in projector.state_dict().items()}
    stored = Projector(projector.config).eval()
    stored.load_state_dict({k: v.float() for k, v in half.items()})
    states = torch.randn(7, projector.config.state_dim, generator=torch.Generator().manual_seed(0))
    golden = {"states": states, "text": torch.from_numpy(stored.project(states.numpy()))}
    checkpoint.write(folder, half, {**manifest, "config": asdict(projector.config)}, golden)
