"""Noise of a recogniser in written words: some are left out, misheard, run together or lose their apostrophe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

SHARES = {"dropped": 0.4, "misheard": 0.4, "joined": 0.2}  # of the words that are changed


class Noise:
    """Noise with a vocabulary: a word is misheard as a known word of like length and the same first letter.

    Args:
        texts: normalised texts whose words are the vocabulary.
        sentences: share of the sentences that are changed.
        words: share of the words that are changed in these.
    """

    def __init__(self, texts: Iterable[str], sentences: float = 0.3, words: float = 0.12) -> None:
        self.sentences, self.words = sentences, words
        self.alike: dict[tuple[str, int], list[str]] = defaultdict(list)
        for word in sorted({word for text in texts for word in text.split()}):
            self.alike[_sound(word)].append(word)

    def __call__(self, text: str, rng: np.random.Generator) -> str:
        """Change a normalised text as a recogniser might; never to nothing."""
        if rng.random() >= self.sentences:
            return text
        found: list[str] = []
        join = False
        for word in text.split():
            fate = rng.choice(list(SHARES), p=list(SHARES.values())) if rng.random() < self.words else ""
            if fate == "dropped":
                continue
            if fate == "misheard" and (near := self.alike.get(_sound(word))):
                word = near[rng.integers(len(near))]
            if join:
                found[-1] += word
            else:
                found.append(word)
            join = fate == "joined"
        if rng.random() < 0.3:  # dont, youre: spelled as some transcripts spell it
            found = [word.replace("'", "") for word in found]
        return " ".join(found) or text


def _sound(word: str) -> tuple[str, int]:
    """Tell words apart roughly as the ear does: by first letter and length."""
    return word[0], len(word) // 2
