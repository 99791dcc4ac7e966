"""A large feature set as found: its id tells its widths and changes with everything that changes its numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from msa_core import checkpoint
from msa_core.errors import CheckpointError, FeatureError
from msa_core.features import FEATURE_SETS, known
from msa_core.features.large import config
from msa_core.features.large.models import LargeSet
from msa_core.features.large.simulator import KIND, SpeechProjector


@pytest.fixture(scope="module")
def settings(tiny_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Settings of a set of tiny models, with changes."""
    folder = tmp_path_factory.mktemp("projectors")
    for name, dim in (("own", 16), ("other", 5)):
        torch.manual_seed(0)
        checkpoint.write(folder / name, SpeechProjector(16, dim, 32).state_dict(), {"kind": KIND})
    plain = {
        "name": "tiny",
        "speech": {"model": str(tiny_model("wavlm"))},
        "text": {"model": str(tiny_model("llama"))},
        "vision": {"model": str(tiny_model("vit"))},
        "simulated": {"speech": {"model": str(tiny_model("hubert"))}, "projector": str(folder / "own")},
    }

    def changed(part: str = "", **values: Any) -> dict[str, Any]:
        return {**plain, part: {**plain[part], **values}} if part else {**plain, **values}

    return changed


def ident(values: dict[str, Any], dtype: str = "fp32") -> str:
    return LargeSet.find(config.parse(values), dtype).feature_set.id


def test_the_id_tells_the_widths(settings: Callable[..., dict[str, Any]]) -> None:
    found = LargeSet.find(config.parse(settings()), "fp32").feature_set
    assert found.dims == {"text": 16, "audio": 16, "vision": 12, "simulated": 16}
    again = known(found.id)
    assert again is not None and again.dims == found.dims and again.fits(found.id) and not again.fits("compact-v1")
    assert all(known(name) is one for name, one in FEATURE_SETS.items()) and known("own-1-2-3") is None


def test_the_id_changes_with_the_numbers_and_with_nothing_else(
    settings: Callable[..., dict[str, Any]], tiny_model: Any
) -> None:
    plain = ident(settings())
    assert ident(settings(), "bf16") == plain, "the precision is in the key of a clip, not in the id"
    others = [
        settings("speech", layers=[-2]),
        settings("speech", pool=1),
        settings("speech", model=str(tiny_model("hubert"))),
        settings("text", layers=[-2, -1]),
        settings("vision", layers=[0]),
        settings("simulated", beams=1),
        settings("simulated", instruction="Say it."),
        settings("simulated", max_new_tokens=5),
        settings(simulated=None),
        settings(transcriber="base"),
        settings(name="another"),
    ]
    assert len({plain, *map(ident, others)}) == len(others) + 1


def test_the_key_of_a_part_names_its_own_models_only(settings: Callable[..., dict[str, Any]]) -> None:
    sets = [LargeSet.find(config.parse(settings()), "fp32")]
    sets += [LargeSet.find(config.parse(settings("text", layers=[0])), "fp32")]
    keys = [{p: s.part_key(p) for p in ("speech", "vision", "text", "simulated")} for s in sets]
    assert {p for p in keys[0] if keys[0][p] != keys[1][p]} == {"text", "simulated"}
    half = LargeSet.find(config.parse(settings()), "fp16")
    assert all(half.part_key(p) != key for p, key in keys[0].items())


def test_what_does_not_fit_is_refused_before_a_model_is_loaded(
    settings: Callable[..., dict[str, Any]], tiny_model: Any
) -> None:
    other = Path(settings()["simulated"]["projector"]).with_name("other")
    with pytest.raises(CheckpointError, match="maps 16 to 5 values, the models have 16 and 16"):
        ident(settings("simulated", projector=str(other)))
    with pytest.raises(FeatureError, match="No Whisper 'gigantic' to hear the words. Available: tiny.en"):
        ident(settings(transcriber="gigantic"))
    with pytest.raises(FeatureError, match="no causal language model; simulated text needs one"):
        ident(settings("text", model=str(tiny_model("roberta"))))
    with pytest.raises(FeatureError, match="is a llama model; as speech model are read: wavlm, hubert"):
        ident(settings("speech", model=str(tiny_model("llama"))))
