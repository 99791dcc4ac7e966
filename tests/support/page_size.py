"""The cost of a first visit to the page: the bytes that are ours, and the seconds until it can be used."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlparse

LIMIT_BYTES = 1_000_000
LIMIT_S = 4.0  # of the fastest of several loads, also while other processes run
SETTLE_MS = 1000  # for what is fetched after the page is there
BUNDLE = ("/assets/", "/static/")  # gradio's own scripts, styles and fonts


def own_bytes(context: Any, url: str, ready: str) -> dict[str, int]:
    """Bytes by path that a first visit loads besides gradio's bundle, as they are before compression.

    The document itself holds our style sheet, drawings and example pictures. Args: context: a fresh Playwright
    context. ready: a CSS selector that is there when the page can be used.
    """
    page = context.new_page()
    finished: list[Any] = []
    page.on("requestfinished", lambda request: finished.append(request))
    page.goto(url)
    page.wait_for_selector(ready)
    page.wait_for_timeout(SETTLE_MS)
    sizes: dict[str, int] = {}
    for request in finished:
        address = urlparse(request.url)
        if address.scheme.startswith("http") and not any(part in address.path for part in BUNDLE):
            sizes[address.path] = sizes.get(address.path, 0) + len(request.response().body())
    page.close()
    return sizes


def load_s(context: Any, url: str, ready: str) -> float:
    """Seconds from opening the address in a warm context (the bundle is cached) until `ready` is there."""
    page = context.new_page()
    start = time.perf_counter()
    page.goto(url)
    page.wait_for_selector(ready)
    took = time.perf_counter() - start
    page.close()
    return took
