"""A corpus as Hugging Face data sets: the rows of `Corpus.examples`, on disk once, and one line without `datasets`."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from synthetic import DIMS, corpus

from msa_core.corpora import as_dataset
from msa_core.errors import MsaError
from msa_core.schema import STREAMS

NO_DATASETS = "datasets is not installed: pip install 'missing-modality-lab[hub]'"


def test_every_split_holds_the_examples_of_the_corpus(tmp_path):
    pytest.importorskip("datasets", reason=NO_DATASETS)
    own = corpus(40)
    made = as_dataset(own, tmp_path / "cache").with_format("numpy")
    assert {split: len(rows) for split, rows in made.items()} == {"train": 24, "valid": 8, "test": 8}
    for split, rows in made.items():
        for row, example in zip(rows, own.examples(split), strict=True):
            assert list(row) == list(example)
            assert (row["id"], row["label"], row["rating_text"]) == tuple(
                example[k] for k in ("id", "label", "rating_text")
            )
            for stream in STREAMS:
                found = np.asarray(row[stream], np.float32).reshape(-1, DIMS[stream])
                assert np.array_equal(found, example[stream])
    assert any(len(row["vision"]) == 0 for row in made["train"]), "an absent modality has no frame"


def test_a_corpus_is_written_once_and_another_one_anew(tmp_path, monkeypatch):
    pytest.importorskip("datasets", reason=NO_DATASETS)
    own, read = corpus(20), []
    own.save(tmp_path / "corpus")
    examples = type(own).examples
    monkeypatch.setattr(type(own), "examples", lambda self, split: read.append(split) or examples(self, split))
    first, again = (as_dataset(tmp_path / "corpus", tmp_path / "cache") for _ in range(2))
    assert read == ["train", "valid", "test"] and again["test"]["label"] == first["test"]["label"]
    other = as_dataset(replace(own, label=-own.label), tmp_path / "cache")
    assert other["test"]["label"][0] == -first["test"]["label"][0]


def test_a_corpus_without_a_split_has_two(tmp_path):
    pytest.importorskip("datasets", reason=NO_DATASETS)
    own = corpus(20)
    own = replace(own, split=np.where(own.split == "valid", "train", own.split))
    assert list(as_dataset(own, tmp_path)) == ["train", "test"]


def test_without_datasets_it_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MsaError, match=r"pip install 'missing-modality-lab\[hub\]', or use Corpus.examples"):
        as_dataset(corpus(10))


def test_a_folder_without_a_corpus_is_one_line(tmp_path):
    pytest.importorskip("datasets", reason=NO_DATASETS)
    with pytest.raises(MsaError, match="holds no corpus"):
        as_dataset(tmp_path)
