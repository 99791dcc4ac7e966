"""What the teacher says, asks and may expect in each lesson of the sheet."""

from __future__ import annotations

from typing import NamedTuple

from msa_core.i18n import say
from msa_core.lessons.interval import METHOD
from msa_core.lessons.models import in_100, level


class Notes(NamedTuple):
    """minutes: in class, with talk. opening: to say. ask: to discuss. expect: what a good answer has."""

    minutes: int
    opening: str
    ask: str
    expect: str


def notes() -> dict[str, Notes]:
    """By name of the lesson, in the active language."""
    return {
        "adds": Notes(
            5,
            say("Before we take anything away, let us see what each part is worth. Guess first, everyone."),
            say("Two friends carry a sofa that neither can lift alone. How much of the work did each do?"),
            say(
                "Half each: whoever comes second makes the difference, so average over both orders. When face and "
                "voice say the same thing it is the other way round: whoever comes first makes the difference."
            ),
        ),
        "breaks": Notes(
            5,
            say("Now one part goes missing. Watch both models, and do not decide too soon which of them is better."),
            say("One model hardly moves when the face is gone. Is that good?"),
            say(
                "Not in itself. It may never have used the face, or may ignore that it is gone. Without a rating "
                "one cannot tell; with many rated clips the mean error can."
            ),
        ),
        "imagine": Notes(
            5,
            say("First idea: if the words are lost, imagine them from the voice, which still carries them."),
            say("When could imagined text be worse than none?"),
            say("When the voice misleads: noise, shouting, another language. The imagined text is read like evidence."),
        ),
        "distil": Notes(
            5,
            say("Second idea: let someone who sees everything teach someone who does not."),
            say("What can a teacher not pass on to a student who never sees the face?"),
            say(
                "What only the face knew. The student can learn what usually goes with the rest, that is, a good "
                "average; on an unusual clip it stays wrong."
            ),
        ),
        "impute": Notes(
            5,
            say("Third idea: before filling a hole, ask whether the filling is worth having."),
            say("A form has an empty field. When do you fill in a likely value, and when do you leave it empty?"),
            say(
                "Fill it when the estimate is sure and matters; leave it when it would be a guess that looks like a "
                "measurement. These are confidence and importance."
            ),
        ),
        "prompts": Notes(
            4,
            say("A small note can change how a large frozen network reads. Here the note says whom to listen to."),
            say("A weight is large. Does that mean the modality was right?"),
            say(
                "No. It says what this network leaned on. Whether weights follow the truth is measured separately, "
                "on clips where the truth about each part is known."
            ),
        ),
        "frames": Notes(
            4,
            say("Two papers both write “missing rate 0.5”. They may mean very different things."),
            say("Why does half of the frames often change so little?"),
            say("Neighbouring frames repeat each other. Nothing repeats a whole modality, and hardly anything a word."),
        ),
        "interval": Notes(
            4,
            say("Last: how sure is all this? The bar around the score was measured, not felt."),
            say("Your rating lies outside the bar. Name three explanations."),
            say(
                "It is one of the {n} in 100 that are expected outside; the clip is unlike the validation clips; or "
                "your rating differs from that of other people, who disagree as well.",
                n=in_100(1 - level(METHOD)),
            ),
        ),
    }
