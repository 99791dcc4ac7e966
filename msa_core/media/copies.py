"""Writing of copies of a clip for a browser: rewritten with a duration, or encoded as h264 with AAC."""

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

from msa_core.config import MediaLimits
from msa_core.errors import MediaError
from msa_core.media import joined
from msa_core.media.opening import able_streams, main_streams, open_clip, packets, readable, unordered
from msa_core.media.paths import label, unwritten
from msa_core.media.pictures import Scaler, frames
from msa_core.media.probing import probe
from msa_core.media.sound import waveform
from msa_core.schema import SAMPLE_RATE_HZ, MediaInfo

PREVIEW_FPS, MOST_SIDE = 30, 640
START_US = 50_000  # a clip that starts later than this is not in step with the time line
Change = Callable[[np.ndarray], np.ndarray]  # of a picture (H, W, 3) uint8, or of the samples (N,) float32


def kind_of_copy(path: Path, limits: MediaLimits) -> str | None:
    """Return what copy of a clip a browser needs to show it with a time line.

    Returns: "mp4" or "webm" when its tracks play there as they are, "" when they must be encoded anew, and None when
    the browser plays the clip itself.

    Raises: MediaError.
    """
    with readable(path), open_clip(path) as container:
        several = [kind for kind in ("video", "audio") if len(able_streams(container, kind)) > 1]
        info = probe(path, limits) if several else None
        streams = main_streams(container, info.chosen if info else ())
        kind = _browser_kind(container.format.name, streams)
        first = {min(s.index for s in able_streams(container, kind)) for kind in several}
        plain = first <= {s.index for s in streams}
        plain &= container.duration is not None and abs(container.start_time or 0) <= START_US
        plain &= not joined.starts(path, container)
        native = path.suffix.lower() == f".{kind}"
    return None if kind and plain and native else kind or ""


def remux(path: Path, out: Path, limits: MediaLimits) -> None:
    """Copy the main video and sound of `path` to `out` without decoding, adding the duration and index it lacks.

    Raises: MediaError when the streams do not fit the container of `out`.
    """
    info = probe(path, limits)
    orders = _decoding_times(path, info)
    with _writing(path, out) as target, open_clip(path) as source:
        streams = main_streams(source, info.chosen)
        copies = {s.index: target.add_stream_from_template(s) for s in streams}
        for packet in packets(source, streams, info.chosen):
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


def _decoding_times(path: Path, info: MediaInfo) -> dict[int, deque[int]]:
    """Compute the decoding times that packets of each stream lack, by stream index; empty where all have theirs.

    They are the presentation times in order, moved so far back that none is later than its picture's.

    Raises: MediaError: a packet has neither.
    """
    with readable(path), open_clip(path) as container:
        streams = main_streams(container, info.chosen)
        if any(unordered(container, s) for s in streams):
            raise MediaError("{name} does not say when its pictures are shown. Export it as mp4.", name=label(path))
        times: dict[int, list[tuple[int | None, int | None]]] = {s.index: [] for s in streams}
        for packet in packets(container, streams, info.chosen):
            if packet.size:
                times[packet.stream_index].append((packet.pts, packet.dts))
    return {index: deque(_ordered(path, both)) for index, both in times.items()}


def _untimed(path: Path) -> MediaError:
    """Make the error of a clip whose packets cannot be copied."""
    return MediaError("{name} does not say when its pictures are shown. Export it as mp4.", name=label(path))


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


def encode(
    path: Path, out: Path, limits: MediaLimits, picture: Change | None = None, sound: Change | None = None
) -> None:
    """Encode what the analysis itself sees and hears as h264 and AAC, longer side 640.

    Args:
        path: the clip.
        out: the mp4 to write.
        limits: on the clip and on the work.
        picture: applied to every picture, (H, W, 3) uint8.
        sound: applied to the samples, (N,) float32.

    Raises: MediaError.
    """
    info = probe(path, limits)
    pictures = frames(path, info, PREVIEW_FPS, MOST_SIDE, limits)
    first, scaler = next(pictures, None), Scaler()
    with _writing(path, out) as target:
        coded: list[Any] = []
        if first is not None:
            video: Any = target.add_stream("libx264", rate=PREVIEW_FPS, options={"preset": "ultrafast", "crf": "26"})
            video.height, video.width = (side // 2 * 2 or 2 for side in first[1].shape[:2])
            video.pix_fmt, video.codec_context.time_base = "yuv420p", Fraction(1, 1000)
        if info.has_audio:
            audio: Any = target.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
            wave = waveform(path, info)
            samples = wave if sound is None else sound(wave)
            block = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = SAMPLE_RATE_HZ, 0, Fraction(1, SAMPLE_RATE_HZ)
            coded += [*audio.encode(block), *audio.encode(None)]
        for time_s, image in [] if first is None else chain([first], pictures):
            shown = av.VideoFrame.from_ndarray(image if picture is None else picture(image), format="rgb24")
            shown = scaler(shown, video.width, video.height, "yuv420p")
            shown.pts, shown.time_base = round(time_s * 1000), Fraction(1, 1000)
            coded += video.encode(shown)
        coded += [] if first is None else video.encode(None)
        for packet in sorted(coded, key=lambda p: p.dts * p.time_base):
            target.mux(packet)


@contextmanager
def _writing(path: Path, out: Path) -> Iterator[Any]:
    """Open an output container for `out`. Raises: MediaError naming `path`."""
    try:
        with av.open(str(out), "w") as target:
            yield target
    except (av.FFmpegError, ValueError, OSError) as e:
        raise unwritten(path, out.suffix[1:], e) from e
