"""Conversion of a CTranslate2 Whisper file (`model.bin`) to an openai-whisper checkpoint, by numpy and torch.

The file is little-endian: version u32, specification name, revision u32, then the number of variables and
for each its name, rank u8, shape u32 x rank, type u8, size in bytes u32 and the data; last the aliases
(name, name of the variable it stands for). A string is its length u16 and that many bytes ending in NUL.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from msa_core.errors import FeatureError

TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
HEAD_WIDTH = 64  # every Whisper model has heads of 64


@dataclass
class _Reader:
    """Position in the bytes of a file."""

    data: memoryview
    at: int = 0

    def number(self, code: str) -> int:
        """Read an unsigned number: code "B", "H" or "I"."""
        value: int = struct.unpack_from("<" + code, self.data, self.at)[0]
        self.at += struct.calcsize("<" + code)
        return value

    def bytes(self, size: int) -> memoryview:
        """Read `size` bytes."""
        if self.at + size > len(self.data):
            raise struct.error(f"{size} bytes wanted at {self.at}, the file ends at {len(self.data)}")
        self.at += size
        return self.data[self.at - size : self.at]

    def string(self) -> str:
        """Read a string."""
        return bytes(self.bytes(self.number("H"))[:-1]).decode()


def read_variables(data: bytes) -> tuple[str, dict[str, np.ndarray]]:
    """Read the specification name and every variable of a CTranslate2 file.

    Args:
        data: the whole file.

    Returns:
        The name, such as "WhisperSpec", and the arrays by name (views into `data`).

    Raises:
        FeatureError: the bytes are not such a file or end too early.
    """
    reader = _Reader(memoryview(data))
    variables: dict[str, np.ndarray] = {}
    try:
        reader.number("I")  # format version
        specification = reader.string()
        reader.number("I")  # revision
        for _ in range(reader.number("I")):
            name = reader.string()
            shape = tuple(reader.number("I") for _ in range(reader.number("B")))
            dtype = TYPES[reader.number("B")]
            variables[name] = np.frombuffer(reader.bytes(reader.number("I")), dtype=dtype).reshape(shape)
        for _ in range(reader.number("I")):
            alias = reader.string()
            variables[alias] = variables[reader.string()]
    except (struct.error, UnicodeDecodeError, KeyError, ValueError) as e:
        raise FeatureError(f"Not a readable CTranslate2 model ({e}). Give the model.bin of a Whisper model.") from e
    return specification, variables


def whisper_checkpoint(data: bytes) -> tuple[dict[str, int], dict[str, Tensor]]:
    """Convert a CTranslate2 Whisper `model.bin` to (dims, state dict) of openai-whisper, float32.

    Int8 weights are dequantised.

    Raises:
        FeatureError: it is another kind of model, or incomplete.
    """
    specification, variables = read_variables(data)
    if not specification.startswith("Whisper"):
        raise FeatureError(f"The CTranslate2 model is a {specification!r}. Give the model.bin of a Whisper model.")
    try:
        return _Conversion(variables).run()
    except KeyError as e:
        raise FeatureError(f"The CTranslate2 Whisper model lacks {e}. Give a complete model.bin.") from e


class _Conversion:
    """Conversion of the variables of one model; fused query, key and value projections are taken apart."""

    def __init__(self, variables: dict[str, np.ndarray]) -> None:
        self.variables = variables
        self.state: dict[str, Tensor] = {}

    def run(self) -> tuple[dict[str, int], dict[str, Tensor]]:
        """Convert the whole model to dims and state dict."""
        for name in ("conv1", "conv2"):
            self._put(f"encoder.{name}", self._tensor(f"encoder/{name}/weight"), self._tensor(f"encoder/{name}/bias"))
        n_layers = {side: self._side(side) for side in ("encoder", "decoder")}
        for side in n_layers:
            self.state[f"{side}.positional_embedding"] = self._tensor(f"{side}/position_encodings/encodings")
        self._norm("encoder.ln_post", "encoder/layer_norm")
        self._norm("decoder.ln", "decoder/layer_norm")
        self.state["decoder.token_embedding.weight"] = self._weight("decoder/embeddings")
        return self._dims(n_layers), self.state

    def _dims(self, n_layers: dict[str, int]) -> dict[str, int]:
        n_state, n_mels, _ = self.state["encoder.conv1.weight"].shape
        return {
            "n_mels": n_mels,
            "n_audio_ctx": self.state["encoder.positional_embedding"].shape[0],
            "n_audio_state": n_state,
            "n_audio_head": n_state // HEAD_WIDTH,
            "n_audio_layer": n_layers["encoder"],
            "n_vocab": self.state["decoder.token_embedding.weight"].shape[0],
            "n_text_ctx": self.state["decoder.positional_embedding"].shape[0],
            "n_text_state": n_state,
            "n_text_head": n_state // HEAD_WIDTH,
            "n_text_layer": n_layers["decoder"],
        }

    def _side(self, side: str) -> int:
        """Convert all layers of "encoder" or "decoder" and return their number."""
        layers = [m.group(1) for name in self.variables if (m := re.match(rf"{side}/layer_(\d+)/", name))]
        n_layers = 1 + max(map(int, layers), default=-1)
        for i in range(n_layers):
            source, target = f"{side}/layer_{i}", f"{side}.blocks.{i}"
            self._norm(f"{target}.attn_ln", f"{source}/self_attention/layer_norm")
            self._attention(f"{target}.attn", f"{source}/self_attention")
            if side == "decoder":
                self._norm(f"{target}.cross_attn_ln", f"{source}/attention/layer_norm")
                self._attention(f"{target}.cross_attn", f"{source}/attention")
            self._norm(f"{target}.mlp_ln", f"{source}/ffn/layer_norm")
            for j, name in enumerate(("linear_0", "linear_1")):
                self._put(f"{target}.mlp.{2 * j}", *self._linear(f"{source}/ffn/{name}"))
        return n_layers

    def _attention(self, target: str, source: str) -> None:
        """Convert an attention: self-attention has query, key, value in linear_0, cross-attention key, value in 1."""
        fused, fused_bias = self._linear(f"{source}/linear_0")
        n_state = fused.shape[1]
        if fused.shape[0] == n_state:  # cross-attention
            pair, pair_bias = self._linear(f"{source}/linear_1")
            fused, fused_bias = torch.cat([fused, pair]), torch.cat([fused_bias, pair_bias])
            last = "linear_2"
        else:
            last = "linear_1"
        for name, weight, bias in zip(("query", "key", "value"), fused.chunk(3), fused_bias.chunk(3), strict=True):
            self._put(f"{target}.{name}", weight, None if name == "key" else bias)  # Whisper keys have no bias
        self._put(f"{target}.out", *self._linear(f"{source}/{last}"))

    def _norm(self, target: str, source: str) -> None:
        self._put(target, self._tensor(f"{source}/gamma"), self._tensor(f"{source}/beta"))

    def _put(self, target: str, weight: Tensor, bias: Tensor | None) -> None:
        self.state[f"{target}.weight"] = weight
        if bias is not None:
            self.state[f"{target}.bias"] = bias

    def _linear(self, name: str) -> tuple[Tensor, Tensor]:
        return self._weight(name), self._tensor(f"{name}/bias")

    def _weight(self, name: str) -> Tensor:
        weight = self._tensor(f"{name}/weight")
        if f"{name}/weight_scale" in self.variables:  # int8: one scale a row
            weight = weight / self._tensor(f"{name}/weight_scale").reshape(-1, 1)
        return weight

    def _tensor(self, name: str) -> Tensor:
        return torch.from_numpy(self.variables[name].astype(np.float32))
