"""Phrases of a window that the decoder is unsure of beside others: speech in another language after English words.

The English model writes English words for every language; beside a likely sentence the mean of the window hides them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from msa_core.features.loudness import SAMPLE_RATE_HZ
from msa_core.features.second_opinion import Opinion, left_out, not_english
from msa_core.features.whisper_decoding import kept_words
from msa_core.features.windows import DecodedWindow, Window

UNSURE = -0.7  # mean log-probability of a phrase, below which its language is asked: other languages had -0.75 to -2.1
LASTS_S = 0.8  # of a phrase, at least: a word alone tells no language
APART_S = 0.3  # pause between two phrases; a full stop divides them without one
BESIDE_S = 0.2  # sound kept before and after a phrase
ENDS = ".?!。？！"

Phrase = tuple[int, int]  # its first word, and the word after it


def unsure(window: Window, heard: DecodedWindow, spans: Sequence[tuple[float, float]]) -> list[tuple[Phrase, Window]]:
    """List the phrases of a window that are unlikely, each with its sound; a window of one phrase has none.

    A sentence that goes on after its first word did not begin in what the alignment gives to that: such a phrase has
    sound, but no words to leave out.

    Args:
        window: the window.
        heard: its words.
        spans: their times in it (s), by `turns.word_times`.
    """
    aligned, decoded = heard.aligned, heard.decoded
    if aligned is None or decoded is None or len(decoded.values) != len(aligned.token_words):
        return []  # words were left out or put in
    texts = [text.strip() for text, _, _ in aligned.words]
    ends = [k + 1 for k, (a, b) in enumerate(zip(spans, spans[1:], strict=False)) if _ends(texts[k], b[0] - a[1])]
    edges = [0, *ends, len(texts)]
    found = []
    for first, stop in zip(edges, edges[1:], strict=False) if ends else ():
        inside = (aligned.token_words >= first) & (aligned.token_words < stop)
        start_s, end_s = spans[first][0], spans[stop - 1][1]
        if np.mean(np.array(decoded.values)[inside]) < UNSURE and end_s - start_s >= LASTS_S:
            a, b = (int(s * SAMPLE_RATE_HZ) for s in (max(0.0, start_s - BESIDE_S), end_s + BESIDE_S))
            begun = stop == 1 and texts[0][-1:].isalnum()
            found.append(
                ((first, first if begun else stop), Window(window.clip, window.start_s + start_s, window.sound[a:b]))
            )
    return found


def _ends(text: str, pause_s: float) -> bool:
    return text[-1:] in ENDS or pause_s >= APART_S


def without_others(heard: DecodedWindow, phrases: Sequence[Phrase], said: Sequence[Opinion]) -> DecodedWindow:
    """Leave out the phrases of a window that sound like another language, with a note.

    Args:
        heard: the words.
        phrases: those that are unsure.
        said: the language of each.
    """
    others = [(p, o) for p, o in zip(phrases, said, strict=True) if o.not_english]
    if heard.aligned is None or not others:
        return heard
    left_words = set(range(len(heard.aligned.words))) - {k for (a, b), _ in others for k in range(a, b)}
    reason = not_english(others[0][1])
    if not left_words:
        return DecodedWindow(reason=reason)
    return replace(heard, aligned=kept_words(heard.aligned, left_words), note=heard.note or left_out(reason))
