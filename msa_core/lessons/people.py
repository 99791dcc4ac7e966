"""Lesson on people who lose a modality too: the visitor only listens, only looks, and meets the votes of others."""

from __future__ import annotations

from collections.abc import Mapping

from msa_core.errors import MsaError
from msa_core.i18n import say
from msa_core.lessons import charts
from msa_core.lessons.contract import Code, Control, ExperimentResult, Lesson, LessonAnswer, Texts, Value
from msa_core.lessons.modalities import require, score_of
from msa_core.lessons.models import METHODS
from msa_core.people import CHANNELS
from msa_core.predict import Analyser
from msa_core.schema import Utterance, Votes
from msa_core.views.parts import method_title, signed

METHOD = METHODS[0]
PATTERN = {channel: patterns[-1] for channel, patterns in CHANNELS.items()}  # listeners also have the words
HEARD = "voice"  # the channel of the question
DIVIDED = 3  # the choice when no group of votes is the largest


class People(Lesson):
    """Votes of people who had one channel, beside the models with the same."""

    name = "people"
    clip = "crema_happy.mp4"
    minutes = 3
    code = (Code("msa_core/people.py", "of"), Code("msa_core/schema.py", "Votes"))

    def _texts(self) -> Texts:
        return Texts(
            title=say("You are the model"),
            idea=(
                say(
                    "Before a model has its turn, be one yourself. Press play: the picture is covered, so that you "
                    "only listen. Give the person a number from −3, very negative, to +3, very positive. Then look "
                    "without sound, and give another one. Did you stay with your first answer?"
                ),
                say(
                    "About ten people only listened to each of these clips, ten only watched it and ten did both. They "
                    "gave no number: each named an emotion, which we count as points. People are the yardstick here, "
                    "and they lose something too when a modality is missing: what sounds neutral may come with a smile."
                ),
                say(
                    "So a model that changes its answer without the face is not wrong for changing it. The fair "
                    "question is whether it ends up near people who had no face to look at either. And no number is "
                    "the truth about a person: people disagree, and these feelings are acted."
                ),
                say(
                    "Votes: CREMA-D (Cao et al., IEEE Transactions on Affective Computing 2014). Happiness counts +2, "
                    "neutral 0, anger, disgust, fear and sadness −2."
                ),
            ),
            question=say("Only listen. What did most people hear who had the sound alone?"),
            choices=(
                say("happiness"),
                say("nothing in particular: neutral"),
                say("anger, disgust, fear or sadness"),
                say("they were divided"),
            ),
            try_this=say("Choose what you get, play the clip and give your rating. Who is nearest to people?"),
            take_away=say("Compare a model without the face with people who had no face to look at either."),
        )

    def _controls(self) -> tuple[Control, ...]:
        channels = tuple((title, channel) for channel, title in _titles().items())
        return (
            Control("channel", say("What you get"), "choice", HEARD, channels),
            Control("rating", say("Your rating of the clip"), "slider", 0.0, low=-3.0, high=3.0, step=0.1),
        )

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        votes = _votes(utterance)
        rows: list[tuple[str, float, float | None]] = []
        facts: dict[str, Value] = {}
        for channel, had in _titles().items():
            facts[f"people_{channel}"] = votes[channel].mean
            facts[f"model_{channel}"] = _scores(analyser, utterance, channel)[METHOD]
            rows.append((say("people, {what}", what=had), votes[channel].mean, None))
            rows.append((f"{method_title(METHOD)}{say(', ')}{had}", float(facts[f"model_{channel}"]), None))
        said = say(
            "{heard} {seen} {both}",
            heard=say("Of {n} people who only listened, {groups}.", **_said(votes["voice"])),
            seen=say("Of {n} who only watched, {groups}.", **_said(votes["face"])),
            both=say("Of {n} who did both, {groups}.", **_said(votes["both"])),
        )
        return LessonAnswer(_largest(votes[HEARD]), said, charts.readings(rows), facts)

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        channel, rating = str(chosen["channel"]), float(chosen["rating"])
        people, scores = _votes(utterance)[channel], _scores(analyser, utterance, channel)
        names = {"you": say("you"), "complete": say("the complete model"), METHOD: method_title(METHOD)}
        all_three = {"you": rating, **scores}
        away = {name: abs(value - people.mean) for name, value in all_three.items()}
        nearest = min(away.values())
        near = [names[name] for name, value in away.items() if value - nearest < 0.005]
        said = say(
            "People with {what} give {mean} on average. Distances: you {you}, the complete model {complete}, "
            "{method} {ours}. Nearest: {nearest}.",
            what=_titles()[channel],
            mean=signed(people.mean),
            you=f"{away['you']:.2f}",
            complete=f"{away['complete']:.2f}",
            method=method_title(METHOD),
            ours=f"{away[METHOD]:.2f}",
            nearest=say(", ").join(near),
        )
        rows = [(say("People"), people.mean, None), *((names[k], value, None) for k, value in all_three.items())]
        return ExperimentResult(said, charts.readings(rows), {"people": people.mean, **all_three})


def _titles() -> dict[str, str]:
    """Name what the voters of each channel had."""
    return {"voice": say("the sound (words and voice)"), "face": say("the face alone"), "both": say("sound and face")}


def _votes(utterance: Utterance) -> Mapping[str, Votes]:
    """Return the votes on a clip by channel. Raises: MsaError when nobody voted on it."""
    if set(utterance.people) != set(CHANNELS):
        raise MsaError("Nobody voted on this clip. Choose the example of the lesson.")
    return utterance.people


def _scores(analyser: Analyser, utterance: Utterance, channel: str) -> dict[str, float]:
    """Score what the voters of a channel had, by the complete model and by METHOD.

    Raises: MsaError when it is not there.
    """
    kept = PATTERN[channel].split("+")
    there = require(utterance, *(m for m in kept if m != "text"))
    prediction = analyser.predict(utterance, METHOD, [m for m in there if m not in kept])
    return {"complete": score_of(prediction, "complete_model_left"), METHOD: score_of(prediction)}


def _groups(votes: Votes) -> dict[str, int]:
    """Count votes by their sign: above 0, 0, below 0."""
    found = {"positive": 0, "neutral": 0, "negative": 0}
    for emotion, n in votes.counts.items():
        points = votes.points[emotion]
        found["positive" if points > 0 else "negative" if points < 0 else "neutral"] += n
    return found


def _largest(votes: Votes) -> int:
    """Return the choice of the largest group of votes, or DIVIDED."""
    counts = list(_groups(votes).values())
    return counts.index(max(counts)) if counts.count(max(counts)) == 1 else DIVIDED


def _said(votes: Votes) -> dict[str, object]:
    """Say the number of voters and what they named."""
    groups = _groups(votes)
    said = {
        "positive": say("{n} named happiness", n=groups["positive"]),
        "neutral": say("{n} neutral", n=groups["neutral"]),
        "negative": say("{n} a negative emotion", n=groups["negative"]),
    }
    return {"n": votes.n, "groups": say(", ").join(said.values())}
