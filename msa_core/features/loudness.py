"""Loudness of sound: silence, pauses, and the stretches in which somebody may be speaking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SAMPLE_RATE_HZ = 16_000
FRAME_S = 0.02  # of one level, and one encoder frame
SILENT_DBFS = -60.0  # the loudest 0.1 s of a silent track is below this
QUIET_DB = 30.0  # sound so far below the loud parts of a window is a pause
LOUDEST_FRAMES = 10  # the level of loud speech is their mean, however little of a window it fills
ABOVE_FLOOR_DB, BELOW_LOUD_DB = 8.0, 15.0  # speech is so far above the noise; a nearer noise floor is speech itself
BESIDE_S = 0.5  # soft sound so near to loud sound may belong to a word
LONG_WORD_S = 1.5  # a longer span holds a pause or a noise besides its word
CARRY_S, PAUSE_FRAMES = 0.4, 4  # the end of a word is carried on so far, over so short pauses
WORD_GAP_S = 0.2  # within a word; longer quiet divides a long span


def loudness_dbfs(sound: np.ndarray, step_s: float = 0.1) -> np.ndarray:
    """Measure the RMS of each stretch of `step_s` (the last may be shorter), in dB of full scale, >= -200."""
    size = int(step_s * SAMPLE_RATE_HZ)
    sizes = np.minimum(size, len(sound) - np.arange(0, len(sound), size))
    power = np.add.reduceat(sound.astype(np.float64) ** 2, np.arange(0, len(sound), size)) / sizes
    return 10.0 * np.log10(np.maximum(power, 1e-20))


def is_silent(sound: np.ndarray) -> bool:
    """Tell whether even the loudest 0.1 s is below SILENT_DBFS."""
    return bool(loudness_dbfs(sound).max() < SILENT_DBFS)


def loud_frames(level: np.ndarray) -> np.ndarray:
    """Tell loud frames from pauses and steady noise, by levels (T,) in dB: (T,) bool.

    The threshold lies QUIET_DB below the loudest frames, and above the noise floor where there is one: a word
    after a long silence or in room noise is measured against itself, not against the whole window.
    """
    top = float(np.sort(level)[-LOUDEST_FRAMES:].mean())
    above_floor = min(float(np.percentile(level, 10)) + ABOVE_FLOOR_DB, top - BELOW_LOUD_DB)
    return level > max(top - QUIET_DB, above_floor)


def loud_seconds(sound: np.ndarray) -> float:
    """Measure how long the sound is loud, in s."""
    return float(loud_frames(loudness_dbfs(sound, FRAME_S)).sum()) * FRAME_S


def near_loud(sound: np.ndarray) -> np.ndarray:
    """Mark the frames that are at most BESIDE_S from a loud one: (T,) bool. The others are long pauses."""
    loud = loud_frames(loudness_dbfs(sound, FRAME_S))
    reach = int(BESIDE_S / FRAME_S)
    return np.convolve(loud, np.ones(2 * reach + 1), mode="full")[reach : reach + len(loud)] > 0.5


def trimmed(spans: Sequence[tuple[float, float]], sound: np.ndarray) -> list[tuple[float, float]]:
    """Trim the pauses from word spans (s); the alignment gives pauses to a neighbour."""
    level = loudness_dbfs(sound, FRAME_S)
    near, loud = near_loud(sound), loud_frames(level)
    heard = level > np.percentile(level[near], 95) - QUIET_DB if near.all() else loud
    answers = []
    for k, (start, end) in enumerate(spans):
        first, last = int(round(start / FRAME_S)), int(round(end / FRAME_S))
        inside = np.flatnonzero(heard[first:last]) + first
        if not inside.size:  # sound that the words beside it leave
            before, after = spans[k - 1][1] if k else start, spans[k + 1][0] if k + 1 < len(spans) else end
            left = slice(int(round(before / FRAME_S)), int(round(after / FRAME_S)))
            inside = np.flatnonzero(loud[left]) + left.start
        if inside.size and end - start > LONG_WORD_S:
            inside = _longest(np.flatnonzero(loud[first:last]) + first, inside)
        if inside.size:
            stop = spans[k + 1][0] if k + 1 < len(spans) else len(level) * FRAME_S
            start, end = int(inside[0]) * FRAME_S, _carried_on(loud, int(inside[-1]) + 1, stop) * FRAME_S
        answers.append((round(start, 3), round(max(end, start + FRAME_S), 3)))
    return answers


def _carried_on(loud: np.ndarray, end: int, stop_s: float) -> int:
    """Carry the end of a word on over the loud frames after it, for the alignment cuts the last of a group short."""
    for frame in range(end, min(int(round(stop_s / FRAME_S)), end + int(CARRY_S / FRAME_S))):
        if loud[frame]:
            if frame - end > PAUSE_FRAMES:
                break
            end = frame + 1
    return end


def _longest(loud: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Choose the group with the most loud frames, groups being divided by more than WORD_GAP_S of quiet."""
    if not loud.size:
        return otherwise
    return max(np.split(loud, np.flatnonzero(np.diff(loud) > WORD_GAP_S / FRAME_S) + 1), key=len)
