"""The reference of the training step is the published network, and computes the same ranking loss as ours."""

import pytest
import torch

from msa_core.evaluation.benchmark.published_sdumc import PublishedSDUMC, loss, rank_n_contrast
from msa_core.methods import losses

PUBLISHED = {"audio": 1024, "text": 4096, "vision": 1024}  # widths of the published features
PARAMETERS = 4.27e6  # counted in the public model file


def test_it_has_as_many_parameters_as_the_public_file():
    assert sum(p.numel() for p in PublishedSDUMC(PUBLISHED).parameters()) == pytest.approx(PARAMETERS, rel=0.01)


def test_every_weight_learns_from_both_flows():
    torch.manual_seed(0)
    model = PublishedSDUMC({"audio": 6, "text": 5, "vision": 4})
    audio, text, vision = torch.randn(8, 7, 6), torch.randn(8, 3, 5), torch.randn(8, 4, 4)
    loss(model(audio, text, vision, False), model(audio, text + 1, vision, True), torch.randn(8)).backward()
    weights = [p.grad for p in model.parameters() if p.ndim > 1]
    assert all(grad is not None and torch.isfinite(grad).all() and grad.any() for grad in weights)


def test_its_ranking_loss_is_ours():
    torch.manual_seed(0)
    v, y = torch.randn(20, 6), torch.round(3 * torch.randn(20)) / 3
    assert rank_n_contrast(v, y).item() == pytest.approx(losses.rank_n_contrast(v, y).item(), rel=1e-5)
