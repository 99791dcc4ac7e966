"""IEMOCAP as MulT publishes it: emotions in place of scores, no ids."""

from __future__ import annotations

from pathlib import Path

import community_files as community
import numpy as np
import pytest
from published_layouts import dump

from msa_core.__main__ import main
from msa_core.corpora import importers
from msa_core.corpora.corpus import Corpus
from msa_core.corpora.importers.emotions import EMOTIONS
from msa_core.errors import MsaError


@pytest.mark.parametrize("aligned", [True, False])
def test_emotions_and_frames_are_those_of_the_file(tmp_path: Path, aligned: bool) -> None:
    content = community.iemocap(aligned=aligned)
    path = dump(tmp_path / "iemocap_data.pkl", content)
    importers.read(path, "iemocap").save(tmp_path / "corpus")
    corpus = Corpus.load(tmp_path / "corpus")
    assert corpus.emotions == EMOTIONS == ("neutral", "happy", "sad", "angry")
    assert corpus.dims | {"simulated": 0} == {"text": 300, "audio": 74, "vision": 35, "simulated": 0}
    for split, rows in content.items():
        mine = corpus.rows(split)
        assert corpus.ids[mine].tolist() == [f"{split}_{i}" for i in range(len(mine))]
        assert np.array_equal(corpus.label[mine], rows["labels"].argmax(2))  # as MulT reads them
        batch = corpus.batch(mine)
        assert np.array_equal(batch.label.numpy(), rows["labels"].argmax(2))
        for m in ("text", "audio", "vision"):
            found = batch.features[m].numpy()
            assert np.array_equal(found, rows[m][:, : found.shape[1]].astype(np.float32))
            assert not rows[m][:, found.shape[1] :].any()
    one = next(corpus.examples("test"))
    assert [one[f"label_{e}"] for e in EMOTIONS] == content["test"]["labels"][0].argmax(1).tolist()
    assert "score_factor" not in corpus.manifest and "label" not in one


def test_check_says_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = community.iemocap(infinite=True)
    path = dump(tmp_path / "some.pkl", content)  # recognised by its labels
    assert main(["check", str(path)]) == 2
    said = capsys.readouterr().out
    share = np.concatenate([c["labels"][..., 1] for c in content.values()]).mean(0)
    assert "some.pkl: MMSA feature file, IEMOCAP, 92 utterances" in said
    assert "emotions: " + ", ".join(f"{e} {s:.1%}" for e, s in zip(EMOTIONS, share, strict=True)) in said
    assert "note: IEMOCAP is published with 2717/798/938 utterances (train, valid, test); here are 48/20/24." in said
    assert "note: The file has no ids: utterances are called by their split and row, such as 'train_0'." in said
    assert "error: 3 values of audio are NaN or infinite" in said  # which MulT's code sets to 0
    corpus = importers.read(path, repair=True)
    assert corpus.manifest["repaired"] == {"audio": 3} and "labels" not in said


def test_wrong_emotions_are_refused(tmp_path: Path) -> None:
    content = community.iemocap()
    content["train"]["labels"][3, 1] = 1
    with pytest.raises(
        MsaError, match=r"shape of emotions \(48, 4, 2\), but those of 'train_3' are no pairs of 0 and 1"
    ):
        importers.read(dump(tmp_path / "f.pkl", content))
    content = community.iemocap()
    content["train"]["labels"][:, 2] = (1, 0)
    with pytest.raises(MsaError, match="sad is there in no utterance of train: nothing to learn"):
        importers.read(dump(tmp_path / "f.pkl", content))
    content = community.iemocap()
    content["valid"]["labels"] = content["valid"]["labels"][:, :1, 1:]
    content["valid"]["id"] = [str(i) for i in range(20)]
    with pytest.raises(MsaError, match="valid has scores or no labels, other splits have emotions"):
        importers.read(dump(tmp_path / "f.pkl", content))
    with pytest.raises(MsaError, match="labels of this file are emotions, which have no scale"):
        importers.read(dump(tmp_path / "f.pkl", community.iemocap()), scale="mosi")
