"""HTML from the Jinja2 templates of the lessons."""

from __future__ import annotations

from pathlib import Path

from msa_core.views.template import environment

_ENVIRONMENT = environment(Path(__file__).resolve().parent / "templates")


def render(name: str, /, **values: object) -> str:
    """Fill the template `name` of the folder `templates` in the active language."""
    return _ENVIRONMENT.get_template(name).render(values)
