"""What people said of a clip, beside what the models say: a sentence, and who is nearer."""

from __future__ import annotations

from typing import Any, NamedTuple

from msa_core.compare import Comparison
from msa_core.i18n import known, say
from msa_core.schema import Prediction, Votes
from msa_core.views.parts import method_title, signed

SAME = 0.05  # distances that differ by less are called the same


class Nearer(NamedTuple):
    """A method's and its complete model's mean distance from people."""

    method: str
    complete: str
    ours: float
    theirs: float


def only(prediction: Prediction, channel: str) -> str:
    """Say on the ruler what the voters of a channel did; that they heard words which the models do not have."""
    if channel == "face":
        return say("only watched")
    if not prediction.modalities["text"]["present"]:
        return say("heard words too")
    return say("only listened") if channel == "voice" else say("watched and heard")


def votes_line(votes: Votes) -> str:
    """List the votes, most frequent first, as in "6 anger, 2 disgust, 1 neutral"."""
    given = sorted(((n, e) for e, n in votes.counts.items() if n), key=lambda g: -g[0])
    return say(", ").join(f"{n} {known(emotion)}" for n, emotion in given)


def sentence(prediction: Prediction) -> str | None:
    """Tell what people said who had what is left, and which model is nearer to them; None where nobody voted."""
    if "left" not in prediction.people:
        return None
    channel, votes = prediction.people["left"]
    scores = (prediction.scores["missing_model_left"], prediction.scores["complete_model_left"])
    told = say(
        "{who}: {mean} on average, with a spread of {spread:.1f} ({votes}).",
        who=_who(channel, votes.n, bool(prediction.modalities["text"]["present"])),
        mean=signed(votes.mean),
        spread=votes.spread,
        votes=votes_line(votes),
    )
    if None in scores:
        return told
    ours, theirs = (abs(s - votes.mean) for s in scores if s is not None)
    said: dict[str, Any] = {"method": method_title(prediction.method), "ours": ours, "theirs": theirs}
    if abs(ours - theirs) < SAME:
        how = say("{method} and the complete model are as near to them: {ours:.1f} and {theirs:.1f} away.", **said)
    elif ours < theirs:
        how = say("{method} is nearer to them: {ours:.1f} away, the complete model {theirs:.1f}.", **said)
    else:
        how = say("The complete model is nearer to them: {theirs:.1f} away, {method} {ours:.1f}.", **said)
    return say("{said} {more}", said=told, more=how)


def _who(channel: str, n: int, words: bool) -> str:
    """Begin a sentence with the voters and what they did. `words`: the models have the words, as listeners do."""
    if channel == "face":
        return say("{n} people only watched this clip", n=n)
    if channel == "voice":
        told = say("{n} people only listened to this clip", n=n)
    else:
        told = say("{n} people watched and heard this clip", n=n)
    return told if words else say("{who}, with its words", who=told)


def nearer(comparison: Comparison) -> list[Nearer]:
    """List every method's distance from people over the patterns they judged, nearest first; empty without votes."""
    ours, theirs = comparison.errors(), comparison.errors("complete")
    found = [Nearer(method_title(m), known(comparison.complete[m]), ours[m], theirs[m]) for m in ours]
    return sorted(found, key=lambda n: n.ours)


def told(comparison: Comparison) -> str | None:
    """Name the model that is nearest to people among all that are drawn; None without votes."""
    found = nearer(comparison)
    if not found:
        return None
    theirs = comparison.errors("complete")
    every = {n.method: n.ours for n in found} | {known(comparison.complete[m]): theirs[m] for m in theirs}
    best = min(every, key=lambda name: every[name])
    ties = [name for name in every if name != best and every[name] - every[best] < SAME]
    values = {"model": best, "distance": every[best], "n": len(comparison.judged)}
    if ties:
        return say(
            "Over the {n} patterns that people judged, {model} is nearest to them, {distance:.2f} away on average; "
            "{others} cannot be told from it.",
            others=say(", ").join(ties),
            **values,
        )
    return say(
        "Over the {n} patterns that people judged, {model} is nearest to them, {distance:.2f} away on average.",
        **values,
    )
