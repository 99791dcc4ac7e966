"""Reading of a clip for all who need it: its facts, its waveform and its pictures, from a process with limits.

Path and limits go there; plain arrays come back, the same to the bit as if they had been read here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from msa_core.config import MediaLimits
from msa_core.media import process
from msa_core.media.child import Request
from msa_core.media.paths import absolute, check_name
from msa_core.schema import MediaInfo


def probe(path: str | Path, limits: MediaLimits | None = None) -> MediaInfo:
    """Describe a media file from all its packets, decoding only one picture and one sound frame.

    Args:
        path: the media file.
        limits: on the file and on the work; None takes those of the page.

    Raises:
        MediaError: the file is missing, empty, too big or long, no media, too much work, or has nothing decodable.
    """
    check_name(path)
    limits = limits or MediaLimits()
    info: MediaInfo = process.call(
        Request("msa_core.media.probing:probe", absolute(path), (limits,), limits, limits.max_cpu_s)
    )
    return info


def waveform(path: str | Path, info: MediaInfo, limits: MediaLimits | None = None) -> np.ndarray:
    """Decode the sound of a clip as (N,) float32, mono, 16 kHz, in [-1, 1].

    Sample i is at i / 16000 s of the clip; it is 0 where the track has no sound, and N is 0 without a track. Of a
    damaged track everything that can be decoded is kept.

    Args:
        path: the media file.
        info: from `probe`.
        limits: on the work; None takes those of the command line.

    Raises:
        MediaError: the sound cannot be decoded within the limits, or has NaN or infinite samples.
    """
    limits = limits or MediaLimits.command_line()
    wave: np.ndarray = process.call(
        Request("msa_core.media.sound:waveform", absolute(path), (info,), limits, limits.max_cpu_s)
    )
    return wave


def frames(
    path: str | Path, info: MediaInfo, fps: float = 5.0, max_side: int = 640, limits: MediaLimits | None = None
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield upright pictures as (time in s, RGB uint8 (H, W, 3)), about `fps` a second.

    The first picture at or after every 1 / fps step is given, at its own time; a slower video gives all it has. One
    that cannot be converted is left out as a damaged one is. The pictures end where decoding ends.

    Args:
        path: the media file.
        info: from `probe`.
        fps: pictures a second, at most.
        max_side: longer side of a picture in pixels, at most.
        limits: on the work; None takes those of the command line.

    Raises:
        MediaError: the video cannot be decoded within the limits.
    """
    limits = limits or MediaLimits.command_line()
    values = (info, fps, max_side, limits)
    yield from process.stream(
        Request("msa_core.media.pictures:frames", absolute(path), values, limits, limits.max_decoding_s)
    )


def jpeg(data: bytes, max_side: int = 640) -> np.ndarray:
    """Decode one JPEG picture of a camera as RGB uint8 (H, W, 3), in this process: it is small and comes often.

    Args:
        data: the bytes of the picture, and nothing after them.
        max_side: longer side in pixels, at most; a larger picture is refused before it is decoded.

    Raises:
        MediaError: it is no JPEG picture, damaged or too large.
    """
    from msa_core.media import pictures  # here: PyAV is loaded by those who decode

    return pictures.jpeg(data, max_side)


def warm() -> None:
    """Start the processes that read media, so that the first clip does not wait for them."""
    if process.separate():
        with suppress(OSError):  # said when a clip is read
            process.READERS.warm()


def close() -> None:
    """End the processes that read media; a clip that one of them reads ends in an error."""
    process.READERS.close()
