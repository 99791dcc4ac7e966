"""Media files as PyAV opens them: container, main tracks, packets and decoded frames.

Only local files in known containers are opened, so a playlist or a file that names other files or addresses is
refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av

from msa_core.config import MediaLimits
from msa_core.errors import MediaError
from msa_core.media.paths import SUPPORTED, label
from msa_core.media.work import too_large

CONTAINERS = (  # FFmpeg demuxers that read one file and nothing else
    "mov,mp4,matroska,webm,avi,flv,mpegts,mpeg,asf,gif,ogg,wav,w64,flac,mp3,aac,aiff,caf,amr"
)
THREADS = min(4, (os.cpu_count() or 1) + 1)  # each holds pictures of its own in memory
JUMP_S = 10.0  # a broadcast stream whose time is so much later than expected has been reset
BACK_S = 0.1  # and one whose time goes back by more than this
JOINED_S = 0.5  # in other containers: B-frames without decoding times go back by less
TOGETHER_S = 1.0  # streams of a clip end this near to each other, and jump by the same time
ADTS_HZ = dict(enumerate((96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)))
Keep = Callable[[Any], bool]  # of a packet


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever PyAV raises while a clip is read into a sentence about the clip. Raises: MediaError."""
    try:
        yield
    except MediaError:
        raise
    except MemoryError as e:
        raise too_large(label(path), MediaLimits().max_memory_bytes) from e
    except (av.FFmpegError, ArithmeticError, AssertionError, LookupError, OSError, ValueError) as e:
        raise MediaError(
            "{name} cannot be decoded ({why}). Export it again as mp4.",
            name=label(path),
            why=f"{type(e).__name__}: {e}"[:160],
        ) from e


def open_clip(path: Path) -> Any:
    """Open a local file by PyAV; no other container, protocol or device is ever opened. Raises: MediaError."""
    limit = str(MediaLimits().max_pixels)
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file", "max_pixels": limit}
    try:
        return av.open(f"file:{path}", options=options, metadata_errors="replace")
    except MemoryError as e:
        raise too_large(label(path), MediaLimits().max_memory_bytes) from e
    except (av.FFmpegError, ValueError, OSError) as e:
        raise MediaError(
            "{name} is not a media file, or is cut off or damaged. {supported}", name=label(path), supported=SUPPORTED
        ) from e


def able_streams(container: Any, kind: str) -> list[Any]:
    """List the "video" or "audio" streams that can be decoded, the default one first; cover art is no track."""
    able = [s for s in container.streams if s.type == kind and s.codec_context is not None]
    able = [s for s in able if not s.disposition & av.stream.Disposition.attached_pic]
    return sorted(able, key=lambda s: not s.disposition & av.stream.Disposition.default)


def main_streams(container: Any, chosen: tuple[int, ...] = ()) -> list[Any]:
    """Find the main video and audio stream.

    Args:
        container: an open clip.
        chosen: indices of the tracks that `probe` has chosen; the default one of a kind without any.
    """
    kinds = (able_streams(container, kind) for kind in ("video", "audio"))
    return [min(able, key=lambda s: s.index not in chosen) for able in kinds if able]


def packets(container: Any, streams: list[Any], chosen: tuple[int, ...] = ()) -> Iterator[Any]:
    """Yield packets until the end or the first unreadable one, then an empty one a stream to flush its decoder.

    Times that go back, as where recordings were joined, go on instead; so do those of a broadcast stream that jump
    forward. They are followed over both main streams whatever `streams` are, so that every reader of the clip sees the
    same times.
    """
    clock = Clock(broadcast=bool(container.format.flags & av.format.Flags.ts_discont.value))
    counted = container.format.name == "aac"
    watched = main_streams(container, chosen)
    wanted = {s.index for s in streams}
    try:
        for packet in container.demux(list({s.index: s for s in (*streams, *watched)}.values())):
            if counted:
                clock.count(packet)
            else:
                clock.straighten(packet)
            if packet.stream_index in wanted:
                yield packet
    except av.FFmpegError:
        for stream in streams:
            flush = av.Packet()
            flush.stream = stream
            yield flush


class Clock:
    """Times of a clip made continuous: joined parts and resets of a sender are no time passed."""

    def __init__(self, broadcast: bool) -> None:
        self._back_s, self._jump_s = (BACK_S, JUMP_S) if broadcast else (JOINED_S, float("inf"))
        self._shift_s = 0.0  # the newest shift, of any stream
        self._shifts: dict[int, float] = {}  # by stream
        self._next: dict[int, float] = {}  # where the next packet of a stream is expected, in s

    def straighten(self, packet: Any) -> None:
        """Move the times of a packet, in place."""
        if not packet.size:
            return
        index = packet.stream_index
        shift_s = self._shifts.get(index, self._shift_s)
        if packet.dts is not None and not packet.is_discard:  # an edit list goes back to a key frame it does not show
            time_s = float(packet.dts * packet.time_base)
            expected_s = self._next.get(index, time_s + shift_s)
            if not -self._back_s <= time_s + shift_s - expected_s <= self._jump_s:
                # The other stream may have jumped before: pictures and sound stay together.
                late_s = time_s + self._shift_s - expected_s
                if self._shift_s == shift_s or not -TOGETHER_S <= late_s <= self._jump_s:
                    self._shift_s = max(self._next.values()) - time_s
                shift_s = self._shift_s
            self._next[index] = time_s + shift_s + float((packet.duration or 0) * packet.time_base)
        self._shifts[index] = shift_s
        moved = round(shift_s / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts + moved
        packet.dts = None if packet.dts is None else packet.dts + moved

    def count(self, packet: Any) -> None:
        """Set the times of a packet of a plain AAC stream, whose rate may change: FFmpeg counts on at the first."""
        head = bytes(packet)[:7]
        if len(head) < 7 or (rate := ADTS_HZ.get(head[2] >> 2 & 15)) is None:
            return
        time_s, length_s = self._next.get(0, 0.0), 1024 * (1 + (head[6] & 3)) / rate
        packet.pts = packet.dts = round(time_s / packet.time_base)
        packet.duration = round(length_s / packet.time_base)
        self._next[0] = time_s + length_s


def unordered(container: Any, stream: Any) -> bool:
    """Tell whether packets have the time of their place in the file and not of their picture: AVI with B-frames."""
    return container.format.name == "avi" and stream.type == "video" and bool(stream.codec_context.has_b_frames)


def decode(packet: Any, unordered: bool = False) -> list[Any]:
    """Decode the frames of one packet; a damaged packet gives none."""
    try:
        frames = packet.decode()
    except av.FFmpegError:
        return []
    for frame in frames if unordered else ():
        frame.pts = frame.dts
    return frames


def decoded(path: Path, kind: str, chosen: tuple[int, ...] = (), keep: Keep | None = None) -> Iterator[Any]:
    """Yield decoded frames of the main `kind` stream in presentation order, without damaged ones.

    Args:
        path: the media file.
        kind: "video" or "audio".
        chosen: indices of the tracks that `probe` has chosen.
        keep: whether a packet must be decoded although no other refers to it; None decodes all.
    """
    with open_clip(path) as container:
        stream = next(s for s in main_streams(container, chosen) if s.type == kind)
        stream.codec_context.thread_type = "AUTO"
        stream.codec_context.thread_count = THREADS
        stream.codec_context.options = {"max_pixels": str(MediaLimits().max_pixels)}
        by_place = unordered(container, stream)
        for packet in packets(container, [stream], chosen):
            if keep is not None:
                stream.codec_context.skip_frame = "DEFAULT" if keep(packet) else "NONREF"
            yield from decode(packet, by_place)
