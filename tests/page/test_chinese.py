"""The page in Chinese: every drawing of real clips and shipped evaluation files is free of English sentences."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from evaluations import sample, write
from paths import ROOT

from msa_core import i18n
from msa_core.errors import MsaError, message
from msa_core.evaluation import curve_svg, line_chart, results
from msa_core.i18n import known, use
from msa_core.schema import Prediction, Stream, Utterance
from msa_core.views import numbers as numbers_view
from msa_core.views import page_parts, parts

EXAMPLES = ROOT / "examples"
ENGLISH = (
    "__init__",
    "comparison_text",
    "csv_safe",
    "prediction_csv",
    "prediction_text",
)  # files and the terminal are in English
MODULES = sorted(p.stem for p in (ROOT / "msa_core" / "views").glob("*.py") if p.stem not in ENGLISH)
SWITCHES: tuple[tuple[tuple[str, ...], str], ...] = (
    ((), "transcript"),
    (("text",), "simulated"),
    (("audio", "vision"), "transcript"),
    (("text", "vision"), "none"),
)
CLIPS = ("crema_happy.mp4", "jfk.flac")
ALLOWED = (  # phrases that stay English: names, commands, file names
    "Noto Sans CJK",
    "SIL Open Font License",
    r"IEEE Transactions on Affective Computing",
    r"python -m msa_core \w+",
    r"git checkout -- checkpoints",
    r"Missing-Modality Lab",
    r"Correlation-Decoupled Knowledge Distillation",
    r"Open Database License",
    r"SIL Open Font License",
    r"Noto Sans CJK",
    r"Database Contents License",
    r"Cao, Cooper, Keutmann, Gur, Nenkova and Verma",
    r"Cooke, Barker, Cunningham and Shao",
    r"Don't forget a jacket",
    r"bin blue at f two now",
    r"ByteDance LatentSync",
)
READ_ALOUD = r"(?:title|aria-label|aria-valuetext|alt|placeholder|data-value)=\"([^\"]*)\""  # attributes with texts
RUN = re.compile(r"[A-Za-z][A-Za-z'’-]*(?:[ \n]+[A-Za-z][A-Za-z'’-]*){2,}")


def english(text: str, *own: str) -> list[str]:
    """Runs of three or more English words in a text; `own`: what a visitor said or named."""
    for phrase in (*ALLOWED, *(re.escape(o) for o in own if o)):
        text = re.sub(phrase, "·", text, flags=re.I)
    return RUN.findall(text)


def english_in(html: str, *own: str) -> list[str]:
    """The same for what a drawing shows or reads aloud."""
    html = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.S)
    aloud = " | ".join(re.findall(READ_ALOUD, html))
    return english(unescape(re.sub(r"<[^>]*>", " | ", html) + " | " + aloud), *own)


@pytest.fixture(scope="module")
def clips(analyser: Any) -> list[Utterance]:
    """Example clips as they are read: a talking face, and a voice without a picture."""
    return [analyser.extract(EXAMPLES / name) for name in CLIPS]


@pytest.fixture(scope="module")
def predictions(analyser: Any, clips: list[Utterance]) -> list[Prediction]:
    """All three methods under several switches."""
    asked = [(u, m, gone, source) for u in clips for m in analyser.methods for gone, source in SWITCHES]
    return [analyser.predict(*a) for a in asked if set(a[2]) != {"audio", "vision"} or a[0].vision.present]


def drawings(module: ModuleType, kind: str) -> Iterator[Callable[..., Any]]:
    """The public functions of a module whose first parameter is a `kind` and whose others need not be given."""
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if name.startswith("_") or function.__module__ != module.__name__:
            continue
        first, *rest = [*inspect.signature(function).parameters.values()] or [None]
        fits = first is not None and str(first.annotation).split(" | ")[0] == kind
        if fits and all(p.default is not inspect.Parameter.empty for p in rest):
            yield function


@pytest.mark.parametrize("name", MODULES)
def test_predictions_and_clips_are_drawn_without_english(
    name: str, predictions: list[Prediction], clips: list[Utterance]
) -> None:
    module, found = importlib.import_module(f"msa_core.views.{name}"), {}
    with use("zh"):
        for function in drawings(module, "Prediction"):
            for p in predictions:
                words = [w.text for w in p.words]
                for run in english_in(str(function(p)), p.transcript, " ".join(words), p.clip):
                    found[run] = function.__name__
        for function in drawings(module, "Utterance"):
            for u in clips:
                for run in english_in(str(function(u)), u.transcript, u.id):
                    found[run] = function.__name__
    assert not found


def test_a_detector_that_finds_english() -> None:
    assert english_in("<p>片段 <b>the face was</b> lost</p>") == ["the face was"]
    assert english_in('<i title="no face found">x</i>') == ["no face found"]
    assert english_in("<p>SDUMC CorrKD</p><p>MAE</p>") == [] and english("Don't forget a jacket") == []
    assert english("用 'python -m msa_core evaluate' 生成") == [] and english("he said so", "he said so") == []


# the fixed parts


def test_fixed_parts_have_no_english(clips: list[Utterance]) -> None:
    steps = list(parts.STEPS)
    absent = clips[0].with_streams({"vision": Stream.absent("switched off by the user")})
    with use("zh"):
        pieces = [page_parts.head(), page_parts.privacy(), page_parts.consent(), page_parts.examples(EXAMPLES)]
        pieces += [page_parts.working(steps, 0.5), page_parts.finished(clips[0], 2.0)]
        pieces += [page_parts.state(u, m) for u in (clips[0], absent) for m in ("text", "audio", "vision")]
        pieces += [page_parts.failed(m) for m in APP_MESSAGES] + list(page_parts.troubles().values())
        found = [run for piece in pieces for run in english_in(piece, *(u.id for u in clips))]
    assert not found


APP_MESSAGES = (
    "You have no clip yet: record, upload or choose one first.",
    "Something failed on our side, not in your clip. The clip was deleted; try again or try another one.",
    message("The clip is gone: clips are deleted after {minutes} minutes. Choose one.", minutes=15),
    message("There is no example {name}.", name="'x.mp4'"),
    message("{name} was not uploaded here. Upload it first.", name="x.mp4"),
)


def test_messages_of_the_page_are_those_of_the_catalogue() -> None:
    with use("zh"):
        assert all(known(m) != m for m in APP_MESSAGES)
        assert known(message("There is no example {name}.", name="'x.mp4'")) == "没有名为 'x.mp4' 的示例。"


def test_every_trouble_says_what_and_the_way_out() -> None:
    told = page_parts.troubles()
    keys = {"camera_denied", "no_camera", "camera_busy", "no_microphone", "insecure", "offline"}
    assert set(told) == keys
    ways_out = ("upload a clip", "load the page again")
    assert all(any(way in text for way in ways_out) for text in told.values())
    with use("zh"):
        chinese = page_parts.troubles()
    assert set(chinese) == keys and all(chinese[k] != told[k] for k in keys)
    assert page_parts.troubles() == told


def test_constants_shown_by_name_are_translated() -> None:
    shown = [*results.METRICS.values(), *results.PROTOCOLS.values(), *numbers_view.ROWS.values()]
    shown += [*numbers_view.SCALES.values(), *page_parts.EXAMPLE_TITLES.values(), *parts.STEPS.values()]
    assert [text for text in shown if text not in i18n.catalogue("zh")] == []


# About


def outline(markdown: str) -> list[str]:
    """The bones of a text: heads, list items, table rows, paragraphs."""
    kinds = {"#": "head", "-": "item", "|": "row"}
    return [kinds.get(line[0], "text") for line in markdown.splitlines() if line]


def facts(markdown: str) -> list[str]:
    """What is the same in every language: numbers, file names, papers, addresses of objects."""
    return sorted(re.findall(r"arXiv [\d.]+|doi:[\w./]+\w|`[^`]+`|\d+(?:\.\d+)*", markdown))


def test_about_says_the_same_in_both_languages() -> None:
    texts = [page_parts.about, lambda: page_parts.sources(EXAMPLES)]
    for text in texts:
        own = text()
        with use("zh"):
            chinese = text()
        assert outline(own) == outline(chinese)
        assert set(facts(chinese)) >= {f for f in facts(own) if not f.isdigit()}
        assert english(re.sub(r"`[^`]+`", "", chinese)) == []
    assert "not a measure of feelings" in page_parts.about() and "ProMMA (reconstruction)" in page_parts.about()


def test_examples_are_decoded_once_for_every_language(monkeypatch: pytest.MonkeyPatch) -> None:
    own = page_parts.examples(EXAMPLES)
    monkeypatch.setattr(page_parts.media, "probe", lambda path: pytest.fail(f"{path.name} is decoded again"))
    with use("zh"):
        assert page_parts.examples(EXAMPLES) != own


# numbers


def test_shipped_evaluations_are_drawn_without_english() -> None:
    with use("zh"):
        pieces = [numbers_view.reported()]
        for corpus in results.load()[0]:
            pieces += [numbers_view.screen(corpus, p, "mae", "all") for p in results.PROTOCOLS]
            pieces += [numbers_view.screen(corpus, "patterns", m, "main") for m in results.METRICS]
        found = {run for piece in pieces for run in english_in(piece)}
    assert not found


def test_choices_are_translated_and_their_values_are_not() -> None:
    english_ones = numbers_view.choices()
    with use("zh"):
        chinese = numbers_view.choices()
    for (name, label, pairs, start), (name_zh, label_zh, pairs_zh, start_zh) in zip(english_ones, chinese, strict=True):
        assert (name, start) == (name_zh, start_zh) and label != label_zh
        assert [value for _, value in pairs] == [value for _, value in pairs_zh]
    assert ("丢帧", "frames") in chinese[1][2] and ("皮尔逊相关系数 r", "pearson") in chinese[2][2]


def test_downloads_are_the_same_in_every_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, sample())
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    table = results.table(sample(), "headline", everything=True)
    own = numbers_view.csv_text(table), results.as_json("made-up")
    with use("zh"):
        assert (numbers_view.csv_text(table), results.as_json("made-up")) == own


def test_rows_are_named_in_chinese_and_ours_stays_a_reconstruction() -> None:
    with use("zh"):
        html = numbers_view.table_html(results.table(results.of("composite"), "patterns", everything=True), "x")
    named = re.findall(r'scope="row" data-value="([^"]*)"', html)
    assert "晚期融合，遮蔽训练" in named and "每种组合各一个专用模型" in named and "SDUMC，去掉 MIA" in named
    assert all("（据摘要复现）" in name for name in named if "ProMMA" in name) and any("ProMMA" in n for n in named)


def test_a_row_of_a_file_from_elsewhere_keeps_its_name() -> None:
    with use("zh"):
        assert known("My own model of 2026") == "My own model of 2026"


@pytest.mark.parametrize(
    "content",
    [
        "{not json",
        "[]",
        '{"corpus": "a", "rows": 3}',
        '{"corpus": "a", "rows": [{"label": "b"}]}',
        '{"corpus": "a", "rows": [{"label": "b", "table": {"text": 3}}]}',
        '{"corpus": "a", "rows": [], "patterns": "text"}',
        '{"corpus": "a", "rows": [], "protocols": {"frames": ["frame:x"]}}',
        '{"corpus": "made-up", "rows": []}',
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_chinese(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, sample())
    (tmp_path / "zz.json").write_text(content)
    (tmp_path / results.REPORTED).write_text("{}")
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    with use("zh"):
        pieces = [numbers_view.screen(c, "patterns", "mae", "main") for c in ("made-up", "nonsense")]
        drawn = "".join([*pieces, numbers_view.screen("made-up", "nonsense", "mae", "main")])
        drawn += numbers_view.reported()
    assert (
        "已略过 zz.json" in drawn and "没有 &#x27;nonsense&#x27; 的评测" in drawn and "无法读取 reported.json" in drawn
    )
    found = english_in(drawn, "Invented numbers for a test")
    assert [run for run in found if not run.startswith("Expecting property name")] == []  # Python's own words


def test_errors_of_predict_are_said_in_chinese(analyser: Any, clips: list[Utterance]) -> None:
    nothing = {m: Stream.absent("switched off by the user") for m in ("text", "audio", "vision", "simulated")}
    asked: list[tuple[Any, ...]] = [
        (clips[0], "nonsense"),
        (clips[0], "sdumc", ("smell",)),
        (clips[0], "sdumc", (), "typed"),
        (clips[0], "sdumc", ("text", "audio", "vision"), "none"),
        (clips[1], "sdumc", ("text", "audio"), "none"),
        (clips[0].with_streams(nothing), "sdumc"),
    ]
    for arguments in asked:
        with pytest.raises(MsaError) as error, use("zh"):
            analyser.predict(*arguments)
        with use("zh"):
            said = known(error.value.message)
        assert english(said, *analyser.methods) == [] and re.match(r"[一-鿿]|'", said), said


# the curve


def test_names_of_the_curve_are_broken_to_fit() -> None:
    wrap = curve_svg.FRAME.wrap
    for name in (
        "晚期融合，完整训练，缺失取均值",
        "ProMMA（据摘要复现），决策 = 总是",
        "每种组合各一个专用模型，而且名字很长很长很长",
    ):
        lines = line_chart.wrapped(name, wrap)
        assert "".join(lines).replace(" ", "") == name.replace(" ", "")
        assert all(line_chart.text_width(line) <= wrap for line in lines)
        assert not any(line.startswith(("，", "）")) for line in lines)
    assert line_chart.wrapped("Late fusion, complete, absent = mean", wrap) == [
        "Late fusion, complete, absent",
        "= mean",
    ]


def test_the_curve_has_the_same_geometry_in_chinese() -> None:
    result = results.of("composite")
    own = curve_svg.curves_svg(result)
    with use("zh"):
        chinese = curve_svg.curves_svg(result)
    lines = r'class="(?:method|other|constant)[^"]*" d="[^"]+"'
    assert re.findall(lines, own) == re.findall(lines, chinese) and "越低越好" in chinese
