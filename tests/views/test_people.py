"""People beside the models: marks at the mean vote, sentences computed over everything shown, nothing made up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from parsed import Parsed
from predictions import gone, prediction, whole

from msa_core import i18n, people
from msa_core.compare import Comparison, Condition, PatternScores
from msa_core.missing import PATTERNS
from msa_core.views import comparison as screens
from msa_core.views import people as views
from msa_core.views import prediction_text

VOICE = people.votes({"A": 6, "D": 2, "F": 0, "H": 0, "N": 1, "S": 0})  # mean -16 / 9
FACE = people.votes({"A": 0, "D": 0, "F": 0, "H": 1, "N": 1, "S": 0})  # mean 1
SCORES = ("complete_model_full", "complete_model_left", "missing_model_full", "missing_model_left")


COMPLETE = {"sdumc": "Late fusion", "corrkd": "Teacher of CorrKD", "promma": "Backbone of ProMMA (reconstruction)"}


def comparison() -> Comparison:
    """Answers that differ by pattern and method; every complete model says 0.25."""
    conditions = []
    for i, pattern in enumerate(PATTERNS):
        answers = {m: PatternScores(0.25, 0.3 * i - k) for k, m in enumerate(COMPLETE)}
        conditions.append(Condition(pattern, {}, answers))
    return Comparison("clip.mp4", 2.0, "text+audio+vision", COMPLETE, tuple(conditions))


def told(ours: float, theirs: float) -> str:
    scores = dict(zip(SCORES, (0.5, theirs, 0.5, ours), strict=True))
    found = views.sentence(prediction(people={"left": ("voice", VOICE)}, scores=scores, **gone("vision")))
    assert found is not None
    return found


def test_the_sentence_says_who_is_nearer() -> None:
    assert told(-1.5, 0.0).startswith("9 people only listened to this clip")
    assert "−1.78 on average, with a spread of 0.7 (6 anger, 2 disgust, 1 neutral)" in told(-1.5, 0.0)
    assert told(-1.5, 0.0).endswith("SDUMC is nearer to them: 0.3 away, the complete model 1.8.")
    assert told(0.0, -1.5).endswith("The complete model is nearer to them: 0.3 away, SDUMC 1.8.")
    assert told(-1.5, -1.52).endswith("SDUMC and the complete model are as near to them: 0.3 and 0.3 away.")


@pytest.mark.parametrize(("channel", "off"), [("voice", ("text", "vision")), ("both", ("text",))])
def test_people_who_listened_heard_words_that_the_models_lack(channel: str, off: tuple[str, ...]) -> None:
    said = views.sentence(prediction(people={"left": (channel, VOICE)}, **gone(*off))) or ""
    assert ", with its words: −1.78" in said and "with its words" not in told(-1.5, 0.0)


def test_where_nobody_voted_nothing_is_said() -> None:
    assert views.sentence(prediction()) is None and views.sentence(prediction(people={"full": ("both", FACE)})) is None
    html = Parsed(whole(prediction()))
    assert not html.of("mm-mark-people") and not html.of("mm-people-said")


def judged() -> Comparison:
    by_pattern = {p: {"voice": VOICE, "face": FACE}.get(people.channel_of(p) or "") for p in PATTERNS}
    found = comparison()
    return replace(found, conditions=tuple(replace(c, people=by_pattern[c.pattern]) for c in found.conditions))


def test_distances_from_people_by_hand() -> None:
    found = judged()
    scores = {c.pattern: c.answers["sdumc"].missing for c in found.judged}
    assert set(scores) == {"audio", "vision", "text+audio"}
    wanted = (abs(scores["audio"] + 16 / 9) + abs(scores["text+audio"] + 16 / 9) + abs(scores["vision"] - 1)) / 3
    assert found.errors()["sdumc"] == pytest.approx(wanted)
    assert found.errors("complete")["sdumc"] == pytest.approx((2 * (0.25 + 16 / 9) + 0.75) / 3)
    json = found.to_json()
    assert json["mean_distance_from_people"]["sdumc"]["missing"] == pytest.approx(wanted)
    assert {p["pattern"] for p in json["patterns"] if p["people"]} == set(scores)


def test_the_winner_is_computed_over_everything_that_is_drawn() -> None:
    found = judged()
    every = {**found.errors(), **{f"c {m}": e for m, e in found.errors("complete").items()}}
    said = views.told(found)
    best = min(every, key=lambda k: every[k])
    title = {"sdumc": "SDUMC", "corrkd": "CorrKD", "promma": "ProMMA"}.get(best, "Late fusion")
    assert f"{title}" in said.split(" is nearest to them")[0] and f"{every[best]:.2f} away" in said
    assert "Over the 3 patterns" in said
    complete = views.told(replace(found, conditions=tuple(_other(c) for c in found.conditions)))
    assert "Late fusion is nearest" in complete and "cannot be told from it" in complete  # all complete models agree


def _other(condition):  # type: ignore[no-untyped-def]
    """The same with methods that are far from everybody."""
    return replace(condition, answers={m: replace(a, missing=3.0) for m, a in condition.answers.items()})


def test_the_board_and_its_table_carry_the_votes() -> None:
    page = Parsed(str(screens.screen(judged())))
    assert "Which model is nearest to people?" in page.texts["h3"]
    assert len(page.of("mm-board-people")) == 3 * 3 + 1  # three patterns by three methods, and the legend
    board = screens.board(judged())
    assert "heard the words in every row" in board
    assert board.count("people, who heard the words too: −1.78") == 3, "the voice without the words, by three methods"
    assert board.count("; people: −1.78") == board.count("; people: +1.00") == 3
    plain = Parsed(str(screens.screen(comparison())))
    assert not plain.of("mm-board-people") and "Which model is nearest to people?" not in plain.texts["h3"]


def test_terminal_and_chinese() -> None:
    shown = prediction(people={"left": ("voice", VOICE)})
    assert "9 people only listened" in prediction_text.summary(shown)
    with i18n.use("zh"):
        assert "9 人只听了这个片段" in (views.sentence(shown) or "")
