"""Lesson: what a hole does to a model that never saw one."""

from __future__ import annotations

from collections.abc import Mapping

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
from msa_core.lessons.models import COMPLETE_ROW, METHODS, ROW, method_options
from msa_core.missing import INCOMPLETE
from msa_core.predict import Analyser
from msa_core.schema import Utterance
from msa_core.views.parts import method_title, signed

ALIKE = 0.2  # of a score: moves that differ by less count as the same


class Breaks(Lesson):
    """The complete-modality model and a missing-modality model lose the same modality."""

    name = "breaks"
    clip = "crema_happy.mp4"
    minutes = 2
    code = (Code("msa_core/methods/late_fusion.py", "Baseline"), Code("msa_core/missing.py", "subset"))

    def _texts(self) -> Texts:
        return Texts(
            title=say("What breaks, and why"),
            idea=(
                say(
                    "A model trained on complete clips expects three inputs. Take one away and something must stand "
                    "in its place: here the vector of that modality becomes zero, which the model never met in "
                    "training. It answers all the same, and nothing in its answer shows the hole."
                ),
                say(
                    "Two things hurt. What only the missing modality knew is gone; no method brings that back. And "
                    "what is left is read wrongly, because every weight was learned beside a full input; this part "
                    "can be repaired. A missing-modality model practises it: in training, modalities are taken away "
                    "at random while the rating to be hit stays the same."
                ),
                say(
                    "Do not take a small move for a good answer. When evidence is gone, a good model may well move "
                    "further, towards the average. Which of two answers is right cannot be seen on one clip without a "
                    "rating. It takes many rated clips."
                ),
                say(
                    "Here: late fusion trained on complete input beside SDUMC (ICASSP 2025), trained on random "
                    "subsets; mean errors on {n} rated test clips.",
                    n=f"{measured.n_clips():,}",
                ),
            ),
            question=say("We take away the part that counts most for SDUMC here. Whose answer moves further?"),
            choices=(
                say("the complete model’s"),
                say("SDUMC’s"),
                say("both alike (within {x})", x=ALIKE),
            ),
            try_this=say(
                "Take away each part in turn. Look for a loss that one model hardly notices and the other does."
            ),
        )

    def _controls(self) -> tuple[Control, ...]:
        return (
            Control("gone", say("Take away"), "choice", "vision", modality_options()),
            Control("method", say("Model"), "choice", METHODS[0], method_options()),
        )

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        there, method = needs(utterance, at_least=2), METHODS[0]
        values = analyser.predict(utterance, method).contributions
        top = max(there, key=lambda m: abs(values[m]))
        html, facts = self._compare(analyser, utterance, method, top)
        complete, ours = abs(facts["complete"]), abs(facts["ours"])
        correct = 2 if abs(complete - ours) < ALIKE else int(ours > complete)
        said = say(
            "Without {what} the complete model moves by {complete}, SDUMC by {ours}. Which of them is nearer to the "
            "truth? On {n} rated test clips the complete model’s mean error grows from {full} to {broken} when "
            "something is missing, SDUMC’s from {full_ours} to {broken_ours}.",
            what=ordinary(top),
            complete=signed(facts["complete"]),
            ours=signed(facts["ours"]),
            n=f"{measured.n_clips():,}",
            full=f"{measured.mae(COMPLETE_ROW[method], 'complete'):.2f}",
            broken=f"{measured.mae(COMPLETE_ROW[method], 'six'):.2f}",
            full_ours=f"{measured.mae(ROW[method], 'complete'):.2f}",
            broken_ours=f"{measured.mae(ROW[method], 'six'):.2f}",
        )
        return LessonAnswer(correct, said, html, {"gone": top, **facts})

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        gone, method = str(chosen["gone"]), str(chosen["method"])
        there = needs(utterance, gone, at_least=2)
        html, facts = self._compare(analyser, utterance, method, gone)
        said = say(
            "Without {what} the complete model moves by {complete}, {method} by {ours}.",
            what=ordinary(gone),
            complete=signed(facts["complete"]),
            method=method_title(method),
            ours=signed(facts["ours"]),
        )
        pattern = "+".join(m for m in there if m != gone)
        if pattern in INCOMPLETE:
            said = say(
                "{said} Mean error on test clips with just what is left here: {complete} and {ours}.",
                said=said,
                complete=f"{measured.mae(COMPLETE_ROW[method], pattern):.2f}",
                ours=f"{measured.mae(ROW[method], pattern):.2f}",
            )
        return ExperimentResult(said, html, {"gone": gone, **facts})

    def _compare(
        self, analyser: Analyser, utterance: Utterance, method: str, gone: str
    ) -> tuple[str, dict[str, float]]:
        """Both models before and after: a drawing, and by how much each moved."""
        full, left = analyser.predict(utterance, method), analyser.predict(utterance, method, [gone])
        complete = score_of(full, "complete_model_full"), score_of(left, "complete_model_left")
        ours = score_of(full), score_of(left)
        rows = [(say("Complete model"), complete[1], complete[0]), (method_title(method), ours[1], ours[0])]
        return drawings.readings(rows), {"complete": complete[1] - complete[0], "ours": ours[1] - ours[0]}
