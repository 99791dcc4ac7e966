"""The answer panel: the numbers in it are the prediction's, text is escaped, nothing fails on what is missing."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace

import pytest
from parsed import Parsed
from predictions import NASTY, gone, prediction, utterance, whole

from msa_core import i18n
from msa_core.schema import MODALITIES, Word
from msa_core.views import answer, clip, mechanism, page_parts


def test_without_prediction_there_are_no_numbers() -> None:
    html = whole(None, f"message {NASTY}")
    assert not re.search(r"[+−]\d\.\d", html) and html.count("no answer") == 3 and NASTY not in html


def test_scores_that_do_not_exist() -> None:
    html = whole(
        prediction(
            scores={"complete_model_full": 1.0, "complete_model_left": 0.0, "missing_model_left": 0.004},
            interval=None,
            timeline=(),
            mechanism={},
            words=(),
            timings_s={},
        )
    )
    assert Parsed(html).text("mm-number") == ["+1.00", "0.00", "0.00"] and "−0.00" not in html and "+0.00" not in html
    assert "interval " not in html


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
    html = whole(prediction(modalities=gone))
    assert 'mm-off"' in html and "no &lt;face&gt;" in html


def test_simulated_text_is_named_and_its_change_shown() -> None:
    gone = {m: {"present": m != "text", "reason": None if m != "text" else "switched off"} for m in MODALITIES}
    new = {"imagined": ["text"], "text_simulated": True, "text_similarity": {"before": 0.41, "after": 0.63}}
    facts = dict(prediction().mechanism) | new
    html = whole(prediction(modalities=gone, dropped=("text",), text_source="simulated", mechanism=facts))
    assert "words off, text simulated<" in html and "starts from the voice" in html and "+0.63" in html
    assert "mm-struck" in html and "reads text simulated from the voice" in html
    assert html.count("<em>rebuilt</em>") == 2  # its gate and its own view
    half = prediction(frame_missing_rate=dict.fromkeys(MODALITIES, 0.5))
    for shown in (prediction(), half, replace(half, method="corrkd")):
        assert "only a whole one is filled in, not dropped frames or words" in mechanism.gap(shown)
    facts |= {"imagined": ["vision"], "text_similarity": {"before": None, "after": None}}
    html = mechanism.gap(prediction(mechanism=facts))
    assert "learned placeholder" in html and "similarity before" not in html


@pytest.mark.parametrize("changes", [{}, gone("text"), {"frame_missing_rate": {"audio": 0.5}}, {"edited": True}])
def test_the_panel_speaks_chinese(changes: dict[str, object]) -> None:
    """No English word of ours is left; names of methods, files and the words that were said stay."""
    with i18n.use("zh"):
        html = "".join(
            [
                whole(prediction(**changes, words=(Word("你好", 0.2, 0.5),), transcript="你好")),
                clip.clip(utterance(id="a.mp4", notes=())),
                whole(None),
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
    pieces = [whole(p), clip.clip(u), page_parts.finished(u, 1.0), page_parts.failed(NASTY)]
    pieces += [page_parts.working([NASTY], 0.5), whole(prediction(method="m" + NASTY))]
    for html in pieces:
        assert NASTY not in html and "<img src=x" not in html
        assert NASTY.upper() not in html


def test_download_is_the_public_json() -> None:
    p = prediction()
    data = re.search(r"base64,([^\"]+)", whole(p))
    assert data is not None
    assert base64.b64decode(data[1]).decode() == p.json_text()
    assert json.loads(p.json_text()) == json.loads(json.dumps(p.to_json()))
