"""Repetition in decoded words: what people repeat, and the loop of a decoder that never ends.

A repetition is a loop only when decoding does not end by itself: it reaches the token limit, or says more than
fits into the sound. People repeat themselves ("I love it, I love it, I love it"), at the speed of speech.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

LOOP_TIMES, LOOP_LENGTH = 3, 10  # a phrase said >= 3 times in a row, >= 10 tokens in all
TWICE_LENGTH = 4  # tokens from which saying everything twice is suspicious
COMPRESSED = 2.4  # length over compressed length, from which a text repeats itself (openai-whisper's threshold)
FASTEST = 30.0  # letters a second of loud sound: nobody speaks faster
SLOWEST = 9.0  # letters a second of loud sound, below which words are likely to be lost
SPARE = 10  # letters beyond those, for the shortest sounds
DIGIT, IDEOGRAPH = 4, 3  # letters that take as long to say


def said_twice(tokens: Sequence[int]) -> bool:
    """Tell whether the second half repeats the first."""
    half = len(tokens) // 2
    return half >= TWICE_LENGTH and tokens[:half] == tokens[half:]


def loop_length(tokens: Sequence[int]) -> int:
    """Count the tokens at the end that only repeat those before them; 0 when there is no repetition.

    The phrase may have any length.
    """
    start, width = _loop(tokens)
    return len(tokens) - start - width


def turn_length(tokens: Sequence[int]) -> int:
    """Count the tokens of one turn of the repetition at the end; 0 when there is none."""
    return _loop(tokens)[1]


def _loop(tokens: Sequence[int]) -> tuple[int, int]:
    """Find the first token of the repetition at the end, and the tokens of one turn: all of them, and 0, for none."""
    for width in range(1, len(tokens) // LOOP_TIMES + 1):
        times = 1
        while tokens[-width * (times + 1) : -width * times or None] == tokens[-width:] != []:
            times += 1
        if times >= LOOP_TIMES and width * times >= LOOP_LENGTH:
            start = len(tokens) - width * times
            while start > 0 and tokens[start - 1] == tokens[start - 1 + width]:  # it may end within a turn
                start -= 1
            return start, width
    return len(tokens), 0


def letters(text: str) -> int:
    """Count what has to be said: letters and spaces, a digit as a word, an ideograph as a syllable."""
    return sum(DIGIT if c.isdigit() else IDEOGRAPH if ord(c) > 0x2E80 else c.isalpha() or c == " " for c in text)


def repeats(text: str) -> bool:
    """Tell whether a text compresses as only repetition does."""
    raw = text.encode()
    return len(raw) > COMPRESSED * len(zlib.compress(raw))


def too_much(text: str, loud_s: float) -> bool:
    """Tell whether nobody can say the text in that time."""
    return letters(text) > SPARE + FASTEST * loud_s


def too_little(text: str, loud_s: float) -> bool:
    """Tell whether a text fills so little of the sound that other words must be lost."""
    return letters(text) < SLOWEST * loud_s


def fits(text: str, loud_s: float) -> bool:
    """Tell whether a text is what can be said in that time, neither more nor less."""
    return not too_much(text, loud_s) and not too_little(text, loud_s)
