"""Example clips of the lessons, read once and only when a test asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import pytest
from paths import EXAMPLES

from msa_core.lessons.handout import content
from msa_core.schema import Utterance


class Read(Mapping[str, Utterance]):
    """The shipped clips by name, each read when it is first asked for."""

    def __init__(self, analyser: Any) -> None:
        self.one = lru_cache(lambda name: analyser.extract(EXAMPLES / name))

    def __getitem__(self, name: str) -> Utterance:
        return self.one(name)

    def __iter__(self) -> Iterator[str]:
        return iter(content.CLIPS)

    def __len__(self) -> int:
        return len(content.CLIPS)


@pytest.fixture(scope="session")
def read(analyser: Any) -> Read:
    return Read(analyser)


@pytest.fixture(scope="session")
def happy(read: Read) -> Utterance:
    return read["crema_happy.mp4"]
