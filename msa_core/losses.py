"""One pure function per equation. Every loss is a scalar and 0 where nothing is left to compare."""

from __future__ import annotations

import torch
from torch import Tensor

EPS = 1e-8


def mse(predicted: Tensor, true: Tensor) -> Tensor:
    """Mean squared error of scores (B,). SDUMC, sentiment regression."""
    return torch.mean((predicted - true) ** 2)


def rmse(a: Tensor, b: Tensor, rows: Tensor | None = None) -> Tensor:
    """sqrt(mean squared difference) of (B, ...), over the chosen rows (B,) only; 0 when there are none.

    The gradient of a root is infinite at 0, so EPS stands under it: equal inputs give sqrt(EPS) - sqrt(EPS) = 0.
    """
    square = (a - b) ** 2
    if rows is None:
        mean = square.mean()
    else:
        per_row = square.flatten(1).mean(1)  # (B,)
        mean = torch.where(rows, per_row, 0.0).sum() / rows.sum().clamp(min=1)
    return torch.sqrt(mean + EPS) - torch.sqrt(mean.new_tensor(EPS))


def representation_similarity(missing: Tensor, complete: Tensor, rows: Tensor) -> Tensor:
    """RS of SDUMC: pull what was imagined towards what was real; the complete flow is not moved.

    Args: missing, complete: (B, ...) of the two flows. rows: (B,) True where the modality was imagined.
    """
    return rmse(missing, complete.detach(), rows)


def knowledge_distillation(missing: Tensor, complete: Tensor) -> Tensor:
    """MKD of SDUMC: root mean squared difference of the fused representations (B, D); gradient to both flows."""
    return rmse(missing, complete)


def rank_n_contrast(features: Tensor, labels: Tensor, temperature: float = 2.0, tolerance: float = 1e-4) -> Tensor:
    """Rank-N-Contrast (Zha et al., NeurIPS 2023, Eq. 1-2), with the tolerance of SDUMC's code.

    s_ij = -||v_i - v_j|| / temperature; the mean over ordered pairs i != j of
    -log(exp s_ij / sum of exp s_ik over k != i with |y_i - y_k| >= |y_i - y_j| - tolerance).

    Those k lie, in the order of the labels, before one place and from another place on. So two running sums per
    row answer every pair: O(n^2) time and memory, no loop over items.

    Args: features (N, D), labels (N,). Returns: scalar >= 0; 0 for fewer than two items.
    """
    n = len(labels)
    if n < 2:
        return features.sum() * 0.0
    labels, order = torch.sort(labels.double())
    v = features[order].double()
    square = (v * v).sum(1)
    gap = square[:, None] + square - 2 * (v @ v.T)  # (N, N), in float64: exact enough for a root
    s = -torch.sqrt(gap.clamp(min=1e-20)) / temperature
    itself = torch.eye(n, dtype=torch.bool, device=s.device)
    s = s.masked_fill(itself, -torch.inf)
    top = s.detach().amax(1, keepdim=True)
    e = torch.exp(s - top)  # 0 on the diagonal
    nothing = e.new_zeros(n, 1)
    before = torch.cat([nothing, e.cumsum(1)], 1)  # before[:, k]: sum over places < k
    after = torch.cat([e.flip(1).cumsum(1).flip(1), nothing], 1)  # after[:, k]: sum over places >= k
    reach = (labels[:, None] - labels[None]).abs() - tolerance
    left = torch.searchsorted(labels, labels[:, None] - reach, right=True)
    right = torch.searchsorted(labels, labels[:, None] + reach)
    total = before.gather(1, left) + after.gather(1, right)
    total = torch.where(reach <= 0, before[:, -1:], total)  # every other item is at least as far
    log_share = torch.where(itself, 0.0, s - top - torch.log(torch.where(itself, 1.0, total).clamp(min=1e-300)))
    return -(log_share.sum() / (n * (n - 1))).to(features.dtype)
