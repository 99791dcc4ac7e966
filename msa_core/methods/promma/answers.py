"""Answers of ProMMA that are compared: one for each choice of what to generate, and the thresholds that choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from msa_core.schema import MODALITIES

N_ANSWERS = len(MODALITIES) + 2  # nothing generated, text, audio or vision alone, everything that is missing
EVERYTHING = N_ANSWERS - 1
N_SITUATIONS = 2 ** (len(MODALITIES) + 1)  # patterns of present modalities, without and with simulated text
BOUND = 30.0  # a logit that no gate reaches


@dataclass(frozen=True)
class Answers:
    """Answers under each choice of what to generate, A = N_ANSWERS of them.

    score, frozen (B, A): of the model and of the frozen backbone; joint (B, A, 3 d).
    """

    score: Tensor
    frozen: Tensor
    joint: Tensor


def choices(generate: str, real: Tensor, missing: Tensor) -> Tensor:
    """Return what takes part in each answer (B, A, 3): what is real, and what that answer generates.

    Args:
        generate: "evaluate": the answers differ; "always" or "never": all are the same.
        real, missing: (B, 3).
    """
    generated = torch.zeros(N_ANSWERS, len(MODALITIES), dtype=torch.bool, device=real.device)
    if generate == "evaluate":
        generated[1:EVERYTHING] = torch.eye(len(MODALITIES), dtype=torch.bool)
        generated[EVERYTHING] = True
    elif generate == "always":
        generated[:] = True
    return real[:, None] | (generated & missing[:, None])


def situation_of(real: Tensor, heard: Tensor) -> Tensor:
    """Number the situation in [0, N_SITUATIONS): present modalities (B, 3), simulated text for missing text (B,)."""
    return (real * torch.tensor([1, 2, 4], device=real.device)).sum(1) + 8 * heard


def first_alike(there: Tensor) -> Tensor:
    """Find for every choice of what takes part (B, A, 3) the first equal choice of its row (B, A)."""
    alike = (there[:, :, None] == there[:, None]).all(-1)  # (B, A, A)
    return alike.to(torch.uint8).argmax(-1)


def column_of(generated: Tensor) -> Tensor:
    """Find the answer (B,) that generates exactly these modalities (B, 3); two or more are everything missing."""
    n = generated.sum(1)
    return torch.where(n == 1, 1 + generated.to(torch.uint8).argmax(1), torch.where(n == 0, 0, EVERYTHING))


def at(values: Tensor, column: Tensor) -> Tensor:
    """Select from values (B, A, ...) the answer column (B,): (B, ...)."""
    return values[torch.arange(len(values), device=values.device), column]


def best_thresholds(
    gate: Tensor, error: Tensor, missing: Tensor, column: Callable[[Tensor], Tensor], n_steps: int = 41
) -> Tensor:
    """Search the thresholds (3,) of gates' logits (N, 3) with the lowest mean error, modality by modality, twice.

    Candidates are quantiles of the logits, and a bound below and above all of them (always, never).

    Args:
        error: (N, A) of every answer.
        missing: (3,).
        column: the answer (N,) in which the modalities (N, 3) are generated.
    """
    best = torch.full((len(missing),), -BOUND, device=gate.device)
    for i in missing.nonzero().squeeze(-1).tolist() * 2:
        inner = torch.quantile(gate[:, i], torch.linspace(0.025, 0.975, n_steps, device=gate.device))
        candidates = torch.cat([best.new_tensor([-BOUND]), inner, best.new_tensor([BOUND])])
        trial = best.repeat(len(candidates), 1)
        trial[:, i] = candidates
        generated = missing & (gate > trial[:, None])  # (C, N, 3)
        chosen = column(generated.flatten(0, 1)).view(len(candidates), len(gate))
        best[i] = candidates[int(error.gather(1, chosen.T).mean(0).argmin())]
    return best


def situation_thresholds(
    gate: Tensor, error: Tensor, missing: Tensor, real: Tensor, heard: Tensor
) -> dict[int, Tensor]:
    """Search the best thresholds (3,) of each situation that occurs with something missing.

    Args:
        gate: logits (N, 3) of held-out rows.
        error: absolute errors (N, A) of their answers.
        missing, real: (N, 3).
        heard: rows with simulated text for missing text (N,).
    """
    known = real.any(0)  # what no row has was never there to learn from: it is never generated
    situation = situation_of(real, heard)
    found = {}
    for number in situation.unique().tolist():
        rows = (situation == number) & missing.any(1)
        if rows.any():
            best = best_thresholds(gate[rows], error[rows], missing[rows][0] & known, column_of)
            found[number] = torch.where(known, best, BOUND)
    return found
