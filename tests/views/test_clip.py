"""The clip on the page: words with attention, what was there every second, frames; the script is for what is drawn."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from parsed import Parsed
from predictions import WORDS, prediction, second, utterance, whole

from msa_core.edit import VOICE_STAYS
from msa_core.errors import message
from msa_core.features.second_opinion import LEFT_OUT, NOT_READ
from msa_core.i18n import STATIC
from msa_core.schema import MODALITIES, Stream, Thumbnail
from msa_core.views import clip


def test_words_carry_their_share_of_attention() -> None:
    html = clip.transcript(prediction())
    assert re.findall(r"--w:([\d.]+)", html) == ["0.333", "0.000", "1.000"]


def test_words_are_buttons_and_struck_ones_are_pressed() -> None:
    words = (*WORDS[:2], replace(WORDS[2], struck=True))
    html = clip.transcript(prediction(words=words, notes=(VOICE_STAYS,)))
    buttons = [a for tag, a in Parsed(html).tags if tag == "button"]
    assert [(b["data-word"], b["aria-pressed"]) for b in buttons] == [("0", "false"), ("1", "false"), ("2", "true")]
    assert (buttons[2]["data-from"], buttons[2]["data-to"]) == ("1.00", "1.60")
    assert "data-seek" not in html and VOICE_STAYS in html
    assert re.findall(r"--w:([\d.]+)", html) == ["0.333", "1.000", "0.000"]  # a struck word has no attention


def test_what_was_left_out_of_the_words_is_said_beside_them():
    notes = (message(LEFT_OUT, reason="it sounds like <French>"), message(NOT_READ, start="1.6", end="3.8"), "A track.")
    html = clip.transcript(prediction(notes=notes))
    assert "left out: it sounds like &lt;French&gt;." in html and "From 1.6 to 3.8 s no words" in html
    assert "A track." not in html, "how the clip was read stands in the details"


def test_without_any_word_left_the_reason_stands_over_the_words() -> None:
    gone = {m: {"present": m != "text", "reason": "every word was struck out"} for m in MODALITIES}
    struck = tuple(replace(w, struck=True) for w in WORDS)
    html = clip.transcript(prediction(words=struck, modalities=gone))
    assert "Every word was struck out" in html and html.count('aria-pressed="true"') == 3 and "mm-struck" not in html
    html = clip.transcript(prediction(words=(), modalities=gone, transcript=""))
    assert "No words." in html and "<button" not in html


def test_presence_of_every_second_is_drawn() -> None:
    seen = (second(0, 1.0, text=0.25), second(1, 1.0, text=0.25), second(2, 1.0, text=None), second(3, 1.0))
    html = clip.timeline(prediction(timeline=seen, duration_s=4.0, frame_missing_rate={"text": 0.75, "vision": 0.0}))
    drawn = re.findall(
        r'<i (?:class="([\w-]+)" )?style="left:([\d.]+)%;width:([\d.]+)%(?:;--lost:([\d.]+))?" title', html
    )
    assert drawn == [("", "0.0", "50.00", "0.75"), ("mm-empty-second", "50.0", "25.00", "")]
    assert "0 to 2 s: 25% of the frames are seen" in html and "75% of its frames are dropped" in html
    assert 'class="mm-playhead"' in html and 'data-length="4.000"' in html


def test_frames_carry_the_attention_nearest_to_them() -> None:
    facts = dict(prediction().mechanism)
    pieces = [(0.0, 0.1), (0.5, 0.2), (0.9, 0.3), (1.6, 0.4)]
    facts["attention"] = {"vision": [{"start_s": t, "end_s": t + 0.2, "weight": w} for t, w in pieces]}
    p = prediction(mechanism=facts, frames_s=(0.0, 1.0, 2.0))
    assert clip.frame_weights(p) == pytest.approx([0.3, 0.3, 0.4])  # 0.5 is as near to 0 as to 1: the first
    assert 'data-frame-weights="[0.3, 0.3, 0.4]"' in clip.timeline(p)
    assert clip.frame_weights(prediction(mechanism={}, frames_s=(0.0,))) == []
    many = prediction(mechanism=facts, frames_s=tuple(i / 5 for i in range(300)))
    assert len(clip.frame_weights(many)) == clip.MAX_FRAMES
    assert sum(clip.frame_weights(many)) == pytest.approx(1.0)


def test_frames_have_their_box_drawn_in() -> None:
    shot = utterance().thumbnails[0]
    image = clip.boxed(shot)
    scale = clip.FRAME_HEIGHT / 48
    assert image.shape == (clip.FRAME_HEIGHT, round(64 * scale), 3)
    edge = image[round(20 * scale), round(16 * scale)].astype(int)
    assert np.abs(edge - clip.BOX_COLOUR).max() < 40
    assert np.array_equal(shot.image, np.full((48, 64, 3), 90, np.uint8))
    html = clip.clip(utterance())
    assert html.count("data:image/jpeg") == 2 and "face found" in html and "no face" in html


def test_clip_without_pictures_says_why() -> None:
    html = clip.clip(utterance(thumbnails=(), vision=Stream.absent("no video track")))
    assert "No video track" in html and "<img" not in html


def test_many_frames_are_sampled() -> None:
    shots = tuple(Thumbnail(i / 5, np.zeros((20, 20, 3), np.uint8)) for i in range(300))
    assert clip.clip(utterance(thumbnails=shots)).count("<figure") == clip.MAX_FRAMES


@pytest.mark.parametrize("duration_s", [0.0, 0.04, 1.9, 10.0, 60.0, 600.0])
def test_timeline_of_any_length(duration_s: float) -> None:
    html = clip.timeline(prediction(duration_s=duration_s))
    assert "nan" not in html and "inf" not in html and html.count("mm-lane-row") == 4


SCRIPT = (STATIC / "analyse.js").read_text(encoding="utf-8")


def test_the_script_is_for_what_is_drawn() -> None:
    html = whole(prediction()) + clip.clip(utterance())
    for name in ("mm-lanes", "mm-playhead", "mm-lane-body", "mm-strip", "mm-share"):
        assert f".{name}" in SCRIPT and name in html
    for fact in ("data-length", "data-from", "data-to", "data-seek", "data-frame-weights"):
        assert fact in SCRIPT and f"{fact}=" in html
