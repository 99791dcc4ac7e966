"""The ruler of an answer, from -3 to +3: people, the complete model with everything and with what is left, the method.

Every mark has a line of its own, so that no names meet however near the scores are. The lines of two answers to one
clip are the same, only places and texts change: on the page a mark moves from one answer to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from msa_core.i18n import known, say
from msa_core.schema import SCORE_LIMIT, Prediction, Votes
from msa_core.views import mechanism, people, summary
from msa_core.views.parts import meaning, method_title, percent, signed, tone
from msa_core.views.template import render

KEYS = ("complete_model_full", "complete_model_left", "missing_model_left")  # scores that are shown


@dataclass(frozen=True)
class Mark:
    """A line of the ruler, for its template.

    kind: people, full, left or ours. full: the model's own score of everything, where the mark moved from. interval:
    keys level, low, high. votes: their places on the scale, with how many there are at each.
    """

    kind: str
    title: str
    what: str
    score: float | None = None
    full: float | None = None
    interval: Mapping[str, float] | None = None
    note: str = ""
    votes: tuple[tuple[float, int], ...] = ()

    @property
    def number(self) -> str:
        """The score as it is written."""
        return "–" if self.score is None else signed(self.score)

    @property
    def words(self) -> str:
        """The score in words."""
        return say("no answer") if self.score is None else meaning(self.score)

    @property
    def tone(self) -> str:
        """CSS class of the score's sign."""
        return "none" if self.score is None else tone(self.score)

    @property
    def place(self) -> float:
        """Place of the mark, in percent of the ruler."""
        return percent(self.score or 0.0)

    @property
    def came_from(self) -> float:
        """Place that the mark moved from, in percent of the ruler."""
        return self.place if self.full is None or self.score is None else percent(self.full)

    @property
    def trail(self) -> tuple[float, float]:
        """Left end in percent and share of the ruler of the way that the mark moved."""
        return min(self.place, self.came_from), round(abs(self.place - self.came_from) / 100, 4)

    @property
    def band(self) -> tuple[float, float]:
        """Left end in percent and share of the ruler of the interval."""
        if self.interval is None:
            return self.place, 0.0
        low, high = percent(self.interval["low"]), percent(self.interval["high"])
        return low, round(max(0.0, high - low) / 100, 4)

    @property
    def told(self) -> str:
        """The line as plain text."""
        parts = (f"{self.title}, {self.what}: {self.number}", self.words if self.score is not None else "", self.note)
        return say(", ").join(p for p in parts if p)


def ruler(prediction: Prediction | None, everything: Prediction | None = None) -> Markup:
    """Draw the ruler; without a prediction with the mark of `everything` alone, or without marks."""
    marks = empty(everything) if prediction is None else marks_of(prediction)
    return render("ruler", marks=marks, limit=int(SCORE_LIMIT), told=told(marks))


def told(marks: list[Mark]) -> str:
    """Describe the drawing in one text, for those who do not see it."""
    said = "; ".join(m.told for m in marks)
    return say("Ruler from −{limit} to +{limit}. {marks}", limit=int(SCORE_LIMIT), marks=said)


def empty(everything: Prediction | None = None) -> list[Mark]:
    """Make the lines of a page without a prediction, or of a clip of which nothing is left."""
    left, complete = say("with what is left"), say("Complete model")
    if everything is not None:
        marks = marks_of(everything)
        return [m if m.kind in ("people", "full") else Mark(m.kind, m.title, left) for m in marks]
    ours = Mark("ours", say("Missing-modality model"), left)
    return [Mark("full", complete, say("with everything")), Mark("left", complete, left), ours]


def marks_of(prediction: Prediction) -> list[Mark]:
    """Make the lines of a prediction; people have one where any voted on the clip."""
    scores, what = prediction.scores, taken(prediction)
    full, left, ours = (scores[k] for k in KEYS)
    before, interval = scores.get("missing_model_full"), prediction.interval
    complete, method = say("Complete model"), method_title(prediction.method)
    which = mechanism.complete_model(prediction)
    everything, after = (
        say("{what} ({which})", what=w, which=which) if which else w for w in (say("with everything"), what)
    )
    simulated = say("{what}, text simulated", what=what) if prediction.text_source == "simulated" else what
    return [
        *_people(prediction),
        Mark("full", complete, everything, full),
        Mark("left", complete, after, left, full, note=_shift(left, full)),
        Mark("ours", method, simulated, ours, before, interval, _range(prediction)),
    ]


def taken(prediction: Prediction) -> str:
    """Name in few words what was taken from the models, or that nothing was."""
    off = [m for m in prediction.dropped if str(prediction.modalities[m]["reason"]).startswith("switched off")]
    names = " + ".join(known(summary.ORDINARY[m]) for m in off)
    parts = [say("{names} off", names=names)] if off else []
    rates = summary.dropped_frames(prediction)
    for rate in dict.fromkeys(rates.values()):
        alike = " + ".join(known(summary.ORDINARY[m]) for m in rates if rates[m] == rate)
        parts.append(say("{rate:.0%} of the {one} dropped", rate=rate, one=alike))
    if "text" not in off:
        n = sum(w.struck for w in prediction.words)
        parts += [say("words edited")] if prediction.edited else []
        parts += [say("1 word struck out") if n == 1 else say("{n} words struck out", n=n)] if n else []
    return say(", ").join(parts) or say("nothing off")


def _people(prediction: Prediction) -> list[Mark]:
    if not prediction.people:
        return []
    if "left" not in prediction.people:
        return [Mark("people", say("People"), say("nobody voted on this"))]
    channel, votes = prediction.people["left"]
    title = say("{n} people", n=votes.n)
    return [Mark("people", title, people.only(prediction, channel), votes.mean, votes=_places(votes))]


def _places(votes: Votes) -> tuple[tuple[float, int], ...]:
    found: dict[float, int] = {}
    for emotion, n in votes.counts.items():
        found[votes.points[emotion]] = found.get(votes.points[emotion], 0) + n
    return tuple((percent(at), found[at]) for at in sorted(found) if found[at])


def _range(prediction: Prediction) -> str:
    """Write the interval, and what it was calibrated for where that is not what it is used for."""
    interval = prediction.interval
    if interval is None:
        return ""
    low, high = signed(interval["low"]), signed(interval["high"])
    told = say("{level:.0%} interval {low} to {high}", level=interval["level"], low=low, high=high)
    if not summary.dropped_frames(prediction):
        return told
    return f"{told}{say(', ')}{say('calibrated without dropped frames')}"


def _shift(score: float | None, full: float | None) -> str:
    if score is None or full is None:
        return ""
    if abs(delta := score - full) < 0.005:
        return say("same as with everything")
    if delta > 0:
        return say("{points:.2f} higher than with everything", points=delta)
    return say("{points:.2f} lower than with everything", points=-delta)
