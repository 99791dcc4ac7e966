"""axe-core on a page: what keeps people out, as readable lines."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from chromium import settled

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
GRAVE = ("serious", "critical")
# Rules that gradio's own parts break and no style sheet or attribute of ours can mend: (rule, part of the selector,
# why). Nothing of our own may stand here.
GRADIO: tuple[tuple[str, str, str], ...] = ()


def findings(page: Any, include: str | None = None) -> list[str]:
    """Serious and critical violations on a Playwright page: "rule selector: summary", one for each element.

    Args: include: a CSS selector; only what is inside is checked.
    """
    settled(page)
    options = {"runOnly": TAGS, "resultTypes": ["violations"]}
    found = Axe().run(page, context=include, options=options).response["violations"]
    lines = []
    for violation in found:
        for node in violation["nodes"]:
            selector = " ".join(str(t) for t in node["target"])
            if node["impact"] in GRAVE and not _gradio(violation["id"], selector):
                summary = " ".join(node["failureSummary"].split())
                lines.append(f"{violation['id']} {selector}: {summary}")
    return lines


def _gradio(rule: str, selector: str) -> bool:
    return any(rule == r and part in selector for r, part, _ in GRADIO)
