"""One clip under everything that can be missing: the batched answers are predict's, moves and means by hand."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from paths import EXAMPLES

from msa_core import compare, missing
from msa_core.__main__ import main
from msa_core.batch import collate
from msa_core.compare import Comparison, Condition, PatternScores, Robustness
from msa_core.errors import MsaError
from msa_core.missing import PATTERNS
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES
from msa_core.views import comparison_text


@pytest.fixture(scope="module")
def happy(analyser):
    return analyser.extract(EXAMPLES / "crema_happy.mp4")


@pytest.fixture(scope="module")
def compared(analyser, happy) -> Comparison:
    return compare.compare(analyser, happy)


@pytest.fixture(scope="module")
def robust(analyser, happy) -> Robustness:
    return compare.robustness(analyser, happy, rates=(0.0, 0.5, 1.0), draws=3)


def invented(scores: dict[str, dict[str, tuple[float, float]]], lacks: dict[str, str] | None = None) -> Comparison:
    """scores[method][pattern] = (complete, missing); patterns with a modality of `lacks` cannot be had."""
    lacks = lacks or {}
    conditions = []
    for pattern, keep in PATTERNS.items():
        gone = {m: lacks[m] for m in keep if m in lacks}
        conditions.append(
            Condition(pattern, gone, {} if gone else {m: PatternScores(*s[pattern]) for m, s in scores.items()})
        )
    full = "+".join(m for m in MODALITIES if m not in lacks)
    return Comparison("clip.mp4", 2.0, full, {m: f"complete of {m}" for m in scores}, tuple(conditions))


def test_batched_answers_are_those_of_predict(analyser, happy, compared):
    assert compared.full == "text+audio+vision" and compared.methods == analyser.methods
    for c in compared.conditions:
        dropped = [m for m in MODALITIES if m not in PATTERNS[c.pattern]]
        for method, answer in c.answers.items():
            p = analyser.predict(happy, method, dropped)
            assert answer.missing == pytest.approx(p.scores["missing_model_left"], abs=1e-5)
            assert answer.complete == pytest.approx(p.scores["complete_model_left"], abs=1e-5)
            assert answer.interval == pytest.approx(p.interval, abs=1e-5)
            if answer.without_simulated_text is not None:
                bare = analyser.predict(happy, method, dropped, "none").scores["missing_model_left"]
                assert answer.without_simulated_text == pytest.approx(bare, abs=1e-5)


def test_text_is_simulated_where_it_can_be(compared):
    simulated = {(c.pattern, m) for c in compared.conditions for m, a in c.answers.items()
                if a.without_simulated_text is not None}  # fmt: skip
    assert simulated == {(p, m) for p in ("audio", "audio+vision") for m in ("sdumc", "promma")}
    sdumc = compared.of("audio").answers["sdumc"]
    assert abs(sdumc.missing - sdumc.without_simulated_text) > 1e-3


def test_a_clip_that_lacks_something_says_why(analyser, happy):
    silent = happy.without("vision", "no face in 2.0 s of video")
    found = compare.compare(analyser, silent)
    assert found.full == "text+audio" and [c.pattern for c in found.incomplete] == ["text", "audio"]
    assert found.of("text+vision").lacks == {"vision": "no face in 2.0 s of video"}
    assert not found.of("text+vision").answers and len(found.conditions) == 7
    for method in analyser.methods:
        p = analyser.predict(silent, method, ["text"])
        assert found.of("audio").answers[method].missing == pytest.approx(p.scores["missing_model_left"], abs=1e-5)


def test_without_a_transcript_the_full_answer_may_simulate_text(analyser, happy):
    mute = happy.without("text", "no speech found")
    found = compare.compare(analyser, mute)
    assert found.full == "audio+vision" and found.answer("sdumc").without_simulated_text is not None
    p = analyser.predict(mute, "sdumc")
    assert found.answer("sdumc").missing == pytest.approx(p.scores["missing_model_left"], abs=1e-5)


def test_one_modality_leaves_nothing_to_compare(analyser, happy):
    face = happy.without("text", "").without("audio", "").without("simulated", "")
    found = compare.compare(analyser, face)
    assert found.full == "vision" and not found.incomplete and found.nearest is None
    assert found.moves() == found.effect_of_removing() == {}
    with pytest.raises(MsaError, match="Nothing to analyse"):
        compare.compare(analyser, face.without("vision", "black"))


def test_every_model_is_asked_once(analyser, happy, monkeypatch):
    asked = []
    hooks = [
        model.register_forward_hook(lambda *a: asked.append(id(a[0])))
        for m in analyser.methods
        for model in analyser.models(m)
    ]
    try:
        compare.compare(analyser, happy)
    finally:
        for hook in hooks:
            hook.remove()
    assert len(asked) == len(set(asked)) == 6


def test_moves_nearest_and_carried_by_hand():
    a = {"text": (0.0, 1.0), "audio": (1.0, -1.0), "vision": (0.0, 0.5), "text+audio": (1.0, 2.0)}
    a |= {"text+vision": (1.0, 1.0), "audio+vision": (1.0, 1.5), "text+audio+vision": (1.0, 1.0)}
    b = {p: (2.0, 0.5) for p in PATTERNS} | {"audio+vision": (2.0, -1.0)}
    found = invented({"sdumc": a, "corrkd": b})
    assert found.moves() == pytest.approx({"sdumc": (0 + 2 + 0.5 + 1 + 0 + 0.5) / 6, "corrkd": 1.5 / 6})
    assert found.moves("complete") == pytest.approx({"sdumc": 2 / 6, "corrkd": 0.0})
    assert found.nearest == "corrkd" and found.move("sdumc", "audio") == -2.0
    # without text: audio+vision is left, (0.5 + 1.5) / 2; without audio: 0; without vision: (1 + 0) / 2
    assert found.effect_of_removing() == pytest.approx({"text": 1.0, "audio": 0.0, "vision": 0.5})


def test_moves_are_from_what_the_clip_has():
    scores = {"sdumc": {p: (0.0, float(len(p))) for p in PATTERNS}}
    found = invented(scores, {"text": "no words"})
    assert found.full == "audio+vision" and found.moves() == {"sdumc": ((12 - 5) + (12 - 6)) / 2}
    assert found.effect_of_removing() == {
        "audio": 12 - 6.0,
        "vision": 12 - 5.0,
    }  # what is left when it goes: vision, audio


def test_robustness_is_missing_frame(analyser, happy, robust):
    ids = [f"clip#{draw}" for draw in range(3)]
    batch = collate([happy] * 3)
    object.__setattr__(batch, "ids", tuple(ids))
    dropped = missing.frame(batch, 0.5, compare.SEED)
    model, complete = analyser.models("corrkd")
    with torch.inference_mode():
        want, whole = model(dropped).score, model(collate([happy])).score
        theirs = complete(dropped).score
    line = next(x for x in robust.lines if x.methods == ("corrkd",) and x.flow == "missing")
    point = line.points[1]
    assert point.rate == 0.5
    assert (point.score.mean, point.score.low, point.score.high) == pytest.approx(
        (want.mean().item(), want.min().item(), want.max().item()), abs=1e-5
    )
    assert point.move.mean == pytest.approx((want - whole).abs().mean().item(), abs=1e-5)
    other = next(x for x in robust.lines if x.methods == ("corrkd",) and x.flow == "complete")
    assert other.points[1].score.mean == pytest.approx(theirs.mean().item(), abs=1e-5)


def test_nothing_dropped_moves_nothing(robust, compared):
    for line in robust.lines:
        first = line.points[0]
        assert first.rate == 0 and first.move.high == pytest.approx(0, abs=1e-5)
        answer = compared.answer(line.methods[0])
        assert first.score.mean == pytest.approx(
            answer.missing if line.flow == "missing" else answer.complete, abs=1e-5
        )
    assert [(x.methods, x.flow) for x in robust.lines[:3]] == [((m,), "missing") for m in ("sdumc", "corrkd", "promma")]
    assert {x.flow for x in robust.lines[3:]} == {"complete"} and len(robust.lines) == 6
    assert any(p.score.low < p.score.high for line in robust.lines for p in line.points)


def test_all_frames_gone_is_the_same_for_every_draw(robust):
    assert all(
        line.points[-1].score.low == pytest.approx(line.points[-1].score.high, abs=1e-5) for line in robust.lines
    )


def test_the_same_clip_gives_the_same_numbers_under_any_name(analyser, happy, robust):
    from dataclasses import replace

    again = compare.robustness(analyser, replace(happy, id="other.mp4"), rates=(1.0, 0.5, 0.5, 0.0), draws=3)
    assert [p.score.mean for x in again.lines for p in x.points] == pytest.approx(
        [p.score.mean for x in robust.lines for p in x.points], abs=1e-5
    )


@pytest.mark.parametrize(("rates", "draws"), [((), 5), ((0.5,), 0)])
def test_impossible_robustness(analyser, happy, rates, draws):
    with pytest.raises(MsaError, match="at least one of each"):
        compare.robustness(analyser, happy, rates, draws)
    with pytest.raises(MsaError, match="frame_missing_rate"):
        compare.robustness(analyser, happy, (1.5,), 1)


def test_json_and_csv_say_the_same(compared, robust):
    whole = json.loads(comparison_text.as_json(compared, robust))
    rows = list(csv.DictReader(io.StringIO(comparison_text.as_csv(compared, robust, None))))
    assert tuple(rows[0]) == comparison_text.COLUMNS
    patterns = {p["pattern"]: p["answers"] for p in whole["comparison"]["patterns"]}
    assert list(patterns) == list(PATTERNS) and all(set(a) == set(compared.methods) for a in patterns.values())
    row = next(r for r in rows if (r["condition"], r["method"], r["flow"]) == ("audio", "sdumc", "missing"))
    answer = patterns["audio"]["sdumc"]
    assert float(row["score"]) == answer["missing_model"] and float(row["interval_low"]) == answer["interval"]["low"]
    assert float(row["move"]) == pytest.approx(
        answer["missing_model"] - patterns["text+audio+vision"]["sdumc"]["missing_model"]
    )
    assert len(rows) == 7 * 3 * 2 + 4 + 6 * 3  # both flows, four without simulated text, six lines of three rates
    dropped = [r for r in rows if r["condition"] == "frame:0.5"]
    assert len(dropped) == 6 and all(r["draws"] == "3" for r in dropped)
    assert whole["comparison"]["nearest_to_its_full_answer"] == compared.nearest


def test_patterns_that_cannot_be_had_stand_in_the_csv_once():
    found = invented({"sdumc": {p: (0.0, 0.0) for p in PATTERNS}}, {"vision": "no video track, only sound"})
    rows = list(csv.DictReader(io.StringIO(comparison_text.as_csv(found))))
    assert [r["reason"] for r in rows if r["condition"] == "vision"] == ["vision: no video track, only sound"]
    assert sum(bool(r["reason"]) for r in rows) == 4


@pytest.mark.slow
def test_command_line(analyser, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(Analyser, "load", lambda device=None, method=None: analyser)
    clips = [str(EXAMPLES / name) for name in ("crema_happy.mp4", "crema_sad.mp4")]
    table, whole = tmp_path / "all.csv", tmp_path / "all.json"
    assert main(["compare", *clips, "--csv", str(table), "--json", str(whole)]) == 0
    out = capsys.readouterr().out
    assert "crema_sad.mp4" in out and "nearest to its own full answer" in out and "steady is not right" in out
    assert "not a measure of feelings" in out and "ProMMA (reconstruction)" in out
    assert {r["clip"] for r in csv.DictReader(table.open())} == {"crema_happy.mp4", "crema_sad.mp4"}
    assert [c["comparison"]["clip"] for c in json.loads(whole.read_text())["clips"]] == [Path(c).name for c in clips]
    assert main(["compare", clips[0], "--json", "-"]) == 0
    assert len(json.loads(capsys.readouterr().out)["clips"]) == 1
    assert main(["compare", clips[0], "--csv", str(tmp_path / "none" / "x.csv")]) == 2
    assert "Give --csv a file" in capsys.readouterr().err
    assert main(["compare", "missing.mp4"]) == 2


def test_a_clip_whose_name_is_a_formula_is_a_text_in_the_csv(compared):
    name = '=HYPERLINK("http://x")&.mp4'
    rows = list(csv.DictReader(io.StringIO(comparison_text.as_csv(replace(compared, clip=name)))))
    assert rows and all(row["clip"] == f"'{name}" for row in rows)
    assert all(float(row["score"]) is not None for row in rows if row["score"])
