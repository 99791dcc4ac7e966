"""A prediction in words: one sentence says what moved, and what distillation recovered is computed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from predictions import SCORES, WORDS, gone, prediction, taught, whole

from msa_core.schema import MODALITIES
from msa_core.views import distillation, prediction_text, summary


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        (gone("audio"), "Without your voice, the"),
        (gone("text", "vision"), "Without your words and your face, the"),
        ({"frame_missing_rate": {"audio": 0.5}}, "With 50% of your voice's frames dropped, the"),
        (
            {"frame_missing_rate": {"text": 0.3}, "edited": True},
            "With 30% of your words dropped and with the words",
        ),
        ({"words": tuple(replace(w, struck=True) for w in WORDS[:2])}, "With 2 words struck out, the"),
        ({"words": (replace(WORDS[0], struck=True),)}, "With 1 word struck out, the"),
        ({"edited": True}, "With the words edited, the"),
        (
            gone("audio") | {"frame_missing_rate": {"audio": 0.5, "vision": 0.9}},
            "Without your voice and with 90% of your face",
        ),
        (gone("text") | {"edited": True}, "Without your words, the"),
    ],
)
def test_one_plain_sentence_says_what_moved(changes: dict[str, object], start: str) -> None:
    told = summary.sentence(prediction(**changes))
    assert told.startswith(start)
    # from 1.25 to -0.5 is 1.75 down; from its own full answer of 1.05 to 0.75 is 0.3 down
    assert told.endswith(", the complete model moves 1.8 towards negative; SDUMC moves 0.3 towards negative.")
    assert told in prediction_text.summary(prediction(**changes))


def test_a_model_that_stays_hardly_moves() -> None:
    scores = dict(zip(SCORES, (1.0, 1.04, -1.0, -0.6), strict=True))
    told = summary.sentence(prediction(**gone("vision"), scores=scores))
    assert told == "Without your face, the complete model hardly moves; SDUMC moves 0.4 towards positive."


def test_nothing_taken_is_said_as_two_answers() -> None:
    told = summary.sentence(prediction())
    assert told == "With everything on, the complete model scores +1.25 and SDUMC +0.75."
    never = {m: {"present": m != "vision", "reason": "no video track" if m == "vision" else None} for m in MODALITIES}
    told = summary.sentence(prediction(modalities=never, dropped=("vision",)))  # its switch stands on off all the same
    assert told.startswith("With all the clip has, the complete model scores")


def test_what_distillation_recovered_is_computed() -> None:
    told = summary.transfer(taught())
    assert told is not None and "the teacher shifts by 4.0" in told and "from 61% to 22%" in told
    assert "is 3.0 away and gives that class 55%" in told and "recovered 25% of the shift" in told  # 1 - 3 / 4
    worse = dict(taught().mechanism) | {"distance": {**taught().mechanism["distance"], "student": 4.5}}  # type: ignore[dict-item]
    assert "recovered none" in str(summary.transfer(taught(mechanism=worse)))
    still = dict(taught().mechanism) | {"distance": {**taught().mechanism["distance"], "teacher_left": 0.0}}  # type: ignore[dict-item]
    assert "nothing to recover" in str(summary.transfer(taught(mechanism=still)))
    assert "Nothing is switched off" in str(summary.transfer(taught(dropped=())))
    assert summary.transfer(prediction()) is None and distillation.distances(prediction()) == ""
    assert "25% of the shift" in whole(taught()) and "25% of the shift" in prediction_text.summary(taught())


def test_what_mia_does_to_the_likeness_is_said_as_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "LIKENESS", tmp_path / "likeness.json")
    assert summary.likeness() is None
    row = {"split": "test", "pattern": "audio", "n": 12, "before": 0.61, "after": 0.42, "change": [-0.19, -0.2, -0.18]}
    summary.LIKENESS.write_text(json.dumps({"rows": [row | {"split": "valid", "n": 3}, row]}))
    told = summary.likeness()
    assert told is not None and told.startswith("On 12 test clips with the voice alone, MIA takes the mean cosine")
    assert "from 0.61 to 0.42: it was trained for the score and moves the text away from the real one." in told
    summary.LIKENESS.write_text(json.dumps({"rows": [row | {"after": 0.7, "change": [0.09, 0.08, 0.1]}]}))
    assert str(summary.likeness()).endswith("from 0.61 to 0.70.")
    summary.LIKENESS.write_text(json.dumps({"rows": []}))
    assert summary.likeness() is None
