"""Loudness of sound: silence, pauses, and the stretches in which somebody may be speaking."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

SAMPLE_RATE_HZ = 16_000
FRAME_S = 0.02  # of one level, and one encoder frame
RUMBLE_HZ = 75.0  # sound below is no voice: an offset of the sound card, wind, the hum of the mains
BLOCK, TAPS = 16, 63  # samples of one mean, and means of the filter: at 50 Hz all is rumble, at 100 Hz nothing
SILENT_DBFS = -60.0  # the loudest 0.1 s of a silent track is below this
DIGITAL_SILENCE_DBFS = -90.0  # a recorded room is louder
STEADY_DB = 0.05, 3.0  # noise: between its softest 5 and 10 %; speech that fades to nothing has 4, a held tone 0
STEADY_S = 0.4  # noise lasts longer, the soft part of a word alone does not
AROUND_S, SOFTER_DB = 1.0, 6.0  # sound whose loudest parts, so near, are so much softer is that of a softer speaker
SOFTEST_DB = 60.0  # so far below the loud parts of a window nobody is heard
QUIET_DB = 30.0  # sound so far below the loud parts of a window is a pause
LOUDEST_FRAMES = 10  # the level of loud speech is their mean, however little of a window it fills
SOFTEST_FRAMES = 4  # of those around a frame, so many may be softer than the noise
ABOVE_FLOOR_DB, BELOW_LOUD_DB = 8.0, 15.0  # speech is so far above the noise; a nearer noise floor is speech itself
BESIDE_S = 0.5  # soft sound so near to loud sound may belong to a word
LONG_SOUND_S = 1.0  # loud sound that is more than a word has before a pause in a phrase
LONG_WORD_S = 1.5  # a longer span holds a pause or a noise besides its word
CARRY_S, PAUSE_FRAMES = 0.4, 4  # the end of a word is carried on so far, over so short pauses
PAUSE_S = 0.14  # quiet between words, at least; the closure of a consonant is shorter
OVER_S = 0.3  # sound after a pause that the alignment gives to the word before it, at most
WORD_GAP_S = 0.2  # within a word; longer quiet divides a long span


def loudness_dbfs(sound: np.ndarray, step_s: float = 0.1) -> np.ndarray:
    """Measure the RMS of each stretch of `step_s` (the last may be shorter), in dB of full scale, >= -200.

    An offset and rumble do not count: they would hide every pause.
    """
    size = int(step_s * SAMPLE_RATE_HZ)
    plain = np.asarray(sound, np.float32)
    power = np.minimum(_power(plain, size), _power(without_rumble(plain), size))  # the filter rings into silence
    return 10.0 * np.log10(np.maximum(power, 1e-20))


def _power(sound: np.ndarray, size: int) -> np.ndarray:
    """Measure the mean square of each `size` samples; the last may be fewer."""
    whole = len(sound) // size * size
    parts = [part for part in (sound[:whole].reshape(-1, size), sound[whole:][None]) if part.size]
    power = [np.einsum("tn,tn->t", part, part).astype(np.float64) / part.shape[1] for part in parts]
    return np.concatenate([np.zeros(0), *power])


def without_rumble(sound: np.ndarray) -> np.ndarray:
    """Take what lies below RUMBLE_HZ out of a sound (N,) float32: (N,) float32."""
    if not len(sound):
        return np.zeros(0, np.float32)
    # The rumble in means of BLOCK samples, with half of the filter more on both sides.
    n = -(-len(sound) // BLOCK)
    padded = sound
    if n * BLOCK > len(sound):
        padded = np.pad(padded, (0, n * BLOCK - len(sound)), mode="edge")
    blocks = padded.reshape(n, BLOCK)
    means = blocks @ np.full(BLOCK, 1 / BLOCK, np.float32)
    low = np.convolve(np.pad(means, TAPS // 2 + 1, mode="reflect", reflect_type="odd"), _low_pass(), mode="valid")
    # Lines from where a block begins to where it ends.
    edges = (low[:-1] + low[1:]) / 2
    end = (np.arange(BLOCK, dtype=np.float32) + 0.5) / BLOCK
    rumble = np.stack([edges[:-1], edges[1:]], axis=1) @ np.stack([1 - end, end])
    return np.subtract(blocks, rumble, out=rumble).reshape(-1)[: len(sound)]


@functools.cache
def _low_pass() -> np.ndarray:
    """Make the filter (TAPS,) that lets through what is below RUMBLE_HZ, for a value every BLOCK samples."""
    at = np.arange(TAPS) - TAPS // 2
    taps = np.sinc(2 * RUMBLE_HZ * BLOCK / SAMPLE_RATE_HZ * at) * np.hamming(TAPS)
    return (taps / taps.sum()).astype(np.float32)


def is_silent(sound: np.ndarray) -> bool:
    """Tell whether even the loudest 0.1 s is below SILENT_DBFS."""
    return bool(loudness_dbfs(sound).max() < SILENT_DBFS)


def loud_frames(level: np.ndarray, one_speaker: bool = False) -> np.ndarray:
    """Tell loud frames from pauses and steady noise, by levels (T,) in dB: (T,) bool.

    The threshold lies QUIET_DB below the loudest frames, and above the noise floor where there is one: a word
    after a long silence or in room noise is measured against itself, not against the whole window. So is a softer
    speaker, after a bang or a near speaker, by the loudest frames and the noise around him.

    Args:
        level: of frames of FRAME_S.
        one_speaker: nobody is softer than the loudest.
    """
    top = float(np.sort(level)[-LOUDEST_FRAMES:].mean())
    above_floor = min(_floor(level) + ABOVE_FLOOR_DB, top - BELOW_LOUD_DB)
    if one_speaker:
        return level > max(top - QUIET_DB, above_floor)
    near_top, near_floor = _around(level)
    above_near_floor = np.minimum(near_floor + ABOVE_FLOOR_DB, near_top - BELOW_LOUD_DB)
    softer = np.maximum(near_top + SOFTER_DB - QUIET_DB, above_near_floor)
    return level > np.maximum(np.clip(softer, top - SOFTEST_DB, top - QUIET_DB), above_floor)


def _around(level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure the loudest and the softest frames within AROUND_S before and after each: two (T,) in dB."""
    reach = int(AROUND_S / FRAME_S)
    step = reach // 5  # it is measured for so many frames at once
    padded = np.pad(level, reach, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)[::step]
    tops = np.partition(windows, -LOUDEST_FRAMES, axis=1)[:, -LOUDEST_FRAMES:].mean(axis=1)
    sounding = np.where(windows > DIGITAL_SILENCE_DBFS, windows, 0.0)
    floors = np.partition(sounding, SOFTEST_FRAMES, axis=1)[:, SOFTEST_FRAMES]
    return np.repeat(tops, step)[: len(level)], np.repeat(floors, step)[: len(level)]


def _floor(level: np.ndarray) -> float:
    """Find the level of the noise among levels (T,) in dB.

    Where much of the sound is digital silence, the noise lies beside it and is steady, as soft speech is not.
    """
    floor = float(np.percentile(level, 10))
    sounding = level[level > DIGITAL_SILENCE_DBFS]
    if floor > DIGITAL_SILENCE_DBFS or not len(sounding):
        return floor
    softer, soft = np.percentile(sounding, [5, 10]).tolist()
    lasts_s = float((np.abs(sounding - soft) < STEADY_DB[1]).sum()) * FRAME_S
    return soft if STEADY_DB[0] < soft - softer < STEADY_DB[1] and lasts_s > STEADY_S else floor


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
            follows = k == 0 and len(spans) > 1 and bool(loud[last - int(WORD_GAP_S / FRAME_S) : last].any())
            inside = _longest(np.flatnonzero(loud[first:last]) + first, inside, follows)
        if inside.size:
            stop = spans[k + 1][0] if k + 1 < len(spans) else len(level) * FRAME_S
            start, end = int(inside[0]) * FRAME_S, _carried_on(loud, int(inside[-1]) + 1, stop) * FRAME_S
        answers.append((round(start, 3), round(max(end, start + FRAME_S), 3)))
    return answers


def in_pauses(
    spans: Sequence[tuple[float, float]], sound: np.ndarray, first_share: float | None = None
) -> list[tuple[float, float]]:
    """Move the borders of words (s) that come late after a pause back to the pause.

    The alignment gives the first sound of a word to the word before it. A stretch of sound that begins after a pause
    and less than OVER_S before a border belongs to the next word, when the word before has as much before the pause.
    The first word may have got laughter or unread speech there, which is longer than a word or parts it from its
    phrase: its border stays, or it gets a share of the next word's time where no sound of its own is beside that.

    Args:
        spans: start and end of each word in s.
        sound: (N,) of the window.
        first_share: part of the time of the first two words that the first one needs; None: the text has a pause
            between them.
    """
    loud = loud_frames(loudness_dbfs(sound, FRAME_S))
    begins = np.array(after_pauses(sound), dtype=np.int64)
    moved = list(spans)
    for k, (start, end) in enumerate(spans[1:], start=1):
        before, border = int(round(moved[k - 1][0] / FRAME_S)), int(round(start / FRAME_S))
        late = begins[(begins < border) & (begins > border - OVER_S / FRAME_S)]
        if k == 1 and (border - before) * FRAME_S > LONG_WORD_S:
            late = late[[first_share is None and loud[before:at].sum() * FRAME_S <= LONG_WORD_S for at in late]]
        if late.size and loud[before : late[-1]].sum() >= border - late[-1]:
            begin = int(late[-1]) * FRAME_S
            moved[k - 1], moved[k] = (moved[k - 1][0], min(moved[k - 1][1], begin)), (begin, end)
    if len(moved) > 1 and first_share is not None:
        moved[:2] = _beside_the_next(moved[0], moved[1], loud, first_share)
    return moved


def _beside_the_next(
    first: tuple[float, float], second: tuple[float, float], loud: np.ndarray, share: float
) -> list[tuple[float, float]]:
    """Move a first word (s) that has the sound of more than a word, and a pause after it, to the one it belongs to."""
    start, border, end = (int(round(s / FRAME_S)) for s in (first[0], first[1], second[1]))
    sounds = np.flatnonzero(loud[border:end]) + border
    if not sounds.size or loud[start:border].sum() * FRAME_S <= LONG_SOUND_S:
        return [first, second]
    begin = int(sounds[0])
    if loud[max(start, begin - int(WORD_GAP_S / FRAME_S)) : begin].any():
        return [first, second]
    middle = begin * FRAME_S + share * (second[1] - begin * FRAME_S)
    return [(begin * FRAME_S, middle), (middle, second[1])]


def after_pauses(sound: np.ndarray) -> list[int]:
    """List the frames at which loud sound begins after a pause."""
    return [begin for _, begin in pauses(loud_frames(loudness_dbfs(sound, FRAME_S)))]


def pauses(loud: np.ndarray) -> list[tuple[int, int]]:
    """List the pauses between loud frames (T,) bool as their first frame and the first loud one after it."""
    edges = np.flatnonzero(np.diff(loud.astype(int), prepend=0, append=0))  # begin, end of each stretch of sound
    return [(int(a), int(b)) for a, b in zip(edges[1::2], edges[2::2], strict=False) if (b - a) * FRAME_S >= PAUSE_S]


def _carried_on(loud: np.ndarray, end: int, stop_s: float) -> int:
    """Carry the end of a word on over the loud frames after it, for the alignment cuts the last of a group short."""
    for frame in range(end, min(int(round(stop_s / FRAME_S)), end + int(CARRY_S / FRAME_S))):
        if loud[frame]:
            if frame - end > PAUSE_FRAMES:
                break
            end = frame + 1
    return end


def _longest(loud: np.ndarray, otherwise: np.ndarray, follows: bool) -> np.ndarray:
    """Choose the group with the most loud frames, groups being divided by more than WORD_GAP_S of quiet.

    The first word of a window takes all sound before it: where the next one follows soon, it is in the last group.
    """
    if not loud.size:
        return otherwise
    groups = np.split(loud, np.flatnonzero(np.diff(loud) > WORD_GAP_S / FRAME_S) + 1)
    return groups[-1] if follows else max(groups, key=len)
