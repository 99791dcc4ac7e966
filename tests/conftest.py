"""Fixtures shared by all tests: clips derived from one real clip, the loaded models, an empty temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import variants


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`clip("silent.mp4")`: the path of a variant of variants.BUILDERS, made on first use."""
    folder = tmp_path_factory.mktemp("clips")

    def get(name: str) -> Path:
        path = folder / name
        if not path.exists():
            variants.BUILDERS[name](path)
        return path

    return get


@pytest.fixture(scope="session")
def analyser():
    """All shipped models, loaded once."""
    from msa_core.predict import Analyser

    return Analyser.load("cpu")


@pytest.fixture
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder for everything Python puts aside; the test fails when a file remains in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    assert list(folder.rglob("*")) == []
