"""Pieces of a window between its pauses: what a decoder heard in a loop is heard again in each of them alone.

A decoder that repeats a phrase goes on from its own words. Each piece is decoded without the words before it, so a
phrase that is heard again in several of them was said again. Where a phrase is repeated without a pause, or a piece
loops again, the pieces are shorter and end at the softest moments.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msa_core.features.loudness import FRAME_S, SAMPLE_RATE_HZ, loud_frames, loudness_dbfs, pauses
from msa_core.features.whisper_decoding import NOT_UNDERSTOOD, Aligned
from msa_core.features.windows import DecodedWindow, Window

SHORTEST_S, LONGEST_S = 0.8, 3.0  # of a piece; a longer one is cut where it has a pause
BRIEF_S, SOFT_S = 1.6, 0.1  # longest piece that is cut without a pause as well, and the time its soft moment lasts
CONFIRMED = 2  # pieces in which the phrase of a loop has to be heard
LIKELY = -1.0  # mean log-probability of a loop, at least; -0.7 of one that was said, -1.5 or less in other languages
UNDERSTOOD = 0.6  # share of the loud sound that lies in pieces with words


def pieces(window: Window) -> list[Window]:
    """Cut a window at its longest pauses until no piece is longer than LONGEST_S, or has no pause to cut at."""
    loud = loud_frames(loudness_dbfs(window.sound, FRAME_S))
    return _parts(window, _cuts(loud, 0, len(loud), LONGEST_S))


def brief_pieces(window: Window) -> list[Window]:
    """Cut a window until no piece is longer than BRIEF_S, at its longest pauses, then at its softest moments."""
    level = loudness_dbfs(window.sound, FRAME_S)
    n = int(SOFT_S / FRAME_S)
    softness = -np.convolve(np.pad(level, n // 2, mode="edge"), np.ones(n) / n, mode="same")[n // 2 :][: len(level)]
    return _parts(window, _cuts(loud_frames(level), 0, len(level), BRIEF_S, softness))


def _parts(window: Window, cuts: Sequence[int]) -> list[Window]:
    """Cut a window at some frames."""
    size = int(FRAME_S * SAMPLE_RATE_HZ)
    edges = [0, *cuts, -(-len(window.sound) // size)]
    return [
        Window(window.clip, window.start_s + a * FRAME_S, window.sound[a * size : b * size])
        for a, b in zip(edges, edges[1:], strict=False)
    ]


def _cuts(loud: np.ndarray, start: int, stop: int, longest_s: float, softness: np.ndarray | None = None) -> list[int]:
    """Find the frames at which loud frames (T,) bool from start to stop are cut; softness (T,) where no pause is."""
    if (stop - start) * FRAME_S <= longest_s:
        return []
    near, middle = int(round(min(SHORTEST_S, longest_s / 2) / FRAME_S)), (start + stop) / 2
    found = [(b - a, start + (a + b) // 2) for a, b in pauses(loud[start:stop])]
    some = [(n, -abs(at - middle), at) for n, at in found if at - start >= near and stop - at >= near]
    if some:
        cut = max(some)[2]
    elif softness is not None:
        cut = start + near + int(np.argmax(softness[start + near : stop - near + 1]))
    else:
        return []
    return [*_cuts(loud, start, cut, longest_s, softness), cut, *_cuts(loud, cut, stop, longest_s, softness)]


def confirmed(phrase: str, parts: Sequence[Window], heard: Sequence[DecodedWindow], brief: bool = False) -> bool:
    """Tell whether pieces that were heard alone say again what the decoder repeated.

    Args:
        phrase: one turn of its loop.
        parts: the pieces.
        heard: the words of each.
        brief: whether the pieces are so short that one turn of a loop is about what they hold; the witnesses are still
            those without one.
    """
    believed = [_believed(h, brief) for h in heard]
    wanted = set(_plain(phrase))
    said = [bool(wanted & set(_plain(_text(h)))) and not _looped(h) for h in heard]  # what loops again is no witness
    again = [b and s for b, s in zip(believed, said, strict=True)]
    loud = np.array([loud_frames(loudness_dbfs(p.sound, FRAME_S)).sum() for p in parts], dtype=float)
    return sum(again) >= CONFIRMED and float(loud[believed].sum()) >= UNDERSTOOD * float(loud.sum())


def joined(
    window: Window, parts: Sequence[Window], heard: Sequence[DecodedWindow], brief: bool = False
) -> DecodedWindow:
    """Join the words of the pieces of a window, at least one of which has words."""
    kept = [(p, h) for p, h in zip(parts, heard, strict=True) if h.aligned is not None and _believed(h, brief)]
    aligned = chained([(h.aligned, p.start_s - window.start_s) for p, h in kept if h.aligned is not None])
    return DecodedWindow(aligned, None, min(h.log_probability for _, h in kept))


def chained(some: Sequence[tuple[Aligned, float]]) -> Aligned:
    """Chain the words of parts of a window, each of which begins so many s after it."""
    words: list[tuple[str, float, float]] = []
    owners = []
    for aligned, shift in some:
        owners.append(aligned.token_words + len(words))
        words += [(text, start + shift, end + shift) for text, start, end in aligned.words]
    states = np.concatenate([aligned.states for aligned, _ in some])
    times = np.concatenate([aligned.token_times_s + shift for aligned, shift in some])
    return Aligned(tuple(words), states, times, np.concatenate(owners))


def refused_loop(heard: DecodedWindow) -> bool:
    """Tell whether a window was refused, or says too little, though a likely loop was decoded."""
    likely = heard.decoded is not None and heard.decoded.log_probability > LIKELY
    return likely and _looped(heard) and (heard.unfinished or heard.reason == NOT_UNDERSTOOD)


def _believed(heard: DecodedWindow, brief: bool) -> bool:
    return heard.aligned is not None and (brief or not _looped(heard))


def _looped(heard: DecodedWindow) -> bool:
    return heard.decoded is not None and heard.decoded.loop


def _text(heard: DecodedWindow) -> str:
    return "" if heard.aligned is None else " ".join(text for text, _, _ in heard.aligned.words)


def _plain(text: str) -> list[str]:
    return "".join(c for c in text.lower() if c.isalnum() or c == " ").split()
