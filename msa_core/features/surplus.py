"""Words that a decoder adds after speech has ended: repeated at once without sound for them, or said in silence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from msa_core.features.loops import FASTEST, SPARE, letters, too_much
from msa_core.features.loudness import FRAME_S, loud_frames, loudness_dbfs, trimmed
from msa_core.features.turns import Stretch, place, plain, stretches
from msa_core.features.whisper_decoding import Aligned

SHORT_FRAMES = 2  # a repeated word with so little loud sound was not said again
BESIDE_FRAMES = 5  # a word without loud sound so near lies in silence
PHRASE = 3  # words of a turn from which no word of it holds another turn
SAME_LENGTH = 1.3  # of two stretches of sound that hold one turn each, at most
PLAUSIBLE, HURRIED = 12.0, 23.0  # letters a second of loud sound: all turns have their time up to here; few have it


def without_surplus(
    aligned: Aligned,
    tokens: Sequence[int],
    sound: np.ndarray,
    log_probability: Callable[[Sequence[int]], float],
    sure: Collection[int] = (),
) -> Sequence[int]:
    """Return the tokens of one window without those of surplus words; at least one word is left.

    Args:
        aligned: the words.
        tokens: of all words.
        sound: (N,) of the window.
        log_probability: of fewer or all tokens, by the model.
        sure: words, by number, that were said for sure.
    """

    def left(words: set[int]) -> Sequence[int]:
        return [t for t, owner in zip(tokens, aligned.token_words.tolist(), strict=True) if owner not in words]

    def likelier(more: set[int], fewer: set[int]) -> bool:
        return log_probability(left(fewer)) > log_probability(left(more))

    texts, spans = [w[0] for w in aligned.words], [w[1:] for w in aligned.words]
    return left(surplus_words(texts, spans, sound, likelier, sure))


def surplus_words(
    texts: Sequence[str],
    spans: Sequence[tuple[float, float]],
    sound: np.ndarray,
    likelier: Callable[[set[int], set[int]], bool] = lambda more, fewer: False,
    sure: Collection[int] = (),
) -> set[int]:
    """Find the words that were not said, by their texts and their spans (s) before any trimming.

    A phrase that repeats the one before it was not said again when it has hardly any loud sound, or less than anybody
    needs for it, and the turns are more than can be said in the time, or are much for it and the words without the
    turn are likelier; nor when both turns share a stretch of sound between pauses that is hardly longer than one with
    a single turn, and there are more turns than stretches. Words at the end that lie in silence were not said at all,
    unless there is loud sound after the others.

    Args:
        texts: the words.
        spans: of each, by the alignment.
        sound: (N,) of the window.
        likelier: tells whether the words without the second set are likelier than those without the first.
        sure: words, by number, that were said for sure.
    """
    loud = loud_frames(loudness_dbfs(sound, FRAME_S))
    edges = [(int(start / FRAME_S + 0.5), int(end / FRAME_S + 0.5)) for start, end in spans]
    inside = [int(loud[a:b].sum()) for a, b in edges]
    said = [plain(text) for text in texts]
    sounding = int(trimmed(spans[:2], sound)[0][0] / FRAME_S + 0.5) if spans else 0
    surplus: set[int] = set()
    # 1. Words at the end, in silence.
    for k in range(len(texts) - 1, 0, -1):
        if k in sure or loud[max(0, edges[k][0] - BESIDE_FRAMES) : edges[k][1] + BESIDE_FRAMES].any():
            break
        surplus.add(k)
    if surplus:
        rest_s = float(loud[edges[min(surplus) - 1][1] :].sum()) * FRAME_S
        if not too_much("".join(texts[min(surplus) :]), rest_s - SPARE / FASTEST):
            surplus = set()  # sound that no other word takes
    # 2. Phrases said again without any time for them, the last first.
    end = len(texts) - len(surplus)
    hurried = letters("".join(texts)) > HURRIED * loud.sum() * FRAME_S
    while end > 1:
        width = next((w for w in range(1, end // 2 + 1) if _again(texts[:end], said[:end], inside[:end], w)), 0)
        turn = set(range(end - width, end))
        if (
            width
            and turn.isdisjoint(sure)
            and (hurried or _too_fast(texts, edges, inside, loud, sounding, surplus, turn, likelier))
        ):
            surplus |= turn
        end -= max(width, 1)
    # 3. Turns that share the time of one.
    left = [k for k in range(len(texts)) if k not in surplus]
    sounds = stretches(loud)
    places, end = [place(sounds, *edges[k]) for k in left], len(left)
    while end > 1:
        some = range(1, end // 2 + 1)
        width = next((w for w in some if _shared([said[k] for k in left], places, sounds, end, w)), 0)
        if not width or {left[k] for k in range(end - width, end)}.isdisjoint(sure):
            surplus |= {left[k] for k in range(end - width, end)}
            del left[end - width : end], places[end - width : end]
        end -= max(width, 1)
    return surplus


def _again(texts: Sequence[str], said: Sequence[str], inside: Sequence[int], width: int) -> bool:
    """Tell whether the last `width` words repeat those before them, without the sound for it."""
    turn = list(said[-width:])
    if turn != list(said[-2 * width : -width]):
        return False
    if max(inside[-width:]) <= SHORT_FRAMES:
        return True
    several = any(turn == turn[:w] * (width // w) for w in range(1, width))  # of which each has its own time
    return not several and too_much("".join(texts[-width:]), sum(inside[-width:]) * FRAME_S)


def _too_fast(
    texts: Sequence[str],
    edges: Sequence[Stretch],
    inside: Sequence[int],
    loud: np.ndarray,
    sounding: int,
    surplus: set[int],
    turn: set[int],
    likelier: Callable[[set[int], set[int]], bool],
) -> bool:
    """Tell whether a turn without sound has no time beside the turns before it, down to the last one with sound.

    Args:
        texts: the words.
        edges: first frame of each, and the frame after it.
        inside: loud frames in each.
        loud: loud frames (T,) bool.
        sounding: first frame of the first word without the sound before it, which no turn of PHRASE words has.
        surplus: words that were not said.
        turn: the words of the turn.
        likelier: see `surplus_words`.
    """
    width, first, after = len(turn), min(turn) - len(turn), max(turn) + 1
    while first >= width and max(inside[first : first + width]) <= SHORT_FRAMES:
        first -= width
    while after < len(texts) and (after in surplus or inside[after] <= SHORT_FRAMES):
        after += 1
    stop = edges[after][0] if after < len(texts) else len(loud)
    said = letters("".join(texts[first : max(turn) + 1]))
    begin = sounding if first == 0 and width >= PHRASE else edges[first][0]
    time_s = float(loud[begin:stop].sum()) * FRAME_S
    return said > HURRIED * time_s or (said > PLAUSIBLE * time_s and likelier(surplus, surplus | turn))


def _shared(said: Sequence[str], places: Sequence[int], sounds: Sequence[Stretch], end: int, width: int) -> bool:
    """Tell whether the `width` words before `end` and the same before them lie where one turn has its time.

    Args:
        said: all words.
        places: number of the stretch of sound of each.
        sounds: the stretches.
        end: number of the word after the two turns.
        width: words of one turn.
    """
    turn = list(said[end - width : end])
    both = set(places[end - 2 * width : end])
    if len(both) != 1 or turn != list(said[end - 2 * width : end - width]):
        return False
    start = end - 2 * width  # of the first of all turns
    while start >= width and turn == list(said[start - width : start]):
        start -= width
    if (end - start) // width <= places[end - 1] - places[start] + 1:
        return False  # a stretch for each: a late alignment, not a turn too many
    first, last = sounds[both.pop()]
    for k, (a, b) in enumerate(sounds):
        alone = [word for word, at in zip(said, places, strict=True) if at == k]
        if alone == turn and last - first <= SAME_LENGTH * (b - a):
            return True
    return False
