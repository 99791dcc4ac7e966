"""Hostile media, all made from a seed: broken containers, bombs, absurd facts, other kinds of files, odd names.

`PYTHONPATH=.:tests/support:tests/hostile python tests/hostile/hostile_media.py FOLDER` writes them.
"""

from __future__ import annotations

import io
import random
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import bombs
import numpy as np
import variants

SEED = 20
TONE = np.sin(np.arange(16_000) * 0.1).astype(np.float32) * 0.4  # 1 s
SIDE = 64
PICTURES = [(i / 10, np.full((SIDE, SIDE, 3), 20 * i, np.uint8)) for i in range(10)]
KINDS: dict[str, dict[str, Any]] = {  # suffix -> how it is written; without "video" it is sound alone
    "mp4": {"video": "libx264", "audio": "aac"},
    "mov": {"video": "mpeg4", "audio": "pcm_s16le", "fps": 10, "sample_format": "s16"},
    "mkv": {"video": "libx264", "audio": "flac", "sample_format": "s16"},
    "webm": {"video": "libvpx", "audio": "libopus", "rate": 48_000, "sample_format": "flt"},
    "avi": {"video": "mpeg4", "audio": "pcm_s16le", "fps": 10, "sample_format": "s16"},
    "flv": {"video": "libx264", "audio": "aac", "rate": 44_100},
    "ts": {"video": "libx264", "audio": "aac"},
    "mpg": {"audio": "mp2", "rate": 44_100, "sample_format": "s16"},
    "gif": {"video": "gif", "audio": None},
    "asf": {"video": "mpeg4", "audio": "aac", "fps": 10},
    "ogg": {"audio": "libopus", "rate": 48_000, "sample_format": "flt"},
    "wav": {"audio": "pcm_s16le", "sample_format": "s16"},
    "flac": {"audio": "flac", "sample_format": "s16"},
    "mp3": {"audio": "mp3", "rate": 44_100},
    "aac": {"audio": "aac", "format": "adts"},
    "aiff": {"audio": "pcm_s16be", "sample_format": "s16"},
    "caf": {"audio": "pcm_s16le", "sample_format": "s16"},
    "w64": {"audio": "pcm_s16le", "sample_format": "s16"},
}
NAMES = (
    "-rf", "--help", "$(reboot)", "`id`", ";ls", "a'b\"c", "{name}", "{0.__class__}", "%s%n", "a\nb", "a\tb",
    "a\x1b[31m", "\u202egpj", "名字", "🎭" * 40, "x" * 240, "a b ", "..", "con", "=1+1", "<img src=x onerror=alert(1)>",
    "\udcff\udcfe", "a\\b", "file:x", "concat:a|b", "pipe:0", "#", "?a=b", "&amp;", "~", "null\u200b",
)  # fmt: skip


def base(folder: Path, kind: str) -> Path:
    """A sound clip of 1 s in a container."""
    how = dict(KINDS[kind])
    path, video, audio = folder / f"whole.{kind}", how.pop("video", None), how.pop("audio")
    images = PICTURES if video else ()
    variants.write(path, images, None if audio is None else TONE, video=video or "", audio=audio or "", **how)
    return path


def broken(kind: str, whole: bytes, other: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Damage a container in twelve ways."""
    n = len(whole)
    for share in (0.02, 0.3, 0.7, 0.97):
        yield f"cut-{share}.{kind}", whole[: int(n * share)]
    for flips in (1, 8, 64, n // 20):
        data = bytearray(whole)
        for _ in range(flips):
            data[rng.randrange(n)] ^= 1 << rng.randrange(8)
        yield f"flips-{flips}.{kind}", bytes(data)
    head = bytearray(whole)
    for _ in range(12):  # where sizes, counts and rates stand
        at = rng.randrange(min(n, 600))
        head[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0"])
    yield f"numbers.{kind}", bytes(head)
    yield f"spliced.{kind}", whole[: n // 2] + other[len(other) // 2 :]
    yield f"twice.{kind}", whole + whole
    at = rng.randrange(n)
    yield f"hole.{kind}", whole[:at] + bytes(n // 4) + whole[at + n // 4 :]


def with_exif(out: Path, exif: bytes) -> Path:
    """A Motion-JPEG whose pictures have a segment of EXIF."""
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    data = bombs._coded("mjpeg", "yuvj420p", SIDE, SIDE)
    return packets(out, "mjpeg", "yuvj420p", [(i, data[:2] + segment + data[2:]) for i in range(5)])


def packets(
    out: Path, codec: str, pixels: str, coded: list[tuple[int, bytes]], tick: Fraction = Fraction(1, 10), **how: Any
) -> Path:
    """A video of packets as they are, each with its time in ticks."""
    with av.open(str(out), "w", **how) as target:
        stream: Any = target.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = SIDE, SIDE, pixels, tick
        for time, data in coded:
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts, packet.time_base, packet.is_keyframe = stream, time, time, tick, True
            target.mux(packet)
    return out


def references(secret: Path, port: int) -> dict[str, bytes]:
    """Files that name other files or addresses; `secret` is a local file, `port` one of this computer."""
    address = f"http://127.0.0.1:{port}/stolen"
    lists = {
        "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}.ts\n#EXTINF:1,\nfile://{secret}\n",
        "ffconcat": f"ffconcat version 1.0\nfile '{secret}'\nfile '{address}.mp4'\n",
        "sdp": f"v=0\nc=IN IP4 127.0.0.1\nm=audio {port} RTP/AVP 0\n",
        "mpd": f'<?xml version="1.0"?><MPD><BaseURL>{address}</BaseURL><Period><AdaptationSet/></Period></MPD>',
        "pls": f"[playlist]\nFile1={address}.mp3\nNumberOfEntries=1\n",
        "asx": f'<asx version="3.0"><entry><ref href="{address}.wmv"/></entry></asx>',
        "smil": f'<smil><body><video src="{address}.mp4"/></body></smil>',
        "rtsp": f"RTSPtext\nrtsp://127.0.0.1:{port}/a\n",
    }
    found = {f"{kind}.{suffix}": text.encode() for kind, text in lists.items() for suffix in ("mp4", kind)}
    square = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    url = bombs.full(b"rmdr", b"\0" * 4) + bombs.box(
        b"rdrf", b"\0" * 4, b"url ", struct.pack(">I", len(address)), address.encode()
    )
    found["moved.mov"] = bombs.box(b"ftyp", b"qt  \0\0\2\0qt  ") + bombs.box(
        b"moov", bombs.box(b"rmra", bombs.box(b"rmda", url)), bombs.full(b"mvhd", b"\0" * 32, square)
    )
    return found


def others() -> dict[str, bytes]:
    """Files of other kinds that are called clips."""
    rng = random.Random(SEED)
    pack, tar = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(pack, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("../../evil.mp4", b"\0" * 100_000)
    with tarfile.open(fileobj=tar, mode="w") as t:
        t.addfile(tarfile.TarInfo("/etc/evil"))
    found = {
        "empty": b"", "one": b"\0", "zeros": bytes(5000), "ones": b"\xff" * 5000, "noise": rng.randbytes(5000),
        "png": b"\x89PNG\r\n\x1a\n" + rng.randbytes(200), "jpeg": b"\xff\xd8\xff\xe0" + rng.randbytes(200),
        "bmp": b"BM" + rng.randbytes(200), "webp": b"RIFF\0\0\0\0WEBPVP8 " + rng.randbytes(99),
        "heic": b"\0\0\0\x18ftypheic" + bytes(99), "tiff": b"II*\0" + rng.randbytes(99), "svg": b"<svg onload='x'/>",
        "html": b"<!doctype html><script>1</script>", "json": b"[" * 5000, "pdf": b"%PDF-1.7\n" + rng.randbytes(99),
        "zip": pack.getvalue(), "tar": tar.getvalue(), "gz": b"\x1f\x8b\x08" + rng.randbytes(99),
        "elf": b"\x7fELF" + rng.randbytes(99), "script": b"#!/bin/sh\nreboot\n", "text": "Text ä\n".encode() * 99,
        "srt": b"1\n00:00:00,000 --> 00:00:01,000\nhello\n", "midi": b"MThd\0\0\0\6" + rng.randbytes(99),
        "pickle": b"\x80\x04cos\nsystem\n(S'x'\ntR.", "id3": b"ID3\4\0\0\x7f\x7f\x7f\x7f" + bytes(99),
    }  # fmt: skip
    return {f"{name}.{suffix}": data for name, data in found.items() for suffix in ("mp4", "wav")}


def absurd(folder: Path) -> Iterator[Path]:
    """Bombs, and facts that no clip has: rates, channels, sizes, times, numbers of pictures."""
    for n in (1_000, 20_000_000, 100_000_000, 2_000_000_000):
        yield bombs.table(folder / f"table-{n}.mov", n)
    for rate in (0, 1, 50, 3_999, 1_000_000, 2**31 - 1, 2**32 - 1):
        yield bombs.wav(folder / f"rate-{rate}.wav", rate, min(2_000, 40 * max(1, rate)))
    for channels in (0, 3, 64, 255, 65_535):
        yield bombs.wav(folder / f"channels-{channels}.wav", 16_000, 1_000, channels, b"\1\2" * 20_000)
    nan = np.full(16_000, np.nan, "<f4").tobytes()
    sound = bombs.wav(folder / "nan.wav", 16_000, 0, 1, nan)
    head = bytearray(sound.read_bytes())
    head[20:22], head[34:36], head[32:34] = struct.pack("<H", 3), struct.pack("<H", 32), struct.pack("<H", 4)
    sound.write_bytes(bytes(head))
    yield sound
    yield bombs.repeated(folder / "pictures.mov", "png", 4096, 2304, 7_000, 120)
    yield bombs.repeated(folder / "4k.mp4", "libx264", 3840, 2160, 1_770, 30)
    yield bombs.repeated(folder / "many.mov", "png", SIDE, SIDE, 8_000, 200)
    yield bombs.repeated(folder / "fast.mov", "png", SIDE, SIDE, 7_000, 1_000)
    yield bombs.repeated(folder / "flat.mov", "png", 4096, 1, 20, 10)
    yield bombs.repeated(folder / "thin.mov", "png", 1, 2304, 20, 10)
    yield bombs.repeated(folder / "huge.mov", "png", 8192, 4320, 3, 10)
    gif = folder / "sizes.gif"
    gif.write_bytes(b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\2\2L\1\0;")
    yield gif
    data = bombs._coded("mjpeg", "yuvj420p", SIDE, SIDE)
    times = {
        "once": [0], "far": [0, 2**40], "late": [10**9, 10**9 + 1], "hours": [i * 36_000 for i in range(5)],
        "dense": list(range(3_000)),
    }  # fmt: skip
    for name, ticks in times.items():
        yield packets(folder / f"times-{name}.mkv", "mjpeg", "yuvj420p", [(t, data) for t in ticks], Fraction(1, 1000))
    grown = [(i, bombs._coded("mjpeg", "yuvj420p", *(SIDE, SIDE) if i < 2 else (2048, 1024))) for i in range(20)]
    yield packets(folder / "grows.avi", "mjpeg", "yuvj420p", grown)
    faults = [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 60]
    faults += [b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x112, 3, 1, turn, 0, 8) for turn in (0, 6, 9, 65_535)]
    for number, exif in enumerate(faults):
        yield with_exif(folder / f"exif-{number}.avi", exif)
    whole = base(folder, "mov").read_bytes()
    for name, old, new in (
        ("duration", b"mvhd", b"\0" * 12 + struct.pack(">II", 1, 2**32 - 1)),
        ("scale", b"mdhd", b"\0" * 12 + struct.pack(">II", 0, 1)),
        ("edits", b"elst", b"\0" * 4 + struct.pack(">IIiI", 1, 2**32 - 1, -1, 0)),
        ("handler", b"hdlr", b"\0" * 8 + b"\xff" * 4),
        ("rate", b"stts", b"\0" * 4 + struct.pack(">III", 1, 2**31, 2**31)),
    ):
        at = whole.find(old) + 4
        if at > 3:
            path = folder / f"{name}.mov"
            path.write_bytes(whole[:at] + new + whole[at + len(new) :])
            yield path


def make(folder: Path, port: int = 9) -> list[Path]:
    """Write all files. Returns: their paths, the same every time."""
    rng, found = random.Random(SEED), list[Path]()
    secret = folder / "secret.txt"
    secret.write_text("a secret")

    def put(name: str, data: bytes) -> None:
        path = folder / name
        path.write_bytes(data)
        found.append(path)

    wholes = {kind: base(folder, kind).read_bytes() for kind in KINDS}
    kinds = list(KINDS)
    for i, kind in enumerate(kinds):
        for name, data in broken(kind, wholes[kind], wholes[kinds[i - 1]], rng):
            put(name, data)
        put(f"renamed-{kind}.{kinds[i - 1]}", wholes[kind])
    for files in (others(), references(secret, port)):
        for name, data in files.items():
            put(name, data)
    found += absurd(folder)
    for number, name in enumerate(NAMES):
        try:
            put(f"{name}.mp4", wholes["mp4"] if number % 2 else wholes["mp4"][:700])
        except (OSError, ValueError):  # a name that this system does not have
            continue
    return found


Maker = Callable[[Path], list[Path]]

if __name__ == "__main__":
    print(len(make(Path(sys.argv[1]))), "files")
