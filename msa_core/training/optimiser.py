"""Parts of the training loop that know no method: parameter groups, learning rate, averaged weights, seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor, nn


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Group the trainable parameters for the optimiser: weight decay for matrices only."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def rate_share(epoch: float, epochs: float, warmup_epochs: float) -> float:
    """Compute the share of the peak learning rate at a fractional epoch: linear warm-up, then cosine to zero."""
    if epoch < warmup_epochs:
        return (epoch + 0.01) / (warmup_epochs + 0.01)
    share = (epoch - warmup_epochs) / max(epochs - warmup_epochs, 1e-9)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def epoch_seed(seed: int, epoch: int, rank: int = 0) -> int:
    """Mix the seed of a run and an epoch to the seed of that epoch, another one in every process."""
    mixed = np.random.SeedSequence([seed, epoch, *([rank] if rank else [])])
    return int(mixed.generate_state(1, np.uint64)[0] >> np.uint64(1))


def copied_weights(model: nn.Module) -> dict[str, Tensor]:
    """Copy the weights of a model."""
    return {k: v.detach().clone() for k, v in model.state_dict().items()}


def move_average(averaged: dict[str, Tensor], model: nn.Module, decay: float) -> None:
    """Move averaged weights towards the model's, in place: averaged = decay * averaged + (1 - decay) * weights."""
    for name, value in model.state_dict().items():
        averaged[name].lerp_(value.detach(), 1 - decay)
