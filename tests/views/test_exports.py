"""Exports of a prediction: nothing is missing from JSON and CSV, the report stands alone and prints on one sheet."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from typing import Any

import accessibility
import pytest
from chromium import ROOT

from msa_core import i18n
from msa_core.__main__ import main
from msa_core.i18n import STATIC
from msa_core.missing import SWITCHED_OFF
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Prediction, Word
from msa_core.views import report, summary
from msa_core.views.parts import method_title, signed
from msa_core.views.prediction_csv import COLUMNS, as_csv
from msa_core.views.report import report_html
from msa_core.views.ruler import KEYS

pytestmark = pytest.mark.slow  # real clips, and reports printed in Chromium
NASTY = '<img src=x onerror="alert(1)">'
CLIPS = ("crema_happy.mp4", "latentsync_demo1.mp4", "jfk.flac")
PATTERNS = ("text", "audio", "vision", "text+audio", "text+vision", "audio+vision", "text+audio+vision")
SMALL = Prediction(
    clip="a.mp4",
    duration_s=2.0,
    feature_set="compact-v1",
    method="sdumc",
    dropped=("vision",),
    text_source="transcript",
    modalities={m: {"present": m != "vision", "reason": "no face" if m == "vision" else None} for m in MODALITIES},
    transcript="=1+1, she said",
    words=(Word("=1+1,", 0.0, 0.5), Word('she "x"', 0.5, 1.0)),
    scores={"complete_model_full": 1.5, "complete_model_left": -0.5, "missing_model_left": 0.25},
    interval=None,
    contributions={"base": -0.25, "text": 0.5, "audio": 0.0, "vision": 0.0},
    mechanism={
        "gates": {"text": -0.5},
        "attention": {"text": [{"token": "=1+1,", "start_s": 0.0, "end_s": 0.5, "weight": 0.75}]},
        "prompt_similarity": {"text": [[1.0, -0.125]]},
    },
    timeline=({"start_s": 0.0, "end_s": 1.0, "score": -2.0}, {"start_s": 1.0, "end_s": 2.0, "score": None}),
    timings_s={"media": 0.5},
)


@pytest.fixture(scope="module")
def extracted(analyser: Analyser) -> dict[str, Any]:
    return {name: analyser.extract(ROOT / "examples" / name) for name in CLIPS}


@pytest.fixture(scope="module")
def answered(analyser: Analyser, extracted: dict[str, Any]) -> dict[str, dict[str, Prediction]]:
    """Every method on every clip, with a modality switched off."""
    off = {"crema_happy.mp4": "vision", "latentsync_demo1.mp4": "text", "jfk.flac": "text"}
    return {c: {m: analyser.predict(u, m, [off[c]]) for m in analyser.methods} for c, u in extracted.items()}


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from leaves(part)
    else:
        yield value


def test_json_is_the_contract(answered: dict[str, dict[str, Prediction]]) -> None:
    prediction = answered["jfk.flac"]["corrkd"]
    assert json.loads(prediction.json_text()) == json.loads(json.dumps(prediction.to_json()))


def test_csv_by_hand() -> None:
    text = as_csv(SMALL)
    assert (
        text.startswith(",".join(COLUMNS) + "\r\n") and text.endswith("\r\n") and "\n" not in text.replace("\r\n", "")
    )
    for line in (
        "prediction,clip,,,,a.mp4",
        "dropped,1,,,,vision",
        "modalities,vision.present,,,,false",
        "modalities,vision.reason,,,,no face",
        'prediction,transcript,,,,"\'=1+1, she said"',
        'words,1,0.0,0.5,0.75,"\'=1+1,"',
        'words,2,0.5,1.0,,"she ""x"""',
        "scores,complete_model_left,,,-0.5,",
        "prediction,interval,,,,",
        "mechanism,gates.text,,,-0.5,",
        "mechanism,prompt_similarity.text.1.2,,,-0.125,",
        "timeline,1,0.0,1.0,-2.0,",
        "timeline,2,1.0,2.0,,",
        "timings_s,media,,,0.5,",
    ):
        assert f"\r\n{line}\r\n" in text, line


@pytest.mark.parametrize("method", ["sdumc", "corrkd", "promma"])
def test_csv_holds_everything_that_json_holds(answered: dict[str, dict[str, Prediction]], method: str) -> None:
    prediction = answered["crema_happy.mp4"][method]
    found = rows(as_csv(prediction))
    numbers = [float(row[c]) for row in found for c in ("start_s", "end_s", "value") if row[c]]
    texts = {row["text"] for row in found}
    for leaf in leaves(json.loads(prediction.json_text())):
        if isinstance(leaf, bool):
            assert str(leaf).lower() in texts
        elif isinstance(leaf, int | float):
            assert leaf in numbers
        elif leaf:
            assert leaf in texts
    spoken = [row for row in found if row["section"] == "words" and row["key"].isdigit()]
    assert [row["text"] for row in spoken] == [w.text for w in prediction.words]
    assert sum(float(row["value"]) for row in spoken) == pytest.approx(
        sum(p["weight"] for p in prediction.mechanism["attention"]["text"])  # type: ignore[index]
    )
    assert sum(float(r["value"]) for r in found if r["section"] == "contributions") == pytest.approx(
        prediction.scores["missing_model_left"], abs=1e-5
    )


@pytest.mark.parametrize(
    "word",
    [
        "=1+1",
        "+1+1",
        "-1-1",
        "-1\n",
        "+a",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "＝1",
        '=HYPERLINK("http://x","y")',
    ],
)
def test_no_word_is_a_formula(word: str) -> None:
    nasty = replace(SMALL, clip=word, transcript=word, words=(Word(word, 0.0, 1.0),), notes=(word,), mechanism={})
    found = [row["text"] for row in rows(as_csv(nasty)) if word in row["text"]]
    assert len(found) == 4 and all(text == f"'{word}" for text in found)


def test_numbers_stay_numbers_and_words_stay_words() -> None:
    for row in rows(as_csv(replace(SMALL, words=(Word("so-so", 0.0, 1.0), Word("-2", 1.0, 1.5))))):
        assert not row["value"] or float(row["value"]) is not None
        assert row["text"] not in ("'so-so", "'-2")


class Page(HTMLParser):
    """Tags, addresses and visible text of a report."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [str(v) for k, v in attrs if k in ("src", "href", "action", "data", "srcset", "poster")]
        assert not any(k.startswith("on") for k, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("code", ["en", "zh"])
@pytest.mark.parametrize("clip", CLIPS)
def test_report_stands_alone(
    extracted: dict[str, Any], answered: dict[str, dict[str, Prediction]], clip: str, code: str
) -> None:
    utterance, predictions = extracted[clip], answered[clip]
    with i18n.use(code):
        text = report_html(utterance, predictions, "corrkd", day=date(2026, 11, 25))
        said = [summary.sentence(predictions["corrkd"]), *map(method_title, predictions)]
    page = Page(text)
    assert len(text.encode()) < 600_000 and "script" not in page.tags and "link" not in page.tags
    assert all(a.startswith("data:image/jpeg;base64,") for a in page.addresses)
    assert not re.search(r"@import|url\((?!#mm-scale)", text) and f'<html lang="{code}">' in text
    assert "default-src &#39;none&#39;" in text and "gradio" not in text
    off = predictions["sdumc"].modalities["vision"]["reason"] == SWITCHED_OFF  # then no face is printed
    assert page.tags.count("img") == (4 if utterance.thumbnails and not off else 0)
    for expected in (
        *said,
        clip,
        "2026-11-25",
        f"{utterance.duration_s:.1f}",
        "compact-v2",
        "corrkd-composite-v1-teacher",
    ):
        assert expected in page.text
    for prediction in predictions.values():
        for key in KEYS:
            assert signed(prediction.scores[key] or 0.0) in page.text


def test_report_says_what_happened(extracted: dict[str, Any], answered: dict[str, dict[str, Prediction]]) -> None:
    predictions = answered["crema_happy.mp4"]
    page = Page(report_html(extracted["crema_happy.mp4"], predictions, "sdumc"))
    for expected in (
        "A demonstration of a model's behaviour, not a measure of feelings.",
        "Switched off: Vision.",
        "What each modality contributes",
        "Second by second",
        "CREMA-D (ODbL)",
        "MIT licence",
        *(w.text for w in predictions["sdumc"].words),
    ):
        assert expected in page.text, expected
    heard = Page(report_html(extracted["jfk.flac"], answered["jfk.flac"], "sdumc")).text
    assert "Vision is missing: no video track." in heard and "The text was simulated from the voice." in heard


def test_report_names_edits(extracted: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"edited": True, "frame_missing_rate": {"audio": 0.5}, "words": [{"struck": True}, {"struck": False}]}
    to_json = Prediction.to_json
    monkeypatch.setattr(Prediction, "to_json", lambda self: {**to_json(self), **more})
    page = Page(report_html(extracted["crema_happy.mp4"], {"sdumc": SMALL}, "sdumc"))
    for expected in ("The transcript was edited.", "50% of the frames dropped: Audio.", "Words struck out: 1."):
        assert expected in page.text


def test_report_without_pictures(extracted: dict[str, Any], answered: dict[str, dict[str, Prediction]]) -> None:
    clip = "crema_happy.mp4"
    text = report_html(extracted[clip], answered[clip], "sdumc", with_pictures=False)
    assert "<img" not in text and "data:image" not in text
    assert "The pictures of the clip were left out of this report." in text


def test_report_escapes_what_visitors_give(extracted: dict[str, Any]) -> None:
    utterance = replace(extracted["crema_happy.mp4"], id=NASTY)
    nasty = replace(SMALL, clip=NASTY, transcript=NASTY, words=(Word(NASTY, 0.0, 1.0),), notes=(NASTY,))
    text = report_html(utterance, {"sdumc": nasty}, "sdumc")
    assert NASTY not in text and Page(text).text.count(NASTY) >= 4


def test_style_has_what_the_report_uses_and_nothing_of_gradio() -> None:
    css = report.style('<p class="mm-hint"><i class="mm-bar"></i></p>')
    assert ".mm-hint {" in css and "--mm-paper: #f6f6f2" in css
    assert "@media screen and (prefers-color-scheme: dark) { :root {" in css and "--mm-paper: #101217" in css
    page_rules = css.split("@page")[0]
    assert "gradio" not in css and ".mm-examples" not in page_rules and "#mm-switches" not in page_rules
    assert "@media (max-width" not in css  # paper is narrower than a window: a phone's layout would apply to it


# ---------------------------------------------------------------- in Chromium


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


@pytest.mark.browser
@pytest.mark.parametrize("code", ["en", "zh"])
@pytest.mark.parametrize("clip", CLIPS)
def test_report_prints_on_one_sheet(
    browser: Any, extracted: dict[str, Any], answered: dict[str, dict[str, Prediction]], clip: str, code: str
) -> None:
    page = browser.new_page()
    for method in answered[clip]:
        with i18n.use(code):
            page.set_content(report_html(extracted[clip], answered[clip], method))
        pdf = page.pdf(prefer_css_page_size=True, print_background=True)
        assert pages(pdf) == 1 and re.search(rb"/MediaBox \[0 0 59[45]\.?\d* 84[12]", pdf), method
    page.close()


@pytest.mark.browser
def test_no_line_of_the_report_lies_over_the_next(browser: Any, analyser: Analyser, extracted: dict[str, Any]) -> None:
    """A clip that people answered has the most lines, and a switch the longest: each keeps to its own height."""
    page = browser.new_page(viewport={"width": 900, "height": 1200})
    answers = {m: analyser.predict(extracted["crema_happy.mp4"], m, ["text"]) for m in analyser.methods}
    page.set_content(report_html(extracted["crema_happy.mp4"], answers, "sdumc"))
    too_high = """[...document.querySelectorAll('.mm-mark-row > dt, .mm-mark-row > .mm-mark-value')]
        .filter(cell => cell.scrollHeight > cell.parentElement.clientHeight).map(cell => cell.textContent)"""
    assert page.locator(".mm-mark-row").count() >= 4 and page.evaluate(too_high) == []
    page.close()


@pytest.mark.browser
def test_more_than_a_sheet_is_counted(browser: Any) -> None:
    page = browser.new_page()
    page.set_content("<div style='height:3000px'></div>")
    assert pages(page.pdf(format="A4")) == 3
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_report_is_for_everyone(browser: Any, analyser: Analyser, extracted: dict[str, Any], scheme: str) -> None:
    """No serious accessibility finding, no overflow on a phone, dark only on a dark screen and never on paper."""
    clip, asked = "crema_happy.mp4", []
    everything = {m: analyser.predict(extracted[clip], m) for m in analyser.methods}  # with the face: it is printed
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # for axe's script
    page = context.new_page()
    page.on("request", lambda r: asked.append(r.url) if r.url.startswith("http") else None)
    page.set_content(report_html(extracted[clip], everything, "sdumc"))
    for width in (1000, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert accessibility.findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    methods = page.locator(".mm-methods")  # wider than a phone: its edge shows that there is more
    assert methods.evaluate("e => e.scrollWidth > e.clientWidth && getComputedStyle(e).background.includes('gradient')")
    strip, last = (page.locator(f".mm-strip{s}").bounding_box() for s in ("", " > :last-child"))
    assert strip["x"] + strip["width"] == pytest.approx(last["x"] + last["width"], abs=1)  # frames fill it: no fade
    paper = "getComputedStyle(document.body).getPropertyValue('--mm-ink').trim()"
    assert page.evaluate(paper) == ("#17191f" if scheme == "light" else "#f2f3f5")
    page.emulate_media(media="print")
    assert page.evaluate(paper) == "#17191f" and asked == []
    context.close()


@pytest.mark.browser
def test_the_check_finds_what_it_should(browser: Any) -> None:
    page = browser.new_page()
    page.set_content(
        '<html lang="en"><title>x</title><main><h1>x</h1><img src="data:,"><p id="a" style="color:#bbb">grey</p></main>'
    )
    found = accessibility.findings(page)
    assert any(line.startswith("image-alt img: ") for line in found)
    assert any(line.startswith("color-contrast #a: ") for line in found) and len(found) == 2
    assert len(accessibility.findings(page, "#a")) == 1
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize(("ending", "mime"), [("json", "application/json"), ("csv", "text/csv"), ("html", "text/html")])
def test_save_hands_the_text_to_the_visitor(browser: Any, ending: str, mime: str) -> None:
    text = 'é 情感 "x"\r\n=1\r\n'
    page = browser.new_page()
    with page.expect_download() as found:
        page.evaluate((STATIC / "save_file.js").read_text(encoding="utf-8"), [f"我.{ending}", mime, text])
    assert found.value.suggested_filename == f"我.{ending}"
    assert found.value.path().read_bytes() == text.encode()
    page.close()


# ---------------------------------------------------------------- command line


@pytest.mark.slow
def test_command_line_writes_both(
    analyser: Analyser, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded: list[str | None] = []
    monkeypatch.setattr(Analyser, "load", lambda device, method, *large: loaded.append(method) or analyser)
    clip = str(ROOT / "examples" / "crema_happy.mp4")
    table, page = tmp_path / "a.csv", tmp_path / "a.html"
    arguments = ["--drop", "vision", "--csv", str(table), "--report", str(page), "--language", "zh", "--no-pictures"]
    assert main(["analyse", clip, "--method", "corrkd", *arguments]) == 0
    assert loaded == [None]  # all methods, to stand side by side
    assert rows(table.read_bytes().decode())[3]["text"] == "corrkd"
    text = page.read_text(encoding="utf-8")
    assert '<html lang="zh">' in text and "<img" not in text and "ProMMA" in text
    assert i18n.active() == "en"
    assert main(["analyse", clip, "--csv", str(tmp_path / "nowhere" / "a.csv")]) == 2
    assert "Give --csv a file in a folder that exists." in capsys.readouterr().err and loaded == [None]
