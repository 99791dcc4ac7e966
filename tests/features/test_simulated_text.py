"""Simulated text: alignment by hand, a projector that learns, saving, absence with a reason, the shipped one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from msa_core import checkpoint
from msa_core.errors import CheckpointError, MsaError
from msa_core.feature_training import projector as projector_training
from msa_core.features import simulated_text
from msa_core.features.simulated_text import Projector, ProjectorConfig
from msa_core.features.spoken import Speech

SMALL = ProjectorConfig(state_dim=12, text_dim=10, width=16, dropout=0.0, epochs=40, learning_rate=1e-2, batch=16)


def pairs(n: int = 120) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Targets that depend on a token and on the one before it."""
    rng = np.random.default_rng(0)
    own, before = rng.normal(size=(12, 10)), rng.normal(size=(12, 10))
    states = [rng.normal(size=(rng.integers(1, 9), 12)).astype(np.float32) for _ in range(n)]
    shifted = [np.concatenate([np.zeros((1, 12)), s[:-1]]) for s in states]
    return states, [(s @ own + p @ before + 2.0).astype(np.float32) for s, p in zip(states, shifted, strict=True)]


def said(states: np.ndarray, reason: str | None = None, silent: str | None = None) -> Speech:
    k = len(states)
    empty = np.zeros((5, 384), np.float32)
    return Speech("", (), empty, np.arange(5) / 10, states, np.arange(k) / 4, np.zeros(k, int), reason, silent)


@pytest.fixture(scope="module")
def trained() -> tuple[Projector, dict[str, float]]:
    return projector_training.fit(*pairs(), config=SMALL)


def test_align_takes_the_true_word_at_the_same_place() -> None:
    vectors = np.arange(6.0).reshape(3, 2)
    heard, owners = ["a", "grate", "um", "film"], np.array([0, 1, 1, 2, 3])
    targets = projector_training.align(heard, owners, ["a", "great", "film"], vectors)
    np.testing.assert_array_equal(targets[[0, 1, 2, 4]], vectors[[0, 1, 1, 2]])
    np.testing.assert_array_equal(targets[3], vectors.mean(axis=0))  # "um" stands for no true word
    unlike = projector_training.align(["a", "xyz", "film"], np.arange(3), ["a", "great", "film"], vectors)
    np.testing.assert_array_equal(unlike, vectors)  # misheard, but at the place of "great"


def test_align_with_more_and_fewer_words() -> None:
    vectors = np.eye(3)
    np.testing.assert_array_equal(projector_training.align(["c"], np.array([0]), ["a", "b", "c"], vectors), vectors[2:])
    extra = projector_training.align(["x", "a", "b", "c"], np.arange(4), ["a", "b", "c"], vectors)
    np.testing.assert_array_equal(extra[1:], vectors)
    with pytest.raises(MsaError, match="2 words came with 3 vectors"):
        projector_training.align(["a"], np.array([0]), ["a", "b"], vectors)


@pytest.mark.slow
def test_projector_learns_and_is_repeatable(trained: tuple[Projector, dict[str, float]]) -> None:
    projector, metrics = trained
    assert metrics["cosine"] > 0.9 > metrics["mean_cosine"] and metrics["sentences"] == 12.0
    again, same = projector_training.fit(*pairs(), config=SMALL)
    assert same == metrics
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in projector.state_dict().items())


def test_every_parameter_gets_a_gradient_and_padding_none() -> None:
    projector = Projector(SMALL)
    states = torch.randn(2, 5, 12)
    valid = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    poisoned = torch.where(valid[..., None], states, torch.nan).requires_grad_()
    projector_training.projector_loss(projector, poisoned, valid, torch.randn(2, 5, 10)).backward()
    for name, p in projector.named_parameters():
        assert p.grad is not None and torch.isfinite(p.grad).all() and p.grad.abs().sum() > 0, name
    assert poisoned.grad is not None and (poisoned.grad[~valid] == 0).all()


def test_padding_changes_nothing(trained: tuple[Projector, dict[str, float]]) -> None:
    projector, (states, _) = trained[0], pairs(3)
    for x, valid, _ in projector_training._batches(np.arange(3), states, [np.zeros((len(s), 10)) for s in states], 3):
        for i, alone in enumerate(states):
            together = projector(x, valid)[i, : len(alone)].numpy()
            np.testing.assert_allclose(together, projector.project(alone), atol=1e-5)


def test_save_and_load(trained: tuple[Projector, dict[str, float]], tmp_path: Path) -> None:
    projector, metrics = trained
    simulated_text.save(projector, tmp_path / "p", {"validation": metrics})
    loaded, states = simulated_text.load(tmp_path / "p"), pairs(1)[0][0]
    np.testing.assert_allclose(loaded.project(states), projector.project(states), atol=0.05)
    golden, _ = checkpoint.read(tmp_path / "p", checkpoint.GOLDEN)
    np.testing.assert_allclose(loaded.project(golden["states"].numpy()), golden["text"].numpy(), atol=1e-5)
    (tmp_path / "p" / checkpoint.MODEL).write_bytes(b"altered")
    with pytest.raises(CheckpointError, match=r"p/model\.safetensors was altered: sha256 \w+, expected \w+"):
        simulated_text.load(tmp_path / "p")


def test_stream_is_absent_with_the_reason_of_the_speech() -> None:
    projector, none = Projector().eval(), np.zeros((0, 384), np.float32)
    assert simulated_text.stream(said(none, "no speech found"), projector).reason == "no speech found"
    assert simulated_text.stream(said(none, "no speech found", "silent"), projector).reason == "silent"
    found = simulated_text.stream(said(np.ones((3, 384), np.float32)), projector)
    assert found.values is not None and found.values.shape == (3, 384) and found.values.dtype == np.float32
    np.testing.assert_array_equal(found.times_s, [0.0, 0.25, 0.5])


def test_bad_pairs_are_refused() -> None:
    states, targets = pairs(4)
    with pytest.raises(MsaError, match="4 states came with 3 targets"):
        projector_training.fit(states, targets[:3], config=SMALL)
    with pytest.raises(MsaError, match=r"Pair 1 has shapes .*Give \(K, 12\) and \(K, 10\)"):
        projector_training.fit(states, [targets[0], targets[1][:, :5], *targets[2:]], config=SMALL)
    with pytest.raises(MsaError, match="All 4 pairs are of one group"):
        projector_training.fit(states, targets, ["same"] * 4, SMALL)
    with pytest.raises(MsaError, match=r"ProjectorConfig\.validation is 1\.0"):
        ProjectorConfig(validation=1.0)


def test_shipped_projector_gives_its_golden_output() -> None:
    projector = simulated_text.load()
    golden, manifest = checkpoint.read(simulated_text.CHECKPOINT, checkpoint.GOLDEN)
    np.testing.assert_allclose(projector.project(golden["states"].numpy()), golden["text"].numpy(), atol=1e-4)
    assert manifest["validation"]["cosine"] > manifest["validation"]["mean_cosine"]
