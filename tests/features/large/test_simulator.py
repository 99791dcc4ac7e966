"""Simulated text as published: projector by hand, generation step by step, windows, projectors of others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from msa_core import checkpoint
from msa_core.errors import CheckpointError, FeatureError
from msa_core.features.large import simulator, speech, text
from msa_core.features.large.config import ModelConfig, SimulatedConfig
from msa_core.features.large.simulator import SpeechProjector

HOW = SimulatedConfig(ModelConfig("wavlm"), "projector", "Write down what is said:", beams=1, max_new_tokens=6)


def made(tiny_model: Any, how: SimulatedConfig = HOW, name: str = "llama", layers: Any = (-4, -3, -2, -1)) -> Any:
    hears = speech.load(speech.find(ModelConfig(str(tiny_model("wavlm"))), Path()), "fp32", "cpu")
    found = text.find(ModelConfig(str(tiny_model(name)), layers=layers), Path(), True)
    words = text.LargeText(found, True, "fp32", "cpu")
    torch.manual_seed(0)
    return simulator.Simulator(hears, SpeechProjector(16, 16, 32).eval().requires_grad_(False), words, how)


def test_five_frames_are_stacked_and_the_rest_is_dropped() -> None:
    projector = SpeechProjector(2, 1, 3)
    with torch.no_grad():
        projector.linear1.weight.copy_(torch.arange(30.0).view(3, 10) / 10)
        projector.linear1.bias.copy_(torch.tensor([0.0, -1000.0, 1.0]))
        projector.linear2.weight.copy_(torch.tensor([[1.0, 5.0, 2.0]]))
        projector.linear2.bias.fill_(0.5)
    frames = torch.tensor([[float(t), 1.0] for t in range(12)])
    first = frames[:5].reshape(10)  # 0 1 1 1 2 1 3 1 4 1
    rows = [float((torch.arange(10.0) + 10 * k) @ first / 10) for k in range(3)]
    expected = rows[0] + 2 * (rows[2] + 1) + 0.5  # the second is cut off by the ReLU
    assert projector(frames).shape == (2, 1) and float(projector(frames)[0].detach()) == pytest.approx(expected)


def test_greedy_states_are_those_of_the_words_that_it_says(tiny_model: Any) -> None:
    """Step by step by hand: the states of every generated token but the first, four layers summed."""
    simulator_ = made(tiny_model)
    frames = np.random.default_rng(0).normal(size=(23, 16)).astype(np.float32)
    model, embed = simulator_.text.model, simulator_.text.model.get_input_embeddings()
    ids = simulator_.text.tokenizer(HOW.instruction)["input_ids"]
    assert ids[0] == 1 and len(ids) > 3, "the instruction begins as the tokenizer begins a text"
    with torch.no_grad():
        row = torch.cat([simulator_.projector(torch.from_numpy(frames)), embed(torch.tensor(ids))])
        expected: list[np.ndarray] = []
        for step in range(HOW.max_new_tokens):
            answer = model(inputs_embeds=row[None], output_hidden_states=True)
            if step:
                expected.append(sum(answer.hidden_states[k][0, -1] for k in (-4, -3, -2, -1)).numpy())
            token = answer.logits[0, -1].argmax()
            if int(token) == 2:
                break
            row = torch.cat([row, embed(token)[None]])
    states = simulator_.generate(frames)
    assert states.shape == (len(expected), 16) == (5, 16)
    np.testing.assert_allclose(states, np.stack(expected), atol=1e-4)


@pytest.mark.parametrize("name, layers", [("llama", (-1,)), ("gpt2", (-2, -1))])
def test_beams_and_other_language_models(tiny_model: Any, name: str, layers: tuple[int, ...]) -> None:
    simulator_ = made(tiny_model, replace(HOW, beams=4), name, layers)
    frames = np.random.default_rng(1).normal(size=(30, 16)).astype(np.float32)
    states = simulator_.generate(frames)
    assert states.shape[1] == 16 and 1 <= len(states) <= 5 and np.isfinite(states).all()
    np.testing.assert_array_equal(states, simulator_.generate(frames)), "nothing is drawn"


def test_a_model_that_ends_at_once_says_nothing(tiny_model: Any, monkeypatch: Any) -> None:
    simulator_ = made(tiny_model)
    monkeypatch.setattr(simulator, "ends", lambda text: list(range(3, len(text.tokenizer))))
    assert simulator_.stream(np.ones(16000, np.float32)).reason == simulator.SAID_NOTHING
    assert simulator_.stream(np.ones(1000, np.float32)).reason == speech.TOO_SHORT


def test_long_speech_is_simulated_window_by_window(tiny_model: Any) -> None:
    rng = np.random.default_rng(0)
    wave = (0.1 * rng.normal(size=34 * 16000)).astype(np.float32)
    simulator_ = made(tiny_model)
    stream = simulator_.stream(wave)
    assert stream.values is not None and stream.times_s is not None and stream.values.shape == (10, 16)
    cuts = [w.start_s for w in simulator.cut_windows(0, wave)]
    assert (stream.times_s[:5] < cuts[1]).all() and (stream.times_s[5:] > cuts[1]).all() and stream.times_s[-1] < 34
    np.testing.assert_allclose(stream.times_s[:5], (np.arange(5) + 0.5) / 5 * cuts[1], rtol=1e-5)


def test_projectors_of_others(tmp_path: Path) -> None:
    own = SpeechProjector(3, 4, 6)
    slam = {f"encoder_projector.{k}": v for k, v in own.state_dict().items()}
    torch.save(slam, tmp_path / "model.pt")
    found = simulator.find_projector(tmp_path / "model.pt")
    frames = torch.randn(10, 3)
    torch.testing.assert_close(found.build(3, 4)(frames), own(frames))
    with pytest.raises(CheckpointError, match="maps 3 to 4 values, the models have 7 and 4. Train it for these"):
        found.build(7, 4)
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="other.pt holds no projector of SLAM-LLM"):
        simulator.find_projector(tmp_path / "other.pt")
    (tmp_path / "broken.pt").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="broken.pt holds no projector of SLAM-LLM"):
        simulator.find_projector(tmp_path / "broken.pt")
    with pytest.raises(CheckpointError, match="There is no projector .*lost. Train it with train-projector"):
        simulator.find_projector(tmp_path / "lost")
    with pytest.raises(CheckpointError, match="no speech-projector. Give a folder that train-projector wrote"):
        simulator.find_projector(checkpoint.ROOT / "projector-tts-v1")


def test_a_language_model_needs_an_end(tiny_model: Any, monkeypatch: Any) -> None:
    words = made(tiny_model).text
    monkeypatch.setattr(words.model.generation_config, "eos_token_id", None)
    assert simulator.ends(words) == [2], "that of the tokenizer"
    words.tokenizer.eos_token = None
    with pytest.raises(FeatureError, match="has no token that ends a text"):
        simulator.ends(words)
