"""The Compare tab in a real Chromium: seven patterns, every method, both flows, two clips."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from chromium import CLIP, EXAMPLES, download, example, looks, open_tab, overflow, shown, stored, switch

from msa_core import compare, prepared
from msa_core.views import comparison_text
from msa_core.views.parts import signed

pytestmark = pytest.mark.browser


def compared(page: Any, *scores: str) -> None:
    """Open the tab and wait for these scores: those of another test may be there until then."""
    open_tab(page, "compare")
    page.wait_for_function(
        """scores => { const table = document.querySelector('#mm-compare table');
            return table && scores.every(score => table.closest('.mm').textContent.includes(score)); }""",
        arg=list(scores),
    )


def test_every_pattern_and_method_is_there_with_its_numbers(answered: Any, site: Any, analyser: Any) -> None:
    page = answered
    before = len(site.extractions)
    utterance, wanted = prepared.utterance(CLIP), []
    for method in analyser.methods:
        for dropped in ((), ("text",), ("audio", "vision")):
            source = "simulated" if "text" in dropped else "transcript"
            wanted.append(signed(analyser.predict(utterance, method, dropped, source).scores["missing_model_left"]))
    compared(page, *wanted)
    name, text = download(page, '#mm-compare a[download$=".csv"]')
    assert name.endswith(".csv") and text == comparison_text.as_csv(
        compare.compare(analyser, utterance), compare.robustness(analyser, utterance)
    )
    assert len(list(csv.reader(io.StringIO(text)))) > 7 * 3
    assert len(site.extractions) == before
    open_tab(page, "analyse")


def test_struck_words_are_compared_too(answered: Any, analyser: Any) -> None:
    page = answered
    switch(page, '.mm-word[data-word="0"]')
    edited = analyser.edit(analyser.extract(str(CLIP)), struck=[0])
    score = analyser.predict(edited, "sdumc").scores["missing_model_left"]
    compared(page, signed(score))
    open_tab(page, "analyse")


def test_two_clips_stand_side_by_side(visit: Any) -> None:
    page = visit()
    example(page, CLIP.name)
    open_tab(page, "compare")
    page.wait_for_selector("#mm-compare table", state="attached")
    page.click("#mm-second input")
    page.get_by_role("option", name="Voice only").click()
    page.wait_for_selector("#mm-compare .mm-two-clips")
    assert CLIP.name in page.inner_text(".mm-two-clips") and "jfk.flac" in page.inner_text(".mm-two-clips")
    for look in looks(page):
        shown(page, f"{look}-compare")
        assert overflow(page) == [], look


def choose(page: Any, clip: Any) -> None:
    with page.expect_file_chooser() as found:
        page.click("#mm-second-upload")
    found.value.set_files(clip)


def test_a_second_clip_of_ones_own_is_deleted_once_read_and_can_be_taken_away(
    answered: Any, site: Any, tmp_path: Any
) -> None:
    page = answered
    mine, broken = tmp_path / "mine.mp4", tmp_path / "broken.mp4"
    mine.write_bytes((EXAMPLES / "crema_sad.mp4").read_bytes())
    broken.write_bytes(b"no clip")
    open_tab(page, "compare")
    page.wait_for_selector("#mm-compare table", state="attached")
    choose(page, broken)
    page.get_by_role("alert").wait_for()
    assert stored(site.folder) == []
    choose(page, mine)
    page.wait_for_selector("#mm-compare .mm-two-clips")
    assert "mine.mp4" in page.inner_text(".mm-two-clips") and stored(site.folder) == []
    page.click("#mm-second input")
    page.get_by_role("option", name="none").click()
    page.wait_for_selector("#mm-compare .mm-two-clips", state="detached")
    open_tab(page, "analyse")
