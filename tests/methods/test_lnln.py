"""LNLN beyond the contract: completeness, the proxy, the gradient reversal, what each loss trains."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from synthetic import corpus

from msa_core import methods, missing
from msa_core.errors import MsaError
from msa_core.methods.lnln import LNLN, LNLNConfig, reversed_gradient
from msa_core.schema import Batch

CORPUS = corpus(40)


@pytest.fixture
def model() -> LNLN:
    torch.manual_seed(0)
    built = methods.build("lnln", asdict(replace(LNLNConfig.debug(), dropout=0.0, head_dropout=0.0)), CORPUS.dims)
    built.set_statistics(CORPUS.statistics(CORPUS.rows("train")))
    assert isinstance(built, LNLN)
    return built.eval()


@pytest.fixture
def batch() -> Batch:
    return CORPUS.batch(CORPUS.rows("train")[:12])


def terms(model: LNLN, batch: Batch, left: Batch) -> dict[str, torch.Tensor]:
    assert batch.label is not None
    return model.losses(model(batch), model(left), batch.label)


def test_the_reversal_is_the_identity_with_the_other_gradient() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    (reversed_gradient(x) * torch.tensor([3.0, 5.0])).sum().backward()
    assert torch.equal(reversed_gradient(x), x) and x.grad is not None and x.grad.tolist() == [-3.0, -5.0]


def test_completeness_is_the_share_of_text_frames_that_are_left(model: LNLN, batch: Batch) -> None:
    left = missing.pattern(batch, "audio+vision")
    w = model(left).trace["w"].squeeze(-1)
    assert float(terms(model, batch, left)["completeness"].detach()) == pytest.approx(float((w**2).mean()), rel=1e-5)
    w = model(batch).trace["w"].squeeze(-1)
    there = model(batch).trace["kept"] > 0
    whole = float(((w - 1) ** 2)[there].mean())
    assert float(terms(model, batch, batch)["completeness"].detach()) == pytest.approx(whole, rel=1e-5)


def test_a_clip_without_text_leans_on_the_proxy_as_far_as_w_says(model: LNLN, batch: Batch) -> None:
    output = model(missing.pattern(batch, "audio"))
    told = model.mechanism(output, 0)
    assert told["completeness"] + told["proxy"] == pytest.approx(1) and 0 < told["completeness"] < 1
    with torch.no_grad():  # judged incomplete: the text tokens do not count at all
        model.completeness[2].weight.zero_()
        model.completeness[2].bias.fill_(-100.0)
        other = replace(batch, features={**batch.features, "text": batch.features["text"] + 1})
        assert torch.equal(model(batch).score, model(other).score)


def test_only_the_adversarial_loss_is_reversed_into_the_generator(
    model: LNLN, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = missing.pattern(batch, "audio+vision")

    def gradients(name: str) -> list[torch.Tensor]:
        model.zero_grad()
        terms(model, batch, left)[name].backward()
        return [p.grad.clone() for p in (model.proxy_tokens, model.discriminator[2].weight) if p.grad is not None]

    turned = {n: gradients(n) for n in ("adversarial", "score")}
    monkeypatch.setattr("msa_core.methods.lnln.reversed_gradient", lambda x: x)
    plain = {n: gradients(n) for n in ("adversarial", "score")}
    assert torch.allclose(turned["adversarial"][0], -plain["adversarial"][0]) and plain["adversarial"][0].any()
    assert torch.equal(turned["adversarial"][1], plain["adversarial"][1]) and plain["adversarial"][1].any()
    assert torch.equal(turned["score"][0], plain["score"][0])


def test_the_reconstruction_aims_at_the_complete_flow(model: LNLN, batch: Batch) -> None:
    left = missing.pattern(batch, "text")
    complete, incomplete = model(batch).trace, model(left).trace
    expected = torch.stack(
        [
            (model.reconstruct[m](incomplete[f"tokens_{m}"])[-1] - complete[f"tokens_{m}"]).square().mean()
            for m in ("text", "audio", "vision")
        ]
    ).mean()
    assert torch.allclose(terms(model, batch, left)["reconstruction"], expected)


@pytest.mark.parametrize("wrong", [{"n_layers": 0}, {"n_tokens": 0}, {"d_model": 10, "n_heads": 4}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MsaError, match="give at least 1 of each"):
        LNLNConfig(**wrong)
