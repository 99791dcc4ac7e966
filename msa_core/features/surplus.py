"""Words that a decoder adds after speech has ended: repeated at once without sound for them, or said in silence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msa_core.features.loops import FASTEST, SPARE, letters, too_much
from msa_core.features.loudness import FRAME_S, loud_frames, loudness_dbfs
from msa_core.features.turns import Stretch, place, plain, stretches
from msa_core.features.whisper_decoding import Aligned

SHORT_FRAMES = 2  # a repeated word with so little loud sound was not said again
BESIDE_FRAMES = 5  # a word without loud sound so near lies in silence
SAME_LENGTH = 1.3  # of two stretches of sound that hold one turn each, at most
PLAUSIBLE = 12.0  # letters a second of loud sound, up to which every repetition has the time that it needs


def without_surplus(aligned: Aligned, tokens: Sequence[int], sound: np.ndarray) -> Sequence[int]:
    """Return the tokens of one window without those of surplus words; at least one word is left."""
    surplus = surplus_words([w[0] for w in aligned.words], [w[1:] for w in aligned.words], sound)
    return [t for t, owner in zip(tokens, aligned.token_words.tolist(), strict=True) if owner not in surplus]


def surplus_words(texts: Sequence[str], spans: Sequence[tuple[float, float]], sound: np.ndarray) -> set[int]:
    """Find the words that were not said, by their texts and their spans (s) before any trimming.

    A phrase that repeats the one before it was not said again when each of its words has hardly any loud sound and
    all the words together are much for the time; nor when both turns share a stretch of sound between pauses that is
    hardly longer than one with a single turn, and there are more turns than stretches. Words at the end that lie in
    silence were not said at all, unless there is loud sound after the others.
    """
    loud = loud_frames(loudness_dbfs(sound, FRAME_S))
    edges = [(int(start / FRAME_S + 0.5), int(end / FRAME_S + 0.5)) for start, end in spans]
    inside = [int(loud[a:b].sum()) for a, b in edges]
    said = [plain(text) for text in texts]
    surplus: set[int] = set()
    # 1. Words at the end, in silence.
    for k in range(len(texts) - 1, 0, -1):
        if loud[max(0, edges[k][0] - BESIDE_FRAMES) : edges[k][1] + BESIDE_FRAMES].any():
            break
        surplus.add(k)
    if surplus:
        rest_s = float(loud[edges[min(surplus) - 1][1] :].sum()) * FRAME_S
        if not too_much("".join(texts[min(surplus) :]), rest_s - SPARE / FASTEST):
            surplus = set()  # sound that no other word takes
    # 2. Phrases said again without any time for them, the last first.
    if letters("".join(texts)) > PLAUSIBLE * loud.sum() * FRAME_S:
        end = len(texts) - len(surplus)
        while end > 1:
            width = next((w for w in range(1, end // 2 + 1) if _again(said[:end], inside[:end], w)), 0)
            surplus |= set(range(end - width, end))
            end -= max(width, 1)
    # 3. Turns that share the time of one.
    left = [k for k in range(len(texts)) if k not in surplus]
    sounds = stretches(loud)
    places, end = [place(sounds, *edges[k]) for k in left], len(left)
    while end > 1:
        some = range(1, end // 2 + 1)
        width = next((w for w in some if _shared([said[k] for k in left], places, sounds, end, w)), 0)
        surplus |= {left[k] for k in range(end - width, end)}
        del left[end - width : end], places[end - width : end]
        end -= max(width, 1)
    return surplus


def _again(said: Sequence[str], inside: Sequence[int], width: int) -> bool:
    """Tell whether the last `width` words repeat those before them, without the sound for it."""
    return said[-width:] == said[-2 * width : -width] and max(inside[-width:]) <= SHORT_FRAMES


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
