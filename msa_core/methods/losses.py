"""One pure function per equation. Every loss is a scalar and 0 where nothing is left to compare."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

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


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Mean cross-entropy of logits (B, K) with class numbers (B,). CorrKD, L_task."""
    return F.cross_entropy(logits, classes)


def sample_contrast(student: Tensor, teacher: Tensor, margin: float) -> Tensor:
    """SCD of CorrKD: draw each sample to the teacher's view of itself, push it from the teacher's view of others.

    mean_i D(H_i^s, H_i^t)^2 + mean_{i != j} max(0, margin - D(H_i^s, H_j^t))^2, D the Euclidean distance, margin the
    paper's eta. Means instead of its sums, so that the value does not grow with the batch; the second mean is 0 for
    a batch of one.

    Args: student, teacher: joint representations (B, D). Returns: scalar >= 0; no gradient to the teacher.
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
    """c_k of CorrKD: the mean representation of each class.

    Args: joint (B, D), classes (B,) in [0, n_classes).
    Returns: c (K, D), zeros for a class without a sample; there (K,) True = the class has one.
    """
    member = F.one_hot(classes, n_classes).to(joint.dtype)  # (B, K)
    count = member.sum(0)
    return (member.T @ joint) / count.clamp(min=1.0)[:, None], count > 0


def prototype_similarity(joint: Tensor, centres: Tensor) -> Tensor:
    """M_k(i) of CorrKD: cosine of joint (B, D) with prototypes (K, D), (B, K)."""
    return F.cosine_similarity(joint[:, None], centres[None], dim=-1, eps=EPS)


def prototype_distillation(
    student: Tensor, teacher: Tensor, centres_student: Tensor, centres_teacher: Tensor, there: Tensor
) -> Tensor:
    """CPD of CorrKD: the student stands to every class as the teacher does.

    1/(N K) sum_{i,k} |M_k^t(i) - M_k^s(i)|, over the classes that have a prototype (the paper leaves the others open).

    Args: student, teacher (B, D); centres (K, D) of each; there (K,) True = has a prototype.
    Returns: scalar in [0, 2], 0 for equal networks; no gradient to the teacher.
    """
    theirs = prototype_similarity(teacher, centres_teacher).detach()
    gap = (theirs - prototype_similarity(student, centres_student)).abs()
    return torch.where(there, gap, 0.0).sum() / (len(student) * there.sum().clamp(min=1))


def response_parts(logits: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """The softmax response of CorrKD in two: p of the true class (B, 1), and those of the others (B, K - 1).

    Args: logits (B, K), classes (B,). The others keep their order.
    """
    p = torch.softmax(logits, -1)
    n, k = p.shape
    others = p.masked_select(~F.one_hot(classes, k).bool()).view(n, k - 1)
    return p.gather(1, classes[:, None]), others


def mutual_information(critic: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    """Jensen-Shannon lower bound of the mutual information of pairs (Deep InfoMax; RCD of CorrKD).

    E_paired[-sp(-T(x, y))] - E_shuffled[sp(T(x, y))] with sp(w) = log(1 + e^w). Shuffled: x_i with y_{i-1}, so that
    no pair is a true one; the batch is in random order already.

    Args: critic: T, (B, Dx + Dy) -> (B,). x (B, Dx), y (B, Dy). Returns: scalar <= 0; 0 for a batch of one.
    """
    if len(x) < 2:
        return (x.sum() + y.sum()) * 0.0
    paired = critic(torch.cat([x, y], 1))
    shuffled = critic(torch.cat([x, y.roll(1, 0)], 1))
    return -F.softplus(-paired).mean() - F.softplus(shuffled).mean()


def response_divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || student) of responses with logits (B, K), batch mean: what CorrKD's ablation puts for RCD."""
    log_s, log_t = torch.log_softmax(student, -1), torch.log_softmax(teacher.detach(), -1)
    return F.kl_div(log_s, log_t, reduction="batchmean", log_target=True)


def where_mean(values: Tensor, where: Tensor) -> Tensor:
    """Mean of values where `where`, of the same shape, is True; 0 when nothing is."""
    return torch.where(where, values, 0.0).sum() / where.sum().clamp(min=1)


def prompt_information(log_posterior: Tensor, share: Tensor, prior: Tensor, known: Tensor) -> Tensor:
    """Lower bound of I(o; l) in nats between cross-attention outputs o and prompts l (DPW of our ProMMA).

    mean over the known (clip, modality) of sum_l q_l log p(l | o) / p(l), with q the prompts that stand for the label
    (Barber & Agakov, NeurIPS 2003, with p(l) in the place of the entropy).

    Args: log_posterior (B, M, L), share q (B, L), prior p (L,), known (B, M).
    """
    told = torch.einsum("bl,bml->bm", share, log_posterior - torch.log(prior))
    return where_mean(told, known)


def prompt_orthogonality(private: Tensor) -> Tensor:
    """Sum over modalities m < n of ||norm(P_m) norm(P_n)^T||_F^2 / L (MPD of our ProMMA; MSPs, arXiv 2312.15890).

    Args: private prompts (M, L, D).
    """
    unit = F.normalize(private, dim=-1, eps=EPS)
    square = torch.einsum("mld,nkd->mnlk", unit, unit) ** 2
    return torch.triu(square.sum((2, 3)), diagonal=1).sum() / private.shape[1]


def prompt_reconstruction(private: Tensor, shared: Tensor) -> Tensor:
    """||mean_m P_m - P_s||^2 as a share of ||P_s||^2 (MPD of our ProMMA): what is common stays in the private prompts.

    Args: private prompts (M, L, D), shared ones (L, D).
    """
    return ((private.mean(0) - shared) ** 2).sum() / (shared.detach() ** 2).sum().clamp(min=EPS)


def evaluator_loss(gate: Tensor, answers: Tensor, score: Tensor, missing: Tensor) -> Tensor:
    """Cross-entropy of the gates with the training-time truth: did generating m bring the answer nearer (our MME)?

    Each (clip, modality) weighs by how much nearer or farther it was, so that a toss-up does not count.

    Args: gate: logits (B, M). answers (B, M + 2): nothing generated, each modality alone, all. score (B,), missing
        (B, M).
    """
    error = (answers.detach() - score[:, None]).abs()
    gain = error[:, :1] - error[:, 1:-1]
    weight = torch.where(missing, gain.abs(), 0.0)
    wrong = F.binary_cross_entropy_with_logits(gate, (gain > 0).to(gate.dtype), reduction="none")
    return (weight * wrong).sum() / weight.sum().clamp(min=EPS)


def expected_error(error: Tensor, gate: Tensor, missing: Tensor) -> Tensor:
    """Mean error to be expected when each missing modality is generated with the probability of its gate.

    Args: error (B, 5) of the answers with nothing, text, audio, vision and everything generated; gate: logits (B, 3);
        missing (B, 3), at most two in a row.
    """
    p = torch.where(missing, torch.sigmoid(gate), 0.0)
    rest = 1 - p
    only = torch.stack([p[:, 0] * rest[:, 1] * rest[:, 2], rest[:, 0] * p[:, 1] * rest[:, 2],
                        rest[:, 0] * rest[:, 1] * p[:, 2]], 1)  # fmt: skip
    none = rest.prod(1, keepdim=True)
    both = (1 - none - only.sum(1, keepdim=True)).clamp(min=0.0)
    return (torch.cat([none, only, both], 1) * error).sum(1).mean()
