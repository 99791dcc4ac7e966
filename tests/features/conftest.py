"""The models of speech, loaded once for all tests that read with them."""

from __future__ import annotations

from typing import Any

import pytest

from msa_core.features import weights
from msa_core.features.translation import TranslatingReader


@pytest.fixture(scope="session")
def tiny() -> Any:
    """Whisper tiny.en."""
    return weights.whisper("tiny.en")


@pytest.fixture(scope="session")
def base() -> weights.Once[TranslatingReader]:
    """The reader with Whisper base, made when it is first asked for."""
    return weights.Once(lambda: TranslatingReader(weights.whisper("base")))
