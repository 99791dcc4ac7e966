"""What the page and the teacher's sheet may rely on in every lesson."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

from msa_core.errors import MsaError
from msa_core.i18n import known, say
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Prediction, Utterance
from msa_core.views.summary import ORDINARY

Value = float | str  # of a control


class Code(NamedTuple):
    """Where an idea stands in this repository: a path from its root and a name in that file."""

    path: str
    symbol: str


@dataclass(frozen=True)
class Control:
    """Something to try. options: (label, value) of a choice; low, high, step: of a slider; start: its first value."""

    name: str
    label: str
    kind: Literal["choice", "slider"]
    start: Value
    options: tuple[tuple[str, str], ...] = ()
    low: float = 0.0
    high: float = 1.0
    step: float = 0.1


@dataclass(frozen=True)
class ExperimentResult:
    """What came of trying: a drawing, the numbers behind it, one or two sentences. Only `said` when nothing did."""

    said: str
    html: str = ""
    facts: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class LessonAnswer:
    """The answer to a lesson's question on one clip. correct: index of the choice, None when the clip has none."""

    correct: int | None
    said: str
    html: str = ""
    facts: Mapping[str, Value] = field(default_factory=dict)


class Texts(NamedTuple):
    """What a lesson says. title: a few words. idea: paragraphs in plain words, the last names the source.

    question: what to predict before seeing it; choices: its possible answers. try_this: one instruction.
    """

    title: str
    idea: tuple[str, ...]
    question: str
    choices: tuple[str, ...]
    try_this: str


class Lesson:
    """Base of the lessons; its texts are said in the language that is active when they are read.

    name: stable. clip: the example it begins with. minutes: to read, guess and try. code: where its idea stands.
    `answer` and `experiment` never raise MsaError for what a clip lacks: it is said in a sentence.
    """

    name: ClassVar[str]
    clip: ClassVar[str]
    minutes: ClassVar[int]
    code: ClassVar[tuple[Code, ...]]

    @property
    def texts(self) -> Texts:
        """Everything that it says before a clip is read."""
        return self._texts()

    @property
    def title(self) -> str:
        """A few words."""
        return self._texts().title

    @property
    def choices(self) -> tuple[str, ...]:
        """The possible answers to its question."""
        return self._texts().choices

    @property
    def controls(self) -> tuple[Control, ...]:
        """What can be tried, in order."""
        return self._controls()

    def answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        """The answer on this clip, computed by the loaded models."""
        try:
            return self._answer(analyser, utterance)
        except MsaError as e:
            return LessonAnswer(None, known(e.message))

    def experiment(self, analyser: Analyser, utterance: Utterance, /, **settings: Value) -> ExperimentResult:
        """What comes of the settings of the controls; those not given stay at their start.

        Raises: MsaError for a setting that no control has or a value that it cannot take.
        """
        chosen = {c.name: checked(c, settings.pop(c.name, c.start)) for c in self.controls}
        if settings:
            raise MsaError(f"Unknown setting {next(iter(settings))!r}. Choose from: {', '.join(chosen)}.")
        try:
            return self._experiment(analyser, utterance, chosen)
        except MsaError as e:
            return ExperimentResult(known(e.message))

    def _texts(self) -> Texts:
        raise NotImplementedError

    def _controls(self) -> tuple[Control, ...]:
        raise NotImplementedError

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        raise NotImplementedError

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        raise NotImplementedError


def checked(control: Control, value: Value) -> Value:
    """The value as the control gives it. Raises: MsaError when it cannot take it."""
    if control.kind == "choice":
        values = [v for _, v in control.options]
        if value not in values:
            raise MsaError(f"{control.name} is {value!r}; choose one of: {', '.join(values)}.")
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not control.low <= number <= control.high:
        raise MsaError(f"{control.name} is {value!r}; give a number from {control.low:g} to {control.high:g}.")
    return number


def parts(utterance: Utterance) -> list[str]:
    """The modalities that the clip has."""
    return [m for m in MODALITIES if utterance.stream(m).present]


def needs(utterance: Utterance, *modalities: str, at_least: int = 1) -> list[str]:
    """The modalities that the clip has. Raises: MsaError when it lacks one of `modalities`, or has too few."""
    there = parts(utterance)
    for m in modalities:
        if m not in there:
            reason = utterance.stream(m).reason
            raise MsaError(
                "This lesson needs {part}, which this clip lacks ({reason}). Choose another clip.",
                part=f"the {ORDINARY[m]}",
                reason=reason,
            )
    if len(there) < at_least:
        found = ", ".join(f"the {ORDINARY[m]}" for m in there) or "nothing"
        raise MsaError(
            "This lesson needs {n} modalities; this clip has only {found}. Choose another clip.",
            n=at_least,
            found=found,
        )
    return there


def ordinary(modality: str) -> str:
    """A modality in ordinary words, with its article."""
    return {"text": say("the words"), "audio": say("the voice"), "vision": say("the face")}[modality]


def modality_options(*values: str) -> tuple[tuple[str, str], ...]:
    """(label, value) of some modalities, for a choice."""
    return tuple((ordinary(m), m) for m in values or MODALITIES)


def score_of(prediction: Prediction, which: str = "missing_model_left") -> float:
    """One of the three scores. Raises: MsaError when the model gave none."""
    value = prediction.scores[which]
    if value is None:
        raise MsaError("The model gave no score. Choose another clip.")
    return value
