"""Recordings joined end to end: read on where the codecs allow it, refused where only the first would be read."""

from __future__ import annotations

from pathlib import Path

import media_matrix as matrix
import numpy as np
import pytest
import variants
from sounds import correlations

from msa_core import media
from msa_core.errors import MediaError
from msa_core.page import preview

FRAGMENTS = {"options": {"movflags": "frag_keyframe+empty_moov+default_base_moof"}}


def joined(out: Path, *parts: Path) -> Path:
    out.write_bytes(b"".join(part.read_bytes() for part in parts))
    return out


def recorded(out: Path, source: Path, audio: str = "libopus") -> Path:
    """Write a clip as a browser records it."""
    images = [(t, variants.resized(image, 180)) for t, image in variants.pictures(source)[::3]]
    return variants.write(out, images, variants.sound(source, 48_000), video="libvpx", audio=audio, rate=48_000, fps=10)


@pytest.mark.parametrize("order", [(variants.REAL, variants.OTHER), (variants.OTHER, variants.REAL)])
def test_pictures_and_sound_of_a_recorder_that_was_restarted_stay_together(tmp_path, order):
    parts = [recorded(tmp_path / f"{n}.webm", source) for n, source in enumerate(order)]
    path = joined(tmp_path / "two.webm", *parts)
    infos = [media.probe(part) for part in parts]
    info = media.probe(path)
    assert info.duration_s == pytest.approx(sum(i.duration_s for i in infos), abs=0.1)
    second = media.waveform(parts[1], infos[1])
    heard = correlations(media.waveform(path, info), second[:24_000])
    assert heard.max() > 0.95 and int(heard.argmax()) / 16_000 == pytest.approx(infos[0].duration_s, abs=0.1)
    shown = [(t - infos[0].duration_s, image) for t, image in media.frames(path, info)]
    after = [image for t, image in shown if t > 0.1]
    alone = [image for _, image in media.frames(parts[1], infos[1])]
    assert min(np.abs(after[3].astype(int) - image).mean() for image in alone) < 3
    copy = preview.browser_copy(path, tmp_path / "out")
    assert copy != path and media.probe(copy).duration_s == pytest.approx(info.duration_s, abs=0.1)


@pytest.mark.parametrize("rates", [(44_100, 16_000), (16_000, 48_000), (16_000, 16_000)])
def test_plain_aac_of_several_rates_is_read_in_full(tmp_path, rates):
    parts = [
        variants.write(tmp_path / f"{n}.aac", wave=variants.sound(rate=rate), audio="aac", rate=rate, format="adts")
        for n, rate in enumerate(rates)
    ]
    path = joined(tmp_path / "two.aac", *parts)
    info, once = media.probe(path), media.probe(parts[0]).duration_s
    assert info.duration_s == pytest.approx(2 * once, abs=0.15)
    second = correlations(media.waveform(path, info)[round(once * 16_000) - 2000 :], matrix.voice()[4000:24_000])
    assert second.max() > 0.95


def voice(name: str, codec: str, rate: int = 16_000, fmt: str = "s16"):
    return lambda p: variants.write(p / name, wave=variants.sound(rate=rate), audio=codec, rate=rate, sample_format=fmt)


def film(name: str, **settings):
    return lambda p: variants.write(p / name, variants.pictures()[::6], matrix.voice(), fps=5, **settings)


ONLY_THE_FIRST = {
    "ogg": voice("a.ogg", "libopus", 48_000, "flt"),
    "flac": voice("a.flac", "flac"),
    "wav": voice("a.wav", "pcm_s16le"),
    "aiff": voice("a.aiff", "pcm_s16be"),
    "caf": voice("a.caf", "pcm_s16le"),
    "mp4": film("a.mp4"),
    "fragments": film("a.mp4", **FRAGMENTS),
    "avi": film("a.avi", video="mpeg4", audio="libmp3lame"),
    "flv": film("a.flv"),
}


@pytest.mark.parametrize("kind", ONLY_THE_FIRST)
def test_recordings_of_which_only_the_first_would_be_read_are_refused(tmp_path, kind):
    part = ONLY_THE_FIRST[kind](tmp_path)
    assert media.probe(part).duration_s == pytest.approx(1.95, abs=0.3)
    with pytest.raises(MediaError, match="holds 3 recordings joined end to end, and only the first can be read. Give"):
        media.probe(joined(tmp_path / f"three{part.suffix}", part, part, part))


def test_parts_whose_streams_differ_are_refused(tmp_path):
    webm = recorded(tmp_path / "a.webm", variants.REAL)
    sound = variants.write(tmp_path / "b.webm", wave=variants.sound(rate=48_000), audio="libopus", rate=48_000)
    film_ts = matrix.copied(variants.REAL, tmp_path / "a.ts", format="mpegts")
    sound_ts = variants.write(tmp_path / "b.ts", wave=matrix.voice(), audio="aac", format="mpegts")
    for name, parts in (("c.webm", (webm, sound)), ("c.ts", (film_ts, sound_ts)), ("d.ts", (sound_ts, film_ts))):
        with pytest.raises(MediaError, match="holds 2 recordings joined end to end"):
            media.probe(joined(tmp_path / name, *parts))


def test_fragments_that_begin_with_a_copy_of_the_table_are_one_recording(tmp_path):
    whole = matrix.fragmented(tmp_path / "a.mp4", 5.0).read_bytes()
    first = whole.index(b"moof") - 4
    size = int.from_bytes(whole[first : first + 4], "big")
    data = first + size
    cut = data + int.from_bytes(whole[data : data + 4], "big")  # after the first fragment
    again = tmp_path / "b.mp4"
    again.write_bytes(whole[:cut] + whole[:first] + whole[cut:])
    assert media.probe(again).duration_s == pytest.approx(media.probe(tmp_path / "a.mp4").duration_s, abs=0.05)
