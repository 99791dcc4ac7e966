"""Notes for the teacher on each lesson of the sheet."""

from __future__ import annotations

from typing import NamedTuple

from msa_core.i18n import say
from msa_core.lessons.interval import METHOD
from msa_core.lessons.models import in_100, level


class Notes(NamedTuple):
    """Notes on one lesson.

    minutes: in class, with discussion.
    opening: what the teacher says first.
    ask: a question to discuss.
    expect: what a good answer contains.
    """

    minutes: int
    opening: str
    ask: str
    expect: str


def notes() -> dict[str, Notes]:
    """Return the notes by name of the lesson, in the active language."""
    return {
        "people": Notes(
            3,
            say("Listen to the clip with the picture covered, then look without sound. Write down a number each time."),
            say(
                "Without the face, people hear no happiness in this clip. Are they wrong? Is a model wrong that does "
                "the same?"
            ),
            say(
                "They are right about what they had. A model without the face should be compared with people without "
                "the face, not with its own answer to the whole clip."
            ),
        ),
        "adds": Notes(
            5,
            say("Before we take anything away, let us see what each part contributes. Guess first, everyone."),
            say("Two friends carry a sofa that neither can lift alone. How much of the work did each do?"),
            say(
                "Half each: whoever comes second makes the difference, so average over both orders. When face and "
                "voice say the same thing, it is the other way round: whoever comes first makes the difference."
            ),
        ),
        "breaks": Notes(
            5,
            say("Now one part goes missing. Watch both models, and do not decide too soon which of them is better."),
            say("One model hardly moves when the face is gone. Is that good?"),
            say(
                "Not in itself. It may never have used the face, or it may not notice that the face is gone. Without "
                "a human rating you cannot tell; with many rated clips, the mean error can."
            ),
        ),
        "imagine": Notes(
            5,
            say("First idea: if the words are lost, simulate them from the voice, which still carries them."),
            say("When could simulated text be worse than none?"),
            say(
                "When the voice misleads: noise, shouting, another language. The model treats the simulated text as "
                "evidence. On the acted clips it lowers every score: nearer to people where they heard anger, further "
                "from them where they saw happiness."
            ),
        ),
        "distil": Notes(
            5,
            say("Second idea: let a teacher who sees everything teach a student who does not."),
            say("What can a teacher not pass on to a student who never sees the face?"),
            say(
                "What only the face knew. The student can learn what usually goes with the rest, that is, a good "
                "average; on an unusual clip it may still be wrong."
            ),
        ),
        "impute": Notes(
            5,
            say("Third idea: before filling a gap, ask whether filling it is worthwhile."),
            say("A form has an empty field. When do you fill in a likely value, and when do you leave it empty?"),
            say(
                "Fill it in when you are sure of the value and it matters; leave it empty when it would be a guess "
                "that looks like a measurement. These two are confidence and importance."
            ),
        ),
        "prompts": Notes(
            4,
            say("A short note can change how a large frozen network reads. Here, it says which modality to listen to."),
            say("A weight is large. Does that mean the modality was right?"),
            say(
                "No. It only says what this network relied on. Whether the weights follow the truth is measured "
                "separately, on clips where the truth about each part is known."
            ),
        ),
        "frames": Notes(
            4,
            say("Two papers both write “missing rate 0.5”. They may mean very different things."),
            say("Why does dropping half of the frames often change so little?"),
            say(
                "Neighbouring frames repeat each other. What the other modalities repeat of a missing one depends on "
                "which one it is: the voice can stand in for the words better than words and voice for the face."
            ),
        ),
        "interval": Notes(
            4,
            say("Last question: how certain is all this? The bar around the score was measured, not felt."),
            say("Your rating lies outside the bar. Name three explanations."),
            say(
                "It is one of the {n} in 100 that are expected outside; the clip is unlike the validation clips; or "
                "your rating differs from that of other people, who disagree as well.",
                n=in_100(1 - level(METHOD)),
            ),
        ),
    }
