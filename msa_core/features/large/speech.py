"""Frames of a voice from hidden layers of a large speech model: WavLM, HuBERT, wav2vec 2.0 or Whisper's encoder.

WavLM (arXiv 2110.13900), HuBERT (arXiv 2106.07447) and wav2vec 2.0 (arXiv 2006.11477) place their frames by a
convolution, and WavLM by a relative bias besides: a frame does not depend on how long the sound has been going on. So
they hear up to 30 s at once, cut in pauses, each window alone, because some of them were trained without padding.
Whisper (arXiv 2212.04356) adds an embedding of the absolute place to every frame, so it hears the overlapping windows
of 4 s that the compact set has (`windows.voice_windows`), many at once.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msa_core.errors import FeatureError
from msa_core.features import weights
from msa_core.features.large import hub
from msa_core.features.large.config import ModelConfig
from msa_core.features.openai_whisper import Whisper, log_mel_spectrogram
from msa_core.features.windows import (
    FRAME_SAMPLES,
    PAD_STEP_S,
    Window,
    averaged,
    batches,
    checked,
    cut_windows,
    overlapped,
    pooled,
    voice_times,
    voice_windows,
)
from msa_core.schema import SAMPLE_RATE_HZ, Stream

RELATIVE = ("wavlm", "hubert", "wav2vec2", "unispeech", "unispeech-sat", "data2vec-audio")
KINDS = (*RELATIVE, "whisper")
OPENAI = "openai-whisper:"  # begins the name of a model of that package
WIDTHS = {"tiny": (384, 4), "base": (512, 6), "small": (768, 12), "medium": (1024, 24)}  # width, encoder blocks
LARGEST = (1280, 32)  # of large and turbo
TOO_SHORT = "the audio is too short for one frame"
BATCH = 32  # windows


def find(config: ModelConfig, folder: Path) -> hub.Source:
    """Find a speech model; see `hub.find` for arguments and errors."""
    if not config.model.startswith(OPENAI):
        return hub.find(config, folder, KINDS, "speech")
    size = config.model.removeprefix(OPENAI)
    if size not in weights.available_models():
        raise FeatureError(f"No Whisper model {size!r}. Available: {', '.join(weights.available_models())}.")
    dim, n_layers = WIDTHS.get(size.removesuffix(".en"), LARGEST)
    hub.check_layers(config.model, config.layers, n_layers)
    return hub.Source(config.model, None, config.model, _OpenAi(dim), config.layers)


def load(source: hub.Source, dtype: str, device: str) -> SpeechModel:
    """Load a speech model that was found. Raises: FeatureError."""
    if isinstance(source.config, _OpenAi):
        return OpenAiWhisper(source, weights.whisper(source.name.removeprefix(OPENAI), device=device), dtype)
    if source.kind == "whisper":
        return TransformersWhisper(source, dtype, device)
    return RelativeModel(source, dtype, device)


class SpeechModel(ABC):
    """Speech model from a waveform to frames of 20 ms."""

    def __init__(self, source: hub.Source, dtype: str, device: str) -> None:
        self.source, self.dtype, self.device = source, hub.DTYPES[dtype], device

    @abstractmethod
    def frames(self, wave: np.ndarray, pool: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Read frames of a sound.

        Args:
            wave: (N,) float32, mono, 16 kHz.
            pool: frames of 20 ms that are averaged to one, 1 or 5.

        Returns:
            Frames (T, D) float32 and their times (T,) in s; T = 0 when the sound is too short.

        Raises:
            FeatureError: the shape is wrong or a value not finite.
        """

    def at(self, source: hub.Source) -> SpeechModel:
        """Return this model at the layers of another source with the same weights, which both share."""
        other = copy(self)
        other.source = source
        return other

    def stream(self, wave: np.ndarray, pool: int) -> Stream:
        """Make the audio stream of a sound (see `frames`); absent when it is too short."""
        values, times_s = self.frames(wave, pool)
        return Stream(values, times_s.astype(np.float32)) if len(values) else Stream.absent(TOO_SHORT)


class RelativeModel(SpeechModel):
    """Speech model whose frames know no absolute place."""

    def __init__(self, source: hub.Source, dtype: str, device: str) -> None:
        super().__init__(source, dtype, device)
        self.model = hub.load(source, "AutoModel", dtype, device)
        self.normalise = bool(hub.preprocessing(source).get("do_normalize", True))
        self.hop, self.reach = _steps(source.config.conv_kernel, source.config.conv_stride)

    @torch.inference_mode()
    def frames(self, wave: np.ndarray, pool: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Read frames of a sound; see `SpeechModel.frames`."""
        values, times = [np.zeros((0, self.source.dim), np.float32)], [np.zeros(0)]
        for window in cut_windows(0, checked(wave)):
            if len(window.sound) < self.reach:
                continue
            sound = torch.from_numpy(window.sound).to(self.device)
            if self.normalise:  # as the feature extractor of these models does
                sound = (sound - sound.mean()) / torch.sqrt(sound.var(correction=0) + 1e-7)
            states = self.model(sound[None].to(self.dtype), output_hidden_states=True).hidden_states
            own = hub.summed(states, self.source.layers)[0].cpu().numpy()
            middles = window.start_s + (np.arange(len(own)) * self.hop + self.reach / 2) / SAMPLE_RATE_HZ
            values.append(averaged(own, pool))
            times.append(averaged(middles[:, None], pool)[:, 0])
        return np.concatenate(values), np.concatenate(times)


class WhisperModel(SpeechModel):
    """Encoder of a Whisper, on windows of 4 s."""

    n_mels: int

    @torch.inference_mode()
    def frames(self, wave: np.ndarray, pool: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Read frames of a sound; see `SpeechModel.frames`."""
        windows = voice_windows(0, checked(wave))
        found: dict[float, np.ndarray] = {}
        for some in batches(windows, BATCH):
            states = hub.summed(self.hidden(self._mel(some)), self.source.layers)
            found |= {w.start_s: f for w, f in zip(some, pooled(states, some, pool), strict=True)}
        values = overlapped([found[w.start_s] for w in windows], windows, pool)
        return values, voice_times(len(wave), pool)[: len(values)]

    @abstractmethod
    def hidden(self, mel: Tensor) -> Sequence[Tensor]:
        """Encode a log-mel (B, n_mels, 500) of 5 s to hidden states, one (B, 250, D) a layer and the embeddings."""

    def _mel(self, windows: Sequence[Window]) -> Tensor:
        """Compute the log-mel (B, n_mels, 500) of windows padded with silence to 5 s, each normalised alone."""
        n = PAD_STEP_S * SAMPLE_RATE_HZ
        mels = [log_mel_spectrogram(w.sound, self.n_mels, n - len(w.sound), self.device) for w in windows]
        return torch.stack(mels).to(self.dtype)


class TransformersWhisper(WhisperModel):
    """Encoder of a Whisper of transformers; its embeddings of places are cut to 5 s, so that 4 s cost no 30."""

    def __init__(self, source: hub.Source, dtype: str, device: str) -> None:
        super().__init__(source, dtype, device)
        self.encoder = hub.load(source, "AutoModel", dtype, device).encoder
        self.n_mels = int(source.config.num_mel_bins)
        places = PAD_STEP_S * SAMPLE_RATE_HZ // FRAME_SAMPLES
        table = self.encoder.embed_positions.weight[:places].clone()
        self.encoder.embed_positions = nn.Embedding.from_pretrained(table, freeze=True)
        self.encoder.config.max_source_positions = self.encoder.max_source_positions = places

    def hidden(self, mel: Tensor) -> Sequence[Tensor]:
        """Encode a log-mel; see `WhisperModel.hidden`."""
        states: Sequence[Tensor] = self.encoder(mel, output_hidden_states=True).hidden_states
        return states


class OpenAiWhisper(WhisperModel):
    """Encoder of a model of openai-whisper."""

    def __init__(self, source: hub.Source, model: Whisper, dtype: str) -> None:
        super().__init__(source, dtype, str(model.device))
        self.encoder = model.encoder  # its layers take the dtype of what they read
        self.n_mels = model.dims.n_mels

    def hidden(self, mel: Tensor) -> Sequence[Tensor]:
        """Encode a log-mel; see `WhisperModel.hidden`."""
        encoder = self.encoder
        x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).transpose(1, 2)
        states = [(x + encoder.positional_embedding[: x.shape[1]]).to(self.dtype)]
        for block in encoder.blocks:
            states.append(block(states[-1]))
        states[-1] = encoder.ln_post(states[-1])
        return states


class _OpenAi:
    """Config of a model of openai-whisper, which is known without its weights."""

    def __init__(self, dim: int) -> None:
        self.hidden_size, self.model_type = dim, "openai-whisper"


def _steps(kernels: Sequence[int], strides: Sequence[int]) -> tuple[int, int]:
    """Return the samples from one frame to the next, and those that one frame is made of."""
    reach = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        reach = (reach - 1) * stride + kernel
    return math.prod(strides), reach
