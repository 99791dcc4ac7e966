"""The Compare screen: markers stand where the numbers say, every reason is told, everything is escaped."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace

import pytest
from parsed import Parsed

from msa_core import i18n
from msa_core.compare import Comparison, Condition, PatternScores, Point, Robustness, RobustnessCurve, Spread
from msa_core.missing import PATTERNS
from msa_core.schema import MODALITIES
from msa_core.views import comparison as figures_compare
from msa_core.views import robustness as figures_robustness

NASTY = '<img src=x onerror="alert(1)">'
COMPLETE = {"sdumc": "Late fusion", "corrkd": "Teacher of CorrKD", "promma": "Backbone of ProMMA (reconstruction)"}


def comparison(lacks: dict[str, str] | None = None, clip: str = "happy.mp4", step: float = 0.5) -> Comparison:
    """Full answer 1; each lost modality takes `step` (text), 2 step, 3 step from it; the complete model says 0.25."""
    lacks = lacks or {}
    conditions = []
    for pattern, keep in PATTERNS.items():
        gone = {m: lacks[m] for m in keep if m in lacks}
        lost = sum(i + 1 for i, m in enumerate(MODALITIES) if m not in keep and m not in lacks)
        score = 1.0 - step * lost
        band = {"level": 0.8, "low": score - 0.5, "high": score + 0.5}
        bare = score - 0.25 if "audio" in keep and "text" not in keep else None
        answers = {
            "sdumc": PatternScores(0.25, score, bare, band),
            "corrkd": PatternScores(0.25, score / 2, None, band),
            "promma": PatternScores(0.25, score / 4, bare, None),
        }
        conditions.append(Condition(pattern, gone, {} if gone else answers))
    full = "+".join(m for m in MODALITIES if m not in lacks)
    return Comparison(clip, 2.0, full, COMPLETE, tuple(conditions))


def robustness() -> Robustness:
    def line(methods: tuple[str, ...], flow: str, slope: float) -> RobustnessCurve:
        points = [
            Point(
                r / 10, Spread(1 - slope * r, 0.9 - slope * r, 1.1 - slope * r), Spread(slope * r, 0.0, slope * r + 0.1)
            )
            for r in range(10)
        ]
        return RobustnessCurve(methods, flow, tuple(points))

    ours = [line((m,), "missing", slope) for m, slope in zip(COMPLETE, (0.02, 0.06, 0.1), strict=True)]
    theirs = [line((m,), "complete", 0.08) for m in COMPLETE]
    return Robustness("happy.mp4", 5, COMPLETE, (*ours, *theirs))


def test_markers_stand_at_their_scores() -> None:
    html = figures_compare.board(comparison())
    row = re.search(r'mm-board-line">(?:(?!mm-board-line).)*?<span>audio</span>(.*?)</div>', html)
    assert row, "no row for audio alone"
    cell = row[1].split("mm-board-cell")[1]
    score = 1 - 0.5 * (1 + 3)  # text and vision lost: -1

    def left(value: float) -> str:
        return f"{round(100 * (value + 3) / 6, 2)}%"

    assert f'mm-board-disc mm-neg" style="left:{left(score)}' in cell and "−1.00" in cell
    assert f'mm-board-ring" style="left:{left(0.25)}' in cell and "+0.25" in cell
    assert f'mm-board-own" style="left:{left(1.0)}' in cell and f'mm-board-bare" style="left:{left(-1.25)}' in cell
    assert f'mm-board-band" style="left:{left(-1.5)};width:max(2px,16.6' in cell  # one unit of six
    assert html.count('class="mm-board-disc mm-') == 7 * 3 and html.count("mm-board-own") == 7 * 3 + 1  # and its key


def test_rows_go_from_everything_to_one_modality() -> None:
    html = figures_compare.board(comparison())
    names = re.findall(r"</span><span>([a-z +]+?)(?:<small>|</span>)", html)
    assert names[0] == "text + audio + vision" and [n.count("+") for n in names] == [2, 1, 1, 1, 0, 0, 0]
    for title in ("SDUMC", "CorrKD", "ProMMA (reconstruction)", "Teacher of CorrKD"):
        assert title in html


def test_the_table_holds_the_same_numbers() -> None:
    board = Parsed(figures_compare.board(comparison()))
    head, *rows = board.rows
    heads = ["what is left", "method", "score", "interval", "move from its full answer", "no simulated text"]
    assert head == [*heads, "complete model", "people"] and len(rows) == 21
    cells = [cells for name, *cells in rows if name == "audio"]
    assert cells[0] == ["SDUMC", "−1.00", "−1.50 … −0.50", "−2.00", "−1.25", "+0.25", "–"]
    assert cells[2] == ["ProMMA (reconstruction)", "−0.25", "–", "−0.50", "−1.25", "+0.25", "–"]
    assert [a["aria-label"] for a in board.role("region")] == ["All patterns of missing modalities at once"]


def test_sentence_of_the_board_is_computed() -> None:
    # full answers 1, .5, .25; the face alone lost: moves 1.5, .75, .375, mean .875
    assert figures_compare.told(comparison()) == (
        "With everything in the clip, the methods score it +0.25 to +1.00. Losing the face moves them most, by 0.88 on "
        "average."
    )
    alone = comparison({"text": "no words", "vision": "no video track"})
    assert figures_compare.told(alone).startswith("This clip has only the voice: +0.25 to +1.00")


def test_what_a_clip_cannot_have_says_why() -> None:
    html = figures_compare.board(comparison({"vision": f"no face {NASTY}"}))
    assert html.count('mm-board-never"') == 4 and "vision is missing: no face &lt;img" in html and NASTY not in html
    assert html.index("mm-board-axes") < html.index('mm-board-never"')
    assert "everything in the clip" in html and html.count('class="mm-board-disc mm-') == 3 * 3


def test_nearest_is_the_smallest_move_with_its_caveat() -> None:
    html = figures_compare.nearest(comparison())
    # lost (1, 2, 3 | 3, 4, 5 of step .5): mean |move| .5 * 18 / 6 = 1.5 for SDUMC, a quarter for ProMMA
    assert (
        "ProMMA (reconstruction) stays closest on this clip: over 6 patterns of missing modalities it moves by 0.38"
        in html
    )
    assert "stable, but not necessarily right" in html and "Numbers shows" in html
    assert re.findall(r'mm-value">([\d.]+) <small>', html) == ["0.38", "0.75", "1.50"]
    assert re.findall(r'mm-by-student" style="width:([\d.]+)%', html) == ["25.0", "50.0", "100.0"]
    assert "nothing moves" in figures_compare.nearest(comparison({"text": "", "vision": ""}))


def test_curves_start_at_nothing_and_tell_who_moved() -> None:
    html = figures_robustness.curve(robustness())
    assert (
        "With 90% of all frames and words dropped, SDUMC has moved least (0.18) and ProMMA (reconstruction) most (0.90)"
        in (html)
    )
    charts = re.findall(r'<svg class="mm-fan" viewBox="0 0 560.*?</svg>', html, re.S)
    assert len(charts) == 2 and all(chart.count("mm-band") == 3 for chart in charts)
    found = r'<path class="(mm-hue\d mm-(?:solid|open))" d="M([\d.]+) ([\d.]+)L[^"]*" stroke-dasharray="([^"]+)"'
    drawn = re.findall(found, charts[0])
    assert len(drawn) == 6
    assert {d for css, *_, d in drawn if "solid" in css} == {"none"}
    assert len({d for css, *_, d in drawn if "open" in css}) == 3 and "none" not in {
        d for c, *_, d in drawn if "open" in c
    }
    bottom = figures_robustness.HEIGHT - figures_robustness.BOTTOM
    assert all((float(x), float(y)) == (figures_robustness.LEFT, bottom) for _, x, y, _ in drawn)
    parsed = Parsed(html)
    head, *table = parsed.rows
    assert head[:3] == ["model", "", "0%"] and len(table) == 12
    assert table[0][:2] == ["SDUMC", "move"] and table[0][-1] == "0.18"
    assert table[1][:2] == ["SDUMC", "score"] and table[1][-1] == "+0.82"
    spoken = [a["aria-label"] for a in parsed.role("img")]
    assert spoken[0].startswith("distance from its own full answer. SDUMC: 0.00 → +0.18; CorrKD")


def test_names_and_lines_stay_in_the_picture() -> None:
    for code in i18n.LANGUAGES:
        with i18n.use(code):
            html = figures_robustness.curve(robustness())
        for x, y in re.findall(r'<text x="([\d.]+)" y="([\d.]+)"', html):
            assert 0 <= float(x) <= figures_robustness.WIDTH and 0 < float(y) <= figures_robustness.HEIGHT
        assert "nan" not in html


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_flat_curves_are_drawn(value: float) -> None:
    flat = Point(0.0, Spread(value, value, value), Spread(0.0, 0.0, 0.0))
    line = RobustnessCurve(("sdumc",), "missing", (flat, replace(flat, rate=0.9)))
    html = figures_robustness.curve(Robustness("c", 1, {"sdumc": "Late fusion"}, (line,)))
    assert "nan" not in html and "SDUMC has moved by 0.00" in html


def test_two_clips_are_told_apart() -> None:
    a, b = comparison(clip="a.mp4"), comparison({"vision": "no video track"}, "b.mp4", 1.0)
    html = figures_compare.pair(a, b)
    assert "a.mp4 scores +0.58 and b.mp4 +0.58 (mean of the methods)." in html
    assert "The first depends most on the face, the second on the voice" in html
    assert "Both depend most on the face" in figures_compare.pair(a, a)
    columns = html.split("<section>")[1:]
    assert [c.count("mm-move-bars") for c in columns] == [6, 2]
    assert "vision is missing: no video track" in columns[1] and "everything in the clip" in columns[1]
    # audio and vision lost from a: moves -2.5, -1.25, -.625; the common limit is b's -2
    assert "−2.5 · −1.2 · −0.6" in columns[0]


def test_everything_from_outside_is_escaped() -> None:
    one = comparison({"vision": NASTY}, NASTY)
    html = figures_compare.screen(one, robustness(), replace(one, complete={m: NASTY for m in COMPLETE}))
    html += figures_compare.board(replace(one, complete={m: NASTY for m in COMPLETE}))
    assert NASTY not in html and "<img" not in html


def test_screen_is_complete_and_the_files_are_the_numbers() -> None:
    html = figures_compare.screen(comparison(), robustness(), comparison(clip="b.mp4"))
    assert html.count('<section class="mm-card') == 4 and html.count("<details") == 2
    assert "not a measure of feelings" in html
    data = re.search(r"application/json;base64,([^\"]+)", html)
    assert data and json.loads(base64.b64decode(data[1]))["comparison"] == json.loads(
        json.dumps(comparison().to_json())
    )
    table = re.search(r"text/csv;base64,([^\"]+)", html)
    assert table and base64.b64decode(table[1]).decode().startswith("clip,condition,method")
    assert figures_compare.screen(comparison()).count('<section class="mm-card') == 2


def test_before_a_clip_there_is_one_sentence() -> None:
    html = figures_compare.empty()
    assert html.count("<p") == 1 and "Analyse" in html


def test_it_speaks_chinese() -> None:
    with i18n.use("zh"):
        html = figures_compare.screen(comparison({"vision": "no video track"}), robustness(), comparison())
        assert "模态" in figures_compare.empty()
    words = re.sub(r"<[^>]+>", " ", html)
    assert "文本 + 语音" in words and "ProMMA（据摘要复现）" in words and "晚期融合" in words
    assert not re.search(r"\b(the|moved|nearest|score|audio|vision)\b", words.replace("no video track", ""))
