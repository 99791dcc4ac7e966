"""Pitch of a voice over time, as Praat finds it: peaks of the autocorrelation, joined to the best path.

Boersma (1993), "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a
sampled sound": each frame's autocorrelation is divided by that of its window, and a frame takes one of its peaks or
none so that strong peaks win and jumps cost. Departures: the costs are not scaled by the time step; a frame that is no
louder than pauses and steady noise (`loudness.loud_frames`) has no pitch; the path is found twice, the second time
within an octave of the first's median, after De Looze and Hirst (2008); voiced stretches under SHORTEST_STEPS are
noise. librosa's yin is as fast, but it brings a compiler that takes many seconds at the first clip after an
installation; it is the reference of the tests.
"""

from __future__ import annotations

import numpy as np

from msa_core.features.loudness import SAMPLE_RATE_HZ, loud_frames, loudness_dbfs

STEP_S = 0.02
STEP, SIZE = 320, 640  # samples between frames and in a frame: three periods of the lowest pitch
LOWEST_HZ, HIGHEST_HZ = 75.0, 600.0
POINTS, FINE = 1024, 2  # of the transform, without wrapping within the longest lag; lags in steps of half a sample
CANDIDATES = 6  # peaks of a frame that may be its pitch
VOICED = 0.45  # strength of a frame's silence: a pitch is stronger
OCTAVE_COST, JUMP_COST, CHANGE_COST = 0.01, 0.35, 0.14  # of an octave lower, of an octave's jump, of on and off
RANGE = 2.0  # farther than this factor from the median pitch, a peak is taken for a multiple or a fraction of it
SHORTEST_STEPS = 3
CHUNK = 1024  # frames that are transformed at once
NEVER = -1e9  # strength of what no path takes


def autocorrelation(frames: np.ndarray, points: int, fine: int = 1) -> np.ndarray:
    """Correlate every frame (T, N) with itself at each lag: (T, points * fine), in steps of 1 / fine samples.

    Lags above points - N wrap around; the second half holds the negative ones.
    """
    return np.fft.irfft(np.abs(np.fft.rfft(frames, points)) ** 2, points * fine)


def pitch_hz(sound: np.ndarray) -> np.ndarray:
    """Find the pitch of every STEP_S of a sound (N,) at 16 kHz: (T,) in Hz, NaN where there is none."""
    if not len(sound):
        return np.zeros(0)
    # One frame a step, with its step in its middle.
    n = -(-len(sound) // STEP)
    padded = np.zeros(n * STEP + SIZE)
    before = (SIZE - STEP) // 2
    padded[before : before + len(sound)] = sound
    frames = np.lib.stride_tricks.sliding_window_view(padded, SIZE)[::STEP][:n]
    # Candidates of every frame; frames as soft as pauses have none.
    parts = [_candidates(frames[i : i + CHUNK]) for i in range(0, n, CHUNK)]
    hz, strength = (np.concatenate(p) for p in zip(*parts, strict=True))  # (T, CANDIDATES)
    strength[~loud_frames(loudness_dbfs(sound, STEP_S))] = NEVER
    # Best path, and once more near its median, without multiples and fractions of the pitch.
    track = _path(hz, strength)
    if np.isnan(track).all():
        return track
    middle = float(np.nanmedian(track))
    return _without_short(_path(hz, np.where((hz >= middle / RANGE) & (hz <= middle * RANGE), strength, NEVER)))


def _candidates(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the strongest peaks of frames (T, SIZE): pitch in Hz and strength, (T, CANDIDATES) each."""
    # Autocorrelation relative to that of the window, up to one lag beyond the lowest pitch.
    window = np.hanning(SIZE + 2)[1:-1]
    low, high = int(SAMPLE_RATE_HZ / HIGHEST_HZ * FINE), int(SAMPLE_RATE_HZ / LOWEST_HZ * FINE) + 1
    own = autocorrelation(window[None], POINTS, FINE)[0, : high + 2]
    found = autocorrelation((frames - frames.mean(1, keepdims=True)) * window, POINTS, FINE)[:, : high + 2]
    found = found / np.maximum(found[:, :1], 1e-20) / (own / own[0])
    # Peaks, and the top of the parabola through each and its neighbours.
    at, before, after = found[:, low : high + 1], found[:, low - 1 : high], found[:, low + 1 : high + 2]
    peak = (at >= before) & (at > after) & (at > VOICED / 2)
    bend = np.where(peak, before - 2 * at + after, -1.0)
    shift = np.where(peak, 0.5 * (before - after) / bend, 0.0)
    lag_s = (np.arange(low, high + 1) + shift) / (FINE * SAMPLE_RATE_HZ)
    top = np.minimum(at - 0.25 * (before - after) * shift, 1.0)
    # Strength of a candidate; the lower of two octaves pays a little.
    strength = np.where(peak, top - OCTAVE_COST * np.log2(LOWEST_HZ * lag_s), NEVER)
    best = np.argsort(-strength, 1)[:, :CANDIDATES]
    return 1 / np.take_along_axis(lag_s, best, 1), np.take_along_axis(strength, best, 1)


def _path(hz: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Choose a candidate (T, K) of each frame or none, by the Viterbi algorithm: (T,) in Hz, NaN for none."""
    n, k = hz.shape
    # Pitch in octaves and worth of every state of a frame; the first state is silence.
    octave = np.concatenate([np.zeros((n, 1)), np.log2(hz)], 1)
    worth = np.concatenate([np.full((n, 1), VOICED), strength], 1)  # (T, K + 1)
    # Forward: best sum up to every state, and where it came from.
    total, came_from = worth[0], np.zeros((n, k + 1), int)
    for t in range(1, n):
        cost = JUMP_COST * np.abs(octave[t][None] - octave[t - 1][:, None])
        cost[0], cost[:, 0] = CHANGE_COST, CHANGE_COST
        cost[0, 0] = 0.0
        ways = total[:, None] - cost
        came_from[t] = ways.argmax(0)
        total = ways.max(0) + worth[t]
    # Back along the best path.
    track, now = np.full(n, np.nan), int(total.argmax())
    for t in range(n - 1, -1, -1):
        if now:
            track[t] = hz[t, now - 1]
        now = came_from[t, now]
    return track


def _without_short(track: np.ndarray) -> np.ndarray:
    """Take the pitch from voiced stretches of fewer than SHORTEST_STEPS steps."""
    edges = np.flatnonzero(np.diff(np.isfinite(track), prepend=False, append=False))
    for start, end in edges.reshape(-1, 2):
        if end - start < SHORTEST_STEPS:
            track[start:end] = np.nan
    return track
