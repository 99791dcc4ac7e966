"""Text layers: halves that do not meet, corpora read right, noise, classes, a checkpoint that gives its scores."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from paths import DATA
from text_corpora import write_corpora

from msa_core import checkpoint
from msa_core.corpora import text_parts, tuning_texts
from msa_core.corpora.texts import read_texts, tunes_layers
from msa_core.errors import CheckpointError, FeatureError, MsaError
from msa_core.evaluation import text_layers as measured
from msa_core.feature_training.frozen_readers import FrozenReaders
from msa_core.feature_training.text import Rated, TextNetwork, lower, pad
from msa_core.feature_training.text_layers import Corpus, LayersTraining, OrderedLogit, _Run, scores, train
from msa_core.feature_training.text_noise import Noise
from msa_core.features import TUNED, text_layers, weights
from msa_core.features.text import TextEncoder, normalise
from msa_core.methods.shipped import SHIPPED_RUNS, load_verified

needs_data = pytest.mark.skipif(not (DATA / "meld").is_dir(), reason="research corpora are not on this machine")
DEBUG = LayersTraining(layers=1, epochs=2, batch_size=8, head_dim=8, ema=0.5)


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as f:
        table = csv.DictWriter(f, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def write_all(data: Path, **emobank: str) -> Path:
    """The four corpora in small; `emobank` replaces values of EmoBank's first row."""
    write_corpora(data)
    lines = [("Hey!", "positive"), ("You\x92ve got mail\x85", "neutral"), ("I hate it", "negative"), ("...", "neutral")]
    for part, name in tuning_texts.MELD.items():
        said = [*lines, (f"only in {part}", "neutral"), ("said in both parts", "positive")]
        columns = [("Utterance", "Sentiment", "Dialogue_ID", "Utterance_ID")] * len(said)
        write_table(
            data / name,
            [dict(zip(c, (*s, "0", str(k)), strict=True)) for k, (c, s) in enumerate(zip(columns, said, strict=True))],
        )
    rows = [
        {
            "id": f"doc{k}_1_2",
            "split": "dev" if k % 4 == 3 or k > 11 else "train",
            "V": v,
            "text": f"Sentence {k} of a text.",
        }
        for k, v in enumerate(("3.0", "5", "1.2", "2.5") * 4)
    ]
    rows[0] |= emobank
    write_table(data / tuning_texts.EMOBANK, rows)
    return data


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder(weights.minilm_directory())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def stored(data: Path, encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a short training on the small corpora, through one network."""
    return measured.fit(data, tmp_path_factory.mktemp("out"), lambda line: None, DEBUG, encoder, readers())


def readers() -> FrozenReaders:
    return FrozenReaders({name: load_verified(name, "cpu").model for name in [SHIPPED_RUNS["masked late fusion"]]})


def test_about_half_of_the_videos_tune_and_the_choice_is_fixed() -> None:
    names = [f"video{k}" for k in range(1000)]
    assert 450 < sum(map(tunes_layers, names)) < 550
    assert [tunes_layers(v) for v in names[:8]] == [True, False, True, True, True, False, True, False]


def test_corpora_come_on_one_scale_and_what_is_held_out_does_not_train(data: Path) -> None:
    parts, counts = tuning_texts.read(data)
    assert {c: set(p) for c, p in parts.items()} == {
        "mosi": {"train", "valid", "test"},
        "mosei": {"train", "valid", "test"},
        "meld": {"train", "valid"},
        "emobank": {"train", "valid"},
    }
    meld = parts["meld"]
    assert meld["valid"].texts == ("hey", "you've got mail", "i hate it", "only in valid", "said in both parts")
    assert meld["valid"].ratings.tolist() == [1.5, 0, -1.5, 0, 1.5]
    assert meld["train"].texts == ("hey", "only in train")  # the others are held out; a word or two is everybody's
    assert parts["emobank"]["train"].ratings[:3] == pytest.approx([0, 3, -3])  # 3 x (V - 3), limited to 3
    assert parts["emobank"]["valid"].ratings == pytest.approx([-1.5, -1.5, -1.5, 0, 3, -3, -1.5])
    tuned, everything = parts["mosi"]["train"], text_parts.read_parts(data, "mosi")["train"]
    assert {v: tunes_layers(v) for v in everything.videos} == {v: v in tuned.videos for v in everything.videos}
    assert counts["composing"] > 0 and counts["held_out"] > 0


@pytest.mark.slow
@needs_data
def test_no_sentence_for_composing_tunes_the_layers() -> None:
    parts, counts = tuning_texts.read(DATA)
    tuning = {t for p in parts.values() for t in p["train"].texts}
    composing = [t for t in read_texts(DATA) if t.split != "train" or not tunes_layers(t.video)]
    assert len(composing) > 10_000 and not tuning & {t.words for t in composing}
    assert 500 < len(parts["mosi"]["train"].ids) < 750 and counts["composing"] > 8000
    assert {c: len(p["valid"].ids) for c, p in parts.items()} == {
        "mosi": 229,
        "mosei": 1861,
        "meld": 1107,
        "emobank": 997,
    }


@pytest.mark.parametrize("changed", [{"V": "seven"}, {"V": "0.5"}, {"split": "other"}])
def test_a_foreign_emobank_is_refused(tmp_path: Path, changed: dict[str, str]) -> None:
    write_all(tmp_path, **changed)
    with pytest.raises(MsaError, match=f"line 2: V is .*{next(iter(changed.values()))}.* as it is published"):
        tuning_texts.read(tmp_path)


def test_a_missing_corpus_is_named(tmp_path: Path) -> None:
    write_corpora(tmp_path)
    with pytest.raises(MsaError, match="train_sent_emo.csv is missing. --data must hold mosi, mosei, meld, emobank"):
        tuning_texts.read(tmp_path)


def test_noise_changes_its_share_of_sentences_and_stays_in_the_vocabulary() -> None:
    texts = [f"i don't like the {w} story of them" for w in ("first", "final", "fifth", "second")]
    rng = np.random.default_rng(0)
    assert [Noise(texts, 0.0)(t, rng) for t in texts] == texts
    noise = Noise(texts, 1.0, 0.4)
    found = [noise(texts[0], rng) for _ in range(300)]
    assert sum(t != texts[0] for t in found) > 270 and all(t == normalise(t) and t for t in found)
    assert any("dont" in t for t in found) and any("final" in t or "fifth" in t for t in found)
    assert any(len(t.split()) < 8 for t in found) and noise("hey", rng)


def test_ordered_logit_gives_chances_that_add_up() -> None:
    logit = OrderedLogit()
    scores = torch.tensor([-3.0, -0.5, 0.0, 0.2, 3.0])
    with torch.no_grad():
        chances = torch.stack([torch.exp(-logit(scores, torch.full((5,), k))) for k in range(3)])
    torch.testing.assert_close(chances.sum(0), torch.ones(5), atol=1e-5, rtol=0)
    assert chances.argmax(0).tolist()[0] == 0 and chances.argmax(0).tolist()[-1] == 2
    assert chances[0, 2] == pytest.approx(float(chances[2, 2]), abs=1e-6)  # symmetric before training


def test_loss_weighs_corpora_and_shares_the_ordered_logit(encoder: TextEncoder) -> None:
    corpora = {
        "a": Corpus(["good", "bad"], np.array([2.0, -2.0], np.float32)),
        "b": Corpus(["hey", "no"], np.array([1.5, -1.5], np.float32), True),
    }
    settings = replace(DEBUG, weights=(2.0, 1.0), ordinal=0.25, smooth=0.0)
    run = _Run(encoder, corpora, settings, FrozenReaders({}))
    scores, both = torch.tensor([1.0, 1.0]), torch.tensor([0, 2])
    logit = run.logit(torch.tensor([1.0]), torch.tensor([2])).item()
    assert run.loss(scores, both).item() == pytest.approx((2 * 1.0 + 0.75 * 0.5 + 0.25 * logit) / 2)


def test_a_file_of_the_recipe_stays_below_ten_megabytes(encoder: TextEncoder) -> None:
    network = TextNetwork(encoder, measured.RECIPE)
    assert sum(p.numel() for p in network.parameters()) * 2 < 10e6  # float16


@pytest.mark.parametrize("wrong", [{"ordinal": 1.5}, {"noisy": -0.1}, {"stay": -1.0}, {"weights": (1.0, -1.0)}])
def test_settings_outside_their_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(MsaError, match="give"):
        replace(DEBUG, **wrong)  # type: ignore[arg-type]


def test_staying_is_measured_in_units_of_the_variance(encoder: TextEncoder) -> None:
    run = _Run(encoder, {"a": Corpus(["good film"], np.ones(1, np.float32))}, DEBUG, FrozenReaders({}))
    x, valid, words = pad(lower(encoder, ["a good film", "hey you"], DEBUG.layers))
    run.network.eval()
    tokens = run.network(x, valid, words)[1]
    assert run.moved(x, valid, words, tokens).item() == pytest.approx(0, abs=1e-9)
    shifted = tokens + tokens[words].var(0).mean().sqrt()
    assert run.moved(x, valid, words, shifted).item() == pytest.approx(1, rel=1e-4)


def test_layers_learn_for_the_readers_while_those_stay(encoder: TextEncoder) -> None:
    """Readers that say the opposite of the ratings come nearer to them; their own weights stay as they were."""
    through = readers()
    before = {k: v.clone() for model in through.models.values() for k, v in model.state_dict().items()}
    texts = ["i love this film", "what a great day", "i hate this film", "what an awful day"] * 4
    ratings = np.array([-2.0, -2.0, 2.0, 2.0] * 4, np.float32)
    valid = {"a": Rated(lower(encoder, texts[:4], 1), ratings[:4])}
    settings = replace(DEBUG, epochs=8, rate=1e-3, noisy=0.0, warm_up=0.0)
    network, history = train(encoder, {"a": Corpus(texts, ratings)}, valid, settings, readers=through)
    assert history[-1]["relative"] < 0.8 * history[0]["relative"]
    found = scores(network, through, valid["a"].states)
    assert found.shape == (2, 4) and (found[1] * ratings[:4] > 0).all()
    after = {k: v for model in through.models.values() for k, v in model.state_dict().items()}
    assert all(torch.equal(v, after[k]) for k, v in before.items())


def test_weights_are_one_a_corpus(encoder: TextEncoder) -> None:
    with pytest.raises(MsaError, match="3 weights for 1 corpora"):
        train(encoder, {"a": Corpus(["x"], np.zeros(1, np.float32))}, {}, replace(DEBUG, weights=(1.0, 1.0, 1.0)))


def test_a_validation_part_of_one_rating_is_refused(encoder: TextEncoder) -> None:
    same = Rated([np.zeros((3, 384), np.float16)] * 2, np.ones(2, np.float32))
    with pytest.raises(MsaError, match="All sentences of b's validation part have one rating"):
        train(encoder, {"a": Corpus(["x"], np.zeros(1, np.float32))}, {"b": same}, DEBUG)


@pytest.mark.slow
def test_a_stored_checkpoint_gives_its_golden_scores_and_token_vectors(stored: Path, encoder: TextEncoder) -> None:
    manifest = checkpoint.read_manifest(stored)
    golden, _ = checkpoint.read(stored, checkpoint.GOLDEN)
    tuned = TextEncoder(weights.minilm_directory(), layers=stored)
    np.testing.assert_allclose(tuned.score(measured.REMARKS), golden["scores"], atol=2e-3)
    assert manifest["examples"] == pytest.approx(dict(zip(measured.REMARKS, golden["scores"].tolist(), strict=True)))
    np.testing.assert_allclose(np.concatenate(tuned.encode(measured.REMARKS)), golden["tokens"], atol=0.02)
    plain = np.concatenate(encoder.encode(measured.REMARKS))
    assert np.abs(plain - golden["tokens"].numpy()).max() > 0.05  # the layers have learned
    assert golden["ids"].shape[0] == len(measured.REMARKS) and (stored / checkpoint.MODEL).stat().st_size < 10e6


@pytest.mark.slow
def test_a_manifest_names_data_licences_and_every_measure(stored: Path) -> None:
    manifest = json.loads((stored / checkpoint.MANIFEST).read_text())
    assert manifest["kind"] == "text-layers" and len(manifest["epochs"]) == DEBUG.epochs
    assert set(manifest["data"]["licences"]) == {"mosi, mosei", "meld", "emobank"}
    rows = manifest["metrics"]["rows"]
    assert set(rows) == {"mosi valid", "mosi test", "mosei valid", "mosei test", "meld valid", "emobank valid"}
    through = SHIPPED_RUNS["masked late fusion"]
    assert manifest["through"] == {through: checkpoint.read_manifest(through)["sha256"][checkpoint.MODEL]}
    both = {f"{through}, {tokens}" for tokens in (measured.BEFORE, measured.AFTER)}
    assert set(rows["meld valid"]) >= {"constant", "ridge", measured.HEAD} | both
    assert manifest["metrics"]["test"]["mosi_mae"] == rows["mosi test"][measured.HEAD]["mae"]
    assert f"| meld valid | {measured.HEAD} |" in measured.markdown(rows)


@pytest.mark.slow
def test_another_checkpoint_is_refused_as_layers() -> None:
    with pytest.raises(CheckpointError, match="expression-ferplus-v1 is a .* not 'text-layers'"):
        TextEncoder(weights.minilm_directory(), layers="expression-ferplus-v1")


def test_layers_of_another_width_are_refused(tmp_path: Path, encoder: TextEncoder) -> None:
    network = TextNetwork(encoder, DEBUG)
    tensors = {k: v.half() for k, v in network.state_dict().items()} | {"gate.weight": torch.zeros(1, 3)}
    checkpoint.write(tmp_path / "narrow", tensors, {"kind": "text-layers", "settings": {"layers": 1}})
    with pytest.raises(CheckpointError, match="does not fit a text model of 6 layers"):
        TextEncoder(weights.minilm_directory(), layers=tmp_path / "narrow")


def test_the_shipped_layers_were_tuned_through_the_shipped_networks() -> None:
    manifest = checkpoint.read_manifest(text_layers.CHECKPOINT)
    networks = measured.shipped_readers().models
    assert manifest["through"] == {n: checkpoint.read_manifest(n)["sha256"][checkpoint.MODEL] for n in networks}
    assert text_layers.CHECKPOINT in TUNED.extractors and manifest["feature_set"] == TUNED.base
    rows = manifest["metrics"]["rows"]
    for part in ("meld valid", "emobank valid", "mosi test", "mosei test"):
        before, after = ([rows[part][f"{n}, {t}"] for n in networks] for t in (measured.BEFORE, measured.AFTER))
        mae = [np.mean([row["mae"] for row in found]) for found in (before, after)]
        assert mae[1] < mae[0] and mae[1] < rows[part]["constant"]["mae"], part
        assert all(new["pearson"] > old["pearson"] for old, new in zip(before, after, strict=True)), part


def test_scoring_without_layers_names_the_way_out(encoder: TextEncoder) -> None:
    with pytest.raises(FeatureError, match="layers='text-layers-v1'"):
        encoder.score(["hey"])


def test_measures_match_a_count_of_pairs() -> None:
    ratings, scores = np.array([-2.0, -1.0, 0.0, 0.1, 1.0, 2.0]), np.array([-1.0, 0.5, 0.7, -2.0, 0.5, 3.0])
    found = measured.measures(scores, ratings)
    assert found["auc"] == pytest.approx(3.5 / 4)  # of four pairs three are right and one is a tie
    assert found["mae"] == pytest.approx(np.abs(scores - ratings).mean())
    assert (found["neutral_within_1"], found["neutral_within_half"]) == (0.5, 0.0)
    assert found["pearson"] == pytest.approx(np.corrcoef(scores, ratings)[0, 1])
    constant = measured.measures(np.zeros(6), ratings)
    assert "auc" not in constant and math.isclose(constant["mae"], np.abs(ratings).mean())
