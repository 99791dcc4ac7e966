"""Lesson on ProMMA's idea: ask whether a missing modality is worth generating."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msa_core.errors import MsaError
from msa_core.i18n import say
from msa_core.lessons import charts, judged, measured
from msa_core.lessons.contract import Code, Control, ExperimentResult, Lesson, LessonAnswer, Texts, Value
from msa_core.lessons.modalities import modality_options, ordinary
from msa_core.lessons.models import ROW
from msa_core.predict import Analyser
from msa_core.schema import Prediction, Utterance
from msa_core.views.parts import signed

METHOD = "promma"
GONE = "text"  # in the question
FACTS = ("decision", "importance", "confidence", "worth", "threshold", "score_generated", "score_left_out")


class Impute(Lesson):
    """The evaluator's decision on a missing modality, and the visitor's own threshold."""

    name = "impute"
    clip = "crema_angry.mp4"
    holds_on, fails_on = clip, "crema_sad.mp4"
    minutes = 2
    code = (
        Code("msa_core/methods/promma/modules.py", "Evaluator, Generator"),
        Code("msa_core/methods/promma/explain.py", "Verdict"),
    )

    def _texts(self) -> Texts:
        return Texts(
            title=say("Third idea: ask an evaluator before imputing"),
            idea=(
                say(
                    "A gap can always be filled: from the modalities that are left, a network estimates what the "
                    "missing one would have been. This is called imputation. But a poor estimate may do more harm "
                    "than an honest gap, because the model treats it as evidence."
                ),
                say(
                    "ProMMA puts an evaluator before the generator. For each missing modality it estimates two "
                    "things: how far the generated modality would move the score (importance), and how sure the "
                    "generator is that it is right (confidence). It combines them into one number, the worth of "
                    "generating. Above a threshold, the generated modality is used; otherwise it is left out. In "
                    "training, the evaluator learns from whether generating brought the score closer to the human "
                    "rating; the threshold is chosen on validation clips."
                ),
                say(
                    "Mean error over incomplete test clips: {always} if the model always generates, {never} if it "
                    "never does, and {asks} if the evaluator decides. So the gain comes from generating; what the "
                    "evaluator adds to it here could be chance.",
                    always=f"{measured.incomplete_mae(ROW[METHOD] + ', decide = always'):.3f}",
                    never=f"{measured.incomplete_mae(ROW[METHOD] + ', decide = never'):.3f}",
                    asks=f"{measured.incomplete_mae(ROW[METHOD]):.3f}",
                ),
                say(
                    "Paper: ProMMA (ICME 2026, arXiv 2604.05558). Only its abstract is public; what runs here is our "
                    "reconstruction."
                ),
            ),
            question=say(
                "The words are switched off. What will the evaluator of ProMMA (reconstruction) decide about them?"
            ),
            choices=(say("generate them"), say("leave them out")),
            try_this=say("Move your own threshold until the decision changes. How much does the score depend on it?"),
            take_away=say("A filled gap is an estimate, not evidence: ask what it is worth before using it."),
            claim=say("the evaluator decides right"),
        )

    def _controls(self) -> tuple[Control, ...]:
        return (
            Control("gone", say("Take away"), "choice", GONE, modality_options()),
            Control("threshold", say("Your threshold"), "slider", 0.5, step=0.01),
        )

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        prediction, facts = _verdict(analyser, utterance, GONE)
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
                "The worth of generating {what} is {worth}, above the threshold of {threshold}, so ProMMA generates an "
                "estimate. Score with the estimate: {score}; without it: {other}.",
                **values,
            )
        else:
            said = say(
                "The worth of generating {what} is {worth}, not above the threshold of {threshold}, so ProMMA leaves a "
                "gap. Score with an estimate: {score}; without one: {other}.",
                **values,
            )
        judgement, holds = _judgement(prediction, facts, made)
        said = judged.joined(said, judgement)
        return LessonAnswer(int(not made), said, _both_scores(prediction, facts), {"gone": GONE, **facts}, holds)

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        gone, threshold = str(chosen["gone"]), float(chosen["threshold"])
        prediction, facts = _verdict(analyser, utterance, gone)
        made = facts["worth"] > threshold
        score = facts["score_generated"] if made else facts["score_left_out"]
        values = {"what": ordinary(gone), "score": signed(score)}
        if made:
            said = say("With your threshold, {what} would be generated; the score is {score}.", **values)
        else:
            said = say("With your threshold, {what} would be left out; the score is {score}.", **values)
        if made == (facts["decision"] == "generated"):
            said = say("{said} The model itself decides the same.", said=said)
        else:
            said = say("{said} The model itself decides differently.", said=said)
        said = judged.joined(said, _judgement(prediction, facts, made)[0])
        html = charts.level(say("Worth"), facts["worth"], threshold, facts["threshold"])
        html += _both_scores(prediction, facts)
        return ExperimentResult(said, html, {"gone": gone, "made": str(made), "score": score, **facts})


def _verdict(analyser: Analyser, utterance: Utterance, gone: str) -> tuple[Prediction, dict[str, Any]]:
    """Return the prediction without a modality that is taken away or was never there, and the evaluator's numbers."""
    prediction = analyser.predict(utterance, METHOD, [gone] if utterance.stream(gone).present else [])
    found = prediction.mechanism.get("evaluator")
    facts = found.get(gone) if isinstance(found, Mapping) else None
    if not isinstance(facts, Mapping) or "worth" not in facts:
        raise MsaError("This variant of ProMMA has no evaluator. Choose the shipped checkpoint.")
    return prediction, {name: facts[name] for name in FACTS}


def _judgement(prediction: Prediction, facts: Mapping[str, Any], made: bool) -> tuple[str, bool | None]:
    """Say whether a decision, to generate or not, is nearer to people; nothing where nobody voted.

    Returns: the sentences; whether the decision was right, None without votes or when it makes no difference.
    """
    votes = judged.votes_on(prediction)
    if votes is None:
        return "", None
    used, other = (facts[k] for k in ("score_generated", "score_left_out")[:: 1 if made else -1])
    right = judged.nearer(used, other, votes)
    values = {
        "people": judged.people_gave(prediction),
        "used": f"{judged.away(used, votes):.2f}",
        "other": f"{judged.away(other, votes):.2f}",
    }
    if right is None:
        return say("{people} Deciding otherwise would make no difference ({used} or {other} away).", **values), None
    if right:
        return say("{people} The decision was right: {used} away from them instead of {other}.", **values), True
    return say("{people} The decision was wrong: {used} away from them instead of {other}.", **values), False


def _both_scores(prediction: Prediction, facts: Mapping[str, Any]) -> str:
    """Draw the score with and without the generated modality, beside people who had the same."""
    made, left_out = facts["score_generated"], facts["score_left_out"]
    rows = [(say("generated"), made, None), (say("left out"), left_out, None)]
    return charts.readings([*judged.row(prediction), *rows])
