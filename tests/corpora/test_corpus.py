import json
import pickle

import numpy as np
import pytest
import torch
from synthetic import DIMS, corpus

from msa_core.batch import collate
from msa_core.corpora.corpus import Corpus
from msa_core.corpora.ragged import Ragged
from msa_core.errors import FeatureError, MsaError
from msa_core.features import COMPACT
from msa_core.schema import STREAMS, Stream, Utterance


def utterance(i, **streams):
    rng = np.random.default_rng(i)
    full = {
        s: Stream(rng.normal(size=(3 + i, w)).astype(np.float32), np.arange(3.0 + i)) for s, w in COMPACT.dims.items()
    }
    return Utterance(id=f"clip{i}", duration_s=3.0, feature_set=COMPACT.id, **{**full, **streams})


def test_ragged_round_trip(tmp_path):
    entries = [np.ones((2, 3)), np.zeros((0, 3)), np.full((4, 3), 2.5)]
    ragged = Ragged.of(entries, np.float16, 3)
    ragged.save(tmp_path, "x")
    for memmap in (False, True):
        again = Ragged.load(tmp_path, "x", memmap)
        assert len(again) == 3 and all(np.array_equal(again[i], e) for i, e in enumerate(entries))


def test_ragged_refuses_what_it_cannot_hold():
    with pytest.raises(MsaError, match="not finite in float16"):
        Ragged.of([np.full((1, 2), 1e6)], np.float16, 2)
    with pytest.raises(MsaError, match="shape"):
        Ragged.of([np.ones((1, 3))], np.float16, 2)
    with pytest.raises(MsaError, match="offsets end at 1"):
        Ragged(np.zeros((2, 2)), np.array([0, 1]))


def test_batch_is_the_concatenated_entries():
    c = corpus(30)
    batch = c.batch([5, 0, 17])
    for row, u in enumerate([5, 0, 17]):
        for s in STREAMS:
            parts = [c.pools[s][e] for e in c.index[s][u]]
            want = np.concatenate(parts) if parts else np.zeros((0, DIMS[s]))
            valid = batch.valid[s][row]
            assert valid.sum() == len(want) and valid[: len(want)].all()
            assert np.array_equal(batch.features[s][row, : len(want)].numpy(), want.astype(np.float32))
            assert (batch.features[s][row, len(want) :] == 0).all()
    assert batch.ids == ("u0005", "u0000", "u0017") and torch.equal(batch.label, torch.from_numpy(c.label[[5, 0, 17]]))


def test_augmentation_crops_audio_and_vision_only():
    c = corpus(40)
    plain, cropped = c.batch(np.arange(40)), c.batch(np.arange(40), np.random.default_rng(0))
    assert torch.equal(plain.features["text"], cropped.features["text"])
    before, after = plain.valid["audio"].sum(1), cropped.valid["audio"].sum(1)
    assert (after <= before).all() and (after < before).any() and (after >= 0.7 * before).all()
    row = int((after < before).nonzero()[0])
    whole, part = plain.features["audio"][row], cropped.features["audio"][row, : after[row]]
    assert any(torch.equal(whole[i : i + len(part)], part) for i in range(len(whole)))


def test_statistics_match_the_batches():
    c = corpus(50)
    rows = c.rows("train")
    batch = c.batch(rows)
    for s, (mean, std) in c.statistics(rows).items():
        frames = batch.features[s][batch.valid[s]].numpy()
        assert np.allclose(mean, frames.mean(0), atol=1e-4) and np.allclose(std, frames.std(0), atol=1e-4)


def test_corpus_round_trip_same_hashes_and_refusals(tmp_path):
    c = corpus(20)
    c.save(tmp_path / "a")
    c.save(tmp_path / "b")
    manifests = [json.loads((tmp_path / f / "manifest.json").read_text()) for f in "ab"]
    assert manifests[0]["sha256"] == manifests[1]["sha256"]
    again = Corpus.load(tmp_path / "a", COMPACT.id)
    assert torch.equal(again.batch([3, 4]).features["audio"], c.batch([3, 4]).features["audio"])
    assert again.manifest == c.manifest and np.array_equal(again.columns["rating_text"], c.columns["rating_text"])
    with pytest.raises(MsaError, match="has features 'compact-v1', 'large-v1' is needed.*Build it again"):
        Corpus.load(tmp_path / "a", "large-v1")
    with pytest.raises(MsaError, match="holds no corpus"):
        Corpus.load(tmp_path / "nowhere")
    values = np.load(tmp_path / "a" / "text.values.npy")
    np.save(tmp_path / "a" / "text.values.npy", values + 1)
    with pytest.raises(MsaError, match="text.values.npy was altered"):
        Corpus.load(tmp_path / "a")


def test_corpus_refuses_contradictions():
    c = corpus(10)
    facts = dict(
        name="x", feature_set=COMPACT.id, ids=c.ids, label=c.label, split=c.split, pools=c.pools, index=c.index
    )
    with pytest.raises(MsaError, match="ids repeat"):
        Corpus(**{**facts, "ids": np.array(["same"] * 10)})
    with pytest.raises(MsaError, match="unknown split 'dev'"):
        Corpus(**{**facts, "split": np.array(["dev"] * 10)})
    with pytest.raises(MsaError, match="index does not fit"):
        Corpus(**{**facts, "index": {**c.index, "text": Ragged.of([[10_000]] * 10, np.int64)}})


def test_collate_absent_modality_is_one_invalid_zero_frame():
    batch = collate([utterance(0, vision=Stream.absent("no face"))])
    assert batch.features["vision"].shape == (1, 1, COMPACT.vision_dim) and not batch.valid["vision"].any()
    assert batch.present.tolist() == [[True, True, False]] and batch.label is None


def test_collate_pads_and_drops_simulated_text_without_audio():
    batch = collate([utterance(0), utterance(2, audio=Stream.absent("silent"))])
    assert batch.valid["text"].sum(1).tolist() == [3, 5]
    assert batch.valid["simulated"].any(1).tolist() == [True, False] and (batch.features["simulated"][1] == 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_collate_refuses_bad_numbers_and_shapes(bad):
    values = np.zeros((2, COMPACT.text_dim), np.float32)
    values[1, 3] = bad
    with pytest.raises(FeatureError, match="text of clip0 holds NaN or infinity"):
        collate([utterance(0, text=Stream(values, np.arange(2.0)))])
    with pytest.raises(FeatureError, match=r"shape \(2, 5\)"):
        collate([utterance(0, text=Stream(np.zeros((2, 5), np.float32), np.arange(2.0)))])


def test_examples_are_the_rows_of_a_batch_without_padding():
    own = corpus(40)
    rows, found = own.rows("train"), list(own.examples("train"))
    batch = own.batch(rows)
    assert [e["id"] for e in found] == list(batch.ids) and len(list(own.examples())) == 40
    for i, example in enumerate(found):
        assert example["label"] == batch.label[i].item() and example["split"] == "train"
        assert example["rating_text"] == own.columns["rating_text"][rows[i]]
        for stream in STREAMS:
            real = batch.features[stream][i][batch.valid[stream][i]].numpy()
            assert example[stream].dtype == np.float32 and np.array_equal(example[stream], real)
    assert any(e["vision"].shape == (0, DIMS["vision"]) for e in own.examples())
    again = pickle.loads(pickle.dumps(own.examples))  # as a library that hashes or spreads its generator does
    assert next(again("test"))["split"] == "test"
    with pytest.raises(MsaError, match="has no 'holdout' utterances"):
        next(own.examples("holdout"))
