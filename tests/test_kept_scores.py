"""Kept scores: a run that is gone counts as if it were there, and nothing else does."""

import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
from synthetic import corpus

from msa_core import evaluate, kept_scores, methods, predictions, study
from msa_core.__main__ import main
from msa_core.errors import MsaError
from msa_core.methods import METHODS, Recipe
from msa_core.predictions import Request
from msa_core.train import TrainConfig, fit

CORPUS = corpus(90)


def trained(folder, regime="subset", method="baseline", seed=0, teacher=None, **settings):
    config = replace(METHODS[method].Config.debug(), **settings)
    return fit(method, CORPUS, folder, TrainConfig(regime=regime, seed=seed, epochs=1, batch=32), config, teacher)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The naive model, ProMMA with its backbone (it has variants), two seeds of the masked baseline."""
    root = tmp_path_factory.mktemp("runs")
    trained(root / "n-seed0", "complete")
    teacher = trained(root / "t-seed0", "complete", "promma", prompted=False)
    trained(root / "p-seed0", method="promma", teacher=teacher)
    for seed in (0, 1):
        trained(root / f"b-seed{seed}", seed=seed)
    return sorted(root.iterdir())


def test_runs_that_are_gone_count_as_if_they_were_there(folders, tmp_path):
    everything = evaluate.report(CORPUS, folders)
    early = [f for f in folders if f.name != "b-seed1"]
    evaluate.report(CORPUS, early, scores=tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"{f.name}.npz" for f in early)
    late = evaluate.report(CORPUS, [f for f in folders if f.name == "b-seed1"], scores=tmp_path)
    assert late == everything  # the first seed from its file, the second from its weights
    assert evaluate.report(CORPUS, [], scores=tmp_path) == everything
    assert any(r["kind"] == "variant" for r in everything["rows"])


def test_what_was_kept_is_not_scored_again(folders, tmp_path, monkeypatch):
    first = evaluate.report(CORPUS, folders, scores=tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def never(requests, *rest):
        assert not requests
        return []

    monkeypatch.setattr(evaluate, "passes", never)
    assert evaluate.report(CORPUS, folders, scores=tmp_path) == first
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_the_file_holds_the_scores_and_no_label(folders, tmp_path):
    rows, asked = CORPUS.rows("test"), ("text", "vision", "frame:0.0", "frame:0.4", "modality:0.3", "text+audio+vision")
    request = Request(next(f for f in folders if f.name == "b-seed0"), ({},), asked, rows)
    found = predictions.passes([request], CORPUS)[0]
    kept = kept_scores.read(kept_scores.write(tmp_path, {"sha256": {"model.safetensors": "x"}}, request, CORPUS, found))
    assert kept.conditions == ["text", "vision", "frame:0.4", "text+audio+vision"] and kept.scores.shape == (1, 4, 18)
    (again,) = kept.answers(request, CORPUS) or [{}]
    assert all(np.array_equal(again[c], found[0][c], equal_nan=True) for c in kept.conditions)
    assert np.isnan(again["vision"][rows]).any() and np.isfinite(again["vision"][rows]).any()
    model, _ = methods.load(request.folder, CORPUS.feature_set)
    exact = model(CORPUS.batch(rows)).score.detach().numpy()
    assert np.abs(again["text+audio+vision"][rows] - exact).max() <= 0.5001 * 10**-predictions.DECIMALS
    with np.load(kept.path) as stored:
        assert set(stored) == {"facts", "scores"}


def test_scores_of_other_weights_labels_or_corpora_are_refused(folders, tmp_path):
    evaluate.report(CORPUS, folders, scores=tmp_path)
    again = trained(tmp_path / "again" / "b-seed1", seed=1, d_model=4)
    with pytest.raises(MsaError, match="b-seed1 has other weights than the run whose scores were kept"):
        evaluate.report(CORPUS, [again], scores=tmp_path)
    relabelled = replace(CORPUS, score=np.where(np.arange(90) == CORPUS.rows("test")[0], 0.5, CORPUS.score))
    with pytest.raises(MsaError, match="other test utterances or labels than synthetic has. Delete the file"):
        evaluate.report(relabelled, [], scores=tmp_path)
    with pytest.raises(MsaError, match="trained on another corpus"):
        evaluate.report(replace(CORPUS, name="other"), [], scores=tmp_path)


def test_a_condition_that_was_not_kept_is_scored_again_or_asked_for(folders, tmp_path):
    run = next(f for f in folders if f.name == "b-seed0")
    whole = evaluate.report(CORPUS, [run], scores=tmp_path)
    path = tmp_path / "b-seed0.npz"
    kept = kept_scores.read(path)
    few = Request(run, ({},), ("text",), CORPUS.rows("test"))
    kept_scores.write(tmp_path, kept.manifest, few, CORPUS, predictions.passes([few], CORPUS)[0])
    with pytest.raises(MsaError, match="Of run b-seed0 not every condition was kept that is asked now"):
        evaluate.report(CORPUS, [], scores=tmp_path)
    assert evaluate.report(CORPUS, [run], scores=tmp_path) == whole
    assert kept_scores.read(path).conditions == kept.conditions


@pytest.mark.parametrize("damage", ["empty", "cut", "other", "facts", "shape", "pickle"])
def test_a_damaged_file_is_named(damage, folders, tmp_path):
    evaluate.report(CORPUS, [folders[0]], scores=tmp_path)
    (path,) = tmp_path.iterdir()
    with np.load(path) as stored:
        content = dict(stored)
    if damage in ("empty", "cut"):
        path.write_bytes(path.read_bytes()[: 0 if damage == "empty" else 300])
    elif damage == "other":
        np.savez(path, x=np.zeros(3))
    elif damage == "facts":
        np.savez(path, facts=np.frombuffer(b"[1, 2]", np.uint8), scores=content["scores"])
    elif damage == "shape":
        np.savez(path, facts=content["facts"], scores=content["scores"][:, :1])
    else:
        np.savez(path, facts=np.array([object()]), scores=content["scores"])
    with pytest.raises(MsaError, match=rf"{path.name} cannot be read as kept scores .* Delete the file"):
        evaluate.report(CORPUS, [], scores=tmp_path)


def test_a_study_goes_on_from_kept_scores(tmp_path, monkeypatch, capsys):
    """On a second machine: what was kept is not trained, but for the teacher of a student that was not."""
    monkeypatch.setattr(study, "MIN_UPDATES", 1)
    CORPUS.save(tmp_path / "corpus")
    small = asdict(METHODS["corrkd"].Config.debug())
    loop = {"epochs": 1}
    recipes = [
        Recipe("t", "T", "complete", {**small, "distil": False}, {**loop, "regime": "complete"}),
        Recipe("s", "S", "method", small, loop, "t"),
        Recipe("bare", "Bare", "ablation", {**small, "distil": False}, loop),
    ]
    monkeypatch.setattr(METHODS["corrkd"], "recipes", classmethod(lambda cls: recipes))
    base = ["--corpus", str(tmp_path / "corpus"), "--scores", str(tmp_path / "scores")]
    learn = ["study", *base, "--only", "corrkd", "--seeds"]
    told = ["evaluate", *base, "--out", str(tmp_path / "out"), "--jobs", "1", "--runs"]

    def names():
        return [line.split(":")[0] for line in capsys.readouterr().out.splitlines() if "validation MAE" in line]

    assert main([*learn, "1", "--out", str(tmp_path / "one")]) == 0 and len(names()) == 3
    assert main([*told, str(tmp_path / "one")]) == 0
    (tmp_path / "scores" / "synthetic" / "s-seed0.npz").unlink()
    shutil.rmtree(tmp_path / "one")
    assert main([*learn, "2", "--out", str(tmp_path / "two")]) == 0
    assert names() == ["t-seed0", "t-seed1", "bare-seed1", "s-seed0", "s-seed1"]
    assert main([*told, str(tmp_path / "two")]) == 0
    capsys.readouterr()
    rows = {r["label"]: r for r in json.loads((tmp_path / "out" / "synthetic.json").read_text())["rows"]}
    assert [rows[label]["seeds"] for label in ("t", "s", "bare")] == [2, 2, 2]
    assert rows["s"]["complete_model"] == "t"  # the teacher that was trained again has the weights that were kept
    assert main([*learn, "2", "--out", str(tmp_path / "three")]) == 0 and names() == []
    assert main([*told, str(tmp_path / "three")]) == 0  # no run at all: from the kept scores
    recipes[2] = recipes[2]._replace(loop={"epochs": 2})
    assert main([*learn, "2", "--out", str(tmp_path / "three")]) == 2
    assert "bare-seed0 was trained with epochs = 1, the recipe says 2" in capsys.readouterr().err
