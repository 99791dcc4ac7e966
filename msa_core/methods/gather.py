"""Batch over several processes: losses that compare the items of a batch see the items of all of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from msa_core.errors import MsaError


def gather(x: Tensor) -> Tensor:
    """Gather rows (B, ...) of every process in the order of their ranks; with one process return `x` itself.

    Differentiable. Every process then computes the same loss from the same rows; averaging the gradients of the
    parameters over processes (what DistributedDataParallel does) gives exactly the gradient of one large batch.

    Raises:
        MsaError: when the processes have batches of different size.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return x
    sizes = [torch.zeros((), dtype=torch.long, device=x.device) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, torch.tensor(len(x), device=x.device))
    if len({int(s) for s in sizes}) > 1:
        raise MsaError(f"The processes have batches of {[int(s) for s in sizes]} items; give all of them the same.")
    found: Tensor = _Gather.apply(x)
    return found


class _Gather(torch.autograd.Function):
    """Differentiable all_gather: the backward pass sums the gradients of every process."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Join the rows of all processes."""
        parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x.contiguous())
        ctx.own = slice(dist.get_rank() * len(x), (dist.get_rank() + 1) * len(x))
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Sum the gradients over processes and keep those of the own rows."""
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total[ctx.own]
