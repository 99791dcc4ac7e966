"""Lesson: CorrKD's idea, a student that sees less learns from a teacher that sees everything."""

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
from msa_core.lessons.models import COMPLETE_ROW, ROW
from msa_core.predict import Analyser
from msa_core.schema import Prediction, Utterance
from msa_core.views import distillation

METHOD = "corrkd"
ALIKE = 1.0  # distances that differ by less count as the same; two different clips are some thirty apart


class Distil(Lesson):
    """How far teacher and student end from the teacher's answer to the complete clip."""

    name = "distil"
    clip = "crema_happy.mp4"
    minutes = 2
    code = (
        Code("msa_core/methods/corrkd.py", "CorrKD"),
        Code("msa_core/methods/losses.py", "sample_contrast, prototype_distillation, mutual_information"),
    )

    def _texts(self) -> Texts:
        return Texts(
            title=say("Second idea: learn from a teacher who sees everything"),
            idea=(
                say(
                    "A teacher network is trained on complete clips and then frozen. A student of the same build gets "
                    "the same clips with holes: whole modalities gone, frames dropped. It is graded on the rating, "
                    "and also on how near it comes to what the teacher made of the complete clip. This is "
                    "distillation."
                ),
                say(
                    "CorrKD hands over three things. The student’s inner picture of a clip shall lie near the "
                    "teacher’s picture of it and away from other clips (SCD). It shall be as like or unlike the "
                    "typical clip of each class as the teacher finds it (CPD). And its probability of the right class "
                    "and of the wrong ones are matched separately, so that neither drowns the other (RCD)."
                ),
                say(
                    "Does it help? On our test set the mean error over incomplete clips is {teacher} for the teacher, "
                    "{student} for the student, and {bare} for the same student trained without any distillation. "
                    "Practice with holes does nearly all of it here; the paper reports gains from each part on its "
                    "own data.",
                    teacher=f"{measured.mae(COMPLETE_ROW[METHOD], 'six'):.2f}",
                    student=f"{measured.mae(ROW[METHOD], 'six'):.2f}",
                    bare=f"{measured.mae('corrkd without distillation', 'six'):.2f}",
                ),
                say("Paper: CorrKD (CVPR 2024, arXiv 2404.16456)."),
            ),
            question=say(
                "We take the words away (the voice, if there are no words). Who ends nearer to the teacher’s inner "
                "picture of the complete clip?"
            ),
            choices=(
                say("the teacher itself"),
                say("the student"),
                say("both alike (within {x} of distance)", x=ALIKE),
            ),
            try_this=say("Take away another part, and try another clip. Find one where the teacher alone does better."),
        )

    def _controls(self) -> tuple[Control, ...]:
        return (Control("gone", say("Take away"), "choice", "text", modality_options()),)

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        there = needs(utterance, at_least=2)
        gone = there[0]
        prediction = analyser.predict(utterance, METHOD, [gone])
        facts = _distances(prediction)
        student, teacher = facts["student"], facts["teacher"]
        correct = 2 if abs(student - teacher) < ALIKE else int(student < teacher)
        said = say(
            "Without {what} the teacher drifts {teacher} from its own full answer, the student stands {student} from "
            "it. Two different clips are {typical} apart.",
            what=ordinary(gone),
            teacher=f"{teacher:.1f}",
            student=f"{student:.1f}",
            typical=f"{facts['typical']:.1f}",
        )
        return LessonAnswer(correct, said, distillation.distances(prediction), {"gone": gone, **facts})

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        gone = str(chosen["gone"])
        needs(utterance, gone, at_least=2)
        prediction = analyser.predict(utterance, METHOD, [gone])
        facts = _distances(prediction)
        full = score_of(prediction, "complete_model_full")
        rows = [
            (say("Teacher"), score_of(prediction, "complete_model_left"), full),
            (say("Student"), score_of(prediction), full),
        ]
        saved = 1 - facts["student"] / facts["teacher"] if facts["teacher"] > ALIKE else 0.0
        values = {
            "what": ordinary(gone),
            "teacher": f"{facts['teacher']:.1f}",
            "student": f"{facts['student']:.1f}",
        }
        if facts["teacher"] <= ALIKE:
            said = say(
                "Without {what} the teacher hardly moves ({teacher}): there is nothing to save. Student: {student}.",
                **values,
            )
        elif saved > 0:
            said = say(
                "Without {what} the teacher drifts {teacher}, the student stands {student} away: {saved} of the drift "
                "is saved.",
                **values,
                saved=f"{saved:.0%}",
            )
        else:
            said = say(
                "Without {what} the teacher drifts {teacher}, the student stands {student} away: on this clip nothing "
                "is saved.",
                **values,
            )
        return ExperimentResult(said, drawings.readings(rows), {"gone": gone, **facts})


def _distances(prediction: Prediction) -> dict[str, float]:
    """From the teacher's full answer: the student, the teacher with what is left, and the usual distance of clips."""
    found = prediction.mechanism["distance"]
    assert isinstance(found, Mapping)
    return {"student": found["student"], "teacher": found["teacher_left"], "typical": found["typical"]}
