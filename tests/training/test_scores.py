"""Scores under every pattern: one that is not finite is refused, for NaN says that nothing is left."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from synthetic import DIMS, corpus

from msa_core import checkpoint, methods
from msa_core.errors import MsaError
from msa_core.evaluation import evaluate, markdown, results
from msa_core.methods import METHODS
from msa_core.missing import PATTERNS
from msa_core.training.loop import TrainConfig, fit
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


def test_a_pattern_of_three_validation_utterances_has_no_interval(tmp_path):
    """ceil(4 * 0.8) = 4 of 3 residuals: there is no such width, and no coverage of it."""
    seen, split = CORPUS.index["vision"].lengths > 0, np.where(CORPUS.split == "valid", "train", CORPUS.split)
    training = CORPUS.split != "test"
    split[[*np.flatnonzero(training & seen)[:3], *np.flatnonzero(training & ~seen)[:3]]] = "valid"
    few = replace(CORPUS, split=split)
    run = fit("baseline", few, tmp_path / "x-seed0", TrainConfig(epochs=1), METHODS["baseline"].Config.debug())
    known = checkpoint.read_manifest(run)["calibration"]["half_width"]
    assert "vision" not in known and "audio" in known and all(width > 0 for width in known.values())
    result = evaluate.report(few, [run])
    (row,) = (r for r in result["rows"] if r["label"] == "x")
    assert "vision" not in row["coverage"] and "vision" not in row["width"] and "audio" in row["coverage"]
    (line,) = (li for li in markdown.coverage(result).splitlines() if li.startswith(f"| {row['title']} "))
    assert line.split(" | ")[1 + result["patterns"].index("vision")].strip() == ""
    shown = results.table(result, "intervals")
    at = [column.key for column in shown.columns].index("coverage vision")
    assert {each.cells[at].value for each in shown.lines} == {None}
