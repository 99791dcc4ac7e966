"""Editing of the words: typed or struck words give an `Utterance` with its text encoded anew.

Nothing is extracted again. Words that were heard keep their times; the simulated text does not change, because it
comes from the voice.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from numbers import Integral

import numpy as np

from msa_core.errors import MsaError
from msa_core.features.text import WordEncoder, normalise
from msa_core.schema import Stream, Utterance, Word

MAX_CHARACTERS = 2000  # of an edited transcript
ALL_STRUCK = "every word was struck out"
TYPED = "The words were typed: no words were heard in this clip."
VOICE_STAYS = "The simulated text is not edited: it comes from the voice."
MIN_WORD_S = 0.02  # a gap with less time than this for each new word takes some from a word beside it
GIVEN_UP = 0.1  # share of its time that such a word gives up
JOINERS = "\u200c\u200d"  # format characters that belong to words and emoji


def edit(
    utterance: Utterance, encoder: WordEncoder, transcript: str | None = None, struck: Collection[int] = ()
) -> Utterance:
    """Change the words of a clip.

    Every edit starts from what was heard, so edits do not add up, and the result remembers the clip as it was heard
    (`original`). Struck words stay in `words`, marked; `transcript` keeps the others. Without any change the clip
    as it was heard comes back.

    Args:
        utterance: the clip, edited before or not.
        encoder: of the text.
        transcript: the new text; None keeps what was heard.
        struck: indices of struck words in the new text, from 0.

    Raises:
        MsaError: the transcript is too long or an index has no word.
    """
    heard = utterance.original or utterance
    words = heard.words if transcript is None else aligned(split(transcript), heard.words, heard.duration_s)
    words = _strike(words, struck)
    if words == heard.words:
        return heard
    left = [w for w in words if not w.struck]
    text = encoder.encode_words(left)
    if text.values is None or text.times_s is None:
        typed_nothing = not heard.text.present and len(left) == len(words)
        text = heard.text if typed_nothing else Stream.absent(ALL_STRUCK)
    else:
        text = Stream(text.values, text.times_s.astype(np.float32))
    read = " ".join(w.text for w in left)
    return replace(
        heard,
        text=text,
        transcript=heard.transcript if heard.translation else read,
        translation=read if heard.translation else "",
        words=words,
        notes=(*heard.notes, *_notes(heard, text)),
        original=heard,
    )


def aligned(typed: Sequence[str], heard: Sequence[Word], duration_s: float) -> tuple[Word, ...]:
    """Give typed words their times, in seconds.

    A word that was heard (the same apart from case and punctuation, found by difflib) keeps its time. Others share
    evenly the time between the kept words around them, or to the ends of the clip. Where that is nearly nothing
    (MIN_WORD_S a word), the kept word before them gives up GIVEN_UP of its time, at the start the one after them.
    """
    keys = [normalise(t) or t for t in typed]
    matcher = SequenceMatcher(None, [normalise(w.text) or w.text for w in heard], keys, autojunk=False)
    words: list[Word | None] = [None] * len(typed)
    for i, j, n in matcher.get_matching_blocks():
        for k in range(n):
            words[j + k] = replace(heard[i + k], text=typed[j + k])
    at = 0
    while at < len(words):  # fill each stretch of new words between two kept ones
        end = next((j for j in range(at, len(words)) if words[j] is not None), len(words))
        if end > at:
            _fill(words, typed, at, end, duration_s)
        at = end + 1
    return tuple(w for w in words if w is not None)


def _fill(words: list[Word | None], typed: Sequence[str], at: int, end: int, duration_s: float) -> None:
    """Give the new words `at` to `end` (exclusive) the time between the kept words around them."""
    before, after = words[at - 1] if at else None, words[end] if end < len(words) else None
    start_s, end_s = before.end_s if before else 0.0, after.start_s if after else duration_s
    if end_s - start_s < MIN_WORD_S * (end - at):
        if before:
            start_s = before.end_s - GIVEN_UP * (before.end_s - before.start_s)
            words[at - 1] = replace(before, end_s=start_s)
        elif after:
            end_s = after.start_s + GIVEN_UP * (after.end_s - after.start_s)
            words[end] = replace(after, start_s=end_s)
    step = max(0.0, end_s - start_s) / (end - at)
    for k in range(at, end):
        words[k] = Word(typed[k], start_s + (k - at) * step, start_s + (k - at + 1) * step)


def split(transcript: str) -> list[str]:
    """Split a free text to words at white space and control characters, without other invisible characters.

    Raises:
        MsaError: it is no text or has more than MAX_CHARACTERS.
    """
    if not isinstance(transcript, str):
        raise MsaError("The transcript is {value}; give a text.", value=repr(transcript))
    if len(transcript) > MAX_CHARACTERS:
        raise MsaError(
            "The transcript has {n} characters; shorten it to at most {limit} characters.",
            n=len(transcript),
            limit=MAX_CHARACTERS,
        )
    kinds = [(c, unicodedata.category(c)) for c in transcript]
    kept = (" " if k in ("Cc", "Cs") else c for c, k in kinds if k != "Cf" or c in JOINERS)
    return [word for word in "".join(kept).split() if word.strip(JOINERS)]


def _strike(words: Sequence[Word], struck: Iterable[int]) -> tuple[Word, ...]:
    """Mark the words number `struck`. Raises: MsaError."""
    chosen = tuple(struck)
    wrong = [i for i in chosen if isinstance(i, bool) or not isinstance(i, Integral) or not 0 <= i < len(words)]
    if wrong:
        raise MsaError(
            "There is no word number {number}: the text has {n} words, counted from 0.",
            number=repr(wrong[0]),
            n=len(words),
        )
    return tuple(replace(w, struck=True) if i in chosen else w for i, w in enumerate(words))


def _notes(heard: Utterance, text: Stream) -> list[str]:
    """Note what the visitor must know about an edit."""
    typed = [TYPED] if text.present and not heard.text.present else []
    return typed + ([VOICE_STAYS] if heard.simulated.present else [])
