"""Small files that ask for much: tables without end, absurd rates, thousands of large pictures."""

from __future__ import annotations

import struct
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of mov and mp4."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, *parts: bytes) -> bytes:
    """A box with a version and flags, all 0."""
    return box(kind, b"\0" * 4, *parts)


def table(out: Path, n: int, chunks: int = 7000) -> Path:
    """A mov of 32 kB that says it holds `n` pictures, for each of which FFmpeg makes an entry while it opens it."""
    square = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    mvhd = full(b"mvhd", struct.pack(">IIIIIH10x", 0, 0, 1000, 1000, 0x10000, 0x100), square, b"\0" * 24, b"\0\0\0\2")
    tkhd = box(b"tkhd", b"\0\0\0\7", struct.pack(">IIIII24x", 0, 0, 1, 0, 1000)[:36], square, b"\0" * 8)
    mdhd = full(b"mdhd", struct.pack(">IIIIHH", 0, 0, 8000, 8000, 0x55C4, 0))
    hdlr = full(b"hdlr", struct.pack(">I4s12x", 0, b"vide"), b"x\0")
    size = struct.pack(">6xH16xHHIIIH32xHh", 1, 64, 64, 0x480000, 0x480000, 0, 1, 24, -1)
    stbl = box(
        b"stbl",
        full(b"stsd", struct.pack(">I", 1), box(b"jpeg", size)),
        full(b"stts", struct.pack(">III", 1, n, 1)),
        full(b"stsc", struct.pack(">IIII", 1, 1, n // chunks, 1)),
        full(b"stsz", struct.pack(">II", 4000, n)),
        full(b"stco", struct.pack(f">I{chunks}I", chunks, *[100] * chunks)),
    )
    dref = full(b"dref", struct.pack(">I", 1), box(b"url ", b"\0\0\0\1"))
    minf = box(b"minf", full(b"vmhd", b"\0" * 8), box(b"dinf", dref), stbl)
    moov = box(b"moov", mvhd, box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, minf)))
    out.write_bytes(box(b"ftyp", b"qt  \0\0\2\0qt  ") + box(b"mdat", b"\0" * 4000) + moov)
    return out


def wav(out: Path, rate: int, n: int, channels: int = 1, data: bytes | None = None) -> Path:
    """A 16-bit wav of `n` samples at any rate."""
    data = b"\0\x20\0\xe0" * (n * channels // 2) if data is None else data
    head = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2 % 2**32, channels * 2 % 2**16, 16)
    body = b"WAVEfmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", len(data)) + data
    out.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return out


@cache
def _coded(codec: str, pixels: str, width: int, height: int) -> bytes:
    """One flat picture."""
    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, pixels, Fraction(1, 30)
    encoder.options = {"preset": "ultrafast", "crf": "51"} if codec == "libx264" else {}
    frame = av.VideoFrame(width, height, pixels)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.pts = 0
    return b"".join(bytes(p) for p in encoder.encode(frame) + encoder.encode(None))


PIXELS = {"libx264": "yuv420p", "png": "monob", "gif": "rgb8", "mjpeg": "yuvj420p"}


def repeated(out: Path, codec: str, width: int, height: int, n: int, fps: int) -> Path:
    """A video of `n` pictures that are all the same and cost nothing to store."""
    data, tick = _coded(codec, PIXELS[codec], width, height), Fraction(1, fps)
    with av.open(str(out), "w") as target:
        stream: Any = target.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, PIXELS[codec]
        for i in range(n):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts, packet.time_base, packet.is_keyframe = stream, i, i, tick, True
            target.mux(packet)
    return out


def peak_bytes(pids: list[int]) -> int:
    """The most memory that a process has had; 0 where the system does not tell."""
    found = [0]
    for pid in pids:
        status = Path(f"/proc/{pid}/status")
        if status.is_file():
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            found.append(int(lines.get("VmHWM", "0 kB").split()[0]) * 1024)
    return max(found)
