"""Sequence encoders: what does not count is left out, and rows that are alike are encoded once."""

from __future__ import annotations

import pytest
import torch

from msa_core.methods.layers import Standardise, masked_mean
from msa_core.methods.sequences import SequenceEncoder, distinct


@pytest.mark.parametrize("n_prompts", [0, 2])
def test_leaving_out_what_does_not_count_changes_nothing(n_prompts):
    """Training computes every place, so that dropout is drawn as it was; a trained encoder only what takes part."""
    torch.manual_seed(0)
    encoder, x = SequenceEncoder(5, 8, 2, 2, 12, 0.0, (0.0, 0.0, 0.0)), torch.randn(4, 9, 5)
    prompts = [(torch.randn(n_prompts, 8), torch.randn(8)) for _ in range(2)] if n_prompts else []
    keep = torch.rand(4, 9) > 0.6
    keep[0], keep[1], keep[2, 8] = False, False, True
    keep[1, 5] = True  # one frame, late
    with torch.no_grad():
        whole, every, looked = encoder.train()(x, keep, Standardise(5), prompts)
        short, left, looked_short = encoder.eval()(x, keep, Standardise(5), prompts)
    assert short.shape[1] == left.sum(1).max() < whole.shape[1] and torch.equal(left.sum(1), every.sum(1))
    for i in range(4):
        assert torch.allclose(short[i][left[i]], whole[i][every[i]], atol=1e-6), "in their order"
    assert torch.allclose(masked_mean(short, left), masked_mean(whole, every), atol=1e-6)
    assert looked.shape == x.shape[:2] and torch.allclose(looked, looked_short, atol=1e-6)
    assert (looked_short[~keep] == 0).all() and (looked_short[2:][keep[2:]] > 0).all()


def test_rows_that_are_alike_are_encoded_once(monkeypatch):
    """Coalitions of one clip: rows differ in what is left, or not at all; what does not count is not compared."""
    torch.manual_seed(0)
    encoder = SequenceEncoder(5, 8, 2, 1, 12, 0.0, (0.0, 0.0, 0.0)).eval()
    x, keep = torch.randn(1, 7, 5).repeat(6, 1, 1), torch.ones(6, 7, dtype=torch.bool)
    keep[1], keep[3], x[3], keep[4, 2] = False, False, torch.nan, False
    x[5, 6] += 1
    assert distinct(x, keep) == ([0, 1, 4, 5], [0, 1, 0, 1, 2, 3])
    assert distinct(x[[0, 4, 5]], keep[[0, 4, 5]]) is None and distinct(x[:1], keep[:1]) is None
    rows, plain = [], encoder._computed
    monkeypatch.setattr(encoder, "_computed", lambda x, *rest: rows.append(len(x)) or plain(x, *rest))
    with torch.no_grad():
        found = encoder(x, keep, Standardise(5))
        for i in range(6):
            values, counted, looked = encoder(x[i : i + 1], keep[i : i + 1], Standardise(5))
            assert torch.allclose(found[0][i][found[1][i]], values[0][counted[0]], atol=1e-6)
            assert torch.allclose(found[2][i], looked[0], atol=1e-6)
    assert rows == [4] + [1] * 6
