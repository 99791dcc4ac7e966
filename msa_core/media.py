"""Media reading, all of it, by PyAV: probe, mono 16 kHz waveform, frames with times.

Times are decoded presentation times (pts) counted from the clip's earliest picture or sound, never metadata:
a recorded webm has no duration and a hostile file may lie about it. Only local files in known containers
are opened, so a playlist or a file that names other files or addresses is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from msa_core.config import MediaLimits
from msa_core.errors import MediaError, Message, message
from msa_core.schema import MediaInfo

SAMPLE_RATE_HZ = 16_000
CONTAINERS = (  # FFmpeg demuxers that read one file and nothing else
    "mov,mp4,matroska,webm,avi,flv,mpegts,mpeg,asf,gif,ogg,wav,w64,flac,mp3,aac,aiff,caf,amr"
)
SUFFIXES = (
    ".mp4 .m4v .mov .mkv .webm .avi .wmv .flv .mpg .mpeg .ts .3gp .gif".split()
    + ".wav .mp3 .m4a .aac .flac .ogg .oga .opus .wma .aiff .aif .caf .amr".split()
)
SUPPORTED = "Give a video (mp4, mov, mkv, webm, avi) or a sound file (wav, mp3, m4a, flac, ogg)."
GAP_S = 0.05  # sound this far from where it is expected starts anew at its own time
GRACE_S = 0.5  # a recorder stopped at the limit writes a little more
SKIP_RATIO = 4  # pictures nobody refers to are not decoded when the video has this many times the wanted rate


def probe(path: str | Path, limits: MediaLimits | None = None) -> MediaInfo:
    """Describe a media file from all its packets, decoding only one picture and one sound frame.

    Raises:
        MediaError: the file is missing, empty, too big or long, no media, or has nothing decodable.
    """
    # 1. Check the file itself.
    limits = limits or MediaLimits()
    path = check_file(path, limits)
    name = label(path)
    with open_clip(path) as container:
        tracks = {s.type: _Track(s) for s in main_streams(container)}
        if not tracks:
            raise MediaError("{name} has no video and no sound in it. {supported}", name=name, supported=SUPPORTED)
        if "video" in tracks:
            _check_pixels(name, tracks["video"].stream.codec_context, limits)
        # 2. Count its packets, whatever the metadata claim, until a limit is passed.
        for packet in _packets(container, [t.stream for t in tracks.values()]):
            tracks[packet.stream.type].add(packet)
            first = min(t.first_s for t in tracks.values())
            _check_length(name, max(t.end_s for t in tracks.values()) - first, container.duration, limits)
            if "video" in tracks and tracks["video"].n_packets > limits.max_frames:
                raise MediaError(
                    "{name} has more than {n} video frames. Shorten it, or export it at 30 per second.",
                    name=name,
                    n=limits.max_frames,
                )
        # 3. Describe the tracks that decode, and name the codecs of the others.
        decoded = {kind: t for kind, t in tracks.items() if t.frame is not None}
        if not decoded:
            raise MediaError(
                "{name} holds {tracks} but not one frame of it can be decoded. Export it again.",
                name=name,
                tracks=_named({kind: t.codec for kind, t in tracks.items()}),
            )
        if "video" in decoded:
            _check_pixels(name, decoded["video"].frame, limits)
        unknown = {
            s.type: "unknown codec" for s in (*container.streams.video, *container.streams.audio) if not s.codec_context
        }
        broken = unknown | {kind: t.codec for kind, t in tracks.items()}
        return _describe(name, decoded, {k: c for k, c in broken.items() if k not in decoded})


def waveform(path: str | Path, info: MediaInfo) -> np.ndarray:
    """Decode the sound of a clip as (N,) float32, mono, 16 kHz, in [-1, 1].

    Sample i is at i / 16000 s of the clip; it is 0 where the track has no sound, and N is 0 without a track. Of a
    damaged track everything that can be decoded is kept.

    Raises:
        MediaError: there are NaN or infinite samples.
    """
    if not info.has_audio:
        return np.zeros(0, np.float32)
    out = np.zeros(max(1, round(info.duration_s * SAMPLE_RATE_HZ)), np.float32)
    resampler: av.AudioResampler | None = None
    setup: tuple[str, str, int] | None = None
    position, expected_s = 0, 0.0
    for frame in _decoded(Path(path), "audio"):
        time_s = expected_s if frame.pts is None else float(frame.pts * frame.time_base) - info.start_s
        now = (frame.format.name, frame.layout.name, frame.sample_rate)
        # A gap, an overlap or another format: place the sound anew at its own time.
        if resampler is None or now != setup or abs(time_s - expected_s) > GAP_S:
            _place(out, position, resampler, None)
            resampler, setup = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ), now
            position, expected_s = round(time_s * SAMPLE_RATE_HZ), time_s
        position = _place(out, position, resampler, frame)
        expected_s += frame.samples / frame.sample_rate
        if position >= len(out):
            break
    _place(out, position, resampler, None)
    if not np.isfinite(out).all():
        raise MediaError("{name} has NaN or infinite sound samples. Export its sound again as 16-bit.", name=info.name)
    return np.clip(out, -1.0, 1.0)


def frames(
    path: str | Path, info: MediaInfo, fps: float = 5.0, max_side: int = 640
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield upright pictures as (time in s, RGB uint8 (H, W, 3)), about `fps` a second.

    The first picture at or after every 1 / fps step is given, at its own time; a slower video gives all it has. The
    pictures end where decoding ends.

    Args:
        path: the media file.
        info: from `probe`.
        fps: pictures a second, at most.
        max_side: longer side of a picture in pixels, at most.
    """
    if not info.has_video:
        return
    due_s, time_s = 0.0, 0.0
    skip = info.fps >= SKIP_RATIO * fps
    for i, frame in enumerate(_decoded(Path(path), "video", skip)):
        step_s = 1.0 / info.fps if info.fps else 0.04
        if frame.pts is not None:
            time_s = max(0.0, float(frame.pts * frame.time_base) - info.start_s)
        elif i:
            time_s += step_s
        if time_s > info.duration_s + 1.0:
            return
        if time_s + 1e-3 < due_s:
            continue
        due_s = (np.floor(time_s * fps + 1e-2) + 1) / fps
        yield time_s, _upright(_scaled(frame, info.pixel_aspect, max_side), _matrix(frame))


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


@dataclass
class _Track:
    """Extent of one stream as demuxing has seen it, and its first frame that decodes."""

    stream: Any
    frame: Any = None
    first_s: float = np.inf  # earliest packet
    end_s: float = -np.inf
    n_packets: int = 0

    @property
    def codec(self) -> str:
        return self.stream.codec_context.name

    @property
    def start_s(self) -> float:
        """Time of the first decoded frame: unlike packets it excludes an encoder's priming samples."""
        return self.first_s if self.frame.pts is None else float(self.frame.pts * self.frame.time_base)

    def add(self, packet: Any) -> None:
        if self.frame is None:
            self.frame = next(iter(_decode(packet)), None)
        if not packet.size or packet.is_discard:
            return
        self.n_packets += 1
        tick = packet.pts if packet.pts is not None else packet.dts
        if tick is not None:
            time_s = float(tick * packet.time_base)
            length_s = float(packet.duration * packet.time_base) if packet.duration else self._usual_s()
            self.first_s, self.end_s = min(self.first_s, time_s), max(self.end_s, time_s + length_s)

    def _usual_s(self) -> float:
        """Return the length in s of a packet that does not say its own."""
        if self.stream.type == "video":
            return float(1 / self.stream.average_rate) if self.stream.average_rate else 0.04
        return self.frame.samples / self.frame.sample_rate if self.frame is not None else 0.02


def _describe(name: str, decoded: dict[str, _Track], broken: dict[str, str]) -> MediaInfo:
    """Make the MediaInfo of the tracks that decode. `broken`: the codecs of those that do not."""
    start_s = min(t.start_s for t in decoded.values())
    duration_s = max(0.04, max(t.end_s for t in decoded.values()) - start_s)
    audio: dict[str, Any] = {}
    if "audio" in decoded:
        sound = decoded["audio"].frame
        audio = {"sample_rate_hz": sound.sample_rate, "n_channels": len(sound.layout.channels)}
    video: dict[str, Any] = {}
    if "video" in decoded:
        track = decoded["video"]
        picture, length_s = track.frame, track.end_s - track.first_s
        turned = _turns(_matrix(picture))
        size = (picture.height, picture.width) if turned % 180 else (picture.width, picture.height)
        ratio = float(track.stream.sample_aspect_ratio or 1)
        video = {
            "fps": track.n_packets / length_s if length_s > 0 else 0.0,
            "width": size[0],
            "height": size[1],
            "rotation_deg": turned,
            "pixel_aspect": ratio if 0.25 <= ratio <= 4 else 1.0,
        }
    return MediaInfo(
        name, duration_s, "audio" in decoded, "video" in decoded, start_s=start_s, undecodable=broken, **audio, **video
    )


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


def _named(codecs: dict[str, str]) -> Message:
    """Name the tracks of a clip with their codecs."""
    if len(codecs) == 2:
        return message("video ({video}) and audio ({audio})", **codecs)
    (kind, codec), *_ = codecs.items()
    return message("video ({codec})" if kind == "video" else "audio ({codec})", codec=codec)


def _check_length(name: str, seen_s: float, metadata_us: int | None, limits: MediaLimits) -> None:
    """Refuse a clip of which more has been seen than the limit allows. Raises: MediaError."""
    if seen_s <= limits.max_duration_s + GRACE_S:
        return
    told_s = (metadata_us or 0) / 1e6
    longest_s = MediaLimits.command_line().max_duration_s
    told = told_s >= seen_s  # the metadata may know the whole length
    template = "{name} lasts {length:.1f} s" if told else "{name} is longer than {length:.0f} s"
    template += "; the limit is {limit:.0f} s. Cut it shorter"
    way_out = limits.max_duration_s < longest_s
    template += ", or use the command line (up to {minutes:.0f} min)." if way_out else "."
    values = {"length": told_s if told else limits.max_duration_s, "limit": limits.max_duration_s}
    values |= {"minutes": longest_s / 60} if way_out else {}
    raise MediaError(template, name=name, **values)


def _check_pixels(name: str, picture: Any, limits: MediaLimits) -> None:
    """Check the size of anything with width and height in pixels. Raises: MediaError."""
    if picture.width * picture.height > limits.max_pixels:
        raise MediaError(
            "{name} has {width} x {height} pixels a frame; the limit is {limit:.1f} megapixels (4K). "
            "Export it smaller.",
            name=name,
            width=picture.width,
            height=picture.height,
            limit=limits.max_pixels / 1e6,
        )


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


def main_streams(container: Any) -> list[Any]:
    """Find the main video and audio stream; cover art and undecodable kinds are not tracks."""
    found = []
    for kind in ("video", "audio"):
        able = [s for s in container.streams if s.type == kind and s.codec_context is not None]
        able = [s for s in able if not s.disposition & av.stream.Disposition.attached_pic]
        able.sort(key=lambda s: not s.disposition & av.stream.Disposition.default)
        found += able[:1]
    return found


def _packets(container: Any, streams: list[Any]) -> Iterator[Any]:
    """Yield packets until the end or the first unreadable one, then an empty one a stream to flush its decoder."""
    try:
        yield from container.demux(streams)
    except av.FFmpegError:
        for stream in streams:
            flush = av.Packet()
            flush.stream = stream
            yield flush


def _decode(packet: Any) -> list[Any]:
    """Decode the frames of one packet; a damaged packet gives none."""
    try:
        return packet.decode()
    except av.FFmpegError:
        return []


def _decoded(path: Path, kind: str, skip: bool = False) -> Iterator[Any]:
    """Yield decoded frames of the main `kind` stream in presentation order, without damaged ones."""
    with open_clip(path) as container:
        stream = next(s for s in main_streams(container) if s.type == kind)
        stream.codec_context.thread_type = "AUTO"
        stream.codec_context.options = {"max_pixels": str(MediaLimits().max_pixels)}
        if skip:
            stream.codec_context.skip_frame = "NONREF"
        for packet in _packets(container, [stream]):
            yield from _decode(packet)


def _place(out: np.ndarray, position: int, resampler: av.AudioResampler | None, frame: Any) -> int:
    """Resample `frame` (None: what is left inside) into out[position:]; returns the position after it."""
    if resampler is None:
        return position
    try:
        pieces = resampler.resample(frame)
    except (av.FFmpegError, ValueError):
        pieces = []
    for piece in pieces:
        values = piece.to_ndarray().reshape(-1)
        low, high = max(0, position), min(len(out), position + len(values))
        if high > low:
            out[low:high] = values[low - position : high - position]
        position += len(values)
    return position


def _scaled(frame: Any, pixel_aspect: float, max_side: int) -> np.ndarray:
    """Convert to RGB (H, W, 3) with square pixels and a longer side of at most `max_side`."""
    width, height = frame.width * pixel_aspect, float(frame.height)
    scale = min(1.0, max_side / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return frame.reformat(*size, format="rgb24", interpolation="AREA" if scale < 1 else "BILINEAR").to_ndarray()


def _matrix(frame: Any) -> tuple[int, int, int, int]:
    """Read (a, b, c, d) of the display matrix: picture (x, y) is shown at (a x + c y, b x + d y)."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return (1, 0, 0, 1)
    m = np.frombuffer(bytes(data), "<i4")
    return int(m[0]), int(m[1]), int(m[3]), int(m[4])


def _turns(matrix: tuple[int, int, int, int]) -> int:
    """Return the clockwise turn in degrees that shows the picture upright: 0, 90, 180 or 270."""
    a, b, _, _ = matrix
    return round(np.degrees(np.arctan2(b, a)) / 90) % 4 * 90


def _upright(image: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Apply the quarter turns and mirrorings of the display matrix."""
    a, b, c, d = matrix
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, a, d = image.swapaxes(0, 1), c, b
    image = image[:, ::-1] if a < 0 else image
    return np.ascontiguousarray(image[::-1] if d < 0 else image)
