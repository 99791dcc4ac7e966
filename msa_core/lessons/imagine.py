"""Lesson: SDUMC's idea, text imagined from the voice."""

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
    needs,
    score_of,
)
from msa_core.lessons.models import ROW
from msa_core.predict import Analyser
from msa_core.schema import Prediction, Utterance
from msa_core.views.parts import signed

METHOD = "sdumc"
ALIKE = 0.1  # of a score: nearer by less counts as no difference
SOURCES = ("simulated", "none")


class Imagine(Lesson):
    """The words are off: imagined text or none, beside the real words."""

    name = "imagine"
    clip = "crema_sad.mp4"
    minutes = 2
    code = (
        Code("msa_core/features/simulated_text.py", "Projector"),
        Code("msa_core/methods/sdumc.py", "Imagination"),
        Code("msa_core/methods/losses.py", "representation_similarity"),
    )

    def _texts(self) -> Texts:
        return Texts(
            title=say("First idea: imagine the words from the voice"),
            idea=(
                say(
                    "Words are often the first to go: a noisy room, a language that the recogniser does not know, no "
                    "transcript at all. But the voice still carries them. SDUMC takes what a speech model has in mind "
                    "while it listens: not a transcript but a row of inner states, one for each piece of a word. They "
                    "stand in for the text."
                ),
                say(
                    "Imagined text is not real text. A small network, the Modality Imagination Autoencoder (MIA), "
                    "corrects it with everything that is left. In training, two flows run through the same network, a "
                    "complete one and one with missing modalities, and the second is pulled towards the first."
                ),
                say(
                    "Imagination cannot tell what the voice does not carry. On a single clip it may help or mislead, "
                    "and “likeness” to the real text is no promise of a better score."
                ),
                say(
                    "Paper: SDUMC (ICASSP 2025, arXiv 2410.15029). There a large language model listens; here it is "
                    "the decoder of Whisper tiny with a small projector."
                ),
            ),
            question=say("The words are switched off. What brings SDUMC nearer to its answer with the real words?"),
            choices=(
                say("text imagined from the voice"),
                say("no text at all"),
                say("no difference (less than {x})", x=ALIKE),
            ),
            try_this=say(
                "Take the face away as well, so that only the voice is left. Does the imagined text matter more now?"
            ),
        )

    def _controls(self) -> tuple[Control, ...]:
        left = ((say("the voice and the face"), "both"), (say("the voice alone"), "audio"))
        sources = ((say("text imagined from the voice"), SOURCES[0]), (say("no text at all"), SOURCES[1]))
        return (
            Control("left", say("What is left"), "choice", "both", left),
            Control("source", say("In place of the words"), "choice", SOURCES[0], sources),
        )

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        needs(utterance, "text", "audio")
        real = score_of(analyser.predict(utterance, METHOD))
        imagined, bare = (score_of(analyser.predict(utterance, METHOD, ["text"], s)) for s in SOURCES)
        closer = abs(bare - real) - abs(imagined - real)
        correct = 2 if abs(closer) < ALIKE else int(closer < 0)
        rows = [
            (say("simulated text"), imagined, real),
            (say("no text"), bare, real),
        ]
        said = say(
            "With the real words SDUMC says {real}, with imagined ones {imagined}, with none {bare}. One clip proves "
            "nothing: with only the voice, its mean error on test clips is {with_it}; trained without imagined text "
            "it is {without_it}.",
            real=signed(real),
            imagined=signed(imagined),
            bare=signed(bare),
            with_it=f"{measured.mae(ROW[METHOD], 'audio'):.2f}",
            without_it=f"{measured.mae('sdumc without simulated', 'audio'):.2f}",
        )
        facts = {"real": real, "imagined": imagined, "none": bare}
        return LessonAnswer(correct, said, drawings.readings(rows), facts)

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        there = needs(utterance, "text", "audio")
        also = ["vision"] if chosen["left"] == "audio" and "vision" in there else []
        source = str(chosen["source"])
        real = score_of(analyser.predict(utterance, METHOD, also))
        prediction = analyser.predict(utterance, METHOD, ["text", *also], source)
        now = score_of(prediction)
        facts: dict[str, Value] = {"real": real, "now": now}
        rows = [(say("simulated text") if source == SOURCES[0] else say("no text"), now, real)]
        likeness = _likeness(prediction)
        if source == SOURCES[0] and likeness:
            facts |= {"before": likeness[0], "after": likeness[1]}
            said = say(
                "With the real words: {real}; now: {now}. Likeness of the text inside SDUMC to the real one (cosine): "
                "{before} as imagined, {after} after MIA.",
                real=signed(real),
                now=signed(now),
                before=f"{likeness[0]:.2f}",
                after=f"{likeness[1]:.2f}",
            )
        else:
            said = say("With the real words: {real}; now: {now}.", real=signed(real), now=signed(now))
        return ExperimentResult(said, drawings.readings(rows), facts)


def _likeness(prediction: Prediction) -> tuple[float, float] | None:
    """Cosine of the imagined with the real text, before and after MIA."""
    found = prediction.mechanism.get("text_similarity")
    if not isinstance(found, Mapping) or found["before"] is None:
        return None
    return float(found["before"]), float(found["after"])
