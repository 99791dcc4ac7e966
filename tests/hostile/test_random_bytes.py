"""Bytes that nobody thought of: containers and feature files are changed at random, and always read or refused."""

from __future__ import annotations

import pickle
from functools import cache
from pathlib import Path
from typing import Any

import feature_files
import hostile_media
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msa_core import media
from msa_core.config import MediaLimits
from msa_core.corpora.importers import safe_pickle
from msa_core.errors import MediaError, MsaError

pytestmark = pytest.mark.slow
FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
PLAIN = (dict, list, tuple, set, frozenset, str, bytes, bytearray, int, float, complex, bool, type(None))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("random")


@cache
def whole(folder: Path, kind: str) -> bytes:
    return hostile_media.base(folder, kind).read_bytes()


changes = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=12)


def changed(data: bytes, edits: list[tuple[float, bytes]]) -> bytes:
    """Write bytes at shares of the length."""
    made = bytearray(data)
    for share, new in edits:
        at = int(share * len(made))
        made[at : at + len(new)] = new
    return bytes(made)


@FEW
@given(kind=st.sampled_from(list(hostile_media.KINDS)), edits=changes)
def test_a_changed_container_is_read_or_refused(folder: Path, kind: str, edits: Any) -> None:
    path = folder / f"changed.{kind}"
    path.write_bytes(changed(whole(folder, kind), edits))
    try:
        info = media.probe(path)
        wave = media.waveform(path, info, MediaLimits())
        shown = list(media.frames(path, info, limits=MediaLimits()))
    except MediaError as e:
        assert path.name in str(e) and str(e).endswith(".")
        return
    assert np.isfinite(wave).all() and len(wave) <= 61 * media.SAMPLE_RATE_HZ
    assert all(0 <= time_s <= 62 and image.dtype == np.uint8 and max(image.shape) <= 640 for time_s, image in shown)


@FEW
@given(data=st.binary(max_size=400), suffix=st.sampled_from([".mp4", ".wav", ".mkv", ".ts", ".mp3"]))
def test_bytes_are_no_clip(folder: Path, data: bytes, suffix: str) -> None:
    path = folder / f"bytes{suffix}"
    path.write_bytes(data)
    with pytest.raises(MediaError, match="^bytes"):
        info = media.probe(path)
        if media.waveform(path, info).size or list(media.frames(path, info)):
            raise MediaError("bytes that are a clip after all")


def plain(value: Any) -> bool:
    """Whether a value is made of arrays and builtin types."""
    if isinstance(value, dict):
        return all(map(plain, value)) and all(map(plain, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(plain, value))
    return isinstance(value, (*PLAIN, np.ndarray, np.generic))


@FEW
@given(edits=changes, protocol=st.sampled_from([2, 4, 5]))
def test_a_changed_pickle_is_plain_or_refused(folder: Path, edits: Any, protocol: int) -> None:
    path = folder / "changed.pkl"
    path.write_bytes(changed(pickle.dumps(feature_files.mmsa(), protocol), edits))
    try:
        assert plain(safe_pickle.load(path))
    except MsaError as e:
        assert str(e).startswith("changed.pkl ") or "changed.pkl" in str(e)


@FEW
@given(data=st.binary(max_size=200))
def test_bytes_are_no_code(folder: Path, data: bytes) -> None:
    path = folder / "bytes.pkl"
    path.write_bytes(b"\x80\x04" + data)
    try:
        assert plain(safe_pickle.load(path))
    except MsaError as e:
        assert "bytes.pkl" in str(e)
