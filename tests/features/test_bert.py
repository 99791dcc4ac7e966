"""BERT of our own: the states of transformers' BertModel, the same word pieces, and folders that hold another model."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from msa_core.errors import FeatureError
from msa_core.features import weights
from msa_core.features.bert import Bert
from msa_core.features.text import CHUNK_TOKENS, TextEncoder, normalise

TEXTS = ("good", "I did not like this film at all", "unbelievably good-looking, isn't it?", "", "naïve 电影 42")


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder(weights.minilm_directory())


def test_states_are_those_of_transformers(encoder: TextEncoder) -> None:
    from transformers import AutoModel

    theirs = AutoModel.from_pretrained(str(weights.minilm_directory()), local_files_only=True).eval()
    torch.manual_seed(0)
    ids = torch.randint(1000, 30_000, (3, 256))
    attended = torch.arange(256) < torch.tensor([256, 40, 1])[:, None]
    with torch.inference_mode():
        wanted = theirs(input_ids=ids, attention_mask=attended.long()).last_hidden_state
        found = encoder.model(ids, attended)
    assert torch.allclose(found[attended], wanted[attended], atol=2e-5)


def test_pieces_and_places_are_those_of_transformers(encoder: TextEncoder) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(str(weights.minilm_directory()), local_files_only=True)
    for text in TEXTS:
        coded = theirs(normalise(text), return_offsets_mapping=True, add_special_tokens=False)
        assert encoder._pieces(text) == (coded["input_ids"], [start for start, _ in coded["offset_mapping"]])
        assert encoder.ids(text) == theirs(normalise(text))["input_ids"]
    long = "word " * 400
    assert len(encoder._pieces(long)[0]) == 400 and len(encoder.ids(long)) == CHUNK_TOKENS + 2
    assert encoder.encode([long])[0].shape == (400, encoder.dim)


def test_what_is_padded_changes_nothing(encoder: TextEncoder) -> None:
    together, alone = encoder.encode(TEXTS[:3]), [encoder.encode([t])[0] for t in TEXTS[:3]]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "why"),
    [({"model_type": "roberta"}, "ValueError"), ({"hidden_act": "relu"}, "ValueError"),
     ({"hidden_size": None}, "KeyError"), ({"intermediate_size": 64}, "RuntimeError")],
)  # fmt: skip
def test_a_folder_of_another_model_is_refused(tmp_path: Path, change: dict[str, object], why: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(weights.minilm_directory(), folder)
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    with pytest.raises(FeatureError, match=f"does not load as a text model \\({why}\\)"):
        TextEncoder(folder)
    (folder / "config.json").write_bytes((weights.minilm_directory() / "config.json").read_bytes())
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(FeatureError, match="does not load as a text model"):
        TextEncoder(folder)


def test_reading_needs_no_transformers() -> None:
    """Its import takes longer than a clip."""
    code = "import sys; from msa_core.predict import Analyser; Analyser.load(); sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == 0


def test_training_drops_out(encoder: TextEncoder) -> None:
    model = Bert.read(weights.minilm_directory())
    ids, attended = torch.tensor([encoder.ids("a film")]), torch.ones(1, 4, dtype=torch.bool)
    model.train()
    assert not torch.equal(model(ids, attended), model(ids, attended))
    model.eval()
    assert torch.equal(model(ids, attended), model(ids, attended))
