"""Evaluation files on the page: every number shown is the file's, what is missing is a dash, bad files are named."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from evaluations import NASTY, sample, write

from msa_core.errors import MsaError
from msa_core.evaluation import curve_svg, results
from msa_core.i18n import STATIC
from msa_core.views import numbers as numbers_view


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one evaluation in place of the shipped ones."""
    write(tmp_path, sample())
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    return tmp_path


def titles(shown: results.NumbersTable) -> list[str]:
    return [line.title for line in shown.lines]


def by_title(shown: results.NumbersTable, title: str) -> dict[str, results.Cell]:
    line = next(line for line in shown.lines if line.title == title)
    return dict(zip((c.key for c in shown.columns), line.cells, strict=True))


@pytest.mark.slow
def test_every_choice_is_drawn_from_the_file(folder: Path) -> None:
    for protocol in results.PROTOCOLS:
        for metric in results.METRICS:
            for rows in ("main", "all"):
                html = numbers_view.screen("made-up", protocol, metric, rows)
                assert "Measured here" in html and "1,234" in html and "nan" not in html.lower()
                for tag in ("table", "div", "section", "svg", "p", "th", "td", "tr"):
                    assert len(re.findall(f"<{tag}[ >]", html)) == html.count(f"</{tag}>"), (protocol, metric, tag)


def test_pattern_table_has_the_values_and_the_mean_of_six() -> None:
    result = sample()
    shown = results.table(result, "patterns")
    assert [c.title for c in shown.columns][:2] == ["text", "audio"] and shown.columns[-1].title == "mean of six"
    assert shown.columns[-2].note == "complete"
    sdumc = by_title(shown, "SDUMC")
    assert sdumc["text"] == results.Cell(pytest.approx(1.29), 0.0123)
    assert sdumc["mean"] == results.Cell(pytest.approx(1.04), pytest.approx(0.0044))
    share = by_title(results.table(result, "patterns", "acc7"), "SDUMC")
    assert share["text"].value == pytest.approx(1 - 1.29 / 3, abs=1e-5) and share["mean"].sd is None
    html = numbers_view.table_html(shown, "x")
    assert "1.040" in html and "± 0.012" in html and "1.23 M parameters" in html and "5 seeds" in html


def test_specialists_are_one_row_and_extras_are_asked_for() -> None:
    result = sample()
    shown = results.table(result, "patterns")
    assert titles(shown)[-1] == "A specialist for each pattern" and len(shown.lines) == 8
    special = by_title(shown, "A specialist for each pattern")
    assert special["audio"].value == 0.97 and special["text+audio+vision"].value is None
    assert special["mean"].value == pytest.approx(0.97)
    everything = titles(results.table(result, "patterns", everything=True))
    assert "SDUMC without MIA" in everything and len(everything) == 10
    frames = results.table(result, "frames", everything=True)
    assert "SDUMC without MIA" not in titles(frames) and frames.left_out == 3  # ablation, teacher, specialists


def test_promma_of_ours_always_says_that_it_is_a_reconstruction() -> None:
    for title in ("ProMMA", "Something", "ProMMA (reconstruction) without DPW"):
        for row in ({"label": "promma", "title": title}, {"label": "x", "title": title, "method": "promma"}):
            assert results.title_of(row).count("(reconstruction)") == 1
    assert results.title_of({"label": "sdumc"}) == "sdumc"
    for protocol in results.PROTOCOLS:
        html = numbers_view.table_html(results.table(sample(), protocol, everything=True), "x")
        for said in re.findall(r'scope="row" data-value="([^"]*)"', html):
            assert ("ProMMA" in said) == ("(reconstruction)" in said)


@pytest.mark.parametrize(
    ("protocol", "first", "n"),
    [
        ("frames", "0 %", 12),
        ("blocks", "30 %", 2),
        ("modality", "10 %", 2),
        ("slices", "text", 14),
        ("headline", "gap closed", 6),
    ],
)
def test_columns_of_every_protocol(protocol: str, first: str, n: int) -> None:
    shown = results.table(sample(), protocol)
    assert shown.columns[0].title == first and len(shown.columns) == n
    notes = {"modality": "realised 10.0 %", "slices": "conflict"}
    assert shown.columns[0].note == notes.get(protocol, shown.columns[0].note)


def test_frames_have_mean_and_area() -> None:
    cells = by_title(results.table(sample(), "frames"), "SDUMC")
    assert cells["frame:0.9"].value == pytest.approx(0.69 + 0.62 * 0.9)
    assert cells["mean"].value == pytest.approx(0.69 + 0.62 * 0.45) and cells["auilc"].value == pytest.approx(0.621)


def test_headline_has_intervals_and_signs() -> None:
    cells = by_title(results.table(sample(), "headline"), "SDUMC")
    assert cells["gap_closed"] == results.Cell(pytest.approx(1.23), None, (1.1, 1.3))
    assert cells["against_masked"] == results.Cell(pytest.approx(-0.03), None, (-0.1, 0.02))
    html = numbers_view.table_html(results.table(sample(), "headline"), "x")
    assert "1.10 to 1.30" in html and "−2.0 %" in html and "−0.100 to +0.020" in html
    naive = by_title(results.table(sample(), "headline"), "Late fusion, complete")
    assert naive["gap_closed"].value is None and naive["six"].value is not None


def test_best_is_marked_by_direction_nearness_and_as_written() -> None:
    def marked(protocol: str, metric: str, column: str) -> list[str]:
        shown = results.table(sample(), protocol, metric)
        j = [c.key for c in shown.columns].index(column)
        return [shown.lines[i].title for i, k in sorted(shown.best()) if k == j]

    assert marked("patterns", "mae", "text+audio+vision") == ["SDUMC"]
    assert marked("patterns", "acc7", "text+audio+vision") == ["SDUMC"]
    assert marked("patterns", "mae", "text") == ["A specialist for each pattern"]
    assert marked("intervals", "mae", "coverage text") == ["Late fusion, masked", "SDUMC"]  # 0.798 and 0.802 of 0.8
    assert marked("intervals", "mae", "width text") == [] and marked("headline", "mae", "gap_closed") == [
        "ProMMA (reconstruction)"
    ]
    result = sample()
    for row in result["rows"]:
        if row["label"] == "corrkd":
            row["table"]["text"]["mae"] = 0.97004  # written like the specialist's 0.970
    shown = results.table(result, "patterns")
    assert {shown.lines[i].name for i, j in shown.best() if j == 0} == {"corrkd", "specialists"}
    assert numbers_view.table_html(shown, "x").count('aria-label="best"') == len(shown.best())


def test_what_a_file_does_not_say_is_a_dash(folder: Path) -> None:
    bare = {"corpus": "bare", "rows": [{"label": "a", "table": {"text": {"mae": 1.0}}}, {"label": "b", "table": {}}]}
    write(folder, bare)
    assert not results.load()[1]
    for protocol in results.PROTOCOLS:
        for metric in results.METRICS:
            assert "none of these numbers" in numbers_view.screen("bare", protocol, metric, "all") or (
                protocol == "headline"
            )
    write(folder, bare | {"patterns": ["text"]})
    html = numbers_view.screen("bare", "patterns", "mae", "main")
    assert "1.000" in html and "mean of" not in html and html.count("<dd>–</dd>") == 4 and "seeds –" in html
    assert "One row was not tested this way" in html
    strange = {"seeds": "many", "gap_interval": 3, "against_masked": [1], "coverage": [], "six": float("nan"), "sd": 4}
    odd = sample("odd") | {"n": "x", "level": None, "realised": [], "slices": None, "naive": 3}
    odd["rows"] = [row | strange for row in odd["rows"]]
    write(folder, odd)
    for protocol in results.PROTOCOLS:
        assert "nan" not in numbers_view.screen("odd", protocol, "mae", "all")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{not json", "cannot be read as JSON"),
        ("[]", "names no corpus"),
        ('{"rows": []}', "names no corpus"),
        ('{"corpus": "a", "rows": 3}', "'rows' is not a list"),
        ('{"corpus": "a", "rows": [{"label": "b"}]}', "no 'label' or no 'table'"),
        ('{"corpus": "a", "rows": [{"label": "b", "table": {"text": 3}}]}', "something other than metrics"),
        ('{"corpus": "a", "rows": [], "patterns": "text"}', "something other than names of conditions"),
        ('{"corpus": "a", "rows": [], "protocols": 3}', "something other than names of conditions"),
        ('{"corpus": "a", "rows": [], "protocols": {"frames": ["frame:x"]}}', "'frame:x' has no rate"),
        ('{"corpus": "made-up", "rows": []}', "is also in another file"),
    ],
)
def test_a_malformed_file_is_left_out_with_a_sentence(folder: Path, content: str, said: str) -> None:
    (folder / "zz<b>.json").write_text(content)
    found, left_out = results.load()
    assert list(found) == ["made-up"] and len(left_out) == 1 and said in left_out[0] and "zz<b>.json" in left_out[0]
    html = numbers_view.screen("made-up", "patterns", "mae", "main")
    assert "zz&lt;b&gt;.json is left out" in html and "zz<b>" not in html and "SDUMC" in html


def test_other_files_are_no_evaluations(folder: Path) -> None:
    (folder / "made-up-evidence.json").write_text("{")
    assert results.load()[1] == [] and results.REPORTED not in results.load()[0]


def test_changed_files_are_read_again(folder: Path) -> None:
    assert "1.290" in numbers_view.screen("made-up", "patterns", "mae", "main")
    changed = sample()
    changed["rows"][4]["table"]["text"]["mae"] = 1.111
    write(folder, changed)
    os.utime(folder / "made-up.json", ns=(1, 1))
    assert "1.111" in numbers_view.screen("made-up", "patterns", "mae", "main")


def test_nothing_there_is_said(folder: Path) -> None:
    (folder / "made-up.json").unlink()
    assert numbers_view.choices()[0][2:] == ([], None)
    assert "python -m msa_core evaluate" in numbers_view.screen(None, "patterns", "mae", "main")
    with pytest.raises(MsaError, match="There is no table of 'x' in 'mae'. Protocols: patterns"):
        results.table(sample(), "x")


def test_two_modalities_one_modality_and_the_scale_of_sims(folder: Path) -> None:
    write(
        folder,
        sample("pair", ["audio", "vision", "audio+vision"]),
        sample("alone", ["text"]),
        sample("sims", scale="sims"),
    )
    assert "mean of two" in numbers_view.screen("pair", "patterns", "mae", "main")
    alone = numbers_view.screen("alone", "patterns", "mae", "main")
    assert "mean of" not in alone and "complete" in alone
    assert "−1 to 1" in numbers_view.screen("sims", "patterns", "mae", "main")
    assert "No row of sims has this metric; it has: MAE" in numbers_view.screen("sims", "patterns", "acc7", "main")
    assert "models&#x27; own scale" not in numbers_view.screen("made-up", "slices", "mae", "main")


def test_html_is_escaped(folder: Path) -> None:
    evil = sample(f"evil{NASTY}".replace("/", ""))
    evil |= {"statement": NASTY, "split": NASTY, "scale": NASTY, "metrics": [NASTY], "slices": {NASTY: 3}}
    evil["rows"] = [row | {"title": NASTY, "regime": NASTY, "kind": NASTY, "label": NASTY} for row in evil["rows"]]
    (folder / "evil.json").write_text(json.dumps(evil))
    for protocol in results.PROTOCOLS:
        for metric in ("mae", "acc2"):
            assert "<img" not in numbers_view.screen(evil["corpus"], protocol, metric, "all")


def test_csv_and_json_downloads_are_the_numbers(folder: Path) -> None:
    html = numbers_view.screen("made-up", "headline", "mae", "all")
    data = re.search(r'download="made-up-headline.csv" href="data:text/csv;base64,([^"]+)"', html)
    assert data is not None
    found = list(csv.DictReader(io.StringIO(base64.b64decode(data[1]).decode())))
    sdumc = next(r for r in found if r["row"] == "SDUMC")
    own = next(r for r in sample()["rows"] if r["label"] == "sdumc")
    assert float(sdumc["gap_closed"]) == own["gap_closed"] and float(sdumc["gap_closed low"]) == 1.1
    assert float(sdumc["six"]) == own["six"] and float(sdumc["six sd"]) == 0.0044 and sdumc["seeds"] == "5"
    assert next(r for r in found if r["label"] == "corrkd-teacher")["gap_closed"] == ""
    assert json.loads(results.as_json("made-up")) == sample()
    assert 'data-save="made-up"' in html and len(html) < 60_000
    with pytest.raises(MsaError, match="no evaluation of 'x'. There is: made-up"):
        results.as_json("x")


def test_curve_is_a_file_of_its_own() -> None:
    svg = numbers_view.curves_svg(sample())
    root = ET.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg" and root.get("role") == "img" and "var(--mm-card,#ffffff)" in svg
    assert "MAE on made-up" in str(root.findtext(f"{space}title")) and "prefers-color-scheme:dark" in svg
    assert "SDUMC: 0.690 at 0 %, 1.248 at 90 %" in str(root.findtext(f"{space}desc"))
    names = [t.text for t in root.iter(f"{space}text") if "name" in str(t.get("class"))]
    told = ["Constant (training mean)", "Late fusion, complete", "Late fusion, masked", "SDUMC", "CorrKD"]
    assert sorted(map(str, names)) == sorted([*told, "ProMMA (reconstruction)"])
    lines = [p for p in root.iter(f"{space}path") if p.get("stroke-dasharray")]
    marks = {p.get("d") for p in root.iter(f"{space}path") if "mark" in str(p.get("class"))}
    assert len(lines) == 6 and len({p.get("stroke-dasharray") for p in lines}) == 6 and len(marks) == 5
    assert not re.search(r"(href|src)=|url\(|<script", svg)
    with pytest.raises(MsaError, match="has no 'acc2' for dropped frames"):
        numbers_view.curves_svg(sample(), "acc2")
    assert "Constant" not in numbers_view.curves_svg(sample(), "pearson")


def test_curve_geometry_follows_the_values() -> None:
    result = sample()
    svg = curve_svg.curves_svg(result)
    path = re.findall(r'class="method curve1" d="M([^"]+)"', svg)[0]
    at = [tuple(map(float, p.split())) for p in path.split("L")]
    assert len(at) == 10 and at == sorted(at)  # to the right and, as errors grow upwards, not up
    heights = [a[1] for a in at]
    steps = [b - a for a, b in zip(heights[:-1], heights[1:], strict=True)]
    assert max(steps) - min(steps) <= 0.2 + 1e-9 and max(steps) < 0
    assert all(0 <= x <= curve_svg.WIDTH and 0 <= y <= curve_svg.HEIGHT for x, y in at)


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [(None, "number", "–"), (0.12345, "number", "0.123"), (-0.0001, "signed", "0.000"), (-0.02, "signed", "−0.020"),
     (0.5, "share", "50.000"), (-0.0123, "change", "−1.230 %"), (0.02, "change", "+2.000 %")],
)  # fmt: skip
def test_values_are_written(value: float | None, form: str, text: str) -> None:
    assert curve_svg.written(value, form) == text


def test_shipped_evaluations_can_be_shown() -> None:
    found, left_out = results.load()
    assert left_out == [] and found
    for corpus in found:
        html = numbers_view.screen(corpus, "patterns", "mae", "all")
        assert "mm-table" in html and corpus in html


def test_the_finding_stands_first_and_follows_the_rows(folder: Path) -> None:
    main, everything = (numbers_view.screen("made-up", "patterns", "mae", rows) for rows in ("main", "all"))
    for html in (main, everything):
        assert html.index("In one sentence") < html.index("test utterances") and "On made-up, over the 6" in html
    assert main.split("mm-headline")[1].split("</section>")[0] != everything.split("mm-headline")[1].split("</sect")[0]
    write(folder, sample(NASTY.replace("/", "")))
    (folder / "one.json").write_text(json.dumps({"corpus": "one", "rows": [{"label": "a", "table": {}}]}))
    assert "In one sentence" not in numbers_view.screen("one", "patterns", "mae", "main")


def test_no_other_tab_lays_out_what_is_drawn_here(folder: Path) -> None:
    """A class that another tab's stylesheet makes a grid would be laid out like it here, too."""
    drawn = set(re.findall(r"mm-[\w-]+", numbers_view.screen("made-up", "headline", "mae", "all")))
    for name in ("analyse", "compare", "learn"):
        sheet = re.sub(r"/\*.*?\*/", "", (STATIC / f"{name}.css").read_text(), flags=re.DOTALL)
        grids = {c for c, rule in re.findall(r"(?:^|[},])\s*\.(mm-[\w-]+) \{([^}]*)", sheet) if "display:" in rule}
        assert grids and not grids & drawn, name


# what papers report


def tables() -> dict[tuple[str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for t in results.reported():
        found.setdefault((t["dataset"], t["source"].split(" ")[0]), []).append(dict(t))
    return found


@pytest.mark.parametrize(
    ("dataset", "source", "row", "column", "value"),
    [
        ("CMU-MOSI", "CorrKD", "CorrKD", "audio", "66.52"),
        ("CMU-MOSEI", "CorrKD", "HRLF", "text + audio", "82.62"),
        ("CMU-MOSEI", "SDUMC", "SDUMC", "text missing", "0.5503"),
        ("CMU-MOSI", "LNLN", "SemMSA", "MAE", "1.011"),
        ("CMU-MOSEI", "LNLN", "P-RMF", "Acc-2", "78.83/78.14"),
        ("CH-SIMS", "LNLN", "LNLN, corrected", "F1", "69.18"),
        ("CMU-MOSI", "EMT-DLFR", "EMT-DLFR", "Corr", ".486"),
        ("CMU-MOSEI", "LNLN", "TETFN", "MAE", None),
    ],
)
def test_reported_values(dataset: str, source: str, row: str, column: str, value: str | None) -> None:
    table = tables()[dataset, source][0]
    cells = {r["name"]: dict(zip(table["columns"], r["values"], strict=True)) for r in table["rows"]}
    assert cells[row][column] == value


@pytest.mark.parametrize("dataset", ["CMU-MOSI", "CMU-MOSEI"])
def test_reported_means_of_six_agree_with_their_columns(dataset: str) -> None:
    table = tables()[dataset, "CorrKD"][0]
    for r in table["rows"]:
        if r["values"][6] is not None:
            assert float(r["values"][6]) == pytest.approx(sum(map(float, r["values"][:6])) / 6, abs=0.0051), r["name"]


def test_reported_tables_stand_apart_with_source_and_caveat(folder: Path) -> None:
    html = numbers_view.reported()
    assert "Reported by the papers (not measured here)" in html and "Measured here" not in html
    assert html.count("Source: ") == html.count("<b>Note:</b>") == len(results.reported()) == html.count("<details") - 1
    assert "mm-table" not in html and "Reported" not in numbers_view.screen("made-up", "patterns", "mae", "main")
    (promma,) = [t for t in results.reported() if t["what"] == "ProMMA"]
    assert promma["rows"] == [] and "abstract" in promma["caveat"] and "(reconstruction)" in promma["caveat"]
    for t in results.reported():
        assert re.search(r"20\d\d", t["source"]) and len(t["caveat"]) > 60
    (folder / results.REPORTED).write_text('{"tables": [{"dataset": "x"}]}')
    assert "reported.json cannot be read" in numbers_view.reported()
