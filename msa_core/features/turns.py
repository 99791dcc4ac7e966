"""Turns of a phrase that is said again and again, and the stretches of sound between pauses that hold them.

The attention of the decoder cannot tell equal turns apart: it may give one turn the time of two and leave the next one
none. Where the sound has a stretch for each turn, each gets its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from msa_core.features.loudness import FRAME_S, in_pauses, loud_frames, loudness_dbfs, pauses, trimmed

ALIKE = 1.6  # of the longest and the shortest of the stretches that hold one turn each, to their median, at most
TURNS = 3  # of a phrase in a row, at least

Stretch = tuple[int, int]  # its first frame, and the frame after it


def plain(text: str) -> str:
    """Reduce a word to its letters and digits."""
    return "".join(c for c in text.lower() if c.isalnum())


def stretches(loud: np.ndarray) -> list[Stretch]:
    """List the stretches of sound between pauses in loud frames (T,) bool."""
    found = np.flatnonzero(loud)
    if not found.size:
        return []
    quiet = pauses(loud)
    begins, ends = [int(found[0]), *(b for _, b in quiet)], [*(a for a, _ in quiet), int(found[-1]) + 1]
    return list(zip(begins, ends, strict=True))


def place(found: Sequence[Stretch], start: int, end: int) -> int:
    """Number the stretch that holds most of a word from start to end (frames), or is nearest; -1 without any."""
    return max(range(len(found)), default=-1, key=lambda k: _shared((start, end), found[k]))


def _shared(one: Stretch, other: Stretch) -> int:
    """Count the frames that two stretches share; negative: those between them."""
    return min(one[1], other[1]) - max(one[0], other[0])


def runs(words: Sequence[str], least: int = TURNS) -> Iterator[tuple[int, int, int]]:
    """Give the first word, the words of a turn, and the number of turns, of each phrase said `least` times in a row."""
    at = 0
    while at < len(words):
        best = (0, 0)  # words in all, of a turn
        for width in range(1, (len(words) - at) // least + 1):
            n = 1
            while list(words[at + n * width : at + (n + 1) * width]) == list(words[at : at + width]):
                n += 1
            if n >= least and n * width > best[0]:
                best = (n * width, width)
        if best[0]:
            yield at, best[1], best[0] // best[1]
        at += max(best[0], 1)


def word_times(words: Sequence[tuple[str, float, float]], sound: np.ndarray) -> list[tuple[float, float]]:
    """Correct the times (s) that the alignment gives to the words of a window by its sound (N,)."""
    texts = [text for text, _, _ in words]
    spans = turn_by_turn(texts, [(start, end) for _, start, end in words], sound)
    spans = evenly([plain(text) for text in texts], spans)
    share = None
    if len(words) > 1 and texts[0].strip()[-1:].isalnum():  # no comma or full stop: one phrase
        share = len(plain(texts[0])) / len(plain(texts[0]) + plain(texts[1]))
    return trimmed(in_pauses(spans, sound, share), sound)


def evenly(said: Sequence[str], spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Give words that are repeated and have no time an even part of the time up to the next word (s)."""
    answers, at = list(spans), 0
    while at < len(said):
        end = at + 1
        while end < len(said) and said[end] == said[at] and spans[end][1] - spans[end][0] < FRAME_S:
            end += 1
        if end > at + 1:
            stop = spans[end][0] if end < len(said) else spans[end - 1][1]
            edges = np.linspace(spans[at][0], max(stop, spans[end - 1][1]), end - at + 1).tolist()
            answers[at:end] = list(zip(edges[:-1], edges[1:], strict=True))
        at = end
    return answers


def turn_by_turn(
    texts: Sequence[str], spans: Sequence[tuple[float, float]], sound: np.ndarray
) -> list[tuple[float, float]]:
    """Give each turn of a repeated phrase its own stretch of sound, where there are as many stretches as turns.

    Turns that lie in theirs keep the times of their words; in the others words begin where those of the first
    well-timed turn do, in proportion.

    Args:
        texts: the words.
        spans: start and end of each in s, by the alignment.
        sound: (N,) of the window.
    """
    answers = list(spans)
    found = stretches(loud_frames(loudness_dbfs(sound, FRAME_S)))
    edges = [(int(start / FRAME_S + 0.5), int(end / FRAME_S + 0.5)) for start, end in spans]
    places = [place(found, *edge) for edge in edges]
    for first, width, n in runs([plain(t) for t in texts]):
        # 1. As many stretches as turns, all of about one length.
        begin, end = places[first], places[first + width * n - 1]
        if end - begin == n and places[first + width * n : first + width * n + 1] == [end]:
            end -= 1  # the last stretch is that of the words after the turns
        own = found[begin : end + 1]
        lengths = np.array([b - a for a, b in own])
        if len(own) != n or max(lengths.max() / np.median(lengths), np.median(lengths) / lengths.min()) > ALIKE:
            continue
        # 2. A turn that lies in its stretch alone is the model of those that do not.
        turns = [range(first + k * width, first + (k + 1) * width) for k in range(n)]
        timed = [
            all(places[w] == begin + k and _shared(edges[w], own[k]) > 0 for w in turn) for k, turn in enumerate(turns)
        ]
        if all(timed) or not any(timed):
            continue
        at = timed.index(True)
        inside = np.clip(np.array(edges[first + at * width : first + (at + 1) * width]), *own[at])
        shares = (inside - own[at][0]) / (own[at][1] - own[at][0])
        for k in np.flatnonzero(~np.array(timed)).tolist():
            times = (own[k][0] + shares * (own[k][1] - own[k][0])) * FRAME_S
            start = first + k * width
            answers[start : start + width] = [(float(a), float(b)) for a, b in times]
            if start:  # the word before ends at its begin
                answers[start - 1] = (answers[start - 1][0], min(answers[start - 1][1], float(times[0, 0])))
    return answers
