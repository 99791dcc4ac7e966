"""Pictures of a clip, upright and with their times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from msa_core.media.opening import decoded
from msa_core.schema import MediaInfo

SKIP_RATIO = 4  # pictures nobody refers to are not decoded when the video has this many times the wanted rate


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
    for i, frame in enumerate(decoded(Path(path), "video", skip)):
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
        yield time_s, upright(_scaled(frame, info.pixel_aspect, max_side), matrix(frame))


def _scaled(frame: Any, pixel_aspect: float, max_side: int) -> np.ndarray:
    """Convert to RGB (H, W, 3) with square pixels and a longer side of at most `max_side`."""
    width, height = frame.width * pixel_aspect, float(frame.height)
    scale = min(1.0, max_side / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return frame.reformat(*size, format="rgb24", interpolation="AREA" if scale < 1 else "BILINEAR").to_ndarray()


def matrix(frame: Any) -> tuple[int, int, int, int]:
    """Read (a, b, c, d) of the display matrix: picture (x, y) is shown at (a x + c y, b x + d y)."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return (1, 0, 0, 1)
    m = np.frombuffer(bytes(data), "<i4")
    return int(m[0]), int(m[1]), int(m[3]), int(m[4])


def turns(matrix: tuple[int, int, int, int]) -> int:
    """Return the clockwise turn in degrees that shows the picture upright: 0, 90, 180 or 270."""
    a, b, _, _ = matrix
    return round(np.degrees(np.arctan2(b, a)) / 90) % 4 * 90


def upright(image: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Apply the quarter turns and mirrorings of the display matrix."""
    a, b, c, d = matrix
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, a, d = image.swapaxes(0, 1), c, b
    image = image[:, ::-1] if a < 0 else image
    return np.ascontiguousarray(image[::-1] if d < 0 else image)
