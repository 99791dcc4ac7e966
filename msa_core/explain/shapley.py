"""Contribution of each modality to a score: exact Shapley values over the coalitions of modalities."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import factorial

from msa_core.schema import MODALITIES


def shapley(players: Sequence[str], values: dict[tuple[str, ...], float], base: float) -> dict[str, float]:
    """Compute the exact Shapley value of each modality; they sum to the score of all players minus `base`.

    Shapley (1953); Lundberg and Lee (2017), Eq. 4.

    Args:
        players: the modalities that are there.
        values: score of every non-empty coalition, keyed by its members in the order of `players`.
        base: value of the empty coalition, the mean training score.

    Returns:
        A value for every modality, 0 for those that are not players.

    >>> shapley(["text", "audio"], {("text",): 1.0, ("audio",): 0.0, ("text", "audio"): 2.0}, base=0.0)
    {'text': 1.5, 'audio': 0.5, 'vision': 0.0}
    """
    n, contribution = len(players), dict.fromkeys(MODALITIES, 0.0)
    for player in players:
        others = [p for p in players if p != player]
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for members in combinations(others, size):
                joined = tuple(p for p in players if p in members or p == player)
                without = values[members] if members else base
                contribution[player] += weight * (values[joined] - without)
    return contribution
