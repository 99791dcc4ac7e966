"""Cache of parts: made once, again when damaged, never for another key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from msa_core.errors import FeatureError
from msa_core.features.large.cache import Cache, Part
from msa_core.schema import Stream


def test_a_part_is_made_once_for_a_clip_and_a_key(tmp_path: Path) -> None:
    cache, calls = Cache(tmp_path), []

    def make() -> Part:
        calls.append(1)
        return Part(
            Stream(np.full((2, 3), len(calls), np.float32), np.array([0.1, 0.2], np.float32)), {"n": len(calls)}
        )

    first = cache("clip", "key", make)
    again = cache("clip", "key", make)
    assert calls == [1] and again.facts == {"n": 1} and again.stream.values is not None
    np.testing.assert_array_equal(again.stream.values, first.stream.values)
    np.testing.assert_array_equal(again.stream.times_s, first.stream.times_s)
    for clip, key in (("other", "key"), ("clip", "another")):
        cache(clip, key, make)
    assert len(calls) == 3
    cache(None, "key", make)
    Cache()("clip", "key", make)
    assert len(calls) == 5
    for file in tmp_path.rglob("*.npz"):
        file.write_bytes(file.read_bytes()[:60])
    assert cache("clip", "key", make).facts == {"n": 6}, "a damaged part is made again"
    assert cache("clip", "key", make).facts == {"n": 6}


def test_an_absence_is_kept_with_its_reason(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache("clip", "key", lambda: Part(Stream.absent("no face"), {"notes": ["a", "b"]}))
    kept = cache("clip", "key", lambda: pytest.fail("it is kept"))
    assert kept.stream.reason == "no face" and not kept.stream.present and kept.facts == {"notes": ["a", "b"]}


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FeatureError, match="Cannot write the cache .*Give another --cache"):
        Cache(tmp_path / "file")("clip", "key", lambda: Part(Stream.absent("x")))
