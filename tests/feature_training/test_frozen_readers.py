"""Frozen readers: they answer as they do about words alone, wherever padding is, and only the tokens learn."""

import numpy as np
import pytest
import torch

from msa_core.batch import collate
from msa_core.evaluation.text_layers import shipped_readers
from msa_core.feature_training.frozen_readers import FrozenReaders
from msa_core.features import TUNED
from msa_core.schema import Stream, Utterance


@pytest.fixture(scope="module")
def readers() -> FrozenReaders:
    return shipped_readers()


def sentences(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, 384)).astype(np.float32) * 0.4 for n in (3, 7, 1)]


def test_readers_answer_as_they_do_about_words_alone(readers: FrozenReaders) -> None:
    found = sentences()
    absent = Stream.absent("only the words are taken")
    batch = collate(
        [
            Utterance(str(n), 0.0, TUNED.id, Stream(v, np.arange(len(v), dtype=np.float32)), absent, absent, absent)
            for n, v in enumerate(found)
        ]
    )
    # Tokens with something in front of the words and behind them, as [CLS] and [SEP] are.
    tokens, words = torch.full((3, 9, 384), 7.0), torch.zeros(3, 9, dtype=torch.bool)
    for k, v in enumerate(found):
        tokens[k, 1 : 1 + len(v)], words[k, 1 : 1 + len(v)] = torch.from_numpy(v), True
    scores = readers(tokens, words)
    assert scores.shape == (len(readers.models), 3) and len(readers.models) >= 5
    for row, model in zip(scores, readers.models.values(), strict=True):
        assert torch.allclose(row, model(batch).score, atol=1e-5)


def test_gradients_reach_the_words_and_nothing_else(readers: FrozenReaders) -> None:
    tokens = torch.randn(2, 5, 384, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    words = torch.tensor([[False, True, True, True, False], [False, True, False, False, False]])
    readers(tokens, words).sum().backward()
    moved = tokens.grad.abs().sum(-1) > 0
    assert torch.equal(moved, words)
    assert all(p.grad is None for model in readers.models.values() for p in model.parameters())


def test_no_readers_score_nothing() -> None:
    assert FrozenReaders({})(torch.zeros(4, 2, 8), torch.ones(4, 2, dtype=torch.bool)).shape == (0, 4)
