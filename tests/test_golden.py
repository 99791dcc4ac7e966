"""Golden scores: shipped examples from the file to the score of each method and pattern."""

from __future__ import annotations

import json
from typing import Any

import pytest
from paths import EXAMPLES, ROOT

from msa_core.missing import PATTERNS
from msa_core.schema import MODALITIES

GOLDEN: dict[str, dict[str, list[float]]] = json.loads((ROOT / "tests/goldens/examples.json").read_text())
QUICK = ("crema_happy.mp4", "jfk.flac")  # a talking face; a voice without a picture


def scores(analyser: Any, name: str) -> dict[str, list[float]]:
    """Score a clip with both models of each method on every pattern that it has, with and without simulated text."""
    utterance = analyser.extract(EXAMPLES / name)
    has = [m for m in MODALITIES if utterance.stream(m).present]
    found = {}
    for method in analyser.methods:
        for pattern, keep in PATTERNS.items():
            if not set(keep) <= set(has):
                continue
            gone = [m for m in has if m not in keep]
            for source in ["transcript"] if "text" in keep else ["simulated", "none"]:
                p = analyser.predict(utterance, method, gone, source)
                key = f"{method} {pattern}" + (" nothing simulated" if source == "none" else "")
                found[key] = [p.scores["complete_model_left"], p.scores["missing_model_left"]]
    return found


def test_every_example_has_a_golden() -> None:
    clips = [p.name for p in EXAMPLES.iterdir() if p.suffix in (".mp4", ".flac")]
    assert sorted(GOLDEN) == sorted(clips) and set(QUICK) <= set(GOLDEN)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in sorted(GOLDEN)]
)
def test_scores_are_the_golden_ones(analyser: Any, name: str) -> None:
    found = scores(analyser, name)
    assert found.keys() == GOLDEN[name].keys()
    for key, (complete, missing) in GOLDEN[name].items():
        assert found[key] == pytest.approx([complete, missing], abs=1e-5), key
