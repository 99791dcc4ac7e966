"""Attention and the Transformer encoder over the frames of one modality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msa_core.errors import MsaError
from msa_core.methods.layers import ConvFrameEncoder, Dropout, Standardise, mlp, once

VECTOR = 16  # numbers in one vector register
FEW = 32  # rows of a batch that are compared with each other


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
        ignored = torch.where(keep, 0.0, torch.finfo(x.dtype).min).view(len(keep), 1, 1, -1)
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
        ignored = torch.where(keep, 0.0, torch.finfo(frames.dtype).min).view(len(keep), 1, 1, -1)
        weights = torch.softmax((query / math.sqrt(query.shape[-1])) @ key.mT + ignored, -1)
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
        return once(self, x, keep, others, lambda: self._encoded(x, keep, standardise, prompts))

    def _encoded(
        self, x: Tensor, keep: Tensor, standardise: Standardise, prompts: Sequence[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode x without looking into the memory, and out of training each distinct row once; see `forward`."""
        if not self.training and (found := distinct(x, keep)) is not None:
            first, row = found
            once_each = self._computed(x[first], keep[first], standardise, prompts)
            r, frames, looked = (t[row] for t in once_each)
            return r, frames, looked
        return self._computed(x, keep, standardise, prompts)

    def _computed(
        self, x: Tensor, keep: Tensor, standardise: Standardise, prompts: Sequence[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode every row of x; see `forward`."""
        # 1. Cut off the padding behind the last frame of the batch.
        length, everything = x.shape[1], bool(keep.all())
        used = (
            length if everything else max(1, int((keep.any(0) * torch.arange(1, length + 1, device=keep.device)).max()))
        )
        if used < length:
            x, keep = x[:, :used], keep[:, :used]
        # 2. R = Conv1d(X) + positions, scaled by 1 / sqrt(d): (B, T', d).
        r = self.convolution.sequence(x, keep, standardise)
        r = r + sinusoids(r.shape[1], r.shape[2]).to(r)
        # 3. Which places count: the frames, and the first place of a row without any.
        frames, nothing, places = keep, None, None
        if not everything:
            nothing = ~keep.any(1, keepdim=True)
            first = torch.arange(keep.shape[1], device=keep.device) == 0
            frames = keep | (nothing & first)  # (B, T'), never empty in a row
        # 4. Out of training, only places that count go on, moved to the front of their row.
        whole = everything or self.training or not len(x)
        if not whole and (most := int(frames.sum(1).max())) < frames.shape[1]:
            places = torch.argsort(frames, dim=1, descending=True, stable=True)[:, :most]
            r, frames = r.gather(1, places[..., None].expand(-1, -1, r.shape[2])), frames.gather(1, places)
        # 5. F = Transformer(R), with prompts before the frames and as a residual.
        for i, layer in enumerate(self.layers):
            if not prompts:
                r, weights = layer(r, frames)
                continue
            tokens, residual = prompts[i]
            n = len(tokens)
            r, weights = layer(torch.cat([tokens.expand(len(r), -1, -1), r], 1), F.pad(frames, (n, 0), value=True))
            r, weights = r[:, n:] + residual, weights[..., n:, n:]
        # 6. Attention that each frame gets in the last layer: mean over the frames that attend, and over heads.
        if everything:
            looked = weights.mean((1, 2))
        else:
            share = frames.to(r.dtype) / frames.sum(1, keepdim=True)
            looked = (share[:, None, None] @ weights).mean(1).squeeze(1)
        if nothing is not None:
            looked = torch.where(nothing, 0.0, looked)
        if places is not None:
            looked = looked.new_zeros(keep.shape).scatter(1, places, looked)
        return r, frames, looked if used == length else F.pad(looked, (0, length - used))


def distinct(x: Tensor, keep: Tensor) -> tuple[list[int], list[int]] | None:
    """Find the distinct rows of a small batch, such as the coalitions of one clip, on the CPU.

    Args:
        x: frames (B, T, D), where keep (B, T) is True.

    Returns:
        Numbers of the rows that are like none before them, and for each row (B) its place among those; None when all
        are distinct, or when looking would cost more than it spares.
    """
    n = x.shape[0]
    if not 1 < n <= FEW or x.device.type != "cpu":
        return None
    places, values = keep.numpy(), x.detach().numpy()
    # Rows whose first frames in `keep` differ are distinct; the others are compared whole.
    there: np.ndarray = np.asarray(places.any(1))
    starts = np.where(there, values[np.arange(n), places.argmax(1)].sum(1), 0.0).tolist()
    if len(set(starts)) == n:
        return None
    first: list[int] = []
    row: list[int] = []
    for b, start in enumerate(starts):
        like = (i for i, f in enumerate(first) if starts[f] == start and _alike(values, places, b, f, there[b]))
        row.append(next(like, len(first)))
        if row[-1] == len(first):
            first.append(b)
    return None if len(first) == n else (first, row)


def _alike(values: np.ndarray, keep: np.ndarray, a: int, b: int, there: bool) -> bool:
    """Compare two rows of frames (B, T, D) and of what counts (B, T); rows without any frame are alike."""
    return np.array_equal(keep[a], keep[b]) and (not there or np.array_equal(values[a], values[b]))


@lru_cache(maxsize=64)
def sinusoids(length: int, d_model: int) -> Tensor:
    """Compute positions (length, d_model): sines and cosines of geometric wavelengths (Vaswani et al., 2017, 3.5).

    They are scaled by 1 / sqrt(d_model), so that they do not drown the features.
    """
    with torch.inference_mode(False):  # they are kept, also for a training
        place = torch.arange(length)[:, None]
        rate = torch.exp(-math.log(10_000.0) * torch.arange(0, d_model, 2) / d_model)
        waves = torch.stack([torch.sin(place * rate), torch.cos(place * rate)], -1).flatten(1)[:, :d_model]
        return waves / math.sqrt(d_model)


def softmax(energy: Tensor) -> Tensor:
    """Compute the softmax of energy (..., N) over the last axis, for networks out of training.

    On rows shorter than a vector register torch's own takes one number at a time, six times slower than this.
    """
    if energy.shape[-1] >= VECTOR:
        return torch.softmax(energy, -1)
    grown = torch.exp(energy - energy.detach().amax(-1, keepdim=True))
    return grown / grown.sum(-1, keepdim=True)
