"""Lesson on what each modality adds to a score, alone and beside the others."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

from msa_core.i18n import say
from msa_core.lessons import charts
from msa_core.lessons.contract import Code, Control, ExperimentResult, Lesson, LessonAnswer, Texts, Value
from msa_core.lessons.modalities import ordinary, require, score_of
from msa_core.lessons.models import METHODS, method_options
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Utterance
from msa_core.views.parts import method_title, signed


class Adds(Lesson):
    """Shapley values and the orders that they average over."""

    name = "adds"
    clip = "crema_happy.mp4"
    minutes = 2
    code = (Code("msa_core/explain/shapley.py", "shapley"), Code("msa_core/predict.py", "Analyser.predict"))

    def _texts(self) -> Texts:
        return Texts(
            title=say("What each modality adds"),
            idea=(
                say(
                    "A multimodal model perceives a person in three ways: through the words, the voice and the face. "
                    "The three can agree, repeat each other or contradict each other: “great”, said in a tired voice "
                    "with a tight smile, does not mean great."
                ),
                say(
                    "How much did each one add to the score? Let the modalities join one after another, note how far "
                    "the score moves each time, and average over all orders of joining. These averages are the "
                    "Shapley values. Together with the starting point (the mean of the training data, which the "
                    "model answers when it sees nothing), they always add up to the score."
                ),
                say(
                    "So a modality has no fixed value. The voice may move the score a lot when it comes first, and "
                    "hardly at all after the face has already said the same. What is lost when a modality goes "
                    "missing is what it alone could tell."
                ),
                say(
                    "Method: exact Shapley values (Shapley 1953; Lundberg and Lee, NeurIPS 2017), computed over the "
                    "modalities that the clip has."
                ),
            ),
            question=say("Which part of this clip moves SDUMC’s score the most, up or down?"),
            choices=tuple(ordinary(m) for m in MODALITIES),
            try_this=say(
                "Change the order in which the modalities join. Which step changes the most? Can you make one change "
                "its sign?"
            ),
            take_away=say("A modality has no fixed value: what counts is what the others do not already say."),
        )

    def _controls(self) -> tuple[Control, ...]:
        orders = tuple((" → ".join(ordinary(m) for m in o), "+".join(o)) for o in permutations(MODALITIES))
        return (
            Control("order", say("Order of joining"), "choice", orders[0][1], orders),
            Control("method", say("Model"), "choice", METHODS[0], method_options()),
        )

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        there = require(utterance, at_least=2)
        prediction = analyser.predict(utterance, METHODS[0])
        values = prediction.contributions
        top = max(there, key=lambda m: abs(values[m]))
        said = say(
            "The largest contribution comes from {what}: {value}. Starting from {base}, all contributions together "
            "lead to the score of {score}.",
            what=ordinary(top),
            value=signed(values[top]),
            base=signed(values["base"]),
            score=signed(score_of(prediction)),
        )
        html = charts.steps(values["base"], [(m, values[m], None) for m in there], _ends())
        return LessonAnswer(MODALITIES.index(top), said, html, dict(values) | {"score": score_of(prediction)})

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        there = require(utterance, at_least=2)
        order = [m for m in str(chosen["order"]).split("+") if m in there]
        method = str(chosen["method"])
        whole = analyser.predict(utterance, method)
        mean = whole.contributions
        # Let the modalities join one by one: each move is the score with it minus the score before it.
        score, moves = mean["base"], {}
        for i, m in enumerate(order):
            absent = [other for other in there if other not in order[: i + 1]]
            joined = score_of(analyser.predict(utterance, method, absent) if absent else whole)
            moves[m], score = joined - score, joined
        furthest = max(order, key=lambda m: abs(moves[m] - mean[m]))
        said = say(
            "In this order, adding {what} moves the score of {method} by {move}; the average over all orders is "
            "{mean}. No other part differs as much from its average here.",
            method=method_title(method),
            what=ordinary(furthest),
            move=signed(moves[furthest]),
            mean=signed(mean[furthest]),
        )
        html = charts.steps(mean["base"], [(m, moves[m], mean[m]) for m in order], _ends())
        return ExperimentResult(said, html, {"base": mean["base"], **moves, "score": score, "order": "+".join(order)})


def _ends() -> tuple[str, str]:
    """Label the two ends of the staircase."""
    return say("Training mean"), say("Score")
