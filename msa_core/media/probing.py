"""Facts about a media file, from its packets and first frames and never from its metadata.

A recorded webm has no duration and a hostile file may lie about it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from msa_core.config import MediaLimits
from msa_core.errors import MediaError, Message, message
from msa_core.media import joined
from msa_core.media.opening import able_streams, decode, main_streams, open_clip, packets, readable, unordered
from msa_core.media.paths import SUPPORTED, check_file, label
from msa_core.media.pictures import matrix, turns
from msa_core.media.sound import check_rate, level_dbfs
from msa_core.media.work import too_many_pixels
from msa_core.schema import MediaInfo

FAR_QUIETER_DB = 30.0  # a sound track this far below the loudest is not the one that is meant
MOST_TOLD = 100  # times the limit on frames, from which a table of them is no table of a clip
GRACE_S = 0.5  # a recorder stopped at the limit writes a little more


def probe(path: Path, limits: MediaLimits) -> MediaInfo:
    """Describe a media file from all its packets, decoding only one picture and one sound frame.

    Raises:
        MediaError: the file is missing, empty, too big or long, no media, too much work, or has nothing decodable.
    """
    # 1. Check the file itself.
    path = check_file(path, limits)
    name = label(path)
    with readable(path), open_clip(path) as container:
        joined.check(path, container)
        chosen = _audible(path, container, limits) + _moving(path, container)
        tracks = {s.type: _Track(s, unordered(container, s)) for s in main_streams(container, chosen)}
        if not tracks:
            raise MediaError("{name} has no video and no sound in it. {supported}", name=name, supported=SUPPORTED)
        if "video" in tracks:
            _check_pixels(name, tracks["video"].stream.codec_context, limits)
        # 2. Count its packets, whatever the metadata claim, until a limit is passed.
        for packet in packets(container, [t.stream for t in tracks.values()], chosen):
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
            _check_table(name, tracks, limits)
            raise MediaError(
                "{name} holds {tracks} but not one frame of it can be decoded. Export it again.",
                name=name,
                tracks=_named({kind: t.codec for kind, t in tracks.items()}),
            )
        timed = {kind: t for kind, t in decoded.items() if np.isfinite(t.end_s)}
        if not timed:
            raise MediaError(
                "{name} does not say when its {tracks} come: it has no times. Export it again as mp4.",
                name=name,
                tracks=_named({kind: t.codec for kind, t in decoded.items()}),
            )
        decoded = timed
        if "video" in decoded:
            _check_pixels(name, decoded["video"].frame, limits)
            _check_work(name, decoded["video"], limits)
        if "audio" in decoded:
            check_rate(name, decoded["audio"].frame.sample_rate)
        unknown = {
            s.type: "unknown codec" for s in (*container.streams.video, *container.streams.audio) if not s.codec_context
        }
        broken = unknown | {kind: t.codec for kind, t in tracks.items()}
        info = _describe(name, decoded, {k: c for k, c in broken.items() if k not in decoded})
        (audio, n_audio), (video, n_video) = (_number(container, kind, chosen) for kind in ("audio", "video"))
        info = replace(info, chosen=chosen, audio_track=audio, n_audio_tracks=n_audio)
        return replace(info, video_track=video, n_video_tracks=n_video)


def _number(container: Any, kind: str, chosen: tuple[int, ...]) -> tuple[int, int]:
    """Number the track of a kind that is read, from 1 in the order of the file; and count the tracks."""
    order = sorted(s.index for s in able_streams(container, kind))
    return next((n for n, index in enumerate(order, 1) if index in chosen), 1), len(order)


def _moving(path: Path, container: Any) -> tuple[int, ...]:
    """Choose the pictures of a clip with several tracks of them: the first with more than one picture.

    Returns:
        Its stream index alone; nothing when there is no choice.
    """
    able = [s.index for s in able_streams(container, "video")]
    if len(able) < 2:
        return ()
    count = dict.fromkeys(able, 0)
    with open_clip(path) as again:
        for packet in packets(again, [again.streams[index] for index in able]):
            count[packet.stream_index] += bool(packet.size)
            if count[able[0]] > 1:
                break
    return (next((index for index in able if count[index] > 1), able[0]),)


def _audible(path: Path, container: Any, limits: MediaLimits) -> tuple[int, ...]:
    """Choose the sound track of a clip with several: the first that is not far quieter than the loudest of them.

    Returns:
        Its stream index alone; nothing when there is no choice.
    """
    able = able_streams(container, "audio")
    if len(able) < 2:
        return ()
    levels = {s.index: level_dbfs(path, s.index, limits.max_duration_s) for s in able}
    heard = {index: level for index, level in levels.items() if level is not None}
    near = (i for i, level in heard.items() if level >= max(heard.values()) - FAR_QUIETER_DB)
    return (next(near, able[0].index),)


@dataclass
class _Track:
    """Extent of one stream as demuxing has seen it, and its first frame that decodes."""

    stream: Any
    by_place: bool  # its packets have the times of their place in the file
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
            self.frame = next(iter(decode(packet, self.by_place)), None)
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
        audio = {"sample_rate_hz": sound.sample_rate, "n_channels": sound.layout.nb_channels}
    video: dict[str, Any] = {}
    if "video" in decoded:
        track = decoded["video"]
        picture, length_s = track.frame, track.end_s - track.first_s
        turned = turns(matrix(picture))
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


def _check_table(name: str, tracks: dict[str, _Track], limits: MediaLimits) -> None:
    """Say that a table of frames, of which none is there, is larger than any that FFmpeg gets the memory for."""
    told = max(t.stream.frames for t in tracks.values())
    if told > MOST_TOLD * limits.max_frames:
        raise MediaError(
            "{name} says that it holds {n} frames; the limit is {limit}. Export it again.",
            name=name,
            n=told,
            limit=limits.max_frames,
        )


def _check_work(name: str, track: _Track, limits: MediaLimits) -> None:
    """Check the pixels of all pictures of a video together. Raises: MediaError."""
    pixels = track.n_packets * track.frame.width * track.frame.height
    if pixels > limits.max_decoded_pixels:
        raise too_many_pixels(name, track.n_packets, track.frame, pixels, limits)


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
