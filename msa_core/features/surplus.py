"""Words that a decoder adds after speech has ended: repeated at once without sound for them, or said in silence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msa_core.features.loops import FASTEST, SPARE, letters, too_much
from msa_core.features.loudness import FRAME_S, loud_frames, loudness_dbfs
from msa_core.features.whisper_decoding import Aligned

SHORT_FRAMES = 2  # a repeated word with so little loud sound was not said again
BESIDE_FRAMES = 5  # a word without loud sound so near lies in silence
PLAUSIBLE = 12.0  # letters a second of loud sound, up to which every repetition has the time that it needs


def without_surplus(aligned: Aligned, tokens: Sequence[int], sound: np.ndarray) -> Sequence[int]:
    """Return the tokens of one window without those of surplus words; at least one word is left."""
    surplus = surplus_words([w[0] for w in aligned.words], [w[1:] for w in aligned.words], sound)
    return [t for t, owner in zip(tokens, aligned.token_words.tolist(), strict=True) if owner not in surplus]


def surplus_words(texts: Sequence[str], spans: Sequence[tuple[float, float]], sound: np.ndarray) -> set[int]:
    """Find the words that were not said, by their texts and their spans (s) before any trimming.

    A phrase that repeats the one before it was not said again when each of its words has hardly any loud sound and
    all the words together are much for the time. Words at the end that lie in silence were not said at all, unless
    there is loud sound after the others.
    """
    loud = loud_frames(loudness_dbfs(sound, FRAME_S))
    edges = [(int(start / FRAME_S + 0.5), int(end / FRAME_S + 0.5)) for start, end in spans]
    inside = [int(loud[a:b].sum()) for a, b in edges]
    plain = ["".join(c for c in text.lower() if c.isalnum()) for text in texts]
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
            width = next((w for w in range(1, end // 2 + 1) if _again(plain[:end], inside[:end], w)), 0)
            surplus |= set(range(end - width, end))
            end -= max(width, 1)
    return surplus


def _again(plain: Sequence[str], inside: Sequence[int], width: int) -> bool:
    """Tell whether the last `width` words repeat those before them, without the sound for it."""
    return plain[-width:] == plain[-2 * width : -width] and max(inside[-width:]) <= SHORT_FRAMES
