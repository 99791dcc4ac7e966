"""Sound of a clip as one waveform, mono, 16 kHz."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np

from msa_core.errors import MediaError
from msa_core.media.opening import decoded
from msa_core.schema import MediaInfo

SAMPLE_RATE_HZ = 16_000
GAP_S = 0.05  # sound this far from where it is expected starts anew at its own time


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
    for frame in decoded(Path(path), "audio"):
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
