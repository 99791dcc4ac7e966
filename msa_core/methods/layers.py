"""Network blocks that the methods share. True in `keep` always means: this frame takes part."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msa_core.errors import MsaError
from msa_core.schema import MODALITIES, SCORE_LIMIT, STREAMS, Batch

VECTOR = 16  # numbers in one vector register
Made = TypeVar("Made")
_remembered: ContextVar[dict[Any, Any] | None] = ContextVar("remembered", default=None)


@contextmanager
def remembering() -> Iterator[None]:
    """Let encoders remember their output for frames that they see again, out of training and of autograd.

    For one model under several patterns. Inside, its weights must not change and no frames may be written to.
    """
    token = _remembered.set({})
    try:
        yield
    finally:
        _remembered.reset(token)


def _once(encoder: nn.Module, x: Tensor, keep: Tensor, others: Sequence[Any], compute: Callable[[], Made]) -> Made:
    """Return an encoder's output for the frames x (B, T, D) in keep (B, T), remembered or computed.

    Args:
        others: modules and tensors that the output also depends on; of tensors the values count.
    """
    found = _remembered.get()
    if found is None or encoder.training or torch.is_grad_enabled():
        return compute()
    parts = (keep, *(o for o in others if isinstance(o, Tensor)))
    modules = (encoder, *(o for o in others if isinstance(o, nn.Module)))
    key = (x.data_ptr(), x.shape, x.stride(), *map(id, modules), *(p.cpu().numpy().tobytes() for p in parts))
    if key not in found:
        found[key] = compute(), x, modules  # x is held so that its address is not used again
    made: Made = found[key][0]
    return made


class Standardise(nn.Module):
    """Standardisation (x - mean) / std with the statistics of the training data."""

    def __init__(self, dim: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))
        self.mean: Tensor
        self.std: Tensor

    def set(self, mean: np.ndarray, std: np.ndarray) -> None:
        """Store the statistics (D,) of the training data."""
        if mean.shape != tuple(self.mean.shape) or std.shape != tuple(self.std.shape):
            raise MsaError(f"Statistics have shape {mean.shape}, the stream has {tuple(self.mean.shape)}.")
        self.mean.copy_(torch.from_numpy(mean))
        self.std.copy_(torch.from_numpy(std))

    def forward(self, x: Tensor) -> Tensor:
        """Standardise x (..., D)."""
        return torch.addcmul(self.shift, x, self.scale)

    @property
    def scale(self) -> Tensor:
        """1 / std (D,)."""
        return 1 / self.std

    @property
    def shift(self) -> Tensor:
        """-mean / std (D,)."""
        return -self.mean / self.std


def dropout_factor(like: Tensor, shape: Sequence[int], p: float) -> Tensor:
    """Draw a dropout factor: 0 with probability p (to 1/256), else 1 / (1 - p).

    Eight draws per random 64-bit number: torch's own dropout draws one at a time and took a third of a training step.
    """
    n = math.prod(shape)
    bits = torch.empty((n + 7) // 8, dtype=torch.int64, device=like.device).random_(-(2**63), None)
    threshold = round(p * 256)
    kept = bits.view(torch.uint8)[:n].view(*shape) >= threshold
    return kept.to(like.dtype) * (256 / (256 - threshold))


class Dropout(nn.Module):
    """Dropout of single values."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training, return x unchanged otherwise."""
        if not self.training or self.p == 0:
            return x
        return x * dropout_factor(x, x.shape, self.p)


@dataclass(frozen=True)
class Frames:
    """The N frames of a batch that take part, packed; nothing is computed or read for padding and absent modalities.

    Attributes:
        values: (N, d).
        row: utterance of each frame (N,).
        place: its time index (N,).
        shape: (B, T) of the padded batch.
    """

    values: Tensor
    row: Tensor
    place: Tensor
    shape: tuple[int, int]

    @staticmethod
    def join(parts: Sequence[Frames]) -> Frames:
        """Join frames of different rows of one batch."""
        row, place = torch.cat([p.row for p in parts]), torch.cat([p.place for p in parts])
        length = max(p.shape[1] for p in parts)
        return Frames(torch.cat([p.values for p in parts]), row, place, (parts[0].shape[0], length))

    def padded(self, values: Tensor) -> Tensor:
        """Pad per-frame values (N, ...) to (B, T, ...) with zeros."""
        return values.new_zeros(*self.shape, *values.shape[1:]).index_put((self.row, self.place), values)

    @property
    def keep(self) -> Tensor:
        """Mask (B, T), True where there is a frame."""
        return self.padded(torch.ones_like(self.row, dtype=torch.bool))


class FrameEncoder(nn.Module):
    """Frame projection: standardise -> input noise and channel dropout (training only) -> Linear.

    Noise and dropout are drawn once per utterance and channel: drawn per frame they would be averaged away by the
    pooling, and it is the constant offset of a speaker that gets memorised.
    """

    def __init__(self, dim: int, d_model: int, dropout: float = 0.0, noise: float = 0.0, dropout_out: float = 0.0):
        super().__init__()
        self.projection = nn.Linear(dim, d_model)
        self.dropout, self.noise, self.dropout_out = dropout, noise, dropout_out

    def forward(self, x: Tensor, keep: Tensor, standardise: Standardise) -> Frames:
        """Encode x (B, T, D) where keep (B, T) is True, to width d_model."""
        return _once(self, x, keep, (standardise,), lambda: self._encoded(x, keep, standardise))

    def _encoded(self, x: Tensor, keep: Tensor, standardise: Standardise) -> Frames:
        row, place = keep.nonzero(as_tuple=True)
        if self.training:
            scale, shift = standardise.scale, standardise.shift  # (D,), then (B, 1, D)
            if self.noise > 0:
                shift = shift + self.noise * torch.randn_like(x[:, :1])
            if self.dropout > 0:
                factor = dropout_factor(x, (x.shape[0], 1, x.shape[2]), self.dropout)
                scale, shift = scale * factor, shift * factor
            encoded = self.projection(torch.addcmul(shift, x, scale)[row, place])
        else:
            encoded = self.projection(standardise(x[row, place]))
        if self.training and self.dropout_out > 0:
            encoded = encoded * dropout_factor(encoded, (x.shape[0], encoded.shape[1]), self.dropout_out)[row]
        return Frames(encoded, row, place, (keep.shape[0], keep.shape[1]))


class ConvFrameEncoder(FrameEncoder):
    """Frame encoder with a convolution over time of three taps (nn.Conv1d, kernel 3, padding 1) instead of the Linear.

    A frame that does not take part is a zero vector to its neighbours. The taps of the neighbours start at zero:
    frames overlap, and three free views of the same moment overfit.
    """

    def __init__(self, dim: int, d_model: int, dropout: float = 0.0, noise: float = 0.0, dropout_out: float = 0.0):
        super().__init__(dim, 3 * d_model, dropout, noise, dropout_out)
        self.projection = nn.Linear(dim, 3 * d_model, bias=False)
        with torch.no_grad():
            self.projection.weight.unflatten(0, (3, d_model))[[0, 2]] = 0.0
        self.bias = nn.Parameter(torch.zeros(d_model))

    def sequence(self, x: Tensor, keep: Tensor, standardise: Standardise) -> Tensor:
        """Encode x (B, T, D) where keep (B, T) is True: (B, T, d_model), the bias where no tap reads a frame."""
        taps = self(x, keep, standardise)
        before, here, after = taps.padded(taps.values).chunk(3, -1)
        here = here + self.bias
        here = here + F.pad(before[:, :-1], (0, 0, 1, 0))  # tap 0 reads the frame before
        return here + F.pad(after[:, 1:], (0, 0, 0, 1))  # tap 2 reads the frame after


class SelfAttention(nn.Module):
    """Transformer encoder layer, normalised first, that also returns its attention weights."""

    def __init__(self, d_model: int, n_heads: int, d_feedforward: int, dropout: float):
        super().__init__()
        if d_model % n_heads:
            raise MsaError(f"d_model {d_model} cannot be divided into n_heads {n_heads}; give a divisor of d_model.")
        self.n_heads = n_heads
        self.norm, self.norm_feedforward = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.projection, self.output = nn.Linear(d_model, 3 * d_model), nn.Linear(d_model, d_model)
        self.feedforward = nn.Sequential(mlp((d_model, d_feedforward), dropout), nn.Linear(d_feedforward, d_model))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """Attend x (B, T, d) to its frames in keep (B, T), at least one a row.

        Dropout is on the output of attention and feed-forward, not on the weights.

        Returns: x (B, T, d), weights (B, heads, T, T).
        """
        # Query, key and value of every head: (B, heads, T, d / heads).
        heads = self.projection(self.norm(x)).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind(0)
        # Scaled dot products; what does not take part gets the lowest energy.
        ignored = torch.where(keep, 0.0, torch.finfo(x.dtype).min)[:, None, None]
        energy = (query / math.sqrt(query.shape[-1])) @ key.mT
        energy = energy.add_(ignored)  # in place: the largest tensor of the layer
        weights = torch.softmax(energy, -1) if self.training else softmax(energy)
        # Residual of the attention, then of the feed-forward network.
        mixed = (weights @ value).transpose(1, 2).flatten(2)  # (B, T, d)
        x = x + self.dropout(self.output(mixed))
        return x + self.dropout(self.feedforward(self.norm_feedforward(x))), weights


class CrossAttention(nn.Module):
    """Multi-head attention of queries to the frames of a sequence, no residual (Vaswani et al., NeurIPS 2017, 3.2)."""

    def __init__(self, d_model: int, n_heads: int, dropout: float):
        super().__init__()
        if d_model % n_heads:
            raise MsaError(f"d_model {d_model} cannot be divided into n_heads {n_heads}; give a divisor of d_model.")
        self.n_heads = n_heads
        self.norm_query, self.norm = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.query, self.projection = nn.Linear(d_model, d_model), nn.Linear(d_model, 2 * d_model)
        self.output, self.dropout = nn.Linear(d_model, d_model), Dropout(dropout)

    def forward(self, queries: Tensor, frames: Tensor, keep: Tensor) -> Tensor:
        """Attend with queries (B, Q, d) to frames (B, T, d) in keep (B, T): (B, Q, d), zeros for a row without one."""
        query = self.query(self.norm_query(queries)).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        key, value = (
            self.projection(self.norm(frames)).unflatten(-1, (2, self.n_heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        )  # (B, heads, T, d / heads)
        energy = (query / math.sqrt(query.shape[-1])) @ key.mT
        weights = masked_softmax(energy, keep[:, None, None].expand_as(energy))
        mixed = self.output((weights @ value).transpose(1, 2).flatten(2))
        return torch.where(keep.any(1)[:, None, None], self.dropout(mixed), 0.0)


class SequenceEncoder(nn.Module):
    """Encoder of one modality: R = Conv1d(X) + positions; F = Transformer(R)."""

    def __init__(
        self,
        dim: int,
        d_model: int,
        n_heads: int,
        n_layers: int,
        d_feedforward: int,
        dropout: float,
        inputs: tuple[float, float, float],
    ):
        """Build the encoder.

        Args:
            inputs: channel dropout and noise of the features, channel dropout of the convolution's output.
        """
        super().__init__()
        self.convolution = ConvFrameEncoder(dim, d_model, *inputs)
        self.layers = nn.ModuleList(SelfAttention(d_model, n_heads, d_feedforward, dropout) for _ in range(n_layers))

    def forward(
        self, x: Tensor, keep: Tensor, standardise: Standardise, prompts: Sequence[tuple[Tensor, Tensor]] = ()
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode x (B, T, D) where keep (B, T) is True.

        Args:
            prompts: for every layer tokens (L, d) that stand before the frames, and a vector (d,) that is added to the
                layer's output for each frame.

        Returns:
            F (B, T', d); which of its frames count (B, T'); attention that each frame of x gets (B, T).

            In training T' reaches to the last frame of the batch; else only frames that count are kept, in their order.
            In a row without any frame the first counts, a zero vector to the convolution, and the attention is 0.
            With prompts the weights of the frames sum to less than one.
        """
        others = (standardise, *(t for pair in prompts for t in pair))
        return _once(self, x, keep, others, lambda: self._encoded(x, keep, standardise, prompts))

    def _encoded(
        self, x: Tensor, keep: Tensor, standardise: Standardise, prompts: Sequence[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        # 1. Cut off the padding behind the last frame of the batch.
        length = x.shape[1]
        used = max(1, int((keep.any(0) * torch.arange(1, length + 1, device=keep.device)).max()))
        x, keep = x[:, :used], keep[:, :used]
        # 2. R = Conv1d(X) + positions, scaled by 1 / sqrt(d): (B, T', d).
        r = self.convolution.sequence(x, keep, standardise)
        r = r + sinusoids(r.shape[1], r.shape[2]).to(r) / math.sqrt(r.shape[2])
        # 3. Which places count: the frames, and the first place of a row without any.
        nothing = ~keep.any(1, keepdim=True)
        first = torch.arange(keep.shape[1], device=keep.device) == 0
        frames = keep | (nothing & first)  # (B, T'), never empty in a row
        # 4. Out of training, only places that count go on, moved to the front of their row.
        places = None
        if not self.training and len(x) and (most := int(frames.sum(1).max())) < frames.shape[1]:
            places = torch.argsort(frames, dim=1, descending=True, stable=True)[:, :most]
            r, frames = r.gather(1, places[..., None].expand(-1, -1, r.shape[2])), frames.gather(1, places)
        # 5. F = Transformer(R), with prompts before the frames and as a residual.
        for i, layer in enumerate(self.layers):
            n = len(prompts[i][0]) if prompts else 0
            if prompts:
                r = torch.cat([prompts[i][0].expand(len(r), -1, -1), r], 1)
            r, weights = layer(r, F.pad(frames, (n, 0), value=True))
            r, weights = r[:, n:], weights[..., n:, n:]
            if prompts:
                r = r + prompts[i][1]
        # 6. Attention that each frame gets in the last layer: mean over the frames that attend, and over heads.
        share = frames.to(r.dtype) / frames.sum(1, keepdim=True)
        looked = torch.where(nothing, 0.0, (share[:, None, None] @ weights).mean(1).squeeze(1))
        if places is not None:
            looked = looked.new_zeros(keep.shape).scatter(1, places, looked)
        return r, frames, F.pad(looked, (0, length - used))


def sinusoids(length: int, d_model: int) -> Tensor:
    """Compute positions (length, d_model): sines and cosines of geometric wavelengths (Vaswani et al., 2017, 3.5)."""
    place = torch.arange(length)[:, None]
    rate = torch.exp(-math.log(10_000.0) * torch.arange(0, d_model, 2) / d_model)
    return torch.stack([torch.sin(place * rate), torch.cos(place * rate)], -1).flatten(1)[:, :d_model]


class AttentionPool(nn.Module):
    """Attention pooling: e = tanh(W s) . u; a = softmax over time of scale * e; pooled = sum of a * s."""

    def __init__(self, d_model: int, scale: float = 1.0):
        super().__init__()
        self.key = nn.Linear(d_model, d_model)
        self.context = nn.Parameter(torch.empty(d_model, 1))
        nn.init.xavier_uniform_(self.context)
        self.scale = scale

    def forward(self, frames: Frames) -> tuple[Tensor, Tensor]:
        """Pool frames to (B, d), with weights (B, T); zeros for a row without a frame."""
        energy = frames.padded((torch.tanh(self.key(frames.values)) @ self.context).squeeze(-1))
        weights = masked_softmax(self.scale * energy, frames.keep)
        return torch.einsum("bt,btd->bd", weights, frames.padded(frames.values)), weights


def softmax(energy: Tensor) -> Tensor:
    """Compute the softmax of energy (..., N) over the last axis, for networks out of training.

    On rows shorter than a vector register torch's own takes one number at a time, six times slower than this.
    """
    if energy.shape[-1] >= VECTOR:
        return torch.softmax(energy, -1)
    grown = torch.exp(energy - energy.detach().amax(-1, keepdim=True))
    return grown / grown.sum(-1, keepdim=True)


def masked_softmax(energy: Tensor, keep: Tensor) -> Tensor:
    """Compute the softmax over the last axis of the entries in `keep`; zeros where a row has none."""
    lowest = torch.finfo(energy.dtype).min
    return torch.where(keep, torch.softmax(torch.where(keep, energy, lowest), -1), 0.0)


def masked_mean(values: Tensor, keep: Tensor) -> Tensor:
    """Average values (B, T, ...) over time where keep (B, T) is True, at least one frame a row: (B, ...)."""
    weight = keep.to(values.dtype) / keep.sum(1, keepdim=True)
    return torch.einsum("bt,bt...->b...", weight, values)


def mlp(dims: Sequence[int], dropout: float) -> nn.Sequential:
    """Build [Linear, ReLU, Dropout] for every step of `dims`."""
    steps: list[nn.Module] = []
    for a, b in zip(dims[:-1], dims[1:], strict=True):
        steps += [nn.Linear(a, b), nn.ReLU(), Dropout(dropout)]
    return nn.Sequential(*steps)


def usable(batch: Batch) -> dict[str, Tensor]:
    """Return the mask (B, T) per stream of frames that carry information: real and not dropped."""
    return {s: batch.valid[s] & batch.observed[s] for s in STREAMS}


def available(keep: dict[str, Tensor]) -> Tensor:
    """Return the mask (B, 3), True = the modality has at least one usable frame."""
    return torch.stack([keep[m].any(1) for m in MODALITIES], 1)


def bounded(raw: Tensor) -> Tensor:
    """Bound a raw score (...) to (-3, 3), close to the identity around 0: 3 tanh(raw / 3)."""
    return SCORE_LIMIT * torch.tanh(raw / SCORE_LIMIT)
