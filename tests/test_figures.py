"""The page's drawings: the numbers in them are the prediction's, text is escaped, nothing fails on what is missing."""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from msa_core import figures, figures_clip, figures_distillation, figures_page, figures_parts, language, report
from msa_core.edits import ALL_STRUCK, TYPED, VOICE_STAYS
from msa_core.schema import MODALITIES, Prediction, Stream, Thumbnail, Utterance, Word

NASTY = '<img src=x onerror="alert(1)">'
VIEWS = ("text+audio+vision", "text+audio", "text+vision", "audio+vision", "text", "audio", "vision")
SCORES = ("complete_model_full", "complete_model_left", "missing_model_full", "missing_model_left")
WORDS = (Word("don't", 0.2, 0.5), Word(NASTY, 0.5, 0.9), Word("jacket", 1.0, 1.6))


def second(start: float, score: float | None, **observed: float | None) -> dict[str, object]:
    """A second of a timeline; modalities that are not named are seen as a whole."""
    seen = dict.fromkeys(MODALITIES, 1.0) | observed
    return {"start_s": float(start), "end_s": start + 1.0, "score": score, "observed": seen}


def prediction(**changes: object) -> Prediction:
    facts: dict[str, object] = {
        "clip": f"a{NASTY}.mp4",
        "duration_s": 2.0,
        "feature_set": "compact-v1",
        "method": "sdumc",
        "dropped": (),
        "text_source": "transcript",
        "modalities": {m: {"present": True, "reason": None} for m in MODALITIES},
        "transcript": " ".join(w.text for w in WORDS),
        "words": WORDS,
        "scores": dict(zip(SCORES, (1.25, -0.5, 1.05, 0.75), strict=True)),
        "interval": {"level": 0.9, "low": -0.25, "high": 1.75},
        "contributions": {"base": 0.05, "text": 1.0, "audio": -0.5, "vision": 0.2},
        "mechanism": {
            "gates": {"text": 0.8, "audio": -0.4, "vision": 0.1},
            "view_weights": {v: 0.1 * i - 0.3 for i, v in enumerate(VIEWS)},
            "attention": {
                "text": [{"token": "d", "start_s": 0.2, "end_s": 0.5, "weight": 0.25}]
                + [{"token": "j", "start_s": 1.0, "end_s": 1.6, "weight": 0.75}],
                "audio": [{"start_s": i / 10, "end_s": (i + 1) / 10, "weight": 0.05} for i in range(20)],
                "vision": [{"start_s": 0.4, "end_s": 0.6, "weight": 1.0}],
            },
            "imagined": [],
            "text_simulated": False,
            "text_similarity": {"before": None, "after": None},
        },
        "timeline": (second(0, 2.0, text=0.5), second(1, None, text=None)),
        "timings_s": {"media": 0.02, "predict": 0.018},
        "notes": (),
    }
    return Prediction(**(facts | changes))  # type: ignore[arg-type]


def utterance(**changes: object) -> Utterance:
    image = np.full((48, 64, 3), 90, np.uint8)
    stream = Stream(np.zeros((4, 3), np.float32), np.arange(4, dtype=np.float32))
    base = Utterance(
        id=f"a{NASTY}.mp4",
        duration_s=2.0,
        feature_set="compact-v1",
        text=stream,
        audio=stream,
        vision=stream,
        simulated=stream,
        words=WORDS,
        thumbnails=(Thumbnail(0.2, image, (16, 8, 24, 30), -0.4), Thumbnail(0.4, image)),
        notes=(f"note {NASTY}",),
        timings_s={"media": 0.02, "speech": 1.5, "voice": 0.0},
    )
    return replace(base, **changes)


def taught(**changes: object) -> Prediction:
    """A prediction of a method with a teacher, text switched off."""
    names = ("-3", "-2", "-1", "0", "+1", "+2", "+3")
    shares = {"teacher_full": 0.61, "teacher_left": 0.22, "student": 0.55}
    responses: dict[str, object] = {"target": "+2"}
    for who, share in shares.items():
        rest = {n: (1 - share) / 6 for n in names if n != "+2"}
        responses[who] = {"target": share, "non_target": rest}
    likeness = {
        "teacher": {n: 0.1 * i for i, n in enumerate(names)},
        "student": {n: None if n == "-3" else 0.12 * i for i, n in enumerate(names)},
    }
    facts = {
        "attention": prediction().mechanism["attention"],
        "substitute": "one zero frame",
        "class_responses": responses,
        "prototype_similarity": likeness,
        "distance": {"student": 3.0, "teacher_left": 4.0, "student_to_teacher_left": 5.0, "typical": 8.0},
    }
    gone = {m: {"present": m != "text", "reason": None if m != "text" else "switched off"} for m in MODALITIES}
    base: dict[str, object] = {"method": "corrkd", "dropped": ("text",), "modalities": gone, "text_source": "none"}
    return prediction(**(base | {"mechanism": facts} | changes))


def meters(html: str) -> list[float]:
    return [float(v) for v in re.findall(r'role="meter"[^>]*aria-valuenow="([^"]+)"', html)]


def test_three_gauges_say_the_three_scores() -> None:
    html = figures.answer(prediction())
    assert meters(html) == [1.25, -0.5, 0.75]
    for said in (
        "+1.25",
        "−0.50",
        "+0.75",
        "1.75 below its own full reading",
        "0.30 below its own full reading",
        "90% interval −0.25 to +1.75",
    ):
        assert said in html
    assert html.count("interval −0.25") == 1  # only the missing-modality model has one


def test_needle_and_interval_geometry() -> None:
    html = figures.answer(prediction(scores=dict.fromkeys(SCORES, 3.0)))
    assert html.count("rotate(180.0deg)") == 3 + 2  # three needles and two ticks at the full reading
    assert "stroke-dasharray:2.000 12;stroke-dashoffset:-2.750" in html  # from -0.25, 2 long, counted from -3


def test_without_prediction_there_are_no_numbers() -> None:
    html = figures.answer(None, f"message {NASTY}")
    assert meters(html) == [] and html.count("no answer") == 6 and NASTY not in html


def test_scores_that_do_not_exist() -> None:
    html = figures.answer(
        prediction(
            scores={"complete_model_full": 1.0, "complete_model_left": 0.0, "missing_model_left": 0.004},
            interval=None,
            timeline=(),
            mechanism={},
            words=(),
            timings_s={},
        )
    )
    assert meters(html) == [1.0, 0.0, 0.0] and "−0.00" not in html and "+0.00" not in html
    assert "interval " not in re.sub("mm-interval", "", html)


def test_structure_is_the_same_for_every_switch() -> None:
    """The browser updates the panel in place: same tags in the gauges, so that needles move."""
    gone = {m: {"present": m != "text", "reason": None if m != "text" else "switched off"} for m in MODALITIES}
    one = "".join(figures.gauges_of(prediction()))
    two = "".join(figures.gauges_of(prediction(modalities=gone, dropped=("text",), interval=None)))
    tags = [re.findall(r"<(\w+)", html) for html in (one, two)]
    assert [t for t in tags[0] if t != "br"] == [t for t in tags[1] if t != "br"]


def test_contributions_are_a_waterfall_that_ends_at_the_score() -> None:
    html = figures.contributions(prediction())
    assert re.findall(r'mm-value">([^<]+)', html) == ["+0.05", "+1.00", "−0.50", "+0.20", "+0.75"]
    bars = re.findall(r"mm-bar [^>]*left:([\d.]+)%;width:max\(2px,([\d.]+)%\)", html)
    spans = [(float(a), float(a) + float(b)) for a, b in bars]
    steps = [float(v) for v in re.findall(r'mm-step" style="left:([\d.]+)%', html)]
    levels = [100 * (level + 3) / 6 for level in (0.05, 1.05, 0.55, 0.75)]  # the mean, then after each modality
    assert steps == pytest.approx(levels, abs=0.01)
    for k, step in enumerate(steps):  # a connector joins the end of its bar with an end of the next
        assert any(edge == pytest.approx(step, abs=0.02) for edge in spans[k])
        assert any(edge == pytest.approx(step, abs=0.02) for edge in spans[k + 1])


def test_the_waterfall_passes_an_absent_modality_at_its_level() -> None:
    gone = {m: {"present": m != "audio", "reason": None if m != "audio" else "switched off"} for m in MODALITIES}
    html = figures.contributions(
        prediction(modalities=gone, contributions={"base": 0.05, "text": 1.0, "audio": 0.0, "vision": -0.3})
    )
    steps = [float(v) for v in re.findall(r'mm-step" style="left:([\d.]+)%', html)]
    assert steps[1] == steps[2] == pytest.approx(100 * 4.05 / 6, abs=0.01) and ">off<" in html


def test_absent_modality_is_off_with_its_reason() -> None:
    gone = {m: {"present": m != "vision", "reason": None if m != "vision" else "no <face>"} for m in MODALITIES}
    html = figures.answer(prediction(modalities=gone))
    assert 'mm-off"' in html and "no &lt;face&gt;" in html and "with what is left: text + audio<" in html


def test_imagined_text_is_named_and_its_change_shown() -> None:
    gone = {m: {"present": m != "text", "reason": None if m != "text" else "switched off"} for m in MODALITIES}
    new = {"imagined": ["text"], "text_simulated": True, "text_similarity": {"before": 0.41, "after": 0.63}}
    facts = dict(prediction().mechanism) | new
    html = figures.answer(prediction(modalities=gone, dropped=("text",), text_source="simulated", mechanism=facts))
    assert "imagined text + audio + vision" in html and "starts from the voice" in html and "+0.63" in html
    assert "mm-struck" in html and "imagines the text from the voice" in html
    assert html.count("<em>imagined</em>") == 2  # its gate and its own view
    assert "nothing is filled in" in figures.imagination(prediction())
    facts |= {"imagined": ["vision"], "text_similarity": {"before": None, "after": None}}
    html = figures.imagination(prediction(mechanism=facts))
    assert "learned placeholder" in html and "likeness" not in html


def test_words_carry_their_share_of_attention() -> None:
    html = figures_clip.transcript(prediction())
    assert re.findall(r"--w:([\d.]+)", html) == ["0.333", "0.000", "1.000"]


def test_words_are_buttons_and_struck_ones_are_pressed() -> None:
    words = (*WORDS[:2], replace(WORDS[2], struck=True))
    html = figures_clip.transcript(prediction(words=words, notes=(VOICE_STAYS,)))
    found = re.findall(r'<button type="button" class="mm-word" data-word="(\d)" aria-pressed="(\w+)"', html)
    assert found == [("0", "false"), ("1", "false"), ("2", "true")]
    assert re.findall(r'data-from="([\d.]+)" data-to="([\d.]+)"', html)[2] == ("1.00", "1.60")
    assert "data-seek" not in html and VOICE_STAYS in html
    assert re.findall(r"--w:([\d.]+)", html) == ["0.333", "1.000", "0.000"]  # a struck word has no attention


def test_without_any_word_left_the_reason_stands_over_the_words() -> None:
    gone = {m: {"present": m != "text", "reason": "every word was struck out"} for m in MODALITIES}
    struck = tuple(replace(w, struck=True) for w in WORDS)
    html = figures_clip.transcript(prediction(words=struck, modalities=gone))
    assert "Every word was struck out" in html and html.count('aria-pressed="true"') == 3 and "mm-struck" not in html
    html = figures_clip.transcript(prediction(words=(), modalities=gone, transcript=""))
    assert "No words." in html and "<button" not in html


def test_presence_of_every_second_is_drawn() -> None:
    seen = (second(0, 1.0, text=0.25), second(1, 1.0, text=0.25), second(2, 1.0, text=None), second(3, 1.0))
    html = figures_clip.timeline(
        prediction(timeline=seen, duration_s=4.0, frame_missing_rate={"text": 0.75, "vision": 0.0})
    )
    drawn = re.findall(
        r'<i (?:class="([\w-]+)" )?style="left:([\d.]+)%;width:([\d.]+)%(?:;--lost:([\d.]+))?" title', html
    )
    assert drawn == [("", "0.0", "50.00", "0.75"), ("mm-empty-second", "50.0", "25.00", "")]
    assert "0 to 2 s: 25% of the frames are seen" in html and "75% of its frames are dropped" in html
    assert 'class="mm-playhead"' in html and 'data-length="4.000"' in html


def test_frames_carry_the_attention_nearest_to_them() -> None:
    facts = dict(prediction().mechanism)
    pieces = [(0.0, 0.1), (0.5, 0.2), (0.9, 0.3), (1.6, 0.4)]
    facts["attention"] = {"vision": [{"start_s": t, "end_s": t + 0.2, "weight": w} for t, w in pieces]}
    p = prediction(mechanism=facts, frames_s=(0.0, 1.0, 2.0))
    assert figures_clip.frame_weights(p) == pytest.approx([0.3, 0.3, 0.4])  # 0.5 is as near to 0 as to 1: the first
    assert 'data-frame-weights="[0.3, 0.3, 0.4]"' in figures_clip.timeline(p)
    assert figures_clip.frame_weights(prediction(mechanism={}, frames_s=(0.0,))) == []
    many = prediction(mechanism=facts, frames_s=tuple(i / 5 for i in range(300)))
    assert len(figures_clip.frame_weights(many)) == figures_clip.MAX_FRAMES
    assert sum(figures_clip.frame_weights(many)) == pytest.approx(1.0)


def gone(*names: str) -> dict[str, object]:
    """Changes of a prediction with these modalities switched off."""
    states = {
        m: {"present": m not in names, "reason": "switched off by the user" if m in names else None} for m in MODALITIES
    }
    return {"dropped": names, "modalities": states}


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
    told = report.sentence(prediction(**changes))
    assert told.startswith(start)
    # from 1.25 to -0.5 is 1.75 down; from its own full answer of 1.05 to 0.75 is 0.3 down
    assert told.endswith(", the complete model moves 1.8 towards negative; SDUMC moves 0.3 towards negative.")
    assert told in report.summary(prediction(**changes))


def test_a_model_that_stays_hardly_moves() -> None:
    scores = dict(zip(SCORES, (1.0, 1.04, -1.0, -0.6), strict=True))
    told = report.sentence(prediction(**gone("vision"), scores=scores))
    assert told == "Without your face, the complete model hardly moves; SDUMC moves 0.4 towards positive."


def test_nothing_taken_is_said_as_two_answers() -> None:
    told = report.sentence(prediction())
    assert told == "With everything there, the complete model says +1.25 and SDUMC says +0.75."
    never = {m: {"present": m != "vision", "reason": "no video track" if m == "vision" else None} for m in MODALITIES}
    told = report.sentence(prediction(modalities=never, dropped=("vision",)))  # its switch stands on off all the same
    assert told.startswith("With what the clip has, the complete model says")


def test_dropped_frames_are_named_at_the_gauges_and_with_the_interval() -> None:
    html = figures.answer(prediction(frame_missing_rate={"audio": 0.25}))
    assert "with what is left: text + audio (75%) + vision" in html
    assert html.count("calibrated without dropped frames") == 1
    assert "calibrated without" not in figures.answer(prediction())


@pytest.mark.parametrize("changes", [{}, gone("text"), {"frame_missing_rate": {"audio": 0.5}}, {"edited": True}])
def test_the_panel_speaks_chinese(changes: dict[str, object]) -> None:
    """No English word of ours is left; names of methods, files and the words that were said stay."""
    with language.use("zh"):
        html = "".join(
            [
                figures.answer(prediction(**changes, words=(Word("你好", 0.2, 0.5),), transcript="你好")),
                figures_clip.clip(utterance(id="a.mp4", notes=())),
                figures.answer(None),
            ]
        )
    shown = re.sub(r"<[^>]*>", " ", html) + " ".join(
        re.findall(r'(?:aria-label|title|alt|aria-valuetext)="([^"]*)"', html)
    )
    left = set(re.findall(r"[A-Za-z]{2,}", shown)) - {"SDUMC", "MIA", "Shapley", "JSON", "mp", "compact", "nbsp", "ms"}
    assert not left


def test_the_names_shown_by_known_are_translated() -> None:
    names = [*figures_parts.TITLES.values(), *figures_parts.STEPS.values(), *figures_parts.WORDS_FOR_SCORES.values()]
    names += [
        *report.ORDINARY.values(),
        *MODALITIES,
        report.DISCLAIMER,
        figures.WELCOME,
        ALL_STRUCK,
        TYPED,
        VOICE_STAYS,
    ]
    assert set(names) <= set(language.catalogue("zh"))


def test_the_script_is_for_what_is_drawn() -> None:
    html = figures.answer(prediction()) + figures_clip.clip(utterance())
    for name in ("mm-lanes", "mm-playhead", "mm-lane-body", "mm-strip", "mm-share"):
        assert f".{name}" in figures_clip.SCRIPT and name in html
    for fact in ("data-length", "data-from", "data-to", "data-seek", "data-frame-weights"):
        assert fact in figures_clip.SCRIPT and f"{fact}=" in html


def test_everything_a_visitor_can_write_is_escaped() -> None:
    p, u = prediction(notes=(NASTY,), method="sdumc"), utterance()
    pieces = [figures.answer(p), figures_clip.clip(u), figures_page.finished(u, 1.0), figures_page.failed(NASTY)]
    pieces += [figures_page.working([NASTY], 0.5), figures.answer(prediction(method="m" + NASTY))]
    for html in pieces:
        assert NASTY not in html and "<img src=x" not in html
        assert NASTY.upper() not in html


def test_download_is_the_public_json() -> None:
    p = prediction()
    data = re.search(r"base64,([^\"]+)", figures.download(p))
    assert data is not None
    assert base64.b64decode(data[1]).decode() == p.json_text()
    assert json.loads(p.json_text()) == json.loads(json.dumps(p.to_json()))


def test_frames_have_their_box_drawn_in() -> None:
    shot = utterance().thumbnails[0]
    image = figures_clip.boxed(shot)
    scale = figures_clip.FRAME_HEIGHT / 48
    assert image.shape == (figures_clip.FRAME_HEIGHT, round(64 * scale), 3)
    edge = image[round(20 * scale), round(16 * scale)].astype(int)
    assert np.abs(edge - figures_clip.BOX_COLOUR).max() < 40
    assert np.array_equal(shot.image, np.full((48, 64, 3), 90, np.uint8))
    html = figures_clip.clip(utterance())
    assert html.count("data:image/jpeg") == 2 and "face found" in html and "no face" in html


def test_clip_without_pictures_says_why() -> None:
    html = figures_clip.clip(utterance(thumbnails=(), vision=Stream.absent("no video track")))
    assert "No video track" in html and "<img" not in html


def test_many_frames_are_sampled() -> None:
    shots = tuple(Thumbnail(i / 5, np.zeros((20, 20, 3), np.uint8)) for i in range(300))
    assert figures_clip.clip(utterance(thumbnails=shots)).count("<figure") == figures_clip.MAX_FRAMES


@pytest.mark.parametrize("duration_s", [0.0, 0.04, 1.9, 10.0, 60.0, 600.0])
def test_timeline_of_any_length(duration_s: float) -> None:
    html = figures_clip.timeline(prediction(duration_s=duration_s))
    assert "nan" not in html and "inf" not in html and html.count("mm-lane-row") == 4


def test_steps_and_states() -> None:
    html = figures_page.working(["media", "speech"], 0.4)
    assert 'aria-valuenow="40"' in html and "Opening the clip" in html and 'mm-now">Listening' in html
    u = utterance(vision=Stream.absent("no face in 2.0 s of video"))
    assert [figures_page.state(u, m) for m in MODALITIES] == [
        "3 words heard",
        "2.0 s of sound",
        "Missing: no face in 2.0 s of video",
    ]


def test_teacher_and_student_stand_side_by_side() -> None:
    html = figures.answer(taught())
    assert "Inside CorrKD" in html and "Target: +2 <small>positive</small>" in html
    assert "teacher, everything 61%; teacher, what is left 22%; student, what is left 55%" in html
    assert (
        html.count("mm-three") == 7
        and "61 · 22 · 55" in html
        and "+0.50 · +0.60" in html
        and html.count("mm-point") == 2 * 6
        and "no clip" in html
    )
    assert html.count("<h3>Complete model: the teacher</h3>") == 2 and "student <strong>3.00</strong>" in html
    assert "CorrKD imagines nothing" in html and "one zero frame" in html and "imagined text" not in html
    nasty = dict(taught().mechanism) | {"substitute": NASTY}
    assert NASTY not in figures.answer(taught(mechanism=nasty))


def test_what_distillation_saved_is_computed() -> None:
    told = report.transfer(taught())
    assert told is not None and "the teacher drifts 4.0" in told and "from 61% to 22%" in told
    assert "is 3.0 away and gives it 55%" in told and "saved 25% of the drift" in told  # 1 - 3 / 4
    worse = dict(taught().mechanism) | {"distance": {**taught().mechanism["distance"], "student": 4.5}}  # type: ignore[dict-item]
    assert "saved nothing" in str(report.transfer(taught(mechanism=worse)))
    still = dict(taught().mechanism) | {"distance": {**taught().mechanism["distance"], "teacher_left": 0.0}}  # type: ignore[dict-item]
    assert "nothing to save" in str(report.transfer(taught(mechanism=still)))
    assert "Nothing is switched off" in str(report.transfer(taught(dropped=())))
    assert report.transfer(prediction()) is None and figures_distillation.distances(prediction()) == ""
    assert "25% of the drift" in figures.answer(taught()) and "25% of the drift" in report.summary(taught())


@pytest.mark.parametrize(
    ("a", "b", "c"), [(4.0, 3.0, 5.0), (0.0, 2.0, 2.0), (2.0, 0.0, 2.0), (1.0, 1.0, 0.0), (1e-6, 2.0, 2.0)]
)
def test_the_picture_of_distances_is_true_to_scale(a: float, b: float, c: float) -> None:
    lost, ours = figures_distillation.triangle(a, b, c)
    assert math.hypot(*lost) == pytest.approx(a, abs=1e-5) and math.hypot(*ours) == pytest.approx(b)
    assert math.dist(lost, ours) == pytest.approx(c)
    assert a > 1e-3 or ours == (b, 0.0)


@pytest.mark.parametrize(
    "values", [(3.0, 4.0, 5.0, 8.0), (9.0, 1.0, 9.5, 2.0), (0.0, 0.0, 0.0, 0.0), (5.0, 0.0, 5.0, 3.0)]
)
def test_the_picture_of_distances_stays_in_its_frame(values: tuple[float, ...]) -> None:
    keys = ("student", "teacher_left", "student_to_teacher_left", "typical")
    facts = dict(taught().mechanism) | {"distance": dict(zip(keys, values, strict=True))}
    html = figures_distillation.distances(taught(mechanism=facts))
    circles = [(float(x), float(y)) for x, y in re.findall(r'cx="([-\d.]+)" cy="([-\d.]+)"', html)]
    assert len(circles) == 3 and "nan" not in html
    assert all(0 <= x <= figures_distillation.WIDTH and 0 <= y <= figures_distillation.HEIGHT for x, y in circles)


def test_methods_are_written_as_people_write_them() -> None:
    assert [figures_parts.method_name(m) for m in ("sdumc", "corrkd", "<x>")] == ["SDUMC", "CorrKD", "&lt;x&gt;"]
    assert "; CorrKD moves 0.3" in report.sentence(taught())


@pytest.mark.parametrize(("value", "text"), [(0.0, "0.00"), (-0.001, "0.00"), (-1.256, "−1.26"), (2.0, "+2.00")])
def test_signed(value: float, text: str) -> None:
    assert figures_parts.signed(value) == text


@pytest.mark.parametrize(
    ("score", "words"),
    [(-3, "strongly negative"), (-0.6, "weakly negative"), (0.4, "neutral"), (9, "strongly positive")],
)
def test_meaning(score: float, words: str) -> None:
    assert figures_parts.meaning(score) == words
