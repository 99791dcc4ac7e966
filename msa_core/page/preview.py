"""Copies of clips that a browser can show: recordings get a duration, foreign codecs become h264 with AAC."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np

from msa_core import atomic, media
from msa_core.config import MediaLimits
from msa_core.degrade import Degradation
from msa_core.errors import MediaError
from msa_core.schema import MediaInfo

PREVIEW_FPS = 30
START_US = 50_000  # a clip that starts later than this is not in step with the time line
Change = Callable[[np.ndarray], np.ndarray]  # of a picture (H, W, 3) uint8, or of the samples (N,) float32


def browser_copy(path: str | Path, out_dir: str | Path) -> Path:
    """Return a file that a browser plays with a time line: `path` itself when it does, else a copy in `out_dir`.

    The copy has the tracks that the analysis reads, and its time 0 is the analysis's. A recording without duration is
    rewritten; HEVC, AVI and the like become h264 with AAC, longer side 640.
    Raises: MediaError when it cannot be read or written; no partial file is left.
    """
    path, out_dir = media.check_file(path, MediaLimits.command_line()), Path(out_dir)
    with media.readable(path), media.open_clip(path) as container:
        several = len(container.streams.audio) > 1
        info = media.probe(path, MediaLimits.command_line()) if several else None
        streams = media.main_streams(container, info.audio_index if info else None)
        kind = _browser_kind(container.format.name, streams)
        first = [s.index for s in container.streams.audio[:1]]
        plain = not several or [s.index for s in streams if s.type == "audio"] == first
        plain &= container.duration is not None and abs(container.start_time or 0) <= START_US
        native = path.suffix.lower() == f".{kind}"
    if kind and plain and native:
        return path
    out = out_dir / f"{path.stem}-preview.{kind or 'mp4'}"
    try:
        return remux(path, out) if kind else encode(path, out)
    except MediaError:
        if kind is None:
            raise
        return encode(path, out.with_suffix(".mp4"))  # damaged packets do not fit another container: decode them


def remux(path: str | Path, out: str | Path) -> Path:
    """Copy the main video and sound of `path` to `out` without decoding, adding the duration and index it lacks.

    Raises: MediaError when the streams do not fit the container of `out`; no partial file is left.
    """
    path, out = Path(path), Path(out)
    info = media.probe(path, MediaLimits.command_line())
    orders = _decoding_times(path, info)
    with _writing(path, out) as target, media.open_clip(path) as source:
        streams = media.main_streams(source, info.audio_index)
        copies = {s.index: target.add_stream_from_template(s) for s in streams}
        for packet in media.packets(source, streams, info.audio_index):
            if not packet.size:
                continue
            if orders[packet.stream_index]:
                packet.dts = orders[packet.stream_index].popleft()
            elif packet.pts is None:
                packet.pts = packet.dts
            start = round(info.start_s / packet.time_base)
            packet.pts, packet.dts = packet.pts - start, packet.dts - start
            packet.stream = copies[packet.stream_index]
            target.mux(packet)
    return out


def _decoding_times(path: Path, info: MediaInfo) -> dict[int, deque[int]]:
    """Compute the decoding times that packets of each stream lack, by stream index; empty where all have theirs.

    They are the presentation times in order, moved so far back that none is later than its picture's.

    Raises: MediaError: a packet has neither.
    """
    with media.readable(path), media.open_clip(path) as container:
        streams = media.main_streams(container, info.audio_index)
        if any(media.unordered(container, s) for s in streams):
            raise MediaError(
                "{name} does not say when its pictures are shown. Export it as mp4.", name=media.label(path)
            )
        times: dict[int, list[tuple[int | None, int | None]]] = {s.index: [] for s in streams}
        for packet in media.packets(container, streams, info.audio_index):
            if packet.size:
                times[packet.stream_index].append((packet.pts, packet.dts))
    return {index: deque(_ordered(path, both)) for index, both in times.items()}


def _untimed(path: Path) -> MediaError:
    """Make the error of a clip whose packets cannot be copied."""
    return MediaError("{name} does not say when its pictures are shown. Export it as mp4.", name=media.label(path))


def _ordered(path: Path, times: list[tuple[int | None, int | None]]) -> list[int]:
    """Compute decoding times from presentation times; empty when the packets have sound ones. Raises: MediaError."""
    dts = [d for _, d in times if d is not None]
    if len(dts) == len(times) and all(a < b for a, b in pairwise(dts)):
        return []
    pts = [p for p, _ in times if p is not None]
    if len(pts) < len(times):
        raise _untimed(path)
    inorder = sorted(pts)
    back = max((late - own for late, own in zip(inorder, pts, strict=True)), default=0)
    return [time - back for time in inorder]


def _browser_kind(container: str, streams: list[Any]) -> str | None:
    """Return 'mp4' or 'webm' when every stream plays there as it is, else None."""
    codecs = {s.codec_context.name for s in streams}
    pixels = {s.codec_context.pix_fmt for s in streams if s.type == "video"}
    if not streams or pixels - {"yuv420p", "yuvj420p"}:
        return None
    if "mov" in container and codecs <= {"h264", "aac", "mp3float", "mp3"}:
        return "mp4"
    if codecs <= {"vp8", "vp9", "libdav1d", "av1", "opus", "vorbis"}:
        return "webm"
    return "mp4" if codecs <= {"h264", "aac"} else None


def encode(path: str | Path, out: str | Path, picture: Change | None = None, sound: Change | None = None) -> Path:
    """Encode what the analysis itself sees and hears as h264 and AAC.

    Args:
        picture: applied to every picture, (H, W, 3) uint8.
        sound: applied to the samples, (N,) float32.

    Raises: MediaError; no partial file is left.
    """
    path, out = Path(path), Path(out)
    info = media.probe(path, MediaLimits.command_line())
    pictures = media.frames(path, info, fps=PREVIEW_FPS)
    first, scaler = next(pictures, None), media.Scaler()
    with _writing(path, out) as target:
        packets: list[Any] = []
        if first is not None:
            video: Any = target.add_stream("libx264", rate=PREVIEW_FPS, options={"preset": "ultrafast", "crf": "26"})
            video.height, video.width = (side // 2 * 2 or 2 for side in first[1].shape[:2])
            video.pix_fmt, video.codec_context.time_base = "yuv420p", Fraction(1, 1000)
        if info.has_audio:
            audio: Any = target.add_stream("aac", rate=media.SAMPLE_RATE_HZ, layout="mono")
            wave = media.waveform(path, info)
            samples = wave if sound is None else sound(wave)
            block = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = media.SAMPLE_RATE_HZ, 0, Fraction(1, media.SAMPLE_RATE_HZ)
            packets += [*audio.encode(block), *audio.encode(None)]
        for time_s, image in [] if first is None else chain([first], pictures):
            shown = av.VideoFrame.from_ndarray(image if picture is None else picture(image), format="rgb24")
            shown = scaler(shown, video.width, video.height, "yuv420p")
            shown.pts, shown.time_base = round(time_s * 1000), Fraction(1, 1000)
            packets += video.encode(shown)
        packets += [] if first is None else video.encode(None)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            target.mux(packet)
    return out


@contextmanager
def _writing(path: Path, out: Path) -> Iterator[Any]:
    """Open an output container for `out`, complete in the end or not there. Raises: MediaError naming `path`."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replaced_file(out) as part, av.open(str(part), "w") as target:
            yield target
    except (av.FFmpegError, ValueError, OSError) as e:
        why = getattr(e, "strerror", None) or type(e).__name__
        raise MediaError(
            "{name} cannot be rewritten as {kind} ({why}). Export it as mp4.",
            name=media.label(path),
            kind=out.suffix[1:],
            why=why,
        ) from e


def degraded_copy(path: str | Path, degradation: Degradation, out: str | Path) -> Path:
    """Encode what the models get of a degraded clip as h264 and AAC into the folder `out`, and nowhere else.

    Returns: the mp4, named after the clip and the degradation.

    Raises: MediaError; no partial file is left.
    """
    name = f"{Path(path).stem}-blur{1000 * degradation.blur:.0f}"
    name += "" if degradation.noise_db is None else f"-noise{degradation.noise_db:g}"
    return encode(path, Path(out) / f"{name}.mp4", degradation.picture, degradation.sound)
