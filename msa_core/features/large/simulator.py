"""Simulated text as SDUMC publishes it (arXiv 2410.15029): a language model answers the voice, its states are the text.

speech model -> 5 frames of 20 ms stacked -> projector (Linear, ReLU, Linear) -> before the embeddings of an
instruction -> causal language model, beam search or greedy -> hidden layers summed at every generated step but the
first, of beam 0. The parts are SLAM-LLM's (arXiv 2402.08846). Speech over 30 s is cut in pauses and simulated window
by window; the states of a window share its time evenly.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from msa_core import checkpoint
from msa_core.checkpoint import sha256
from msa_core.errors import CheckpointError, FeatureError
from msa_core.features.large.config import SimulatedConfig
from msa_core.features.large.hub import summed
from msa_core.features.large.speech import TOO_SHORT, SpeechModel
from msa_core.features.large.text import LargeText
from msa_core.features.windows import checked, cut_windows
from msa_core.schema import SAMPLE_RATE_HZ, Stream

KIND = "speech-projector"  # kind in the manifest
STACK = 5  # frames in one vector of the projector
HIDDEN = 2048  # width inside the projector
NAMES = ("linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias")
SAID_NOTHING = "the language model said nothing"


class SpeechProjector(nn.Module):
    """Network from stacked speech frames to the input space of a language model: Linear, ReLU, Linear."""

    def __init__(self, speech_dim: int, text_dim: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.linear1 = nn.Linear(STACK * speech_dim, hidden)
        self.linear2 = nn.Linear(hidden, text_dim)

    def forward(self, frames: Tensor) -> Tensor:
        """Project frames (T, D_speech) to (T // 5, D_text); the frames that are left over are dropped."""
        n = len(frames) // STACK
        x: Tensor = self.linear2(torch.relu(self.linear1(frames[: n * STACK].reshape(n, -1))))
        return x


@dataclass(frozen=True)
class StoredProjector:
    """Trained projector that was found: its tensors and what names its content."""

    tensors: Mapping[str, Tensor]
    identity: str

    def build(self, speech_dim: int, text_dim: int) -> SpeechProjector:
        """Build the projector of a speech and a language model. Raises: CheckpointError when it is of others."""
        hidden, stacked = self.tensors["linear1.weight"].shape
        out = len(self.tensors["linear2.weight"])
        if (stacked, out) != (STACK * speech_dim, text_dim):
            raise CheckpointError(
                f"The projector maps {stacked // STACK} to {out} values, the models have {speech_dim} and {text_dim}. "
                "Train it for these models with train-projector."
            )
        projector = SpeechProjector(speech_dim, text_dim, hidden)
        projector.load_state_dict(dict(self.tensors))
        return projector.eval().requires_grad_(False)


def find_projector(path: Path) -> StoredProjector:
    """Read a projector: a checkpoint of `train-projector`, or a .pt of SLAM-LLM.

    Raises:
        CheckpointError: it is missing, altered or something else.
    """
    if path.is_file():
        return StoredProjector(_slam(path), sha256(path))
    if not (path / checkpoint.MANIFEST).is_file():
        raise CheckpointError(f"There is no projector {path}. Train it with train-projector, or correct the path.")
    tensors, manifest = checkpoint.read(path)
    if manifest.get("kind") != KIND:
        raise CheckpointError(f"{path.name} is no {KIND}. Give a folder that train-projector wrote.")
    return StoredProjector({k: v.float() for k, v in tensors.items()}, manifest["sha256"][checkpoint.MODEL])


def _slam(path: Path) -> dict[str, Tensor]:
    """Read the projector out of a state file of SLAM-LLM, without running code of it. Raises: CheckpointError."""
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
        named = {name: [v for k, v in held.items() if k.endswith(name)] for name in NAMES}
        return {name: values[0].float() for name, values in named.items()}
    except (pickle.UnpicklingError, EOFError, RuntimeError, AttributeError, IndexError) as e:
        raise CheckpointError(
            f"{path.name} holds no projector of SLAM-LLM ({type(e).__name__}): {', '.join(NAMES)}. Give another file."
        ) from e


class Simulator:
    """Simulation of the text of a voice by a speech model, a projector and a language model."""

    def __init__(self, speech: SpeechModel, projector: SpeechProjector, text: LargeText, config: SimulatedConfig):
        """Hold the loaded models.

        Args:
            speech: its frames of 20 ms are stacked.
            projector: to the input space of the language model.
            text: the language model, loaded so that it speaks; its layers are summed.
            config: instruction and generation.
        """
        self.speech, self.text, self.config = speech, text, config
        self.projector = projector.to(text.device)
        self.instruction = instruction(text, config)

    def stream(self, wave: np.ndarray) -> Stream:
        """Simulate the text of a sound (N,) at 16 kHz: states (T, D) with times; absent when nothing is said."""
        values, times = [], []
        heard = False
        for window in cut_windows(0, checked(wave)):
            frames, _ = self.speech.frames(window.sound)
            if len(frames) < STACK:
                continue
            heard = True
            states = self.generate(frames)
            if len(states):
                seconds = len(window.sound) / SAMPLE_RATE_HZ
                values.append(states)
                times.append(window.start_s + (np.arange(len(states)) + 0.5) / len(states) * seconds)
        if not values:
            return Stream.absent(SAID_NOTHING if heard else TOO_SHORT)
        return Stream(np.concatenate(values), np.concatenate(times).astype(np.float32))

    @torch.inference_mode()
    def generate(self, frames: np.ndarray) -> np.ndarray:
        """Generate from speech frames (T, D_speech), T >= 5. Returns: states (T_gen, D_text) float32, T_gen >= 0."""
        from transformers import GenerationConfig

        model, c = self.text.model, self.config
        heard = self.projector(torch.from_numpy(frames).to(self.text.device)).to(self.instruction.dtype)
        inputs = torch.cat([heard, self.instruction])[None]
        end = ends(self.text)
        how = GenerationConfig(
            do_sample=False,
            num_beams=c.beams,
            max_new_tokens=c.max_new_tokens,
            eos_token_id=end,
            pad_token_id=end[0] if end else 0,
            bos_token_id=self.text.tokenizer.bos_token_id,
            output_hidden_states=True,
            return_dict_in_generate=True,
        )
        mask = torch.ones(inputs.shape[:2], dtype=torch.long, device=inputs.device)
        steps = model.generate(inputs_embeds=inputs, attention_mask=mask, generation_config=how).hidden_states
        rows = [summed(states, self.text.source.layers)[0, -1] for states in steps[1:]]
        return torch.stack(rows).cpu().numpy() if rows else np.zeros((0, self.text.dim), np.float32)


def instruction(text: LargeText, config: SimulatedConfig) -> Tensor:
    """Embed the instruction (T, D) that stands between the voice and the answer."""
    ids = text.tokenizer(config.instruction)["input_ids"]
    ids = ids[: len(ids) - len(text.after)] if text.after else ids  # no end before the answer
    embedded: Tensor = text.model.get_input_embeddings()(torch.tensor(ids, device=text.device)).detach()
    return embedded


def ends(text: LargeText) -> list[int]:
    """Return the tokens that end what a language model says. Raises: FeatureError when it has none."""
    found: Any = text.model.generation_config.eos_token_id
    found = text.tokenizer.eos_token_id if found is None else found
    if found is None:
        raise FeatureError(f"{text.source.name} has no token that ends a text. Give a model whose tokenizer has one.")
    return [int(t) for t in (found if isinstance(found, list) else [found])]
