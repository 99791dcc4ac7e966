"""How much each modality contributes to a score: exact Shapley values over the coalitions of modalities."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import factorial

from msa_core.schema import MODALITIES


def shapley(players: Sequence[str], values: dict[tuple[str, ...], float], base: float) -> dict[str, float]:
    """Exact Shapley value of each modality; they sum to the score of all players minus `base`.

    Args: players: the modalities that are there. values: score of every non-empty coalition, keyed by
        its members in `players` order. base: value of the empty coalition, the training mean.
    Returns: a value for every modality, 0 for those that are not players.
    Source: Shapley (1953); Lundberg and Lee (2017), Eq. 4.
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
