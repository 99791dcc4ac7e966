"""Lesson on what an uncertainty interval promises, and what it does not."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msa_core.errors import MsaError
from msa_core.i18n import say
from msa_core.lessons import charts, judged, measured
from msa_core.lessons.contract import Code, Control, ExperimentResult, Lesson, LessonAnswer, Texts, Value
from msa_core.lessons.modalities import modality_options, ordinary, require, score_of
from msa_core.lessons.models import METHODS, ROW, in_100, level
from msa_core.missing import INCOMPLETE
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Prediction, Utterance
from msa_core.views.parts import method_title, signed

METHOD = "sdumc"
NOTHING = "nothing"


class Interval(Lesson):
    """Widths without each modality, and the visitor's own rating inside or outside."""

    name = "interval"
    clip = "crema_happy.mp4"
    holds_on, fails_on = clip, "crema_angry.mp4"
    minutes = 3
    code = (Code("msa_core/training/scores.py", "calibrate"), Code("msa_core/explain/conformal.py", "interval"))

    def _texts(self) -> Texts:
        return Texts(
            title=say("What an uncertainty interval promises"),
            idea=(
                say(
                    "A single number looks more certain than it is. The bar beside it is built to contain the human "
                    "rating of {n} clips in 100. It does not come from the model’s own confidence. Instead, we "
                    "measure on validation clips how far the scores were from the ratings, and take the distance "
                    "within which {level} of them fall. This is called split-conformal prediction.",
                    n=in_100(level(METHOD)),
                    level=f"{level(METHOD):.0%}",
                ),
                say(
                    "So the bar is as wide as the model’s errors were when the same modalities were missing. Taking "
                    "away one more part widens it; by how much depends on the part. The face alone even gives a "
                    "narrower bar than the words and the voice together. All clips with the same modalities get the "
                    "same width, except where the scale ends at −3 and +3; the bar does not know whether your clip is "
                    "unusual."
                ),
                say(
                    "The promise holds only for clips like those used for calibration. On test clips with all "
                    "modalities, {coverage} of the human ratings were inside the bar. With another language, another "
                    "room or acted feelings, {level} is only a hope.",
                    level=f"{level(METHOD):.0%}",
                    coverage=f"{measured.coverage(ROW[METHOD], '+'.join(MODALITIES)):.0%}",
                ),
                say(
                    "Method: split-conformal prediction (Lei et al., JASA 2018), calibrated separately for each "
                    "combination of modalities."
                ),
            ),
            question=say("We switch off one part of this clip. Without which part is SDUMC’s interval widest?"),
            choices=tuple(ordinary(m) for m in MODALITIES),
            try_this=say(
                "Watch the clip and give it your own rating. Does it lie inside the bar? Take parts away and see when "
                "that changes."
            ),
            take_away=say(
                "Each part that is taken away widens the bar, some far more than others; and it promises nothing about "
                "clips unlike those it was measured on."
            ),
            claim=say("the intervals of all methods contain what people said"),
        )

    def _controls(self) -> tuple[Control, ...]:
        gone = (
            (say("nothing"), NOTHING),
            *modality_options(),
            (say("the words and the voice"), "text+audio"),
            (say("the words and the face"), "text+vision"),
            (say("the voice and the face"), "audio+vision"),
        )
        return (
            Control("gone", say("Take away"), "choice", NOTHING, gone),
            Control("rating", say("Your rating of the clip"), "slider", 0.0, low=-3.0, high=3.0, step=0.1),
        )

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        there = require(utterance, at_least=2)
        full = _half_width(analyser, utterance, ())
        halves = {m: _half_width(analyser, utterance, (m,)) for m in there}
        widest = max(there, key=lambda m: halves[m])
        said = say(
            "Without {what}, the interval is ±{half}; with everything the clip has, it is ±{full}. These widths were "
            "measured on validation clips with the same modalities, not on this clip.",
            what=ordinary(widest),
            half=f"{halves[widest]:.2f}",
            full=f"{full:.2f}",
        )
        rows = [(say("everything"), 2 * full)]
        rows += [(say("without {what}", what=ordinary(m)), 2 * halves[m]) for m in there]
        html = charts.widths(rows, 1 + there.index(widest))
        people, holds = _beside_people(analyser, utterance)
        said = judged.joined(said, people)
        return LessonAnswer(MODALITIES.index(widest), said, html, {"full": full, **halves}, holds)

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        gone = [] if chosen["gone"] == NOTHING else str(chosen["gone"]).split("+")
        there, rating = require(utterance, *gone, at_least=len(gone) + 1), float(chosen["rating"])
        prediction = analyser.predict(utterance, METHOD, gone)
        found = _interval(prediction)
        score, low, high = score_of(prediction), found["low"], found["high"]
        said = _verdict(rating, low, high, in_100(found["level"]))
        pattern = "+".join(m for m in there if m not in gone)
        if pattern in INCOMPLETE:
            said = say(
                "{said} On test clips with the same modalities left, {coverage} of the ratings lay inside.",
                said=said,
                coverage=f"{measured.coverage(ROW[METHOD], pattern):.0%}",
            )
        html = charts.interval(score, low, high, rating, "SDUMC", found["level"])
        facts: dict[str, Value] = {"score": score, "low": low, "high": high, "inside": str(low <= rating <= high)}
        return ExperimentResult(said, html, facts)


def _interval(prediction: Prediction) -> Mapping[str, float]:
    if prediction.interval is None:
        raise MsaError("There is no calibrated interval for these modalities. Take away something else.")
    return prediction.interval


def _beside_people(analyser: Analyser, utterance: Utterance) -> tuple[str, bool | None]:
    """Say whose interval contains the mean vote of people; nothing where nobody voted.

    Returns: the sentence; whether every method's interval contains the vote.
    """
    predictions = {m: analyser.predict(utterance, m) for m in METHODS}
    votes = judged.votes_on(predictions[METHOD])
    if votes is None:
        return "", None
    missed = [m for m, p in predictions.items() if not _interval(p)["low"] <= votes.mean <= _interval(p)["high"]]
    people = judged.people_gave(predictions[METHOD])
    if not missed:
        return say("{people} That lies inside the interval of every method.", people=people), True
    names = say(", ").join(method_title(m) for m in missed)
    return say("{people} That lies outside the interval of {methods}.", people=people, methods=names), False


def _half_width(analyser: Analyser, utterance: Utterance, gone: Collection[str]) -> float:
    """Return half the width of the interval before it is cut at an end of the scale; it is never cut at both."""
    prediction = analyser.predict(utterance, METHOD, gone)
    found, score = _interval(prediction), score_of(prediction)
    return max(found["high"] - score, score - found["low"])


def _verdict(rating: float, low: float, high: float, inside: int) -> str:
    """Say whether a rating lies in the interval, which contains `inside` ratings of 100."""
    values = {"rating": signed(rating, 1), "low": signed(low), "high": signed(high)}
    if low <= rating <= high:
        return say(
            "Your rating {rating} lies inside the interval from {low} to {high}. That is no surprise: {n} of 100 "
            "ratings do.",
            n=inside,
            **values,
        )
    return say(
        "Your rating {rating} lies outside the interval from {low} to {high}. That happens to {n} clips in 100, or "
        "this clip is unlike those used for calibration.",
        n=100 - inside,
        **values,
    )
