"""Frames that both flows of a training step share."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch
from synthetic import corpus

from msa_core import methods, missing
from msa_core.methods.layers import FrameEncoder, Frames, Standardise, sharing
from msa_core.schema import MODALITIES

CORPUS = corpus(150)
COMPLETE_ROWS = np.flatnonzero(CORPUS.batch(np.arange(150)).present.all(1).numpy())


def test_frames_that_fill_a_batch_lie_where_they_are() -> None:
    torch.manual_seed(0)
    encoder, x, keep = FrameEncoder(3, 4).eval(), torch.randn(2, 5, 3), torch.ones(2, 5, dtype=torch.bool)
    whole = encoder(x, keep, Standardise(3))
    keep[1, 4] = False
    fewer = encoder(x, keep, Standardise(3))
    assert whole.whole and not fewer.whole and whole.keep.all()
    assert torch.allclose(whole.padded(whole.values)[0], fewer.padded(fewer.values)[0], atol=1e-6)
    none = Frames(whole.values[:0], whole.row[:0], whole.place[:0], whole.shape)
    assert Frames.join([whole, none]).whole and not Frames.join([fewer, none]).whole


def test_flows_that_share_projections_have_the_same_losses_and_gradients(monkeypatch):
    """SDUMC at the published settings, which draw no noise before the projection; text is missing in one flow."""
    batch = CORPUS.batch(COMPLETE_ROWS[:8])
    left, calls, plain = missing.pattern(batch, "audio+vision"), [], torch.nn.Linear.forward
    published = {**methods.METHODS["sdumc"].presets["published"].config, "d_model": 8, "d_contrast": 4}
    monkeypatch.setattr(torch.nn.Linear, "forward", lambda layer, x: calls.append(id(layer)) or plain(layer, x))

    def step(how):
        torch.manual_seed(0)
        model = methods.build("sdumc", published, CORPUS.dims).train()
        model.set_statistics(CORPUS.statistics(CORPUS.rows("train")))
        calls.clear()
        with how():
            terms = model.losses(model(batch), model(left), batch.label)
        torch.stack(list(terms.values())).sum().backward()
        counts = [calls.count(id(model.encode[m].projection)) for m in MODALITIES]
        return terms, {n: p.grad for n, p in model.named_parameters() if p.grad is not None}, counts

    (terms, gradients, twice), (shared, of_shared, spared) = step(nullcontext), step(sharing)
    assert (twice, spared) == ([3, 2, 2], [3, 1, 1])  # text: what was heard, what is left of it, what is simulated
    assert all(torch.equal(terms[k], shared[k]) for k in terms) and gradients.keys() == of_shared.keys()
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, of_shared[name], rtol=1e-4, atol=1e-7), name
