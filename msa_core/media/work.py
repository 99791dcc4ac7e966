"""Work that the pictures of a clip may take: pixels decoded, and time of the processor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msa_core.config import MediaLimits
from msa_core.errors import MediaError

FORESEEN_S = 5.0  # of the processor, after which the rest is foreseen


def _untold() -> float:
    return 0.0


clock: Callable[[], float] = _untold  # seconds of the processor; told in a process that only reads media


class Work:
    """The work that decoding has taken so far."""

    def __init__(self, name: str, limits: MediaLimits, duration_s: float) -> None:
        """Begin to count. Args: name: of the clip. limits: of the work. duration_s: of the clip."""
        self._name, self._limits, self._duration_s = name, limits, duration_s
        self._began_s, self._pixels, self._pictures = clock(), 0, 0

    def add(self, picture: Any, time_s: float) -> None:
        """Count a decoded picture at its time in s. Raises: MediaError when a limit is passed, or will be."""
        self._pixels += picture.width * picture.height
        self._pictures += 1
        if self._pixels > self._limits.max_decoded_pixels:
            raise too_many_pixels(self._name, self._pictures, picture, self._pixels, self._limits)
        spent_s = clock() - self._began_s
        if spent_s > FORESEEN_S and spent_s * self._duration_s > self._limits.max_decoding_s * time_s:
            raise too_slow(self._name, self._limits.max_decoding_s)


def too_many_pixels(name: str, n: int, picture: Any, pixels: int, limits: MediaLimits) -> MediaError:
    """Make the error of a clip with too many pixels in all its pictures; `picture` has the size of one."""
    return MediaError(
        "{name} has {n} pictures of {width} x {height} pixels, {total:.1f} gigapixels in all; the limit is "
        "{limit:.1f}. Shorten it, or export it smaller or at 30 per second.",
        name=name,
        n=n,
        width=picture.width,
        height=picture.height,
        total=pixels / 1e9,
        limit=limits.max_decoded_pixels / 1e9,
    )


def too_slow(name: str, limit_s: float) -> MediaError:
    """Make the error of a clip that keeps the processor busy for too long."""
    return MediaError(
        "{name} takes more than {limit:.0f} s of computing to read. Shorten it, or export it smaller as mp4.",
        name=name,
        limit=limit_s,
    )


def too_large(name: str, limit_bytes: int) -> MediaError:
    """Make the error of a clip that needs too much memory."""
    return MediaError(
        "{name} needs more than {limit:.0f} MB of memory to read. Export it again as mp4.",
        name=name,
        limit=limit_bytes / 2**20,
    )
