"""Lesson on SDUMC's idea: text simulated from the voice."""

from __future__ import annotations

from collections.abc import Mapping

from msa_core.i18n import say
from msa_core.lessons import charts, judged, measured
from msa_core.lessons.contract import Code, Control, ExperimentResult, Lesson, LessonAnswer, Texts, Value
from msa_core.lessons.modalities import require, score_of
from msa_core.lessons.models import ROW
from msa_core.predict import Analyser
from msa_core.schema import Prediction, Utterance
from msa_core.views.parts import signed
from msa_core.views.summary import likeness

METHOD = "sdumc"
SOURCES = ("simulated", "none")


class Imagine(Lesson):
    """Simulated text or none in place of the real words."""

    name = "imagine"
    clip = "crema_angry.mp4"
    holds_on, fails_on = clip, "crema_happy.mp4"
    minutes = 2
    code = (
        Code("msa_core/features/simulated_text.py", "Projector"),
        Code("msa_core/methods/sdumc.py", "Imagination"),
        Code("msa_core/methods/losses.py", "representation_similarity"),
    )

    def _texts(self) -> Texts:
        return Texts(
            title=say("First idea: simulate the words from the voice"),
            idea=(
                say(
                    "Words are often the first thing to go missing: the room is noisy, the recogniser does not know "
                    "the language, or there is no transcript. But the voice still carries them. SDUMC uses the inner "
                    "states of a speech model while it listens: not a transcript but a sequence of vectors, one for "
                    "each piece of a word. This simulated text takes the place of the real text."
                ),
                say(
                    "Simulated text is not real text. A small network, the Modality Imagination Autoencoder (MIA), "
                    "changes it using everything that is left. In training, the same network processes each clip "
                    "twice, once complete and once with missing modalities, and the second result is pulled towards "
                    "the first."
                ),
                say(
                    "No method can simulate what the voice does not carry. On a single clip, simulated text may help "
                    "or mislead, and a high similarity to the real text does not promise a better score."
                ),
                say(
                    "Paper: SDUMC (ICASSP 2025, arXiv 2410.15029). There, a large language model listens; here, it is "
                    "the decoder of Whisper tiny with a small projector."
                ),
            ),
            question=say("The words are switched off. What brings SDUMC nearer to people who saw and heard the clip?"),
            choices=(
                say("text simulated from the voice"),
                say("no text at all"),
                say("no difference (less than {x})", x=judged.ALIKE),
            ),
            try_this=say(
                "Take the face away as well, so that only the voice is left. Does the simulated text matter more now?"
            ),
            take_away=say("Simulated text carries what the voice carries, and nothing more."),
            claim=say("simulated text brings the score nearer to people"),
        )

    def _controls(self) -> tuple[Control, ...]:
        left = ((say("the voice and the face"), "both"), (say("the voice alone"), "audio"))
        sources = ((say("text simulated from the voice"), SOURCES[0]), (say("no text at all"), SOURCES[1]))
        return (
            Control("left", say("What is left"), "choice", "both", left),
            Control("source", say("In place of the words"), "choice", SOURCES[0], sources),
        )

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        require(utterance, "text", "audio")
        real = score_of(analyser.predict(utterance, METHOD))
        prediction = analyser.predict(utterance, METHOD, ["text"], SOURCES[0])
        simulated, bare = score_of(prediction), score_of(analyser.predict(utterance, METHOD, ["text"], SOURCES[1]))
        scores = say(
            "SDUMC scores {simulated} with simulated text, {bare} with no text and {real} with the real words.",
            simulated=signed(simulated),
            bare=signed(bare),
            real=signed(real),
        )
        facts: dict[str, Value] = {"real": real, "imagined": simulated, "none": bare}
        votes = judged.votes_on(prediction)
        if votes is None:
            return LessonAnswer(None, judged.joined(judged.people_gave(prediction), scores), facts=facts)
        holds = judged.nearer(simulated, bare, votes)
        correct = 2 if holds is None else int(not holds)
        rows = [(say("simulated text"), simulated, real), (say("no text"), bare, real)]
        said = say(
            "{people} {scores} So simulated text is {with_it} away from people, and no text {without}. One clip proves "
            "nothing: with only the voice, SDUMC’s mean error on test clips is {mae}; trained without simulated text, "
            "it is {mae_without}.",
            people=judged.people_gave(prediction),
            scores=scores,
            with_it=f"{judged.away(simulated, votes):.2f}",
            without=f"{judged.away(bare, votes):.2f}",
            mae=f"{measured.mae(ROW[METHOD], 'audio'):.2f}",
            mae_without=f"{measured.mae('sdumc without simulated', 'audio'):.2f}",
        )
        html = charts.readings([*judged.row(prediction), *rows])
        return LessonAnswer(correct, said, html, {**facts, "people": votes.mean}, holds)

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        there = require(utterance, "text", "audio")
        also = ["vision"] if chosen["left"] == "audio" and "vision" in there else []
        source = str(chosen["source"])
        real = score_of(analyser.predict(utterance, METHOD, also))
        prediction = analyser.predict(utterance, METHOD, ["text", *also], source)
        now, votes = score_of(prediction), judged.votes_on(prediction)
        facts: dict[str, Value] = {"real": real, "now": now}
        rows = [(say("simulated text") if source == SOURCES[0] else say("no text"), now, real)]
        said = say("With the real words: {real}; now: {now}.", real=signed(real), now=signed(now))
        if votes is not None:
            facts["people"] = votes.mean
            said = say(
                "{people} SDUMC is {away} away, at {now}; with the real words, at {real}.",
                people=judged.people_gave(prediction),
                away=f"{judged.away(now, votes):.2f}",
                now=signed(now),
                real=signed(real),
            )
        similarity = _similarity(prediction)
        if source == SOURCES[0] and similarity:
            facts |= {"before": similarity[0], "after": similarity[1]}
            told = say(
                "Cosine similarity of the text inside SDUMC to the real text: {before} as simulated, {after} after "
                "MIA.",
                before=f"{similarity[0]:.2f}",
                after=f"{similarity[1]:.2f}",
            )
            said = judged.joined(said, told, likeness() or "")
        return ExperimentResult(said, charts.readings([*judged.row(prediction), *rows]), facts)


def _similarity(prediction: Prediction) -> tuple[float, float] | None:
    """Return the cosine of simulated and real text before and after MIA, if both are there."""
    found = prediction.mechanism.get("text_similarity")
    if not isinstance(found, Mapping) or found["before"] is None:
        return None
    return float(found["before"]), float(found["after"])
