"""What scrolls sideways on a phone says so: a shadow or a fade where there is more, a name, the keyboard."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from chromium import open_tab
from PIL import Image

pytestmark = pytest.mark.browser
PHONE, DESKTOP = (390, 844), (1366, 900)
TABS = ("analyse", "compare", "learn", "numbers", "about")
SIDEWAYS = """() => [...document.querySelectorAll('.gradio-container *')]
    .filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1)
    .filter(e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX))
    .map(e => ({name: e.className || e.parentElement.className, inside: !!e.querySelector('a, button'),
        reached: e.tabIndex === 0 && ['region', 'group'].includes(e.role) && !!e.ariaLabel}))"""


def picture(box: Any, left: int) -> np.ndarray:
    """The box scrolled to `left`, as brightness (H, W) from 0 to 255."""
    box.evaluate("(e, left) => { e.scrollLeft = left; }", left)
    box.page.mouse.move(0, 0)
    box.page.wait_for_timeout(300)
    return np.asarray(Image.open(io.BytesIO(box.screenshot())).convert("L"), np.float32)


def shaded(image: np.ndarray, at: int) -> bool:
    """Whether there is a shadow on the background at column `at`."""
    return bool(np.median(image[:, at]) < 0.9 * np.median(image))


def even(image: np.ndarray, at: int) -> bool:
    """Whether column `at` has hardly anything but the background: its part between the 5th and the 95th percentile."""
    low, high = np.percentile(image[:, at], (5, 95))
    return bool(high - low < 12)


def looked_at(page: Any, width: int, height: int, scheme: str = "light") -> None:
    """Show the page in a window, light or dark, as a visitor's device does."""
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)
    page.evaluate("dark => document.body.classList.toggle('dark', dark)", scheme == "dark")


@pytest.fixture
def page(answered: Any) -> Iterator[Any]:
    """The page with an answer; it is put back for the next test."""
    yield answered
    open_tab(answered, "analyse")
    looked_at(answered, *DESKTOP)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_wide_table_has_a_shadow_where_there_is_more(page: Any, scheme: str) -> None:
    looked_at(page, *PHONE, scheme)
    open_tab(page, "numbers")
    page.wait_for_selector("#mm-papers .mm-folded details", state="attached")
    page.evaluate("document.querySelector('#mm-papers .mm-folded').open = true")
    page.evaluate("document.querySelector('#mm-papers .mm-folded details').open = true")
    for which in ("#mm-numbers", "#mm-papers"):
        box = page.locator(f"{which} .mm-scroll").first
        beside = round(box.locator("th").first.evaluate("e => e.offsetWidth")) + 2
        start, middle, end = (picture(box, left) for left in (0, 60, 9999))
        assert (shaded(start, beside), shaded(start, -2)) == (False, True)
        assert (shaded(middle, beside), shaded(middle, -2)) == (True, True)
        assert (shaded(end, beside), shaded(end, -2)) == (True, False)
    curve = page.locator("#mm-numbers .mm-scroll:has(.mm-curves)")
    start, middle, end = (picture(curve, left) for left in (0, 60, 9999))
    assert [(shaded(i, 1), shaded(i, -2)) for i in (start, middle, end)] == [(False, True), (True, True), (True, False)]


def test_a_table_that_fits_has_none(page: Any) -> None:
    open_tab(page, "numbers")
    for box in page.locator("#mm-numbers .mm-scroll").all():
        image = picture(box, 0)
        assert not shaded(image, -2) and not shaded(image, 1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_fade_where_there_are_more(page: Any, scheme: str) -> None:
    looked_at(page, *PHONE, scheme)
    for tab, which in (("analyse", ".mm-examples"), ("analyse", ".mm-strip"), ("learn", ".mm-lessons ol")):
        open_tab(page, tab)
        box = page.locator(which).first
        start = picture(box, 0)
        assert box.evaluate("e => getComputedStyle(e, '::before').opacity") == "0", f"{which}: the first one is faded"
        middle, end = picture(box, 70), picture(box, 9999)
        assert even(start, -1) and even(middle, 0) and even(middle, -1) and even(end, 0), which
        under = range(45, 90, 5)  # columns where the fade ends; some of a card has nothing but its background
        assert not all(even(middle, at) for at in under), f"{which}: there is no picture under the fade"
        last, whole = box.locator("> :last-child").bounding_box(), box.bounding_box()
        assert whole["x"] + whole["width"] - last["x"] - last["width"] >= 28, f"{which}: the last one is faded"


def test_what_scrolls_sideways_has_a_name_and_the_keyboard(page: Any) -> None:
    looked_at(page, *PHONE)
    found = set()
    for tab in TABS:
        open_tab(page, tab)
        if tab == "compare":
            page.wait_for_selector("#mm-compare table", state="attached")
            page.evaluate("document.querySelectorAll('#mm-compare details').forEach(e => { e.open = true; })")
        page.wait_for_timeout(400)
        for box in page.evaluate(SIDEWAYS):
            assert box["reached"] or box["inside"], (tab, box)
            found.add((tab, box["name"].split()[-1]))
    names = [("analyse", "mm-examples"), ("analyse", "mm-strip"), ("compare", "mm-scroll")]
    assert found == {*names, ("learn", "mm-lessons"), ("numbers", "mm-scroll")}
    open_tab(page, "numbers")
    box = page.locator("#mm-numbers .mm-scroll").first
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("e => e.scrollLeft > 10", arg=box.element_handle())
