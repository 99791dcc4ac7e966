"""Utterances for measuring speech reading."""

from __future__ import annotations

import numpy as np
import pytest

from msa_core.errors import MsaError
from msa_core.evaluation import spoken_cases
from msa_core.evaluation.spoken_cases import Case, Said, silent
from msa_core.evaluation.true_times import TrueTimes

ONE = Said(np.ones(8000, np.float32), (("go", 0.0), ("away", 0.25)))


def test_starts_move_with_the_sound_before_them() -> None:
    both = ONE.between(1.0, 0.5).then(ONE)
    assert len(both.sound) == 16000 + 8000 + 8000 + 8000
    assert both.starts_s == (("go", 1.0), ("away", 1.25), ("go", 2.0), ("away", 2.25))


def test_a_part_without_truth_leaves_the_whole_without() -> None:
    unknown = Said(ONE.sound, None)
    assert unknown.then(ONE).starts_s is None and silent(1.0).then(unknown).starts_s is None


@pytest.mark.parametrize("samples, expected", [(16000, (("go", 0.0), ("away", 0.25))), (15999, None)])
def test_times_of_another_sound_are_not_used(
    monkeypatch: pytest.MonkeyPatch, samples: int, expected: spoken_cases.Starts | None
) -> None:
    tone = np.where(np.arange(12000) % 40 < 20, 8000, -8000)
    wave = np.concatenate([np.zeros(4000), tone]).astype("<i2")  # a quarter of a second of silence before
    monkeypatch.setattr(spoken_cases, "_synthesised", lambda *_: (wave, 16000))
    truth = TrueTimes(samples, (("go", 0.1), ("away", 0.5)))  # one before the first loud sample begins with it
    monkeypatch.setattr(spoken_cases, "true_times", lambda *_: truth)
    found = spoken_cases.said("Go away!")
    assert len(found.sound) == 12000 and found.starts_s == expected


def test_sounds_of_some_kinds() -> None:
    cases = [Case(kind, kind, np.zeros(1), None) for kind in ("reply", "pause", "reply")]
    assert spoken_cases.of_kinds(cases, ["reply"]) == [cases[0], cases[2]]
    assert spoken_cases.of_kinds(cases, []) == cases
    with pytest.raises(MsaError, match="There is no kind 'song' of sounds. Choose among: reply, pause."):
        spoken_cases.of_kinds(cases, ["song"])


def test_examples_are_those_with_sound() -> None:
    cases = {case.name: case for case in spoken_cases.examples()}
    assert "pexels_crying.mp4" not in cases and all(len(case.sound) for case in cases.values())
    assert set(spoken_cases.SHIPPED) < set(cases)
    assert cases["crema_angry.mp4"].truth == "Don't forget a jacket." and cases["latentsync_demo2.mp4"].truth is None


def test_phrases_are_said_as_often_as_their_truth_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def say(text: str, voice: str, speed: int, pitch: int) -> Said:
        asked.append((text, voice, speed, pitch))
        return Said(np.ones(1600, np.float32), tuple((w, 0.0) for w in text.lower().split()))

    monkeypatch.setattr(spoken_cases, "said", say)
    cases = list(spoken_cases._turns(np.random.default_rng(0)))
    assert len(cases) == 32 and {case.kind for case in cases} == {"many turns"}
    for case in cases:
        phrase, times = case.name.rsplit(" x", 1)
        assert (case.truth or "").count(phrase) == int(times) and int(times) in spoken_cases.MANY
        starts = [start for _, start in case.starts_s or ()]
        assert starts == sorted(starts) and len(starts) == len((case.truth or "").split())
    assert {int(case.name.rsplit(" x", 1)[1]) for case in cases} == set(spoken_cases.MANY)
    turns = [how for text, *how in asked if text == "Wait"]
    assert len(set(map(tuple, turns))) > 5, "each turn has a tempo and a pitch of its own"
