"""Shapley values by hand."""

import pytest

from msa_core.explain.shapley import shapley
from msa_core.schema import MODALITIES


def test_shapley_by_hand():
    values = {("text",): 1.0, ("audio",): 2.0, ("text", "audio"): 4.0}
    # text: (1/2)(1 - 0.5) + (1/2)(4 - 2) = 1.25; audio: (1/2)(2 - 0.5) + (1/2)(4 - 1) = 2.25
    assert shapley(["text", "audio"], values, 0.5) == {"text": 1.25, "audio": 2.25, "vision": 0.0}


def test_shapley_of_an_additive_game_is_its_terms():
    terms = {"text": 0.3, "audio": -1.0, "vision": 0.5}
    pairs = [("text", "audio"), ("text", "vision"), ("audio", "vision")]
    coalitions = [("text",), ("audio",), ("vision",), *pairs, MODALITIES]
    values = {c: 0.1 + sum(terms[m] for m in c) for c in coalitions}
    assert shapley(list(MODALITIES), values, 0.1) == pytest.approx(terms)
