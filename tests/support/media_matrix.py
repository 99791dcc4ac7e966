"""Clips that say the same as one real talking clip in other ways: every variant has its true times and its original.

Each is built with PyAV from a seeded or fixed source, so the tests need neither ffmpeg nor a network.
"""

from __future__ import annotations

import struct
import wave as wave_file
from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import variants
from variants import RATE, REAL

LONG = variants.EXAMPLES / "grid_lbax4n.mp4"  # 3 s at 25 frames a second
Packets = list[Any]


def copied(source: Path, out: Path, shift_s: float = 0.0, **settings: Any) -> Path:
    """Rewrite the packets of a clip, undecoded, in another container, `shift_s` later."""
    with av.open(str(source)) as c, av.open(str(out), "w", **settings) as target:
        streams = {s.index: target.add_stream_from_template(s) for s in c.streams}
        for packet in c.demux():
            if packet.size:
                moved = round(shift_s / packet.time_base)
                packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    return out


def with_b_frames(out: Path, n: int, fps: int = 24, pyramid: str = "none", source: Path = LONG) -> Path:
    """Encode pictures with runs of exactly `n` B-frames, `fps` a second."""
    images, sound = variants.pictures(source), variants.sound(source)
    times = np.arange(0, images[-1][0], 1 / fps)
    nearest = [min(images, key=lambda p: abs(p[0] - t))[1] for t in times]
    params = f"bframes={n}:b-pyramid={pyramid}:b-adapt=0:keyint=250:scenecut=0:ref=4"
    return variants.write(
        out, zip(times.tolist(), nearest, strict=True), sound, fps=fps, video_options={"x264-params": params}
    )


def resized_midway(out: Path, scale: float, codec: str = "libvpx", source: Path = REAL) -> Path:
    """Change the size of the pictures in the middle, as WebRTC does: one stream, a key frame where it changes."""
    images = variants.pictures(source)
    half = len(images) // 2
    height = images[0][1].shape[0]
    parts = [images[:half], [(t, variants.resized(i, round(height * scale) // 2 * 2)) for t, i in images[half:]]]
    options = {"deadline": "realtime", "cpu-used": "8"} if codec == "libvpx" else {"preset": "ultrafast"}
    packets: Packets = []
    with av.open(str(out), "w") as target:
        stream = target.add_stream(codec, rate=30, options=options)
        stream.height, stream.width, stream.pix_fmt = *images[0][1].shape[:2], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for part in parts:
            encoder = av.CodecContext.create(codec, "w")
            encoder.height, encoder.width, encoder.pix_fmt = *part[0][1].shape[:2], "yuv420p"
            encoder.time_base, encoder.options, encoder.framerate = Fraction(1, 1000), options, Fraction(30)
            encoder.bit_rate, encoder.thread_count = 1_000_000, 1
            for time_s, image in part:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
                packets += encoder.encode(frame)
            packets += encoder.encode(None)
        for packet in packets:
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            target.mux(packet)
    return out


def joined(out: Path, shifts_s: Iterable[float], source: Path = REAL) -> Path:
    """Concatenate broadcast streams of one clip, each beginning at its own time."""
    parts = []
    for number, shift_s in enumerate(shifts_s):
        part = copied(source, out.with_suffix(f".{number}.ts"), shift_s, format="mpegts")
        parts.append(part.read_bytes())
        part.unlink()
    out.write_bytes(b"".join(parts))
    return out


def fragmented(out: Path, start_s: float, images_from_s: float = 0.0, sound_from_s: float = 0.0) -> Path:
    """Write the clip in fragments, as a stream of segments has them: without edit list, its times in the fragments.

    Args:
        start_s: time of the clip's begin.
        images_from_s: the pictures before it are left out, the others keep their times; the same of the sound.
    """
    images = [(t - images_from_s, image) for t, image in variants.pictures() if t >= images_from_s]
    wave = voice()[round(sound_from_s * RATE) :]
    params = {"x264-params": "bframes=2:b-pyramid=none:keyint=15:scenecut=0"}
    flags = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    variants.write(out, images, wave, video_options=params, options=flags)
    raw, starts = bytearray(out.read_bytes()), (start_s + images_from_s, start_s + sound_from_s)
    scales = [struct.unpack_from(">I", raw, at + 12)[0] for at in _boxes(raw, b"moov", b"trak", b"mdia", b"mdhd")]
    tracks = [struct.unpack_from(">I", raw, at + 4)[0] - 1 for at in _boxes(raw, b"moof", b"traf", b"tfhd")]
    times = _boxes(raw, b"moof", b"traf", b"tfdt")
    assert len(scales) == 2 and len(tracks) == len(times) > 4
    for track, at in zip(tracks, times, strict=True):  # ffmpeg begins every track at 0
        assert raw[at] == 1, "a time of 64 bits"
        time = struct.unpack_from(">Q", raw, at + 4)[0] + round(starts[track] * scales[track])
        struct.pack_into(">Q", raw, at + 4, time)
    out.write_bytes(raw)
    return out


def _boxes(raw: bytearray, *path: bytes, low: int = 0, high: int | None = None) -> list[int]:
    """Find the content of the boxes of an mp4 at a path of kinds."""
    found, high = list[int](), len(raw) if high is None else high
    while low < high:
        size, kind = struct.unpack_from(">I4s", raw, low)
        if kind == path[0]:
            inside = _boxes(raw, *path[1:], low=low + 8, high=low + size) if path[1:] else [low + 8]
            found += inside
        low += size
    return found


def tracks(out: Path, waves: list[np.ndarray], images: list[Any] | None = None, codec: str = "aac") -> Path:
    """Write several sound tracks beside the pictures."""
    return _muxed(out, [images] if images else [], waves, codec)


def video_tracks(out: Path, tracks_: list[list[Any]], wave: np.ndarray) -> Path:
    """Write several tracks of pictures, the first the default one, beside the sound."""
    return _muxed(out, tracks_, [wave], "aac")


def _muxed(out: Path, pictures: list[list[Any]], waves: list[np.ndarray], codec: str) -> Path:
    """Write tracks of pictures and of sound; of several tracks of pictures the first is the default one."""
    with av.open(str(out), "w") as c:
        packets: Packets = []
        streams = []
        for number, images in enumerate(pictures):
            video = c.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
            video.height, video.width, video.pix_fmt = *images[0][1].shape[:2], "yuv420p"
            video.codec_context.time_base = Fraction(1, 1000)
            if len(pictures) > 1:
                video.disposition = av.stream.Disposition.default if number == 0 else 0
            streams.append(video)
        voices = [c.add_stream(codec, rate=RATE, layout="mono") for _ in waves]
        for video, images in zip(streams, pictures, strict=True):
            for time_s, image in images:
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
                packets += video.encode(frame)
            packets += video.encode(None)
        for voice_, wave in zip(voices, waves, strict=True):
            for frame in variants._sound_frames(wave[None], "mono", RATE, 0.0, "fltp"):
                packets += voice_.encode(frame)
            packets += voice_.encode(None)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            c.mux(packet)
    return out


def plain_wav(out: Path, channels: np.ndarray, rate: int = RATE) -> Path:
    """Write (C, N) as 16-bit PCM without saying which channel is where."""
    with wave_file.open(str(out), "wb") as f:
        f.setnchannels(len(channels))
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes((np.clip(channels, -1, 1) * 32767).astype("<i2").T.tobytes())
    return out


def on_channel(n: int, channel: int, wave: np.ndarray) -> np.ndarray:
    """Return (n, N) with the sound on one channel."""
    out = np.zeros((n, len(wave)), np.float32)
    out[channel] = wave
    return out


@cache
def voice(rate: int = RATE) -> np.ndarray:
    """The sound of the original."""
    return variants.sound(rate=rate)
