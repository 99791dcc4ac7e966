"""Models by name: exact content, layers and weights that are not there, nothing fetched without a network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from msa_core.errors import FeatureError
from msa_core.features.large import hub
from msa_core.features.large.config import ModelConfig


def find(path: str | Path, **how: Any) -> hub.Source:
    return hub.find(ModelConfig(str(path), **how), Path(), (), "text")


def test_a_model_that_is_not_cached_gives_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(FeatureError) as e:
        find("nobody/no-such-model")
    assert "\n" not in str(e.value) and len(str(e.value)) < 500
    assert str(e.value).startswith("The model nobody/no-such-model does not load (")
    assert "connect to the internet once so that it is fetched, or give the folder" in str(e.value)


def test_a_layer_that_the_model_does_not_have(tiny_model: Any) -> None:
    for layer in (3, -4):
        with pytest.raises(FeatureError, match=rf"has 2 layers, so hidden states 0 to 2 \(or -3 to -1\); {layer} was"):
            find(tiny_model("roberta"), layers=(0, layer))
    assert find(tiny_model("roberta"), layers=(-3, 2)).layers == (-3, 2)


def test_the_identity_is_the_content(tiny_model: Any, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_model("roberta"), tmp_path / "copy")
    known = find(tiny_model("roberta")).identity
    assert find(copy).identity == known, "wherever it lies"
    weights = load_file(copy / "model.safetensors")
    name = next(iter(weights))
    save_file({**weights, name: weights[name] + 1}, copy / "model.safetensors", {"format": "pt"})
    assert find(copy).identity != known


def test_weights_that_are_not_there_are_not_random(tiny_model: Any, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_model("roberta"), tmp_path / "copy")
    weights = {k: v for k, v in load_file(copy / "model.safetensors").items() if "layer.1.attention.self" not in k}
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(FeatureError, match=r"holds no weights for encoder.layer.1.attention.self.* they would be rand"):
        hub.load(find(copy), "AutoModel", "fp32", "cpu")


def test_folders_that_are_no_model(tmp_path: Path, tiny_model: Any) -> None:
    with pytest.raises(FeatureError, match="does not load"):
        find(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "roberta", "num_hidden_layers": 2}))
    with pytest.raises(FeatureError, match="does not load"):
        hub.load(find(tmp_path), "AutoModel", "fp32", "cpu")
    with pytest.raises(FeatureError, match="does not load"):
        hub.tokenizer(find(tiny_model("vit")))


def test_dtypes(tiny_model: Any) -> None:
    assert [hub.choose_dtype(None, d) for d in ("cpu", "cuda")] == ["fp32", "fp16"]
    assert hub.choose_dtype("bf16", "cpu") == "bf16"
    with pytest.raises(FeatureError, match="Unknown dtype 'fp8'. Choose from: fp32, fp16, bf16"):
        hub.choose_dtype("fp8", "cpu")
    assert hub.load(find(tiny_model("roberta")), "AutoModel", "bf16", "cpu").dtype == torch.bfloat16


def test_a_cached_model_of_the_hub_is_read_by_its_commit_without_a_network(
    tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, cache = "0123456789abcdef0123456789abcdef01234567", tmp_path / "models--acme--text"
    shutil.copytree(tiny_model("roberta"), cache / "snapshots" / commit)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    source = find("acme/text")
    assert (source.name, source.revision, source.identity) == ("acme/text", commit, f"acme/text@{commit}")
    assert find("acme/text", revision=commit).identity == source.identity, "however it was asked for"
    assert hub.load(source, "AutoModel", "fp32", "cpu").config.hidden_size == 20 and hub.tokenizer(source).is_fast
    assert hub.preprocessing(source) == {}
    with pytest.raises(FeatureError, match="acme/text does not load"):
        find("acme/text", revision="v2")
