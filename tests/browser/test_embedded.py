"""The page inside another page: a browser that keeps nothing for it."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

NOTHING_KEPT = """
for (const name of ['localStorage', 'sessionStorage'])
    Object.defineProperty(window, name, {get() { throw new DOMException('denied', 'SecurityError'); }});
window.mmFaults = [];
addEventListener('error', event => window.mmFaults.push(String(event.message)));
addEventListener('unhandledrejection', event => window.mmFaults.push(String(event.reason)));
"""


def test_a_browser_that_keeps_nothing(visit: Any) -> None:
    page = visit(script=NOTHING_KEPT)
    page.get_by_label("中文").click()
    page.wait_for_selector('button[role=tab]:has-text("对比")')
    assert page.evaluate("window.mmFaults") == []
