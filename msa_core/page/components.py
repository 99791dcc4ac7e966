"""Small parts that every tab is built from: translated components, our own drawings, forms, the settings of events."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Generic, TypeVar

import gradio as gr

from msa_core.i18n import ENGLISH, LANGUAGES, catalogue

T = TypeVar("T")
Updates = dict[Any, Any]  # component -> its new value
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
HEAVY: dict[str, Any] = {
    "show_progress": "hidden",
    "concurrency_id": "extract",
    "concurrency_limit": 1,
    "api_visibility": "private",
}


def told(event: gr.EventData, name: str, kind: type[T]) -> T:
    """Return a value that a script sent with its event; an empty one of its kind for any other."""
    sent = event._data.get(name) if isinstance(event._data, dict) else None
    return sent if isinstance(sent, kind) else kind()


def html(value: str = "", name: str | None = None, script: str | None = None, **extra: Any) -> gr.HTML:
    """Return a component for one of our own drawings; only our style sheet applies to it."""
    return gr.HTML(value, elem_id=name, js_on_load=script, apply_default_css=False, **extra)


class Words:
    """The components that carry words, so that they can be said again in another language."""

    def __init__(self) -> None:
        self.components: list[Any] = []
        self._texts: list[Callable[[], dict[str, Any]]] = []
        self._marker, self._plain = gr.I18n(), set[str]()

    def put(self, kind: Callable[..., Any], texts: Callable[[], dict[str, Any]], **fixed: Any) -> Any:
        """Return a new component of `kind`; `texts` gives the settings that are words, in the active language."""
        component = kind(**{k: self._marked(v) for k, v in texts().items()}, **fixed)
        self.components.append(component)
        self._texts.append(texts)
        return component

    def said(self) -> Updates:
        """Return an update for each component, in the active language."""
        return {c: gr.update(**texts()) for c, texts in zip(self.components, self._texts, strict=True)}

    def _marked(self, value: Any) -> Any:
        """Return a plain text as gradio's own translatable text: the page opens in the browser's language."""
        if (
            not isinstance(value, str)
            or "}" in value
            or any(value not in catalogue(c) for c in LANGUAGES if c != ENGLISH)
        ):
            return value
        self._plain.add(value)
        return self._marker(value)

    @property
    def i18n(self) -> gr.I18n:
        """The marked texts in every language, for `launch`."""
        return gr.I18n(**{code: {t: catalogue(code).get(t, t) for t in sorted(self._plain)} for code in LANGUAGES})


class Form(Generic[T]):
    """Components whose values an event receives as one object, each under its name.

    A field is a component, another form, or a dictionary of these.
    """

    def __init__(self, make: Callable[..., T], **fields: Any) -> None:
        """Args: make: what the values become, given by the names of the fields."""
        self._make, self._fields = make, fields

    @property
    def components(self) -> set[Any]:
        """All components, as the `inputs` of an event: gradio then gives their values by component."""
        return _components(self._fields)

    def read(self, given: Mapping[Any, Any]) -> T:
        """Return the object that these values by component make."""
        return self._make(**{name: _values(field, given) for name, field in self._fields.items()})

    def event(self, handler: Callable[..., Any]) -> tuple[Callable[..., Any], set[Any]]:
        """Return function and inputs of an event whose `handler` takes the object, and after it what gradio adds."""

        @wraps(handler)
        def answer(given: Mapping[Any, Any], *added: Any) -> Any:
            return handler(self.read(given), *added)

        @wraps(handler)
        def steps(given: Mapping[Any, Any], *added: Any) -> Iterator[Any]:
            yield from handler(self.read(given), *added)

        return steps if inspect.isgeneratorfunction(handler) else answer, self.components


def _components(field: Any) -> set[Any]:
    if isinstance(field, Form):
        return field.components
    if isinstance(field, Mapping):
        return set().union(*map(_components, field.values()))
    return {field}


def _values(field: Any, given: Mapping[Any, Any]) -> Any:
    if isinstance(field, Form):
        return field.read(given)
    if isinstance(field, Mapping):
        return {name: _values(inner, given) for name, inner in field.items()}
    return given[field]


@dataclass(frozen=True)
class Redraw:
    """The part of a tab that is drawn again in another language: an event's function, its inputs and its outputs."""

    function: Callable[[Mapping[Any, Any]], Updates]
    inputs: set[Any]
    outputs: list[Any]


@dataclass(frozen=True)
class Choices:
    """Lists of a tab that a link holds.

    lists: by their parameter. outputs: what is drawn for them. draw: does so for values by parameter, in a language.
    """

    lists: dict[str, gr.Dropdown]
    outputs: list[Any]
    draw: Callable[[Mapping[str, Any], str], Updates]


def with_a_last_step(read: Callable[..., Iterator[Updates]], component: Any) -> Callable[..., Iterator[Updates]]:
    """Return an event's steps with one more that sets nothing.

    Gradio sets the values of an event's last step a second time when the event has ended, on a busy machine seconds
    later, over what the visitor has changed since.
    """

    @wraps(read)
    def steps(*values: Any) -> Iterator[Updates]:
        yield from read(*values)
        yield {component: gr.skip()}

    return steps
