"""From utterance to prediction: contributions by hand, switches, reasons, the JSON contract."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from paths import EXAMPLES

from msa_core import checkpoint, methods, missing, predict
from msa_core.batch import collate
from msa_core.errors import CheckpointError, MsaError
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Stream


@pytest.fixture(scope="module")
def happy(analyser):
    return analyser.extract(EXAMPLES / "crema_happy.mp4")


def test_every_published_method_is_there(analyser):
    assert analyser.methods == ("sdumc", "corrkd", "promma")


@pytest.mark.parametrize("method", ["sdumc", "corrkd"])
@pytest.mark.parametrize("dropped", [(), ("text",), ("audio",), ("vision",), ("text", "audio"), ("audio", "vision")])
def test_contributions_sum_to_the_score(analyser, happy, method, dropped):
    p = analyser.predict(happy, method, dropped)
    assert sum(p.contributions.values()) == pytest.approx(p.scores["missing_model_left"], abs=1e-4)
    for m in dropped:
        assert p.contributions[m] == 0 and not p.modalities[m]["present"]
        assert p.modalities[m]["reason"] == "switched off by the user"


def test_json_contract(analyser, happy):
    p = json.loads(json.dumps(analyser.predict(happy, "sdumc", ["vision"]).to_json(), allow_nan=False))
    assert {"clip", "duration_s", "feature_set", "method", "dropped", "modalities", "transcript", "words"} < set(p)
    assert {"scores", "interval", "contributions", "mechanism", "timeline", "timings_s"} < set(p)
    both = ("complete_model", "missing_model")
    assert set(p["scores"]) == {f"{model}_{what}" for model in both for what in ("full", "left")}
    assert p["frame_missing_rate"] == {} and p["edited"] is False
    assert all(set(t) == {"start_s", "end_s", "score", "observed"} for t in p["timeline"])
    assert all(t["observed"]["vision"] == 0 and t["observed"]["audio"] == 1 for t in p["timeline"])
    assert all(isinstance(v, float) and math.isfinite(v) and -3 <= v <= 3 for v in p["scores"].values())
    assert p["dropped"] == ["vision"] and "forget" in p["transcript"].lower()
    assert p["interval"]["low"] <= p["scores"]["missing_model_left"] <= p["interval"]["high"]
    assert p["timeline"][0]["start_s"] == 0 and p["timeline"][-1]["end_s"] == pytest.approx(p["duration_s"])
    assert set(p["mechanism"]["gates"]) == set(MODALITIES) and len(p["mechanism"]["view_weights"]) == 7


@pytest.mark.parametrize("method", ["sdumc", "corrkd"])
def test_complete_model_with_everything_does_not_move_with_the_switches(analyser, happy, method):
    switches = [(), ("text",), ("audio", "vision")]
    full = {analyser.predict(happy, method, d).scores["complete_model_full"] for d in switches}
    assert max(full) - min(full) < 1e-5


def test_the_complete_model_of_a_student_is_its_teacher(analyser, happy):
    teacher, _ = methods.load("corrkd-composite-v1-teacher", happy.feature_set)
    bare = happy.without("simulated", "")
    with torch.no_grad():
        want = teacher(collate([bare, bare.without("audio", "off")])).score.tolist()
    p = analyser.predict(happy, "corrkd", ["audio"])
    assert [p.scores[k] for k in ("complete_model_full", "complete_model_left")] == pytest.approx(want, abs=1e-5)
    assert p.scores["complete_model_full"] != analyser.predict(happy, "sdumc").scores["complete_model_full"]


def test_teacher_and_student_are_compared(analyser, happy):
    facts = json.loads(json.dumps(analyser.predict(happy, "corrkd", ["text"]).to_json(), allow_nan=False))["mechanism"]
    responses = facts["class_responses"]
    for who in ("teacher_full", "teacher_left", "student"):
        own = responses[who]
        assert own["target"] + sum(own["non_target"].values()) == pytest.approx(1, abs=1e-5)
        assert responses["target"] not in own["non_target"] and len(own["non_target"]) == 6
    assert responses["teacher_full"]["target"] > max(responses["teacher_full"]["non_target"].values())
    distance = facts["distance"]
    assert 0 < distance["student"] and 0 < distance["teacher_left"] and 0 < distance["typical"]
    sides = sorted(distance[k] for k in ("student", "teacher_left", "student_to_teacher_left"))
    assert sides[2] <= sides[0] + sides[1] + 1e-5
    full = analyser.predict(happy, "corrkd").mechanism["distance"]
    assert full["teacher_left"] == pytest.approx(0, abs=1e-5)
    assert all(-1 <= v <= 1 for who in facts["prototype_similarity"].values() for v in who.values())


def test_a_method_that_reads_no_simulated_text_says_so(analyser, happy):
    simulated, nothing = (analyser.predict(happy, "corrkd", text_source=s) for s in ("simulated", "none"))
    assert simulated.text_source == nothing.text_source == "none"
    assert simulated.scores["missing_model_left"] == nothing.scores["missing_model_left"]


def test_a_switch_changes_what_is_left(analyser, happy):
    everything, without = analyser.predict(happy), analyser.predict(happy, dropped=["vision"])
    assert everything.scores["complete_model_left"] == pytest.approx(everything.scores["complete_model_full"], abs=1e-5)
    assert abs(without.scores["complete_model_left"] - everything.scores["complete_model_left"]) > 1e-3


@pytest.mark.parametrize("method", ["sdumc", "corrkd"])
@pytest.mark.parametrize("poison", [1e6, -1e6])
@pytest.mark.parametrize("name", MODALITIES)
def test_content_of_a_dropped_modality_cannot_change_the_answer(analyser, happy, name, poison, method):
    stream = happy.stream(name)
    poisoned = happy.without(name, "")
    object.__setattr__(poisoned, name, Stream(np.full_like(stream.values, poison), stream.times_s))
    source = "none" if name == "text" else "transcript"
    clean, dirty = (analyser.predict(u, method, [name], source) for u in (happy, poisoned))
    assert clean.scores["missing_model_left"] == dirty.scores["missing_model_left"]
    assert clean.scores["complete_model_left"] == dirty.scores["complete_model_left"]


def test_text_sources(analyser, happy):
    spoken = analyser.predict(happy)
    simulated = analyser.predict(happy, text_source="simulated")
    nothing = analyser.predict(happy, text_source="none")
    assert (spoken.text_source, simulated.text_source, nothing.text_source) == ("transcript", "simulated", "none")
    assert simulated.dropped == nothing.dropped == ("text",)
    assert len({round(p.scores["missing_model_left"], 5) for p in (spoken, simulated, nothing)}) == 3
    assert analyser.predict(happy, dropped=["text", "audio"]).text_source == "none"


def test_simulated_text_is_compared_with_the_real_one(analyser, happy):
    assert analyser.predict(happy).mechanism["text_similarity"] == {"before": None, "after": None}
    likeness = analyser.predict(happy, dropped=["text"]).mechanism["text_similarity"]
    assert all(-1 <= likeness[k] <= 1 for k in ("before", "after"))


def test_nothing_left_is_one_clear_sentence(analyser, happy):
    with pytest.raises(MsaError, match="Nothing is left to analyse: switch on at least one of text, audio, vision"):
        analyser.predict(happy, dropped=MODALITIES)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"method": "nope"}, "Unknown method 'nope'. Loaded: sdumc, corrkd"),
        ({"dropped": ["smell"]}, "Unknown modality 'smell'. Choose from: text, audio, vision"),
        ({"text_source": "braille"}, "Unknown text source 'braille'"),
    ],
)
def test_unknown_names(analyser, happy, arguments, message):
    with pytest.raises(MsaError, match=message):
        analyser.predict(happy, **arguments)


def test_without_a_name_the_first_method_that_is_loaded_answers(analyser, happy):
    assert analyser.predict(happy).scores == analyser.predict(happy, "sdumc").scores
    alone = Analyser(analyser.reader, analyser.complete, {"corrkd": analyser._by_method["corrkd"]})
    assert alone.predict(happy).method == "corrkd"
    assert alone.predict(happy).scores == analyser.predict(happy, "corrkd").scores


def test_unknown_checkpoint_lists_what_there_is():
    with pytest.raises(CheckpointError, match="No checkpoint 'nope'. Available: .*sdumc-composite-v1"):
        Analyser.load(method="nope")


@pytest.mark.slow
def test_audio_only_clip_is_answered_with_reasons(analyser):
    u = analyser.extract(EXAMPLES / "jfk.flac")
    p = analyser.predict(u)
    assert "country" in p.transcript.lower() and p.scores["missing_model_left"] is not None
    assert not p.modalities["vision"]["present"] and "video" in p.modalities["vision"]["reason"]


@pytest.mark.slow
def test_a_voice_in_another_language_is_still_a_voice(analyser):
    p = analyser.predict(analyser.extract(EXAMPLES / "latentsync_demo2.mp4"))
    assert p.modalities["text"]["reason"] == (
        "speech not understood (it sounds like Portuguese; only English is recognised)"
    )
    assert p.modalities["audio"]["present"] and p.modalities["vision"]["present"] and p.transcript == ""


def test_shipped_checkpoints_are_whole():
    for name in checkpoint.available():
        checkpoint.read(name)


def test_shipped_checkpoints_are_small():
    assert sum(p.stat().st_size for p in checkpoint.ROOT.rglob("*") if p.is_file()) < 60 * 2**20


@pytest.mark.parametrize("method", ["sdumc", "corrkd", "promma"])
def test_no_dropped_frames_change_nothing(analyser, happy, method):
    plain = analyser.predict(happy, method, ["text"]).to_json()
    zero = analyser.predict(happy, method, ["text"], frame_missing_rate=dict.fromkeys(MODALITIES, 0.0)).to_json()
    assert {**plain, "timings_s": 0} == {**zero, "timings_s": 0}
    assert plain["frame_missing_rate"] == {} and predict.NOT_CALIBRATED not in plain["notes"]


@pytest.mark.parametrize("method", ["sdumc", "corrkd", "promma"])
def test_content_of_dropped_frames_cannot_change_the_answer(analyser, happy, method):
    rates = {"text": 0.5, "audio": 0.6, "vision": 0.7}
    batch = replace(collate([happy]), ids=(missing.FRAME_ID,))
    seen = missing.frame(batch, torch.tensor([list(rates.values())]), missing.FRAME_SEED).observed
    streams = {}
    for m in MODALITIES:
        gone = ~seen[m][0].numpy()
        assert gone.any() and not gone.all()
        values = happy.stream(m).values.copy()
        values[gone] = 1e6
        streams[m] = Stream(values, happy.stream(m).times_s)
    clean, dirty = (analyser.predict(u, method, (), "transcript", rates) for u in (happy, happy.with_streams(streams)))
    for key in ("complete_model_left", "missing_model_left"):
        assert clean.scores[key] == dirty.scores[key]
    assert clean.contributions == dirty.contributions and clean.timeline == dirty.timeline
    assert sum(clean.contributions.values()) == pytest.approx(clean.scores["missing_model_left"], abs=1e-4)


def test_dropped_frames_leave_the_full_answers_alone(analyser, happy):
    rates = {"audio": 0.9, "vision": 0.9}
    plain, lost = analyser.predict(happy), analyser.predict(happy, frame_missing_rate=rates)
    for key in ("complete_model_full", "missing_model_full"):
        assert lost.scores[key] == pytest.approx(plain.scores[key], abs=1e-5)
    assert plain.scores["missing_model_full"] == pytest.approx(plain.scores["missing_model_left"], abs=1e-5)
    assert abs(lost.scores["complete_model_left"] - plain.scores["complete_model_left"]) > 1e-3
    assert abs(lost.scores["missing_model_left"] - plain.scores["missing_model_left"]) > 1e-3
    assert lost.frame_missing_rate == rates == lost.to_json()["frame_missing_rate"]
    assert predict.NOT_CALIBRATED in lost.notes
    half = [p.scores["missing_model_left"] - p.interval["low"] for p in (plain, lost)]
    assert half[0] == pytest.approx(half[1])


def test_a_slider_drops_the_same_frames_whatever_else_is_set(analyser, happy):
    rates = {"audio": 0.5}
    one, other = (analyser.predict(happy, m, d, "transcript", rates) for m, d in (("sdumc", ()), ("corrkd", ["text"])))
    seen = [[t["observed"]["audio"] for t in p.timeline] for p in (one, other)]
    assert seen[0] == seen[1] and any(share < 1 for share in seen[0])
    more = analyser.predict(happy, frame_missing_rate={"audio": 0.8})
    assert all(a["observed"]["audio"] <= b for a, b in zip(more.timeline, seen[0], strict=True))  # only more go


def test_an_absent_modality_stays_absent(analyser, happy):
    plain = analyser.predict(happy, dropped=["vision"])
    p = analyser.predict(happy, dropped=["vision"], frame_missing_rate={"vision": 0.5})
    assert p.scores == plain.scores and not p.modalities["vision"]["present"] and p.contributions["vision"] == 0
    assert all(t["observed"]["vision"] == 0 for t in p.timeline) and predict.NOT_CALIBRATED not in p.notes


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"smell": 0.5}, "Unknown modality 'smell'"),
        ({"text": 0.95}, "The frame rate of text is 0.95; give a share from 0 to 0.9"),
        ({"text": -0.1}, "is -0.1"),
        ({"text": float("nan")}, "is nan"),
        ({"text": "0.5"}, "is '0.5'"),
        (["text"], "frame_missing_rate is .'text'.; give a rate for each modality"),
    ],
)
def test_bad_frame_rates_are_refused(analyser, happy, rates, message):
    with pytest.raises(MsaError, match=message):
        analyser.predict(happy, frame_missing_rate=rates)


def test_a_one_time_iterator_switches_off_as_a_list_does(analyser, happy):
    off = ["text", "audio"]
    listed, once = (analyser.predict(happy, "sdumc", dropped) for dropped in (off, filter(None, off)))
    assert once.scores == listed.scores and once.dropped == listed.dropped == ("text", "audio")
