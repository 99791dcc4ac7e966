"""Large speech models: the frames of transformers' own path, windows, layers, precisions, sound that is too short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from whisper.audio import log_mel_spectrogram
from whisper.model import ModelDimensions, Whisper

from msa_core.errors import FeatureError
from msa_core.features.large import hub, speech
from msa_core.features.large.config import ModelConfig
from msa_core.features.windows import VOICE_WINDOW_S, cut_windows

RATE = 16_000


def sound(seconds: float) -> np.ndarray:
    """Noise whose loudness goes up and down, so that it has pauses."""
    n = int(seconds * RATE)
    rng = np.random.default_rng(0)
    return (0.2 * np.abs(np.sin(np.arange(n) / RATE)) * rng.normal(size=n)).astype(np.float32)


def load(folder: Path, layers: tuple[int, ...] = (-1,), dtype: str = "fp32") -> speech.SpeechModel:
    return speech.load(speech.find(ModelConfig(str(folder), layers=layers), Path()), dtype, "cpu")


@pytest.mark.parametrize("name, normalised", [("wavlm", True), ("hubert", False)])
def test_frames_are_those_of_the_feature_extractor_and_the_model(tiny_model: Any, name: str, normalised: bool) -> None:
    folder, wave = tiny_model(name), sound(1.3)
    reads = transformers.Wav2Vec2FeatureExtractor(do_normalize=normalised)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        inputs = reads(wave, sampling_rate=RATE, return_tensors="pt").input_values
        states = model(inputs, output_hidden_states=True).hidden_states
    for layers in ((-1,), (2,), (0, 3)):
        values, times_s = load(folder, layers).frames(wave)
        np.testing.assert_allclose(values, sum(states[k][0] for k in layers).numpy(), atol=1e-5)
    # A frame sees 400 samples, and the next one begins 320 samples later.
    assert len(values) == (len(wave) - 400) // 320 + 1
    np.testing.assert_allclose(times_s, (320 * np.arange(len(values)) + 200) / RATE)
    pooled, pooled_s = load(folder, (0, 3)).frames(wave, 5)
    np.testing.assert_allclose(pooled[0], values[:5].mean(0), atol=1e-6)
    np.testing.assert_allclose(pooled[-1], values[5 * (len(values) // 5) :].mean(0), atol=1e-6)
    assert pooled_s[0] == pytest.approx(times_s[:5].mean()) and len(pooled) == -(-len(values) // 5)


def test_one_model_is_read_at_several_layers(tiny_model: Any) -> None:
    first, second, wave = load(tiny_model("wavlm"), (1,)), load(tiny_model("wavlm"), (-1,)), sound(1)
    other = first.at(second.source)
    np.testing.assert_array_equal(other.frames(wave)[0], second.frames(wave)[0])
    assert other.model is first.model and first.source.layers == (1,)


def test_long_speech_is_heard_in_windows_cut_in_pauses(tiny_model: Any) -> None:
    wave, model = sound(34), load(tiny_model("wavlm"))
    windows = cut_windows(0, wave)
    values, times_s = model.frames(wave)
    assert len(windows) == 2 and (np.diff(times_s) > 0).all() and times_s[-1] < 34
    own = [model.frames(w.sound)[0] for w in windows]
    np.testing.assert_array_equal(values, np.concatenate(own))


@pytest.fixture(scope="module")
def pair(tiny_model: Any) -> tuple[Path, Whisper]:
    """The same weights as a Whisper of transformers and as one of openai-whisper."""
    folder = tiny_model("whisper")
    theirs = transformers.WhisperModel.from_pretrained(folder).encoder
    ours = Whisper(ModelDimensions(80, 1500, 16, 2, 2, 60, 448, 16, 2, 1)).eval()
    names = {"self_attn_layer_norm": "attn_ln", "final_layer_norm": "mlp_ln", "self_attn": "attn", "fc1": "mlp.0"}
    names |= {"fc2": "mlp.2", "q_proj": "query", "k_proj": "key", "v_proj": "value", "out_proj": "out"}
    names |= {"layers": "blocks", "layer_norm": "ln_post", "embed_positions.weight": "positional_embedding"}
    state = {}
    for key, value in theirs.state_dict().items():
        for theirs_name, own in names.items():
            key = key.replace(theirs_name, own)
        state[key] = value
    ours.encoder.load_state_dict(state)
    return folder, ours


@pytest.mark.parametrize("layers", [(0,), (1,), (-1,)])
def test_both_packages_read_a_whisper_alike(pair: tuple[Path, Whisper], layers: tuple[int, ...]) -> None:
    folder, model = pair
    theirs, wave = load(folder, layers), sound(7.3)
    ours = speech.OpenAiWhisper(hub.Source("openai-whisper:x", None, "x", None, layers), model, "fp32")
    for pool in (1, 5):
        values, times_s = theirs.frames(wave, pool)
        np.testing.assert_allclose(ours.frames(wave, pool)[0], values, atol=1e-5)
        assert len(values) == -(-365 // pool) and times_s[1] - times_s[0] == pytest.approx(0.02 * pool)


def test_a_window_of_whisper_is_the_beginning_of_its_own_thirty_seconds(pair: tuple[Path, Whisper]) -> None:
    """Embeddings of places and layers are the model's own: without attention nothing depends on the rest."""
    folder, wave = pair[0], sound(VOICE_WINDOW_S)
    model = transformers.WhisperModel.from_pretrained(folder).encoder.eval()
    with torch.no_grad():
        whole = model(log_mel_spectrogram(wave, 80, 30 * RATE - len(wave))[None], output_hidden_states=True)
    values, _ = load(folder, (0,)).frames(wave)
    np.testing.assert_allclose(values, whole.hidden_states[0][0, : len(values)].numpy(), atol=1e-5)


def test_whisper_hears_the_same_voice_alike_early_and_late(pair: tuple[Path, Whisper]) -> None:
    wave = np.tile(sound(2), 5)  # the same two seconds, five times
    values, _ = load(pair[0]).frames(wave, 5)
    apart = np.abs(values[40:60] - values[60:80]).max()
    assert apart < 1e-4, "a window of 4 s begins every 2 s, so both stretches are seen at the same places"


@pytest.mark.parametrize("name", ["wavlm", "hubert", "whisper"])
@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_half_precision_is_near(tiny_model: Any, name: str, dtype: str) -> None:
    wave = sound(3)
    whole, half = (load(tiny_model(name), dtype=d).frames(wave)[0] for d in ("fp32", dtype))
    assert half.dtype == np.float32 and np.abs(whole - half).max() < 0.05 * whole.std() + 0.05


@pytest.mark.parametrize("name", ["wavlm", "whisper"])
def test_sound_that_is_too_short_or_broken(tiny_model: Any, name: str) -> None:
    model = load(tiny_model(name))
    short = model.stream(np.zeros(100, np.float32), 5)
    assert (short.reason == speech.TOO_SHORT) == (name == "wavlm"), "Whisper pads, the others need 400 samples"
    with pytest.raises(FeatureError, match="1 samples that are NaN"):
        model.frames(np.array([0.0, np.nan], np.float32))


def test_openai_names() -> None:
    found = speech.find(ModelConfig("openai-whisper:large-v3-turbo", layers=(32,)), Path())
    assert (found.dim, found.identity) == (1280, "openai-whisper:large-v3-turbo")
    with pytest.raises(FeatureError, match=r"base has 6 layers, so hidden states 0 to 6 \(or -7 to -1\); 7 was asked"):
        speech.find(ModelConfig("openai-whisper:base", layers=(7,)), Path())
    with pytest.raises(FeatureError, match="No Whisper model 'huge'. Available: tiny.en"):
        speech.find(ModelConfig("openai-whisper:huge"), Path())
