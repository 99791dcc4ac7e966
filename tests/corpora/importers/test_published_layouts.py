"""What is written in a public layout is what `check` describes and a reader reads, for several seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import published_layouts as layouts
import pytest
from published_layouts import Content, Truth, dump, truth

from msa_core.__main__ import main
from msa_core.corpora import importers
from msa_core.corpora.corpus import Corpus
from msa_core.corpora.importers import problems
from msa_core.errors import MsaError
from msa_core.schema import MODALITIES

SEEDS = range(5)


def of_level(found: list[str], level: str) -> list[str]:
    return [f.removeprefix(f"{level}: ") for f in found if f.startswith(f"{level}: ")]


def agree(path: Path, found: Truth, cut: dict[str, int] | None = None, scores: np.ndarray | None = None) -> Corpus:
    """Compare a file with its truth: values, lengths, absent modalities, labels; and `check` with the reader."""
    said = problems(path)
    assert not of_level(said, "error")
    corpus = importers.read(path)
    assert corpus.manifest["warnings"] == of_level(said, "warning")
    expected = np.concatenate([found.labels[s] for s in layouts.SPLITS]) if scores is None else scores
    assert np.array_equal(corpus.label, expected.astype(np.float32))
    assert corpus.split.tolist() == [s for s, n in layouts.SPLITS.items() for _ in range(n)]
    batch = corpus.batch(np.arange(len(corpus)))
    for place, modality in enumerate(MODALITIES):
        utterances = [f for s in layouts.SPLITS for f in found.frames[s][modality]]
        for row, frames in enumerate(utterances):
            right = frames[: (cut or {}).get(modality)].astype(np.float32)
            assert bool(batch.present[row, place]) == bool(right.any()), (modality, row)
            read = batch.features[modality][row, batch.valid[modality][row]].numpy()
            assert np.array_equal(read, right if right.any() else right[:0]), (modality, row)
    return corpus


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("front", [False, True])
@pytest.mark.parametrize("core, protocol", [("numpy.core", 2), ("numpy.core", 4), ("numpy._core", 5)])
def test_mmsa(tmp_path: Path, seed: int, front: bool, core: str, protocol: int) -> None:
    found = truth(seed)
    corpus = agree(dump(tmp_path / "f.pkl", layouts.mmsa(found, seed, front=front), protocol, core), found)
    assert corpus.manifest["warnings"] == []
    assert corpus.manifest["lengths"]["audio"] == ("audio_lengths, padding in front" if front else "audio_lengths")
    assert (core.encode() in (tmp_path / "f.pkl").read_bytes()) and corpus.manifest["videos"] == 16


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("front", [False, True])
def test_aligned_mmsa(tmp_path: Path, seed: int, front: bool) -> None:
    found = truth(seed, aligned=True)
    corpus = agree(dump(tmp_path / "f.pkl", layouts.mmsa(found, seed, True, front)), found)
    assert corpus.manifest["lengths"]["vision"] == "frames of the text (mask of text_bert)"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("front", [False, True])
@pytest.mark.parametrize("unimodal", [False, True])
def test_mmsa_fet(tmp_path: Path, seed: int, front: bool, unimodal: bool) -> None:
    """Unimodal labels of one's own are no sign of CH-SIMS."""
    found = truth(seed)
    _outlier(found)
    path = dump(tmp_path / "f.pkl", layouts.mmsa_fet(found, seed, front, unimodal), 5)
    corpus = agree(path, found, {m: layouts.usual_length(found, m) for m in MODALITIES})
    assert corpus.manifest["scale"] == "mosi" and corpus.manifest["warnings"] == []
    if unimodal:
        (note,) = corpus.manifest["notes"]
        assert note.startswith("labels are scores as they are: they go from -")
        expected = np.concatenate([found.ratings[s]["A"] for s in layouts.SPLITS])
        assert np.array_equal(corpus.columns["rating_audio"], expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("front", [False, True])
def test_self_mm(tmp_path: Path, seed: int, front: bool) -> None:
    found = truth(seed)
    _outlier(found)
    size = {m: layouts.usual_length(found, m) for m in MODALITIES}
    assert size["audio"] < len(found.frames["train"]["audio"][1])
    path = dump(tmp_path / "f.pkl", layouts.self_mm(found, seed, front))
    warnings = agree(path, found, size).manifest["warnings"]
    assert len(warnings) == 3 and "it is read as (N, 3, L)" in warnings[2]
    for modality, warning in zip(("audio", "vision"), warnings[:2], strict=True):
        longer = f"are larger than the {size[modality]} frames of the array; they are cut to it."
        assert warning == f"{modality}_lengths of train: 'vid0$_$1' {longer}"


def _outlier(found: Truth) -> None:
    """Make one utterance so long that it is cut."""
    for modality in ("audio", "vision"):
        frames = found.frames["train"][modality]
        frames[1] = np.random.default_rng(0).normal(size=(90, frames[1].shape[1])).astype(np.float32)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mosei", [False, True])
def test_mult(tmp_path: Path, seed: int, mosei: bool) -> None:
    found = truth(seed)
    corpus = agree(dump(tmp_path / "f.pkl", layouts.mult(found, mosei)), found)
    assert set(corpus.manifest["lengths"].values()) == {"zeros in front are padding"}
    assert corpus.manifest["videos"] == 16 and corpus.manifest["notes"] == ["'labels' is read as 'regression_labels'."]
    assert corpus.ids[1] == ("vid0$_$1.5_1.9" if mosei else "vid0_1")


@pytest.mark.parametrize("seed", SEEDS)
def test_lengths_that_stop_at_the_first_zero_are_not_believed(tmp_path: Path, seed: int) -> None:
    """Frames padded in front have length 1 by getLengths.py, and audio and vision would be absent."""
    found = truth(seed)
    corpus = agree(dump(tmp_path / "mosi.pkl", layouts.mult_with_lengths(found, seed)), found)
    assert corpus.manifest["lengths"]["audio"] == corpus.manifest["lengths"]["vision"] == "zeros in front are padding"
    for modality, warning in zip(("audio", "vision"), corpus.manifest["warnings"][:2], strict=True):
        assert warning.startswith(f"{modality}_lengths do not fit the array (")
        assert warning.endswith("They are not used; zeros in front are padding.")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("lowest", [0, 1])
def test_zero_frames_inside_do_not_end_an_utterance(tmp_path: Path, seed: int, lowest: int) -> None:
    found = truth(seed)
    content = layouts.mmsa(found, seed)
    for rows in content.values():
        for modality in ("audio", "vision"):
            lengths = np.array(layouts.get_lengths(rows[modality]))
            rows[f"{modality}_lengths"] = np.where(rows[modality][:, 0].any(1), lengths, lowest)
    agree(dump(tmp_path / "f.pkl", content), found)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("front", [False, True])
def test_one_wrong_length_changes_one_utterance(tmp_path: Path, seed: int, front: bool) -> None:
    found = truth(seed)
    content = layouts.mmsa(found, seed, front=front)
    content["train"]["audio_lengths"][0] = 3
    path = dump(tmp_path / "f.pkl", content)
    (warning,) = agree(path, found).manifest["warnings"]  # every frame is read: the padding of this file is zeros
    kept = "that is kept, because the other padding is zeros."
    assert warning == f"audio_lengths of train: 'vid0$_$0' go on after their length; {kept}"
    declared = importers.read(path, lengths="declared")
    (warning,) = declared.manifest["warnings"]
    assert warning == "audio_lengths of train: 'vid0$_$0' go on after their length; that is left out."
    part = slice(-3, None) if front else slice(3)
    cut = found.frames["train"]["audio"][0][part]
    np.testing.assert_array_equal(declared.batch(np.arange(1)).features["audio"][0][:3], cut)
    assert declared.batch(np.arange(1)).valid["audio"].sum() == 3


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("front", [False, True])
def test_lengths_that_count_frames_that_are_not_zero_lose_none(tmp_path: Path, seed: int, front: bool) -> None:
    """Where a face is lost for a moment, the length is shorter than the utterance."""
    found = truth(seed)
    content = layouts.mmsa(found, seed, front=front)
    for rows in content.values():
        rows["vision_lengths"] = (rows["vision"] != 0).any(2).sum(1)
    warnings = agree(dump(tmp_path / "f.pkl", content), found).manifest["warnings"]
    assert warnings and not any("left out" in w for w in warnings)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("front", [False, True])
@pytest.mark.parametrize("kind", ["halved", "whole", "swapped", "random"])
def test_most_lengths_wrong(tmp_path: Path, seed: int, front: bool, kind: str) -> None:
    """Then zeros are padding, and it is said."""
    found, rng = truth(seed), np.random.default_rng(seed)
    content = layouts.mmsa(found, seed, front=front)
    for rows in content.values():
        true = {m: np.array(rows[f"{m}_lengths"]) for m in ("audio", "vision")}
        for modality, other in (("audio", "vision"), ("vision", "audio")):
            rows[f"{modality}_lengths"] = {
                "halved": true[modality] // 2,
                "whole": np.full(len(true[modality]), layouts.LENGTHS[modality]),
                "swapped": true[other] * 10,
                "random": rng.integers(1, 3, len(true[modality])),
            }[kind]
    corpus = agree(dump(tmp_path / "f.pkl", content), found)
    side = "in front" if front else "at the end"
    assert corpus.manifest["lengths"]["audio"] == f"zeros {side} are padding"
    assert any(w.startswith("audio_lengths do not fit the array (") for w in corpus.manifest["warnings"])


def test_lengths_and_no_zeros_are_refused_unless_asked_for(tmp_path: Path) -> None:
    """Padding of random values, which DataPre.py can write, is told by lengths only."""
    content = layouts.mmsa(truth(0))
    for rows in content.values():
        rows["audio"] += (rows["audio"] == 0) * np.float32(0.3)
    path = dump(tmp_path / "f.pkl", content)
    with pytest.raises(MsaError, match="audio_lengths do not fit the array: .* no zeros tell what is padding"):
        importers.read(path)
    declared = importers.read(path, lengths="declared")
    lengths = np.concatenate([rows["audio_lengths"] for rows in content.values()])
    assert declared.batch(np.arange(30)).valid["audio"].sum(1).tolist() == lengths.tolist()
    assert main(["check", str(path)]) == 2 and main(["check", str(path), "--lengths", "declared"]) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_length_that_hides_an_utterance_is_not_believed(tmp_path: Path, seed: int) -> None:
    """In an array padded at the end, an utterance that begins with zeros is not absent because its length is 1."""
    found = truth(seed)
    frames = found.frames["train"]["vision"][1] = found.frames["train"]["vision"][0].copy()
    frames[:2] = 0
    content = layouts.mmsa(found)
    content["train"]["vision_lengths"][1] = 1
    (warning,) = agree(dump(tmp_path / "f.pkl", content), found).manifest["warnings"]
    assert warning == "vision_lengths of train: 'vid0$_$1' have no frame within their length; zeros are padding there."


def test_splits_may_be_padded_on_different_sides(tmp_path: Path) -> None:
    found = truth(0)
    content = layouts.mmsa(found)
    content["test"] = layouts.mmsa(found, front=True)["test"]
    corpus = agree(dump(tmp_path / "f.pkl", content), found)
    assert corpus.manifest["lengths"]["audio"] == "audio_lengths, or audio_lengths, padding in front"


def test_one_utterance_outside_the_text_keeps_its_frames_and_changes_no_other(tmp_path: Path) -> None:
    found = truth(0, aligned=True)
    content = layouts.mmsa(found, aligned=True)
    content["train"]["audio"][3] = 1
    found.frames["train"]["audio"][3] = content["train"]["audio"][3]
    (warning,) = agree(dump(tmp_path / "f.pkl", content), found).manifest["warnings"]
    assert warning == "audio of train: 'vid1$_$3' have frames outside those of the text; these are kept."


@pytest.mark.parametrize("front", [False, True])
def test_lengths_of_an_npz_tell_the_side_by_majority(tmp_path: Path, front: bool) -> None:
    found = truth(0)
    rows = layouts.mmsa(found, front=front)["train"]
    n = len(rows["id"])
    arrays = {"id": rows["id"], "split": np.array(["train"] * n), "score": rows["regression_labels"]}
    lengths = np.array(rows["audio_lengths"])
    lengths[1] = layouts.LENGTHS["audio"]  # its padding counts as frames
    np.savez(tmp_path / "f.npz", audio=rows["audio"], audio_lengths=lengths, **arrays)
    corpus = importers.read(tmp_path / "f.npz")
    assert corpus.manifest["lengths"]["audio"] == ("audio_lengths, padding in front" if front else "audio_lengths")
    assert corpus.batch([2]).valid["audio"].sum() == lengths[2]


def test_a_mask_that_hides_the_text_is_not_believed(tmp_path: Path) -> None:
    found = truth(0)
    content = layouts.mmsa_fet(found)
    content["train"]["text_bert"][:, 1] = 0
    (warning,) = agree(dump(tmp_path / "f.pkl", content), found).manifest["warnings"]
    assert warning.startswith("text_bert of train: the mask does not fit the text of 'vid0$_$0', ")


def test_a_modality_that_is_lost_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = layouts.mmsa(truth(0))
    content["test"]["audio"] = content["test"]["audio"].astype(np.float64) * 1e-60  # nothing is left in float32
    path = dump(tmp_path / "f.pkl", content)
    assert main(["check", str(path)]) == 2
    assert "error: audio of test has values in 6 utterances, but no real frame in any" in capsys.readouterr().out
    assert main(["import", str(path), "--out", str(tmp_path / "corpus")]) == 2


def test_arrays_under_names_that_nobody_knows_are_told(tmp_path: Path) -> None:
    content = layouts.mmsa(truth(0))
    for rows in content.values():
        rows["sound"] = rows.pop("audio")
        del rows["audio_lengths"]
    warnings = of_level(problems(dump(tmp_path / "f.pkl", content)), "warning")
    assert warnings[0] == "Not read in train: 'sound'. Frames are read from text, audio and vision."


@pytest.mark.parametrize("layout", [layouts.mult_with_lengths, layouts.self_mm, layouts.mmsa])
def test_import_prints_what_check_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str], layout) -> None:
    path = dump(tmp_path / "mosei.pkl", layout(truth(1)))
    assert main(["check", str(path)]) == 0
    checked = [x for x in capsys.readouterr().out.splitlines() if x.startswith(("warning: ", "note: "))]
    assert main(["import", str(path), "--out", str(tmp_path / "corpus")]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == checked and checked


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("emotions", [False, True])
def test_labels_of_mosei_beyond_3_are_trimmed(tmp_path: Path, seed: int, emotions: bool) -> None:
    found = truth(seed, (6, 74, 35))
    layouts.mosei_labels(found, seed)
    content = layouts.mult(found)
    if emotions:
        for rows in content.values():
            rows["labels"] = np.concatenate([rows["labels"], np.ones((len(rows["labels"]), 1, 6))], 2)
    scores = np.concatenate([found.labels[s] for s in layouts.SPLITS]).clip(-3, 3)
    corpus = agree(dump(tmp_path / "f.pkl", content), found, scores=scores)
    warnings = corpus.manifest["warnings"]
    assert len(warnings) == 1 + emotions and corpus.manifest["trimmed"] == 2
    assert warnings[-1] == (
        "2 labels are outside [-3, 3], from -3 to 5: 'vid0$_$0.5_0.9', 'vid0$_$1.5_1.9'. "
        "They are trimmed to it, as the authors of CMU-MOSEI advise."
    )


def labelled(labels: np.ndarray, ratings: np.ndarray | None = None) -> Content:
    """A file of 30 utterances with these labels, and unimodal ones if wanted."""
    found, at = truth(0), 0
    for split, n in layouts.SPLITS.items():
        found.labels[split] = labels[at : at + n]
        found.ratings[split] = dict.fromkeys("TAV", labels if ratings is None else ratings[at : at + n])
        at += n
    return layouts.mmsa_fet(found, unimodal=ratings is not None)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_scale_is_told_by_the_range(tmp_path: Path, seed: int) -> None:
    rng, path = np.random.default_rng(seed), tmp_path / "f.pkl"
    fifths = rng.integers(-5, 6, 30) / 5
    for labels, ratings, scale in (
        (fifths, fifths[::-1], "sims"),
        (fifths, None, "sims"),
        (np.round(rng.uniform(-3, 3, 30), 1), fifths, "mosi"),
        (fifths, np.round(rng.uniform(-3, 3, 30), 1), "mosi"),
        (np.round(rng.uniform(-3, 3, 30), 1), None, "mosi"),
    ):
        corpus = importers.read(dump(path, labelled(labels, ratings)))
        assert corpus.manifest["scale"] == scale
        assert np.array_equal(corpus.label, (labels * (3 if scale == "sims" else 1)).astype(np.float32))
        other = "mosi" if scale == "sims" else "sims"
        if scale == "sims":
            assert np.array_equal(importers.read(path, scale=other).label, labels.astype(np.float32))
        else:
            assert of_level(problems(path, scale=other), "error")


@pytest.mark.parametrize("values", [(-1, 0, 1), (0, 1, 2), (-1, 1), (0, 1)])
def test_classes_are_asked_about_and_not_multiplied(tmp_path: Path, values: tuple[int, ...]) -> None:
    labels = np.resize(np.array(values, float), 30)
    path = dump(tmp_path / "f.pkl", labelled(labels))
    said = f"labels are only {', '.join(map(str, values))}. Are they classes, or scores? If scores, say --scale mosi"
    (error,) = of_level(problems(path), "error")
    assert error.startswith(said)
    with pytest.raises(MsaError, match="Are they classes, or scores?"):
        importers.read(path)
    assert np.array_equal(importers.read(path, scale="mosi").label, labels)
    assert main(["import", str(path), "--scale", "mosi", "--out", str(tmp_path / "corpus")]) == 0
    if max(values) <= 1:
        assert np.array_equal(importers.read(path, scale="sims").label, 3 * labels)


def test_few_labels_beyond_1_among_unimodal_ones_are_asked_about(tmp_path: Path) -> None:
    fifths = np.random.default_rng(0).integers(-5, 6, 30) / 5
    labels = np.where(np.arange(30) == 4, -1.2, fifths)
    path = dump(tmp_path / "f.pkl", labelled(labels, fifths))
    (error,) = of_level(problems(path), "error")
    assert error.startswith("1 labels of train are outside [-1, 1]") and error.endswith("say --scale mosi.")
    assert np.array_equal(importers.read(path, scale="mosi").label, labels.astype(np.float32))
