"""Lesson on CorrKD's idea: a student that sees less learns from a teacher that sees everything."""

from __future__ import annotations

from collections.abc import Mapping

from msa_core.i18n import say
from msa_core.lessons import charts, judged, measured
from msa_core.lessons.contract import Code, Control, ExperimentResult, Lesson, LessonAnswer, Texts, Value
from msa_core.lessons.modalities import modality_options, ordinary, require, score_of
from msa_core.lessons.models import COMPLETE_ROW, ROW
from msa_core.predict import Analyser
from msa_core.schema import Prediction, Utterance
from msa_core.views import distillation

METHOD = "corrkd"
ALIKE = 1.0  # distances that differ by less count as the same; two different clips are some thirty apart


class Distil(Lesson):
    """Distances of teacher and student from the teacher's answer to the complete clip."""

    name = "distil"
    clip = "crema_happy.mp4"
    holds_on, fails_on = clip, "crema_sad.mp4"
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
                    "A teacher network is trained on complete clips and then frozen. A student with the same "
                    "architecture receives the same clips with gaps: whole modalities are missing or frames are "
                    "dropped. The student is judged by its error against the human rating, and also by how closely "
                    "it matches what the teacher makes of the complete clip. This is called distillation."
                ),
                say(
                    "CorrKD transfers three things. The student’s representation of a clip should be close to the "
                    "teacher’s representation of the same clip and far from those of other clips (SCD). Its "
                    "similarity to the typical clip of each class should be the same as the teacher’s (CPD). And the "
                    "probabilities of the right class and of the wrong classes are matched separately, so that "
                    "neither drowns out the other (RCD)."
                ),
                say(
                    "Does it help? On our test set, the mean error over incomplete clips is {teacher} for the "
                    "teacher, {student} for the student, and {bare} for the same student trained without "
                    "distillation. Here, nearly all of the gain comes from training on incomplete clips; the paper "
                    "reports gains from each part on its own data.",
                    teacher=f"{measured.incomplete_mae(COMPLETE_ROW[METHOD]):.2f}",
                    student=f"{measured.incomplete_mae(ROW[METHOD]):.2f}",
                    bare=f"{measured.incomplete_mae('corrkd without distillation'):.2f}",
                ),
                say("Paper: CorrKD (CVPR 2024, arXiv 2404.16456)."),
            ),
            question=say(
                "We take the words away (or the voice, if the clip has no words). Whose representation ends up closer "
                "to the teacher’s representation of the complete clip?"
            ),
            choices=(
                say("the teacher’s own"),
                say("the student’s"),
                say("both about the same (distances within {x})", x=ALIKE),
            ),
            try_this=say(
                "Take away another part, and try another clip. Can you find a clip on which the teacher stays closer "
                "than the student?"
            ),
            take_away=say("Before crediting the teacher, ask what practising gaps alone would have brought."),
            claim=say("the student stays closer to the teacher than the teacher itself does"),
        )

    def _controls(self) -> tuple[Control, ...]:
        return (Control("gone", say("Take away"), "choice", "text", modality_options()),)

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        gone = require(utterance, at_least=2)[0]
        prediction = analyser.predict(utterance, METHOD, [gone])
        facts = _distances(prediction)
        student, teacher = facts["student"], facts["teacher"]
        correct = 2 if abs(student - teacher) < ALIKE else int(student < teacher)
        said = say(
            "Without {what}, the teacher ends up {teacher} away from its representation of the complete clip, and the "
            "student {student}. For comparison, two different clips are {typical} apart.",
            what=ordinary(gone),
            teacher=f"{teacher:.1f}",
            student=f"{student:.1f}",
            typical=f"{facts['typical']:.1f}",
        )
        holds = None if correct == 2 else bool(correct)
        said = judged.joined(said, _beside_people(prediction))
        return LessonAnswer(correct, said, distillation.distances(prediction), {"gone": gone, **facts}, holds)

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        gone = str(chosen["gone"])
        require(utterance, gone, at_least=2)
        prediction = analyser.predict(utterance, METHOD, [gone])
        facts = _distances(prediction)
        full = score_of(prediction, "complete_model_full")
        rows = [
            (say("Teacher"), score_of(prediction, "complete_model_left"), full),
            (say("Student"), score_of(prediction), full),
        ]
        return ExperimentResult(_drift(gone, facts), charts.readings(rows), {"gone": gone, **facts})


def _beside_people(prediction: Prediction) -> str:
    """Say how far teacher and student are from people who had the same; nothing where nobody voted."""
    votes = judged.votes_on(prediction)
    if votes is None:
        return ""
    return say(
        "{people} The teacher’s score is {teacher} away, the student’s {student}: being close to the teacher and being "
        "close to people are two things.",
        people=judged.people_gave(prediction),
        teacher=f"{judged.away(score_of(prediction, 'complete_model_left'), votes):.2f}",
        student=f"{judged.away(score_of(prediction), votes):.2f}",
    )


def _distances(prediction: Prediction) -> dict[str, float]:
    """Return the distances from the teacher's full answer.

    Keys: student and teacher, each with what is left, and typical, the usual distance of two clips.
    """
    found = prediction.mechanism["distance"]
    assert isinstance(found, Mapping)
    return {"student": found["student"], "teacher": found["teacher_left"], "typical": found["typical"]}


def _drift(gone: str, facts: Mapping[str, float]) -> str:
    """Say how much of the teacher's drift the student avoids without a modality."""
    teacher, student = facts["teacher"], facts["student"]
    values = {"what": ordinary(gone), "teacher": f"{teacher:.1f}", "student": f"{student:.1f}"}
    if teacher <= ALIKE:
        return say(
            "Without {what}, the teacher hardly moves ({teacher}), so there is nothing to save. Student: {student}.",
            **values,
        )
    if student < teacher:
        return say(
            "Without {what}, the teacher drifts by {teacher}; the student is {student} away and so avoids {saved} of "
            "the drift.",
            **values,
            saved=f"{1 - student / teacher:.0%}",
        )
    return say(
        "Without {what}, the teacher drifts by {teacher}; the student is {student} away, no nearer than the "
        "teacher itself.",
        **values,
    )
