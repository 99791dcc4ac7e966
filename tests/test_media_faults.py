"""Clips from the field that were read wrong: cancelled sound, silent tracks, jumping times, long runs of B-frames."""

from __future__ import annotations

from pathlib import Path

import av
import media_matrix as matrix
import numpy as np
import pytest
import variants
from sounds import correlations

from msa_core import media
from msa_core.config import MediaLimits
from msa_core.errors import MediaError
from msa_core.page import preview

VOICE = matrix.voice()
RNG = np.random.default_rng(0)


def heard(path: Path) -> np.ndarray:
    return media.waveform(path, media.probe(path))


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Best correlation within 30 ms (Matroska does not tell AAC's lead-in from sound), whatever the sign."""
    n, lag = min(len(a), len(b)), 480
    return float(np.abs(correlations(a[:n], b[lag : n - lag])[::2]).max())


def loudness(wave: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(wave.astype(float) ** 2)) + 1e-10))


# --------------------------------------------------------------------------------------------- channels

CANCELLED = {
    "opposite": np.stack([VOICE, -VOICE]),
    "nearly opposite": np.stack([VOICE, -0.9 * VOICE]),
    "opposite pairs": np.stack([VOICE, -VOICE, VOICE, -VOICE]),
    "first of three": matrix.on_channel(3, 0, VOICE),
    "last of three": matrix.on_channel(3, 2, VOICE),
    "fourth of six": matrix.on_channel(6, 3, VOICE),
    "last of eight": matrix.on_channel(8, 7, VOICE),
}


@pytest.mark.parametrize("name", CANCELLED)
def test_channels_without_a_layout_are_heard(tmp_path, name):
    wave = heard(matrix.plain_wav(tmp_path / "a.wav", CANCELLED[name]))
    assert likeness(wave, VOICE) > 0.98
    assert loudness(wave) > loudness(VOICE) - 12


@pytest.mark.parametrize(
    "audio, rate, fmt", [("aac", 48_000, "fltp"), ("libopus", 48_000, "flt"), ("flac", 48_000, "s16")]
)
def test_out_of_phase_stereo_is_heard_after_coding(tmp_path, audio, rate, fmt):
    voice = matrix.voice(rate)
    path = tmp_path / "a.mkv"
    variants.write(path, wave=np.stack([voice, -voice]), audio=audio, rate=rate, layout="stereo", sample_format=fmt)
    wave = heard(path)
    assert likeness(wave, VOICE) > 0.85 and loudness(wave) > loudness(VOICE) - 6


@pytest.mark.parametrize("layout, channel", [("5.1", 3), ("2.1", 2), ("5.1", 4), ("5.1", 0), ("quad", 3)])
def test_speech_on_any_speaker_is_heard(tmp_path, layout, channel):
    voice, n = matrix.voice(48_000), av.AudioLayout(layout).nb_channels
    path, wave = tmp_path / "a.mkv", matrix.on_channel(n, channel, voice)
    variants.write(path, wave=wave, audio="flac", rate=48_000, layout=layout, sample_format="s16")
    assert likeness(heard(path), VOICE) > 0.95


def test_sound_out_of_phase_for_a_while_is_heard_throughout(tmp_path):
    long = np.tile(VOICE, 3)
    other = long.copy()
    other[len(VOICE) : 2 * len(VOICE)] *= -1
    wave = heard(matrix.plain_wav(tmp_path / "a.wav", np.stack([long, other])))
    for k in range(3):
        part = slice(k * len(VOICE), (k + 1) * len(VOICE))
        assert likeness(wave[part], long[part]) > 0.95


def test_ordinary_stereo_is_mixed_as_before(tmp_path):
    left, right = VOICE, 0.5 * VOICE + 0.01 * RNG.standard_normal(len(VOICE)).astype(np.float32)
    path = matrix.plain_wav(tmp_path / "a.wav", np.stack([left, right]))
    np.testing.assert_allclose(heard(path), (left + right) / 2, atol=1e-3)


# --------------------------------------------------------------------------------------------- tracks


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
@pytest.mark.parametrize("quiet", [0.0, 1e-3])
def test_the_audible_of_several_tracks_is_read_and_said(tmp_path, quick, suffix, quiet):
    hiss = (quiet * RNG.standard_normal(len(VOICE))).astype(np.float32)
    path = matrix.tracks(tmp_path / f"a.{suffix}", [hiss, VOICE], variants.pictures())
    assert likeness(heard(path), VOICE) > 0.9
    assert "The clip has 2 sound tracks; only track 2 was read." in quick.utterance(path).notes
    shown = preview.browser_copy(path, tmp_path / "out")
    assert shown != path and likeness(heard(shown), VOICE) > 0.9


def test_of_two_audible_tracks_the_first_is_read_and_the_other_said(tmp_path, quick):
    path = matrix.tracks(tmp_path / "a.mkv", [VOICE, variants.chords(2.0)], variants.pictures())
    assert likeness(heard(path), VOICE) > 0.9
    assert "The clip has 2 sound tracks; only track 1 was read." in quick.utterance(path).notes


def test_tracks_that_are_all_silent_are_silent(tmp_path):
    path = matrix.tracks(tmp_path / "a.mkv", [0 * VOICE, 0 * VOICE])
    assert not heard(path).any() and media.probe(path).audio_track == 1


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
def test_a_still_picture_before_the_moving_ones_is_not_read(tmp_path, quick, suffix):
    moving = variants.pictures()
    still = [(0.0, np.full((240, 320, 3), (0, 0, 255), np.uint8))]
    path = matrix.video_tracks(tmp_path / f"a.{suffix}", [still, moving], VOICE)
    info = media.probe(path)
    assert (info.video_track, info.n_video_tracks, info.width) == (2, 2, moving[0][1].shape[1])
    assert "The clip has 2 video tracks; only track 2 was read." in quick.utterance(path).notes
    alone = matrix.video_tracks(tmp_path / f"b.{suffix}", [moving], VOICE)
    assert len(quick.utterance(path).thumbnails) == len(quick.utterance(alone).thumbnails) > 1
    shown = preview.browser_copy(path, tmp_path / "out")
    assert shown != path and media.probe(shown).width == info.width


def test_of_two_moving_tracks_the_first_is_read_and_the_other_said(tmp_path, quick):
    moving = variants.pictures()
    small = [(t, image[::2, ::2]) for t, image in moving]
    path = matrix.video_tracks(tmp_path / "a.mkv", [moving, small], VOICE)
    assert media.probe(path).width == moving[0][1].shape[1]
    assert "The clip has 2 video tracks; only track 1 was read." in quick.utterance(path).notes


# --------------------------------------------------------------------------------------------- times


@pytest.mark.parametrize("shifts", [(0.0, 91_848.0), (500.0, 0.0), (0.0, 30_000.0, 10.0), (0.0, 0.0, 0.0), (3.0, 1.0)])
def test_broadcast_streams_whose_time_jumps_go_on(tmp_path, shifts):
    path = matrix.joined(tmp_path / "a.ts", shifts)
    info, n = media.probe(path), len(shifts)
    once = media.probe(matrix.copied(variants.REAL, tmp_path / "once.ts", format="mpegts")).duration_s
    assert info.duration_s == pytest.approx(n * once, abs=0.1 * n)
    frames = list(media.frames(path, info))
    times = np.array([t for t, _ in frames])
    assert len(frames) >= 5 * n * 1.9 and np.diff(times).max() < 0.35 and np.diff(times).min() > 0.1
    wave = media.waveform(path, info)
    for k in range(n):
        low = round(k * once * 16_000)
        assert loudness(wave[low : low + 16_000]) == pytest.approx(loudness(VOICE[:16_000]), abs=3)
    shown = media.probe(preview.browser_copy(path, tmp_path / "out"))
    assert shown.duration_s == pytest.approx(info.duration_s, abs=0.1) and shown.start_s == pytest.approx(0, abs=0.05)


def test_a_jump_does_not_pass_the_limit_on_length(tmp_path):
    path = matrix.joined(tmp_path / "a.ts", (0.0, 91_848.0, 5.0))
    with pytest.raises(MediaError, match="the limit is 4 s"):
        media.probe(path, MediaLimits(max_duration_s=4))


STARTS = {
    "a.mkv": lambda p: matrix.copied(variants.REAL, p, 5.0),
    "a.ts": lambda p: matrix.copied(variants.REAL, p, 1.4),
    "a.flv": lambda p: matrix.copied(variants.REAL, p, 3.0),
    "a.webm": lambda p: variants.write(
        p, [(t, variants.resized(i, 180)) for t, i in variants.pictures()[::2]], matrix.voice(48_000),
        video="libvpx", audio="libopus", rate=48_000, fps=15, start_s=7200.0,
    ),
    "fragments.mp4": lambda p: matrix.fragmented(p, 5.0),
    "fragments, pictures later.mp4": lambda p: matrix.fragmented(p, 5.0, images_from_s=0.6),
    "fragments, sound later.mp4": lambda p: matrix.fragmented(p, 5.0, sound_from_s=0.6),
}  # fmt: skip


@pytest.mark.parametrize("name", STARTS)
def test_the_player_s_time_begins_where_the_analysis_begins(tmp_path, name):
    path = tmp_path / name
    STARTS[name](path)
    shown = preview.browser_copy(path, tmp_path / "out")
    before, after = media.probe(path), media.probe(shown)
    assert before.start_s > 1 and after.start_s == pytest.approx(0, abs=0.02) and shown != path
    ours, theirs = (list(media.frames(p, i, fps=30)) for p, i in ((path, before), (shown, after)))
    np.testing.assert_allclose([t for t, _ in theirs], [t for t, _ in ours], atol=0.02)
    assert max(np.abs(a.astype(int) - b).mean() for (_, a), (_, b) in zip(ours, theirs, strict=True)) < 8
    a, b = media.waveform(path, before), media.waveform(shown, after)
    assert likeness(a[:28_000], b[:28_000]) > 0.9


# --------------------------------------------------------------------------------------------- pictures


def every(path: Path) -> list[float]:
    with av.open(str(path)) as c:
        return [f.time for f in c.decode(video=0)]


@pytest.mark.parametrize("n, pyramid", [(2, "none"), (3, "none"), (8, "none"), (16, "none"), (8, "normal")])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_long_runs_of_b_frames_lose_no_picture(tmp_path, suffix, n, pyramid):
    path = matrix.with_b_frames(tmp_path / f"a.{suffix}", n, 24, pyramid)
    info = media.probe(path)
    times = np.array([t for t, _ in media.frames(path, info)])
    due = np.arange(0, every(path)[-1] - info.start_s + 1e-3, 0.2)
    assert len(times) == len(due)
    assert (times - due > -2e-3).all() and (times - due < 1 / 24 + 0.05).all()


def test_packets_without_decoding_times_keep_every_picture(tmp_path):
    path = matrix.copied(variants.REAL, tmp_path / "a.mkv")
    with av.open(str(path)) as c:
        assert any(p.dts is None for p in c.demux(video=0) if p.size), "this matroska has decoding times"
    shown = preview.browser_copy(path, tmp_path / "out")
    np.testing.assert_allclose(every(shown), every(path), atol=0.02)


def test_pictures_of_an_avi_with_b_frames_are_in_order(tmp_path):
    path = tmp_path / "a.avi"
    variants.write(path, variants.pictures(), VOICE, video="mpeg4", audio="libmp3lame", video_options={"bf": "2"})
    info = media.probe(path)
    times = [t for t, _ in media.frames(path, info, fps=30)]
    assert len(times) >= len(variants.pictures()) - 2 and min(np.diff(times)) > 0
    shown = preview.browser_copy(path, tmp_path / "out")
    assert len(every(shown)) >= len(times) - 1


@pytest.mark.parametrize("codec, suffix", [("libvpx", "webm"), ("libx264", "mkv")])
@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_a_clip_that_changes_its_size_keeps_its_pictures(tmp_path, codec, suffix, scale):
    path = matrix.resized_midway(tmp_path / f"a.{suffix}", scale, codec)
    frames = list(media.frames(path, media.probe(path)))
    assert len(frames) == 10 and len({image.shape for _, image in frames}) == 2
    for time_s, image in frames:
        original = min(variants.pictures(), key=lambda p: abs(p[0] - time_s))[1]
        assert np.abs(variants.resized(image, 90).astype(int) - variants.resized(original, 90)).mean() < 10
    shown = preview.browser_copy(path, tmp_path / "out")
    assert len(list(media.frames(shown, media.probe(shown)))) == 10


def untimed(source: Path, out: Path, kinds: range = range(0xC0, 0xF0)) -> Path:
    """Copy a broadcast stream without the times of its packets; kinds: the stream numbers that lose them."""
    data = bytearray(source.read_bytes())
    for at in range(0, len(data), 188):  # packets of a transport stream
        begins, filled = data[at + 1] & 0x40, data[at + 3] & 0x20
        start = at + 4 + (1 + data[at + 4] if filled else 0)
        if begins and data[start : start + 3] == b"\0\0\1" and data[start + 3] in kinds and data[start + 7] & 0xC0:
            data[start + 7] &= 0x3F
            data[start + 9 : start + 9 + data[start + 8]] = b"\xff" * data[start + 8]
    out.write_bytes(data)
    return out


def test_a_broadcast_stream_without_times_is_refused_not_silent(tmp_path):
    source = matrix.copied(variants.REAL, tmp_path / "a.ts", format="mpegts")
    with pytest.raises(MediaError, match="does not say when its video .h264. and audio .* come: it has no times"):
        media.probe(untimed(source, tmp_path / "b.ts"))
    only = media.probe(untimed(source, tmp_path / "c.ts", range(0xE0, 0xF0)))
    assert only.has_audio and not only.has_video and only.undecodable == {"video": "h264"}
    assert only.duration_s == pytest.approx(media.probe(source).duration_s, abs=0.1)
