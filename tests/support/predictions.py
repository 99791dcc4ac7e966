"""A clip and what the methods say about it, made up: texts that a visitor could have written, numbers known by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from msa_core.schema import MODALITIES, Prediction, Prosody, Stream, Thumbnail, Utterance, Word
from msa_core.views import answer

NASTY = '<img src=x onerror="alert(1)">'
VIEWS = ("text+audio+vision", "text+audio", "text+vision", "audio+vision", "text", "audio", "vision")
SCORES = ("complete_model_full", "complete_model_left", "missing_model_full", "missing_model_left")
WORDS = (Word("don't", 0.2, 0.5), Word(NASTY, 0.5, 0.9), Word("jacket", 1.0, 1.6))
PROSODY = Prosody(
    pitch_hz=200.0,
    pitch_spread_semitones=4.26,
    loudness_dbfs=-23.4,
    loudness_spread_db=11.6,
    voiced_share=0.375,
    words_per_s=2.04,
    pauses_s=((0.9, 1.3),),
    curve=((0.2, 0.4, 100.0), (0.4, 0.6, 200.0), (1.6, 1.8, 400.0)),
)


def whole(prediction: Prediction | None, *message: str) -> str:
    """The parts of an answer, one after another."""
    return "".join(answer.answer(prediction, *message))


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
        "prosody": PROSODY,
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
    similarity = {
        "teacher": {n: 0.1 * i for i, n in enumerate(names)},
        "student": {n: None if n == "-3" else 0.12 * i for i, n in enumerate(names)},
    }
    facts = {
        "attention": prediction().mechanism["attention"],
        "substitute": "one zero frame",
        "class_responses": responses,
        "prototype_similarity": similarity,
        "distance": {"student": 3.0, "teacher_left": 4.0, "student_to_teacher_left": 5.0, "typical": 8.0},
    }
    gone = {m: {"present": m != "text", "reason": None if m != "text" else "switched off"} for m in MODALITIES}
    base: dict[str, object] = {"method": "corrkd", "dropped": ("text",), "modalities": gone, "text_source": "none"}
    return prediction(**(base | {"mechanism": facts} | changes))


def gone(*names: str) -> dict[str, object]:
    """Changes of a prediction with these modalities switched off."""
    states = {
        m: {"present": m not in names, "reason": "switched off by the user" if m in names else None} for m in MODALITIES
    }
    return {"dropped": names, "modalities": states} | ({"prosody": None} if "audio" in names else {})
