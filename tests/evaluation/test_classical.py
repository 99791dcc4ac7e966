"""Classical regressors: features by hand, the model of what is left, folds, and their rows in a report."""

from __future__ import annotations

import builtins
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from synthetic import corpus

from msa_core.errors import MsaError
from msa_core.evaluation import classical, evaluate, finding
from msa_core.missing import PATTERNS
from msa_core.schema import MODALITIES

CORPUS = corpus(150)
ALL = tuple(PATTERNS)


def test_features_are_mean_and_deviation_of_the_real_frames() -> None:
    found = classical.features(CORPUS)
    for row, example in enumerate(CORPUS.examples()):
        for m in MODALITIES:
            frames = example[m]
            if not len(frames):
                assert np.isnan(found[m][row]).all()
                continue
            assert np.allclose(found[m][row], [*frames.mean(0), *frames.std(0)], atol=1e-5)


def test_an_utterance_is_answered_by_the_model_of_what_it_has_left() -> None:
    """Ridge regression by hand: standardised on the training rows that have everything, one weight a feature."""
    rows, train = CORPUS.rows("test"), CORPUS.rows("train")
    ridge = next(g for g in classical.groups(CORPUS, "test", rows, ALL) if g.name == classical.RIDGE)
    means = classical.features(CORPUS)
    there = {m: np.isfinite(means[m]).all(1) for m in MODALITIES}
    for pattern in ("vision", "text+vision", "text+audio+vision"):
        for row, score in zip(rows, ridge.scores[0][pattern], strict=True):
            left = [m for m in PATTERNS[pattern] if there[m][row]]
            if not left:
                assert np.isnan(score)
                continue
            whole = train[np.all([there[m][train] for m in left], axis=0)]
            x = np.concatenate([means[m] for m in left], 1).astype(np.float64)
            scaled = (x - x[whole].mean(0)) / x[whole].std(0)
            by_hand = Ridge().fit(scaled[whole], CORPUS.label[whole]).predict(scaled[row][None])[0]
            assert score == pytest.approx(np.clip(by_hand, -3, 3), abs=2e-3)
    assert len({tuple(m for m in MODALITIES if there[m][r]) for r in rows}) > 2  # of all kinds


def test_the_mean_is_that_of_the_three_and_answers_come_again() -> None:
    one, two = ({g.name: g for g in classical.groups(CORPUS, "test", CORPUS.rows("test"), ALL)} for _ in range(2))
    parts = [one[name].scores[0]["audio"] for name in (classical.RIDGE, classical.SVR, classical.TREES)]
    assert np.allclose(one[classical.MEAN].scores[0]["audio"], np.mean(parts, 0), atol=2e-4)
    assert all(np.array_equal(one[n].scores[0]["audio"], two[n].scores[0]["audio"]) for n in one)
    errors = {name: g.incomplete_mae for name, g in one.items()}
    constant = np.abs(CORPUS.label[CORPUS.rows("test")] - CORPUS.label[CORPUS.rows("train")].mean()).mean()
    assert max(errors.values()) < constant


def test_folds_are_those_of_the_methods() -> None:
    """No row is answered by a model that learned from it or from its fold's validation rows."""
    folded = replace(CORPUS, columns={**CORPUS.columns, "fold": np.arange(150) % 3.0})
    seen: list[np.ndarray] = []
    fitted = classical._fitted

    def spy(means: Any, members: Any, rows: np.ndarray, own: Any) -> Any:
        seen.append(rows)
        assert not set(rows) & {*own.rows("test"), *own.rows("valid")}
        return fitted(means, members, rows, own)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classical, "_fitted", spy)
        groups = classical.groups(folded, "test", np.arange(150), ("text", "audio", "text+audio"))
    assert len(seen) == 9 and np.isfinite(groups[0].scores[0]["audio"]).all()


def test_rows_of_a_report_and_the_sentence_over_them(tmp_path: Path) -> None:
    CORPUS.save(tmp_path / "corpus")
    result = evaluate.command(tmp_path / "corpus", None, tmp_path / "out", regressors=True)
    rows = [r for r in result["rows"] if r["kind"] == classical.KIND]
    assert [r["title"] for r in rows] == list(classical.TITLES.values()) and result["n"] == 30
    assert all(r["seeds"] == 0 and set(r["table"]) == set(PATTERNS) and r["six"] for r in rows)
    found = finding.find(result, everything=False)
    assert found is not None and found.best.kind == classical.KIND and found.beats_constant
    assert "| Extra trees |" in (tmp_path / "out" / "synthetic.md").read_text()


def test_the_absence_of_scikit_learn_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "sklearn":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MsaError, match=r"pip install 'missing-modality-lab\[classical\]', or leave --classical out"):
        classical.groups(CORPUS, "test", CORPUS.rows("test"), ALL)


def test_a_modality_that_training_never_has_is_refused() -> None:
    train = CORPUS.split == "train"
    index = CORPUS.index["vision"]
    lists = [[] if train[i] else index[i].tolist() for i in range(len(CORPUS))]
    blind = replace(CORPUS, index={**CORPUS.index, "vision": type(index).of(lists, np.int64)})
    with pytest.raises(MsaError, match="No training utterance of synthetic has vision; leave --classical out"):
        classical.groups(blind, "test", blind.rows("test"), ALL)
