"""Corpora of real utterances: no leak, folds by video, repairs counted, padding not valid, labels mapped."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from paths import DATA

from msa_core.corpora import mmmo, mosei_videos, mosi, sentences, stored_features
from msa_core.corpora.corpus import Corpus
from msa_core.corpora.texts import SPLITS
from msa_core.errors import MsaError
from msa_core.evaluation.text_benchmark import ridge
from msa_core.schema import MODALITIES, STREAMS


def needs(file: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not (DATA / file).is_file(), reason=f"research data {file} are not on this machine")


def disjoint(corpus: Corpus) -> None:
    """A video is in one fold, every utterance is tested once, and each seed has three parts."""
    fold, video = corpus.columns["fold"], corpus.columns["video"]
    assert all(len(set(fold[video == v])) == 1 for v in set(video))
    assert corpus.n_folds == 5 and np.array_equal(corpus.for_seed(0).split, corpus.split)
    tested = np.concatenate([corpus.for_seed(seed).rows("test") for seed in range(5)])
    assert sorted(tested) == list(range(len(corpus)))
    for seed in range(5):
        own = corpus.for_seed(seed)
        parts = [set(video[own.rows(s)]) for s in ("train", "valid", "test")]
        assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]


# MOSI ---------------------------------------------------------------------------------------------------------------


def mosi_arrays(n_train: int = 20, n_test: int = 7) -> dict[str, np.ndarray]:
    """Videos of one to four utterances; every vector begins with the number of its row."""
    names = [(f"v{k:02d}_x", "train" if k < n_train else "test") for k in range(n_train + n_test)]
    rows = [(f"{video}_{s}", part) for k, (video, part) in enumerate(names) for s in range(1 + k % 4)]
    found = {"id": np.array([r[0] for r in rows]), "poria_split": np.array([r[1] for r in rows])}
    found["label"] = np.linspace(-3, 3, len(rows), dtype=np.float32)
    for name, width in (("text_cnn100", 100), ("audio_opensmile73", 73), ("video_3dcnn100", 100)):
        found[name] = np.full((len(rows), width), 7, np.float32)
        found[name][:, 0] = np.arange(len(rows))
    return found


def stored(data: Path, file: str, arrays: dict[str, np.ndarray]) -> Path:
    (data / file).parent.mkdir(parents=True, exist_ok=True)
    np.savez(data / file, **arrays)
    return data


def test_mosi_refuses_the_split_that_leaks(tmp_path: Path) -> None:
    with pytest.raises(MsaError, match=r"558 of its 686 test.*94 % from text and 84 %.*split='poria'.*split='cv'"):
        mosi.build(tmp_path, tmp_path / "out", split="std")
    with pytest.raises(MsaError, match="Unknown split 'x' of MOSI. Valid splits: poria, cv"):
        mosi.build(tmp_path, tmp_path / "out", split="x")
    assert not (tmp_path / "out").exists()
    leaky = mosi_arrays()
    leaky["poria_split"][1] = "test"  # the first utterance of a video of two
    with pytest.raises(MsaError, match="Video 'v01_x' is in poria train and in poria test"):
        mosi.assemble(leaky)


def test_mosi_has_the_test_of_its_features_and_validation_by_video(tmp_path: Path) -> None:
    given = mosi_arrays()
    corpus = mosi.build(stored(tmp_path, mosi.FILE, given), tmp_path / "out")
    assert (corpus.name, corpus.n_folds) == ("mosi", 0)
    assert np.array_equal(corpus.split == "test", given["poria_split"] == "test")
    video = corpus.columns["video"]
    assert len(set(video[corpus.split == "valid"])) == 3  # 15 % of 20
    assert not set(video[corpus.split == "valid"]) & set(video[corpus.split == "train"])
    assert (
        corpus.manifest["labels_seen_by_extractors"]["test"]
        == 0
        < corpus.manifest["labels_seen_by_extractors"]["valid"]
    )
    batch = corpus.batch(np.arange(len(corpus)))
    assert bool(batch.present.all()) and not bool(batch.valid["simulated"].any())
    assert corpus.dims == {"text": 100, "audio": 73, "vision": 100, "simulated": 100}
    for stream in MODALITIES:
        assert batch.features[stream][:, 0, 0].tolist() == corpus.columns["row"].tolist()
    assert np.array_equal(corpus.label, given["label"])
    other = mosi.assemble(given, seed=1)
    assert (other.split != corpus.split).any() and np.array_equal(mosi.assemble(given).split, corpus.split)


def test_mosi_cv_holds_no_video_that_an_extractor_saw(tmp_path: Path) -> None:
    given = mosi_arrays(n_test=15)
    corpus = mosi.build(stored(tmp_path, mosi.FILE, given), tmp_path / "out", split="cv")
    rows = np.flatnonzero(given["poria_split"] == "test")
    assert corpus.name == "mosi-cv" and corpus.columns["row"].tolist() == rows.tolist()
    assert corpus.ids.tolist() == given["id"][rows].tolist() and np.array_equal(corpus.label, given["label"][rows])
    assert corpus.batch([3]).features["text"][0, 0, 0] == rows[3]
    assert corpus.manifest["removed"] == {"utterances whose labels the extractors saw": len(given["id"]) - len(rows)}
    disjoint(corpus)
    with pytest.raises(MsaError, match="2 videos do not fill 5 folds"):
        mosi.assemble(mosi_arrays(n_test=2), "cv")


def test_mosi_names_what_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(MsaError, match=r"mosi_utt_features.npz is missing"):
        mosi.build(tmp_path, tmp_path / "out")
    given = mosi_arrays()
    some = {k: v for k, v in given.items() if k != "video_3dcnn100"}
    with pytest.raises(MsaError, match="has no array 'video_3dcnn100'"):
        mosi.build(stored(tmp_path, mosi.FILE, some), tmp_path / "out")
    (tmp_path / mosi.FILE).write_bytes(b"no zip")
    with pytest.raises(MsaError, match="cannot be read as arrays"):
        mosi.build(tmp_path, tmp_path / "out")
    with pytest.raises(MsaError, match=r"the score 3\.5; it must be from -3 to 3"):
        mosi.assemble(given | {"label": np.full(len(given["id"]), 3.5)})
    with pytest.raises(MsaError, match="poria_split is 'valid'"):
        mosi.assemble(given | {"poria_split": np.full(len(given["id"]), "valid")})


def test_folds_are_balanced_and_seeded() -> None:
    videos = np.repeat([f"v{k}" for k in range(40)], [1 + k % 9 for k in range(40)])
    fold = stored_features.folds(videos, 5)
    sizes = np.bincount(fold.astype(int))
    assert np.ptp(sizes) <= 1 and np.array_equal(fold, stored_features.folds(videos, 5))
    order = np.random.default_rng(0).permutation(len(videos))
    assert np.array_equal(stored_features.folds(videos[order], 5), fold[order])  # names decide, not places
    assert (stored_features.folds(videos, 5, seed=1) != fold).any()


# Videos of MOSEI ----------------------------------------------------------------------------------------------------


def mosei_arrays(n: int = 20) -> dict[str, np.ndarray]:
    """Column 7 of the voice is mostly -inf, column 3 once; video 4 has no face but a time stamp."""
    rng = np.random.default_rng(0)
    voice, face = rng.normal(size=(n, 40)).astype(np.float32), rng.normal(size=(n, 35)).astype(np.float32)
    voice[: n // 2 + 1, 7], voice[2, 3] = -np.inf, -np.inf
    face[4] = 0
    face[:, mosei_videos.CLOCK] = 60
    return {
        "id": np.array([f"video{k}" for k in range(n)]),
        "std_split": np.array(["train", "?"] * (n // 2)),
        "sentiment_video_mean": np.linspace(-2, 2, n, dtype=np.float32),
        "language_bert768": rng.normal(size=(n, 768)).astype(np.float32),
        "acoustic_covarep40": voice,
        "visual_openface35": face,
    }


def test_mosei_videos_are_repaired_and_counted(tmp_path: Path) -> None:
    given = mosei_arrays()
    corpus = mosei_videos.build(stored(tmp_path, mosei_videos.FILE, given), tmp_path / "out")
    assert corpus.name == "mosei-922" and corpus.dims == {"text": 768, "audio": 39, "vision": 35, "simulated": 768}
    assert corpus.manifest["repaired"]["audio"] == {
        "not_finite": {"3": 1, "7": 11}, "dropped_columns": [7], "set_to_0": 1,
    }  # fmt: skip
    batch = corpus.batch(np.arange(len(corpus)))
    heard = np.delete(given["acoustic_covarep40"], 7, axis=1)
    heard[2, 3] = 0
    assert np.array_equal(batch.features["audio"][:, 0].numpy(), heard)
    assert (~batch.present[:, 2]).nonzero().tolist() == [[4]] and bool(batch.present[:, :2].all())
    assert corpus.manifest["absent"] == {"vision": 1} and corpus.manifest["standard_split"] == {"?": 10, "train": 10}
    assert np.array_equal(corpus.label, given["sentiment_video_mean"])
    disjoint(corpus)


def test_a_repair_knows_no_label_and_gives_up_on_nothing_but_infinities() -> None:
    values = np.array([[1.0, np.nan, -np.inf], [2.0, 3.0, np.inf]])
    kept, facts = mosei_videos.repaired(values)
    assert kept.tolist() == [[1, 0], [2, 3]]  # exactly half is repaired, more is dropped
    assert facts == {"not_finite": {"1": 1, "2": 2}, "dropped_columns": [2], "set_to_0": 1}
    with pytest.raises(MsaError, match="All 2 columns of a feature.*are mostly not finite"):
        mosei_videos.repaired(np.full((3, 2), np.nan))


# MMMO ---------------------------------------------------------------------------------------------------------------


def mmmo_arrays() -> dict[str, np.ndarray]:
    """4 + 8 clips of 20 steps; the first validation clip is padded at both ends and has a moment without a face."""
    rng = np.random.default_rng(0)
    found = {"y_train": np.ones(6)}
    for part, n in (("valid", 4), ("test", 8)):
        for name, width in (("text", 300), ("audio", 74), ("video", 36)):
            found[f"{name}_{part}"] = rng.uniform(0.1, 1, (n, 20, width)).astype(np.float32)
        found[f"y_{part}"] = np.linspace(1, 5, n, dtype=np.float32)
    for name in ("text", "audio", "video"):
        found[f"{name}_valid"][0, :3] = found[f"{name}_valid"][0, 18:] = 0
    found["video_valid"][0, 9] = 0
    found["video_test"][2] = 0
    found["audio_test"][1, 5, 7] = -255
    found["audio_test"][1, 6, 0] = 255  # pitch may be that high
    return found


def test_mmmo_padding_is_not_valid_and_everything_is_counted(tmp_path: Path) -> None:
    given = mmmo_arrays()
    corpus = mmmo.build(stored(tmp_path, mmmo.FILE, given), tmp_path / "out")
    assert corpus.name == "mmmo-120" and corpus.dims == {"text": 300, "audio": 74, "vision": 36, "simulated": 300}
    assert corpus.ids.tolist() == [f"mmmo-valid-{k}" for k in range(4)] + [f"mmmo-test-{k}" for k in range(8)]
    batch = corpus.batch(np.arange(12))
    assert [int(batch.valid[s][0].sum()) for s in STREAMS] == [15, 15, 14, 0]
    assert np.array_equal(batch.features["text"][0, :15].numpy(), given["text_valid"][0, 3:18])
    seen = np.delete(given["video_valid"][0, 3:18], 6, axis=0)
    assert np.array_equal(batch.features["vision"][0, :14].numpy(), seen)
    assert (~batch.present).nonzero().tolist() == [[6, 2]]  # the third test clip has no face at all
    assert batch.features["audio"][5, 5, 7] == 0 and batch.features["audio"][5, 6, 0] == 255
    facts = corpus.manifest
    assert facts["removed"] == {
        "training clips without text": 6, "padding_steps": {"before": 3, "after": 2}, "padded_clips": 1,
        "unobserved_steps_inside": {"text": 0, "audio": 0, "vision": 21},
    }  # fmt: skip
    assert facts["repaired"] == {"audio": {"minus_infinity_set_to_0": 1, "columns": [7]}}
    assert facts["absent"] == {"text": 0, "audio": 0, "vision": 1}
    disjoint(corpus)


def test_mmmo_labels_become_scores() -> None:
    assert mmmo.label_of(np.array([1, 1.5, 3, 4, 5])).tolist() == [-3, -2.25, 0, 1.5, 3]
    with pytest.raises(MsaError, match=r"has the label 0\.5; it must be from 1 to 5"):
        mmmo.label_of(np.array([3, 0.5]))


def test_mmmo_names_what_is_damaged() -> None:
    short = mmmo_arrays()
    short["video_valid"], short["video_test"] = short["video_valid"][:, :19], short["video_test"][:, :19]
    with pytest.raises(MsaError, match=r"not in step: text \(12, 20, 300\).*vision \(12, 19, 36\)"):
        mmmo.assemble(short)
    empty = mmmo_arrays()
    for name in ("text", "audio", "video"):
        empty[f"{name}_test"][3] = 0
    with pytest.raises(MsaError, match="mmmo-test-3 in .* has no observed step at all"):
        mmmo.assemble(empty)


# Sentences ----------------------------------------------------------------------------------------------------------


class Letters:
    """An encoder with one token a word: the number of its letters and the place of its first one."""

    dim = 2
    calls = 0

    def __init__(self, directory: object = None) -> None:
        """Load nothing."""

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        Letters.calls += 1
        assert texts == sorted(texts, key=len)  # sentences of like length go together
        return [np.array([[len(w), ord(w[0]) - 96] for w in t.split()], float) for t in texts]


@pytest.fixture
def talks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six utterances of either corpus; the words of one are an aside only."""
    monkeypatch.setattr(sentences, "TextEncoder", Letters)
    monkeypatch.setattr(sentences.weights, "minilm_directory", lambda: None)
    said = [("a", "train", "ITS FUN"), ("a", "train", "(UMM)"), ("b", "train", "GOOD"), ("c", "valid", "I DONT KNOW"),
            ("d", "test", "GOOD"), ("d", "test", "BAD ENDING")]  # fmt: skip
    for name, head, opened in (
        ("mosi/mosi_utterances.csv", ("id", "video_id", "text", "label", "std_split"), open),
        ("mosei/mosei_utterances.csv.gz", ("clip_id", "video_id", "text", "label", "mode"), gzip.open),
    ):
        (tmp_path / name).parent.mkdir()
        with opened(tmp_path / name, "wt", encoding="utf-8", newline="") as f:
            rows = csv.writer(f)
            rows.writerow(head)
            for k, (video, split, text) in enumerate(said):
                words = text if "mosi/" in name else text.capitalize().replace("Its", "It's").replace("dont", "don't")
                rows.writerow([f"{video}_{k}" if "mosi/" in name else k, video, words, k / 2 - 1, split])
    return tmp_path


@pytest.mark.parametrize("name", sorted(sentences.NAMES))
def test_sentences_are_normalised_and_alone(talks: Path, name: str) -> None:
    corpus = sentences.build(talks, talks / name, name)
    assert corpus.name == name and corpus.feature_set == sentences.FEATURE_SET
    assert corpus.split.tolist() == ["train"] * 3 + ["valid"] + ["test"] * 2
    assert corpus.ids.tolist() == ["a_0", "a_1", "b_2", "c_3", "d_4", "d_5"]
    assert corpus.label.tolist() == [-1, -0.5, 0, 0.5, 1, 1.5]
    assert corpus.columns["video"].tolist() == [0, 0, 1, 2, 3, 3] and corpus.columns["row"].tolist() == list(range(6))
    batch = corpus.batch(np.arange(6))
    assert batch.present.tolist() == [[k != 1, False, False] for k in range(6)]  # only an aside: no text
    assert batch.features["text"][0, :2].tolist() == [[4, 9], [3, 6]]  # it's fun
    assert batch.features["text"][3, :3].tolist() == [[1, 9], [5, 4], [4, 11]]  # i don't know
    assert corpus.dims == {"text": 2, "audio": 1, "vision": 1, "simulated": 2}
    assert corpus.pools["text"].values.dtype == np.float16 and len(corpus.pools["text"]) == 4
    facts = corpus.manifest
    assert facts["absent"] == {"text": 1} and facts["repeated_sentences"] == 1 and facts["test_words_in_training"] == 1
    assert facts["utterances"] == {"train": 3, "valid": 1, "test": 2}
    calls = Letters.calls
    sentences.build(talks, talks / name, name)
    assert Letters.calls == calls  # everything came from the cache


def test_sentences_refuse_what_they_do_not_know(talks: Path) -> None:
    with pytest.raises(MsaError, match="Unknown corpus 'mosi' of sentences. Valid corpora: mosi-text, mosei-text"):
        sentences.build(talks, talks / "out", "mosi")
    with pytest.raises(MsaError, match="'good' has no token vectors"):
        found = {t: np.zeros((1, 2)) for t in ("it's fun", "i don't know", "bad ending")}
        sentences.assemble(sentences.read(talks, "mosi"), found, 2)


# Real data ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs(mosi.FILE)
def test_real_mosi(tmp_path: Path) -> None:
    corpus = mosi.build(DATA, tmp_path / "mosi")
    assert [len(corpus.rows(s)) for s in SPLITS] == [1254, 193, 752]
    assert corpus.manifest["videos"] == {"train": 53, "valid": 9, "test": 31}
    held = mosi.build(DATA, tmp_path / "cv", "cv")
    assert sorted(held.ids) == sorted(corpus.ids[corpus.rows("test")]) and len(set(held.columns["video"])) == 31
    assert min(held.manifest["folds"]["utterances"]) > 140
    disjoint(held)


@pytest.mark.slow
@needs(mosi.FILE)
def test_real_mosi_validation_is_not_to_be_trusted(tmp_path: Path) -> None:
    """What the documentation of `mosi` says: its validation videos were seen by the extractors, `mosi-cv` has none."""

    def correlations(corpus: Corpus, stream: str) -> list[float]:
        x, y = corpus.pools[stream].values.astype(np.float64), corpus.label.astype(np.float64)
        train, valid, test = (corpus.rows(s) for s in SPLITS)
        x = (x - x[train].mean(0)) / np.maximum(x[train].std(0), 1e-4)
        weight, bias, _ = ridge(x[train], y[train], x[valid], y[valid])
        return [float(np.corrcoef(x[rows] @ weight + bias, y[rows])[0, 1]) for rows in (valid, test)]

    leaky, clean = mosi.build(DATA, tmp_path / "mosi"), mosi.build(DATA, tmp_path / "cv", "cv")
    assert correlations(leaky, "vision") == pytest.approx([0.69, 0.07], abs=0.02)
    assert correlations(leaky, "text") == pytest.approx([0.88, 0.60], abs=0.02)
    assert max(correlations(clean, "vision")) < 0.3


@needs(mosei_videos.FILE)
def test_real_mosei_videos(tmp_path: Path) -> None:
    corpus = mosei_videos.build(DATA, tmp_path / "videos")
    assert len(corpus) == 922 and corpus.dims["audio"] == 39 and corpus.manifest["absent"] == {"vision": 4}
    assert corpus.manifest["repaired"]["audio"] == {"not_finite": {"7": 653}, "dropped_columns": [7], "set_to_0": 0}
    disjoint(corpus)


@needs(mmmo.FILE)
def test_real_mmmo(tmp_path: Path) -> None:
    corpus = mmmo.build(DATA, tmp_path / "mmmo")
    assert len(corpus) == 120 and np.abs(corpus.label).max() == 3
    assert corpus.manifest["removed"]["padding_steps"] == {"before": 108, "after": 68}
    assert corpus.manifest["repaired"]["audio"] == {"minus_infinity_set_to_0": 11, "columns": [7]}
    assert corpus.manifest["absent"] == {"text": 0, "audio": 0, "vision": 0}
    disjoint(corpus)


@pytest.mark.slow
@needs("mosei/mosei_utterances.csv.gz")
@pytest.mark.parametrize("name", sorted(sentences.NAMES))
def test_real_sentences(name: str) -> None:
    benchmark = sentences.read(DATA, sentences.NAMES[name])
    vectors = {t: np.zeros((1, 1)) for p in benchmark.parts.values() for t in p.texts}
    corpus = sentences.assemble(benchmark, vectors, 1)
    sizes = {"mosi-text": [1284, 229, 686], "mosei-text": [16274, 1861, 4653]}
    assert [len(corpus.rows(s)) for s in SPLITS] == sizes[name] and corpus.manifest["absent"] == {"text": 0}
    assert len(corpus) - len(corpus.pools["text"]) == corpus.manifest["repeated_sentences"]
