"""Every container, codec, geometry and defect we promise to read or to refuse, on variants of one real clip."""

import os
import random
import re
import struct

import librosa
import numpy as np
import pytest
import variants
from sounds import correlations

from msa_core import media
from msa_core.config import MediaLimits
from msa_core.errors import MediaError
from msa_core.media import opening, pictures
from msa_core.page import preview

KINDS = "Give a video (mp4, mov, mkv, webm, avi) or a sound file (wav, mp3, m4a, flac, ogg)."


@pytest.fixture(scope="module")
def voice():
    return variants.sound()


@pytest.fixture(scope="module")
def originals():
    return variants.pictures()


def read(path):
    info = media.probe(path)
    return info, media.waveform(path, info), list(media.frames(path, info))


def likeness(a, b, lag_s=0.002):
    """Best correlation within `lag_s`; AVI does not say how late its mp3 starts (25 ms)."""
    n, lag = min(len(a), len(b)), round(lag_s * 16_000)
    return correlations(a[:n], b[lag : n - lag]).max()


@pytest.mark.parametrize(
    "name, size",
    [
        ("hevc.mp4", (480, 360)),
        ("h264.mov", (480, 360)),
        ("mpeg4.avi", (480, 360)),
        ("h264.mkv", (480, 360)),
        ("vp9.webm", (480, 360)),
        ("recorded.webm", (240, 180)),
        ("late.mkv", (480, 360)),
        ("stereo.mp4", (480, 360)),
        ("Ein schöner Tag 🎬 (1).mp4", (480, 360)),
    ],
)
def test_video_files(clip, voice, originals, name, size):
    info, wave, frames = read(clip(name))
    assert (info.has_audio, info.has_video, info.width, info.height) == (True, True, *size)
    assert info.name == name and info.duration_s == pytest.approx(1.92, abs=0.08)
    assert wave.dtype == np.float32 and len(wave) == round(info.duration_s * 16_000)
    assert likeness(wave, voice, 0.03 if name.endswith("avi") else 0.002) > 0.9, "the sound is shifted or wrong"
    times = [t for t, _ in frames]
    assert len(frames) == 10 and np.allclose(times, np.arange(10) / 5, atol=0.07)
    for time_s, image in frames[::3]:
        assert image.dtype == np.uint8 and image.shape == (size[1], size[0], 3)
        original = min(originals, key=lambda p: abs(p[0] - time_s))[1]
        original = variants.resized(original, size[1]) if size[1] != 360 else original
        assert np.abs(image.astype(int) - original).mean() < 8


@pytest.mark.parametrize(
    "name, rate_hz, channels",
    [
        ("8k.wav", 8000, 1),
        ("11k.wav", 11_025, 1),
        ("96k.wav", 96_000, 1),
        ("sound.flac", 48_000, 1),
        ("sound.mp3", 44_100, 1),
        ("sound.m4a", 44_100, 1),
        ("sound.opus", 48_000, 1),
        ("surround.mkv", 48_000, 6),
        ("cover.mp3", 44_100, 1),
    ],
)
def test_sound_files(clip, voice, name, rate_hz, channels):
    info, wave, frames = read(clip(name))
    assert (info.has_audio, info.has_video, info.sample_rate_hz, info.n_channels) == (True, False, rate_hz, channels)
    assert frames == [] and info.duration_s == pytest.approx(1.92, abs=0.05)
    assert likeness(wave, voice) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["8k.wav", "11k.wav", "96k.wav", "sound.flac"])
def test_resampling_agrees_with_librosa(clip, name):
    reference, _ = librosa.load(clip(name), sr=16_000, mono=True)
    ours = media.waveform(clip(name), media.probe(clip(name)))
    n = min(len(reference), len(ours))
    assert abs(len(reference) - len(ours)) <= 160
    assert np.corrcoef(reference[:n], ours[:n])[0, 1] > 0.99


def test_time_zero_is_the_first_picture_or_sound(clip):
    assert media.probe(clip("late.mkv")).start_s == pytest.approx(5.0, abs=0.08)


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_pictures_are_upright(clip, originals, degrees):
    info, _, frames = read(clip(f"turned{degrees}.mp4"))
    expected = np.rot90(originals[0][1], -degrees // 90)
    assert info.rotation_deg == degrees and (info.height, info.width) == expected.shape[:2]
    assert np.abs(frames[0][1].astype(int) - expected).mean() < 8


@pytest.mark.parametrize(
    "matrix, expected",
    [
        ((1, 0, 0, 1), [[1, 2], [3, 4]]),
        ((-1, 0, 0, 1), [[2, 1], [4, 3]]),
        ((1, 0, 0, -1), [[3, 4], [1, 2]]),
        ((0, 1, -1, 0), [[3, 1], [4, 2]]),
        ((0, 1, 1, 0), [[1, 3], [2, 4]]),
    ],
    ids=["as it is", "mirrored", "flipped", "turned clockwise", "turned and mirrored"],
)
def test_display_matrix_by_hand(matrix, expected):
    assert pictures.upright(np.array([[1, 2], [3, 4]]), matrix).tolist() == expected


def test_uneven_frame_rate_follows_pts(clip, originals):
    info, _, frames = read(clip("uneven.mp4"))
    assert info.fps == pytest.approx(18, abs=1.5)
    for time_s, image in frames:
        true_s, original = min(originals, key=lambda p: abs(p[0] - time_s))
        assert abs(true_s - time_s) < 0.002 and np.abs(image.astype(int) - original).mean() < 8


def test_a_gap_in_the_sound_is_silence_in_its_place(clip, voice):
    info, wave, _ = read(clip("gap.mkv"))
    assert info.duration_s == pytest.approx(2.92, abs=0.05)
    assert np.abs(wave[17_600:31_000]).max() < 1e-3
    assert likeness(wave[:15_000], voice[:15_000]) > 0.9 and likeness(wave[33_600:], voice[17_600:]) > 0.9


@pytest.mark.slow
def test_4k_is_reduced_while_decoding(clip):
    info = media.probe(clip("4k.mp4"))
    assert (info.width, info.height) == (3840, 2160)
    assert next(media.frames(clip("4k.mp4"), info))[1].shape == (360, 640, 3)


def test_frame_rate_and_size_can_be_chosen(clip):
    path = clip("h264.mkv")
    frames = list(media.frames(path, media.probe(path), fps=10.0, max_side=240))
    assert len(frames) in (19, 20) and frames[0][1].shape == (180, 240, 3)


def test_one_frame(clip):
    info, wave, frames = read(clip("one frame.mp4"))
    assert len(frames) == 1 and frames[0][0] == 0 and wave.size == 0 and 0 < info.duration_s <= 0.04


@pytest.mark.parametrize("name, n_frames", [("cut.mp4", 9), ("cut.webm", 7), ("holes.mp4", 10)])
def test_damaged_clips_keep_what_can_be_decoded(clip, voice, name, n_frames):
    info, wave, frames = read(clip(name))
    assert info.has_audio and info.has_video and len(frames) >= n_frames - 1
    assert likeness(wave[:16_000], voice[:16_000]) > 0.8


def _lying(raw):
    """The mp4 with every stated duration (movie, track, media) set to one tick."""
    data = bytearray(raw)
    for box, at in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        for found in re.finditer(box, raw):
            data[found.start() + at : found.start() + at + 4] = struct.pack(">I", 1)
    return bytes(data)


@pytest.mark.parametrize("name", ["h264.mkv", "recorded.webm", "lying.mp4", "sound.mp3"])
def test_the_duration_limit_does_not_trust_metadata(clip, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(_lying(variants.REAL.read_bytes()) if name == "lying.mp4" else clip(name).read_bytes())
    with pytest.raises(MediaError, match=rf"^{name} (is longer than 1 s|lasts [12]\.\d s); the limit is 1 s\. Cut it"):
        media.probe(path, MediaLimits(max_duration_s=1.0))
    assert media.probe(path, MediaLimits(max_duration_s=1.5)).duration_s > 1.8, "half a second of grace"


@pytest.mark.parametrize(
    "limits, message",
    [
        (MediaLimits(max_bytes=2**20 // 32), r"crema_happy.mp4 has 0.1 MB; the limit is 0 MB. Shorten it or export it"),
        (MediaLimits(max_pixels=100_000), r"has 480 x 360 pixels a frame; the limit is 0.1 megapixels \(4K\). Export"),
        (MediaLimits(max_frames=20), "has more than 20 video frames. Shorten it, or export it at 30 per second."),
        (MediaLimits(max_duration_s=1), r"lasts 1.9 s; the limit is 1 s. Cut it shorter, or use the command line \(up"),
    ],
)
def test_limits(limits, message):
    with pytest.raises(MediaError, match=message):
        media.probe(variants.REAL, limits)


DAMAGED = rf" is not a media file, or is cut off or damaged. {KINDS}"
REFUSED = {
    "empty.mp4": " is empty (0 bytes). Record or export the clip again.",
    "photo.png": f" is a still image, not a clip. {KINDS}",
    "photo.jpg": f" is a still image, not a clip. {KINDS}",
    "header only.mkv": " holds video (h264) and audio (aac) but not one frame of it can be decoded. Export it again.",
    **dict.fromkeys(["text.mp4", "noise.mp4", "no index.mp4", "playlist.mp4", "concat.mp4", "session.mp4"], DAMAGED),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_clip_is_refused_in_one_line(clip, nothing_left, name):
    path = clip(name)
    before = sorted(path.parent.iterdir())
    with pytest.raises(MediaError, match=f"^{re.escape(name + REFUSED[name])}$"):
        media.probe(path)
    assert sorted(path.parent.iterdir()) == before


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(MediaError, match="^There is no file nope.mp4. Check its path and name.$"):
        media.probe(tmp_path / "nope.mp4")
    with pytest.raises(MediaError, match=" is a folder. Give one clip, or use 'python -m msa_core extract FOLDER'.$"):
        media.probe(tmp_path)
    with pytest.raises(MediaError, match="^There is no clip in the folder "):
        media.files(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(MediaError, match="^pipe.mp4 is not an ordinary file"):
        media.probe(tmp_path / "pipe.mp4")


def test_nan_samples_cannot_pass(clip):
    path = clip("nan.wav")
    with pytest.raises(
        MediaError, match="^nan.wav has NaN or infinite sound samples. Export its sound again as 16-bit.$"
    ):
        media.waveform(path, media.probe(path))


def test_a_name_is_only_a_name(tmp_path):
    """Not a protocol, not a pattern, not two lines of an error message."""
    odd = tmp_path / "concat:a|b%03d.mp4"
    odd.write_bytes(variants.REAL.read_bytes())
    assert media.probe(odd).has_video
    (tmp_path / "two\nlines.mp4").write_bytes(b"x")
    with pytest.raises(MediaError, match=r"^two\?lines.mp4 is not a media file"):
        media.probe(tmp_path / "two\nlines.mp4")


@pytest.mark.parametrize("name", ["h264.mov", "mpeg4.avi", "recorded.webm", "sound.mp3", "sound.flac", "sound.opus"])
def test_altered_bytes_never_leak_a_library_error(clip, tmp_path, name):
    whole, rng = clip(name).read_bytes(), random.Random(0)
    for i in range(8):
        data = bytearray(whole[: rng.randrange(100, len(whole))] if i % 2 else whole)
        for _ in range(4**i % 257):
            data[rng.randrange(min(len(data), 4000 if i % 3 else len(data)))] = rng.randrange(256)
        path = tmp_path / f"{i} {name}"
        path.write_bytes(bytes(data))
        try:
            info, wave, frames = read(path)
        except MediaError as e:
            assert "\n" not in str(e)
        else:
            assert np.isfinite(wave).all() and (info.has_audio or frames)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, suffix, codecs",
    [
        ("recorded.webm", ".webm", {"vp8", "opus"}),
        ("h264.mkv", ".mp4", {"h264", "aac"}),
        ("hevc.mp4", ".mp4", {"h264", "aac"}),
        ("mpeg4.avi", ".mp4", {"h264", "aac"}),
        ("sound.flac", ".mp4", {"aac"}),
    ],
)
def test_browser_copy(clip, voice, tmp_path, name, suffix, codecs):
    out = preview.browser_copy(clip(name), tmp_path / "out")
    with opening.open_clip(out) as container:
        assert container.duration / 1e6 == pytest.approx(1.93, abs=0.05)
        assert {s.codec_context.name for s in container.streams} == codecs
    info, wave, frames = read(out)
    assert list((tmp_path / "out").iterdir()) == [out] and out.suffix == suffix
    assert likeness(wave, voice, 0.03 if name.endswith("avi") else 0.002) > 0.9 and len(frames) in (0, 10)


def test_browser_copy_of_what_plays_is_the_file_itself(clip, tmp_path):
    assert preview.browser_copy(variants.REAL, tmp_path / "out") == variants.REAL
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["text.mp4", "nan.wav", "header only.mkv"])
def test_a_failed_browser_copy_leaves_nothing(clip, tmp_path, name):
    with pytest.raises(MediaError):
        preview.browser_copy(clip(name), tmp_path / "out")
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_a_browser_copy_that_cannot_be_written(clip, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MediaError, match=r"^hevc.mp4 cannot be rewritten as mp4 \(.*\). Export it as mp4.$"):
        preview.browser_copy(clip("hevc.mp4"), tmp_path / "file")
