"""Recordings that were joined end to end in one file, each with a head of its own."""

from __future__ import annotations

import io
import mmap
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

from msa_core.errors import MediaError
from msa_core.media.paths import label

HEADS = {  # how the head of a recording begins, by FFmpeg's names of containers
    "matroska": rb"\x1a\x45\xdf\xa3[\x01-\xff].{0,60}?(?:matroska|webm)",
    "mov": rb"moov.{4}mvhd",
    "flac": rb"fLaC[\x00\x80]\x00\x00\x22",
    "wav": rb"RIFF.{4}WAVE(?:fmt |JUNK|bext|LIST)|RF64.{4}WAVEds64",
    "avi": rb"RIFF.{4}AVI LIST.{4}hdrl",
    "flv": rb"FLV\x01[\x00\x01\x04\x05]\x00\x00\x00\x09\x00{4}",
    "asf": rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c",
    "aiff": rb"FORM.{4}AIF[FC](?:COMM|FVER|MARK|COMT|ID3 |NAME)",
    "caf": rb"caff\x00\x01\x00\x00desc",
    "amr": rb"#!AMR(?:-WB)?\n",
    "w64": rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00.{8}wave\xf3\xac\xd3\x11",
    "gif": rb"\x3bGIF8[79]a",
}
PAGE = rb"OggS\x00([\x00-\x07]).{8}"  # of Ogg: its flags
FIRST_PAGE = 2
PROGRAM = (  # of a broadcast stream: a packet that begins with the table of a program; its length, and of what follows
    rb"\x47[\x40-\x5f].[\x10-\x1f]\x00\x02([\xb0-\xbf].)(..)[\xc0-\xff]\x00\x00[\xe0-\xff].([\xf0-\xff].)"
)
HEAD_BYTES = 2**22  # of a recording, enough to know its streams
IN_PACKETS = {"vp8", "vp9", "opus", "libdav1d", "av1"}  # codecs whose packets say how they are decoded


def starts(path: Path, container: Any) -> list[int]:
    """Find where the second recording and those after it begin, in bytes; empty for one recording."""
    kinds = container.format.name.split(",")
    with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if "ogg" in kinds:  # the streams of one recording all begin before its first page of data
            pages = [(m.start(), bool(m[1][0] & FIRST_PAGE)) for m in re.finditer(PAGE, data, re.DOTALL)]
            return [at for (_, before), (at, begins) in pairwise(pages) if begins and not before]
        if "mpegts" in kinds:
            return _other_streams(data)
        pattern = next((HEADS[kind] for kind in kinds if kind in HEADS), None)
        if pattern is None:
            return []
        found = [m.start() for m in re.finditer(pattern, data, re.DOTALL)]
        if "mov" in kinds:
            found = _tables(data, found)
        return found if "gif" in kinds else found[1:]  # a GIF after the last byte of another


def check(path: Path, container: Any) -> None:
    """Refuse recordings that cannot be read on from the first: its tables or its codecs are not theirs.

    Raises:
        MediaError: the file holds such recordings.
    """
    later = starts(path, container)
    if not later:
        return
    end = path.stat().st_size
    parts = [(low, high) for low, high in pairwise([*later, end])]
    if not (container.format.name.startswith("matroska") and all(_alike(path, container, *part) for part in parts)):
        raise MediaError(
            "{name} holds {n} recordings joined end to end, and only the first can be read. "
            "Give each as a file of its own, or join them in a video editor.",
            name=label(path),
            n=len(later) + 1,
        )


def _tables(data: mmap.mmap, found: list[int]) -> list[int]:
    """Keep the tables of an mp4 that stand in no other box; a copy among fragments that go on begins no recording."""
    kept, at, first = list[int](), 0, b""
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        size = int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size
        if at + 4 in found:
            table = data[at : at + size]
            if table != first or not _fragment_ticks(data, kept[-1]) < _fragment_ticks(data, at):
                kept.append(at + 4)
            first = first or table
        if size < 8:  # the rest of the file
            break
        at += size
    return kept


def _fragment_ticks(data: mmap.mmap, start: int) -> int:
    """Return the time of the first fragment of an mp4 after a place; 0 when there is none."""
    at = data.find(b"tfdt", start) + 4
    return int.from_bytes(data[at + 4 : at + (12 if data[at] else 8)], "big") if at >= 4 else 0


def _other_streams(data: mmap.mmap) -> list[int]:
    """Find where a stream of a broadcast becomes one of another kind, or others take the place of all of a program."""
    kinds, programs, found = dict[int, int](), dict[bytes, set[int]](), list[int]()
    for m in re.finditer(PROGRAM, data, re.DOTALL):
        at, end = m.end() + _length(m[3]), m.end() - 9 + _length(m[1]) - 4  # 4: the checksum
        streams = dict[int, int]()
        while at + 5 <= end:
            streams[int.from_bytes(data[at + 1 : at + 3], "big") & 0x1FFF] = data[at]
            at += 5 + _length(data[at + 3 : at + 5])
        replaced = bool(streams) and programs.get(m[2], set(streams)).isdisjoint(streams)
        if replaced or any(kinds.get(pid, kind) != kind for pid, kind in streams.items()):
            found.append(m.start())
        kinds |= streams
        programs[m[2]] = set(streams) or programs.get(m[2], set())
    return found


def _length(two: bytes) -> int:
    """Read a length of 12 bits."""
    return int.from_bytes(two, "big") & 0xFFF


def _alike(path: Path, container: Any, low: int, high: int) -> bool:
    """Tell whether the streams of a recording at bytes low to high are those of the first."""
    with open(path, "rb") as f:
        f.seek(low)
        try:
            with av.open(
                io.BytesIO(f.read(min(high - low, HEAD_BYTES))), format="matroska", metadata_errors="replace"
            ) as part:
                return _streams(part) == _streams(container)
        except (av.FFmpegError, ValueError):
            return False


def _streams(container: Any) -> list[Any]:
    """Describe what a decoder must know of every stream before its packets."""
    return [(s.type, *_codec(s.codec_context)) for s in container.streams]


def _codec(context: Any) -> tuple[Any, ...]:
    """Describe a decoder; empty for a codec that is not known."""
    if context is None:
        return ()
    audio = (context.sample_rate, context.layout.nb_channels) if context.type == "audio" else ()
    return context.name, *audio, None if context.name in IN_PACKETS else context.extradata
