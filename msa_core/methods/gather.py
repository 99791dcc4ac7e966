"""Batch shared among processes: rows that each process computed become the whole batch in all of them.

A term that compares items, divides by a count that depends on them or is a root of a mean needs the whole batch. So
the training loop gathers what the networks answer before any loss is computed, and no method knows of processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from msa_core.errors import ProcessError


def several() -> bool:
    """Tell whether this process is one of several that work together."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def gather(parts: Sequence[Tensor]) -> list[Tensor]:
    """Gather tensors (B_r, ...) of every process in the order of their ranks; with one process return them as they are.

    Differentiable. Every process then computes the same loss from the same rows; averaging the gradients of the
    parameters over processes gives exactly the gradient of one large batch. The processes may have different numbers
    of rows; other axes are padded with zeros to the longest, as in one batch.

    Args:
        parts: of this process, each with its rows first.

    Raises:
        ProcessError: another process is gone.
    """
    if not several():
        return list(parts)
    shapes = _shapes(parts)
    whole: tuple[Tensor, ...] = _Gather.apply(shapes, *parts)
    return list(whole)


@contextmanager
def answering() -> Iterator[None]:
    """Turn what a broken or silent connection raises into a ProcessError."""
    try:
        yield
    except RuntimeError as e:  # gloo's own, and dist.DistError of the others
        raise ProcessError(
            f"Another process of this training is gone or does not answer ({str(e).strip().splitlines()[0][:200]}). "
            "The half-done run stays as it was after the last whole epoch. Start the same command again to go on from "
            "there, with any number of processes."
        ) from e


def _shapes(parts: Sequence[Tensor]) -> list[list[tuple[int, ...]]]:
    """Exchange the shapes of the tensors: for each tensor those of every process."""
    own = torch.tensor([n for x in parts for n in x.shape], device=parts[0].device)
    found = [torch.zeros_like(own) for _ in range(dist.get_world_size())]
    with answering():
        dist.all_gather(found, own)
    each = [f.split([x.ndim for x in parts]) for f in found]
    return [[tuple(shapes[i].tolist()) for shapes in each] for i in range(len(parts))]


class _Gather(torch.autograd.Function):
    """Differentiable all_gather of several tensors: the backward pass sums the gradients of every process."""

    @staticmethod
    def forward(ctx: Any, shapes: Sequence[Sequence[tuple[int, ...]]], *parts: Tensor) -> tuple[Tensor, ...]:
        """Join the rows of all processes."""
        ctx.set_materialize_grads(False)
        rank = dist.get_rank()
        ctx.own = [
            (slice(first := sum(n for n, *_ in each[:rank]), first + len(x)), *map(slice, x.shape[1:]))
            for x, each in zip(parts, shapes, strict=True)
        ]
        whole = _joined(parts, shapes)
        ctx.mark_non_differentiable(*(x for x in whole if not x.is_floating_point()))
        return tuple(whole)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Sum the gradients over processes and keep those of the own rows; the same ones are None everywhere."""
        known = [g for g in gradients if g is not None]
        message = torch.cat([g.flatten() for g in known])
        with answering():
            dist.all_reduce(message)
        totals = iter(message.split([g.numel() for g in known]))
        found = (g if g is None else next(totals).view_as(g)[own] for g, own in zip(gradients, ctx.own, strict=True))
        return None, *found


def _joined(parts: Sequence[Tensor], shapes: Sequence[Sequence[tuple[int, ...]]]) -> list[Tensor]:
    """Gather the rows of every process, in one message for each type of number."""
    # Every process sends tensors of the largest shapes, filled up with zeros.
    sent = []
    for x, each in zip(parts, shapes, strict=True):
        plain = x.to(torch.uint8) if x.dtype == torch.bool else x
        sent.append(plain.new_zeros([max(sizes) for sizes in zip(*each, strict=True)]))
        sent[-1][tuple(map(slice, x.shape))] = plain
    # process -> number of the tensor -> what it sent
    found: list[dict[int, Tensor]] = [{} for _ in range(dist.get_world_size())]
    for dtype in dict.fromkeys(x.dtype for x in sent):
        numbers = [i for i, x in enumerate(sent) if x.dtype == dtype]
        message = torch.cat([sent[i].flatten() for i in numbers])
        messages = [torch.empty_like(message) for _ in found]
        with answering():
            dist.all_gather(messages, message)
        for known, received in zip(found, messages, strict=True):
            values = received.split([sent[i].numel() for i in numbers])
            known |= {i: v.view_as(sent[i]) for i, v in zip(numbers, values, strict=True)}
    # The real rows of each process, one after the other.
    return [
        torch.cat([known[i][: shape[0]] for known, shape in zip(found, each, strict=True)]).to(x.dtype)
        for i, (x, each) in enumerate(zip(parts, shapes, strict=True))
    ]
