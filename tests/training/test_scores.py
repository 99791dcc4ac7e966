"""Scores under every pattern: one that is not finite is refused, for NaN says that nothing is left."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from synthetic import DIMS, corpus

from msa_core import methods
from msa_core.errors import MsaError
from msa_core.methods import METHODS
from msa_core.missing import PATTERNS
from msa_core.training.scores import pattern_scores

CORPUS = corpus(40)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_is_not_finite_is_refused_where_something_is_left(value, monkeypatch):
    model = methods.build("baseline", asdict(METHODS["baseline"].Config.debug()), DIMS)
    model.set_statistics(CORPUS.statistics(CORPUS.rows("train")))
    rows, plain = np.arange(10), model.forward
    there = CORPUS.batch(rows).present.numpy()

    def damaged(batch, at):
        out = plain(batch)
        return replace(out, score=torch.where(at(batch), value, out.score))

    monkeypatch.setattr(model, "forward", lambda batch: damaged(batch, lambda b: ~b.present.any(1)))
    found = pattern_scores(model, CORPUS, rows, tuple(PATTERNS), size=4)
    for pattern, members in PATTERNS.items():
        left = there[:, [m in members for m in ("text", "audio", "vision")]].any(1)
        assert (np.isfinite(found[pattern]) == left).all()
    monkeypatch.setattr(model, "forward", lambda batch: damaged(batch, lambda b: b.present[:, 1]))
    wanted = f"The scores of x-seed0 under audio are not finite for {there[:, 1].sum()} of {there[:, 1].sum()} utter"
    with pytest.raises(MsaError, match=wanted):
        pattern_scores(model, CORPUS, rows, ("text", "audio"), size=4, called="x-seed0")
    with pytest.raises(MsaError, match="The scores of LateFusion under audio"):
        pattern_scores(model, CORPUS, rows, ("audio",))
