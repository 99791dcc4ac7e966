"""Settings of large feature sets: what is read, what is refused, what is written beside the features."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT

from msa_core.errors import FeatureError, MsaError
from msa_core.features.large import config
from msa_core.features.large.config import ModelConfig, SimulatedConfig, SpeechConfig

PLAIN: dict[str, Any] = {
    "name": "own",
    "speech": {"model": "a/speech", "revision": "abc", "layers": [-5], "pool": 1},
    "text": {"model": "a/text", "layers": [-4, -3, -2, -1]},
    "vision": {"model": "a/vision"},
    "simulated": {"speech": {"model": "a/speech"}, "projector": "projector", "beams": 1},
}


def test_every_part_is_read() -> None:
    read = config.parse(PLAIN)
    assert read.speech == SpeechConfig("a/speech", "abc", (-5,), 1) and read.vision == ModelConfig("a/vision")
    assert read.simulated == SimulatedConfig(ModelConfig("a/speech"), "projector", beams=1)
    assert (read.text.layers, read.transcriber, read.simulated.max_new_tokens) == ((-4, -3, -2, -1), "tiny.en", 200)
    assert config.parse({k: v for k, v in PLAIN.items() if k != "simulated"}).simulated is None


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"speech": None}, "The feature set has no 'speech' with a model"),
        ({"speech": "wavlm"}, "The feature set has no 'speech' with a model"),
        ({"speech": {"layers": [1]}}, "speech lacks model"),
        ({"vision": {"model": "v", "pool": 1}}, "ModelConfig has no setting 'pool'"),
        ({"speech": {"model": "v", "pool": 3}}, "speech.pool is 3; give 5"),
        ({"text": {"model": "t", "layers": []}}, "The model 't' with layers [] is incomplete"),
        ({"text": {"model": "t", "layers": "last"}}, "ModelConfig.layers is 'last'"),
        ({"name": "A set"}, "The name of a feature set is 'A set'"),
        ({"colour": 1}, "LargeConfig has no setting 'colour'"),
        ({"simulated": {"projector": "p"}}, "simulated lacks speech"),
        ({"simulated": {"speech": {"model": "s"}, "projector": "p", "beams": 0}}, "simulated.beams is 0"),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(MsaError, match=re.escape(sentence)):
        config.parse({**PLAIN, **change})


def test_the_documented_sets_are_read() -> None:
    page = (ROOT / "docs" / "large-features.md").read_text()
    read = [config.parse(json.loads(text)) for text in re.findall(r"^```json\n(.*?)^```", page, re.S | re.M)]
    assert [c.name for c in read] == ["wavlm-roberta-vit", "sdumc"] and read[1].simulated is not None


def test_files(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="Cannot read the feature set lost.json"):
        config.read(tmp_path / "lost.json")
    (tmp_path / "set.json").write_text("[1]")
    with pytest.raises(FeatureError, match="set.json is no JSON object"):
        config.read(tmp_path / "set.json")
    (tmp_path / "set.json").write_text("{")
    with pytest.raises(FeatureError, match="Cannot read the feature set set.json"):
        config.read(tmp_path / "set.json")


def test_folders_begin_at_the_file_and_are_written_in_full(tmp_path: Path) -> None:
    (tmp_path / "speech").mkdir()
    local = {**PLAIN, "speech": {"model": "speech"}}
    (tmp_path / "set.json").write_text(json.dumps(local))
    read = config.read(tmp_path / "set.json")
    config.write(read, "large-own-1-2-3", tmp_path / "out")
    there = config.stored(tmp_path / "out")
    assert there is not None and there[0] == "large-own-1-2-3"
    again = config.parse(there[1])
    assert (again.speech.model, again.text.model) == (str(tmp_path / "speech"), "a/text")
    assert again.simulated is not None and again.simulated.projector == str(tmp_path / "projector")


def test_a_folder_holds_one_feature_set(tmp_path: Path) -> None:
    config.write(config.parse(PLAIN), "large-own-1-2-3", tmp_path)
    config.write(config.parse(PLAIN), "large-own-1-2-3", tmp_path)
    with pytest.raises(FeatureError, match="holds features 'large-own-1-2-3'; these are 'large-own-4-5-6'"):
        config.write(config.parse(PLAIN), "large-own-4-5-6", tmp_path)
    (tmp_path / config.FILE).write_text("{}")
    with pytest.raises(FeatureError, match="cannot be read"):
        config.stored(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FeatureError, match="Cannot write to"):
        config.write(config.parse(PLAIN), "large-own-1-2-3", tmp_path / "file" / "out")
