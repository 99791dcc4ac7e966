"""Processes of one training: each computes its share of every batch, and all of them take the same step.

Accelerate or torchrun starts them, on CPUs or with a GPU each. Batches, masks and crops are drawn from (seed, epoch)
for the whole batch, answers are gathered before the losses (methods/gather.py), and gradients are averaged after the
backward pass: so any number of processes trains what one process would, up to rounding. Only dropout and input noise
are drawn by each process for its own rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist

from msa_core.errors import MsaError, ProcessError
from msa_core.methods.gather import answering, gather
from msa_core.schema import Output
from msa_core.training.config import PRECISIONS

Made = TypeVar("Made")
TIMEOUT_S = 600.0  # a process that does not answer for so long is gone


@dataclass(frozen=True)
class Processes:
    """One process among those of a training.

    Attributes:
        rank: its number; 0 is the main process, the only one that writes and prints.
        count: how many there are.
        device: where it computes.
    """

    rank: int = 0
    count: int = 1
    device: str = "cpu"

    @staticmethod
    def start(device: str | None = None) -> Processes:
        """Join the processes that Accelerate or torchrun started; without them be the only one.

        Args:
            device: "cpu" or "cuda"; None = a GPU for each of several processes where there are some, else "cpu".

        Raises:
            MsaError: Accelerate is not installed, or its launcher started one process where several were asked for.
            ProcessError: the processes do not find each other.
        """
        if number("WORLD_SIZE", 1) < 2:
            _refuse_single()
            return Processes(device=device or "cpu")
        try:
            from accelerate import PartialState
        except ImportError as e:
            raise MsaError(
                "Training on several processes needs Accelerate: pip install 'missing-modality-lab[cluster]'."
            ) from e
        cpu = device == "cpu" or not torch.cuda.is_available()
        try:
            state = PartialState(cpu=cpu, timeout=timedelta(seconds=TIMEOUT_S))
        except (RuntimeError, ValueError, OSError) as e:
            raise ProcessError(
                f"The processes of this training do not find each other ({str(e).splitlines()[0][:200]}). Start all of "
                "them with one command, and with the same address on every machine (docs/training.md)."
            ) from e
        return Processes(state.process_index, state.num_processes, str(state.device))

    @property
    def main(self) -> bool:
        """True for the process that writes and prints."""
        return self.rank == 0

    def share(self, n: int) -> slice | None:
        """Return the rows of a batch of n that this process computes; None = all, also of fewer rows than processes."""
        if self.count == 1 or n < self.count:
            return None
        size, more = divmod(n, self.count)
        first = self.rank * size + min(self.rank, more)
        return slice(first, first + size + (self.rank < more))

    def whole(self, output: Output, n: int) -> Output:
        """Gather the answers of all processes to their shares of a batch of n rows, in float32."""
        parts = [output.score, output.joint, *([] if output.logits is None else [output.logits])]
        parts = [_single(x) for x in (*parts, *output.trace.values())]
        if self.share(n) is not None:
            parts = gather(parts)
        score, joint, *rest = parts
        logits = None if output.logits is None else rest.pop(0)
        trace = dict(zip(output.trace, rest, strict=True))
        return replace(output, score=score, joint=joint, logits=logits, trace=trace)

    def any(self, value: bool, n: int) -> bool:
        """Tell whether a value is True in any process that has a share of a batch of n rows."""
        if self.share(n) is None:
            return value
        return bool(gather([torch.tensor([value], device=self.device)])[0].any())

    def average_gradients(self, model: nn.Module) -> None:
        """Replace every gradient by its mean over the processes, in one message; None where no process has one."""
        if self.count == 1:
            return
        parameters = [p for p in model.parameters() if p.requires_grad]
        there = torch.tensor([float(p.grad is not None) for p in parameters], device=self.device)
        flat = [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in parameters]
        message = torch.cat([*flat, there])
        with answering():
            dist.all_reduce(message)
        summed, used = message.split([len(message) - len(there), len(there)])
        sizes = [p.numel() for p in parameters]
        for p, mean, known in zip(parameters, summed.split(sizes), used.tolist(), strict=True):
            p.grad = (mean / self.count).view_as(p) if known > 0 else None

    def same_values(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the values that the main process has, in place."""
        if self.count > 1:
            with answering():
                for value in tensors:
                    dist.broadcast(value, 0)

    def together(self, make: Callable[[], Made]) -> Made:
        """Make something in every process, and fail in all of them when one fails.

        Raises:
            MsaError: of the first process that failed, with its number when it is another one.
        """
        if self.count == 1:
            return make()
        made, problem = None, None
        try:
            made = make()
        except (MsaError, OSError) as e:
            problem = str(e)
        for rank, found in enumerate(self.exchange(problem)):
            if found is not None:
                raise MsaError(found if rank == self.rank else f"Process {rank}: {found}")
        assert made is not None
        return made

    def exchange(self, value: Any) -> list[Any]:
        """Return the value of every process, in the order of their ranks."""
        if self.count == 1:
            return [value]
        found: list[Any] = [None] * self.count
        with answering():
            dist.all_gather_object(found, value)
        return found

    def wait(self) -> None:
        """Wait until every process is here."""
        self.exchange(None)

    def close(self) -> None:
        """Leave the other processes."""
        if self.count > 1:
            dist.destroy_process_group()


def number(variable: str, default: int) -> int:
    """Read a whole number from a variable of the environment."""
    try:
        return int(os.environ.get(variable, default))
    except ValueError:
        return default


def precision(given: str | None) -> str | None:
    """Choose the precision of the forward passes: what is given, else what `accelerate launch` was told, else None.

    Raises:
        MsaError: the launcher was told one that is not offered.
    """
    told = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if given is not None or told == "no":
        return given
    if told not in PRECISIONS:
        raise MsaError(f"accelerate launch was told {told!r}; choose one of: {', '.join(PRECISIONS)}.")
    return told


def _single(x: Tensor) -> Tensor:
    """Return a tensor with numbers of less than float32 as float32, others as they are."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _refuse_single() -> None:
    """Refuse to train alone where several processes were asked for. Raises: MsaError."""
    asked = "MASTER_ADDR" in os.environ and "ACCELERATE_USE_CPU" in os.environ and "WORLD_SIZE" not in os.environ
    if asked:
        raise MsaError(
            "accelerate launch started one process, though more were asked for: on CPUs it needs MPI. Start them with "
            "torchrun --standalone --nproc_per_node 2 -m msa_core train, or leave --num_processes out."
        )
