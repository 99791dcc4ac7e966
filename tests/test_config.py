"""Settings: built from plain values, and the choice of the device."""

from __future__ import annotations

import pytest
import torch

from msa_core.config import MediaLimits, choose_device, from_dict
from msa_core.errors import MsaError


def test_settings_are_built_from_plain_values() -> None:
    assert from_dict(MediaLimits, {"max_duration_s": 5}) == MediaLimits(max_duration_s=5.0)
    with pytest.raises(MsaError, match="no setting 'seconds'. Valid settings: max_duration_s"):
        from_dict(MediaLimits, {"seconds": 5})
    with pytest.raises(MsaError, match="max_bytes is '5'; give a value of type int"):
        from_dict(MediaLimits, {"max_bytes": "5"})


@pytest.mark.parametrize("gpu", [True, False])
def test_the_gpu_is_taken_when_there_is_one(gpu: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert choose_device() == ("cuda" if gpu else "cpu") and choose_device("cpu") == "cpu"
    with pytest.raises(MsaError, match="The device is 'tpu'; give cpu or cuda"):
        choose_device("tpu")
    if not gpu:
        with pytest.raises(MsaError, match="The device is 'cuda'; .*no GPU here"):
            choose_device("cuda")
