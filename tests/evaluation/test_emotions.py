"""From the community's files to F1: IEMOCAP by emotion, CH-SIMS on its scale, each against scikit-learn."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import community_files as community
import numpy as np
import pytest
import torch
from published_layouts import dump
from sklearn.metrics import accuracy_score, f1_score

from msa_core import methods, missing
from msa_core.__main__ import main
from msa_core.corpora.corpus import Corpus
from msa_core.evaluation import emotions, metrics
from msa_core.methods.card import card
from msa_core.missing import PATTERNS

TINY = [
    "--set",
    "epochs=1",
    "--set",
    "d_model=8",
    "--set",
    "n_heads=2",
    "--set",
    "d_feedforward=8",
    "--set",
    "batch=16",
]


def run(*arguments: object) -> None:
    assert main([str(a) for a in arguments]) == 0


def taught(method: str, corpus: Path, runs: Path, *settings: str) -> None:
    """Train a teacher on complete input and its student, one epoch each."""
    off = {"corrkd": "distil=false", "promma": "prompted=false"}[method]
    run("train", method, "--corpus", corpus, "--out", runs, "--label", f"{method} t", *TINY, *settings,
        "--set", off, "--set", "regime=complete")  # fmt: skip
    run("train", method, "--corpus", corpus, "--out", runs, "--label", method, *TINY, *settings,
        "--teacher", f"{method} t")  # fmt: skip


@torch.no_grad()
def decisions(folder: Path, corpus: Corpus) -> dict[str, np.ndarray]:
    """The plain way: logits of the test utterances under every pattern, one batch, the larger of two."""
    model, _ = methods.load(folder, corpus.feature_set)
    batch = corpus.batch(corpus.rows("test"))
    return {p: model(missing.pattern(batch, p)).logits.argmax(-1).numpy() for p in PATTERNS}


def test_iemocap_from_the_file_to_f1_by_emotion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = dump(tmp_path / "iemocap_data.pkl", community.iemocap())
    run("import", path, "--out", tmp_path / "corpus", "--name", "iemocap")
    taught("corrkd", tmp_path / "corpus", tmp_path / "runs")
    assert "corrkd-seed0: validation cross-entropy 0." in capsys.readouterr().out
    run("evaluate", "--corpus", tmp_path / "corpus", "--runs", tmp_path / "runs", "--out", tmp_path / "out")
    result = json.loads((tmp_path / "out" / "iemocap-emotions.json").read_text())
    corpus = Corpus.load(tmp_path / "corpus")
    true = corpus.label[corpus.rows("test")]
    rows = {row["label"]: row for row in result["rows"]}
    assert list(rows) == ["constant", "corrkd t", "corrkd"] and result["patterns"] == list(PATTERNS)
    for label in ("corrkd t", "corrkd"):
        for pattern, said in decisions(tmp_path / "runs" / f"{label}-seed0", corpus).items():
            for i, emotion in enumerate(corpus.emotions):
                found = rows[label]["table"][pattern][emotion]
                assert found["f1"] == pytest.approx(f1_score(true[:, i], said[:, i], average="weighted"))
                assert found["accuracy"] == pytest.approx(accuracy_score(true[:, i], said[:, i]))
    most = (corpus.label[corpus.rows("train")].mean(0) > 0.5) * np.ones_like(true)
    assert rows["constant"]["table"]["text"]["sad"]["f1"] == pytest.approx(
        f1_score(true[:, 2], most[:, 2], average="weighted")
    )
    described = card(tmp_path / "runs" / "corrkd-seed0")
    assert "log odds from -3 to 3 of each emotion (neutral, happy, sad, angry)" in described
    assert "| left | cross-entropy |" in described and "MAE" not in described.split("## Measured")[1].split("##")[0]
    printed = capsys.readouterr().out
    assert [line.split("|")[1] for line in printed.splitlines() if "F1" in line] == [
        f" {e}, F1 in % " for e in corpus.emotions
    ]
    assert (tmp_path / "out" / "iemocap-emotions.md").read_text().endswith(emotions.tables(result) + "\n")


def test_only_seeds_of_one_training_are_averaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = tmp_path / "runs"
    run("import", dump(tmp_path / "iemocap_data.pkl", community.iemocap()), "--out", tmp_path / "c", "--name", "i")
    how = ["train", "corrkd", "--corpus", tmp_path / "c", "--out", runs, "--label", "a", *TINY]
    run(*how, "--set", "distil=false", "--set", "regime=complete")
    evaluated = ["evaluate", "--corpus", str(tmp_path / "c"), "--runs", str(runs), "--out", str(tmp_path / "out")]
    shutil.copytree(runs / "a-seed0", runs / "a-seed1")
    assert main(evaluated) == 2
    assert "a-seed0 and a-seed1 are both of seed 0. Remove one of them." in capsys.readouterr().err
    shutil.rmtree(runs / "a-seed1")
    run(*how, "--set", "distil=false", "--set", "regime=complete", "--set", "lr=0.01", "--set", "seed=1")
    assert main(evaluated) == 2
    assert "a-seed0 and a-seed1 have one run name but other settings" in capsys.readouterr().err


def test_what_emotions_cannot_do_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("import", dump(tmp_path / "f.pkl", community.iemocap()), "--out", tmp_path / "c", "--name", "iemocap")
    how = ["--corpus", str(tmp_path / "c"), "--out", str(tmp_path / "runs")]
    for arguments, said in (
        (["train", "sdumc", *how], "sdumc learns scores, and iemocap has emotions (neutral, happy, sad, angry). Train"),
        (["train", "corrkd", *how, "--set", "distil=false", "--name", "x"], "Leave --name out."),
        (
            ["train", "corrkd", *how, "--set", "distil=false", "--set", 'emotions=["sad"]'],
            "emotions is ['sad'], iemocap",
        ),
        (["evidence", *how[:2], "--runs", str(tmp_path), "--label", "x", "--out", str(tmp_path / "o")], "no column"),
    ):
        capsys.readouterr()
        assert main(arguments) == 2
        assert said in capsys.readouterr().err, arguments


@pytest.mark.slow
@pytest.mark.parametrize("v2", [False, True])
def test_sims_from_the_file_to_f1(tmp_path: Path, v2: bool) -> None:
    """ProMMA and CorrKD with their teachers; the metrics are those of CH-SIMS on its own scale."""
    path = dump(tmp_path / ("simsv2_unaligned.pkl" if v2 else "unaligned_39.pkl"), community.sims(v2=v2))
    run("import", path, "--out", tmp_path / "corpus", "--name", "sims")
    for method in ("promma", "corrkd"):
        taught(method, tmp_path / "corpus", tmp_path / "runs")
    run(
        "evaluate", "--corpus", tmp_path / "corpus", "--runs", tmp_path / "runs", "--out", tmp_path / "out", "--jobs", 1
    )
    result = json.loads((tmp_path / "out" / "sims.json").read_text())
    assert result["scale"] == "sims" and result["metrics"] == list(metrics.SIMS_NAMES)
    corpus = Corpus.load(tmp_path / "corpus")
    true = np.round(corpus.label[corpus.rows("test")] / 3, 6)
    rows = {row["label"]: row for row in result["rows"]}
    for label in ("promma", "corrkd"):
        model, _ = methods.load(tmp_path / "runs" / f"{label}-seed0", corpus.feature_set)
        with torch.no_grad():
            scores = model(missing.pattern(corpus.batch(corpus.rows("test")), "text+audio")).score.numpy()
        said = np.round(np.round(scores, 4) / 3, 6)
        expected = f1_score(true > 0, said > 0, average="weighted")
        assert rows[label]["table"]["text+audio"]["f1"] == pytest.approx(expected, abs=1e-4)
