"""The answer panel: the numbers in it are the prediction's, text is escaped, nothing fails on what is missing."""

from __future__ import annotations

import base64
import json
import re

import pytest
from parsed import Parsed
from predictions import NASTY, SCORES, gone, prediction, utterance

from msa_core import i18n
from msa_core.schema import MODALITIES, Word
from msa_core.views import answer, clip, mechanism, page_parts
from msa_core.views.gauges import gauges_of
from msa_core.views.template import render


def meters(html: str) -> list[float]:
    return [float(v) for v in re.findall(r'role="meter"[^>]*aria-valuenow="([^"]+)"', html)]


def test_three_gauges_say_the_three_scores() -> None:
    html = answer.answer(prediction())
    assert meters(html) == [1.25, -0.5, 0.75]
    for said in (
        "+1.25",
        "−0.50",
        "+0.75",
        "1.75 below its own score with everything",
        "0.30 below its own score with everything",
        "90% interval −0.25 to +1.75",
    ):
        assert said in html
    assert html.count("interval −0.25") == 1  # only the missing-modality model has one


def test_needle_and_interval_geometry() -> None:
    html = answer.answer(prediction(scores=dict.fromkeys(SCORES, 3.0)))
    assert html.count("rotate(180.0deg)") == 3 + 2  # three needles and two ticks at the full reading
    assert "stroke-dasharray:2.000 12;stroke-dashoffset:-2.750" in html  # from -0.25, 2 long, counted from -3


def test_without_prediction_there_are_no_numbers() -> None:
    html = answer.answer(None, f"message {NASTY}")
    assert meters(html) == [] and html.count("no answer") == 6 and NASTY not in html


def test_scores_that_do_not_exist() -> None:
    html = answer.answer(
        prediction(
            scores={"complete_model_full": 1.0, "complete_model_left": 0.0, "missing_model_left": 0.004},
            interval=None,
            timeline=(),
            mechanism={},
            words=(),
            timings_s={},
        )
    )
    assert meters(html) == [1.0, 0.0, 0.0] and "−0.00" not in html and "+0.00" not in html
    assert "interval " not in re.sub("mm-interval", "", html)


def test_structure_is_the_same_for_every_switch() -> None:
    """The browser updates the panel in place: same tags in the gauges, so that needles move."""
    gone = {m: {"present": m != "text", "reason": None if m != "text" else "switched off"} for m in MODALITIES}
    one = render("gauges", gauges=gauges_of(prediction()))
    two = render("gauges", gauges=gauges_of(prediction(modalities=gone, dropped=("text",), interval=None)))
    tags = [re.findall(r"<(\w+)", html) for html in (one, two)]
    assert [t for t in tags[0] if t != "br"] == [t for t in tags[1] if t != "br"]


def test_contributions_are_a_waterfall_that_ends_at_the_score() -> None:
    html = answer.contributions(prediction())
    assert Parsed(html).text("mm-value")[:5] == ["+0.05", "+1.00", "−0.50", "+0.20", "+0.75"]
    bars = re.findall(r"mm-bar [^>]*left:([\d.]+)%;width:max\(2px,([\d.]+)%\)", html)
    spans = [(float(a), float(a) + float(b)) for a, b in bars]
    steps = [float(v) for v in re.findall(r'mm-step" style="left:([\d.]+)%', html)]
    levels = [100 * (level + 3) / 6 for level in (0.05, 1.05, 0.55, 0.75)]  # the mean, then after each modality
    assert steps == pytest.approx(levels, abs=0.01)
    for k, step in enumerate(steps):  # a connector joins the end of its bar with an end of the next
        assert any(edge == pytest.approx(step, abs=0.02) for edge in spans[k])
        assert any(edge == pytest.approx(step, abs=0.02) for edge in spans[k + 1])


def test_the_waterfall_passes_an_absent_modality_at_its_level() -> None:
    gone = {m: {"present": m != "audio", "reason": None if m != "audio" else "switched off"} for m in MODALITIES}
    html = answer.contributions(
        prediction(modalities=gone, contributions={"base": 0.05, "text": 1.0, "audio": 0.0, "vision": -0.3})
    )
    steps = [float(v) for v in re.findall(r'mm-step" style="left:([\d.]+)%', html)]
    assert steps[1] == steps[2] == pytest.approx(100 * 4.05 / 6, abs=0.01) and ">off<" in html


def test_absent_modality_is_off_with_its_reason() -> None:
    gone = {m: {"present": m != "vision", "reason": None if m != "vision" else "no <face>"} for m in MODALITIES}
    html = answer.answer(prediction(modalities=gone))
    assert 'mm-off"' in html and "no &lt;face&gt;" in html and "with what is left: text + audio<" in html


def test_simulated_text_is_named_and_its_change_shown() -> None:
    gone = {m: {"present": m != "text", "reason": None if m != "text" else "switched off"} for m in MODALITIES}
    new = {"imagined": ["text"], "text_simulated": True, "text_similarity": {"before": 0.41, "after": 0.63}}
    facts = dict(prediction().mechanism) | new
    html = answer.answer(prediction(modalities=gone, dropped=("text",), text_source="simulated", mechanism=facts))
    assert "simulated text + audio + vision" in html and "starts from the voice" in html and "+0.63" in html
    assert "mm-struck" in html and "reads text simulated from the voice" in html
    assert html.count("<em>rebuilt</em>") == 2  # its gate and its own view
    assert "nothing is filled in" in mechanism.gap(prediction())
    facts |= {"imagined": ["vision"], "text_similarity": {"before": None, "after": None}}
    html = mechanism.gap(prediction(mechanism=facts))
    assert "learned placeholder" in html and "similarity before" not in html


def test_dropped_frames_are_named_at_the_gauges_and_with_the_interval() -> None:
    html = answer.answer(prediction(frame_missing_rate={"audio": 0.25}))
    assert "with what is left: text + audio (75%) + vision" in html
    assert html.count("calibrated without dropped frames") == 1
    assert "calibrated without" not in answer.answer(prediction())


@pytest.mark.parametrize("changes", [{}, gone("text"), {"frame_missing_rate": {"audio": 0.5}}, {"edited": True}])
def test_the_panel_speaks_chinese(changes: dict[str, object]) -> None:
    """No English word of ours is left; names of methods, files and the words that were said stay."""
    with i18n.use("zh"):
        html = "".join(
            [
                answer.answer(prediction(**changes, words=(Word("你好", 0.2, 0.5),), transcript="你好")),
                clip.clip(utterance(id="a.mp4", notes=())),
                answer.answer(None),
            ]
        )
    shown = re.sub(r"<[^>]*>", " ", html) + " ".join(
        re.findall(r'(?:aria-label|title|alt|aria-valuetext)="([^"]*)"', html)
    )
    left = set(re.findall(r"[A-Za-z]{2,}", shown)) - {
        "SDUMC",
        "MIA",
        "Shapley",
        "JSON",
        "mp",
        "compact",
        "nbsp",
        "ms",
        "Hz",
        "dB",
    }
    assert not left


def test_everything_a_visitor_can_write_is_escaped() -> None:
    p, u = prediction(notes=(NASTY,), method="sdumc"), utterance()
    pieces = [answer.answer(p), clip.clip(u), page_parts.finished(u, 1.0), page_parts.failed(NASTY)]
    pieces += [page_parts.working([NASTY], 0.5), answer.answer(prediction(method="m" + NASTY))]
    for html in pieces:
        assert NASTY not in html and "<img src=x" not in html
        assert NASTY.upper() not in html


def test_download_is_the_public_json() -> None:
    p = prediction()
    data = re.search(r"base64,([^\"]+)", answer.answer(p))
    assert data is not None
    assert base64.b64decode(data[1]).decode() == p.json_text()
    assert json.loads(p.json_text()) == json.loads(json.dumps(p.to_json()))
