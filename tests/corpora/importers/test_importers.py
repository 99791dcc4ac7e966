"""Feature files -> corpus: values equal, padding never valid, what is zero absent, what is wrong refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from feature_files import Content, dump, extracted_folder, mmsa, npz, save_npz, utterance

from msa_core.corpora import importers
from msa_core.corpora.corpus import SPLITS, Corpus
from msa_core.corpora.importers import contents
from msa_core.corpora.importers import mmsa as mmsa_reader
from msa_core.errors import MsaError
from msa_core.features import COMPACT, store
from msa_core.schema import MODALITIES


def frames(corpus: Corpus, row: int, modality: str) -> np.ndarray:
    """The valid frames of an utterance, through the public batch."""
    batch = corpus.batch([row])
    return batch.features[modality][0, batch.valid[modality][0]].numpy()


def rows(content: Content):
    """Every utterance of a dict: its number in the corpus, its split and its number there."""
    number = 0
    for split in SPLITS:
        for i in range(len(content[split]["id"])):
            yield number, split, i
            number += 1


def real(content: Content, split: str, i: int, modality: str) -> np.ndarray:
    """What the frames of an utterance must be."""
    part = content[split]
    length = (
        int(part[f"{modality}_lengths"][i]) if f"{modality}_lengths" in part else int(part["text_bert"][i, 1].sum())
    )
    return part[modality][i, :length].astype(np.float32)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("protocol", [2, 5])
def test_mmsa_values_come_back_and_padding_is_never_valid(tmp_path: Path, aligned: bool, protocol: int) -> None:
    content = mmsa(aligned=aligned)
    read = importers.read(dump(tmp_path / "small.pkl", content, protocol), "small")
    read.save(tmp_path / "corpus")
    corpus = Corpus.load(tmp_path / "corpus", "mmsa-small-6-5-20")
    assert corpus.digest == read.digest and corpus.dims == {"text": 6, "audio": 5, "vision": 20, "simulated": 6}
    batch = corpus.batch(np.arange(len(corpus)))
    assert batch.present.all() and not batch.valid["simulated"].any()
    for number, split, i in rows(content):
        assert corpus.ids[number] == content[split]["id"][i] and corpus.split[number] == split
        assert corpus.label[number] == content[split]["regression_labels"][i]
        for modality in MODALITIES:
            expected = real(content, split, i, modality)
            assert np.array_equal(frames(corpus, number, modality), expected)
            n = len(expected)
            assert batch.valid[modality][number].tolist() == [t < n for t in range(batch.valid[modality].shape[1])]
            assert not batch.features[modality][number, n:].any()
    how = corpus.manifest["lengths"]
    assert how["text"] == "mask of text_bert"
    assert how["audio"] == ("frames of the text (mask of text_bert)" if aligned else "audio_lengths")
    assert corpus.manifest["utterances"] == {"train": 5, "valid": 3, "test": 4}
    assert corpus.manifest["scale"] == "mosi" and corpus.manifest["score_factor"] == 1.0
    assert len(corpus.manifest["source"]["sha256"]) == 64


def test_utterances_of_a_video_share_a_number(tmp_path: Path) -> None:
    corpus = importers.read(dump(tmp_path / "f.pkl", mmsa()))
    assert corpus.name == "f" and corpus.feature_set == "mmsa-f-6-5-20"
    assert corpus.columns["speaker"].tolist() == [0, 0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 6]
    assert corpus.manifest["videos"] == 7
    for name, video in (
        ("a$_$3", "a"),
        ("a_b$_$3", "a_b"),
        ("a[3]", "a"),
        ("a_b_3", "a_b"),
        ("_x_3", "_x"),
        ("a", "a"),
    ):
        assert contents.video(name) == video


def test_sims_is_scaled_to_three_and_keeps_its_own_ratings(tmp_path: Path) -> None:
    content = mmsa((6, 33, 709), sims=True)
    corpus = mmsa_reader.read(dump(tmp_path / "f.pkl", content), "sims")
    assert corpus.manifest["scale"] == "sims" and corpus.manifest["score_factor"] == 3.0
    for number, split, i in rows(content):
        assert corpus.label[number] == np.float32(3 * np.float64(content[split]["regression_labels"][i]))
        for modality, ending in zip(MODALITIES, "TAV", strict=True):
            rating = content[split][f"regression_labels_{ending}"][i]
            assert corpus.columns[f"rating_{modality}"][number] == 3 * rating
    for part in content.values():
        for ending in "TAV":
            del part[f"regression_labels_{ending}"]
    assert mmsa_reader.read(dump(tmp_path / "f.pkl", content), "sims").manifest["scale"] == "sims"  # none beyond 1


def test_a_modality_of_zeros_is_absent(tmp_path: Path) -> None:
    content = mmsa()
    content["train"]["vision"][1] = 0
    content["test"]["text"][2] = 0
    content["test"]["audio"][0], content["test"]["audio_lengths"][0] = 0, 0
    corpus = importers.read(dump(tmp_path / "f.pkl", content))
    present = corpus.batch(np.arange(len(corpus))).present.numpy()
    assert np.argwhere(~present).tolist() == [[1, 2], [8, 1], [10, 0]]
    assert corpus.manifest["absent"] == {"text": 1, "audio": 1, "vision": 1}
    for number, split, i in rows(content):
        if present[number, 2]:  # the entries after the gap are still the right ones
            assert np.array_equal(frames(corpus, number, "vision"), real(content, split, i, "vision"))


def test_a_zero_frame_inside_is_a_frame(tmp_path: Path) -> None:
    content = mmsa()
    for part in content.values():
        part["audio_lengths"] = [6] * len(part["id"])
        part["audio"][:, :6], part["audio"][:, 6:] = 1.0, 0.0
        part["audio"][:, 2], part["audio"][:, 5] = 0.0, 0.0
    corpus = importers.read(dump(tmp_path / "f.pkl", content))
    assert corpus.batch([0]).valid["audio"].sum() == 6 and not frames(corpus, 0, "audio")[[2, 5]].any()


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_file_without_a_modality(tmp_path: Path, modality: str) -> None:
    content = mmsa()
    for part in content.values():
        part.pop(modality)
        part.pop("text_bert" if modality == "text" else f"{modality}_lengths")
    corpus = importers.read(dump(tmp_path / "f.pkl", content))
    widths = {"text": 6, "audio": 5, "vision": 20} | {modality: 0}
    assert corpus.feature_set == f"mmsa-f-{widths['text']}-{widths['audio']}-{widths['vision']}"
    present = corpus.batch(np.arange(len(corpus))).present.numpy()
    assert (present == [m != modality for m in MODALITIES]).all() and corpus.dims[modality] == 1


def test_without_lengths_or_mask_zeros_at_the_end_are_padding(tmp_path: Path) -> None:
    content = mmsa()
    for part in content.values():
        part["text"][part.pop("text_bert")[:, 1] == 0] = 0
        expected = part.pop("audio_lengths"), part.pop("vision_lengths")
    corpus = importers.read(dump(tmp_path / "f.pkl", content))
    assert set(corpus.manifest["lengths"].values()) == {"zeros at the end are padding"}
    test = corpus.batch(corpus.rows("test"))
    assert test.valid["audio"].sum(1).tolist() == expected[0] and test.valid["vision"].sum(1).tolist() == expected[1]


@pytest.mark.parametrize("with_lengths", [True, False])
def test_padding_in_front_is_seen(tmp_path: Path, with_lengths: bool) -> None:
    """MMSA-FET can pad in front; older aligned files are padded so as well."""
    content = mmsa()
    expected = {n: real(content, s, i, "audio") for n, s, i in rows(content)}
    for part in content.values():
        for i, n in enumerate(part["audio_lengths"]):
            part["audio"][i] = np.roll(part["audio"][i], 12 - n, 0)
        if not with_lengths:
            del part["audio_lengths"]
    corpus = importers.read(dump(tmp_path / "f.pkl", content))
    assert "in front" in corpus.manifest["lengths"]["audio"]
    assert all(np.array_equal(frames(corpus, n, "audio"), v) for n, v in expected.items())


def test_aligned_frames_outside_the_text_are_kept(tmp_path: Path) -> None:
    content = mmsa(aligned=True)
    for part in content.values():
        part["audio"][:] = 1.0  # sound goes on after the words
    corpus = importers.read(dump(tmp_path / "f.pkl", content))
    assert corpus.batch([0]).valid["audio"].sum() == 8
    assert corpus.manifest["lengths"]["audio"] == "zeros at the end are padding"
    assert corpus.manifest["lengths"]["vision"] == "frames of the text (mask of text_bert)"


def test_the_rule_for_lengths_can_be_chosen(tmp_path: Path) -> None:
    path = dump(tmp_path / "f.pkl", mmsa(aligned=True))
    assert mmsa_reader.read(path, "f", "text").manifest["lengths"]["vision"].startswith("frames of the text")
    assert mmsa_reader.read(path, "f", "zeros").manifest["lengths"]["text"] == "zeros at the end are padding"
    with pytest.raises(MsaError, match="train has no audio_lengths. Add them, or read with lengths='auto'"):
        mmsa_reader.read(path, "f", "declared")
    with pytest.raises(MsaError, match="lengths='x' is unknown. Give one of: auto, declared, text, zeros"):
        mmsa_reader.read(path, "f", "x")
    with pytest.raises(MsaError, match="audio of train is not aligned to the text"):
        mmsa_reader.read(dump(path, mmsa()), "f", "text")


def test_infinities_are_refused_or_repaired_and_counted(tmp_path: Path) -> None:
    content = mmsa()
    content["train"]["audio"][3, 1, :2] = -np.inf
    content["test"]["audio"][1, 0, 0] = np.nan
    content["test"]["vision"][0, 9] = np.nan if content["test"]["vision_lengths"][0] < 10 else 1  # padding is not read
    path = dump(tmp_path / "f.pkl", content)
    message = (
        r"f.pkl: 3 values of audio are NaN or infinite in 2 utterances: 'video1\$_\$3', 'video8\$_\$1'.*repair=True"
    )
    with pytest.raises(MsaError, match=message):
        importers.read(path)
    corpus = importers.read(path, repair=True)
    assert corpus.manifest["repaired"] == {"audio": 3} and not frames(corpus, 3, "audio")[1, :2].any()
    assert np.array_equal(frames(corpus, 3, "audio")[1, 2:], content["train"]["audio"][3, 1, 2:])


@pytest.mark.slow
def test_text_as_ids_is_encoded(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    content = mmsa()
    for part in content.values():
        del part["text"]
    path = dump(tmp_path / "f.pkl", content)
    with pytest.raises(MsaError, match=r"word-piece ids only \(text_bert\). Read it with bert=FOLDER or a name on the"):
        importers.read(path)
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
    model = BertModel(BertConfig(vocab_size=30, max_position_embeddings=8, **size)).eval()
    model.save_pretrained(tmp_path / "bert")
    corpus = importers.read(path, "f", bert=tmp_path / "bert")
    assert corpus.feature_set == "mmsa-f-16-5-20" and corpus.dims["simulated"] == 16
    for number, split, i in rows(content):
        ids, mask = (torch.from_numpy(content[split]["text_bert"][i, k].astype(np.int64)) for k in (0, 1))
        n = int(mask.sum())
        with torch.inference_mode():
            expected = model(input_ids=ids[None, :n]).last_hidden_state[0].numpy()
        np.testing.assert_allclose(frames(corpus, number, "text"), expected, atol=1e-5)
    content["valid"]["text_bert"][0, 0, 0] = 99
    with pytest.raises(MsaError, match="piece ids up to 99, .*bert knows 30. Give the model of the ids"):
        importers.read(dump(path, content), bert=tmp_path / "bert")
    with pytest.raises(MsaError, match="does not load as a text model"):
        importers.read(path, bert=tmp_path)


@pytest.mark.parametrize("content", [[1], {"a": 1}, "text", None])
def test_another_pickle_is_no_mmsa_file(tmp_path: Path, content: object) -> None:
    with pytest.raises(MsaError, match="f.pkl holds .*; an MMSA file holds the keys train, valid, test"):
        importers.read(dump(tmp_path / "f.pkl", content))


def test_npz_values_come_back(tmp_path: Path) -> None:
    arrays = npz()
    arrays["audio"][4] = 0
    corpus = importers.read(save_npz(tmp_path / "My Set.npz", arrays))
    corpus.save(tmp_path / "corpus")
    corpus = Corpus.load(tmp_path / "corpus", "npz-my-set-6-4-0")
    order = [int(np.flatnonzero(arrays["id"] == name)[0]) for name in corpus.ids]
    assert corpus.split.tolist() == ["train"] * 3 + ["valid"] * 3 + ["test"] * 3
    for number, row in enumerate(order):
        assert np.array_equal(frames(corpus, number, "text"), arrays["text"][row : row + 1])
        expected = arrays["audio"][row, : 0 if row == 4 else arrays["audio_lengths"][row]].astype(np.float32)
        assert np.array_equal(frames(corpus, number, "audio"), expected)
        assert corpus.label[number] == np.float32(arrays["score"][row])
    present = corpus.batch(np.arange(9)).present.numpy()
    assert present[:, 0].all() and not present[:, 2].any() and (~present[:, 1]).tolist() == [r == 4 for r in order]
    assert corpus.manifest["lengths"] == {"text": "one vector an utterance", "audio": "audio_lengths"}


def test_npz_labels_and_groups(tmp_path: Path) -> None:
    arrays = npz()
    arrays |= {"label": arrays.pop("score") / 3, "video": np.array(["v", "w", "x"] * 3)}
    del arrays["audio_lengths"]
    corpus = importers.read(save_npz(tmp_path / "f.npz", arrays))
    assert corpus.manifest["scale"] == "sims" and corpus.label[0] == -3 and corpus.manifest["videos"] == 3
    assert corpus.columns["speaker"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert corpus.manifest["lengths"]["audio"] == "zeros at the end are padding"
    arrays["score"] = arrays.pop("label")
    assert importers.read(save_npz(tmp_path / "f.npz", arrays)).manifest["scale"] == "mosi"  # a score is one already


def test_npz_never_unpickles(tmp_path: Path) -> None:
    arrays = npz() | {"score": np.array([1.0, "x"] + [0] * 7, object)}
    with pytest.raises(MsaError, match="score cannot be read .*Save numbers or text"):
        importers.read(save_npz(tmp_path / "f.npz", arrays))
    for content in (b"", b"text", b"PK\x03\x04"):
        (tmp_path / "f.npz").write_bytes(content)
        with pytest.raises(MsaError, match=r"f.npz cannot be read as .npz .*Write it with numpy.savez"):
            importers.read(tmp_path / "f.npz")
    with open(tmp_path / "f.npz", "wb") as f:
        np.save(f, np.zeros(3))
    with pytest.raises(MsaError, match="f.npz is one numpy array"):
        importers.read(tmp_path / "f.npz")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"id": None}, "has no array 'id'"),
        ({"split": None}, "has no array 'split'"),
        ({"score": None}, "There is no array 'score'"),
        ({"split": np.array(["dev"] * 9)}, "split holds 'dev'.*Valid splits: train, valid, test"),
        ({"split": np.array(["train"] * 8)}, "split has 8 rows for 9 ids"),
        ({"score": np.array(["x"] * 9)}, "score holds str.* instead of numbers"),
        ({"text": np.zeros((9, 2, 2, 2))}, r"text has shape \(9, 2, 2, 2\) \(rank 4\); give \(N, D\) or \(N, T, D\)"),
        ({"text": np.zeros((8, 6))}, "text has 8 rows for 9 ids"),
        ({"text": np.zeros((9, 0))}, r"text has shape \(9, 0\): nothing in it"),
        ({"text": None, "audio": None}, "neither text nor audio nor vision"),
        ({"audio_lengths": np.full(9, 8)}, "audio_lengths is larger than the 7 frames of the array for 'clip0_1'"),
        ({"audio_lengths": np.full(9, -1)}, "audio_lengths is below 0"),
        ({"audio_lengths": np.full(9, 1.5)}, "audio_lengths is no whole number"),
        ({"audio_lengths": np.zeros(9)}, "audio_lengths: 'clip0_1'.* go on after their length"),
        ({"speaker": np.array(["a"] * 8)}, "speaker has 8 rows for 9 ids"),
        ({"id": np.array([""] * 9)}, "id, row 0: str instead of a text"),
        ({"id": np.zeros((9, 2))}, r"id has shape \(9, 2\); give one text per utterance"),
    ],
)
def test_npz_that_does_not_fit_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    arrays = {k: v for k, v in (npz() | change).items() if v is not None}
    with pytest.raises(MsaError, match=message):
        importers.read(save_npz(tmp_path / "f.npz", arrays))


def test_own_clips_with_a_table(tmp_path: Path) -> None:
    features, table = extracted_folder(tmp_path)
    corpus = importers.read(features, "mine", table=table)
    corpus.save(tmp_path / "corpus")
    corpus = Corpus.load(tmp_path / "corpus", COMPACT.id)
    assert corpus.ids.tolist() == [f"{'abc'[i // 2]}/clip {i}.mp4" for i in range(6)]
    assert corpus.label.tolist() == [i - 2.5 for i in range(6)] and corpus.columns["speaker"].tolist() == [
        0,
        0,
        1,
        1,
        2,
        2,
    ]
    for number, name in enumerate(corpus.ids):
        clip = store.load(features / f"{name}.npz")
        for stream in corpus.dims:
            values = clip.stream(stream).values
            assert np.array_equal(frames(corpus, number, stream), np.zeros((0, 138)) if values is None else values)
    assert corpus.manifest["absent_reasons"]["vision"] == {"no face in 1.0 s of video": 2}
    assert corpus.manifest["absent"] == {"text": 0, "audio": 0, "vision": 2} and corpus.manifest["speakers"] == 3
    json.dumps(dict(corpus.manifest), allow_nan=False)


def test_own_clips_without_any_text_keep_its_width(tmp_path: Path) -> None:
    """So that a checkpoint of the feature set fits."""
    for i in range(3):
        absent = {"text": "no speech found", "simulated": "no speech found"}
        store.save(utterance(f"{i}.mp4", i, absent), tmp_path / "f" / f"{i}.mp4.npz")
    (tmp_path / "t.csv").write_text("\ufeffclip,score,split\n0.mp4,1,train\n1.mp4,-1,valid\n2.mp4,0,test\n", "utf-8")
    corpus = importers.read(tmp_path / "f", table=tmp_path / "t.csv")
    assert corpus.dims == COMPACT.dims and "speaker" not in corpus.columns
    assert corpus.manifest["absent_reasons"]["text"] == {"no speech found": 3}


@pytest.mark.parametrize(
    "line, replaced, message",
    [
        (6, "", "1 clips with features have no row: 'c/clip 5.mp4'. Add their scores, or remove their .npz"),
        (6, "c/clip 7.mp4,1,test,c", "1 clips have no features: 'c/clip 7.mp4'. Extract them, or correct the names"),
        (6, "c/clip 4.mp4,1,test,c", "names 'c/clip 4.mp4' more than once"),
        (6, "c/clip 5.mp4,1,dev,c", "line 7: split 'dev'. Valid splits: train, valid, test"),
        (6, "c/clip 5.mp4,good,test,c", "line 7: score 'good' is no number"),
        (6, "c/clip 5.mp4,nan,test,c", "1 labels of test are no numbers: 'c/clip 5.mp4'"),
        (6, "c/clip 5.mp4,30,test,c", r"1 labels of test are outside \[-3, 3\]"),
        (6, "c/clip 5.mp4,1,test,", "line 7: no speaker"),
        (6, ",1,test,c", "line 7: no clip"),
        (0, "clip;score;split;speaker", "has no column 'clip' but 'clip;score;split;speaker'"),
    ],
)
def test_own_tables_that_do_not_fit_are_refused(tmp_path: Path, line: int, replaced: str, message: str) -> None:
    features, table = extracted_folder(tmp_path)
    lines = table.read_text().splitlines()
    lines[line] = replaced
    table.write_text("\n".join(lines))
    with pytest.raises(MsaError, match=message):
        importers.read(features, "mine", table=table)


def test_own_features_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    features, table = extracted_folder(tmp_path)
    with pytest.raises(MsaError, match=r"features is a folder of features. Give the table of scores too \(clip, score"):
        importers.read(features, "mine")
    with pytest.raises(MsaError, match="Cannot read the table x.csv"):
        importers.read(features, "mine", table=tmp_path / "x.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MsaError, match="There are no features in empty"):
        importers.read(tmp_path / "empty", table=table)
    (features / "a" / "clip 0.mp4.npz").write_bytes(b"damaged")
    with pytest.raises(MsaError, match="clip 0.mp4.npz holds no features of ours"):
        importers.read(features, "mine", table=table)


def test_arguments_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    pkl, file = dump(tmp_path / "f.pickle", mmsa()), save_npz(tmp_path / "f.npz", npz())
    assert importers.read(pkl).name == "f" and set(importers.READERS) == {".pkl", ".pickle", ".npz", "a folder"}
    (tmp_path / "f.csv").write_text("x")
    with pytest.raises(MsaError, match="f.csv has no known suffix. Give one of: .pkl, .pickle, .npz, a folder"):
        importers.read(tmp_path / "f.csv")
    with pytest.raises(MsaError, match="There is no g.pkl"):
        importers.read(tmp_path / "g.pkl")
    with pytest.raises(MsaError, match="table of scores goes with a folder of features, not with .pickle"):
        importers.read(pkl, table="t.csv")
    with pytest.raises(MsaError, match="bert encodes the text of MMSA pickles; .npz needs none"):
        importers.read(file, bert="bert-base-uncased")
    features, table = extracted_folder(tmp_path)
    with pytest.raises(MsaError, match="cannot be repaired in a folder"):
        importers.read(features, table=table, repair=True)
