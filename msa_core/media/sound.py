"""Sound of a clip as one waveform, mono, 16 kHz."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np

from msa_core.errors import MediaError
from msa_core.media.opening import decoded, readable
from msa_core.schema import SAMPLE_RATE_HZ, MediaInfo

LEAST_HZ, MOST_HZ = 4_000, 768_000  # rates of sound that are resampled
GAP_S = 0.05  # sound this far from where it is expected starts anew at its own time
WINDOW_S = 0.5  # stretch of sound over which the mix is compared with its channels
FAR_QUIETER = 16.0  # ratio of power (12 dB) from which a mix has lost its loudest channel
HEARD = 1e-6  # power of a stretch that is heard (-60 dB of full scale)
BESIDE = 1e-3  # share of the loudest stretch below which a stretch is background
OVERSHOOT = 1.25  # a lossy codec overshoots by less
GLITCHES = 1e-4  # share of samples that may do so; sound with more of them has another full scale
FADE_S = 0.01
Change = Callable[[Any, float], Any]  # of a decoded frame at its time in s


def waveform(path: Path, info: MediaInfo) -> np.ndarray:
    """Decode the sound of a clip as (N,) float32, mono, 16 kHz, in [-1, 1]; see `reading.waveform`.

    Channels are mixed; where they cancel out, or the mix leaves a channel out (low frequency effects), the loudest
    channel stands in for the mix.

    Raises:
        MediaError: the sound cannot be decoded, has NaN or infinite samples, or another rate than LEAST_HZ to MOST_HZ.
    """
    if not info.has_audio:
        return np.zeros(0, np.float32)
    channels = _Channels()
    with readable(path):
        out = _placed(path, info, channels.mixed)
        if channels.find_lost(out):
            alone = _placed(path, info, channels.loudest)
            share = channels.share(len(out))
            out = out * (1 - share) + alone * share
    if not np.isfinite(out).all():
        raise MediaError("{name} has NaN or infinite sound samples. Export its sound again as 16-bit.", name=info.name)
    size = np.abs(out)
    if float((size > OVERSHOOT).mean()) > GLITCHES:
        out = out / size.max()
    return np.clip(out, -1.0, 1.0)


def check_rate(name: str, rate_hz: int) -> None:
    """Check the sample rate of the sound of a clip. Raises: MediaError."""
    if not LEAST_HZ <= rate_hz <= MOST_HZ:
        raise MediaError(
            "{name} has sound at {rate} Hz; it must have from {least} to {most} Hz. Export its sound at 16000 Hz.",
            name=name,
            rate=rate_hz,
            least=LEAST_HZ,
            most=MOST_HZ,
        )


class _Channels:
    """Power of the channels over time, and what stands for them in a mono waveform."""

    def __init__(self) -> None:
        self._energy: dict[int, np.ndarray] = {}  # by window: summed squares of each channel
        self._samples: dict[int, int] = {}
        self._lost: dict[int, int] = {}  # windows whose mix has lost its loudest channel -> that channel

    def mixed(self, frame: Any, time_s: float) -> Any:
        """Measure the channels of a frame. Returns: a frame that is mixed rightly though its layout is unknown."""
        values = _values(frame) if frame.layout.nb_channels > 1 else None
        if values is None:
            return frame
        window, energy = int(time_s / WINDOW_S), _energy(values)
        known = self._energy.get(window)
        same = known is not None and len(known) == len(energy)
        self._energy[window] = known + energy if same else energy  # type: ignore[operator]
        self._samples[window] = (self._samples[window] if same else 0) + values.shape[1]
        return frame if all(c.name != "NONE" for c in frame.layout.channels) else _mono(frame, values.mean(0))

    def find_lost(self, mix: np.ndarray) -> bool:
        """Find the windows in which the mix is far quieter than the loudest channel. Returns: whether there is one."""
        power = {w: energy / self._samples[w] for w, energy in self._energy.items()}
        floor = max(HEARD, BESIDE * max((float(p.max()) for p in power.values()), default=0.0))
        for window, channels in power.items():
            low = round(window * WINDOW_S * SAMPLE_RATE_HZ)
            piece = mix[low : low + round(WINDOW_S * SAMPLE_RATE_HZ)].astype(np.float64)
            loudest = float(channels.max())
            if loudest > floor and len(piece) and np.mean(piece**2) * FAR_QUIETER < loudest:
                self._lost[window] = int(channels.argmax())
        # One channel throughout where it will do: two that differ in sign only would turn the wave over and over.
        usual = max(self._lost.values(), key=list(self._lost.values()).count, default=0)
        for window, channel in self._lost.items():
            channels = power[window]
            if usual < len(channels) and channels[usual] * FAR_QUIETER > channels[channel]:
                self._lost[window] = usual
        return bool(self._lost)

    def loudest(self, frame: Any, time_s: float) -> Any:
        """Return the loudest channel of a frame where the mix has lost it, else the mean of all."""
        values = _values(frame) if frame.layout.nb_channels > 1 else None
        if values is None:
            return frame
        channel = self._lost.get(int(time_s / WINDOW_S))
        return _mono(frame, values.mean(0) if channel is None or channel >= len(values) else values[channel])

    def share(self, length: int) -> np.ndarray:
        """Return the share of the loudest channel in each of `length` samples: 1 where the mix has lost it, faded."""
        share, size = np.zeros(length, np.float32), round(WINDOW_S * SAMPLE_RATE_HZ)
        for window in self._lost:
            share[window * size : (window + 1) * size] = 1
        fade = np.ones(round(FADE_S * SAMPLE_RATE_HZ), np.float32)
        return np.convolve(share, fade / len(fade), "same") if length >= len(fade) else share


def level_dbfs(path: Path, audio_index: int, longest_s: float) -> float | None:
    """Measure the loudest 0.1 s of any channel of a sound track, in dB of full scale; None when nothing decodes."""
    loudest, seen_s, heard = 0.0, 0.0, False
    energy, samples = np.zeros(1), 0
    for frame in decoded(path, "audio", (audio_index,)):
        values = _values(frame)
        if values is None or not LEAST_HZ <= frame.sample_rate <= MOST_HZ:
            continue
        heard = True
        square = np.nan_to_num(_energy(values))
        energy = energy + square if len(energy) == len(square) else square
        samples, seen_s = samples + values.shape[1], seen_s + values.shape[1] / frame.sample_rate
        if samples >= 0.1 * frame.sample_rate:
            loudest = max(loudest, float(energy.max()) / samples)
            energy, samples = np.zeros(len(square)), 0
        if seen_s > longest_s:
            break
    return 10.0 * float(np.log10(max(loudest, 1e-20))) if heard else None


def _placed(path: Path, info: MediaInfo, change: Change) -> np.ndarray:
    """Decode the track to (N,) float32, every frame changed by `change` and mixed, at its own time."""
    out = np.zeros(max(1, round(info.duration_s * SAMPLE_RATE_HZ)), np.float32)
    resampler: av.AudioResampler | None = None
    setup: tuple[str, str, int] | None = None
    position, expected_s = 0, 0.0
    for frame in decoded(path, "audio", info.chosen):
        check_rate(info.name, frame.sample_rate)
        time_s = expected_s if frame.pts is None else float(frame.pts * frame.time_base) - info.start_s
        length_s, frame = frame.samples / frame.sample_rate, change(frame, time_s)
        now = (frame.format.name, frame.layout.name, frame.sample_rate)
        # A gap, an overlap or another format: place the sound anew at its own time.
        if resampler is None or now != setup or abs(time_s - expected_s) > GAP_S:
            _place(out, position, resampler, None)
            resampler, setup = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ), now
            position, expected_s = round(time_s * SAMPLE_RATE_HZ), time_s
        position = _place(out, position, resampler, frame)
        expected_s += length_s
        if position >= len(out):
            break
    _place(out, position, resampler, None)
    return out


def _values(frame: Any) -> np.ndarray | None:
    """Return the samples of a frame as (C, n) float32, or None when they cannot be converted."""
    n, kind = frame.layout.nb_channels, frame.format.name
    if n < 8 and kind in ("flt", "fltp", "s16", "s16p"):  # PyAV reads no more than 7 planes
        values = frame.to_ndarray()
        values = values if frame.format.is_planar else values.reshape(-1, n).T
        return values if values.dtype == np.float32 else values.astype(np.float32) / 32768
    try:
        pieces = av.AudioResampler("flt").resample(frame)
    except (av.FFmpegError, ValueError):
        return None
    return np.concatenate([p.to_ndarray().reshape(-1, n).T for p in pieces], 1)


def _energy(values: np.ndarray) -> np.ndarray:
    """Sum the squares of each channel of (C, n)."""
    return np.einsum("cn,cn->c", values, values).astype(np.float64)


def _mono(frame: Any, values: np.ndarray) -> Any:
    """Return the samples (n,) as a mono frame at the time of `frame`."""
    mono = av.AudioFrame.from_ndarray(np.ascontiguousarray(values[None], np.float32), format="fltp", layout="mono")
    mono.sample_rate, mono.pts, mono.time_base = frame.sample_rate, frame.pts, frame.time_base
    return mono


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
