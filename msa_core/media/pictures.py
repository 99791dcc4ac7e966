"""Pictures of a clip, upright and with their times."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import VideoReformatter

from msa_core.config import MediaLimits
from msa_core.errors import MediaError
from msa_core.media.opening import decoded, main_streams, open_clip, packets, readable, unordered
from msa_core.media.work import Work
from msa_core.schema import MediaInfo

EARLY_S = 1e-3  # a picture this much before its step counts as at it
LATE_S = 0.05  # a picture this much later than the first at its step stands for another moment
SKIP_RATIO = 4  # pictures nobody refers to are not decoded when the video has this many times the wanted rate
ONE_THREAD = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}  # before, a scaler had one anyway
Matrix = tuple[int, int, int, int]
PLAIN: Matrix = (1, 0, 0, 1)


def frames(
    path: Path, info: MediaInfo, fps: float, max_side: int, limits: MediaLimits
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield upright pictures as (time in s, RGB uint8 (H, W, 3)), about `fps` a second; see `reading.frames`.

    Raises:
        MediaError: the video cannot be decoded, or only with more work than `limits` allow.
    """
    with readable(path):
        yield from _frames(path, info, fps, max_side, limits)


def _frames(
    path: Path, info: MediaInfo, fps: float, max_side: int, limits: MediaLimits
) -> Iterator[tuple[float, np.ndarray]]:
    if not info.has_video:
        return
    due_s, upright_rgb = 0.0, _Upright(info.pixel_aspect, max_side)
    wanted = _wanted(path, info, fps) if info.fps >= SKIP_RATIO * fps else []
    # Leave out what nobody refers to while the rest comes in time; from the first late picture on decode those wanted.
    ways = [lambda packet: False, {pts for _, pts in wanted}.__contains__] if wanted else [None]
    for number, keep in enumerate(ways):
        work = Work(info.name, limits, info.duration_s)
        for time_s, frame in _timed(path, info, keep):
            work.add(frame, time_s)
            if time_s + EARLY_S < due_s:
                continue
            if number + 1 < len(ways) and time_s > _first(wanted, due_s) + LATE_S:
                break
            image = upright_rgb(frame)
            if image is None:
                continue
            due_s = _next_due(time_s, fps)
            yield time_s, image
        else:
            if _first(wanted, due_s) == np.inf:
                return


def _timed(path: Path, info: MediaInfo, keep: Callable[[int | None], bool] | None) -> Iterator[tuple[float, Any]]:
    """Yield decoded pictures with their times in s; `keep` says which pts are decoded though nobody refers to them."""
    time_s, step_s = 0.0, 1.0 / info.fps if info.fps else 0.04
    wanted = None if keep is None else lambda packet: keep(packet.pts)
    for i, frame in enumerate(decoded(path, "video", info.chosen, wanted)):
        if frame.pts is not None:
            time_s = max(0.0, float(frame.pts * frame.time_base) - info.start_s)
        elif i:
            time_s += step_s
        if time_s > info.duration_s + 1.0:
            return
        yield time_s, frame


def _wanted(path: Path, info: MediaInfo, fps: float) -> list[tuple[float, int]]:
    """List (time in s, pts) of the first picture at or after every step; empty when a packet has no pts."""
    times, due_s, found = [], 0.0, []
    with open_clip(path) as container:
        video = [s for s in main_streams(container, info.chosen) if s.type == "video"]
        for packet in packets(container, video, info.chosen):
            if packet.size and not packet.is_discard:
                if packet.pts is None or unordered(container, video[0]):
                    return []
                times.append((max(0.0, float(packet.pts * packet.time_base) - info.start_s), packet.pts))
    for time_s, pts in sorted(times):
        if time_s + EARLY_S >= due_s:
            found.append((time_s, pts))
            due_s = _next_due(time_s, fps)
    return found


def _first(wanted: list[tuple[float, int]], due_s: float) -> float:
    """Return the time of the first wanted picture from `due_s` on, or infinity."""
    i = bisect_left(wanted, (due_s - EARLY_S,))
    return wanted[i][0] if i < len(wanted) else np.inf


def _next_due(time_s: float, fps: float) -> float:
    """Return the step after a picture."""
    return float(np.floor(time_s * fps + 1e-2) + 1) / fps


class Scaler:
    """One scaler with one thread for many pictures: PyAV would give each its own, with a thread a core."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any, width: int, height: int, format: str, interpolation: str = "BILINEAR") -> Any:
        """Return a frame of another size and pixel format."""
        return self._reformatter.reformat(frame, width, height, format, interpolation=interpolation, **ONE_THREAD)


class _Upright:
    """Conversion of a clip's pictures: one scaler, and the display matrix of the first picture."""

    def __init__(self, pixel_aspect: float, max_side: int) -> None:
        self._pixel_aspect, self._max_side = pixel_aspect, max_side
        self._scaler = Scaler()
        self._matrix: Matrix | None = None

    def __call__(self, frame: Any) -> np.ndarray | None:
        """Convert to RGB (H, W, 3), upright, with square pixels and a longer side of at most `max_side`.

        Returns: None for a pixel format or a size that FFmpeg cannot convert.
        """
        self._matrix = self._matrix or matrix(frame)
        width, height = frame.width * self._pixel_aspect, float(frame.height)
        scale = min(1.0, self._max_side / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        try:
            scaled = self._scaler(frame, *size, "rgb24", "AREA" if scale < 1 else "BILINEAR")
        except (av.FFmpegError, ValueError):
            return None
        return upright(scaled.to_ndarray(), self._matrix)


def matrix(frame: Any) -> Matrix:
    """Read (a, b, c, d) of the display matrix: picture (x, y) is shown at (a x + c y, b x + d y).

    Nothing is left on the frame: `frame.side_data` would keep it, and the picture in it, until Python collects cycles.
    """
    try:
        found: Any = SideDataContainer
        data = found(frame).get("DISPLAYMATRIX")
    except ValueError:  # a kind of side data that PyAV has no name for, such as EXIF: the turn alone is known
        turn = np.radians(-frame.rotation)
        a, b = round(np.cos(turn)), round(np.sin(turn))
        return a, b, -b, a
    if data is None:
        return PLAIN
    m = np.frombuffer(bytes(data), "<i4")
    return int(m[0]), int(m[1]), int(m[3]), int(m[4])


def turns(matrix: Matrix) -> int:
    """Return the clockwise turn in degrees that shows the picture upright: 0, 90, 180 or 270."""
    a, b, _, _ = matrix
    return round(np.degrees(np.arctan2(b, a)) / 90) % 4 * 90


def upright(image: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Apply the quarter turns and mirrorings of the display matrix."""
    a, b, c, d = matrix
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, a, d = image.swapaxes(0, 1), c, b
    image = image[:, ::-1] if a < 0 else image
    return np.ascontiguousarray(image[::-1] if d < 0 else image)


def jpeg(data: bytes, max_side: int = 640) -> np.ndarray:
    """Decode one JPEG picture; see `reading.jpeg`."""
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(max_side * max_side), "err_detect": "explode"}
    try:
        frames = decoder.decode(av.Packet(data)) if data else []
        image = frames[0].to_ndarray(format="rgb24") if frames else None
    except (av.FFmpegError, ValueError):
        image = None
    if image is None or max(image.shape[:2]) > max_side:
        raise MediaError("A camera picture is not a JPEG of at most {side} pixels a side.", side=max_side)
    return np.asarray(image)
