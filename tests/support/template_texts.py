"""The texts in the page's Jinja2 templates, for the tests of the translations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, nodes
from paths import ROOT

TEMPLATES = sorted((ROOT / "msa_core").rglob("templates/*.html"))


def _parsed(path: Path) -> nodes.Template:
    return Environment().parse(path.read_text(encoding="utf-8"))


def said(path: Path) -> set[str]:
    """List the literal first arguments of `say` in a template."""
    calls = (c for c in _parsed(path).find_all(nodes.Call) if getattr(c.node, "name", None) == "say" and c.args)
    return {c.args[0].value for c in calls if isinstance(c.args[0], nodes.Const)}


def strings(path: Path) -> Iterator[str]:
    """List every string of a template's expressions."""
    return (c.value for c in _parsed(path).find_all(nodes.Const) if isinstance(c.value, str))
