"""Clips of any length for the benchmark: shipped speech end to end over a shipped talking face, the same every time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from msa_core import media
from msa_core.config import MediaLimits, shipped
from msa_core.schema import SAMPLE_RATE_HZ

FPS = 25
SPEECH = ("jfk.flac", "crema_*.mp4", "grid_*.mp4")  # 39 s of English, in this order
FACES = ("latentsync_demo1.mp4", "latentsync_demo2.mp4")  # 30 s of two faces that talk


def write(path: Path, seconds: float) -> Path:
    """Write a clip of `seconds` as h264 with AAC: the same file for the same length and the same FFmpeg."""
    import av  # here: PyAV is loaded by those who decode or encode

    wave, pictures = _speech(round(seconds * SAMPLE_RATE_HZ)), islice(_faces(), round(seconds * FPS))
    with av.open(str(path), "w") as out:
        first = next(pictures)
        video: Any = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        video.height, video.width, video.pix_fmt = first.shape[0], first.shape[1], "yuv420p"
        audio: Any = out.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
        block = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        block.sample_rate, block.pts, block.time_base = SAMPLE_RATE_HZ, 0, Fraction(1, SAMPLE_RATE_HZ)
        coded = [*audio.encode(block), *audio.encode(None)]
        for number, image in enumerate(chain([first], pictures)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            coded += video.encode(frame)
        coded += video.encode(None)
        for packet in sorted(coded, key=lambda p: p.dts * p.time_base):
            out.mux(packet)
    return path


def _speech(n: int) -> np.ndarray:
    """Join the sounds of SPEECH, over and over, to (N,) float32."""
    files = [file for pattern in SPEECH for file in sorted(shipped("examples").glob(pattern))]
    sounds: list[np.ndarray] = []
    for file in cycle(files):
        if sum(map(len, sounds)) >= n:
            break
        sounds.append(media.waveform(file, media.probe(file)))
    return np.concatenate(sounds)[:n]


def _faces() -> Iterator[np.ndarray]:
    """Yield the pictures of FACES over and over, all of the size of the first."""
    size = None
    while True:
        for file in (shipped("examples") / name for name in FACES):
            for _, image in media.frames(file, media.probe(file), FPS, limits=MediaLimits.command_line()):
                size = size or (image.shape[0] // 2 * 2, image.shape[1] // 2 * 2)
                yield np.ascontiguousarray(_resized(image, size))


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale a picture to (height, width)."""
    import cv2

    return image if image.shape[:2] == size else np.asarray(cv2.resize(image, size[::-1]))
