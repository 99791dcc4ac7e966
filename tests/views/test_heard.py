"""What was heard: numbers and pitch curve of a known prosody, read back from the HTML, and why there are none."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from parsed import Parsed
from predictions import NASTY, PROSODY, gone, prediction, whole

from msa_core.features import prosody
from msa_core.i18n import say, use
from msa_core.schema import MODALITIES, Prosody
from msa_core.views import prediction_csv, prediction_text
from msa_core.views.heard import heard, line

NOTHING = Prosody(None, None, None, None, 0.0, None, None, (), {"voice": prosody.NO_VOICE, "words": prosody.NO_WORDS})


def test_the_measures_are_said() -> None:
    card = Parsed(heard(prediction()))
    assert card.texts["h3"] == ["What was heard"] and "No model reads these numbers" in card.texts["p"][0]
    assert card.texts["dt"] == ["Pitch", "Loudness", "Voiced", "Pace", "Pauses"]
    assert card.texts["b"] == ["200 Hz", "−23 dB", "38%", "2.0 words/s", "1"]
    assert card.texts["small"][:5] == [
        "most of it within 4.3 semitones",
        "relative to full scale; most of it within 12 dB",
        "of the sound has a pitch",
        "from the first word to the last",
        "0.4 s in all",
    ]


def test_the_pitch_is_drawn_over_the_seconds_of_the_clip() -> None:
    """Two octaves from 100 Hz: 10 % of room, so that 100, 200 and 400 Hz lie at 95.5, 50 and 4.5 %; 2 s are 100 %."""
    card = Parsed(heard(prediction()))
    (path,) = [a["d"] for tag, a in card.tags if tag == "path"]
    assert path == "M10.0 95.5H15.00L25.00 50.0M80.0 4.5H85.00"
    assert card.of("mm-median")[0]["y1"] == "50.0" and card.of("mm-lanes")[0]["data-length"] == "2.000"
    (pause,) = card.of("mm-pause")
    assert pause["style"] == "left:45.0%;width:20.0%" and pause["title"] == "Pause of 0.4 s"
    (drawing,) = card.of("mm-lane-body")
    assert drawing["role"] == "img"
    assert drawing["aria-label"] == "Pitch over time, between 100 and 400 Hz; highest at 1.6 s"
    assert card.of("mm-playhead") and "100 to 400 Hz" in card.texts["small"]


def test_a_flat_voice_is_drawn_flat() -> None:
    flat = replace(PROSODY, curve=((0.0, 1.0, 199.0), (1.0, 2.0, 201.0)))
    (path,) = [a["d"] for tag, a in Parsed(heard(prediction(prosody=flat))).tags if tag == "path"]
    heights = [float(y) for y in re.findall(r" ([\d.]+)", path)]
    assert max(heights) - min(heights) < 2 and all(abs(y - 50) < 2 for y in heights)


def test_what_cannot_be_measured_has_its_reason() -> None:
    card = Parsed(heard(prediction(prosody=NOTHING)))
    assert card.texts["b"] == ["–", "–", "0%", "–", "–"] and not card.of("mm-pitch")
    assert [card.texts["small"][i] for i in (0, 1, 3, 4)] == [prosody.NO_VOICE] * 2 + [prosody.NO_WORDS] * 2
    card = Parsed(heard(prediction(prosody=replace(PROSODY, pauses_s=()))))
    assert card.texts["b"][-1] == "0" and "none lasts 0.25 s" in card.texts["small"] and not card.of("mm-pause")


def test_the_card_obeys_the_switch() -> None:
    card = Parsed(heard(prediction(**gone("audio"))))
    assert card.texts["p"] == ["Audio is off: no model hears the voice."] and "dt" not in card.texts
    absent = {m: {"present": m != "audio", "reason": f"sound without {NASTY}"} for m in MODALITIES}
    html = heard(prediction(prosody=None, modalities=absent))
    assert "Sound without &lt;img" in html and NASTY not in html
    old = Parsed(heard(prediction(prosody=None)))
    assert old.texts["p"][0].startswith("Not measured") and "dt" not in old.texts


@pytest.mark.parametrize("duration_s", [0.0, 0.04, 1.9, 600.0])
def test_any_length_can_be_drawn(duration_s: float) -> None:
    for found in (PROSODY, NOTHING, replace(PROSODY, curve=PROSODY.curve[:1])):
        html = heard(prediction(duration_s=duration_s, prosody=found))
        assert "nan" not in html.lower() and "inf" not in html.lower() and "None" not in html


def test_it_is_said_in_chinese() -> None:
    with use("zh"):
        html = heard(prediction())
        assert "听到了什么" in html and "2.0 词/秒" in html and say("Pitch") == "音高"
        assert not re.search("[A-Za-z]{4,}", re.sub("<[^>]*>", "", html))
        nothing = heard(prediction(prosody=NOTHING))
        assert "没有带音高的声音" in nothing and "没有识别出词语" in nothing


def test_page_json_csv_and_terminal_hold_it() -> None:
    p = prediction()
    assert heard(p) in whole(p)
    facts = json.loads(p.json_text())["prosody"]
    assert facts["pitch_hz"] == 200.0 and facts["pauses"] == [{"start_s": 0.9, "end_s": 1.3}]
    assert facts["curve"][2] == {"start_s": 1.6, "end_s": 1.8, "hz": 400.0} and facts["reasons"] == {}
    text = prediction_csv.as_csv(p)
    for row in ("prosody,voiced_share,,,0.375,", "prosody,pauses.1,0.9,1.3,,", "prosody,curve.3,1.6,1.8,400.0,"):
        assert f"\r\n{row}\r\n" in text, row
    told = "What was heard: Pitch 200 Hz, Loudness −23 dB, Voiced 38%, Pace 2.0 words/s, Pauses 1."
    assert line(p) == f"{told} Measured, not used by any model." and told in prediction_text.summary(p)
    silent = prediction(**gone("audio"))
    assert line(silent) == "" and json.loads(silent.json_text())["prosody"] is None
