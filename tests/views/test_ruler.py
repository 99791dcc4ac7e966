"""The ruler: marks stand at the scores, each has its line and its text, and the tags are those of any switch."""

from __future__ import annotations

import re

import pytest
from parsed import Parsed
from predictions import SCORES, gone, prediction

from msa_core import people
from msa_core.views import ruler

BOTH = people.votes({"A": 1, "D": 0, "F": 1, "H": 1, "N": 1, "S": 0})  # mean -0.5
VOICE = people.votes({"A": 6, "D": 2, "F": 0, "H": 0, "N": 1, "S": 0})  # mean -16 / 9


def places(html: str) -> dict[str, float]:
    """Where the marks on the bar stand, as scores."""
    found = re.findall(r'<g class="mm-at mm-mark-(\w+)" style="transform:translateX\(([\d.]+)%\)', html)
    return {kind: float(percent) * 6 / 100 - 3 for kind, percent in found}


def test_marks_stand_at_the_three_scores_and_say_them() -> None:
    html = ruler.ruler(prediction())
    assert places(html) == pytest.approx({"full": 1.25, "left": -0.5, "ours": 0.75}, abs=0.001)
    assert Parsed(html).text("mm-number") == ["+1.25", "−0.50", "+0.75"]
    assert "1.75 lower than with everything" in html and html.count("90% interval −0.25 to +1.75") == 2
    alternative = re.search(r'role="img" aria-label="([^"]*)"', html)
    assert alternative and alternative[1].startswith("Ruler from −3 to +3. ")
    for said in ("Complete model, with everything: +1.25, weakly positive", "SDUMC, nothing off: +0.75"):
        assert said in alternative[1]


def test_the_answer_to_everything_stays_when_nothing_is_left() -> None:
    html = ruler.ruler(None, prediction(people={"full": ("both", BOTH), "left": ("both", BOTH)}))
    assert places(html) == pytest.approx({"people": -0.5, "full": 1.25}, abs=0.001)
    assert Parsed(html).text("mm-number") == ["+1.25", "–", "–"] and "interval" not in Parsed(html).text(
        "mm-mark-value"
    )
    assert html.count("with what is left") > 1 and "no answer" in html


def test_trail_and_band_have_their_length() -> None:
    html = ruler.ruler(prediction())
    assert "translateX(45.83%) scaleX(0.3334)" in html  # from -0.25, 2 of 6 long
    assert "translate(41.67%,-1.5px) scaleX(0.2916)" in html  # from -0.5 to 1.25
    assert html.count("scaleX(0.0)") == 2 + 1  # no interval for two models, no trail for the one with everything


def test_scores_beyond_the_scale_stay_on_it() -> None:
    html = ruler.ruler(prediction(scores=dict.fromkeys(SCORES, 3.2)))
    assert set(places(html).values()) == {3.0}


def test_people_have_a_line_where_anybody_voted() -> None:
    assert "mm-mark-people" not in ruler.ruler(prediction())
    votes = {"full": ("both", BOTH), "left": ("voice", VOICE)}
    html = ruler.ruler(prediction(people=votes, **gone("vision")))
    assert places(html)["people"] == pytest.approx(-16 / 9, abs=0.001)
    assert "<b>9 people</b>" in html and "only listened" in html and Parsed(html).text("mm-voted") == ["−1.78"]
    assert re.findall(r'cx="([\d.]+)%" cy="50%" r="[\d.]+"><title>(\d)', html) == [("16.67", "8"), ("50.0", "1")]
    bare = ruler.ruler(prediction(people={"left": ("voice", VOICE)}, **gone("text", "vision")))
    assert "heard words too" in bare and "only listened" not in bare, "the models have no words"
    alone = ruler.ruler(prediction(people={"full": ("both", BOTH)}, **gone("audio")))
    assert "nobody voted on this" in alone and "people" not in places(alone) and "−0.50</strong>" in alone


def test_structure_is_the_same_for_every_switch() -> None:
    """The browser updates the ruler in place: the same tags, so that marks move."""
    one = ruler.ruler(prediction())
    two = ruler.ruler(prediction(**gone("text"), interval=None))
    assert re.findall(r"<(\w+)", one) == re.findall(r"<(\w+)", two)


def test_what_was_taken_is_named_in_few_words() -> None:
    assert ruler.taken(prediction()) == "nothing off"
    assert ruler.taken(prediction(**gone("text", "vision"))) == "words + face off"
    dropped = prediction(frame_missing_rate={"audio": 0.25}, **gone("vision"))
    assert ruler.taken(dropped) == "face off, 25% of the voice dropped"
    html = ruler.ruler(prediction(frame_missing_rate={"audio": 0.25}))
    assert "calibrated without dropped frames" in html and "calibrated" not in ruler.ruler(prediction())
    assert ruler.taken(prediction(edited=True)) == "words edited"
    alike = prediction(frame_missing_rate={"text": 0.2, "audio": 0.5, "vision": 0.5})
    assert ruler.taken(alike) == "20% of the words dropped, 50% of the voice + face dropped"
