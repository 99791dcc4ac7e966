"""Text: one normalisation for all, token vectors that do not depend on the batch, times of spoken words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msa_core.errors import FeatureError
from msa_core.features import weights
from msa_core.features.text import CHUNK_TOKENS, TextEncoder, normalise
from msa_core.schema import Word


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder(weights.minilm_directory())


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("  Hello, World! ", "hello world"),
        ("It’s 'quoted', GOIN'.", "it's quoted goin"),
        ("well-known; 50% off...", "well known 50 off"),
        ("你好，世界", "你好 世界"),
        ("?!...", ""),
        ("", ""),
    ],
)
def test_normalise(raw: str, expected: str) -> None:
    assert normalise(raw) == expected


@given(st.text())
def test_normalise_is_idempotent(raw: str) -> None:
    once = normalise(raw)
    assert normalise(once) == once
    assert once == " ".join(once.split())


def test_batches_do_not_change_the_vectors(encoder: TextEncoder) -> None:
    texts = ["good", "not a good film at all", "Fine, I think."]
    together = encoder.encode(texts)
    for text, values in zip(texts, together, strict=True):
        alone = encoder.encode([text])[0]
        assert values.shape == alone.shape and values.dtype == np.float32
        np.testing.assert_allclose(values, alone, atol=1e-5)
    assert [len(v) for v in together] == [1, 6, 3]
    np.testing.assert_array_equal(encoder.encode(["FINE i think"])[0], encoder.encode(["Fine, I think."])[0])


def test_long_and_empty_texts(encoder: TextEncoder) -> None:
    long, empty = encoder.encode(["word " * (2 * CHUNK_TOKENS + 3), "!?"])
    assert long.shape == (2 * CHUNK_TOKENS + 3, 384) and empty.shape == (1, 384)
    np.testing.assert_allclose(long[:CHUNK_TOKENS], long[CHUNK_TOKENS : 2 * CHUNK_TOKENS], atol=1e-5)
    assert encoder.encode([]) == []


def test_pieces_share_the_time_of_their_word(encoder: TextEncoder) -> None:
    words = [
        Word("Unbelievably,", 0.0, 1.0),
        Word("...", 1.0, 2.0),
        Word("good-looking", 2.0, 3.0),
        Word("film", 4.0, 5.0),
    ]
    stream = encoder.encode_words(words)
    assert stream.values is not None and stream.times_s is not None
    np.testing.assert_array_equal(stream.values, encoder.encode(["unbelievably good looking film"])[0])
    n = len(stream.times_s) - 3
    np.testing.assert_allclose(stream.times_s, [*((np.arange(n) + 0.5) / n), 2.25, 2.75, 4.5])


def test_no_words_is_absent_with_a_reason(encoder: TextEncoder) -> None:
    assert encoder.encode_words([Word("...", 0.0, 1.0)]).reason == "no words"
    assert not encoder.encode_words([]).present


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="does not load as a text model .*Give a folder with config.json"):
        TextEncoder(tmp_path)
