"""The Numbers tab in a real Chromium: choices redraw one block, heads sort it, downloads, nothing overflows."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chromium import Shared, looks, shown, stored, visitors
from evaluations import NASTY, sample, write

from msa_core.evaluation import results
from msa_core.views import numbers as numbers_view

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def numbers_site(serve: Callable[[], SimpleNamespace], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A page with two good evaluations, one of them with hostile texts, and a file that is none."""
    folder = tmp_path_factory.mktemp("evaluation")
    hostile = sample("pair", ["audio", "vision", "audio+vision"]) | {"statement": f"{NASTY} ${{window.hacked=2}}"}
    write(folder, sample(), hostile)
    (folder / "broken.json").write_text("{")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "FOLDER", folder)
        yield serve()


@pytest.fixture(scope="module")
def shared(browser: Any, numbers_site: SimpleNamespace, request: pytest.FixtureRequest) -> Iterator[Shared]:
    with visitors(browser, numbers_site) as visit:

        def open_numbers() -> Any:
            page = visit()
            page.get_by_role("tab", name="Numbers").click()
            page.wait_for_selector("#mm-numbers .mm-table")
            return page

        yield Shared(open_numbers, lambda: request.session.testsfailed)


@pytest.fixture
def page(shared: Shared) -> Any:
    """A visitor on the Numbers tab; a test that leaves other choices takes the page with it."""
    return shared()


def put_back(page: Any) -> None:
    """Choose what the tab opens with."""
    start = {"corpus": "made-up", "protocol": results.PROTOCOLS["patterns"]}
    start |= {"metric": results.METRICS["mae"], "rows": numbers_view.ROWS["main"]}
    for name, text in start.items():
        if page.input_value(f"#mm-{name} input") != text:
            choose(page, name, text)


def choose(page: Any, name: str, text: str) -> None:
    """Pick from one of the lists and wait until the block is drawn anew."""
    before = page.inner_html(".mm-sheet >> nth=0")
    page.click(f"#mm-{name} input")
    page.get_by_role("option", name=text, exact=True).click()
    page.wait_for_function("before => document.querySelector('.mm-sheet').innerHTML !== before", arg=before)


def column(page: Any, number: int) -> list[str]:
    """The text of a column, top to bottom; 0: names."""
    return [
        t.split("\n")[0] for t in page.locator(f"#mm-numbers tbody tr > :nth-child({number + 1})").all_inner_texts()
    ]


def sorts(page: Any) -> list[str]:
    return page.eval_on_selector_all("#mm-numbers thead th", "heads => heads.map(h => h.getAttribute('aria-sort'))")


def test_table_is_the_file_and_every_choice_redraws_it(page: Any) -> None:
    page.evaluate("window.same = true")
    own = results.table(sample(), "patterns")
    assert column(page, 0) == [line.title for line in own.lines]
    assert "broken.json is left out" in page.inner_text("#mm-numbers")
    assert column(page, 7)[4] == "★0.690" and page.locator("#mm-numbers svg[role=img]").count() == 1
    assert page.locator("#mm-numbers .mm-hue1 .mm-rail").count() == 8  # SDUMC, in its colour
    choose(page, "missing", "the words")
    assert page.locator("#mm-numbers thead th").count() == 4 and "text" not in page.inner_text("#mm-numbers thead")
    choose(page, "missing", "anything")
    choose(page, "metric", "Acc-7")
    assert "Acc-7 by the modalities" in page.inner_text("#mm-numbers") and column(page, 7)[4] == "★77.0"
    choose(page, "rows", "with ablations and variants")
    assert "SDUMC without MIA" in column(page, 0)
    for text in list(results.PROTOCOLS.values())[1:]:
        choose(page, "protocol", text)
        assert page.locator("#mm-numbers .mm-table tbody tr").count() > 4, text
    choose(page, "corpus", "pair")
    assert NASTY in page.inner_text("#mm-numbers") and page.locator("#mm-numbers img").count() == 0
    assert page.evaluate("window.same") is True and page.evaluate("window.hacked") is None
    choose(page, "protocol", "patterns")
    assert "mean of two" in page.inner_text("#mm-numbers thead")
    put_back(page)


def test_heads_sort_by_click_and_by_keyboard_and_stay_sorted(page: Any) -> None:
    before = column(page, 0)
    page.click("#mm-numbers thead th:nth-child(8) button")
    assert sorts(page) == ["none"] * 7 + ["ascending", "none"]
    values = column(page, 7)
    assert values[-1] == "–" and values[:-1] == sorted(values[:-1], key=lambda v: float(v.strip("★≈")))
    page.keyboard.press("Enter")
    assert sorts(page)[7] == "descending" and column(page, 7)[-1] == "–" and column(page, 0)[0] == before[0]
    choose(page, "metric", "Acc-7")
    assert sorts(page)[7] == "descending" and column(page, 7)[0] == "★77.0"
    page.focus("#mm-numbers thead th:nth-child(8) button")
    page.keyboard.press("Space")
    assert sorts(page)[7] == "ascending"  # after the best first, that is the other way
    page.keyboard.press("Space")
    assert sorts(page) == ["none"] * 9 and column(page, 0) == before
    page.click("#mm-numbers thead th:nth-child(1) button")
    assert column(page, 0) == sorted(before, key=str.lower) and sorts(page)[0] == "ascending"
    page.click("#mm-numbers thead th:nth-child(1) button")
    page.click("#mm-numbers thead th:nth-child(1) button")
    put_back(page)
    assert sorts(page) == ["none"] * 9 and column(page, 0) == before


def test_lists_answer_to_the_keyboard(page: Any) -> None:
    page.focus("#mm-metric input")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#mm-numbers').innerText.includes('Test Pearson')")
    assert page.input_value("#mm-metric input") == "Pearson's r"
    put_back(page)


def test_downloads_are_the_numbers_and_leave_nothing(page: Any, numbers_site: SimpleNamespace, tmp_path: Path) -> None:
    kept = stored(numbers_site.folder)
    with page.expect_download() as table:
        page.click("text=Save this table (CSV)")
    table.value.save_as(tmp_path / "table.csv")
    rows = {r["label"]: r for r in csv.DictReader((tmp_path / "table.csv").open())}
    assert table.value.suggested_filename == "made-up-patterns-mae.csv"
    assert float(rows["sdumc"]["text"]) == sample()["rows"][4]["table"]["text"]["mae"]
    with page.expect_download() as whole:
        page.click("text=Save the whole evaluation (JSON)")
    whole.value.save_as(tmp_path / "whole.json")
    assert whole.value.suggested_filename == "made-up.json"
    assert json.loads((tmp_path / "whole.json").read_text()) == sample()
    assert stored(numbers_site.folder) == kept


def test_reported_tables_stand_apart(page: Any) -> None:
    assert "Reported by the papers (not measured here)" in page.inner_text("#mm-papers h2")
    assert page.locator("#mm-papers .mm-card").count() == len(results.reported())
    assert page.locator("#mm-papers .mm-table").count() == 0
    below = "s => document.querySelector(s).getBoundingClientRect()"
    assert page.evaluate(below, "#mm-papers")["top"] >= page.evaluate(below, "#mm-numbers")["bottom"]


def test_nothing_overflows(page: Any) -> None:
    for protocol, text in results.PROTOCOLS.items():
        if protocol != "patterns":
            choose(page, "protocol", text)
        for look in looks(page):
            shown(page, f"numbers-{look}-{protocol}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (look, protocol)
            wide = page.evaluate(
                """() => [...document.querySelectorAll('.mm-sheet *, #mm-choices *')]
                    .filter(e => !e.closest('.mm-scroll > *'))
                    .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.className)"""
            )
            assert wide == [], (look, protocol)
    box = page.locator("#mm-numbers .mm-scroll").first  # on the phone, the last look
    box.evaluate("e => { e.scrollLeft = 200; }")
    first = page.locator("#mm-numbers tbody th").first
    assert first.bounding_box()["x"] == pytest.approx(box.bounding_box()["x"], abs=1)


def test_the_api_returns_the_block(numbers_site: SimpleNamespace) -> None:
    from gradio_client import Client

    client = Client(numbers_site.url, verbose=False)
    html = client.predict("made-up", "frames", "mae", "all", "en", api_name="/numbers")
    assert html == numbers_view.screen("made-up", "frames", "mae", "all")
    without = client.predict("made-up", "patterns", "mae", "all", "en", "vision", api_name="/numbers")
    assert without == numbers_view.screen("made-up", "patterns", "mae", "all", "vision") != html
    with pytest.raises(Exception, match="not in the list of choices"):
        client.predict("made-up", "nonsense", "mae", "all", "en", api_name="/numbers")
