"""Lessons: answers are computed, experiments follow their settings, claims hold in the evaluation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from paths import ROOT

from msa_core import batch as data
from msa_core import missing
from msa_core.errors import MsaError
from msa_core.explain import conformal
from msa_core.i18n import use
from msa_core.lessons import LESSONS, measured, models
from msa_core.lessons.contract import Control, Lesson, checked
from msa_core.lessons.frames import with_frames_dropped
from msa_core.lessons.handout import content
from msa_core.lessons.handout.blocks import Points
from msa_core.lessons.handout.notes import notes
from msa_core.lessons.models import COMPLETE_ROW, METHODS, ROW
from msa_core.lessons.prompts import weights_at
from msa_core.missing import PATTERNS
from msa_core.schema import MODALITIES, Utterance

BY_NAME = {lesson.name: lesson for lesson in LESSONS}
each = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)


def settings_of(lesson: Lesson) -> list[dict[str, Any]]:
    """The start, and every control at each of its values or ends."""
    found: list[dict[str, Any]] = [{}]
    for c in lesson.controls:
        values = [v for _, v in c.options] if c.kind == "choice" else [c.low, c.high]
        found += [{c.name: v} for v in values]
    return found


def test_the_first_six_take_thirteen_minutes_and_names_are_unique() -> None:
    assert sum(lesson.minutes for lesson in LESSONS[:6]) == 13 and len(BY_NAME) == len(LESSONS) == 9


@each
def test_texts_are_complete_and_short(lesson: Lesson) -> None:
    texts = lesson.texts
    assert 120 <= len(" ".join(texts.idea).split()) <= 200, len(" ".join(texts.idea).split())
    assert texts.question.endswith("?") and 2 <= len(set(texts.choices)) == len(texts.choices)
    assert texts.try_this and texts.title == lesson.title
    assert (ROOT / "examples" / lesson.clip).is_file()


@each
def test_code_that_lessons_name_exists(lesson: Lesson) -> None:
    for place in lesson.code:
        source = (ROOT / place.path).read_text()
        for symbol in place.symbol.split(", "):
            assert re.search(rf"^\s*(def|class) {symbol.split('.')[-1]}\b", source, re.M), f"{place.path}: {symbol}"


@each
def test_starts_are_legal(lesson: Lesson) -> None:
    for control in lesson.controls:
        assert checked(control, control.start) == control.start


@pytest.mark.slow
@each
def test_answered_on_every_clip(lesson: Lesson, analyser: Any, read: Mapping[str, Utterance]) -> None:
    for name, utterance in read.items():
        answer = lesson.answer(analyser, utterance)
        assert answer.said and (answer.correct is None) == (answer.html == ""), name
        assert answer.correct in range(len(lesson.choices)) or answer.correct is None and name != lesson.clip
    assert lesson.clip in read


@pytest.mark.slow
@each
def test_every_setting_gives_a_finding(lesson: Lesson, analyser: Any, read: Mapping[str, Utterance]) -> None:
    for clip in (lesson.clip, "jfk.flac"):
        for settings in settings_of(lesson):
            finding = lesson.experiment(analyser, read[clip], **settings)
            assert finding.said and (clip == "jfk.flac" or finding.html), settings


@each
def test_unknown_settings_are_refused(lesson: Lesson, analyser: Any, happy: Utterance) -> None:
    with pytest.raises(MsaError, match="Unknown setting 'colour'"):
        lesson.experiment(analyser, happy, colour="red")


def test_values_are_checked() -> None:
    slider = Control("rate", "Rate", "slider", 0.5)
    choice = Control("gone", "Gone", "choice", "text", (("words", "text"),))
    assert checked(slider, "0.25") == 0.25
    for control, value in ((slider, 2), (slider, "much"), (slider, float("nan")), (choice, "smell")):
        with pytest.raises(MsaError, match=str(value)):
            checked(control, value)


@pytest.mark.slow
def test_a_clip_that_lacks_a_part_gets_a_sentence(analyser: Any, read: Mapping[str, Utterance]) -> None:
    answer = BY_NAME["imagine"].answer(analyser, read["latentsync_demo1.mp4"])
    assert answer.correct is None and "needs the words" in answer.said and "speech not understood" in answer.said
    finding = BY_NAME["breaks"].experiment(analyser, read["jfk.flac"], gone="vision")
    assert finding.html == "" and "needs the face" in finding.said and "no video track" in finding.said
    with use("zh"):
        assert BY_NAME["breaks"].experiment(analyser, read["jfk.flac"], gone="vision").said.startswith("本课需要面部")


def test_nothing_at_all_is_no_exception(analyser: Any, happy: Utterance) -> None:
    bare = happy
    for name in (*MODALITIES, "simulated"):
        bare = bare.without(name, "gone")
    for lesson in LESSONS:
        assert lesson.answer(analyser, bare).correct is None and lesson.experiment(analyser, bare).html == ""


def test_adds_steps_lead_from_the_mean_to_the_score(analyser: Any, happy: Utterance) -> None:
    lesson, totals = BY_NAME["adds"], dict.fromkeys(MODALITIES, 0.0)
    whole = analyser.predict(happy, "corrkd")
    orders = [v for _, v in lesson.controls[0].options]
    for order in orders:
        facts = lesson.experiment(analyser, happy, order=order, method="corrkd").facts
        assert facts["base"] + sum(facts[m] for m in MODALITIES) == pytest.approx(facts["score"], abs=1e-5)
        assert facts["score"] == pytest.approx(whole.scores["missing_model_left"], abs=1e-5)
        for m in MODALITIES:
            totals[m] += facts[m] / len(orders)
    assert len(orders) == 6
    for m in MODALITIES:  # the mean over all orders is the Shapley value
        assert totals[m] == pytest.approx(whole.contributions[m], abs=1e-4)


@pytest.mark.slow
def test_adds_names_the_largest_share(analyser: Any, read: Mapping[str, Utterance]) -> None:
    for utterance in read.values():
        answer = BY_NAME["adds"].answer(analyser, utterance)
        shares = [abs(float(answer.facts[m])) for m in MODALITIES]
        assert answer.correct == shares.index(max(shares))


@pytest.mark.slow
def test_distil_names_the_nearer(analyser: Any, read: Mapping[str, Utterance]) -> None:
    seen = set()
    for utterance in read.values():
        answer = BY_NAME["distil"].answer(analyser, utterance)
        student, teacher = float(answer.facts["student"]), float(answer.facts["teacher"])
        assert answer.correct == (2 if abs(student - teacher) < 1 else 1 if student < teacher else 0)
        seen.add(answer.correct)
    assert seen == {0, 1, 2}


def test_impute_follows_the_evaluator_and_the_threshold(analyser: Any, read: Mapping[str, Utterance]) -> None:
    lesson, utterance = BY_NAME["impute"], read["crema_fearful.mp4"]
    answer = lesson.answer(analyser, utterance)
    assert answer.correct == 0 and answer.facts["worth"] > answer.facts["threshold"]
    assert lesson.experiment(analyser, utterance, gone="audio").facts["decision"] == "left out"
    verdict = analyser.predict(utterance, "promma", ["text"]).mechanism["evaluator"]["text"]
    low = lesson.experiment(analyser, utterance, gone="text", threshold=verdict["worth"] - 0.01)
    high = lesson.experiment(analyser, utterance, gone="text", threshold=verdict["worth"] + 0.01)
    assert low.facts["score"] == verdict["score_generated"] and high.facts["score"] == verdict["score_left_out"]
    assert ("decides the same" in low.said) != ("decides the same" in high.said)


def test_weights_at_the_trained_temperature_are_the_model_s(analyser: Any, read: Mapping[str, Utterance]) -> None:
    own = analyser.manifest("promma")["config"]["temperature"]
    for utterance, gone in (
        (read["crema_angry.mp4"], ["text"]),
        (read["crema_happy.mp4"], ["vision"]),
        (read["jfk.flac"], []),
    ):
        prediction = analyser.predict(utterance, "promma", gone)
        ours = weights_at(prediction, own)
        assert ours == pytest.approx(prediction.mechanism["prompt_weights"], abs=1e-4)
        assert max(weights_at(prediction, 0.1).values()) > max(ours.values())


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9])
def test_dropped_frames_are_those_of_missing_frame(rate: float, analyser: Any, happy: Utterance) -> None:
    batch = missing.frame(data.collate([happy]), rate, 3)
    with torch.inference_mode():
        expected = analyser._method("sdumc").model(batch).score.item()
    shorter = with_frames_dropped(happy, rate, seed=3)
    assert analyser.predict(shorter, "sdumc").scores["missing_model_left"] == pytest.approx(expected, abs=1e-4)


def test_pieces_of_words_are_not_called_words(analyser: Any, happy: Utterance) -> None:
    tried = BY_NAME["frames"].experiment(analyser, happy, rate=0.0)
    n, spoken = len(happy.text.values), len(happy.words)
    assert f"Frames kept: word pieces {n}/{n}, " in tried.said and n > spoken


def test_every_frame_of_a_modality_dropped_is_a_missing_modality(analyser: Any, happy: Utterance) -> None:
    gone = with_frames_dropped(happy, 1.0, ["audio"])
    assert not gone.audio.present and not gone.simulated.present and gone.text.present and gone.vision.present
    expected = analyser.predict(happy, "sdumc", ["audio"]).scores["missing_model_left"]
    assert analyser.predict(gone, "sdumc").scores["missing_model_left"] == pytest.approx(expected, abs=1e-5)


def test_interval_widths_are_the_calibrated_ones(analyser: Any, read: Mapping[str, Utterance]) -> None:
    half = analyser.manifest("sdumc")["calibration"]["half_width"]
    facts = BY_NAME["interval"].answer(analyser, read["crema_happy.mp4"]).facts
    assert facts["full"] == pytest.approx(half["text+audio+vision"])
    assert facts["vision"] == pytest.approx(half["text+audio"]) and facts["text"] == pytest.approx(half["audio+vision"])
    inside = BY_NAME["interval"].experiment(analyser, read["crema_happy.mp4"], rating=1.0)
    outside = BY_NAME["interval"].experiment(analyser, read["crema_happy.mp4"], rating=-3.0)
    assert inside.facts["inside"] == "True" and outside.facts["inside"] == "False" and "outside" in outside.said


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["of 90 clips in 100", "within which 90% of them", "feelings, 90% is only a hope",
                "no surprise: 90 of 100", "happens to 10 clips in 100",
                "bar: 90% interval", "one of the 10 in 100", "an interval of 90%"]),
        ("zh", ["包含 90 个", "取 90% 的", "90% 就只是", "100 个评分中有 90 个", "100 个片段中会有 10 个",
                "横条：90% 预测区间", "每 100 个片段中有 10 个", "读懂 90% 预测区间"]),
    ],
)  # fmt: skip
def test_what_an_interval_promises_is_read_from_the_checkpoint(
    language: str, said: list[str], analyser: Any, happy: Utterance, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = analyser.manifest("sdumc")["calibration"]["level"]
    assert models.level("sdumc") == own == conformal.LEVEL == measured._result()["level"]
    predict, manifest = analyser.predict, {"calibration": {"level": 0.9}}

    def surer(*asked: Any) -> Any:
        prediction = predict(*asked)
        return replace(prediction, interval={**prediction.interval, "level": 0.9})

    monkeypatch.setattr(analyser, "predict", surer)
    monkeypatch.setattr(models.checkpoint, "read_manifest", lambda name: manifest)
    models.level.cache_clear()
    try:
        with use(language):
            lesson = BY_NAME["interval"]
            tried = [lesson.experiment(analyser, happy, rating=r) for r in (1.0, -3.0)]
            told = [*lesson.texts.idea, *(t.said + t.html for t in tried), *notes()["interval"][1:]]
            told += [text for b in content.head() if isinstance(b, Points) for text in b.items]
    finally:
        models.level.cache_clear()
    whole = " ".join(told)
    assert [s for s in said if s not in whole] == [] and "80" not in whole


def test_what_the_texts_claim_holds_in_the_evaluation(analyser: Any) -> None:
    """Sentences around the numbers are typed; these are what they say."""
    assert analyser.complete.manifest["config"]["fill"] == "zero"  # breaks: the vector becomes zero
    broken, ours = measured.incomplete_mae(COMPLETE_ROW["sdumc"]), measured.incomplete_mae(ROW["sdumc"])
    assert broken > measured.complete_mae(COMPLETE_ROW["sdumc"]) and ours < broken
    teacher, student = measured.incomplete_mae(COMPLETE_ROW["corrkd"]), measured.incomplete_mae(ROW["corrkd"])
    bare = measured.incomplete_mae("corrkd without distillation")
    assert abs(student - bare) < 0.05 * (teacher - bare)  # distil: practice with holes does nearly all of it
    always, never = (measured.incomplete_mae(f"{ROW['promma']}, decide = {d}") for d in ("always", "never"))
    asks = measured.incomplete_mae(ROW["promma"])
    assert never - always > always - asks > 0  # impute: the gain is generating
    by_chance = measured.row(f"{ROW['promma']}, decide = always")["against_changed"]
    assert by_chance[1] < 0 < by_chance[2]  # and what asking adds could be chance
    assert measured.mae("sdumc without simulated", "audio") > measured.mae(ROW["sdumc"], "audio")  # imagine
    half = measured.mae(ROW["sdumc"], "frame:0.5")
    assert half - measured.complete_mae(ROW["sdumc"]) < 0.5 * (ours - half)  # frames: they hurt less
    worse, helped, bare = (measured.mae(*of) for of in (
        (ROW["sdumc"], "text+audio"), (ROW["sdumc"], "audio+vision"), ("sdumc without simulated", "audio+vision"),
    ))  # fmt: skip
    assert worse > bare > half > helped  # but not than the words, where text is simulated from the voice
    assert all(m in ROW and m in COMPLETE_ROW for m in METHODS)
    with pytest.raises(MsaError, match="no row 'alchemy'"):
        measured.incomplete_mae("alchemy")


@pytest.mark.parametrize("method", METHODS)
def test_the_width_of_an_interval_depends_on_the_part_and_not_on_the_number(method: str, analyser: Any) -> None:
    half = analyser.manifest(method)["calibration"]["half_width"]
    for pattern in PATTERNS:
        for m in MODALITIES if "+" in pattern else ():
            left = "+".join(kept for kept in pattern.split("+") if kept != m)
            assert left == pattern or half[left] > half[pattern], "each part taken away widens it"
    assert half["vision"] < half["text+audio"], "one part can be tighter than two others"


def test_people_are_counted_by_what_they_had(analyser: Any, happy: Utterance) -> None:
    """Of crema_happy's listeners four heard nothing in particular and four something negative; nobody happiness."""
    answer = BY_NAME["people"].answer(analyser, happy)
    assert answer.correct == 3 and BY_NAME["people"].choices[3] == "they were divided"
    assert "Of 8 people who only listened, 0 named happiness, 4 neutral, 4 a negative emotion." in answer.said
    assert answer.html.count("the sound (words and voice)") and "the voice alone" not in answer.html
    assert "Of 9 who only watched, 7 named happiness, 2 neutral, 0 a negative emotion." in answer.said
    assert answer.facts["people_voice"] == pytest.approx(-1.0) and answer.facts["people_face"] == pytest.approx(14 / 9)
    listened = analyser.predict(happy, "sdumc", ["vision"]).scores["missing_model_left"]
    assert answer.facts["model_voice"] == pytest.approx(listened)


@pytest.mark.parametrize(("channel", "gone"), [("voice", ["vision"]), ("face", ["text", "audio"]), ("both", [])])
def test_people_name_the_nearest(channel: str, gone: list[str], analyser: Any, happy: Utterance) -> None:
    lesson, mean = BY_NAME["people"], happy.people[channel].mean
    scores = analyser.predict(happy, "sdumc", gone).scores
    found = lesson.experiment(analyser, happy, channel=channel, rating=mean)
    assert found.facts["people"] == pytest.approx(mean) and found.said.endswith("Nearest: you.")
    assert found.facts["complete"] == pytest.approx(scores["complete_model_left"])
    far = lesson.experiment(analyser, happy, channel=channel, rating=-3.0 if mean > 0 else 3.0)
    away = {"the complete model": "complete", "SDUMC": "sdumc"}
    nearest = min(away, key=lambda name: abs(float(far.facts[away[name]]) - mean))
    assert nearest in far.said.rpartition("Nearest: ")[2] and "you" not in far.said.rpartition("Nearest: ")[2]


def test_a_clip_without_votes_gets_a_sentence(analyser: Any, happy: Utterance) -> None:
    unknown = replace(happy, people={})
    assert BY_NAME["people"].answer(analyser, unknown).said.startswith("Nobody voted on this clip.")
    assert BY_NAME["people"].experiment(analyser, unknown).said.startswith("Nobody voted on this clip.")
