"""Files that made the program fail: each is read or refused in a sentence, and no run of many clips ends by one."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import variants

from msa_core import media
from msa_core.errors import MediaError, fault
from msa_core.evaluation import sample_clips
from msa_core.media import opening, pictures
from msa_core.page import preview
from msa_core.schema import Thumbnail
from msa_core.views import clip as clip_view

SMALL = [np.ascontiguousarray(variants.resized(image, 120)) for _, image in variants.pictures()[:5]]


def exif(orientation: int) -> bytes:
    """A JPEG's segment that says how the camera was held."""
    tag = struct.pack("<IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0II*\0" + tag
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def stills(out: Path, codec: str, pixels: str, images: list[np.ndarray], segment: bytes = b"") -> Path:
    """A video of still pictures one after another; `segment` goes behind the first two bytes of each."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.height, encoder.width = images[0].shape[:2]
    encoder.pix_fmt, encoder.time_base = pixels, Fraction(1, 10)
    with av.open(str(out), "w") as target:
        stream: Any = target.add_stream(codec, rate=10)
        stream.height, stream.width, stream.pix_fmt = encoder.height, encoder.width, pixels
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            for coded in encoder.encode(frame):
                data = bytes(coded)
                packet = av.Packet(data[:2] + segment + data[2:])
                packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 10)
                target.mux(packet)
    return out


@pytest.mark.parametrize("orientation, quarters", [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_a_motion_jpeg_with_exif_is_read_upright(tmp_path: Path, orientation: int, quarters: int) -> None:
    clip = stills(tmp_path / "a.avi", "mjpeg", "yuvj420p", SMALL, exif(orientation))
    info = media.probe(clip)
    shown = [image for _, image in media.frames(clip, info, fps=10)]
    expected = np.rot90(SMALL[0], quarters)
    assert len(shown) == 5 and shown[0].shape == expected.shape == (info.height, info.width, 3)
    assert np.abs(shown[0].astype(float) - expected).mean() < 4
    preview.browser_copy(clip, tmp_path)


def test_a_tiff_in_mov_is_read_or_refused(tmp_path: Path) -> None:
    for pixels in ("rgb24", "rgb48le", "pal8", "monoblack", "gray16le"):
        try:
            clip = stills(tmp_path / f"{pixels}.mov", "tiff", pixels, SMALL)
        except (av.FFmpegError, ValueError):
            continue  # this FFmpeg writes none
        try:
            assert all(image.dtype == np.uint8 for _, image in media.frames(clip, media.probe(clip)))
        except MediaError as e:
            assert clip.name in str(e)


@pytest.mark.parametrize("shape", [(1, 640), (2, 3000), (640, 1), (7, 320), (180, 320)])
def test_a_picture_of_any_shape_is_drawn(shape: tuple[int, int]) -> None:
    shot = Thumbnail(0.0, np.full((*shape, 3), 200, np.uint8), (0, 0, 1, 1), 0.5)
    drawn = clip_view.boxed(shot)
    assert drawn.shape[0] == clip_view.FRAME_HEIGHT and drawn.shape[1] <= 8 * clip_view.FRAME_HEIGHT
    assert (drawn > 150).any(), "the picture itself is lost"
    assert clip_view.picture(drawn).startswith("data:image/jpeg;base64,")


def test_a_picture_that_cannot_be_converted_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    convert, numbers = pictures.Scaler.__call__, iter(range(100))

    def some(self: Any, *args: Any) -> Any:
        if next(numbers) == 1:
            raise av.error.InvalidDataError(1, "odd pixels")
        return convert(self, *args)

    monkeypatch.setattr(pictures.Scaler, "__call__", some)
    monkeypatch.setenv("MSA_MEDIA_PROCESS", "0")
    times = [t for t, _ in media.frames(variants.REAL, media.probe(variants.REAL))]
    assert len(times) >= 9 and times[1] == pytest.approx(0.23, abs=0.03)


@pytest.mark.parametrize("error", [ValueError("31 is not a valid Type"), AssertionError(), OverflowError("x")])
def test_what_pyav_raises_is_a_sentence(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise error

    info = media.probe(variants.REAL)
    monkeypatch.setenv("MSA_MEDIA_PROCESS", "0")
    for module, function in ((opening, "main_streams"), (pictures, "matrix")):
        monkeypatch.setattr(module, function, broken)
    with pytest.raises(MediaError, match=f"{variants.REAL.name} cannot be decoded .{type(error).__name__}"):
        list(media.frames(variants.REAL, info))
    with pytest.raises(MediaError, match="cannot be decoded"):
        media.waveform(variants.REAL, info)


def test_a_fault_with_one_clip_is_a_row_of_the_table(tmp_path: Path) -> None:
    def read(*_: Any) -> Any:
        raise AssertionError("drawing failed")

    for reads, n in ((False, 3), (True, 4)):  # what is left alone: the voice with and without simulated text
        analyser: Any = SimpleNamespace(extract=read, reads_simulated_text=lambda _, reads=reads: reads)
        alone = sample_clips._alone(analyser, "sdumc")
        row = sample_clips._row(analyser, tmp_path / "a.mp4", "sdumc", alone)
        assert row == ["a.mp4", *["-"] * (2 + n), fault(AssertionError("drawing failed")), ""]
