"""Large text models: token vectors of transformers' own path, times of words, chunks, tokenizers of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from msa_core.errors import FeatureError
from msa_core.features.large import hub, text
from msa_core.features.large.config import ModelConfig
from msa_core.schema import Word

SPOKEN = [("Don't", 0.0, 0.5), ("forget", 0.5, 1.0), ("...", 1.0, 1.1), ("a", 1.1, 1.2), ("jacket.", 1.2, 2.0)]
WORDS = [Word(*w) for w in SPOKEN]


def load(folder: Path, layers: tuple[int, ...] = (-1,), speaks: bool = False) -> text.LargeText:
    return text.LargeText(text.find(ModelConfig(str(folder), layers=layers), Path(), speaks), speaks, "fp32", "cpu")


@pytest.mark.parametrize("name, speaks", [("roberta", False), ("llama", True), ("gpt2", True), ("llama", False)])
def test_vectors_are_those_of_the_model(tiny_model: Any, name: str, speaks: bool) -> None:
    folder, layers = tiny_model(name), (-1, 1)
    stream = load(folder, layers, speaks).encode_words(WORDS)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    coded = tokenizer("Don't forget a jacket.", return_tensors="pt", return_special_tokens_mask=True)
    own = ~coded.pop("special_tokens_mask")[0].bool()
    with torch.no_grad():
        states = model(coded["input_ids"], output_hidden_states=True).hidden_states
    np.testing.assert_allclose(stream.values, (states[-1] + states[1])[0, own].numpy(), atol=1e-5)
    assert stream.times_s is not None and len(stream.times_s) == int(own.sum())


@pytest.mark.parametrize("name", ["roberta", "llama", "sentencepiece_llama"])
def test_the_tokens_of_a_word_share_its_time(tiny_model: Any, name: str) -> None:
    if name.startswith("sentencepiece"):
        pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")
    model = load(tiny_model(name))
    times_s = model.encode_words(WORDS).times_s
    assert times_s is not None
    coded = model.tokenizer("Don't forget a jacket.", add_special_tokens=False, return_offsets_mapping=True)
    middles = [(a + max(a, b - 1)) / 2 for a, b in coded["offset_mapping"]]
    spans = {(0, 5.5): (0.0, 0.5), (5.5, 12.5): (0.5, 1.0), (12.5, 14.5): (1.1, 1.2), (14.5, 99): (1.2, 2.0)}
    for (low, high), (start_s, end_s) in spans.items():
        own = [t for t, m in zip(times_s, middles, strict=True) if low <= m < high]
        n = len(own)
        expected = [start_s + (k + 0.5) / n * (end_s - start_s) for k in range(n)]
        np.testing.assert_allclose(own, expected, atol=1e-6)
        assert n, "every word has a token"


def test_long_texts_are_read_in_chunks(tiny_model: Any) -> None:
    model, words = load(tiny_model("roberta")), WORDS * 20
    assert model.longest == 60
    whole = model.encode_words(words)
    ids = model.tokenizer(" ".join(w.text for w in words if w.text != "..."), add_special_tokens=False)["input_ids"]
    assert whole.values is not None and whole.values.shape == (len(ids), 20) and len(ids) > 120
    with torch.no_grad():
        second = model.model(torch.tensor([[1, *ids[60:120], 2]])).last_hidden_state[0, 1:-1]
    np.testing.assert_allclose(whole.values[60:120], second.numpy(), atol=1e-5)


def test_only_punctuation_is_no_text(tiny_model: Any) -> None:
    assert load(tiny_model("roberta")).encode_words([Word("...", 0, 1)]).reason == "no words"


def test_simulated_text_needs_a_model_that_speaks(tiny_model: Any) -> None:
    with pytest.raises(FeatureError, match="RobertaModel, no causal language model; simulated text needs one"):
        load(tiny_model("roberta"), speaks=True)
    with pytest.raises(FeatureError, match="has an encoder and a decoder; give a text model with one of them"):
        load(tiny_model("whisper"))


def test_a_sentencepiece_file_names_its_package(tiny_model: Any, tmp_path: Path, monkeypatch: Any) -> None:
    folder = tiny_model("llama")
    for file in folder.iterdir():
        if not file.name.startswith("tokenizer"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "tokenizer.model").write_bytes(b"\n\x0e\n")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    monkeypatch.setattr(hub, "find_spec", lambda name: None)
    with pytest.raises(FeatureError, match=r"pip install 'missing-modality-lab\[large\]'"):
        load(tmp_path)
