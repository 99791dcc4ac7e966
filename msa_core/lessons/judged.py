"""Who is right on a clip: people who voted on it with the same modalities missing, never a model's own full answer."""

from __future__ import annotations

from msa_core.i18n import say
from msa_core.schema import Prediction, Votes
from msa_core.views.parts import signed

ALIKE = 0.05  # of a score: distances from people that differ by less count as the same


def votes_on(prediction: Prediction) -> Votes | None:
    """Return the votes of those who had what is left; None where nobody voted on that."""
    return prediction.people["left"][1] if "left" in prediction.people else None


def away(score: float, votes: Votes) -> float:
    """Return the distance of a score from the mean vote."""
    return abs(score - votes.mean)


def nearer(ours: float, theirs: float, votes: Votes) -> bool | None:
    """Tell whether a score is nearer to people than another; None when their distances differ by less than ALIKE."""
    gain = away(theirs, votes) - away(ours, votes)
    return None if abs(gain) < ALIKE else gain > 0


def people_gave(prediction: Prediction) -> str:
    """Say what people gave who had what is left, or that nobody voted on that."""
    if "left" not in prediction.people:
        return say("Nobody voted on this clip, so nobody can say which score is right.")
    channel, votes = prediction.people["left"]
    values = {"n": votes.n, "mean": signed(votes.mean)}
    if channel == "voice":
        return say("The {n} people who only listened give {mean} on average.", **values)
    if channel == "face":
        return say("The {n} people who only watched give {mean} on average.", **values)
    return say("The {n} people who watched and listened give {mean} on average.", **values)


def joined(*sentences: str) -> str:
    """Put sentences one after another, without the empty ones."""
    said = ""
    for more in filter(None, sentences):
        said = say("{said} {more}", said=said, more=more) if said else more
    return said


def row(prediction: Prediction) -> list[tuple[str, float, float | None]]:
    """Return the line of people in a chart of scores; none where nobody voted."""
    votes = votes_on(prediction)
    return [] if votes is None else [(say("People"), votes.mean, None)]
