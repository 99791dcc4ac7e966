"""A dark screen changes colours only: what fits on a light one fits on it, so looks for overflow need no dark one."""

from __future__ import annotations

import re

from msa_core.i18n import STATIC
from msa_core.page.build import theme

GEOMETRY = re.compile(r"width|height|size|padding|margin|radius|spacing|gap|weight|font|text-(xs|sm|md|lg|xl)")


def declared(css: str) -> dict[str, str]:
    """Custom properties with their values."""
    return dict(re.findall(r"(--[\w-]+):\s*([^;}]+)", css))


def test_our_dark_rules_set_colours() -> None:
    css = "".join(path.read_text(encoding="utf-8") for path in STATIC.glob("*.css") if path.name != "report.css")
    rules = re.findall(
        r"([^{}]*(?:\.dark\b|prefers-color-scheme)[^{}]*)\{([^}]*)\}", re.sub(r"/\*.*?\*/", "", css, flags=re.S)
    )
    assert [selector.strip() for selector, _ in rules] == [".dark"]
    declarations = [d.split(":", 1) for d in rules[0][1].split(";") if d.strip()]
    wrong = [d for d in declarations if not re.fullmatch(r"\s*--mm-[\w-]+:\s*(#[0-9a-f]{6,8}|none)\s*", ":".join(d))]
    assert declarations and wrong == []


def test_the_theme_is_as_large_in_the_dark() -> None:
    light, dark = map(declared, theme()._get_theme_css().split(".dark", 1))
    other = {k for k, v in dark.items() if GEOMETRY.search(k) and v != "None" and light.get(k) != v}
    assert len(dark) > 100 and other == set()
