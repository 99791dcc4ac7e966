"""Models of transformers, found on the Hub, in its cache or in a folder, and loaded so that nothing is random.

`find` reads the config alone. What it returns names the exact content: the commit on the Hub, or the sha256 of a
folder's files, so that features of other weights are never taken for the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from msa_core.checkpoint import sha256
from msa_core.errors import FeatureError
from msa_core.features.large.config import ModelConfig, place

CONTENT = ("*.json", "*.safetensors", "*.bin", "*.model", "*.txt")  # files of a folder that make a model what it is
UNUSED = ("pooler", "masked_spec_embed", "mask_token")  # weights that no hidden state passes
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
FAULTS = (OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError, AttributeError)  # of a wrong model


@dataclass(frozen=True)
class Source:
    """Model that was found: its folder or name with the commit, its exact content, and its config."""

    name: str
    revision: str | None
    identity: str
    config: Any
    layers: tuple[int, ...]

    @property
    def kind(self) -> str:
        """Family of the model, such as "wavlm"."""
        return str(self.config.model_type)

    @property
    def dim(self) -> int:
        """Width of a hidden state."""
        return int(self.config.hidden_size)


def choose_dtype(dtype: str | None, device: str) -> str:
    """Return `dtype`, or fp16 on a GPU and fp32 on a processor when none is given. Raises: FeatureError."""
    if dtype not in (None, *DTYPES):
        raise FeatureError(f"Unknown dtype {dtype!r}. Choose from: {', '.join(DTYPES)}.")
    return dtype or ("fp16" if device.startswith("cuda") else "fp32")


def find(config: ModelConfig, folder: Path, kinds: Sequence[str], what: str) -> Source:
    """Find a model and read its config.

    Args:
        config: its name and layers.
        folder: where relative folders begin.
        kinds: families that are read; empty accepts any.
        what: the model's part in the set, for messages.

    Raises:
        FeatureError: it is not there, of another family, or lacks a layer.
    """
    from transformers import AutoConfig  # here: the import takes seconds
    from transformers.utils import cached_file

    quiet()
    name = place(config.model, folder)
    local, revision = Path(name).is_dir(), config.revision or "main"
    try:
        if not local:  # the file lies in a folder that is named by its commit
            revision = Path(str(cached_file(name, "config.json", revision=revision))).parent.name
        found = AutoConfig.from_pretrained(name, revision=revision)
    except FAULTS as e:
        raise _lost(config.model, e) from e
    if kinds and found.model_type not in kinds:
        raise FeatureError(
            f"{config.model} is a {found.model_type} model; as {what} model are read: {', '.join(kinds)}. Give one."
        )
    if kinds == () and getattr(found, "is_encoder_decoder", False):
        raise FeatureError(f"{config.model} has an encoder and a decoder; give a {what} model with one of them.")
    n_layers = int(getattr(found, "num_hidden_layers", 0))
    check_layers(config.model, config.layers, n_layers)
    identity = content(Path(name)) if local else f"{name}@{revision}"
    return Source(name, None if local else revision, identity, found, config.layers)


def check_layers(model: str, layers: Sequence[int], n_layers: int) -> None:
    """Refuse a hidden layer that the model does not have. Raises: FeatureError."""
    wrong = [k for k in layers if not -n_layers - 1 <= k <= n_layers]
    if wrong:
        raise FeatureError(
            f"{model} has {n_layers} layers, so hidden states 0 to {n_layers} (or -{n_layers + 1} to -1); "
            f"{wrong[0]} was asked for. Give one of these."
        )


def content(folder: Path) -> str:
    """Name the content of a model's folder: one sha256 of its files."""
    files = sorted({p for pattern in CONTENT for p in folder.glob(pattern)})
    return hashlib.sha256("\n".join(f"{p.name} {sha256(p)}" for p in files).encode()).hexdigest()


def load(source: Source, auto: str, dtype: str, device: str) -> Any:
    """Load a model with every weight that its hidden states pass, frozen, in evaluation mode.

    Args:
        source: of `find`.
        auto: the class of transformers that builds it, such as "AutoModel".
        dtype: a key of DTYPES.
        device: "cpu" or "cuda".

    Raises:
        FeatureError: it does not load, or the folder lacks weights of it.
    """
    import transformers

    quiet()
    try:
        model, report = getattr(transformers, auto).from_pretrained(
            source.name, revision=source.revision or "main", dtype=DTYPES[dtype], output_loading_info=True
        )
    except FAULTS as e:
        raise _lost(source.name, e) from e
    lost = sorted(k for k in report["missing_keys"] if not any(part in k for part in UNUSED))
    if lost:
        raise FeatureError(
            f"{source.name} holds no weights for {lost[0]} and {len(lost) - 1} more of {auto}; they would be random. "
            "Give a model whose weights were saved with its class."
        )
    if device == "cpu" and DTYPES[dtype] == torch.bfloat16:
        _grouped_in_float32(model)
    return model.to(device).eval().requires_grad_(False)


def _grouped_in_float32(model: nn.Module) -> None:
    """Let convolutions over groups of channels compute in float32, whatever they read.

    On processors with AMX oneDNN computes them wrongly in bfloat16 (torch 2.13: several standard deviations off in
    the positional convolution of wav2vec 2.0, HuBERT and WavLM).
    """
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d) and module.groups > 1:
            module.float()
            module.register_forward_pre_hook(lambda _, given: (given[0].float(), *given[1:]))
            module.register_forward_hook(lambda _, __, found: found.bfloat16())


def tokenizer(source: Source) -> Any:
    """Load the tokenizer of a text model, one that knows where its tokens stand in the text. Raises: FeatureError."""
    from transformers import AutoTokenizer

    quiet()
    try:
        found = AutoTokenizer.from_pretrained(source.name, revision=source.revision or "main")
    except FAULTS as e:
        if find_spec("sentencepiece") is None and any(w in str(e) for w in (".model", "sentencepiece", "tiktoken")):
            raise FeatureError(
                f"The tokenizer of {source.name} is a SentencePiece file. Run "
                "pip install 'missing-modality-lab[large]' to read it."
            ) from e
        raise _lost(source.name, e) from e
    if not found.is_fast:
        raise FeatureError(
            f"The tokenizer of {source.name} gives no places of tokens. Give a model with tokenizer.json."
        )
    return found


def preprocessing(source: Source) -> Mapping[str, Any]:
    """Read preprocessor_config.json of a model; empty when it has none. Raises: FeatureError."""
    from transformers.utils import cached_file

    try:
        path = cached_file(
            source.name,
            "preprocessor_config.json",
            revision=source.revision or "main",
            _raise_exceptions_for_missing_entries=False,
        )
        return {} if path is None else dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except FAULTS as e:
        raise _lost(source.name, e) from e


def summed(states: Sequence[torch.Tensor], layers: Sequence[int]) -> torch.Tensor:
    """Sum hidden states (.., D) of the layers that are read, in float32."""
    return torch.stack([states[k].float() for k in layers]).sum(0)


def quiet() -> None:
    """Keep transformers from printing bars and reports of its own."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


def _lost(name: str, error: Exception) -> FeatureError:
    """Say in one line that a model did not load."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    why = lines[0] if lines else type(error).__name__
    return FeatureError(
        f"The model {name} does not load ({why[:200]}). Check its name and revision, connect to the internet once so "
        "that it is fetched, or give the folder of a model of transformers."
    )
