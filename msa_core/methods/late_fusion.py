"""Late fusion: the baseline, and the complete-modality model of methods that have none of their own.

No paper. Per modality: standardise -> frame projection -> masked attention pooling -> MLP; the three vectors are
concatenated and fused by an MLP. Trained on complete input it is "late fusion (complete)", under random missing
modalities (`subset`) the masked baseline, on one pattern only a specialist. With `use_simulated` text simulated from
the voice is read in the place of missing text by the encoder of text, as in SDUMC: the baseline of those that read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msa_core.errors import MsaError
from msa_core.methods.base import Mechanism, Method, Recipe, check_ranges
from msa_core.methods.gather import gather
from msa_core.methods.layers import AttentionPool, FrameEncoder, Frames, available, bounded, mlp, usable
from msa_core.missing import INCOMPLETE, PATTERNS
from msa_core.schema import MODALITIES, Batch, Output

FILLS = ("zero", "mean")
MOMENTUM = 0.02  # of the running mean of the modality vectors


@dataclass(frozen=True)
class LateFusionConfig:
    """Settings of late fusion, chosen on the composite corpus' validation split."""

    d_model: int = 64  # width of a modality vector
    d_fusion: int = 128  # width of the fused vector
    dropout: float = 0.4  # after every hidden layer
    input_dropout: tuple[float, float, float] = (0.1, 0.3, 0.1)  # channels of text, audio, vision switched off
    input_noise: tuple[float, float, float] = (0.0, 0.2, 0.0)  # Gaussian offset of a channel, in standard deviations
    fill: str = "zero"  # vector of an absent modality: zero, or the mean over the training data
    use_simulated: bool = False  # read text simulated from the voice where there is no text

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.fill not in FILLS:
            raise MsaError(f"fill is {self.fill!r}; choose one of: {', '.join(FILLS)}.")

    def loss_weights(self) -> dict[str, float]:
        """Return the weight per loss term."""
        return {"mse": 1.0}

    @staticmethod
    def debug() -> LateFusionConfig:
        """Return tiny settings for tests."""
        return LateFusionConfig(d_model=8, d_fusion=8, dropout=0.1)


class LateFusion(Method):
    """Late fusion over the present modalities."""

    name = "baseline"
    title = "Late fusion"
    published = False
    Config = LateFusionConfig

    def __init__(self, config: LateFusionConfig, dims: Mapping[str, int]):
        super().__init__(config, dims)
        d = config.d_model
        inputs = list(zip(MODALITIES, config.input_dropout, config.input_noise, strict=True))
        self.encode = nn.ModuleDict({m: FrameEncoder(dims[m], d, drop, noise) for m, drop, noise in inputs})
        self.pool = nn.ModuleDict({m: AttentionPool(d) for m in MODALITIES})
        self.utterance = nn.ModuleDict({m: mlp((d, d), config.dropout) for m in MODALITIES})
        self.fuse = mlp((3 * d, config.d_fusion, config.d_fusion), config.dropout)
        self.head = nn.Linear(config.d_fusion, 1)
        self.register_buffer("mean_vector", torch.zeros(3, d))  # running mean over the training data
        self.mean_vector: Tensor

    @classmethod
    def recipes(cls) -> list[Recipe]:
        """List late fusion (complete), the masked baseline, and a specialist for each incomplete pattern.

        Masked baseline and specialists come once more with simulated text; it makes a difference to a specialist only
        where the voice is there and the text is not.
        """
        complete = {"regime": "complete", "epochs": 6, "lr": 0.0005}
        masked, hearing, simulated = "masked late fusion", {"use_simulated": True}, "simulated text"
        alone = {p: {"regime": p, "epochs": 6} for p in INCOMPLETE}
        voiced = [p for p in INCOMPLETE if "audio" in PATTERNS[p] and "text" not in PATTERNS[p]]
        return [
            Recipe("late fusion", "Late fusion, complete", "naive", {"dropout": 0.5}, complete),
            Recipe(masked, "Late fusion, masked", "masked", {}, {"epochs": 8}),
            Recipe(f"{masked}, {simulated}", f"Late fusion, masked + {simulated}", "masked", hearing, {"epochs": 8}),
            *(Recipe(f"late fusion, {p} only", f"Specialist: {p}", "specialist", {}, alone[p]) for p in INCOMPLETE),
            *(
                Recipe(
                    f"late fusion, {p} only, {simulated}",
                    f"Specialist: {p}, {simulated}",
                    "specialist",
                    hearing,
                    alone[p],
                )
                for p in voiced
            ),
        ]

    @property
    def reads_simulated_text(self) -> bool:
        """True with `use_simulated`."""
        return bool(self.config.use_simulated)

    def forward(self, batch: Batch) -> Output:
        """Score a batch (schema.Batch). Trace: attention_<modality> (B, T)."""
        stacked, there, trace = self._vectors(batch, self.config.use_simulated)
        if self.training:
            self._track(stacked.detach().to(self.mean_vector), there)
        return self._fused(stacked, there, self.config.fill, trace)

    def answers(self, batch: Batch, variants: Sequence[Mapping[str, Any]]) -> list[Tensor]:
        """Score a batch under each of `variants`; every fill of an absent modality reads the same vectors."""
        if not all(set(settings) <= {"fill", "use_simulated"} for settings in variants):
            return super().answers(batch, variants)
        asked = [
            (bool(v.get("use_simulated", self.config.use_simulated)), v.get("fill", self.config.fill)) for v in variants
        ]
        vectors = {hears: self._vectors(batch, hears) for hears, _ in asked}
        scores = []
        for hears, fill in asked:
            stacked, there, trace = vectors[hears]
            scores.append(self._fused(stacked, there, fill, trace).score)
        return scores

    def _vectors(self, batch: Batch, hears: bool) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return the modality vectors (B, 3, d), which modalities are present (B, 3), and the trace.

        hears: simulated text stands in the place of missing text, and counts as present.
        """
        keep = usable(batch)
        there = available(keep)
        heard = ~there[:, 0] & keep["simulated"].any(1) & hears  # rows whose text is simulated (B,)
        vectors, trace = [], {}
        for m in MODALITIES:
            frames = self.encode[m](batch.features[m], keep[m], self.statistics(m))
            if m == "text" and heard.any():
                simulated, standardise = keep["simulated"] & heard[:, None], self.statistics("simulated")
                frames = Frames.join([frames, self.encode[m](batch.features["simulated"], simulated, standardise)])
            pooled, weights = self.pool[m](replace(frames, values=F.gelu(frames.values)))  # (B, d), (B, T)
            vectors.append(self.utterance[m](pooled))
            trace[f"attention_{m}"] = weights
        there = torch.cat([there[:, :1] | heard[:, None], there[:, 1:]], 1)
        return torch.stack(vectors, 1), there, trace

    def _fused(self, stacked: Tensor, there: Tensor, fill: str, trace: dict[str, Tensor]) -> Output:
        """Fuse the modality vectors (B, 3, d) of present modalities (B, 3) to an answer."""
        absent = self.mean_vector if fill == "mean" else torch.zeros_like(self.mean_vector)
        joint = self.fuse(torch.where(there[..., None], stacked, absent).flatten(1))  # (B, 3 d) -> (B, d_fusion)
        return Output(score=bounded(self.head(joint).squeeze(-1)), joint=joint, trace=trace)

    def losses(self, full: Output | None, dropped: Output, label: Tensor) -> dict[str, Tensor]:
        """Compute the error of the answer to what is left."""
        return {"mse": self.score_errors(dropped.score, label).mean()}

    def mechanism(self, output: Output, row: int, real: int | None = None, teacher: Output | None = None) -> Mechanism:
        """Return the attention over the frames of each modality."""
        return {"attention": {m: output.trace[f"attention_{m}"][row].tolist() for m in MODALITIES}}

    def _track(self, vectors: Tensor, there: Tensor) -> None:
        """Move the running mean towards vectors (B, 3, d) of present modalities (B, 3), for the fill "mean".

        The vectors are those of all processes: the fill is part of the forward pass.
        """
        vectors, there = gather([vectors, there])
        count = there.sum(0)[:, None]  # (3, 1)
        mean = torch.where(there[..., None], vectors, 0.0).sum(0) / count.clamp(min=1)
        self.mean_vector.copy_(torch.where(count > 0, torch.lerp(self.mean_vector, mean, MOMENTUM), self.mean_vector))
