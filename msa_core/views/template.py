"""HTML from the Jinja2 templates in `templates/`: escaped, and in the active language.

Templates call `say` and `known` for their texts, and the small drawings of `parts`. A text is escaped wherever it is
put in; only what is `Markup` already is HTML.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from msa_core.i18n import known, say
from msa_core.views import parts

FOLDER = Path(__file__).resolve().parent / "templates"


def render(name: str, **values: object) -> Markup:
    """Fill the template `name`.html with `values`."""
    return Markup(_ENVIRONMENT.get_template(f"{name}.html").render(values))


def _say(text: str, **values: object) -> str:
    """Translate a text and fill it; with values that are HTML the result is HTML and all else is escaped."""
    if any(isinstance(v, Markup) for v in values.values()):
        return escape(say(text)).format(**values)
    return say(text, **values)


def _safe(draw: Callable[..., str]) -> Callable[..., Markup]:
    """Escape the texts that a function puts into HTML, and mark its result as HTML."""

    @wraps(draw)
    def called(*values: object, **named: object) -> Markup:
        def safe(value: object) -> object:
            return escape(value) if isinstance(value, str) else value

        return Markup(draw(*map(safe, values), **{name: safe(value) for name, value in named.items()}))

    return called


def _card(title: str, hint: str, css: str = "", caller: Callable[[], str] = str) -> Markup:
    """Draw a titled panel around the body of a `{% call card(..) %}` block."""
    return Markup(parts.card(escape(title), escape(hint), escape(caller()), css))


def environment(folder: Path) -> Environment:
    """Make the environment of a folder of templates: every value is escaped, an undefined one is an error."""
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "say": _say,
        "known": known,
        "signed": parts.signed,
        "percent": parts.percent,
        "tone": parts.tone,
        "meaning": parts.meaning,
        "modality_title": parts.modality_title,
        "icon": _safe(parts.icon),
        "row": _safe(parts.row),
        "bar": _safe(parts.span),
        "card": _card,
    }
    return made


_ENVIRONMENT = environment(FOLDER)
