"""`check` tells everything that is wrong with a feature file, and a reader refuses by the same sentence."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from feature_files import Call, Content, dump, extracted_folder, mmsa, npz, save_npz

from msa_core.corpora import importers
from msa_core.corpora.importers import describe, problems, report
from msa_core.errors import MsaError


def of_level(found: list[str], level: str) -> list[str]:
    return [f.removeprefix(f"{level}: ") for f in found if f.startswith(f"{level}: ")]


def only_error(path: Path, content: Content) -> str:
    """The only error of a file; the reader must refuse with it."""
    dump(path, content)
    (error,) = of_level(problems(path), "error")
    with pytest.raises(MsaError) as caught:
        importers.read(path)
    assert str(caught.value) == f"{path.name}: {error}"
    return error


def test_a_good_file_has_no_errors(tmp_path: Path) -> None:
    for aligned in (False, True):
        assert problems(dump(tmp_path / "f.pkl", mmsa((6, 5, 21), aligned))) == []
    found = problems(dump(tmp_path / "mosi.pkl", mmsa()))
    assert found == ["note: MOSI is published with 1284/229/686 utterances (train, valid, test); here are 5/3/4."]


def change(split: str, key: str, value) -> Content:
    content = mmsa()
    content[split][key] = value(content[split][key]) if callable(value) else value
    return content


@pytest.mark.parametrize(
    "split, key, value, message",
    [
        ("train", "audio", lambda a: a[:4], "audio of train has 4 rows for 5 ids. Export both from the same table"),
        ("valid", "vision", lambda v: v[:, 0], r"vision of valid has shape \(3, 20\) \(rank 2\); give \(N, T, D\)"),
        ("valid", "vision", lambda v: v[:, :, None], r"vision of valid has shape .* \(rank 4\); give \(N, T, D\)"),
        ("train", "audio", lambda a: [x[:i] for i, x in enumerate(a)], "audio of train is no array of numbers"),
        ("train", "audio", lambda a: a.astype(str), "audio of train holds str.* instead of numbers"),
        ("train", "text", lambda t: t.astype(object) + 1j, "text of train is no array of numbers"),
        ("train", "regression_labels", lambda y: y[:, None, None], "regression_labels of train has shape"),
        ("train", "regression_labels", lambda y: y[1:], "regression_labels of train has 4 rows for 5 ids"),
        (
            "test",
            "regression_labels",
            lambda y: y + 1,
            r"1 labels of test are outside \[-3, 3\], from -1.6 to 4: 'video8",
        ),
        ("test", "regression_labels", lambda y: y * np.nan, "4 labels of test are no numbers"),
        ("train", "regression_labels", lambda y: y * 0 + 2, "All 5 labels of train are 2: there is nothing to learn"),
        ("test", "id", lambda i: [*i[:-1], i[0]], r"1 ids of test repeat: 'video8\$_\$0'. Keep one row of each"),
        ("train", "id", lambda i: [None, *i[1:]], "id of train, row 0: NoneType instead of a text"),
        ("train", "audio_lengths", lambda n: [0, *n[1:]], r"audio_lengths of train is 0 for 'video0\$_\$0', which has"),
        ("train", "audio_lengths", lambda n: [-1, *n[1:]], "audio_lengths of train is below 0"),
        ("train", "audio_lengths", lambda n: n[1:], "audio_lengths of train has 4 rows for 5 ids"),
        ("train", "text_bert", lambda b: b[:, :2], r"text_bert of train has shape \(5, 2, 8\); give \(N, 3, L\)"),
        ("train", "text_bert", lambda b: b * 2, "the mask 0 or 1"),
        ("train", "audio", lambda a: a[:, :, :4], "audio is 4 wide in train, 5 wide in valid, 5 wide in test"),
        (
            "train",
            "vision",
            lambda v: v + np.inf,
            "values of vision are NaN or infinite in 5 utterances: 'video0.* and 2",
        ),
    ],
)
def test_each_error_is_listed_and_refused(tmp_path: Path, split: str, key: str, value, message: str) -> None:
    import re

    assert re.search(message, only_error(tmp_path / "f.pkl", change(split, key, value)))


ODD = (None, 5, "text", b"bytes", {}, set(), (), [[]], [None] * 5, [10**400] * 5, [{}] * 5, np.array("x"), np.zeros(0))
ODD_ARRAYS = (
    np.zeros((5, 0, 3)),
    np.zeros((5, 3, 1), complex),
    np.full((5, 3, 8), np.nan),
    np.array([[1, "x"]] * 5, object),
)


@pytest.mark.slow
@pytest.mark.parametrize("key", [k for k in mmsa()["train"] if k not in ("raw_text", "annotations")])
def test_odd_content_is_never_a_crash(tmp_path: Path, key: str) -> None:
    recursive: list = []
    recursive.append(recursive)
    for odd in (*ODD, *ODD_ARRAYS, recursive, np.ndarray):
        path = dump(tmp_path / "f.pkl", change("train", key, lambda _, odd=odd: odd))
        errors = of_level(problems(path), "error")
        try:
            assert len(importers.read(path)) == 12 and not errors
        except MsaError as e:
            assert errors and errors[0] in str(e)


def test_test_ids_in_train(tmp_path: Path) -> None:
    content = mmsa()
    content["test"]["id"] = content["train"]["id"][:4]
    error = only_error(tmp_path / "f.pkl", content)
    assert error.startswith("4 ids are in train and in test: 'video0$_$0', 'video0$_$1', 'video1$_$2' and 1 more.")


def test_videos_in_two_splits_are_a_warning(tmp_path: Path) -> None:
    content = mmsa()
    content["test"]["id"] = np.array([f"video1$_${i}" for i in range(10, 14)])
    path = dump(tmp_path / "f.pkl", content)
    (warning,) = of_level(problems(path), "warning")
    assert warning.startswith(
        "1 videos of 5 are in more than one of train, test: 'video1'. A model may know the person."
    )
    assert importers.read(path).manifest["warnings"] == [warning]


def test_splits_that_are_empty_or_not_there(tmp_path: Path) -> None:
    content = mmsa()
    content["valid"] = {key: value[:0] for key, value in content["valid"].items()}
    assert only_error(tmp_path / "f.pkl", content) == "Split 'valid' is empty. Give every split some utterances."
    del content["valid"]
    assert only_error(tmp_path / "f.pkl", content).startswith("There is no 'valid' in the file.")
    content["valid"] = {"text": 1}
    assert only_error(tmp_path / "f.pkl", content).startswith("valid has no 'id'.")
    content = mmsa()
    del content["test"]["regression_labels"]
    assert only_error(tmp_path / "f.pkl", content).startswith("test has no 'regression_labels'.")
    arrays = npz()
    arrays["split"][arrays["split"] == "valid"] = "train"
    path = save_npz(tmp_path / "f.npz", arrays)
    assert of_level(problems(path), "warning") == ["There is no 'valid' utterance: no epoch can be chosen."]
    assert len(importers.read(path)) == 9


@pytest.mark.parametrize(
    "widths, message",
    [
        ((6, 20, 5), "audio is 20 wide and vision 5: that is MOSI with the two swapped; exchange the arrays."),
        ((6, 35, 74), "audio is 35 wide and vision 74: that is MOSEI with the two swapped; exchange the arrays."),
        ((6, 709, 33), "audio is 709 wide and vision 33: that is SIMS with the two swapped; exchange the arrays."),
        ((6, 47, 74), "audio is 47 wide as Facet and vision 74 as COVAREP: the two are swapped; exchange the arrays."),
        ((5, 768, 20), "text is 5 wide, audio 768 and vision 20: that is MOSI in another order (text 768, audio 5, "),
    ],
)
def test_modalities_in_the_wrong_place(tmp_path: Path, widths: tuple[int, int, int], message: str) -> None:
    assert only_error(tmp_path / "f.pkl", mmsa(widths)).startswith(message)


@pytest.mark.parametrize(
    "widths", [(768, 5, 20), (768, 74, 35), (768, 33, 709), (300, 74, 47), (768, 768, 171), (9, 20, 6)]
)
def test_modalities_in_the_right_place(tmp_path: Path, widths: tuple[int, int, int]) -> None:
    found = problems(dump(tmp_path / "f.pkl", mmsa(widths)))
    assert not of_level(found, "error") and not of_level(found, "warning")


def test_one_suspicious_width_is_a_warning(tmp_path: Path) -> None:
    found = problems(dump(tmp_path / "f.pkl", mmsa((6, 709, 8))))
    assert found == ["warning: audio is 709 wide, as OpenFace is: is it in the right place?"]


def test_labels_of_sims(tmp_path: Path) -> None:
    content = mmsa(sims=True)
    content["test"]["regression_labels"][1] = -1.2
    error = only_error(tmp_path / "f.pkl", content)
    assert error.startswith(r"1 labels of test are outside [-1, 1], from -1.2 to 1: 'video8$_$1'. A file with unimodal")
    content = mmsa(sims=True)
    content["test"]["regression_labels_A"][1] = np.nan
    assert only_error(tmp_path / "f.pkl", content).startswith("1 audio labels of test are no numbers: 'video8$_$1'.")
    (note, _) = of_level(problems(dump(tmp_path / "sims.pkl", mmsa(sims=True))), "note")
    assert "scores are 3 times these" in note


def test_labels_of_a_modality_that_a_split_lacks_are_told(tmp_path: Path) -> None:
    content = mmsa(sims=True)
    del content["valid"]["regression_labels_A"]
    path = dump(tmp_path / "f.pkl", content)
    said = "labels of audio alone are not in valid: those of the other splits are left out."
    assert of_level(problems(path), "warning") == [said]
    columns = importers.read(path).columns
    assert "rating_audio" not in columns and {"rating_text", "rating_vision"} <= columns.keys()


def test_suspicious_content_is_a_warning(tmp_path: Path) -> None:
    content = mmsa((6, 7, 8))
    content["test"]["regression_labels"][:] = 1
    content["train"]["vision"][:] = 0
    content["valid"]["audio"][1], content["valid"]["audio_lengths"][1] = 1, 5
    content["test"]["text"][0] = content["test"]["audio"][0] = content["test"]["vision"][0] = 0
    found = problems(dump(tmp_path / "f.pkl", content))
    assert len(found) == 4 and of_level(found, "warning") == [
        "audio_lengths of valid: 'video5$_$1' go on after their length; "
        "that is kept, because the other padding is zeros.",
        "All 4 labels of test are 1: correlation is undefined there.",
        "vision is absent, or zero, in all of train.",
        "1 utterances have no modality at all: 'video8$_$0'.",
    ]
    kept, cut = (importers.read(tmp_path / "f.pkl", lengths=rule).batch([6]) for rule in ("auto", "declared"))
    assert (kept.valid["audio"].sum(), cut.valid["audio"].sum()) == (content["valid"]["audio"].shape[1], 5)


def test_ids_under_the_name_of_text(tmp_path: Path) -> None:
    content = mmsa()
    content["train"]["text"] = content["train"].pop("text_bert")
    assert only_error(tmp_path / "f.pkl", content).endswith("holds ids, mask and segment. Call it text_bert.")


def test_everything_is_collected_and_counted(tmp_path: Path) -> None:
    content = mmsa((6, 20, 5))
    content["train"]["audio"][0, 0, 0] = np.nan
    content["test"]["regression_labels"][0] = 9
    content["valid"]["id"] = content["train"]["id"][:3]
    path = dump(tmp_path / "f.pkl", content)
    errors = of_level(problems(path), "error")
    assert len(errors) == 4
    for message in ("swapped", "NaN or infinite", "outside [-3, 3]", "in train and in valid"):
        assert any(message in e for e in errors)
    with pytest.raises(MsaError) as caught:
        importers.read(path)
    assert str(caught.value) == f"f.pkl: {errors[0]} (3 more: python -m msa_core check f.pkl)"


def test_files_that_cannot_be_read_at_all(tmp_path: Path) -> None:
    path = dump(tmp_path / "f.pkl", Call(os.system, f"touch '{tmp_path / 'written'}'"))
    ((problem,), text) = problems(path), report(path)[0]
    assert problem.startswith("error: f.pkl asks for ") and text == "" and not (tmp_path / "written").exists()
    with pytest.raises(MsaError, match="f.pkl asks for .*refused"):
        describe(path)
    path.write_bytes(b"")
    assert problems(path) == ["error: f.pkl is empty. Download it again."]
    assert problems(tmp_path / "g.npz") == ["error: There is no g.npz. Give the path of a feature file or folder."]


def test_description_of_an_mmsa_file(tmp_path: Path) -> None:
    content = mmsa()
    content["train"]["vision"][1] = 0
    for part in content.values():
        part["audio_lengths"] = [3] * len(part["id"])
        part["audio"][:, 3:] = 0
    path = dump(tmp_path / "mosi.pkl", content)
    lines = describe(path).splitlines()
    assert lines[0] == "mosi.pkl: MMSA feature file, MOSI, 12 utterances"
    assert lines[1] == "splits: train 5, valid 3, test 4"
    assert lines[3] == (
        "audio: 5 wide, 3 / 3 / 3 frames (min / median / max), absent in 0.0%; real frames: audio_lengths"
    )
    assert "absent in 8.3%" in lines[4] and lines[5] == "labels: from -2.6 to 3 (scores as they are)"
    assert lines[6] == "videos: 7" and report(path) == (describe(path), problems(path))


def test_description_of_other_files(tmp_path: Path) -> None:
    arrays = npz() | {"visual": np.zeros(9)}
    path = save_npz(tmp_path / "f.npz", arrays)
    lines = describe(path).splitlines()
    assert lines[0] == "f.npz: npz feature file, 9 utterances" and lines[4] == "vision: none"
    assert (
        lines[2]
        == "text: 6 wide, 1 / 1 / 1 frames (min / median / max), absent in 0.0%; real frames: one vector an utterance"
    )
    assert problems(path)[0].startswith("note: Not read: 'visual'. Names that are read: id, split, score, label, text")
    features, table = extracted_folder(tmp_path)
    text, found = report(features, table)
    assert text.startswith("features: folder of extracted features, 6 utterances\nsplits: train 2, valid 2, test 2")
    assert "absent in 33.3%" in text and text.endswith("speakers: 3") and found == []
    assert problems(features)[0].startswith("error: features is a folder of features. Give the table of scores too")
