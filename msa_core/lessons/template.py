"""Jinja2 templates of the lessons: every value is escaped, an undefined one is an error."""

from __future__ import annotations

import jinja2
from markupsafe import Markup

from msa_core.i18n import say
from msa_core.views.parts import icon, percent, signed, span, tone

ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("msa_core.lessons"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.globals |= {
    "say": say,
    "percent": percent,
    "signed": signed,
    "tone": tone,
    "icon": lambda modality: Markup(icon(modality)),
    "span": lambda *args: Markup(span(*args)),
}


def render(template: str, /, **values: object) -> str:
    """Fill a template of the folder `templates` in the active language."""
    return ENVIRONMENT.get_template(template).render(**values)
