"""BERT (Devlin et al. 2019, NAACL, arXiv 1810.04805), read from a folder in Hugging Face's layout.

Modules and parameters have the names of transformers' `BertModel`, so that its weights load strictly, and the states
are the same (tests/features/test_bert.py). It is here because importing that class takes longer than reading a clip.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, arange, finfo, float32, nn, where
from torch.nn import functional as F

from msa_core.features.uninitialised import Uninitialised

POOLER = "pooler."  # weights of a layer over [CLS] that no token vector passes
POSITIONS = "embeddings.position_ids"  # stored by some versions; they are 0, 1, 2, ...


@dataclass(frozen=True)
class BertConfig:
    """Sizes of the network, under the names of its config.json."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float
    hidden_dropout_prob: float
    attention_probs_dropout_prob: float

    @staticmethod
    def read(path: Path) -> BertConfig:
        """Read a config.json. Raises: ValueError for another kind of model, KeyError for a size that is not there."""
        found = json.loads(path.read_text(encoding="utf-8"))
        kind = found["model_type"], found["hidden_act"], found.get("position_embedding_type", "absolute")
        if kind != ("bert", "gelu", "absolute"):
            raise ValueError(f"it is a {' / '.join(kind)} model, not bert / gelu / absolute")
        return BertConfig(**{field.name: found[field.name] for field in fields(BertConfig)})


class Embeddings(nn.Module):
    """Sum of the vectors of word piece, place and segment (always the first)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        d = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, d)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, d)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, d)
        self.LayerNorm = nn.LayerNorm(d, config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, ids: Tensor) -> Tensor:
        """Embed ids (B, T) to (B, T, D)."""
        places = arange(ids.shape[1], device=ids.device)
        x = self.word_embeddings(ids) + self.token_type_embeddings.weight[0] + self.position_embeddings(places)
        normed: Tensor = self.dropout(self.LayerNorm(x))
        return normed


class SelfAttention(nn.Module):
    """Multi-head scaled dot-product attention."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        d = config.hidden_size
        self.query, self.key, self.value = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)
        self.heads, self.dropout = config.num_attention_heads, config.attention_probs_dropout_prob

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Mix states (B, T, D) under an additive `bias` (B, 1, 1, T): (B, T, D)."""
        b, t, d = x.shape
        q, k, v = (f(x).view(b, t, self.heads, -1).transpose(1, 2) for f in (self.query, self.key, self.value))
        rate = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype), dropout_p=rate)
        return mixed.transpose(1, 2).reshape(b, t, d)


class Residual(nn.Module):
    """A linear layer whose output is added to what went in, then layer normalisation."""

    def __init__(self, config: BertConfig, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden: Tensor, x: Tensor) -> Tensor:
        """Return the normalised sum of `hidden` (B, T, width) after the layer and `x` (B, T, D)."""
        normed: Tensor = self.LayerNorm(self.dropout(self.dense(hidden)) + x)
        return normed


class Attention(nn.Module):
    """Self-attention with its residual."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.self = SelfAttention(config)
        self.output = Residual(config, config.hidden_size)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Attend: (B, T, D)."""
        mixed: Tensor = self.output(self.self(x, bias), x)
        return mixed


class Intermediate(nn.Module):
    """The widening half of the feed-forward network."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)

    def forward(self, x: Tensor) -> Tensor:
        """Widen states: (B, T, intermediate_size)."""
        return F.gelu(self.dense(x))


class Block(nn.Module):
    """One layer of the encoder."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.intermediate = Intermediate(config)
        self.output = Residual(config, config.intermediate_size)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Encode states (B, T, D) under an additive `bias` (B, 1, 1, T): (B, T, D)."""
        attended = self.attention(x, bias)
        encoded: Tensor = self.output(self.intermediate(attended), attended)
        return encoded


class Encoder(nn.Module):
    """The layers."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))


class Bert(nn.Module):
    """BERT without its pooler."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)

    @staticmethod
    def read(directory: Path) -> Bert:
        """Load config.json and model.safetensors, in float32 and evaluation mode.

        Raises: OSError, ValueError, KeyError or RuntimeError when they do not load or do not fit.
        """
        with Uninitialised():
            model = Bert(BertConfig.read(directory / "config.json"))
        weights = load_file(directory / "model.safetensors")
        own = {name: w for name, w in weights.items() if not name.startswith(POOLER) and name != POSITIONS}
        model.load_state_dict(own)
        return model.float().eval()

    def forward(self, ids: Tensor, attended: Tensor) -> Tensor:
        """Encode ids (B, T), of which `attended` (B, T) are read, to states (B, T, D)."""
        x, bias = self.embeddings(ids), bias_of(attended)
        for block in self.encoder.layer:
            x = block(x, bias)
        states: Tensor = x
        return states


def bias_of(attended: Tensor) -> Tensor:
    """Compute the additive bias (B, 1, 1, T) of a mask (B, T): 0 at True, nearly -infinity at False."""
    return where(attended, 0.0, finfo(float32).min)[:, None, None, :]
