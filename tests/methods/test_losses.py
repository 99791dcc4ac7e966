"""Losses by hand, against their definitions and against published code."""

import itertools
import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from msa_core.methods import losses


def published_loop(features, labels, temperature=2.0, tolerance=1e-4):
    """The way of the published code (kaiwenzha/Rank-N-Contrast): one pass per column, all pairs in each."""
    n = len(labels)
    gap = (labels[:, None] - labels[None]).abs()
    s = -(features[:, None] - features[None]).norm(2, dim=-1) / temperature
    s = s - s.max(1, keepdim=True)[0].detach()
    off = ~torch.eye(n, dtype=torch.bool)
    s, e, gap = (x.masked_select(off).view(n, n - 1) for x in (s, s.exp(), gap))
    loss = 0.0
    for k in range(n - 1):
        further = (gap >= gap[:, k : k + 1] - tolerance).to(e.dtype)
        loss = loss - (s[:, k] - torch.log((further * e).sum(-1))).sum() / (n * (n - 1))
    return loss


def oracle(features, labels, temperature=2.0, tolerance=1e-4):
    """The definition, item by item."""
    n, total = len(labels), 0.0
    s = [[-math.dist(a, b) / temperature for b in features] for a in features]
    for i in range(n):
        for j in range(n):
            if i != j:
                ks = [
                    k
                    for k in range(n)
                    if k != i and abs(labels[i] - labels[k]) >= abs(labels[i] - labels[j]) - tolerance
                ]
                total += s[i][j] - math.log(sum(math.exp(s[i][k]) for k in ks))
    return -total / (n * (n - 1))


def test_rnc_by_hand():
    # 1-d features 0, 2, 6; labels 0, 1, 3: s = -1, -3 | -1, -2 | -3, -2 (temperature 2)
    v, y = torch.tensor([[0.0], [2.0], [6.0]]), torch.tensor([0.0, 1.0, 3.0])
    first = -(-1 - math.log(math.exp(-1) + math.exp(-3)))  # (0, 1): both others are at least as far
    second = -(-1 - math.log(math.exp(-1) + math.exp(-2)))  # (1, 0); the far pairs contribute 0
    third = -(-2 - math.log(math.exp(-2) + math.exp(-3)))  # (2, 1)
    assert losses.rank_n_contrast(v, y).item() == pytest.approx((first + second + third) / 6, rel=1e-5)


@pytest.mark.parametrize("n", [2, 3, 9, 24])
@pytest.mark.parametrize("ties", [False, True])
def test_rnc_against_the_oracle(n, ties):
    torch.manual_seed(n)
    v = torch.randn(n, 5)
    y = torch.randint(-3, 4, (n,)).float() if ties else torch.randn(n)
    assert losses.rank_n_contrast(v, y).item() == pytest.approx(
        oracle(v.tolist(), y.double().tolist()), rel=1e-5, abs=1e-6
    )


def test_rnc_value_and_gradient_equal_the_published_loop():
    torch.manual_seed(0)
    v, y = torch.randn(60, 16, requires_grad=True), torch.round(torch.randn(60) * 10) / 10
    ours, theirs = losses.rank_n_contrast(v, y), published_loop(v, y)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    assert torch.allclose(*(torch.autograd.grad(x, v)[0] for x in (ours, theirs)), atol=1e-7)


def test_rnc_equal_features_equal_labels_and_far_apart_stay_finite():
    for scale, y in ((0.0, torch.zeros(6)), (1e4, torch.arange(6.0)), (0.0, torch.arange(6.0))):
        v = (scale * torch.randn(6, 4)).requires_grad_()
        loss = losses.rank_n_contrast(v, y)
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(v.grad).all()
    assert losses.rank_n_contrast(torch.randn(1, 4), torch.zeros(1)).item() == 0.0


class Counted(TorchDispatchMode):
    """Count of the tensor operations inside, and the most numbers that one of them returned."""

    def __init__(self):
        super().__init__()
        self.operations, self.largest = 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.operations += 1
        self.largest = max([self.largest, *(t.numel() for t in tree_leaves(out) if isinstance(t, torch.Tensor))])
        return out


def test_rnc_has_no_loop_over_items_and_no_cube_in_memory():
    torch.manual_seed(0)

    def counted(f, n):
        with Counted() as found:
            f(torch.randn(n, 64), torch.randn(n))
        return found

    few, many = (counted(losses.rank_n_contrast, n) for n in (16, 256))
    assert few.operations == many.operations and many.largest <= 257 * 256
    assert counted(published_loop, 256).operations > 8 * many.operations


def test_rmse_by_hand_over_rows_and_at_zero():
    a, b = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    assert losses.rmse(a, b).item() == pytest.approx(math.sqrt((4 + 9 + 16) / 4), abs=2e-4)
    assert losses.rmse(a, b, torch.tensor([True, False])).item() == pytest.approx(math.sqrt(2), abs=2e-4)
    assert losses.rmse(a, b, torch.tensor([False, False])).item() == 0.0
    x = torch.ones(2, 2, requires_grad=True)
    losses.rmse(x, torch.ones(2, 2)).backward()
    assert losses.rmse(x, torch.ones(2, 2)).item() == 0.0 and torch.isfinite(x.grad).all()


def test_similarity_moves_the_missing_flow_only_and_distillation_both():
    a, b = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    losses.representation_similarity(a, b, torch.tensor([True, True, False])).backward()
    assert b.grad is None and (a.grad[2] == 0).all() and (a.grad[:2] != 0).all()
    losses.knowledge_distillation(a, b).backward()
    assert (b.grad != 0).any()


def test_likeness_is_one_minus_the_cosine_of_the_chosen_rows():
    a = torch.tensor([[3.0, 0.0], [1.0, 1.0], [-1.0, 0.0]], requires_grad=True)
    b = torch.tensor([[0.1, 0.0], [1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    found = losses.representation_likeness(a, b, torch.tensor([True, True, False]))
    assert found.item() == pytest.approx((0 + 1 - math.sqrt(0.5)) / 2, abs=1e-6)
    found.backward()
    assert b.grad is None and (a.grad[2] == 0).all() and (a.grad[1] != 0).all()
    several = losses.representation_likeness(a[:, None], b[:, None], torch.tensor([False, False, True]))
    assert several.item() == pytest.approx(2.0)
    assert losses.representation_likeness(a, b, torch.zeros(3, dtype=torch.bool)).item() == 0.0


def test_lost_likeness_by_hand():
    real = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    before = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    after = torch.tensor([[0.0, 2.0], [3.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    # 1 + .02 - 0 and, nearer than before, 0; the third row does not count
    found = losses.lost_likeness(real, before, after, torch.tensor([True, True, False]))
    assert found.item() == pytest.approx(1.02 / 2, abs=1e-6)
    found.backward()
    assert before.grad is None and (after.grad[0] != 0).any() and (after.grad[1:] == 0).all()


def test_errors_of_scores_by_hand():
    scores, label = torch.tensor([1.0, -1.0, 0.1]), torch.tensor([0.0, 1.0, 0.0])
    assert losses.squared(scores, label).tolist() == pytest.approx([1.0, 4.0, 0.01])
    # |1| - 0.1, |2| - 0.1, 0.1^2 / (2 * 0.2)
    assert losses.huber(scores, label).tolist() == pytest.approx([0.9, 1.9, 0.025])


def test_scd_by_hand():
    student, teacher = torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([[0.0, 1.0], [3.0, 0.0]])
    # same: 1 and 0, mean 0.5. others: |s0 - t1| = 3, |s1 - t0| = sqrt(10); margin 4: 1^2 and (4 - sqrt(10))^2, mean
    want = 0.5 + (1 + (4 - math.sqrt(10)) ** 2) / 2
    assert losses.sample_contrast(student, teacher, 4.0).item() == pytest.approx(want, rel=1e-6)


def test_scd_is_zero_when_the_student_equals_the_teacher_and_pairs_are_apart():
    h = 5.0 * torch.eye(4)
    assert losses.sample_contrast(h, h, 1.2).item() == 0.0
    assert losses.sample_contrast(h, h, 8.0).item() > 0.0  # sqrt(50) apart: nearer than the margin
    assert losses.sample_contrast(h[:1], h[:1] + 2.0, 1.2).item() == pytest.approx(16.0)  # one sample: only its own


def test_scd_gives_no_gradient_to_the_teacher_and_is_finite_where_all_meet():
    student, teacher = (torch.ones(3, 2, requires_grad=True) for _ in range(2))
    losses.sample_contrast(student, teacher, 1.2).backward()
    assert teacher.grad is None and torch.isfinite(student.grad).all()


def test_prototypes_by_hand_and_absent_classes():
    joint = torch.tensor([[1.0, 0.0], [3.0, 2.0], [0.0, 5.0]])
    centres, there = losses.prototypes(joint, torch.tensor([2, 2, 0]), 4)
    assert centres.tolist() == [[0.0, 5.0], [0.0, 0.0], [2.0, 1.0], [0.0, 0.0]]
    assert there.tolist() == [True, False, True, False]


def test_cpd_by_hand_skips_absent_classes():
    student, teacher = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    classes = torch.tensor([0, 2])
    (c_s, there), (c_t, _) = (losses.prototypes(h, classes, 3) for h in (student, teacher))
    # student: identity of similarities [[1, 0], [0, 1]]; teacher: all 1. Two gaps of 1 among 2 samples x 2 classes
    assert losses.prototype_distillation(student, teacher, c_s, c_t, there).item() == pytest.approx(0.5)


def test_cpd_is_zero_for_identical_networks():
    torch.manual_seed(0)
    h, classes = torch.randn(9, 5, requires_grad=True), torch.arange(9) % 3
    centres, there = losses.prototypes(h, classes, 7)
    loss = losses.prototype_distillation(h, h.clone(), centres, centres.clone(), there)
    assert loss.item() == 0.0
    teacher = torch.randn(9, 5, requires_grad=True)
    losses.prototype_distillation(h, teacher, centres, losses.prototypes(teacher, classes, 7)[0], there).backward()
    assert teacher.grad is None and torch.isfinite(h.grad).all() and h.grad.any()


def test_cpd_without_any_prototype_is_zero():
    h, none = torch.randn(4, 3), torch.zeros(2, dtype=torch.bool)
    assert losses.prototype_distillation(h, 2 * h, torch.zeros(2, 3), torch.zeros(2, 3), none).item() == 0.0


def test_response_parts_by_hand():
    p = torch.tensor([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    target, others = losses.response_parts(p.log(), torch.tensor([1, 2]))
    assert torch.allclose(target, torch.tensor([[0.5], [0.8]]))
    assert torch.allclose(others, torch.tensor([[0.2, 0.3], [0.1, 0.1]]))


def test_mutual_information_by_hand():
    x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0], [2.0]])
    # T = product: pairs give 1 and 4, shuffled 2 and 2
    value = losses.mutual_information(lambda pairs: pairs[:, 0] * pairs[:, 1], x, y)
    paired = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-4))) / 2
    assert value.item() == pytest.approx(-paired - math.log(1 + math.exp(2)), rel=1e-6)
    assert losses.mutual_information(lambda pairs: pairs.sum(1), x[:1], y[:1]).item() == 0.0


def test_the_bound_is_higher_for_paired_than_for_shuffled_data():
    torch.manual_seed(0)
    x = torch.randn(256, 3)
    bounds = []
    for y in (x + 0.3 * torch.randn(256, 3), torch.randn(256, 3)):
        critic = torch.nn.Sequential(torch.nn.Linear(6, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
        optimizer = torch.optim.Adam(critic.parameters(), 1e-2)
        for _ in range(150):
            rows = torch.randperm(256)[:128]
            loss = -losses.mutual_information(lambda p, c=critic: c(p).squeeze(-1), x[rows], y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        rows = torch.randperm(256)
        bounds.append(losses.mutual_information(lambda p, c=critic: c(p).squeeze(-1), x[rows], y[rows]).item())
    paired, shuffled = bounds
    assert shuffled == pytest.approx(-2 * math.log(2), abs=0.15)  # the best answer to nothing in common
    assert paired > shuffled + 0.2


def test_response_divergence_is_the_kl_of_the_softmax():
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[math.log(3.0), 0.0]], requires_grad=True)
    want = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert losses.response_divergence(student, teacher).item() == pytest.approx(want, rel=1e-6)
    assert losses.response_divergence(teacher, teacher).item() == pytest.approx(0.0, abs=1e-7)


def test_where_mean_by_hand():
    values = torch.tensor([[1.0, math.inf], [3.0, math.nan]], requires_grad=True)
    mean = losses.where_mean(values, torch.tensor([[True, False], [True, False]]))
    mean.backward()
    assert mean.item() == 2.0 and values.grad.tolist() == [[0.5, 0.0], [0.5, 0.0]]
    assert losses.where_mean(values, torch.zeros(2, 2, dtype=torch.bool)).item() == 0.0


def test_prompt_information_by_hand():
    prior = torch.tensor([0.25, 0.75])
    posterior = torch.tensor([[[0.5, 0.5], [0.25, 0.75]], [[0.1, 0.9], [0.5, 0.5]]])
    share = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    first, second = math.log(2), 0.5 * math.log(2) + 0.5 * math.log(2 / 3)  # clip 0, modality 0; clip 1, modality 1
    known = torch.tensor([[True, True], [False, True]])  # clip 0, modality 1 says the prior: 0
    told = losses.prompt_information(posterior.log(), share, prior, known)
    assert told.item() == pytest.approx((first + 0.0 + second) / 3, rel=1e-6)


def test_prompt_information_of_the_prior_and_of_nothing_is_zero_and_no_more_than_the_entropy():
    prior = torch.tensor([0.2, 0.3, 0.5])
    share = torch.eye(3)[[0, 1, 1, 2, 2]]
    told = prior.log().expand(5, 3, 3).clone().requires_grad_()
    everything = torch.ones(5, 3, dtype=torch.bool)
    assert losses.prompt_information(told, share, prior, everything).item() == pytest.approx(0.0, abs=1e-7)
    nothing = losses.prompt_information(told, share, prior, ~everything)
    nothing.backward()
    assert nothing.item() == 0.0 and not told.grad.any()
    rare = share.mean(0)  # prompts are as frequent as their prior: a sure and right answer tells the entropy
    right = torch.log(share.clamp(min=1e-12))[:, None].expand(5, 3, 3)
    assert losses.prompt_information(right, share, rare, everything).item() == pytest.approx(
        -(rare * rare.log()).sum().item(), rel=1e-5
    )


def test_prompt_orthogonality_by_hand():
    # two prompts of each modality; cosines squared of text and audio: 1 0 | 1/2 1/2, and vision is at right angles
    text, audio = [[2.0, 0.0, 0.0], [1.0, 1.0, 0.0]], [[3.0, 0.0, 0.0], [0.0, 5.0, 0.0]]
    vision = [[0.0, 0.0, 1.0], [0.0, 0.0, -4.0]]
    value = losses.prompt_orthogonality(torch.tensor([text, audio, vision]))
    assert value.item() == pytest.approx((1 + 0 + 0.5 + 0.5) / 2, rel=1e-6)
    alike = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]).expand(3, -1, -1)
    assert losses.prompt_orthogonality(alike).item() == pytest.approx(3.0)  # three pairs, L cosines of 1, over L
    assert losses.prompt_orthogonality(torch.tensor([text])).item() == 0.0  # prompts of one modality may be alike


def test_prompt_orthogonality_is_finite_at_zero():
    private = torch.zeros(3, 2, 4, requires_grad=True)
    value = losses.prompt_orthogonality(private)
    value.backward()
    assert value.item() == 0.0 and torch.isfinite(private.grad).all()


def test_prompt_reconstruction_by_hand():
    shared = torch.tensor([[1.0, 2.0], [2.0, 0.0]], requires_grad=True)
    private = torch.tensor([[[1.0, 2.0], [2.0, 0.0]], [[1.0, 2.0], [2.0, 0.0]], [[4.0, 2.0], [2.0, -6.0]]])
    value = losses.prompt_reconstruction(private, shared)  # the mean is 1 and -2 off; ||P_s||^2 = 9
    value.backward()
    assert value.item() == pytest.approx((1 + 4) / 9, rel=1e-6)
    assert shared.grad.tolist() == [[pytest.approx(-2 / 9), 0.0], [0.0, pytest.approx(4 / 9)]]  # no gradient of ||P_s||
    assert losses.prompt_reconstruction(shared.detach().expand(3, -1, -1), shared).item() == 0.0
    nothing = torch.zeros(2, 2, requires_grad=True)
    losses.prompt_reconstruction(torch.zeros(3, 2, 2), nothing).backward()
    assert torch.isfinite(nothing.grad).all()


def test_evaluator_loss_by_hand():
    gate = torch.tensor([[0.0, 2.0, 1.0], [-1.0, 0.5, 0.0]], requires_grad=True)
    # errors: nothing 1, text 0.25, audio 3, vision 1 | nothing 2, text 2.5, audio 1, vision 0
    answers = torch.tensor([[1.0, 0.25, -3.0, 1.0, 9.0], [3.0, 3.5, 0.0, 1.0, 9.0]], requires_grad=True)
    missing = torch.tensor([[True, True, False], [True, False, True]])
    value = losses.evaluator_loss(gate, answers, torch.tensor([0.0, 1.0]), missing)
    worth, not_worth = (lambda g: math.log(1 + math.exp(-g))), (lambda g: math.log(1 + math.exp(g)))
    want = 0.75 * worth(0.0) + 2.0 * not_worth(2.0) + 0.5 * not_worth(-1.0) + 2.0 * worth(0.0)
    assert value.item() == pytest.approx(want / (0.75 + 2.0 + 0.5 + 2.0), rel=1e-6)
    value.backward()
    assert answers.grad is None and not gate.grad[~missing].any() and gate.grad[missing].all()


def test_evaluator_loss_is_zero_when_nothing_is_missing_or_it_makes_no_difference():
    gate, score = torch.randn(4, 3, requires_grad=True), torch.zeros(4)
    missing = torch.ones(4, 3, dtype=torch.bool)
    for answers, gone in ((torch.randn(4, 5), ~missing), (torch.ones(4, 5), missing)):
        value = losses.evaluator_loss(gate, answers, score, gone)
        gate.grad = None
        value.backward()
        assert value.item() == 0.0 and torch.isfinite(gate.grad).all()
    far = torch.full((4, 3), 1e4)
    assert torch.isfinite(losses.evaluator_loss(far, torch.randn(4, 5), score, missing))


PAIRS = [[], [0], [1], [2], [0, 1], [0, 2], [1, 2]]  # what may be missing: at most two


def enumerated(error, gate, gone):
    """Expected error of one row over all decisions on what is missing, one by one."""
    total = 0.0
    for made in itertools.product([False, True], repeat=len(gone)):
        chance, chosen = 1.0, [m for m, yes in zip(gone, made, strict=True) if yes]
        for m, yes in zip(gone, made, strict=True):
            p = 1 / (1 + math.exp(-gate[m]))
            chance *= p if yes else 1 - p
        total += chance * error[{0: 0, 2: 4}.get(len(chosen), 1 + chosen[0] if chosen else 0)]
    return total


@pytest.mark.parametrize("gone", PAIRS)
def test_expected_error_is_the_average_over_all_decisions(gone):
    torch.manual_seed(len(gone))
    error, gate = torch.rand(6, 5), 2 * torch.randn(6, 3)
    missing = torch.tensor([[m in gone for m in range(3)]]).expand(6, -1)
    want = [enumerated(e, g, gone) for e, g in zip(error.tolist(), gate.tolist(), strict=True)]
    assert losses.expected_error(error, gate, missing).item() == pytest.approx(sum(want) / 6, rel=1e-5)


def test_expected_error_of_sure_gates_is_that_of_their_answer():
    error = torch.tensor([[1.0, 2.0, 4.0, 8.0, 16.0]])
    missing = torch.tensor([[True, False, True]])
    for gate, want in (
        ([-99.0, 99.0, -99.0], 1),
        ([99.0, 0.0, -99.0], 2),
        ([-99.0, 0, 99.0], 8),
        ([99.0, 0, 99.0], 16),
    ):
        logits = torch.tensor([gate], requires_grad=True)
        value = losses.expected_error(error, logits, missing)
        value.backward()
        assert value.item() == pytest.approx(want) and torch.isfinite(logits.grad).all()
    nothing = torch.zeros(1, 3, requires_grad=True)
    value = losses.expected_error(error, nothing, torch.zeros(1, 3, dtype=torch.bool))
    value.backward()
    assert value.item() == 1.0 and not nothing.grad.any()


def test_expected_error_pulls_gates_to_the_better_answer():
    gate = torch.zeros(2, 3, requires_grad=True)
    error = torch.tensor([[1.0, 0.0, 9.0, 9.0, 9.0], [1.0, 9.0, 9.0, 2.0, 9.0]])  # text helps, vision does not
    losses.expected_error(error, gate, torch.tensor([[True, False, False], [False, False, True]])).backward()
    assert gate.grad[0].tolist() == pytest.approx([-0.125, 0.0, 0.0])  # (0 - 1) * 0.5 * 0.5 / 2
    assert gate.grad[1].tolist() == pytest.approx([0.0, 0.0, 0.125])
