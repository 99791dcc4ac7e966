"""Media files as PyAV opens them: the check of a file, its container, main tracks, packets and decoded frames.

Only local files in known containers are opened, so a playlist or a file that names other files or addresses is
refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av

from msa_core.config import MediaLimits
from msa_core.errors import MediaError

CONTAINERS = (  # FFmpeg demuxers that read one file and nothing else
    "mov,mp4,matroska,webm,avi,flv,mpegts,mpeg,asf,gif,ogg,wav,w64,flac,mp3,aac,aiff,caf,amr"
)
SUFFIXES = (
    ".mp4 .m4v .mov .mkv .webm .avi .wmv .flv .mpg .mpeg .ts .mts .m2ts .3gp .3g2 .ogv .gif".split()
    + ".wav .mp3 .m4a .aac .flac .ogg .oga .opus .wma .aiff .aif .caf .amr".split()
)
JUMP_S = 10.0  # a broadcast stream whose time is so much later than expected has been reset
BACK_S = 0.1  # and one whose time goes back by more than this
TOGETHER_S = 1.0  # streams of a clip end this near to each other, and jump by the same time
Keep = Callable[[Any], bool]  # of a packet
SUPPORTED = "Give a video (mp4, mov, mkv, webm, avi) or a sound file (wav, mp3, m4a, flac, ogg)."


def files(folder: str | Path) -> list[Path]:
    """List the media files under a folder, by suffix, sorted. Raises: MediaError when there is none."""
    folder = Path(folder)
    named = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    found = sorted(p for p in named if p.is_file())
    if not found:
        raise MediaError(
            "There is no clip in the folder {name}. Give a folder with files such as .mp4 or .wav.",
            name=label(folder),
        )
    return found


def label(path: Path) -> str:
    """Shorten the file's name for one line of an error message."""
    name = "".join(c if c.isprintable() else "?" for c in path.name)
    return name if len(name) <= 80 else f"{name[:60]}...{name[-15:]}"


def check_file(path: str | Path, limits: MediaLimits) -> Path:
    """Return the path of an ordinary file of an acceptable size. Raises: MediaError."""
    path = Path(path)
    name = label(path)
    try:
        if path.is_dir():
            raise MediaError(
                "{name} is a folder. Give one clip, or use 'python -m msa_core extract FOLDER'.", name=name
            )
        if not path.is_file():
            raise MediaError("There is no file {name}. Check its path and name.", name=name)
        size = path.stat().st_size
        with open(path, "rb") as f:
            head = f.read(16)
    except (OSError, ValueError) as e:
        why = getattr(e, "strerror", None) or str(e)
        raise MediaError("{name} cannot be read ({why}). Check its path and rights.", name=name, why=why) from e
    if size == 0:
        raise MediaError("{name} is empty (0 bytes). Record or export the clip again.", name=name)
    if size > limits.max_bytes:
        raise MediaError(
            "{name} has {size:.1f} MB; the limit is {limit:.0f} MB. Shorten it or export it smaller.",
            name=name,
            size=size / 2**20,
            limit=limits.max_bytes / 2**20,
        )
    still = head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"BM")) or head[8:12] in (b"WEBP", b"heic", b"mif1", b"avif")
    if still:
        raise MediaError("{name} is a still image, not a clip. {supported}", name=name, supported=SUPPORTED)
    return path


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever PyAV raises while a clip is read into a sentence about the clip. Raises: MediaError."""
    try:
        yield
    except MediaError:
        raise
    except (av.FFmpegError, ArithmeticError, AssertionError, LookupError, MemoryError, OSError, ValueError) as e:
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
    except (av.FFmpegError, ValueError, OSError) as e:
        raise MediaError(
            "{name} is not a media file, or is cut off or damaged. {supported}", name=label(path), supported=SUPPORTED
        ) from e


def main_streams(container: Any, audio_index: int | None = None) -> list[Any]:
    """Find the main video and audio stream; cover art and undecodable kinds are not tracks.

    Args:
        container: an open clip.
        audio_index: the sound track that `probe` has chosen; None takes the default one.
    """
    found = []
    for kind in ("video", "audio"):
        able = [s for s in container.streams if s.type == kind and s.codec_context is not None]
        able = [s for s in able if not s.disposition & av.stream.Disposition.attached_pic]
        able.sort(key=lambda s: not s.disposition & av.stream.Disposition.default)
        if kind == "audio":
            able.sort(key=lambda s: s.index != audio_index)
        found += able[:1]
    return found


def packets(container: Any, streams: list[Any], audio_index: int | None = None) -> Iterator[Any]:
    """Yield packets until the end or the first unreadable one, then an empty one a stream to flush its decoder.

    Times that jump in a broadcast stream go on without the jump. They are followed over both main streams whatever
    `streams` are, so that every reader of the clip sees the same times.
    """
    clock = Clock() if container.format.flags & av.format.Flags.ts_discont.value else None
    watched = main_streams(container, audio_index) if clock else []
    wanted = {s.index for s in streams}
    try:
        for packet in container.demux(list({s.index: s for s in (*streams, *watched)}.values())):
            if clock:
                clock.straighten(packet)
            if packet.stream_index in wanted:
                yield packet
    except av.FFmpegError:
        for stream in streams:
            flush = av.Packet()
            flush.stream = stream
            yield flush


class Clock:
    """Times of a broadcast stream made continuous: concatenated parts and resets of the sender are no time passed."""

    def __init__(self) -> None:
        self._shift_s = 0.0  # the newest shift, of any stream
        self._shifts: dict[int, float] = {}  # by stream
        self._next: dict[int, float] = {}  # where the next packet of a stream is expected, in s

    def straighten(self, packet: Any) -> None:
        """Move the times of a packet, in place."""
        if not packet.size:
            return
        index = packet.stream_index
        shift_s = self._shifts.get(index, self._shift_s)
        if packet.dts is not None:
            time_s = float(packet.dts * packet.time_base)
            ahead_s = time_s + shift_s - self._next.get(index, time_s + shift_s)
            if not -BACK_S <= ahead_s <= JUMP_S:
                # The other stream may have jumped before: pictures and sound stay together.
                if abs(ahead_s - shift_s + self._shift_s) > TOGETHER_S:
                    self._shift_s = shift_s - ahead_s
                shift_s = self._shift_s
            self._next[index] = time_s + shift_s + float((packet.duration or 0) * packet.time_base)
        self._shifts[index] = shift_s
        moved = round(shift_s / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts + moved
        packet.dts = None if packet.dts is None else packet.dts + moved


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


def decoded(path: Path, kind: str, audio_index: int | None = None, keep: Keep | None = None) -> Iterator[Any]:
    """Yield decoded frames of the main `kind` stream in presentation order, without damaged ones.

    Args:
        path: the media file.
        kind: "video" or "audio".
        audio_index: the sound track that `probe` has chosen.
        keep: whether a packet must be decoded although no other refers to it; None decodes all.
    """
    with open_clip(path) as container:
        stream = next(s for s in main_streams(container, audio_index) if s.type == kind)
        stream.codec_context.thread_type = "AUTO"
        stream.codec_context.options = {"max_pixels": str(MediaLimits().max_pixels)}
        by_place = unordered(container, stream)
        for packet in packets(container, [stream], audio_index):
            if keep is not None:
                stream.codec_context.skip_frame = "DEFAULT" if keep(packet) else "NONREF"
            yield from decode(packet, by_place)
