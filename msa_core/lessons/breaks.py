"""Lesson on what a missing modality does to a model trained on complete input."""

from __future__ import annotations

from collections.abc import Mapping

from msa_core.i18n import say
from msa_core.lessons import charts, judged, measured
from msa_core.lessons.contract import Code, Control, ExperimentResult, Lesson, LessonAnswer, Texts, Value
from msa_core.lessons.modalities import modality_options, ordinary, require, score_of
from msa_core.lessons.models import COMPLETE_ROW, METHODS, ROW, method_options
from msa_core.missing import INCOMPLETE
from msa_core.predict import Analyser
from msa_core.schema import Prediction, Utterance
from msa_core.views.parts import method_title, signed

GONE = "vision"  # in the question


class Breaks(Lesson):
    """Loss of the same modality in the complete model and in a missing-modality model."""

    name = "breaks"
    clip = "crema_happy.mp4"
    holds_on, fails_on = clip, "crema_neutral.mp4"
    minutes = 2
    code = (Code("msa_core/methods/late_fusion.py", "LateFusion"), Code("msa_core/missing.py", "subset"))

    def _texts(self) -> Texts:
        return Texts(
            title=say("What breaks, and why"),
            idea=(
                say(
                    "A model trained on complete clips expects three inputs. When one is missing, something has to "
                    "take its place: here, the vector of that modality becomes zero, an input that the model never "
                    "met in training. The model answers all the same, and nothing in its answer shows that something "
                    "is missing."
                ),
                say(
                    "The harm has two causes. First, what only the missing modality knew is gone, and no method can "
                    "bring that back. Second, the rest is misread, because every weight was learned from complete "
                    "input; this part can be repaired. A missing-modality model practises it: during training, "
                    "modalities are removed at random while the human rating to predict stays the same."
                ),
                say(
                    "A small change does not prove a good answer. When evidence is missing, a good model may even "
                    "move further, towards the average. A single clip without a human rating cannot show which of "
                    "two answers is right; that takes many rated clips."
                ),
                say(
                    "Here: late fusion trained on complete input is compared with SDUMC (ICASSP 2025), trained on "
                    "random subsets of the modalities. Mean errors are measured on {n} rated test clips.",
                    n=f"{measured.n_clips():,}",
                ),
            ),
            question=say("The face is switched off. Whose score is nearer to people who only listened?"),
            choices=(
                say("the complete model’s"),
                say("SDUMC’s"),
                say("both about the same (within {x})", x=judged.ALIKE),
            ),
            try_this=say(
                "Take away each part in turn. Find one that hardly moves one model but clearly moves the other."
            ),
            take_away=say(
                "What only the missing modality knew is gone; what is misread without it can be repaired by "
                "practising gaps."
            ),
            claim=say("practising gaps brings the score nearer to people"),
        )

    def _controls(self) -> tuple[Control, ...]:
        return (
            Control("gone", say("Take away"), "choice", "vision", modality_options()),
            Control("method", say("Model"), "choice", METHODS[0], method_options()),
        )

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        require(utterance, GONE, at_least=2)
        method = METHODS[0]
        html, facts, left = _compare(analyser, utterance, method, GONE)
        votes = judged.votes_on(left)
        if votes is None:
            return LessonAnswer(None, judged.joined(judged.people_gave(left), _moves(GONE, method, facts)), facts=facts)
        complete, ours = score_of(left, "complete_model_left"), score_of(left)
        holds = judged.nearer(ours, complete, votes)
        correct = 2 if holds is None else int(holds)
        said = say(
            "{people} Without the face, the complete model scores {complete}, {away} away, and SDUMC {ours}, "
            "{away_ours} away. One clip proves nothing: on {n} rated test clips, the complete model’s mean error grows "
            "from {full} to {broken} when something is missing, and SDUMC’s from {full_ours} to {broken_ours}.",
            people=judged.people_gave(left),
            complete=signed(complete),
            away=f"{judged.away(complete, votes):.2f}",
            ours=signed(ours),
            away_ours=f"{judged.away(ours, votes):.2f}",
            n=f"{measured.n_clips():,}",
            full=f"{measured.complete_mae(COMPLETE_ROW[method]):.2f}",
            broken=f"{measured.incomplete_mae(COMPLETE_ROW[method]):.2f}",
            full_ours=f"{measured.complete_mae(ROW[method]):.2f}",
            broken_ours=f"{measured.incomplete_mae(ROW[method]):.2f}",
        )
        return LessonAnswer(correct, said, html, facts, holds)

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        gone, method = str(chosen["gone"]), str(chosen["method"])
        there = require(utterance, gone, at_least=2)
        html, facts, left = _compare(analyser, utterance, method, gone)
        said = _moves(gone, method, facts)
        if judged.votes_on(left) is not None:
            said = judged.joined(said, judged.people_gave(left))
        pattern = "+".join(m for m in there if m != gone)
        if pattern in INCOMPLETE:
            said = say(
                "{said} Mean error on test clips with the same modalities left: {complete} and {ours}.",
                said=said,
                complete=f"{measured.mae(COMPLETE_ROW[method], pattern):.2f}",
                ours=f"{measured.mae(ROW[method], pattern):.2f}",
            )
        return ExperimentResult(said, html, {"gone": gone, **facts})


def _moves(gone: str, method: str, facts: Mapping[str, float]) -> str:
    """Say how far both models move."""
    return say(
        "Without {what}, the complete model moves by {complete} and {method} by {ours}.",
        what=ordinary(gone),
        complete=signed(facts["complete"]),
        method=method_title(method),
        ours=signed(facts["ours"]),
    )


def _compare(
    analyser: Analyser, utterance: Utterance, method: str, gone: str
) -> tuple[str, dict[str, float], Prediction]:
    """Draw both models before and after the loss, beside people who had the same.

    Returns: the drawing, how far each model moved with the mean vote of people if there are any, what is left.
    """
    full, left = analyser.predict(utterance, method), analyser.predict(utterance, method, [gone])
    complete = score_of(full, "complete_model_full"), score_of(left, "complete_model_left")
    ours = score_of(full), score_of(left)
    rows = [(say("Complete model"), complete[1], complete[0]), (method_title(method), ours[1], ours[0])]
    votes = judged.votes_on(left)
    facts = {"complete": complete[1] - complete[0], "ours": ours[1] - ours[0]}
    facts |= {} if votes is None else {"people": votes.mean}
    return charts.readings([*judged.row(left), *rows]), facts, left
