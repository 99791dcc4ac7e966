"""Text alone: top layers that learn, epochs by validation, runs that load, parts that do not leak, honest tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from paths import DATA
from sklearn.linear_model import Ridge
from text_corpora import sentences, write_corpora

from msa_core import checkpoint
from msa_core.corpora import text_parts
from msa_core.errors import CheckpointError, FeatureError, MsaError
from msa_core.evaluation import metrics, text_benchmark
from msa_core.feature_training import text as text_training
from msa_core.feature_training.text import Rated, TextTraining, load, lower, pad, predict
from msa_core.features import weights
from msa_core.features.text import TextEncoder

needs_data = pytest.mark.skipif(not (DATA / "mosi").is_dir(), reason="research corpora are not on this machine")
DEBUG = TextTraining(layers=1, epochs=3, batch_size=8, head_dim=8, n_mosei=8, ema=0.5)


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder(weights.minilm_directory())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpora(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def runs(data: Path, encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of fine-tuning on both corpora, and the baselines."""
    out = tmp_path_factory.mktemp("runs")
    for corpus in ("mosi", "mosei"):
        own = replace(DEBUG, n_mosei=8 if corpus == "mosi" else 0)
        for seed in (0, 1):
            text_benchmark.fit(data, corpus, seed, out, lambda line: None, own, encoder)
        text_benchmark.baselines(data, corpus, 2, out, lambda line: None, replace(own, layers=0), encoder)
    return out


def rated(encoder: TextEncoder, layers: int = 1) -> Rated:
    texts, ratings = zip(*sentences(), strict=True)
    return Rated(lower(encoder, texts, layers), np.array(ratings, np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("layers", [0, 1, 6])
def test_frozen_and_top_layers_together_are_minilm(encoder: TextEncoder, layers: int) -> None:
    texts = ["Not a good film at all, I think.", "Fine", "?!", "cool " * 300]
    network = text_training.TextNetwork(encoder, replace(DEBUG, layers=layers))
    scores, tokens = predict(network, lower(encoder, texts, layers))
    assert scores.shape == (4,) and (np.abs(scores) <= 3).all()
    for found, expected in zip(tokens, encoder.encode(texts), strict=True):
        assert len(found) == min(len(expected), 254)
        np.testing.assert_allclose(found[:100], expected[:100] if len(expected) < 254 else found[:100], atol=0.02)


def test_padding_and_order_change_nothing(encoder: TextEncoder) -> None:
    network = text_training.TextNetwork(encoder, DEBUG).eval()
    states = lower(encoder, ["good", "a much longer sentence than the other one", ""], 1)
    x, valid, words = pad(states)
    assert words.sum(1).tolist() == [1, 8, 1] and valid.sum(1).tolist() == [3, 10, 2]
    together = network(x, valid, words)[0]
    poisoned = torch.where(valid.unsqueeze(-1), x, 1e3)
    torch.testing.assert_close(network(poisoned, valid, words)[0], together)
    for k, s in enumerate(states):
        torch.testing.assert_close(network(*pad([s]))[0][0], together[k], atol=1e-5, rtol=0)


@pytest.mark.slow
def test_it_overfits_a_few_sentences(encoder: TextEncoder) -> None:
    known, settings = rated(encoder), replace(DEBUG, epochs=12, rate=5e-4, head_rate=5e-3, dropout=0.0)
    before = encoder.model.encoder.layer[-1].output.dense.weight.clone()
    network, history = text_training.train(encoder, known, known, settings)
    assert history[-1]["valid_mae"] < 0.3 < history[0]["valid_mae"]
    assert torch.equal(before, encoder.model.encoder.layer[-1].output.dense.weight)  # the encoder itself is untouched
    moved = dict(network.top[0].named_parameters())["output.dense.weight"]
    assert float((moved - before).abs().max()) > 1e-4


def test_the_best_epoch_is_chosen_by_validation_alone(encoder: TextEncoder) -> None:
    known = rated(encoder)
    against = known._replace(ratings=-known.ratings)  # the more is learned, the worse it gets here
    network, history = text_training.train(encoder, known, against, replace(DEBUG, epochs=4))
    errors = [h["valid_mae"] for h in history]
    assert min(errors) == errors[0] < errors[-1]
    scores = predict(network, against.states)[0]
    assert float(np.abs(scores - against.ratings).mean()) == pytest.approx(errors[0], abs=0.01)  # float16 weights


@pytest.mark.slow
def test_the_same_seed_gives_the_same_network(encoder: TextEncoder) -> None:
    known = rated(encoder)
    first, again, other = (
        predict(text_training.train(encoder, known, known, replace(DEBUG, seed=s))[0], known.states)[0]
        for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_every_sentence_is_in_one_batch_an_epoch() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, 501).tolist()
    found = list(text_training._batches(lengths, 8, np.random.default_rng(0)))
    assert sorted(np.concatenate(found).tolist()) == list(range(501))
    assert np.mean([np.ptp([lengths[i] for i in rows]) for rows in found]) < 8  # of similar length
    rates = [text_training._rate(step, 100, 0.1) for step in range(100)]
    assert int(np.argmax(rates)) in (9, 10) and max(rates) == 1 and 0 < rates[0] <= 0.1 and 0 < rates[-1] < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["mosi", "mosei"])
def test_a_stored_run_gives_its_predictions_again(runs: Path, data: Path, encoder: TextEncoder, corpus: str) -> None:
    parts = text_parts.read_parts(data, corpus)
    for label in ("text", "frozen"):
        folder = runs / f"{label}-{corpus}-seed1"
        scorer, manifest = load(folder, encoder), checkpoint.read_manifest(folder)
        golden, _ = checkpoint.read(folder, checkpoint.GOLDEN)
        for split in ("valid", "test"):
            scores, tokens = scorer(parts[split].texts)
            np.testing.assert_allclose(scores, golden[split].numpy(), atol=2e-3)
            assert [t.shape[1] for t in tokens] == [384] * 8 and tokens[0].dtype == np.float32
        validation = manifest["metrics"]["validation"]
        assert validation["mae"] == pytest.approx(
            metrics.mae(golden["valid"].numpy(), parts["valid"].ratings), abs=1e-5
        )
        said = scorer(list(manifest["examples"]))[0]
        np.testing.assert_allclose(said, list(manifest["examples"].values()), atol=2e-3)
        assert "research only" in manifest["data"]["licence"] and manifest["settings"]["seed"] == 1
    tensors, _ = checkpoint.read(runs / f"text-{corpus}-seed1")
    assert {v.dtype for v in tensors.values()} == {torch.float16}
    assert all(k.startswith(("top.0.", "project.", "gate.", "score.")) for k in tensors)


def test_mosei_beside_mosi_shares_no_video_and_no_sentence(data: Path) -> None:
    benchmark = text_parts.read(data, "mosi", n_mosei=100)
    assert benchmark.facts["mosei_same_video"] == 1 and benchmark.facts["mosei_same_sentence"] == 1
    assert benchmark.extra is not None and len(benchmark.extra.ids) == benchmark.facts["n_mosei"] == 22
    held_out = [benchmark.parts[s] for s in ("valid", "test")]
    assert not set(benchmark.extra.videos) & {v for part in held_out for v in part.videos}
    assert not set(benchmark.extra.texts) & {t for part in held_out for t in part.texts}
    fewer = text_parts.read(data, "mosi", n_mosei=5).extra
    assert fewer is not None and fewer.ids == benchmark.extra.ids[:5]
    assert text_parts.read(data, "mosi").extra is None


def test_seen_test_sentences_are_counted_and_left_out(runs: Path, data: Path) -> None:
    benchmark = text_parts.read(data, "mosei")
    assert benchmark.seen.tolist() == [False] * 7 + [True] and benchmark.facts["test_seen"] == 1
    folder = runs / "text-mosei-seed0"
    scores = checkpoint.read(folder, checkpoint.GOLDEN)[0]["test"].numpy()
    found = checkpoint.read_manifest(folder)["metrics"]
    truth = benchmark.parts["test"].ratings
    assert found["test"]["mae"] == pytest.approx(metrics.mae(scores, truth), abs=1e-5)
    assert found["test_unseen"]["mae"] == pytest.approx(metrics.mae(scores[:-1], truth[:-1]), abs=1e-5)


def test_the_report_is_means_over_seeds(runs: Path, tmp_path: Path) -> None:
    results = text_benchmark.command(runs, tmp_path)
    assert [r["corpus"] for r in results] == ["mosi-text", "mosei-text"]
    for result, corpus in zip(results, ("mosi", "mosei"), strict=True):
        assert result["split"] == "test" and result["n"] == 8 and result["rows"][0]["table"]["text"]["pearson"] is None
        rows = {r["label"]: r for r in result["rows"]}
        assert {k: (r["kind"], r["seeds"]) for k, r in rows.items()} == {
            "constant": ("constant", 0),
            "ridge": ("baseline", 1),
            "frozen": ("baseline", 2),
            "text": ("method", 2),
        }
        of = [checkpoint.read_manifest(runs / f"text-{corpus}-seed{s}")["metrics"]["test"] for s in (0, 1)]
        assert list(rows["text"]["table"]["text"]) == list(metrics.NAMES)
        for name in metrics.NAMES:
            assert rows["text"]["table"]["text"][name] == pytest.approx(np.mean([m[name] for m in of]))
            assert rows["text"]["sd"]["text"][name] == pytest.approx(np.std([m[name] for m in of], ddof=1))
        assert rows["ridge"]["sd"] is None
        assert json.loads((tmp_path / f"{corpus}-text.json").read_text()) == result
        table = (tmp_path / f"{corpus}-text.md").read_text()
        mean, sd = rows["text"]["table"]["text"]["mae"], rows["text"]["sd"]["text"]["mae"]
        assert f"| {mean:.3f} ± {sd:.3f} |" in table and "| Constant (training mean) | " in table
        assert ("without 1 utterances" in table) == (corpus == "mosei")


def test_ridge_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    x, x_valid = rng.normal(1, 1, (60, 9)), rng.normal(1, 1, (20, 9))
    true = rng.normal(size=9)
    y, y_valid = x @ true + rng.normal(size=60), x_valid @ true
    weight, bias, penalty = text_benchmark.ridge(x, y, x_valid, y_valid)
    reference = Ridge(alpha=penalty).fit(x, y)
    np.testing.assert_allclose(weight, reference.coef_, atol=1e-9)
    assert bias == pytest.approx(reference.intercept_)
    errors = {p: np.abs(Ridge(alpha=p).fit(x, y).predict(x_valid) - y_valid).mean() for p in text_benchmark.PENALTIES}
    assert penalty == min(errors, key=lambda p: errors[p])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"label": "nan"}, r"mosi_utterances.csv, line 2: the rating is 'nan'; it must be a number from -3 to 3"),
        ({"label": "4.5"}, "the rating is '4.5'"),
        ({"label": "good"}, "the rating is 'good'"),
        ({"text": ""}, "line 2 has no text. Restore the file."),
        ({"std_split": "dev"}, "std_split is 'dev'; it must be one of train, valid, test"),
        ({"video_id": "mosi-test-8"}, "video 'mosi-test-8' is in train and in test"),
    ],
)
def test_corrupted_data_are_refused(tmp_path: Path, changed: dict[str, str], message: str) -> None:
    with pytest.raises(MsaError, match=message):
        text_parts.read(write_corpora(tmp_path, **changed), "mosi", 8)


def test_what_cannot_be_is_refused(data: Path, runs: Path, tmp_path: Path, encoder: TextEncoder) -> None:
    with pytest.raises(MsaError, match="Unknown corpus 'imdb'. Valid corpora: mosi, mosei"):
        text_benchmark.fit(data, "imdb", 0, tmp_path, encoder=encoder)
    with pytest.raises(MsaError, match="mosi_utterances.csv is missing"):
        text_benchmark.fit(tmp_path, "mosi", 0, tmp_path, encoder=encoder)
    with pytest.raises(FeatureError, match="layers is 9, but the text model has 6"):
        lower(encoder, ["a"], 9)
    with pytest.raises(MsaError, match="smooth is -1"):
        TextTraining(smooth=-1.0)
    with pytest.raises(MsaError, match="ema is 1.0"):
        TextTraining(ema=1.0)
    with pytest.raises(MsaError, match="holds no run of 'mosi'"):
        text_benchmark.command(tmp_path, tmp_path / "out")
    with pytest.raises(CheckpointError, match="is a 'ridge' checkpoint, not 'text'"):
        load(runs / "ridge-mosi-seed0", encoder)
    known = rated(encoder)
    with pytest.raises(MsaError, match="The loss of epoch 1 is nan. Give a rate below"):
        text_training.train(encoder, known._replace(ratings=known.ratings * np.nan), known, DEBUG)


def test_an_altered_run_is_refused(data: Path, encoder: TextEncoder, runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "text-mosi-seed0"
    tensors, manifest = checkpoint.read(runs / folder.name)
    checkpoint.write(folder, {k: v for k, v in tensors.items() if k != "gate.bias"}, manifest)
    with pytest.raises(CheckpointError, match="does not fit 384-d MiniLM"):
        load(folder, encoder)
    (folder / checkpoint.MODEL).write_bytes(b"x")
    with pytest.raises(CheckpointError, match="was altered"):
        load(folder, encoder)


@pytest.mark.slow
@needs_data
def test_the_standard_splits() -> None:
    mosi, mosei = text_parts.read(DATA, "mosi", 4000), text_parts.read(DATA, "mosei")
    assert mosi.facts["n"] == {"train": 1284, "valid": 229, "test": 686} and mosi.facts["test_seen"] == 0
    assert mosi.facts["mosei_same_video"] == 0 and mosi.facts["mosei_same_sentence"] == 5
    assert mosei.facts["n"] == {"train": 16274, "valid": 1861, "test": 4653} and mosei.facts["test_seen"] == 46
