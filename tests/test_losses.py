import math
import time

import pytest
import torch

from msa_core import losses


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


def test_rnc_is_fast():
    torch.manual_seed(0)
    v, y = torch.randn(256, 64), torch.randn(256)

    def best(f, n):
        times = []
        for _ in range(n):
            start = time.process_time()
            f(v, y)
            times.append(time.process_time() - start)
        return min(times)

    assert best(published_loop, 3) > 8 * best(losses.rank_n_contrast, 10)  # measured: 25; other loads share the cores


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


def test_mse_by_hand():
    assert losses.mse(torch.tensor([1.0, -1.0]), torch.tensor([0.0, 1.0])).item() == 2.5
