"""SDUMC's representation similarity: its distances, and what it does to imagined text."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from synthetic import corpus
from torch.nn import functional as F

from msa_core import methods, missing
from msa_core.config import facts
from msa_core.errors import MsaError
from msa_core.methods.sdumc import ALIKE, RS, SDUMC, SDUMCConfig

CORPUS = corpus(60)
BATCH = CORPUS.batch(np.flatnonzero(CORPUS.batch(np.arange(60)).present.all(1).numpy())[:16])
DEBUG = replace(SDUMCConfig.debug(), dropout=0.0, attention_dropout=0.0, frame_dropout=0.0)


def model(**settings: object) -> methods.Method:
    torch.manual_seed(0)
    made = methods.build("sdumc", asdict(DEBUG) | settings, CORPUS.dims)
    made.set_statistics(CORPUS.statistics(CORPUS.rows("train")))
    return made.eval()


@pytest.mark.parametrize("rs", RS)
def test_similarity_of_every_distance_follows_what_is_missing(rs: str) -> None:
    made = model(rs=rs, weight_rs_utterance=0.3)
    names = ("rs_view", "rs_attention", "rs_utterance")
    nothing = made.losses(made(BATCH), made(BATCH), BATCH.label)
    assert all(nothing[name].item() == 0.0 for name in names)
    gone = made.losses(made(BATCH), made(missing.pattern(BATCH, "audio+vision")), BATCH.label)
    assert all(gone[name].item() > 0 for name in names)
    assert made.config.loss_weights()["rs_utterance"] == 0.3


def test_the_published_similarity_is_what_older_checkpoints_have() -> None:
    plain = SDUMCConfig()
    assert "rs_utterance" not in plain.loss_weights() and "rs_utterance" not in model().losses(
        model()(BATCH), model()(BATCH), BATCH.label
    )
    assert not {"rs", "weight_rs_utterance", "weight_kept_likeness"} & set(facts(plain))
    with pytest.raises(MsaError, match="rs is 'dot'; choose one of: rmse, cosine"):
        SDUMCConfig(rs="dot")


def test_similarity_of_utterances_brings_imagined_text_near_the_real_one() -> None:
    made = model(rs="cosine", weight_rs_utterance=1.0)
    left = missing.pattern(BATCH, "audio+vision")
    optimizer = torch.optim.Adam([p for n, p in made.named_parameters() if n.startswith("imagine_utterance")], lr=0.02)

    def cosine() -> float:
        real, imagined = made(BATCH).trace["text_before_imagination"], made(left).trace["text_after_imagination"]
        return float(F.cosine_similarity(imagined, real, dim=1).mean())

    before = cosine()
    for _ in range(30):
        optimizer.zero_grad()
        made.losses(made(BATCH), made(left), BATCH.label)["rs_utterance"].backward()
        optimizer.step()
    assert cosine() > before + 0.1


def test_kept_likeness_counts_what_mia_takes_from_simulated_text() -> None:
    made = model(**ALIKE)
    assert SDUMC.recipes()[0].config == ALIKE and made.config.loss_weights()["kept_likeness"] == 10.0
    left = missing.pattern(BATCH, "audio+vision")
    full, dropped = made(BATCH), made(left)
    rows = dropped.trace["simulated"] & BATCH.present[:, 0]
    real = full.trace["text_before_imagination"]
    before, after = (dropped.trace[f"text_{when}_imagination"] for when in ("before", "after"))
    lost = F.cosine_similarity(before, real) + 0.02 - F.cosine_similarity(after, real)
    assert rows.any()
    found = made.losses(full, dropped, BATCH.label)["kept_likeness"]
    assert found.item() == pytest.approx(lost.clamp(min=0)[rows].mean().item(), abs=1e-6)
    found.backward()
    learned = {name.split(".")[0] for name, p in made.named_parameters() if p.grad is not None and p.grad.any()}
    assert learned <= {"imagine_utterance", "utterance", "pool", "encode", "placeholder"}
    silent = missing.without_simulated_text(left)
    assert made.losses(full, made(silent), BATCH.label)["kept_likeness"].item() == 0.0
