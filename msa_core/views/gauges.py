"""The three gauges of an answer: complete model with everything, with what is left, and the missing-modality model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msa_core.i18n import known, say
from msa_core.schema import SCORE_LIMIT, Prediction
from msa_core.views import mechanism, people, summary
from msa_core.views.parts import meaning, method_title, percent, present, signed, tone

KEYS = ("complete_model_full", "complete_model_left", "missing_model_left")  # scores that are shown


@dataclass(frozen=True)
class Gauge:
    """A score on [-3, 3] with its texts, for the template `gauges`.

    full: the model's own score of the complete input, drawn as a tick. interval: keys low, high. ours: the
    missing-modality model's. people: mean vote of people who had the same, drawn as a mark.
    """

    title: str
    what: str
    score: float | None = None
    full: float | None = None
    interval: Mapping[str, float] | None = None
    notes: tuple[str, ...] = ()
    ours: bool = False
    people: float | None = None

    @property
    def number(self) -> str:
        """The score as it is written."""
        return "–" if self.score is None else signed(self.score)

    @property
    def words(self) -> str:
        """The score in words."""
        return say("no answer") if self.score is None else meaning(self.score)

    @property
    def tone(self) -> str:
        """CSS class of the score's sign."""
        return "none" if self.score is None else tone(self.score)

    @property
    def angle(self) -> float:
        """Rotation of the dot, in degrees."""
        return _angle(self.score or 0.0)

    @property
    def full_angle(self) -> float:
        """Rotation of the tick, in degrees."""
        return _angle(self.full or 0.0)

    @property
    def people_angle(self) -> float:
        """Rotation of the people's mark, in degrees."""
        return _angle(self.people or 0.0)

    @property
    def width(self) -> float:
        """Width of the interval in points of the scale."""
        return max(0.0, self.interval["high"] - self.interval["low"]) if self.interval else 0.0

    @property
    def offset(self) -> float:
        """Dash offset at which the interval begins, in points of the scale."""
        return -((self.interval["low"] if self.interval else 0.0) + SCORE_LIMIT)


def empty_gauges() -> list[Gauge]:
    """Make the gauges of a page without a prediction."""
    left, complete = say("with what is left"), say("Complete model")
    titles = ((complete, say("with everything")), (complete, left), (say("Missing-modality model"), left))
    return [Gauge(title, what) for title, what in titles]


def gauges_of(prediction: Prediction) -> list[Gauge]:
    """Make the gauges of a prediction."""
    scores, left = prediction.scores, _left(prediction)
    simulated = [say("simulated text")] if prediction.text_source == "simulated" else []
    complete = mechanism.complete_model(prediction)
    titles = (
        (complete, say("with everything in the clip")),
        (complete, say("with what is left: {left}", left=" + ".join(left) or say("nothing"))),
        (method_title(prediction.method), say("with what is left: {left}", left=" + ".join(simulated + left))),
    )
    fulls = (None, scores["complete_model_full"], scores.get("missing_model_full"))
    gauges = []
    for (title, what), key, full in zip(titles, KEYS, fulls, strict=True):
        ours = key == KEYS[2]
        interval = prediction.interval if ours else None
        voted = prediction.people.get("full" if key == KEYS[0] else "left")
        notes = _shift(scores[key], full) + (_interval_notes(prediction, interval) if interval else ())
        mean = None if voted is None else voted[1].mean
        gauges.append(Gauge(title, what, scores[key], full, interval, notes + people.note(voted), ours, mean))
    return gauges


def _left(prediction: Prediction) -> list[str]:
    """Name what the models see, with the share of frames where some are dropped."""
    lost = summary.dropped_frames(prediction)
    return [known(m) + (f" ({1 - lost[m]:.0%})" if m in lost else "") for m in present(prediction.modalities)]


def _interval_notes(prediction: Prediction, interval: Mapping[str, float]) -> tuple[str, ...]:
    told = say(
        "{level:.0%} interval {low} to {high}",
        level=interval["level"],
        low=signed(interval["low"]),
        high=signed(interval["high"]),
    )
    return (told, say("calibrated without dropped frames")) if summary.dropped_frames(prediction) else (told,)


def _shift(score: float | None, full: float | None) -> tuple[str, ...]:
    if score is None or full is None:
        return ()
    if abs(delta := score - full) < 0.005:
        return (say("same as with everything"),)
    if delta > 0:
        return (say("{points:.2f} above its own score with everything", points=delta),)
    return (say("{points:.2f} below its own score with everything", points=-delta),)


def _angle(score: float) -> float:
    return round(1.8 * percent(score), 2)
