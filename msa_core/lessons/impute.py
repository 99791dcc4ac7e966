"""Lesson: ProMMA's idea, to ask whether a missing modality is worth generating."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    ordinary,
)
from msa_core.lessons.models import ROW
from msa_core.predict import Analyser
from msa_core.schema import Utterance
from msa_core.views.parts import signed

METHOD = "promma"
GONE = "audio"  # in the question


class Impute(Lesson):
    """The evaluator's verdict on a missing modality, and the visitor's own threshold."""

    name = "impute"
    clip = "crema_angry.mp4"
    minutes = 2
    code = (
        Code("msa_core/methods/promma/modules.py", "Evaluator, Generator"),
        Code("msa_core/methods/promma/explain.py", "verdict"),
    )

    def _texts(self) -> Texts:
        return Texts(
            title=say("Third idea: impute or not? Ask an evaluator"),
            idea=(
                say(
                    "A hole can always be filled: from what is left, a network estimates what the missing modality "
                    "would have been. This is imputation. But a poor estimate may be worse than an honest gap, "
                    "because the model reads it as evidence."
                ),
                say(
                    "ProMMA puts an evaluator before the generator. For each missing modality it weighs how far an "
                    "estimate would move the score (importance) and how sure the generator is to have hit the truth "
                    "(confidence), and turns them into one number: the worth of generating. Above a threshold the "
                    "estimate is used, below it the modality is left out. In training the evaluator sees whether "
                    "generating brought the score nearer to the rating; the threshold is chosen on validation clips."
                ),
                say(
                    "Mean error over incomplete test clips: {always} when it always generates, {never} when it never "
                    "does, {asks} when it asks. Most of the gain is generating; asking adds a little.",
                    always=f"{measured.mae(ROW[METHOD] + ', decide = always', 'six'):.3f}",
                    never=f"{measured.mae(ROW[METHOD] + ', decide = never', 'six'):.3f}",
                    asks=f"{measured.mae(ROW[METHOD], 'six'):.3f}",
                ),
                say(
                    "Paper: ProMMA (ICME 2026, arXiv 2604.05558). Only its abstract is public; what runs here is our "
                    "reconstruction."
                ),
            ),
            question=say(
                "The voice is switched off. What will the evaluator of ProMMA (reconstruction) decide about it?"
            ),
            choices=(say("generate it"), say("leave it out")),
            try_this=say("Move your own threshold until the decision flips. How much does the score depend on it?"),
        )

    def _controls(self) -> tuple[Control, ...]:
        return (
            Control("gone", say("Take away"), "choice", "text", modality_options()),
            Control("threshold", say("Your threshold"), "slider", 0.5, step=0.01),
        )

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        facts = _verdict(analyser, utterance, GONE)
        made = facts["decision"] == "generated"
        values = {
            "what": ordinary(GONE),
            "worth": f"{facts['worth']:.3f}",
            "threshold": f"{facts['threshold']:.3f}",
            "score": signed(facts["score_generated"]),
            "other": signed(facts["score_left_out"]),
        }
        if made:
            said = say(
                "Generating {what} is worth {worth}, more than the threshold of {threshold}: it is generated. Score "
                "with the estimate: {score}; without it: {other}.",
                **values,
            )
        else:
            said = say(
                "Generating {what} is worth {worth}, not more than the threshold of {threshold}: it is left out. Score "
                "with an estimate: {score}; without it: {other}.",
                **values,
            )
        return LessonAnswer(int(not made), said, _both(facts), {"gone": GONE, **_plain(facts)})

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        gone, threshold = str(chosen["gone"]), float(chosen["threshold"])
        facts = _verdict(analyser, utterance, gone)
        made = facts["worth"] > threshold
        score = facts["score_generated"] if made else facts["score_left_out"]
        values = {"what": ordinary(gone), "score": signed(score)}
        if made:
            said = say("With your threshold {what} would be generated; the score is {score}.", **values)
        else:
            said = say("With your threshold {what} would be left out; the score is {score}.", **values)
        if made == (facts["decision"] == "generated"):
            said = say("{said} The model decides the same.", said=said)
        else:
            said = say("{said} The model decides otherwise.", said=said)
        html = drawings.level(say("Worth"), facts["worth"], threshold, facts["threshold"]) + _both(facts)
        return ExperimentResult(said, html, {"gone": gone, "made": str(made), "score": score, **_plain(facts)})


def _verdict(analyser: Analyser, utterance: Utterance, gone: str) -> Mapping[str, Any]:
    """The evaluator's numbers for a modality that is taken away, or was never there."""
    dropped = [gone] if utterance.stream(gone).present else []
    found = analyser.predict(utterance, METHOD, dropped).mechanism.get("evaluator")
    facts = found.get(gone) if isinstance(found, Mapping) else None
    if not isinstance(facts, Mapping) or "worth" not in facts:
        raise MsaError("This variant of ProMMA has no evaluator. Choose the shipped checkpoint.")
    return facts


def _plain(facts: Mapping[str, Any]) -> dict[str, Value]:
    names = ("decision", "importance", "confidence", "worth", "threshold", "score_generated", "score_left_out")
    return {n: facts[n] for n in names}


def _both(facts: Mapping[str, Any]) -> str:
    """The score under both choices."""
    rows = [(say("generated"), facts["score_generated"], None), (say("left out"), facts["score_left_out"], None)]
    return drawings.readings(rows)
