"""LNLN: language-dominated noise-resistant learning network.

Paper: "Towards Robust Multimodal Sentiment Analysis with Incomplete Data", Zhang, Wang and Yu, NeurIPS 2024, arXiv
2409.20012; structure and settings from the authors' public repository (Haoyu-ha/LNLN). The paper's symbols stand in
comments.

Figure -> class
- embedding of a modality into a few tokens H_m^1 -> `TokenEncoder`
- dominant modality correction (DMC): completeness check, proxy dominant feature, effectiveness discriminator -> `LNLN`
- dominant modality based multimodal learning (DMML): adaptive hyper-modality learning -> `HyperLayer`, fusion
  Transformer -> `Fusion`
- reconstructor -> `LNLN.reconstruct`

Equation -> loss term
- L_cc, error of the completeness of the language, weight .9 -> "completeness"
- L_adv, proxy-corrected against complete language behind a gradient reversal, weight .8 -> "adversarial"
- L_rec, tokens of the complete input rebuilt from those of the incomplete one, weight .1 -> "reconstruction"
- L_sp, squared error of the score, weight 1 -> "score"

Departures
- The released code reverses the gradient of every loss on its way into the proxy generator, the sentiment loss's too,
  because the corrected tokens are made behind the reversal. Here only that of the adversarial loss is reversed.
- Completeness is the share of the clip's own text frames that are left, as drawn by the regime of the training, which
  takes whole modalities away too; the paper draws frames only. A clip without text has completeness 0.
- Absent and dropped frames take no part in any attention; the paper feeds them as zeros ([UNK] for words). A modality
  without a frame is what its tokens are without anything to look at.
- MiniLM's frozen states in place of BERT, fine-tuned there; positions of frames are sines and cosines in place of
  learned ones, so that a clip may have any length; layers are normalised first, as in the released code.
- Input noise, channel dropout and averaged weights are ours, as in the other methods. Widths stand in `LNLNConfig`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from msa_core.errors import MsaError
from msa_core.methods.base import Mechanism, Method, Recipe, check_ranges
from msa_core.methods.layers import Dropout, FrameEncoder, Standardise, bounded, mlp, usable
from msa_core.methods.losses import cross_entropy, where_mean
from msa_core.methods.sequences import CrossAttention, SelfAttention, sinusoids
from msa_core.schema import MODALITIES, Batch, Output

PROXY, LANGUAGE = 0, 1  # classes of the effectiveness discriminator
LEAK = 0.1  # slope of the leaky rectifiers below 0


@dataclass(frozen=True)
class LNLNConfig:
    """Settings of LNLN, smaller than the paper's, which stand in brackets, so that a seed trains in minutes."""

    d_model: int = 40  # [128]
    n_tokens: int = 8  # [8] of every modality
    n_heads: int = 4  # [8]
    n_layers: int = 1  # [2] of every Transformer; the hyper-modality has one layer more
    dropout: float = 0.2  # [0] inside the Transformer layers
    head_dropout: float = 0.4  # [0] before the regression
    input_dropout: tuple[float, float, float] = (0.1, 0.3, 0.1)  # [0] channels of text, audio, vision switched off
    input_noise: tuple[float, float, float] = (0.0, 0.2, 0.0)  # [0] Gaussian offset of a channel, standard deviations
    weight_completeness: float = 0.9  # [0.9] alpha
    weight_adversarial: float = 0.8  # [0.8, 0.6 on CH-SIMS] beta
    weight_reconstruction: float = 0.1  # [0.1] gamma
    weight_score: float = 1.0  # [1] sigma

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.n_layers < 1 or self.n_heads < 1 or self.n_tokens < 1 or self.d_model % self.n_heads:
            raise MsaError(
                f"n_layers is {self.n_layers}, n_heads {self.n_heads}, n_tokens {self.n_tokens}, d_model "
                f"{self.d_model}; give at least 1 of each, and a d_model that n_heads divides."
            )

    def loss_weights(self) -> dict[str, float]:
        """Return the weight per loss term."""
        return {
            "score": self.weight_score,
            "completeness": self.weight_completeness,
            "adversarial": self.weight_adversarial,
            "reconstruction": self.weight_reconstruction,
        }

    @staticmethod
    def debug() -> LNLNConfig:
        """Return tiny settings for tests."""
        return LNLNConfig(d_model=8, n_tokens=2, n_heads=2, n_layers=1, dropout=0.1, head_dropout=0.1)


class LNLNMechanism(Mechanism, total=False):
    """Mechanism of LNLN for one clip.

    completeness: w in [0, 1], how complete the language is judged to be. proxy: 1 - w, the share of the proxy in the
    dominant feature.
    """

    completeness: float
    proxy: float


class Reversal(torch.autograd.Function):
    """Gradient reversal (Ganin and Lempitsky, ICML 2015): the identity whose gradient has the other sign."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Return x."""
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Turn the gradient round."""
        return -gradients[0]


class Layers(nn.Module):
    """A stack of Transformer layers over tokens, with a learned position for each."""

    def __init__(self, config: LNLNConfig, n_places: int, n_layers: int):
        super().__init__()
        d = config.d_model
        self.positions = nn.Parameter(torch.randn(n_places, d) / math.sqrt(d))
        self.layers = nn.ModuleList(SelfAttention(d, config.n_heads, d, config.dropout) for _ in range(n_layers))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return x (B, N, d) with positions, and the output of every layer."""
        everywhere = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        states = [x + self.positions]
        for layer in self.layers:
            states.append(layer(states[-1], everywhere)[0])
        return states


class TokenEncoder(nn.Module):
    """Embedding of one modality: a few learned tokens that look at its frames, H_m^1."""

    def __init__(self, config: LNLNConfig, dim: int, dropout: float, noise: float):
        super().__init__()
        d = config.d_model
        self.frames = FrameEncoder(dim, d, dropout, noise)
        self.tokens = nn.Parameter(torch.randn(config.n_tokens, d) / math.sqrt(d))
        self.layers = nn.ModuleList(SelfAttention(d, config.n_heads, d, config.dropout) for _ in range(config.n_layers))

    def forward(self, x: Tensor, keep: Tensor, standardise: Standardise) -> tuple[Tensor, Tensor]:
        """Encode x (B, T, D) where keep (B, T) is True: tokens (B, N, d), and the attention to each frame (B, T)."""
        n, length = len(self.tokens), x.shape[1]
        # 1. Project the frames and give them positions, scaled so that they do not drown the features.
        frames = self.frames(x, keep, standardise)
        placed = frames.padded(frames.values) + sinusoids(length, self.tokens.shape[1]).to(x)
        # 2. Tokens stand before the frames; all look at one another, nobody at what takes no part.
        states = torch.cat([self.tokens.expand(len(x), -1, -1), placed], 1)
        there = torch.cat([keep.new_ones(len(x), n), keep], 1)
        for layer in self.layers:
            states, weights = layer(states, there)
        # 3. The tokens are the modality. Attention of the last layer: mean over tokens and heads.
        return states[:, :n], weights[:, :, :n, n:].mean((1, 2))


class HyperLayer(nn.Module):
    """A layer of the hyper-modality: the dominant tokens fetch from audio and vision what belongs to them."""

    def __init__(self, config: LNLNConfig):
        super().__init__()
        layer = (config.d_model, config.n_heads, config.dropout)
        self.audio, self.vision = CrossAttention(*layer), CrossAttention(*layer)

    def forward(self, hyper: Tensor, dominant: Tensor, audio: Tensor, vision: Tensor) -> Tensor:
        """Add to hyper (B, N, d) what tokens of dominant find in those of audio and vision, all (B, N, d)."""
        everywhere = torch.ones(audio.shape[:2], dtype=torch.bool, device=audio.device)
        return hyper + self.audio(dominant, audio, everywhere) + self.vision(dominant, vision, everywhere)


class Fusion(nn.Module):
    """Fusion Transformer: the dominant tokens look at the hyper-modality; their mean is the joint representation."""

    def __init__(self, config: LNLNConfig):
        super().__init__()
        d = config.d_model
        self.positions = nn.ParameterList(torch.randn(config.n_tokens, d) / math.sqrt(d) for _ in range(2))
        self.look = nn.ModuleList(CrossAttention(d, config.n_heads, config.dropout) for _ in range(config.n_layers))
        self.feedforward = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(d), *mlp((d, d), config.dropout), nn.Linear(d, d))
            for _ in range(config.n_layers)
        )

    def forward(self, hyper: Tensor, dominant: Tensor) -> Tensor:
        """Fuse hyper with dominant, both (B, N, d), to (B, d)."""
        everywhere = torch.ones(hyper.shape[:2], dtype=torch.bool, device=hyper.device)
        source, target = hyper + self.positions[0], dominant + self.positions[1]
        for look, feedforward in zip(self.look, self.feedforward, strict=True):
            target = target + look(target, source, everywhere)
            target = target + feedforward(target)
        return target.mean(1)


class LNLN(Method):
    """LNLN; language is the dominant modality, and audio and vision stand in for it where it is incomplete."""

    name, title, Config = "lnln", "LNLN", LNLNConfig
    double_flow = True

    def __init__(self, config: LNLNConfig, dims: Mapping[str, int]):
        super().__init__(config, dims)
        d, n = config.d_model, config.n_tokens
        inputs = zip(MODALITIES, config.input_dropout, config.input_noise, strict=True)
        self.encode = nn.ModuleDict({m: TokenEncoder(config, dims[m], p, noise) for m, p, noise in inputs})
        # Completeness check: one token that looks at those of the language.
        self.check_token = nn.Parameter(torch.randn(1, d) / math.sqrt(d))
        self.check = Layers(config, 1 + n, config.n_layers)
        self.completeness = nn.Sequential(nn.Linear(d, d // 2), nn.LeakyReLU(LEAK), nn.Linear(d // 2, 1), nn.Sigmoid())
        # Proxy dominant feature: tokens that look at those of audio and vision.
        self.proxy_tokens = nn.Parameter(torch.randn(n, d) / math.sqrt(d))
        self.proxy = Layers(config, 3 * n, config.n_layers)
        self.discriminator = nn.Sequential(nn.Linear(d, d // 2), nn.LeakyReLU(LEAK), nn.Linear(d // 2, 2))
        # Multimodal learning around the dominant feature.
        self.language = Layers(config, n, config.n_layers)
        self.hyper_tokens = nn.Parameter(torch.randn(n, d) / math.sqrt(d))
        self.hyper = nn.ModuleList(HyperLayer(config) for _ in range(config.n_layers + 1))
        self.fusion = Fusion(config)
        self.head_dropout, self.head = Dropout(config.head_dropout), nn.Linear(d, 1)
        self.reconstruct = nn.ModuleDict({m: Layers(config, n, config.n_layers) for m in MODALITIES})

    @classmethod
    def recipes(cls) -> list[Recipe]:
        """List LNLN."""
        return [Recipe("lnln", "LNLN", "method", {}, {"lr": 0.0015})]

    def forward(self, batch: Batch) -> Output:
        """Score a batch.

        Trace: attention_<modality> (B, T); tokens_<modality> H_m^1, proxy H_p (B, N, d); w (B, 1); kept (B,), frames of
        text that take part.
        """
        keep = usable(batch)
        # 1. Tokens of every modality: H_m^1.
        tokens, trace = {}, {"kept": keep["text"].sum(1)}
        for m in MODALITIES:
            found = self.encode[m](batch.features[m], keep[m], self.statistics(m))
            tokens[m], trace[f"attention_{m}"] = found
            trace[f"tokens_{m}"] = tokens[m]
        # 2. DMC: completeness w of the language, the proxy H_p out of audio and vision, and the dominant feature H_d.
        b = len(keep["text"])
        checked = self.check(torch.cat([self.check_token.expand(b, -1, -1), tokens["text"]], 1))[-1][:, 0]
        w = self.completeness(checked)  # (B, 1)
        seen = torch.cat([self.proxy_tokens.expand(b, -1, -1), tokens["audio"], tokens["vision"]], 1)
        proxy = self.proxy(seen)[-1][:, : self.config.n_tokens]
        dominant = mixed(proxy, tokens["text"], w)
        # 3. DMML: the language at several depths leads the hyper-modality, then both are fused.
        depths = self.language(dominant)
        hyper = self.hyper_tokens.expand(b, -1, -1)
        for layer, state in zip(self.hyper, depths, strict=True):
            hyper = layer(hyper, state, tokens["audio"], tokens["vision"])
        joint = self.fusion(hyper, depths[-1])
        score = bounded(self.head(self.head_dropout(joint)).squeeze(-1))
        return Output(score=score, joint=joint, trace=trace | {"w": w, "proxy": proxy})

    def losses(self, full: Output | None, dropped: Output, label: Tensor) -> dict[str, Tensor]:
        """Compute the four terms of the paper's loss, see the head of this file."""
        assert full is not None, "LNLN is trained with the complete flow beside the incomplete one"
        was, now = full.trace, dropped.trace
        # L_cc, where the clip has text at all.
        left = now["kept"] / was["kept"].clamp(min=1)
        completeness = where_mean((now["w"].squeeze(-1) - left) ** 2, was["kept"] > 0)
        # L_adv: corrected language of the incomplete flow against the language of the complete one, token by token.
        corrected = mixed(reversed_gradient(now["proxy"]), now["tokens_text"], now["w"])
        judged = self.discriminator(torch.cat([corrected, was["tokens_text"]]).flatten(0, 1))  # (2 B N, 2)
        half = len(judged) // 2
        classes = torch.full((2 * half,), PROXY, device=judged.device)
        classes[half:] = LANGUAGE
        # L_rec: tokens of the complete flow, rebuilt from those of the incomplete one.
        errors = [
            (self.reconstruct[m](now[f"tokens_{m}"])[-1] - was[f"tokens_{m}"]).square().mean() for m in MODALITIES
        ]
        return {
            "score": self.score_errors(dropped.score, label).mean(),
            "completeness": completeness,
            "adversarial": cross_entropy(judged, classes),
            "reconstruction": torch.stack(errors).mean(),
        }

    def mechanism(
        self, output: Output, row: int, real: int | None = None, teacher: Output | None = None
    ) -> LNLNMechanism:
        """Describe one row: attention, and how complete the language is judged to be."""
        w = float(output.trace["w"][row])
        attention = {m: output.trace[f"attention_{m}"][row].tolist() for m in MODALITIES}
        return {"attention": attention, "completeness": w, "proxy": 1 - w}


def mixed(proxy: Tensor, language: Tensor, w: Tensor) -> Tensor:
    """Mix proxy and language (B, N, d) by the completeness w (B, 1): the dominant feature H_d."""
    return (1 - w[:, None]) * proxy + w[:, None] * language


def reversed_gradient(x: Tensor) -> Tensor:
    """Return x; what flows back through it turns its sign."""
    turned: Tensor = Reversal.apply(x)
    return turned
