"""Lesson: what an interval promises, and what it does not."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msa_core.errors import MsaError
from msa_core.i18n import say
from msa_core.lessons import drawings, measured
from msa_core.lessons.contract import (
    Code,
    Control,
    ExperimentResult,
    Lesson,
    LessonAnswer,
    Texts,
    Value,
    modality_options,
    needs,
    ordinary,
    score_of,
)
from msa_core.lessons.models import ROW, in_100, level
from msa_core.missing import INCOMPLETE
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Utterance
from msa_core.views.parts import signed

METHOD = "sdumc"
NOTHING = "nothing"


class Interval(Lesson):
    """Widths under every loss, and a visitor's rating inside or outside."""

    name = "interval"
    clip = "crema_happy.mp4"
    minutes = 3
    code = (Code("msa_core/training/scores.py", "calibrate"), Code("msa_core/explain/conformal.py", "interval"))

    def _texts(self) -> Texts:
        return Texts(
            title=say("Reading an honest interval"),
            idea=(
                say(
                    "A single number looks surer than it is. The bar beside it is made to hold the true rating of {n} "
                    "clips in 100. Nobody asked the model how sure it feels. On validation clips one looks how far "
                    "its scores were from the ratings, and takes the distance within which {level} of them stay. This "
                    "is split-conformal prediction.",
                    n=in_100(level(METHOD)),
                    level=f"{level(METHOD):.0%}",
                ),
                say(
                    "So the bar is as wide as the model was wrong with the same modalities missing. Fewer modalities, "
                    "wider bar: the honest price of a hole. It is equally wide for every clip with the same "
                    "modalities, except where the scale ends at −3 and +3; it does not know that your clip may be "
                    "unusual."
                ),
                say(
                    "And the promise holds for clips like those it was measured on: on test clips with everything "
                    "there the true rating lay inside in {coverage}. With another language, another room or acted "
                    "feelings {level} is a hope.",
                    level=f"{level(METHOD):.0%}",
                    coverage=f"{measured.coverage(ROW[METHOD], '+'.join(MODALITIES)):.0%}",
                ),
                say(
                    "Method: split-conformal prediction (Lei et al., JASA 2018), calibrated for every pattern of "
                    "modalities."
                ),
            ),
            question=say("We switch off one part of this clip. Whose loss makes SDUMC’s interval widest?"),
            choices=tuple(ordinary(m) for m in MODALITIES),
            try_this=say(
                "Watch the clip and rate it yourself. Then take parts away until your rating falls inside, or outside."
            ),
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
        there = needs(utterance, at_least=2)
        full = _half(analyser, utterance, ())
        halves = {m: _half(analyser, utterance, (m,)) for m in there}
        widest = max(there, key=lambda m: halves[m])
        said = say(
            "Without {what} the interval is ±{half}; with all that the clip has it is ±{full}. These widths were "
            "measured on validation clips with the same modalities, not on this one.",
            what=ordinary(widest),
            half=f"{halves[widest]:.2f}",
            full=f"{full:.2f}",
        )
        rows = [(say("everything"), 2 * full)]
        rows += [(say("without {what}", what=ordinary(m)), 2 * halves[m]) for m in there]
        html = drawings.widths(rows, 1 + there.index(widest))
        return LessonAnswer(MODALITIES.index(widest), said, html, {"full": full, **halves})

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        gone = [] if chosen["gone"] == NOTHING else str(chosen["gone"]).split("+")
        there, rating = needs(utterance, *gone, at_least=len(gone) + 1), float(chosen["rating"])
        prediction = analyser.predict(utterance, METHOD, gone)
        found = prediction.interval
        if found is None:
            raise MsaError("There is no calibrated interval for what is left. Take away something else.")
        score, low, high = score_of(prediction), found["low"], found["high"]
        values, inside = {"rating": signed(rating, 1), "low": signed(low), "high": signed(high)}, in_100(found["level"])
        if low <= rating <= high:
            said = say(
                "Your {rating} lies inside {low} to {high}: no surprise, {n} of 100 ratings do.", n=inside, **values
            )
        else:
            said = say(
                "Your {rating} lies outside {low} to {high}: that happens to {n} clips in 100, or the clip is unlike "
                "those it was calibrated on.",
                n=100 - inside,
                **values,
            )
        pattern = "+".join(m for m in there if m not in gone)
        if pattern in INCOMPLETE:
            said = say(
                "{said} On test clips with just this left, {coverage} lay inside.",
                said=said,
                coverage=f"{measured.coverage(ROW[METHOD], pattern):.0%}",
            )
        html = drawings.interval(score, low, high, rating, "SDUMC", found["level"])
        return ExperimentResult(
            said, html, {"score": score, "low": low, "high": high, "inside": str(low <= rating <= high)}
        )


def _half(analyser: Analyser, utterance: Utterance, gone: Collection[str]) -> float:
    """Half the width of the interval before it is cut at the ends of the scale: it is never cut at both."""
    prediction = analyser.predict(utterance, METHOD, gone)
    if prediction.interval is None:
        raise MsaError("There is no calibrated interval for what is left. Take away something else.")
    score = score_of(prediction)
    return max(prediction.interval["high"] - score, score - prediction.interval["low"])
