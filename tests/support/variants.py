"""Clips for tests, each derived from one real talking clip with PyAV: containers, codecs, defects."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from paths import EXAMPLES

REAL = EXAMPLES / "crema_happy.mp4"
OTHER = EXAMPLES / "grid_lrwp9a.mp4"
RATE = 16_000

Picture = tuple[float, np.ndarray]
Builder = Callable[[Path], Any]


@cache
def pictures(path: Path = REAL) -> list[Picture]:
    """Decode all frames as (time in s, RGB uint8)."""
    with av.open(str(path)) as c:
        return [(f.time, f.to_ndarray(format="rgb24")) for f in c.decode(video=0)]


@cache
def sound(path: Path = REAL, rate: int = RATE) -> np.ndarray:
    """Decode the sound as (N,) float32 mono."""
    resampler = av.AudioResampler("fltp", "mono", rate)
    with av.open(str(path)) as c:
        pieces = [p for f in c.decode(audio=0) for p in resampler.resample(f)] + resampler.resample(None)
    return np.concatenate([p.to_ndarray()[0] for p in pieces])


def write(
    out: Path | io.IOBase,
    images: Iterable[Picture] = (),
    wave: np.ndarray | None = None,
    *,
    video: str = "libx264",
    audio: str = "aac",
    rate: int = RATE,
    layout: str = "mono",
    fps: int = 30,
    sample_format: str = "fltp",
    start_s: float = 0.0,
    video_options: dict[str, str] | None = None,
    **settings: Any,
) -> Any:
    """Mux `images` and `wave` ((N,) mono or (C, N)) into `out`. Settings go to the muxer."""
    images = iter(images)
    first = next(images, None)
    with av.open(out if isinstance(out, io.IOBase) else str(out), "w", **settings) as c:
        packets = []
        if first is not None:
            fast = (
                {"preset": "ultrafast"}
                if video in ("libx264", "libx265")
                else {"deadline": "realtime", "cpu-used": "8"}
            )
            fast |= {"x265-params": "log-level=none"} if video == "libx265" else {}
            v = c.add_stream(video, rate=fps, options=fast if video.startswith("lib") else {})
            v.codec_context.thread_count = 1
            v.height, v.width, v.pix_fmt = *first[1].shape[:2], "rgb8" if video == "gif" else "yuv420p"
            tick = Fraction(1, fps) if video == "mpeg4" else Fraction(1, 1000)
            v.codec_context.time_base = tick
            v.codec_context.options = {**v.codec_context.options, **(video_options or {})}
        if wave is not None:
            a = c.add_stream(audio, rate=rate, layout=layout)
            wave = np.atleast_2d(wave)
            wave = wave if len(wave) > 1 else np.repeat(wave, a.codec_context.layout.nb_channels, 0)
            packets += [p for f in _sound_frames(wave, layout, rate, start_s, sample_format) for p in a.encode(f)]
            packets += a.encode(None)
        if first is not None:
            for time_s, image in _chain(first, images):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                frame.pts, frame.time_base = round((time_s + start_s) / tick), tick
                packets += v.encode(frame)
            packets += v.encode(None)
        for p in sorted(packets, key=lambda p: p.dts * p.time_base):
            c.mux(p)
    return out


def _chain(first: Picture, rest: Iterator[Picture]) -> Iterator[Picture]:
    yield first
    yield from rest


def _sound_frames(wave: np.ndarray, layout: str, rate: int, start_s: float, fmt: str) -> Iterator[av.AudioFrame]:
    size = 960
    for i in range(0, wave.shape[1], size):
        piece = np.ascontiguousarray(wave[:, i : i + size], dtype=np.float32)
        if fmt == "s16":
            piece = (np.clip(piece, -1, 1) * 32767).astype(np.int16).T.reshape(1, -1)
        elif fmt == "flt":
            piece = piece.T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format=fmt, layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, i + round(start_s * rate), Fraction(1, rate)
        yield frame


class _Pipe(io.RawIOBase):
    """A sink that cannot seek, as a browser's recorder: the container never learns its duration."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += bytes(data)
        return len(data)


def tilted(raw: bytes, degrees: int) -> bytes:
    """The mp4 with the display matrix of its first (video) track turned clockwise by 90, 180 or 270 degrees."""
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    one, at = 1 << 16, raw.index(b"tkhd") + 4 + 40  # version 0: 40 bytes from its flags to the matrix
    matrix = struct.pack(">9i", cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 1 << 30)
    return raw[:at] + matrix + raw[at + 36 :]


def _beside(a: list[Picture], b: list[Picture], height: int = 288) -> Iterator[Picture]:
    """Two clips side by side, the first at full height."""
    for (t, x), (_, y) in zip(a, b, strict=False):
        x, y = (resized(i, height) for i in (x, y))
        yield t, np.concatenate([x, y], 1)[:, : (x.shape[1] + y.shape[1]) // 2 * 2]


def resized(image: np.ndarray, height: int) -> np.ndarray:
    width = round(image.shape[1] * height / image.shape[0]) // 2 * 2
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    return frame.reformat(width, height, "rgb24", interpolation="BICUBIC").to_ndarray()


def chords(seconds: float = 4.0, rate: int = RATE) -> np.ndarray:
    """Music: a four-chord progression of decaying harmonics with a bass."""
    t = np.arange(int(seconds * rate)) / rate
    out = np.zeros_like(t)
    for k, notes in enumerate([(0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14)] * int(np.ceil(seconds / 4))):
        here = t - k
        on = (here >= 0) & (here < 1)
        for n in (*notes, notes[0] - 12):
            hz = 220 * 2 ** (n / 12)
            tone = sum(np.sin(2 * np.pi * hz * h * here) / h**2 for h in (1, 2, 3, 4))
            out += np.where(on, tone * np.exp(-2 * here.clip(0)), 0)
    return (0.15 * out).astype(np.float32)


def _black(images: list[Picture]) -> Iterator[Picture]:
    return ((t, np.zeros_like(x)) for t, x in images)


def _large(images: list[Picture]) -> Iterator[Picture]:
    """4K: 3840 x 2160 with the clip in the middle."""
    return ((t, np.pad(resized(x, 2160), ((0, 0), (480, 480), (0, 0)))) for t, x in images)


def _uneven(images: list[Picture]) -> list[Picture]:
    """Variable frame rate: 30 a second, then 7.5, then 15."""
    n = len(images) // 3
    return images[:n] + images[n : 2 * n : 4] + images[2 * n :: 2]


def _with_gap(out: Path) -> Path:
    """One second of speech, one second of nothing at all (no packets), the rest of the speech."""
    wave = sound()
    with av.open(str(out), "w") as c:
        a = c.add_stream("libopus", rate=48_000, layout="mono")
        resampler = av.AudioResampler("flt", "mono", 48_000)
        for f in _sound_frames(wave[None], "mono", RATE, 0.0, "fltp"):
            for piece in resampler.resample(f):
                c.mux(a.encode(piece))
        for p in a.encode(None):
            c.mux(p)
    raw = out.with_suffix(".nogap.mkv")
    out.replace(raw)
    with av.open(str(raw)) as source, av.open(str(out), "w") as c:
        copy = c.add_stream_from_template(source.streams[0])
        for p in source.demux(source.streams[0]):
            if p.dts is None:
                continue
            if p.pts * p.time_base >= 1:
                p.pts, p.dts = p.pts + int(1 / p.time_base), p.dts + int(1 / p.time_base)
            p.stream = copy
            c.mux(p)
    raw.unlink()
    return out


def _cover(out: Path) -> Path:
    """An mp3 with a picture of its album (ID3 APIC frame written by hand)."""
    write(out, wave=sound(rate=44_100), audio="libmp3lame", rate=44_100)
    with av.open(str(REAL)) as c:
        image = next(c.decode(video=0))
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 480, 360, "yuvj420p", Fraction(1, 25)
    jpeg = b"".join(bytes(p) for p in [*encoder.encode(image.reformat(format="yuvj420p")), *encoder.encode(None)])
    body = b"\x00image/jpeg\x00\x03\x00" + jpeg
    tag = b"APIC" + struct.pack(">I", len(body)) + b"\x00\x00" + body
    size = bytes((len(tag) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    raw = out.read_bytes()
    old = 10 + sum((b & 0x7F) << s for b, s in zip(raw[6:10], (21, 14, 7, 0), strict=True)) if raw[:3] == b"ID3" else 0
    out.write_bytes(b"ID3\x03\x00\x00" + size + tag + raw[old:])
    return out


def _still(out: Path, codec: str, pixels: str) -> Path:
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 480, 360, pixels, Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(pictures()[0][1], format="rgb24").reformat(format=pixels)
    out.write_bytes(b"".join(bytes(p) for p in [*encoder.encode(frame), *encoder.encode(None)]))
    return out


def _piped(out: Path) -> Path:
    pipe, small = _Pipe(), ((t, resized(x, 180)) for t, x in pictures()[::2])  # libvpx is slow at vp8
    write(
        pipe, small, sound(), video="libvpx", audio="libopus", rate=RATE, fps=15, format="webm", options={"live": "1"}
    )
    out.write_bytes(bytes(pipe.data))
    return out


def _bytes(out: Path, raw: bytes) -> Path:
    out.write_bytes(raw)
    return out


def _centre(wave: np.ndarray) -> np.ndarray:
    """5.1 with the voice in the centre channel, as a film has it."""
    out = np.zeros((6, len(wave)), np.float32)
    out[2] = wave
    return out


def _holes(raw: bytes) -> bytes:
    """The clip with stretches of its media data overwritten."""
    data, rng = bytearray(raw), np.random.default_rng(1)
    start = raw.index(b"mdat") + 2000
    for at in range(start, start + 30_000, 6000):
        data[at : at + 300] = rng.bytes(300)
    return bytes(data)


def _raw(data: bytes | str) -> Builder:
    return lambda p: _bytes(p, data.encode() if isinstance(data, str) else data)


def _film(**settings: Any) -> Builder:
    """The clip's pictures and sound, encoded anew."""
    return lambda p: write(p, pictures(), sound(rate=settings.get("rate", RATE)), **settings)


def _voice(audio: str, rate: int, **settings: Any) -> Builder:
    """The clip's sound alone."""
    return lambda p: write(p, wave=sound(rate=rate), audio=audio, rate=rate, **settings)


def _tilt(degrees: int) -> Builder:
    return lambda p: _bytes(p, tilted(_film()(p).read_bytes(), degrees))


BUILDERS: dict[str, Builder] = {
    # containers and codecs
    "hevc.mp4": _film(video="libx265"),
    "h264.mov": _film(),
    "mpeg4.avi": _film(video="mpeg4", audio="libmp3lame", rate=44_100),
    "h264.mkv": _film(),
    "vp9.webm": _film(video="libvpx-vp9", audio="libopus", rate=48_000),
    "recorded.webm": _piped,
    "moving.gif": lambda p: write(p, pictures()[::6], video="gif", fps=5),
    # time and geometry
    "uneven.mp4": lambda p: write(p, _uneven(pictures()), sound()),
    "late.mkv": _film(start_s=5.0),
    "4k.mp4": lambda p: write(p, _large(pictures()[:18:6]), fps=5),
    "turned90.mp4": _tilt(90),
    "turned180.mp4": _tilt(180),
    "turned270.mp4": _tilt(270),
    # sound
    "8k.wav": _voice("pcm_s16le", 8000, sample_format="s16"),
    "11k.wav": _voice("pcm_s16le", 11_025, sample_format="s16"),
    "96k.wav": _voice("pcm_s16le", 96_000, sample_format="s16"),
    "sound.flac": _voice("flac", 48_000, sample_format="s16"),
    "sound.mp3": _voice("libmp3lame", 44_100),
    "sound.m4a": _voice("aac", 44_100, format="mp4"),
    "sound.opus": _voice("libopus", 48_000, format="ogg"),
    "stereo.mp4": lambda p: write(p, pictures(), np.stack([sound(), 0 * sound()]), layout="stereo"),
    "surround.mkv": lambda p: write(
        p, wave=_centre(sound(rate=48_000)), audio="flac", rate=48_000, layout="5.1", sample_format="s16"
    ),
    "gap.mkv": _with_gap,
    "cover.mp3": _cover,
    # modalities
    "mute.mp4": lambda p: write(p, pictures()),
    "silent.mp4": lambda p: write(p, pictures(), 0 * sound()),
    "black.mp4": lambda p: write(p, _black(pictures()), sound()),
    "black and silent.mp4": lambda p: write(p, _black(pictures()), 0 * sound()),
    "one frame.mp4": lambda p: write(p, pictures()[:1]),
    "music.wav": lambda p: write(p, wave=chords(), audio="pcm_s16le", sample_format="s16"),
    "two faces.mp4": lambda p: write(p, _beside(pictures(), pictures(OTHER)), sound()),
    "Ein schöner Tag 🎬 (1).mp4": lambda p: _bytes(p, REAL.read_bytes()),
    # defects
    "cut.mp4": lambda p: _bytes(p, _film(options={"movflags": "faststart"})(p).read_bytes()[:-12_000]),
    "cut.webm": lambda p: _bytes(p, _piped(p).read_bytes()[:-10_000]),
    "no index.mp4": lambda p: _bytes(p, REAL.read_bytes()[: REAL.stat().st_size // 2]),
    "holes.mp4": lambda p: _bytes(p, _holes(REAL.read_bytes())),
    "nan.wav": lambda p: write(p, wave=np.full(RATE, np.nan, np.float32), audio="pcm_f32le", sample_format="flt"),
    "header only.mkv": lambda p: _bytes(p, _film()(p).read_bytes()[:700]),
    "empty.mp4": _raw(b""),
    "text.mp4": _raw("this is not a video\n" * 100),
    "noise.mp4": _raw(np.random.default_rng(0).bytes(50_000)),
    "photo.png": lambda p: _still(p, "png", "rgb24"),
    "photo.jpg": lambda p: _still(p, "mjpeg", "yuvj420p"),
    # text that names other files or addresses
    "playlist.mp4": _raw(f"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:2,\n{REAL}\n#EXT-X-ENDLIST\n"),
    "concat.mp4": _raw(f"ffconcat version 1.0\nfile '{REAL}'\n"),
    "session.mp4": _raw("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"),
}
