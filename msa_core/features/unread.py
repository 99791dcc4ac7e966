"""Loud sound of a window that no word takes, heard once more alone: speech that the decoder passed over.

A decoder that writes one sentence may leave out a repetition before it, and speech in another language beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from msa_core.errors import message
from msa_core.features.loudness import FRAME_S, SAMPLE_RATE_HZ, loud_frames, loudness_dbfs
from msa_core.features.pieces import chained
from msa_core.features.second_opinion import NOT_ENGLISH, NOT_READ, left_out
from msa_core.features.turns import plain
from msa_core.features.whisper_decoding import kept_words
from msa_core.features.windows import DecodedWindow, Window

UNREAD_S = 1.2  # loud sound between two words, from which it is heard again
AFTER_LOOP_S = 0.4  # after the last turn of a phrase that the decoder said for ever
BESIDE_S = 0.2  # sound kept before and after it
KNOWN = 0.5  # share of its words that are those beside it, from which they were read and have late times


def unread(window: Window, heard: DecodedWindow, spans: Sequence[tuple[float, float]]) -> Iterator[tuple[int, Window]]:
    """List the stretches of a window that no word takes, each with the number of words before it.

    A window that was translated has none: its English words have times of their own.

    Args:
        window: the window.
        heard: its words.
        spans: their times in it (s), by `turns.word_times`.
    """
    if heard.aligned is None or heard.english:
        return
    loud = loud_frames(loudness_dbfs(window.sound, FRAME_S))
    edges = np.rint(np.array(spans) / FRAME_S).astype(int)
    if heard.counted:
        edges[-1, 1] = round(heard.aligned.words[-1][2] / FRAME_S)  # as it was counted
    size, beside = int(FRAME_S * SAMPLE_RATE_HZ), int(BESIDE_S / FRAME_S)
    for k, (begin, stop) in enumerate(zip([0, *edges[:, 1]], [*edges[:, 0], len(loud)], strict=True)):
        inside = np.flatnonzero(loud[begin:stop]) + begin
        if len(inside) * FRAME_S >= (AFTER_LOOP_S if heard.counted and k == len(spans) else UNREAD_S):
            first, last = max(begin, int(inside[0]) - beside), min(stop, int(inside[-1]) + 1 + beside)
            yield k, Window(window.clip, window.start_s + first * FRAME_S, window.sound[first * size : last * size])


def with_parts(
    window: Window, heard: DecodedWindow, found: Sequence[tuple[int, Window, DecodedWindow]]
) -> DecodedWindow:
    """Put what was heard in unread stretches between the words of a window; what was not understood leaves a note.

    Args:
        window: the window.
        heard: its words.
        found: the number of words before each stretch, the stretch, and what was heard in it.
    """
    note, certainty, chain, at = heard.note, heard.log_probability, [], 0
    if heard.aligned is None:
        return heard
    for k, part, alone in found:
        after = heard.counted and k == len(heard.aligned.words)  # the turns before it are counted
        if alone.aligned is not None and (after or _is_new(heard.aligned.words, k, alone.aligned.words)):
            chain += [(kept_words(heard.aligned, range(at, k)), 0.0), (alone.aligned, part.start_s - window.start_s)]
            certainty, at = min(certainty, alone.log_probability), k
        note = note or alone.note or _not_read(part, alone)
    aligned = chained([*chain, (kept_words(heard.aligned, range(at, len(heard.aligned.words))), 0.0)])
    return replace(heard, aligned=aligned, log_probability=certainty, note=note)


def _not_read(part: Window, alone: DecodedWindow) -> str | None:
    """Word the note on a stretch without words that may be speech, or None."""
    if alone.reason != NOT_ENGLISH:
        return left_out(alone.reason)
    end_s = part.start_s + len(part.sound) / SAMPLE_RATE_HZ
    return message(NOT_READ, start=f"{part.start_s:.1f}", end=f"{end_s:.1f}")


def _is_new(words: Sequence[tuple[str, float, float]], k: int, more: Sequence[tuple[str, float, float]]) -> bool:
    """Tell whether words that were heard before the k-th of a window are others than those beside them."""
    beside = {plain(text) for text, _, _ in words[max(0, k - len(more)) : k + len(more)]}
    return float(np.mean([plain(text) in beside for text, _, _ in more])) < KNOWN
