"""Lesson: what each modality adds to a score, alone and beside the others."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

from msa_core.i18n import say
from msa_core.lessons import drawings
from msa_core.lessons.contract import (
    Code,
    Control,
    ExperimentResult,
    Lesson,
    LessonAnswer,
    Texts,
    Value,
    needs,
    ordinary,
    score_of,
)
from msa_core.lessons.models import METHODS, method_options
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Utterance
from msa_core.views.parts import method_title, signed


class Adds(Lesson):
    """Shapley values, and the orders that they average over."""

    name = "adds"
    clip = "crema_happy.mp4"
    minutes = 2
    code = (Code("msa_core/explain/shapley.py", "shapley"), Code("msa_core/predict.py", "Analyser.predict"))

    def _texts(self) -> Texts:
        return Texts(
            title=say("What each modality adds"),
            idea=(
                say(
                    "A multimodal model meets the same person three times: in the words, in the voice and in the "
                    "face. The three can agree, repeat each other or contradict: “great”, said in a tired voice with "
                    "a tight smile, is not great."
                ),
                say(
                    "How much did each add to the score? Let the modalities join one after the other, note by how "
                    "much each moves the score as it enters, and average over every order of joining. These averages "
                    "are the Shapley values. They always add up to the score, counted from where the model starts "
                    "when it knows nothing: the mean of its training data."
                ),
                say(
                    "So a modality has no fixed price. The voice may move the score a lot when it comes first, and "
                    "hardly at all when the face has already said the same. What a modality tells that the others do "
                    "not is what is lost when it goes missing."
                ),
                say(
                    "Method: exact Shapley values (Shapley 1953; Lundberg and Lee, NeurIPS 2017), over the modalities "
                    "there."
                ),
            ),
            question=say("Which part moves SDUMC’s score most on this clip, up or down?"),
            choices=tuple(ordinary(m) for m in MODALITIES),
            try_this=say("Let them join in another order. Whose step changes most? Can you make its sign flip?"),
        )

    def _controls(self) -> tuple[Control, ...]:
        orders = tuple((" → ".join(ordinary(m) for m in o), "+".join(o)) for o in permutations(MODALITIES))
        return (
            Control("order", say("Order of joining"), "choice", orders[0][1], orders),
            Control("method", say("Model"), "choice", METHODS[0], method_options()),
        )

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        there = needs(utterance, at_least=2)
        prediction = analyser.predict(utterance, METHODS[0])
        values = prediction.contributions
        top = max(there, key=lambda m: abs(values[m]))
        said = say(
            "The largest share comes from {what}: {value}. From the start of {base}, all shares together lead to the "
            "score of {score}.",
            what=ordinary(top),
            value=signed(values[top]),
            base=signed(values["base"]),
            score=signed(score_of(prediction)),
        )
        labels = (say("Training mean"), say("Score"))
        html = drawings.steps(values["base"], [(m, values[m], None) for m in there], labels)
        return LessonAnswer(MODALITIES.index(top), said, html, dict(values) | {"score": score_of(prediction)})

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        there = needs(utterance, at_least=2)
        order = [m for m in str(chosen["order"]).split("+") if m in there]
        method = str(chosen["method"])
        whole = analyser.predict(utterance, method)
        mean = whole.contributions
        level, moves = mean["base"], {}
        for i, m in enumerate(order):
            known = order[: i + 1]
            dropped = [other for other in there if other not in known]
            score = score_of(analyser.predict(utterance, method, dropped) if dropped else whole)
            moves[m], level = score - level, score
        furthest = max(order, key=lambda m: abs(moves[m] - mean[m]))
        said = say(
            "In this order {method} lets {what} add {move}; on average over all orders it is {mean}. No other "
            "part is as far from its average here.",
            method=method_title(method),
            what=ordinary(furthest),
            move=signed(moves[furthest]),
            mean=signed(mean[furthest]),
        )
        labels = (say("Training mean"), say("Score"))
        html = drawings.steps(mean["base"], [(m, moves[m], mean[m]) for m in order], labels)
        return ExperimentResult(said, html, {"base": mean["base"], **moves, "score": level, "order": "+".join(order)})
