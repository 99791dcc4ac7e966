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

Made = TypeVar("Made")
_shared: ContextVar[dict[Any, Any] | None] = ContextVar("shared", default=None)
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


@contextmanager
def sharing() -> Iterator[None]:
    """Let both flows of one training step share what is projected from the same frames without noise or dropout.

    The gradient is the sum of both, as if it were computed twice. Inside, no weights and no frames may change.
    """
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def once(encoder: nn.Module, x: Tensor, keep: Tensor, others: Sequence[Any], compute: Callable[[], Made]) -> Made:
    """Return an encoder's output for the frames x (B, T, D) in keep (B, T), remembered or computed.

    Args:
        others: modules and tensors that the output also depends on; of tensors the values count.
    """
    found = _remembered.get()
    if found is None or encoder.training or torch.is_grad_enabled():
        return compute()
    return _found(found, encoder, x, keep, others, compute)


def _found(
    found: dict[Any, Any],
    encoder: nn.Module,
    x: Tensor,
    keep: Tensor,
    others: Sequence[Any],
    compute: Callable[[], Made],
) -> Made:
    """Look an output up in `found`, or compute it and put it there; see `once`."""
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

    def __call__(self, x: Tensor) -> Tensor:
        """Drop as `forward` does; out of training there is nothing to call."""
        return super().__call__(x) if self.training else x  # type: ignore[no-any-return]

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
        whole: True = nothing is padding, so that the frames lie as they do in the batch and nothing need be moved.
    """

    values: Tensor
    row: Tensor
    place: Tensor
    shape: tuple[int, int]
    whole: bool = False

    @staticmethod
    def join(parts: Sequence[Frames]) -> Frames:
        """Join frames of different rows of one batch."""
        row, place = torch.cat([p.row for p in parts]), torch.cat([p.place for p in parts])
        length = max(p.shape[1] for p in parts)
        alone = parts[0].whole and not any(len(p.row) for p in parts[1:])
        return Frames(torch.cat([p.values for p in parts]), row, place, (parts[0].shape[0], length), alone)

    def padded(self, values: Tensor) -> Tensor:
        """Pad per-frame values (N, ...) to (B, T, ...) with zeros."""
        if self.whole:
            return values.reshape(*self.shape, *values.shape[1:])
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
        return once(self, x, keep, (standardise,), lambda: self._encoded(x, keep, standardise))

    def _encoded(self, x: Tensor, keep: Tensor, standardise: Standardise) -> Frames:
        """Encode the frames; noise and dropout act before the projection, which is applied to packed frames only."""
        row, place = keep.nonzero(as_tuple=True)
        whole = len(row) == keep.numel()

        def packed(frames: Tensor) -> Tensor:
            return frames.flatten(0, 1) if whole else frames[row, place]

        if self.training:
            scale, shift = standardise.scale, standardise.shift  # (D,), then (B, 1, D)
            if self.noise > 0:
                shift = shift + self.noise * torch.randn_like(x[:, :1])
            if self.dropout > 0:
                factor = dropout_factor(x, (x.shape[0], 1, x.shape[2]), self.dropout)
                scale, shift = scale * factor, shift * factor

            def projected() -> Tensor:
                result: Tensor = self.projection(packed(torch.addcmul(shift, x, scale)))
                return result

            drawn = self.noise > 0 or self.dropout > 0 or not torch.is_grad_enabled()
            flows = None if drawn else _shared.get()
            encoded = projected() if flows is None else _found(flows, self, x, keep, (standardise,), projected)
        else:
            encoded = self.projection(standardise(packed(x)))
        if self.training and self.dropout_out > 0:
            factor = dropout_factor(encoded, (x.shape[0], encoded.shape[1]), self.dropout_out)
            if whole:
                encoded = (encoded.unflatten(0, x.shape[:2]) * factor[:, None]).flatten(0, 1)
            else:
                encoded = encoded * factor[row]
        return Frames(encoded, row, place, (keep.shape[0], keep.shape[1]), whole)


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


def masked_softmax(energy: Tensor, keep: Tensor) -> Tensor:
    """Compute the softmax over the last axis of the entries in `keep`; zeros where a row has none."""
    lowest = torch.finfo(energy.dtype).min
    return torch.where(keep, torch.softmax(torch.where(keep, energy, lowest), -1), 0.0)


def masked_mean(values: Tensor, keep: Tensor) -> Tensor:
    """Average values (B, T, d) over time where keep (B, T) is True, at least one frame a row: (B, d)."""
    weight = keep.to(values.dtype) / keep.sum(1, keepdim=True)
    return (weight[:, None] @ values).squeeze(1)


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
