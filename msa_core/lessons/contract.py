"""The interface of every lesson, used by the page, the API and the teacher's sheet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

from msa_core.errors import MsaError
from msa_core.i18n import known
from msa_core.predict import Analyser
from msa_core.schema import Utterance

Value = float | str  # of a control


class Code(NamedTuple):
    """A place in the source code.

    path: file, from the root of the repository.
    symbol: one or more names defined there, separated by commas.
    """

    path: str
    symbol: str


class Texts(NamedTuple):
    """Texts of a lesson.

    title: a few words.
    idea: paragraphs in plain words; the last one names the source.
    question: what to predict before the answer is shown.
    choices: possible answers to the question.
    try_this: one instruction for the experiment.
    take_away: what to remember, in one sentence.
    claim: what the idea says, as the end of "the idea that"; empty when there is nothing to judge on a clip.
    """

    title: str
    idea: tuple[str, ...]
    question: str
    choices: tuple[str, ...]
    try_this: str
    take_away: str
    claim: str = ""


@dataclass(frozen=True)
class Control:
    """A setting of the experiment.

    name: key in the settings.
    label: text beside the control.
    kind: "choice" or "slider".
    start: first value.
    options: (label, value) of each option of a choice.
    low, high, step: range of a slider.
    """

    name: str
    label: str
    kind: Literal["choice", "slider"]
    start: Value
    options: tuple[tuple[str, str], ...] = ()
    low: float = 0.0
    high: float = 1.0
    step: float = 0.1


@dataclass(frozen=True)
class LessonAnswer:
    """Computed answer to a lesson's question on one clip.

    correct: index of the right choice; None when the clip allows no answer.
    said: the answer, or the reason why there is none, in a few sentences.
    html: a drawing of the answer; empty without one.
    facts: numbers behind the answer.
    holds: whether the idea of the lesson holds on the clip; None where that is too close to call, or nobody can say.
    """

    correct: int | None
    said: str
    html: str = ""
    facts: Mapping[str, Value] = field(default_factory=dict)
    holds: bool | None = None


@dataclass(frozen=True)
class ExperimentResult:
    """Result of an experiment on one clip.

    said: the result, or the reason why there is none, in one or two sentences.
    html: a drawing of the result; empty without one.
    facts: numbers behind the result.
    """

    said: str
    html: str = ""
    facts: Mapping[str, Value] = field(default_factory=dict)


class Lesson:
    """Base class of the lessons; texts are in the language that is active when they are read.

    A subclass implements `_texts`, `_controls`, `_answer` and `_experiment`. When a clip lacks what the lesson needs,
    `answer` and `experiment` return a sentence about it instead of raising MsaError.

    name: stable key.
    clip: example that the lesson starts with.
    holds_on, fails_on: examples on which the idea of the lesson holds and fails; empty without an idea to judge.
    close_on: example on which it is too close to call, of a lesson whose idea fails on no example.
    minutes: time to read, guess and try.
    code: places in the source code that implement the idea.
    """

    name: ClassVar[str]
    clip: ClassVar[str]
    holds_on: ClassVar[str] = ""
    fails_on: ClassVar[str] = ""
    close_on: ClassVar[str] = ""
    minutes: ClassVar[int]
    code: ClassVar[tuple[Code, ...]]

    @property
    def texts(self) -> Texts:
        """Texts that do not depend on a clip."""
        return self._texts()

    @property
    def title(self) -> str:
        """Title in a few words."""
        return self._texts().title

    @property
    def choices(self) -> tuple[str, ...]:
        """Possible answers to the question."""
        return self._texts().choices

    @property
    def controls(self) -> tuple[Control, ...]:
        """Settings of the experiment, in order."""
        return self._controls()

    def answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        """Compute the answer on a clip with the loaded models."""
        try:
            return self._answer(analyser, utterance)
        except MsaError as e:
            return LessonAnswer(None, known(e.message))

    def experiment(self, analyser: Analyser, utterance: Utterance, /, **settings: Value) -> ExperimentResult:
        """Run the experiment on a clip; controls without a setting keep their start.

        Raises: MsaError for a setting without a control, or a value outside a control's range.
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
    """Return a setting in the type of its control.

    Raises: MsaError for a value outside the control's options or range.
    """
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
