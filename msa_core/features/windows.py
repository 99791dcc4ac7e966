"""Windows of sound for Whisper: padded with silence, frames pooled to 10 Hz; what was heard in one.

Words are read from windows of up to 30 s that are cut in pauses (`cut_windows`). The frames of the voice come from
overlapping windows of 4 s (`voice_windows`), joined again by `overlapped`: the encoder adds an embedding of the
position to every frame, so a frame at second 20 of a long window looks unlike any voice of the training corpora,
whose clips end at second 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from msa_core.errors import FeatureError
from msa_core.features.loudness import FRAME_S, SAMPLE_RATE_HZ, loudness_dbfs
from msa_core.features.openai_whisper import Whisper, log_mel_spectrogram
from msa_core.features.whisper_decoding import MAX_TOKENS, Aligned, Decoded
from msa_core.schema import Word

POOL = 5  # encoder frames (50 Hz) in one audio frame (10 Hz)
FRAME_SAMPLES = int(FRAME_S * SAMPLE_RATE_HZ)
WINDOW_S, PAD_STEP_S, SILENCE_S = 30, 5, 1  # longest window; lengths are multiples of 5 s; silence after the sound
VOICE_WINDOW_S, VOICE_HOP_S = 4, 2  # windows of the voice: length, and from one start to the next
CUT_FROM_S = 20  # a window of long audio ends at its quietest point between 20 and 30 s


@dataclass(frozen=True)
class Window:
    """Stretch of one clip: at most 30 s of sound that starts at start_s."""

    clip: int
    start_s: float
    sound: np.ndarray

    @property
    def padded_s(self) -> int:
        """Seconds after padding: the sound, silence, up to the next multiple of 5 s, at most 30 s."""
        seconds = -(-(len(self.sound) + SILENCE_S * SAMPLE_RATE_HZ) // (PAD_STEP_S * SAMPLE_RATE_HZ)) * PAD_STEP_S
        return min(seconds, WINDOW_S)

    @property
    def n_frames(self) -> int:
        """Encoder frames of real sound, at least one."""
        return max(1, -(-len(self.sound) // FRAME_SAMPLES))


@dataclass(frozen=True)
class DecodedWindow:
    """Words of a window, or the reason for having none."""

    aligned: Aligned | None = None
    reason: str | None = None
    log_probability: float = 0.0
    english: tuple[Word, ...] = ()  # of a translation, in s from the window's start
    rough: bool = False  # the translation is doubtful
    unfinished: bool = False  # a loop that never ended, and says too little for the sound
    decoded: Decoded | None = None  # what was decoded, also where it is not believed; None: no letters
    note: str | None = None
    counted: bool = False  # the sound told how often the phrase of a loop is said


def checked(waveform: np.ndarray) -> np.ndarray:
    """Return the waveform as contiguous float32 (N,). Raises: FeatureError for another shape, NaN or infinity."""
    wave = np.asarray(waveform)
    if wave.ndim != 1 or wave.size == 0:
        raise FeatureError(
            "The waveform has shape {shape}. Give mono samples (N,), N >= 1, at 16 kHz.", shape=wave.shape
        )
    if not np.isfinite(wave).all():
        bad = int((~np.isfinite(wave)).sum())
        raise FeatureError("The waveform has {n} samples that are NaN or infinite. Export the audio again.", n=bad)
    return np.ascontiguousarray(wave, dtype=np.float32)


def cut_windows(clip: int, wave: np.ndarray, longest_s: int = WINDOW_S, cut_from_s: int = CUT_FROM_S) -> list[Window]:
    """Cut audio to windows of at most `longest_s`, at its quietest 0.1 s after `cut_from_s` of each."""
    windows, start = [], 0
    while len(wave) - start > longest_s * SAMPLE_RATE_HZ:
        low, high = start + cut_from_s * SAMPLE_RATE_HZ, start + longest_s * SAMPLE_RATE_HZ
        quietest = int(np.argmin(loudness_dbfs(wave[low:high])))
        cut = low + int((quietest + 0.5) * 0.1 * SAMPLE_RATE_HZ)
        cut -= (cut - start) % (POOL * FRAME_SAMPLES)  # windows start on an audio frame
        windows.append(Window(clip, start / SAMPLE_RATE_HZ, wave[start:cut]))
        start = cut
    return [*windows, Window(clip, start / SAMPLE_RATE_HZ, wave[start:])]


def voice_windows(clip: int, wave: np.ndarray) -> list[Window]:
    """Cut audio to overlapping windows of VOICE_WINDOW_S, each from an audio frame on.

    The first window begins with silence and the last one is short, so that the ends of the audio are seen at as many
    positions as its middle. Audio of one window or less is one window.
    """
    size, hop, step = VOICE_WINDOW_S * SAMPLE_RATE_HZ, VOICE_HOP_S * SAMPLE_RATE_HZ, POOL * FRAME_SAMPLES
    if len(wave) <= size:
        return [Window(clip, 0.0, wave)]
    full = -(-(len(wave) - size) // step) * step  # start of the window that ends with the audio
    starts = [*range(hop - size, full, hop), full, full + hop]
    padded = np.concatenate([np.zeros(size - hop, np.float32), wave])
    return [Window(clip, s / SAMPLE_RATE_HZ, padded[s + size - hop :][:size]) for s in starts]


def overlapped(frames: Sequence[np.ndarray], windows: Sequence[Window], pool: int = POOL) -> np.ndarray:
    """Join the pooled frames of overlapping windows of one clip: (T, D) float32.

    Where windows overlap, a frame is their mean, weighted by its distance from the edge of each window.

    Args:
        frames: (T_w, D) of each window, from `pooled`.
        windows: of `voice_windows`, in order.
        pool: encoder frames in one of them, POOL or 1.
    """
    if len(windows) == 1:
        return frames[0]
    starts = [round(w.start_s * SAMPLE_RATE_HZ) // (pool * FRAME_SAMPLES) for w in windows]
    lead, size = -starts[0], VOICE_WINDOW_S * SAMPLE_RATE_HZ // (pool * FRAME_SAMPLES)  # in frames
    total = np.zeros((lead + starts[-1] + len(frames[-1]), frames[0].shape[1]))
    weights = np.zeros((len(total), 1))
    for start, part in zip(starts, frames, strict=True):
        place = np.arange(len(part)) + 0.5
        near = np.minimum(place, size - place)[:, None]  # frames from the nearer edge
        total[lead + start :][: len(part)] += near * part
        weights[lead + start :][: len(part)] += near
    return (total[lead:] / weights[lead:]).astype(np.float32)


def voice_times(n_samples: int, pool: int = POOL) -> np.ndarray:
    """Return the middle of each frame of a sound, in s; `pool`: encoder frames in one."""
    return frame_times(Window(0, 0.0, np.empty(n_samples, np.float32)), pool)


def batches(windows: Sequence[Window], batch: int) -> list[list[Window]]:
    """Group windows by padded length, at most `batch` in a group."""
    groups: list[list[Window]] = []
    for window in sorted(windows, key=lambda w: (w.padded_s, w.clip, w.start_s)):
        if not groups or len(groups[-1]) == batch or groups[-1][0].padded_s != window.padded_s:
            groups.append([])
        groups[-1].append(window)
    return groups


def mel(windows: Sequence[Window], model: Whisper, padded_s: int) -> Tensor:
    """Compute the log-mel (B, n_mels, 100 x padded_s) of windows padded with silence, each normalised alone."""
    n = padded_s * SAMPLE_RATE_HZ
    mels = [log_mel_spectrogram(w.sound, model.dims.n_mels, n - len(w.sound), model.device) for w in windows]
    return torch.stack(mels)


def pooled(frames: Tensor, windows: Sequence[Window], pool: int = POOL) -> list[np.ndarray]:
    """Average each `pool` real encoder frames (the last group may be smaller): (T, D) float32 per window."""
    rows = frames.float().cpu().numpy()
    return [averaged(row[: w.n_frames], pool) for row, w in zip(rows, windows, strict=True)]


def averaged(frames: np.ndarray, pool: int) -> np.ndarray:
    """Average each `pool` of N frames (N, D), the last group may be smaller: (T, D) float32."""
    starts = np.arange(0, len(frames), pool)
    sizes = np.minimum(pool, len(frames) - starts)
    return (np.add.reduceat(frames, starts, axis=0) / sizes[:, None]).astype(np.float32)


def frame_times(window: Window, pool: int = POOL) -> np.ndarray:
    """Return the middle of each frame, in s of the clip; `pool`: encoder frames in one."""
    starts = np.arange(0, window.n_frames, pool)
    stops = np.minimum(starts + pool, window.n_frames)
    return window.start_s + (starts + stops) / 2 * FRAME_S


def token_limit(duration_s: float) -> int:
    """Return more tokens than anyone says in that time."""
    return min(MAX_TOKENS, 12 + int(8 * duration_s))
