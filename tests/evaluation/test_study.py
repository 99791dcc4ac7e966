import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from synthetic import corpus

from msa_core import checkpoint
from msa_core.__main__ import main
from msa_core.errors import MsaError
from msa_core.evaluation import evaluate, study
from msa_core.methods import KINDS, METHODS, Recipe
from msa_core.methods.base import Method
from msa_core.missing import INCOMPLETE

CORPUS = corpus(150)


def test_recipes_are_sound():
    labels = [r.run_name for m in METHODS.values() for r in m.recipes()]
    assert len(set(labels)) == len(labels)
    for name, method in METHODS.items():
        for recipe in method.recipes():
            assert recipe.kind in KINDS and recipe.title
            study.loop_of(recipe, CORPUS, 0)
            assert recipe.teacher is None or recipe.teacher in [r.run_name for r in method.recipes()]
            assert name != "promma" or "(reconstruction)" in recipe.title
    assert Method.recipes.__func__(METHODS["sdumc"])[0].kind == "method"  # what a method without its own recipes has


def test_the_plan_has_what_the_corpus_can_have(tmp_path):
    first, second = study.plan(CORPUS, tmp_path, seeds=2)
    labels = {j.recipe.run_name for j in first}
    assert {"late fusion", "masked late fusion", "sdumc", "corrkd-teacher", "promma-teacher"} < labels
    assert {f"late fusion, {p} only" for p in INCOMPLETE} < labels and {j.seed for j in first} == {0, 1}
    assert {"corrkd", "promma (reconstruction)"} < {j.recipe.run_name for j in second}
    assert all(j.recipe.teacher in labels for j in second)
    main_rows = study.plan(CORPUS, tmp_path, 1, ablations=False, only=["sdumc"])
    assert [j.recipe.run_name for stage in main_rows for j in stage] == ["sdumc"]
    with pytest.raises(MsaError, match="Unknown method 'sdcum'. Valid methods: baseline, sdumc"):
        study.plan(CORPUS, tmp_path, 1, only=["sdcum"])


def test_a_small_corpus_gets_enough_updates():
    recipe = METHODS["sdumc"].recipes()[0]
    loop = study.loop_of(recipe, CORPUS, seed=3)
    steps = math.ceil(len(CORPUS.rows("train")) / loop.batch)
    assert loop.batch == 16 and loop.epochs * steps >= study.UPDATES > (loop.epochs - 1) * steps
    assert loop.warmup_epochs == pytest.approx(loop.epochs / 7) and loop.seed == 3
    large = study.loop_of(recipe, corpus(2200), seed=0)
    assert large.batch == 64


def test_every_recipe_gets_the_settings_of_a_study(tmp_path):
    settings = {"error": "huber", "input_dropout": [0.4, 0.1, 0.1]}
    jobs = sum(study.plan(CORPUS, tmp_path, 1, settings=settings, updates=1200), [])
    for job in jobs:
        loop, config = study.settings_for(job, CORPUS)
        assert loop.error == "huber" and config.input_dropout == (0.4, 0.1, 0.1)
        assert loop.epochs * math.ceil(len(CORPUS.rows("train")) / loop.batch) >= 1200
        assert loop.regime == job.recipe.loop.get("regime", loop.regime)
    with pytest.raises(MsaError, match="LateFusionConfig has no setting 'input_droput'"):
        study.plan(CORPUS, tmp_path, 1, settings={"input_droput": 0})
    with pytest.raises(MsaError, match="error is 'absolute'; choose one of: squared, huber"):
        study.plan(CORPUS, tmp_path, 1, settings={"error": "absolute"})
    with pytest.raises(MsaError, match="regime differs between the recipes"):
        study.plan(CORPUS, tmp_path, 1, settings={"regime": "text"})


@pytest.mark.slow
def test_study_trains_skips_what_is_there_and_evaluates(tmp_path, monkeypatch, capsys):
    folded = corpus(60)
    folded.columns["fold"] = np.arange(60) % 3.0  # type: ignore[index]
    folded.save(tmp_path / "corpus")
    folders = ["--corpus", str(tmp_path / "corpus"), "--out", str(tmp_path / "runs")]
    argv = ["study", *folders, "--seeds", "1", "--updates", "1"]
    assert main([*argv, "--only", "baseline"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3 * 11 and said[0].startswith("late fusion-seed0: validation MAE ")
    assert main([*argv, "--only", "baseline"]) == 0 and capsys.readouterr().out == ""
    result = evaluate.command(tmp_path / "corpus", tmp_path / "runs", tmp_path / "out", jobs=1)
    assert result["folds"] == 3 and result["n"] == 60 and result["specialists"] is not None
    assert checkpoint.read_manifest(tmp_path / "runs" / "late fusion-seed1")["corpus"]["fold"] == 1


@pytest.mark.slow
def test_a_study_refuses_runs_of_other_settings_and_goes_on_after_a_failure(tmp_path, monkeypatch, capsys):
    CORPUS.save(tmp_path / "corpus")
    small = METHODS["corrkd"].Config.debug()
    teacher, student = (
        Recipe("t", "T", "complete", {**asdict(small), "distil": False}, {"regime": "complete"}),
        Recipe("s", "S", "method", asdict(small), {"epochs": 1}, "t"),
    )
    recipes = [teacher._replace(loop={"regime": "complete", "epochs": 1}), student]
    monkeypatch.setattr(METHODS["corrkd"], "recipes", classmethod(lambda cls: recipes))
    folders = ["--corpus", str(tmp_path / "corpus"), "--out", str(tmp_path / "runs")]
    argv = ["study", *folders, "--seeds", "1", "--updates", "1"]
    argv += ["--only", "corrkd"]
    fit, calls = study.fit, []

    def failing(method, corpus, folder, *rest):
        calls.append(folder.name)
        if folder.name == "t-seed0" and len(calls) == 1:
            raise MsaError("The loss is not finite.")
        return fit(method, corpus, folder, *rest)

    monkeypatch.setattr(study, "fit", failing)
    assert main(argv) == 2  # the teacher fails, and its student with it
    said = capsys.readouterr()
    assert "t-seed0: failed: The loss is not finite." in said.out and "2 runs failed" in said.err
    assert main(argv) == 0 and "s-seed0: validation MAE" in capsys.readouterr().out
    recipes[1] = student._replace(loop={"epochs": 2})
    assert main(argv) == 2
    assert "s-seed0 was trained with epochs = 1, the recipe says 2. Move it away" in capsys.readouterr().err
    replace(CORPUS, name="other").save(tmp_path / "corpus")
    assert main(argv) == 2 and "trained on another corpus" in capsys.readouterr().err
