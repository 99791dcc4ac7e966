"""Networks that are built without drawing weights: the generator stays where it was, and loaded weights are equal."""

from __future__ import annotations

import torch
from torch import nn

from msa_core.features.uninitialised import Uninitialised


def test_nothing_is_drawn_and_loading_gives_the_network() -> None:
    torch.manual_seed(0)
    drawn = nn.Sequential(nn.Linear(3, 4), nn.Conv1d(2, 2, 3), nn.Embedding(5, 2), nn.LayerNorm(4))
    before = torch.get_rng_state()
    with Uninitialised():
        bare = nn.Sequential(nn.Linear(3, 4), nn.Conv1d(2, 2, 3), nn.Embedding(5, 2), nn.LayerNorm(4))
    assert torch.equal(torch.get_rng_state(), before)
    bare.load_state_dict(drawn.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(drawn.parameters(), bare.parameters(), strict=True))
    assert not torch.equal(nn.Linear(3, 4).weight, nn.Linear(3, 4).weight)  # outside everything is drawn again
