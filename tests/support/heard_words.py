"""Windows whose words are known."""

from __future__ import annotations

import numpy as np

from msa_core.features.turns import word_times
from msa_core.features.whisper_decoding import Aligned, Decoded
from msa_core.features.windows import DecodedWindow, Window


def heard(*words: tuple[str, float, float], loop: bool = False) -> DecodedWindow:
    """Make a window with these words (text, start and end in s), a token each, as from a loop if wanted."""
    n = len(words)
    aligned = Aligned(words, np.ones((n, 2)), np.array([w[1:] for w in words]), np.arange(n))
    return DecodedWindow(aligned, None, -0.1 * n, decoded=Decoded((1,) * n, -0.1, 0.1, loop, loop))


def times(window: Window, words: DecodedWindow) -> list[tuple[float, float]]:
    """Find the times (s) of the words of a window, none without words."""
    return [] if words.aligned is None else word_times(words.aligned.words, window.sound)
