"""Losses of the methods, one pure function per equation; each is a scalar, 0 where nothing is left to compare."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

EPS = 1e-8
LIKELIER = 0.02  # cosine by which an imagination is to be more alike than what it started from
HUBER = 0.2  # points, where the Huber error turns from a parabola to a line


def huber(predicted: Tensor, true: Tensor) -> Tensor:
    """Compute the Huber error of scores, elementwise: |d| - HUBER / 2, and d^2 / (2 HUBER) below HUBER points.

    It leads to the median of what people said where the squared error leads to the mean.
    """
    return F.smooth_l1_loss(predicted, true, beta=HUBER, reduction="none")


def squared(predicted: Tensor, true: Tensor) -> Tensor:
    """Compute the squared error of scores, elementwise."""
    return (predicted - true) ** 2


SCORE_ERRORS = {"squared": squared, "huber": huber}  # errors that a training can lower


def rmse(a: Tensor, b: Tensor, rows: Tensor | None = None) -> Tensor:
    """Compute sqrt(mean squared difference) of (B, ...), over the chosen rows (B,) only; 0 when there are none.

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
    """Compute RS of SDUMC: what was imagined comes near what was real; no gradient to the complete flow.

    Args:
        missing, complete: representations (B, ...) of the two flows.
        rows: (B,) True where the modality was imagined.
    """
    return rmse(missing, complete.detach(), rows)


def representation_likeness(missing: Tensor, complete: Tensor, rows: Tensor) -> Tensor:
    """Compute 1 - cosine of what was imagined and what was real, mean over rows; no gradient to the complete flow.

    A distance in the place of RS's that cannot be lowered by making the vectors short.

    Args:
        missing, complete, rows: as of `representation_similarity`; the cosine is that of the last axis.
    """
    unlike = 1 - F.cosine_similarity(missing, complete.detach(), dim=-1, eps=EPS)  # (B, ...)
    return where_mean(unlike, rows.view(-1, *[1] * (unlike.ndim - 1)).expand_as(unlike))


def lost_likeness(real: Tensor, before: Tensor, after: Tensor, rows: Tensor) -> Tensor:
    """Compute by how much less like the real an imagination is than what it started from; no gradient to these two.

    max(0, cos(before, real) + LIKELIER - cos(after, real)), mean over rows.

    Args:
        real, before, after: vectors (B, D) of the real modality, of its substitute, and of what is made of that.
        rows: (B,) True where there are all three.
    """
    start, end = (F.cosine_similarity(x, real.detach(), dim=-1, eps=EPS) for x in (before.detach(), after))
    return where_mean(F.relu(start + LIKELIER - end), rows)


def knowledge_distillation(missing: Tensor, complete: Tensor) -> Tensor:
    """Compute MKD of SDUMC: RMSE of the fused representations (B, D); gradient to both flows."""
    return rmse(missing, complete)


def rank_n_contrast(features: Tensor, labels: Tensor, temperature: float = 2.0, tolerance: float = 1e-4) -> Tensor:
    """Compute Rank-N-Contrast (Zha et al., NeurIPS 2023, Eq. 1-2), with the tolerance of SDUMC's code.

    s_ij = -||v_i - v_j|| / temperature; the mean over ordered pairs i != j of
    -log(exp s_ij / sum of exp s_ik over k != i with |y_i - y_k| >= |y_i - y_j| - tolerance).

    Those k lie, in the order of the labels, before one place and from another place on. So two running sums per
    row answer every pair: O(n^2) time and memory, no loop over items.

    Args:
        features: v (N, D).
        labels: y (N,).

    Returns:
        A scalar >= 0; 0 for fewer than two items.
    """
    n = len(labels)
    if n < 2:
        return features.sum() * 0.0
    # 1. Items in the order of their labels; similarities s (N, N), -inf on the diagonal.
    labels, order = torch.sort(labels.double())
    v = features[order].double()
    square = (v * v).sum(1)
    gap = square[:, None] + square - 2 * (v @ v.T)  # (N, N), in float64: exact enough for a root
    s = -torch.sqrt(gap.clamp(min=1e-20)) / temperature
    itself = torch.eye(n, dtype=torch.bool, device=s.device)
    s = s.masked_fill(itself, -torch.inf)
    # 2. exp s, shifted by the largest of its row, and its sums over the places before and from k on.
    top = s.detach().amax(1, keepdim=True)
    e = torch.exp(s - top)  # 0 on the diagonal
    nothing = e.new_zeros(n, 1)
    before = torch.cat([nothing, e.cumsum(1)], 1)  # before[:, k]: sum over places < k
    after = torch.cat([e.flip(1).cumsum(1).flip(1), nothing], 1)  # after[:, k]: sum over places >= k
    # 3. Denominators: the k of pair (i, j) lie before place `left` and from place `right` on.
    reach = (labels[:, None] - labels[None]).abs() - tolerance
    left = torch.searchsorted(labels, labels[:, None] - reach, right=True)
    right = torch.searchsorted(labels, labels[:, None] + reach)
    total = before.gather(1, left) + after.gather(1, right)
    total = torch.where(reach <= 0, before[:, -1:], total)  # every other item is at least as far
    # 4. Mean of -log(exp s_ij / denominator) over the pairs i != j.
    log_share = torch.where(itself, 0.0, s - top - torch.log(torch.where(itself, 1.0, total).clamp(min=1e-300)))
    return -(log_share.sum() / (n * (n - 1))).to(features.dtype)


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Compute L_task of CorrKD: mean cross-entropy of logits (B, K) with class numbers (B,)."""
    return F.cross_entropy(logits, classes)


def sample_contrast(student: Tensor, teacher: Tensor, margin: float) -> Tensor:
    """Compute SCD of CorrKD: a sample comes near the teacher's view of it and keeps away from that of others.

    mean_i D(H_i^s, H_i^t)^2 + mean_{i != j} max(0, eta - D(H_i^s, H_j^t))^2, D the Euclidean distance. Departure:
    means instead of the paper's sums, so that the value does not grow with the batch.

    Args:
        student, teacher: joint representations H^s, H^t (B, D).
        margin: eta.

    Returns:
        A scalar >= 0 without gradient to the teacher; the second mean is 0 for a batch of one.
    """
    teacher, n = teacher.detach(), len(student)
    distance = torch.cdist(student, teacher, compute_mode="donot_use_mm_for_euclid_dist")  # (B, B), exact at 0
    same = ((student - teacher) ** 2).sum(1).mean()
    if n < 2:
        return same
    itself = torch.eye(n, dtype=torch.bool, device=student.device)
    short = (margin - distance).clamp(min=0.0).masked_fill(itself, 0.0)
    return same + (short**2).sum() / (n * (n - 1))


def prototypes(joint: Tensor, classes: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """Compute c_k of CorrKD: the mean representation of each class.

    Args:
        joint: H (B, D).
        classes: (B,) in [0, n_classes).

    Returns:
        c (K, D), zeros for a class without a sample; there (K,), True = the class has one.
    """
    member = F.one_hot(classes, n_classes).to(joint.dtype)  # (B, K)
    count = member.sum(0)
    return (member.T @ joint) / count.clamp(min=1.0)[:, None], count > 0


def prototype_similarity(joint: Tensor, centres: Tensor) -> Tensor:
    """Compute M_k(i) of CorrKD: cosine of joint (B, D) with prototypes (K, D), (B, K)."""
    return F.cosine_similarity(joint[:, None], centres[None], dim=-1, eps=EPS)


def prototype_distillation(
    student: Tensor, teacher: Tensor, centres_student: Tensor, centres_teacher: Tensor, there: Tensor
) -> Tensor:
    """Compute CPD of CorrKD: the student is as similar to every class prototype as the teacher.

    1/(N K) sum_{i,k} |M_k^t(i) - M_k^s(i)|, over the classes that have a prototype (the paper leaves the others open).

    Args:
        student, teacher: H (B, D) of each.
        centres_student, centres_teacher: prototypes (K, D) of each.
        there: (K,) True = the class has a prototype.

    Returns:
        A scalar in [0, 2], 0 for equal networks; no gradient to the teacher.
    """
    theirs = prototype_similarity(teacher, centres_teacher).detach()
    gap = (theirs - prototype_similarity(student, centres_student)).abs()
    return torch.where(there, gap, 0.0).sum() / (len(student) * there.sum().clamp(min=1))


def response_parts(logits: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Split the softmax response (RCD of CorrKD) of logits (B, K) at the true classes (B,).

    Returns:
        p of the true class (B, 1), and those of the others (B, K - 1) in their order.
    """
    p = torch.softmax(logits, -1)
    n, k = p.shape
    others = p.masked_select(~F.one_hot(classes, k).bool()).view(n, k - 1)
    return p.gather(1, classes[:, None]), others


def mutual_information(critic: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    """Compute the Jensen-Shannon lower bound of the mutual information of pairs (Deep InfoMax; RCD of CorrKD).

    E_paired[-sp(-T(x, y))] - E_shuffled[sp(T(x, y))] with sp(w) = log(1 + e^w). Shuffled: x_i with y_{i-1}, so that
    no pair is a true one; the batch is in random order already.

    Args:
        critic: T, (B, Dx + Dy) -> (B,).
        x, y: paired rows (B, Dx) and (B, Dy).

    Returns:
        A scalar <= 0; 0 for a batch of one.
    """
    if len(x) < 2:
        return (x.sum() + y.sum()) * 0.0
    paired = critic(torch.cat([x, y], 1))
    shuffled = critic(torch.cat([x, y.roll(1, 0)], 1))
    return -F.softplus(-paired).mean() - F.softplus(shuffled).mean()


def response_divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """Compute KL(teacher || student) of responses with logits (B, K), batch mean: CorrKD's ablation of RCD."""
    log_s, log_t = torch.log_softmax(student, -1), torch.log_softmax(teacher.detach(), -1)
    return F.kl_div(log_s, log_t, reduction="batchmean", log_target=True)


def where_mean(values: Tensor, where: Tensor) -> Tensor:
    """Average values where `where`, of the same shape, is True; 0 when nothing is."""
    return torch.where(where, values, 0.0).sum() / where.sum().clamp(min=1)


def prompt_information(log_posterior: Tensor, share: Tensor, prior: Tensor, known: Tensor) -> Tensor:
    """Compute a lower bound of I(o; l) in nats between cross-attention outputs o and prompts l (DPW of our ProMMA).

    mean over the known (clip, modality) of sum_l q_l log p(l | o) / p(l), with q the prompts that stand for the label
    (Barber & Agakov, NeurIPS 2003, with p(l) in the place of the entropy).

    Args:
        log_posterior: log p(l | o) (B, M, L).
        share: q (B, L).
        prior: p(l) (L,).
        known: (B, M), True = counts.
    """
    told = torch.einsum("bl,bml->bm", share, log_posterior - torch.log(prior))
    return where_mean(told, known)


def prompt_orthogonality(private: Tensor) -> Tensor:
    """Sum ||norm(P_m) norm(P_n)^T||_F^2 / L over modalities m < n (MPD of our ProMMA; MSPs, arXiv 2312.15890).

    Args:
        private: prompts P_m (M, L, D).
    """
    unit = F.normalize(private, dim=-1, eps=EPS)
    square = torch.einsum("mld,nkd->mnlk", unit, unit) ** 2
    return torch.triu(square.sum((2, 3)), diagonal=1).sum() / private.shape[1]


def prompt_reconstruction(private: Tensor, shared: Tensor) -> Tensor:
    """Compute ||mean_m P_m - P_s||^2 / ||P_s||^2 (MPD of our ProMMA): private prompts keep their common part.

    Args:
        private: prompts P_m (M, L, D).
        shared: prompts P_s (L, D).
    """
    return ((private.mean(0) - shared) ** 2).sum() / (shared.detach() ** 2).sum().clamp(min=EPS)


def evaluator_loss(gate: Tensor, answers: Tensor, label: Tensor, missing: Tensor) -> Tensor:
    """Compute the cross-entropy of the gates with the truth whether generating m lowers the error (our MME).

    Each (clip, modality) weighs by the change of the error, so that a toss-up does not count.

    Args:
        gate: logits (B, M).
        answers: scores (B, M + 2) with nothing generated, with each modality alone, with all.
        label: human scores (B,).
        missing: (B, M), True = could be generated.
    """
    error = (answers.detach() - label[:, None]).abs()
    gain = error[:, :1] - error[:, 1:-1]  # (B, M), positive where generating m helps
    weight = torch.where(missing, gain.abs(), 0.0)
    wrong = F.binary_cross_entropy_with_logits(gate, (gain > 0).to(gate.dtype), reduction="none")
    return (weight * wrong).sum() / weight.sum().clamp(min=EPS)


def expected_error(error: Tensor, gate: Tensor, missing: Tensor) -> Tensor:
    """Compute the mean expected error when each missing modality is generated with the probability of its gate.

    Args:
        error: (B, 5) of the answers with nothing, text, audio, vision and everything generated.
        gate: logits (B, 3).
        missing: (B, 3), at most two in a row.
    """
    p = torch.where(missing, torch.sigmoid(gate), 0.0)
    rest = 1 - p
    only = torch.stack([p[:, 0] * rest[:, 1] * rest[:, 2], rest[:, 0] * p[:, 1] * rest[:, 2],
                        rest[:, 0] * rest[:, 1] * p[:, 2]], 1)  # fmt: skip
    none = rest.prod(1, keepdim=True)
    both = (1 - none - only.sum(1, keepdim=True)).clamp(min=0.0)
    return (torch.cat([none, only, both], 1) * error).sum(1).mean()
