"""Kept scores: a run that is gone counts as if it were there, and nothing else does."""

import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from synthetic import corpus

from msa_core import checkpoint, methods
from msa_core.__main__ import main
from msa_core.errors import MsaError
from msa_core.evaluation import evaluate, protocols, scoring, study
from msa_core.evaluation.runs import Run
from msa_core.evaluation.score_store import NOTHING, UNIT, Kept, Store
from msa_core.evaluation.scoring import Request
from msa_core.methods import METHODS, Recipe
from msa_core.missing import COMPLETE, PATTERNS
from msa_core.schema import STREAMS
from msa_core.training.loop import TrainConfig, fit

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


@pytest.mark.slow
def test_runs_that_are_gone_count_as_if_they_were_there(folders, tmp_path):
    everything = evaluate.report(CORPUS, folders)
    early = [f for f in folders if f.name != "b-seed1"]
    evaluate.report(CORPUS, early, scores=tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"{f.name}.npz" for f in early)
    late = evaluate.report(CORPUS, [f for f in folders if f.name == "b-seed1"], scores=tmp_path)
    assert late == everything  # the first seed from its file, the second from its weights
    assert evaluate.report(CORPUS, [], scores=tmp_path) == everything
    assert any(r["kind"] == "variant" for r in everything["rows"])


@pytest.mark.slow
def test_what_was_kept_is_not_scored_again(folders, tmp_path, monkeypatch):
    first = evaluate.report(CORPUS, folders, scores=tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def never(requests, *rest):
        assert not requests
        return []

    monkeypatch.setattr(evaluate, "passes", never)
    assert evaluate.report(CORPUS, folders, scores=tmp_path) == first
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def request_of(run, rows=None, asked=("text", "vision", "frame:0.0", "frame:0.4", "modality:0.3", COMPLETE)):
    return Request(run, ({},), asked, CORPUS.rows("test") if rows is None else rows)


def test_the_file_holds_the_scores_and_no_label(folders, tmp_path):
    request = request_of(next(f for f in folders if f.name == "b-seed0"))
    rows, found = request.rows, scoring.passes([request], CORPUS)[0]
    store = Store(tmp_path, CORPUS)
    kept = Kept.read(store.write("b", {"sha256": {"model.safetensors": "x"}}, request, found))
    assert kept.conditions == ["text", "vision", "frame:0.4", COMPLETE] and kept.scores.shape == (1, 4, 18)
    (again,) = store.answers(kept, request) or [{}]
    assert all(np.array_equal(again[c], found[0][c], equal_nan=True) for c in kept.conditions)
    assert np.isnan(again["vision"][rows]).any() and np.isfinite(again["vision"][rows]).any()
    model, _ = methods.load(request.folder, CORPUS.feature_set)
    exact = model(CORPUS.batch(rows)).score.detach().numpy()
    assert np.abs(again[COMPLETE][rows] - exact).max() <= 0.5001 * 10**-scoring.DECIMALS
    with np.load(kept.path) as stored:
        assert set(stored) == {"facts", "scores"}
        assert not any(str(s) in bytes(stored["facts"]).decode() for s in CORPUS.label[rows] if len(str(s)) > 5)


@pytest.mark.slow
def test_seeds_of_folds_are_added_too(tmp_path):
    folded = replace(CORPUS, columns={**CORPUS.columns, "fold": np.arange(90) % 3.0})
    config = METHODS["baseline"].Config.debug()
    runs = [
        fit("baseline", folded, tmp_path / "runs" / f"b-seed{s}", TrainConfig(seed=s, epochs=1, batch=32), config)
        for s in range(6)
    ]
    everything = evaluate.report(folded, runs)
    evaluate.report(folded, runs[:3], scores=tmp_path / "scores")
    assert evaluate.report(folded, runs[3:], scores=tmp_path / "scores") == everything
    assert evaluate.report(folded, [], scores=tmp_path / "scores") == everything


@pytest.mark.slow
def test_scores_of_other_weights_labels_features_or_corpora_are_refused(folders, tmp_path):
    evaluate.report(CORPUS, folders, scores=tmp_path)
    again = trained(tmp_path / "again" / "b-seed1", seed=1, d_model=4)
    with pytest.raises(MsaError, match="b-seed1 is another run than the one whose scores were kept"):
        evaluate.report(CORPUS, [again], scores=tmp_path)
    tested = np.arange(90) == CORPUS.rows("test")[0]
    with pytest.raises(MsaError, match="other test utterances or labels than synthetic has. Delete the file"):
        evaluate.report(replace(CORPUS, label=np.where(tested, 0.5, CORPUS.label)), [], scores=tmp_path)
    with pytest.raises(MsaError, match="other test utterances or labels"):
        evaluate.report(replace(CORPUS, ids=np.where(tested, "x", CORPUS.ids)), [], scores=tmp_path)
    voice = replace(CORPUS.pools["audio"], values=CORPUS.pools["audio"].values * 0.9)
    with pytest.raises(MsaError, match="other features than synthetic has"):
        evaluate.report(replace(CORPUS, pools={**CORPUS.pools, "audio": voice}), [], scores=tmp_path)
    with pytest.raises(MsaError, match="trained on another corpus.* Runs kept in .* count too: delete a file there"):
        evaluate.report(replace(CORPUS, name="other"), [], scores=tmp_path)


def test_a_renamed_run_does_not_count_twice(folders, tmp_path):
    run = next(f for f in folders if f.name == "b-seed0")
    evaluate.report(CORPUS, [run], scores=tmp_path / "scores")
    shutil.copytree(run, tmp_path / "c-seed0")
    with pytest.raises(MsaError, match="b-seed0.npz holds the scores of c-seed0, renamed. Delete the file"):
        evaluate.report(CORPUS, [tmp_path / "c-seed0"], scores=tmp_path / "scores")


def test_a_refused_evaluation_keeps_nothing(folders, tmp_path):
    shutil.copytree(next(f for f in folders if f.name == "b-seed0"), tmp_path / "runs" / "c-seed0")
    both = [next(f for f in folders if f.name == "b-seed0"), tmp_path / "runs" / "c-seed0"]
    with pytest.raises(MsaError, match="Several runs could be the masked reference"):
        evaluate.report(CORPUS, both, scores=tmp_path / "scores")
    assert list((tmp_path / "scores").iterdir()) == []


def test_what_was_not_kept_is_scored_again_or_asked_for(folders, tmp_path):
    run = next(f for f in folders if f.name == "b-seed0")
    whole = evaluate.report(CORPUS, [run], scores=tmp_path)
    path, store = tmp_path / "b-seed0.npz", Store(tmp_path, CORPUS)
    kept = Kept.read(path)
    few, other = (
        request_of(run, asked=("text",)),
        replace(request_of(run, asked=tuple(protocol())), variants=({"a": 1},)),
    )
    for request, found in (few, [{"text": np.zeros(90)}]), (other, [dict.fromkeys(protocol(), np.zeros(90))]):
        store.write("b-seed0", kept.manifest, request, found)
        with pytest.raises(MsaError, match="b-seed0.npz does not hold every condition or variant .* Delete the file"):
            evaluate.report(CORPUS, [], scores=tmp_path)
        assert evaluate.report(CORPUS, [run], scores=tmp_path) == whole
        assert Kept.read(path).conditions == kept.conditions


def protocol():
    return [c for found in protocols.conditions(tuple(PATTERNS)).values() for c in found]


def test_what_cannot_be_kept_is_said(folders, tmp_path, monkeypatch):
    run, store = folders[0], Store(tmp_path / "scores", CORPUS)
    (tmp_path / "file").write_text("")
    with pytest.raises(MsaError, match="Cannot write to .*file.* Give another --scores"):
        evaluate.report(CORPUS, [run], scores=tmp_path / "file")
    store.prepare()
    request = request_of(run, asked=("text",))
    with pytest.raises(MsaError, match="b says 4.00; scores must lie within ±3"):
        store.write("b", {}, request, [{"text": np.full(90, 4.0)}])
    path = store.write("b", {"sha256": {"model.safetensors": "x"}}, request, [{"text": np.full(90, 3.0)}])
    before = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(MsaError, match="Cannot write .*b.npz .No space left"):
        store.write("b", {}, request, [{"text": np.zeros(90)}])
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == ["b.npz"]


def changed(content, **facts):
    told = json.loads(bytes(content["facts"])) | facts
    return {"facts": np.frombuffer(json.dumps(told).encode(), np.uint8), "scores": content["scores"]}


DAMAGE = {
    "another archive": lambda c: {"x": np.zeros(3)},
    "no facts": lambda c: {**c, "facts": np.frombuffer(b"[1, 2]", np.uint8)},
    "nested facts": lambda c: {**c, "facts": np.frombuffer(b"[" * 200_000, np.uint8)},
    "pickle": lambda c: {**c, "facts": np.array([object()])},
    "fewer conditions": lambda c: {**c, "scores": c["scores"][:, :1]},
    "fewer utterances": lambda c: {**c, "scores": c["scores"][:, :, :1]},
    "floats": lambda c: {**c, "scores": c["scores"] / 1e4},
    "another version": lambda c: changed(c, format={"version": 0}),
    "no manifest": lambda c: changed(c, manifest=None),
    "manifest of something else": lambda c: changed(c, manifest={"sha256": {"model.safetensors": "x"}}),
    "no streams": lambda c: changed(c, features={}),
    "features of another kind": lambda c: changed(c, features=dict.fromkeys(STREAMS, ["a", "b", "c"])),
    "fewer features": lambda c: changed(c, features=dict.fromkeys(STREAMS, [1.0])),
    "conditions of another kind": lambda c: changed(c, conditions=dict.fromkeys(protocol(), 1)),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_wrong_file_is_named(damage, folders, tmp_path):
    evaluate.report(CORPUS, [folders[0]], scores=tmp_path)
    (path,) = tmp_path.iterdir()
    with np.load(path) as stored:
        content = dict(stored)
    np.savez_compressed(path, **DAMAGE[damage](content))
    with pytest.raises(MsaError, match=rf"{path.name} .* Delete the file"):
        evaluate.report(CORPUS, [], scores=tmp_path)


@pytest.mark.slow
def test_a_damaged_file_is_named(folders, tmp_path):
    """Cut anywhere, or any byte turned: refused, or the same scores."""
    run = folders[0]
    whole = evaluate.report(CORPUS, [run], scores=tmp_path)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    (tmp_path / "._b.npz").write_bytes(b"of a file manager")
    kept = Kept.read(path)
    for i in range(0, len(content), 7):
        for damaged in (content[:i], content[:i] + bytes([content[i] ^ 0xFF]) + content[i + 1 :]):
            path.write_bytes(damaged)
            try:
                found = Kept.read(path)
            except MsaError as e:
                assert "Delete the file" in str(e)
            else:
                assert np.array_equal(found.scores, kept.scores) and found.manifest == kept.manifest
    path.write_bytes(content)
    assert evaluate.report(CORPUS, [], scores=tmp_path) == whole


def retrained(run, folder, difference):
    """A run as another training would have left it: other weights, another end."""
    tensors, manifest = checkpoint.read(run)
    key = next(iter(tensors))
    manifest["selection"]["valid_mae"] += difference
    checkpoint.write(folder, tensors | {key: tensors[key] + difference}, manifest)


@pytest.mark.slow
def test_a_study_goes_on_from_kept_scores(tmp_path, monkeypatch, capsys):
    """On a second machine: what was kept is not trained, but for the teacher of a student that was not."""
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
    learn = ["study", *base, "--updates", "1", "--only", "corrkd", "--seeds"]
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
    assert main([*told[:-1]]) == 0 and main([*told, str(tmp_path / "three")]) == 2  # from the kept scores; no run there
    assert "three holds no trained run" in capsys.readouterr().err
    recipes[2] = recipes[2]._replace(loop={"epochs": 2})
    assert main([*learn, "2", "--out", str(tmp_path / "three")]) == 2
    said = capsys.readouterr().err
    assert "bare-seed0.npz was trained with epochs = 1, the recipe says 2. Delete the file" in said
    recipes[2] = recipes[2]._replace(loop=loop)
    (tmp_path / "scores" / "synthetic" / "s-seed1.npz").unlink()
    retrained(tmp_path / "two" / "t-seed1", tmp_path / "three" / "t-seed1", 0.1)
    assert main([*learn, "2", "--out", str(tmp_path / "three")]) == 2
    said = capsys.readouterr()
    assert "Teacher t-seed1 in" in said.err and "another run than the one kept in" in said.err
    assert "s-seed1" not in said.out
    retrained(tmp_path / "two" / "t-seed1", tmp_path / "three" / "t-seed1", 1e-6)  # the same on another processor
    assert main([*learn, "2", "--out", str(tmp_path / "three")]) == 0
    assert main([*told, str(tmp_path / "three")]) == 0
    capsys.readouterr()
    again = {r["label"]: r for r in json.loads((tmp_path / "out" / "synthetic.json").read_text())["rows"]}
    assert again["s"]["seeds"] == again["t"]["seeds"] == 2 and again["s"]["complete_model"] == "t"
    assert again["s"]["price"] == pytest.approx(again["s"]["complete"] / again["t"]["complete"] - 1, abs=1e-4)
    assert main([*told[:3], "--out", str(tmp_path / "out")]) == 2
    assert "No runs are given, and none are kept in None" in capsys.readouterr().err


def test_a_study_gives_the_same_weights_on_any_number_of_threads(tmp_path, monkeypatch):
    CORPUS.save(tmp_path / "corpus")
    seen = []
    monkeypatch.setattr(study, "train", lambda job, corpus: seen.append(torch.get_num_threads()) or "x: validation")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        list(study.command(tmp_path / "corpus", tmp_path / "runs", 1, only=["sdumc"], updates=1))
        assert set(seen) == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


KEPT_HERE = sorted((checkpoint.ROOT / "evaluation" / "scores").glob("*/*.npz"))


@pytest.mark.slow
def test_the_kept_scores_of_this_repository_are_those_of_its_recipes():
    labels = {r.run_name for m in METHODS.values() for r in m.recipes()}
    assert KEPT_HERE and sum(p.stat().st_size for p in KEPT_HERE) < 30e6
    for path in KEPT_HERE:
        run, result = Run.gone(Kept.read(path)), checkpoint.ROOT / "evaluation" / f"{path.parent.name}.json"
        assert run.manifest["corpus"]["name"] == path.parent.name and run.run_name in labels
        assert path.stem == f"{run.run_name}-seed{run.seed}"
        tested = json.loads(result.read_text())
        assert run.kept.scores.shape[2] == tested["n"] or tested["folds"]
        assert np.abs(np.where(run.kept.scores == NOTHING, 0, run.kept.scores)).max() <= 3 * UNIT
        assert len(np.unique(run.kept.scores)) > 100
