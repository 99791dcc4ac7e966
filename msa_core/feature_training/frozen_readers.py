"""Trained fusion networks as readers of sentences: scores from token vectors alone, with gradients to the vectors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from msa_core.methods import Method
from msa_core.schema import MODALITIES, Batch


class FrozenReaders:
    """Fusion networks that stay as they are."""

    def __init__(self, models: Mapping[str, Method]) -> None:
        """Hold the networks by name and switch their training off."""
        self.models = {name: model.eval().requires_grad_(False) for name, model in models.items()}

    def __call__(self, tokens: Tensor, words: Tensor) -> Tensor:
        """Score sentences whose audio and vision are missing.

        Args:
            tokens: token vectors (B, T, D).
            words: (B, T) bool, the tokens that the networks see; they move to the front, in their order.

        Returns:
            (K, B), a row for each network, not limited.
        """
        if not self.models:
            return tokens.new_zeros(0, len(tokens))
        order = (~words).long().argsort(stable=True, dim=1)
        seen = words.gather(1, order)
        text = tokens.gather(1, order.unsqueeze(-1).expand_as(tokens)) * seen.unsqueeze(-1)
        return torch.stack([model(_words_alone(text, seen, model.dims)).score for model in self.models.values()])


def _words_alone(text: Tensor, valid: Tensor, dims: Mapping[str, int]) -> Batch:
    """Make a batch of text (B, T, D) whose other streams have one frame of zeros that is not valid."""
    n = len(text)
    features = {s: text if s == "text" else text.new_zeros(n, 1, width) for s, width in dims.items()}
    seen = {s: valid if s == "text" else valid.new_zeros(n, 1) for s in dims}
    present = valid.new_zeros(n, len(MODALITIES))
    present[:, MODALITIES.index("text")] = True
    return Batch(features, seen, seen, present)
