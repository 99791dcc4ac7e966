"""Phrases in another language beside English ones."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bursts import RATE, bursts
from heard_words import heard, times

from msa_core.evaluation import spoken_cases
from msa_core.features.phrases import unsure, without_others
from msa_core.features.second_opinion import Opinion
from msa_core.features.speech import SpeechReader
from msa_core.features.whisper_decoding import Decoded
from msa_core.features.windows import DecodedWindow, Window

WINDOW = Window(0, 10.0, bursts([(0.2, 0.6), (0.6, 1.0), (1.1, 1.6), (1.6, 2.2)], 2.5))
GERMAN, ENGLISH = Opinion("de", 0.9, 0.02, 0.9, 1.2), Opinion("de", 0.1, 0.8, 0.8, 1.2)


def said(*texts: str, values: tuple[float, ...]) -> DecodedWindow:
    words = [(text, *span) for text, span in zip(texts, [(0.2, 0.6), (0.6, 1.0), (1.1, 1.6), (1.6, 2.2)], strict=True)]
    return replace(heard(*words), decoded=Decoded((1,) * 4, -0.6, 0.1, False, values=values))


def test_an_unlikely_sentence_beside_a_likely_one_is_unsure() -> None:
    both = said(" Good", " day.", " You", " sleep", values=(-0.1, -0.2, -0.9, -1.5))
    spans = times(WINDOW, both)
    [(phrase, sound)] = unsure(WINDOW, both, spans)
    assert phrase == (2, 4) and np.isclose(sound.start_s, 11.1) and np.isclose(len(sound.sound) / RATE, 1.5, atol=0.05)
    assert unsure(WINDOW, said(" Good", " day.", " You", " sleep", values=(-0.1, -0.2, -0.3, -0.9)), spans) == []
    one = said(" Good", " day", " you", " sleep", values=(-0.1, -0.2, -0.9, -1.5))
    assert unsure(WINDOW, one, spans) == [], "a single phrase is the window, which was judged"
    fewer = replace(one, decoded=Decoded((1,) * 5, -0.6, 0.1, False, values=(-2.0,) * 5))
    assert unsure(WINDOW, fewer, spans) == [], "words were left out"


def test_a_first_word_that_a_sentence_goes_on_from_is_kept() -> None:
    window = Window(0, 0.0, bursts([(0.2, 1.1), (1.5, 2.2)], 2.5))
    spans = [(0.2, 1.1), (1.5, 1.7), (1.7, 2.0), (2.0, 2.2)]
    words = heard(*((t, *s) for t, s in zip([" I", " love", " this", " place."], spans, strict=True)))
    words = replace(words, decoded=Decoded((1,) * 4, -0.4, 0.1, False, values=(-1.5, -0.1, -0.1, -0.1)))
    [(phrase, _)] = unsure(window, words, times(window, words))
    whole = without_others(words, [phrase], [GERMAN])
    assert whole.aligned is not None and len(whole.aligned.words) == 4 and whole.note is not None


def test_only_another_language_is_left_out() -> None:
    both = said(" Good", " day.", " You", " sleep", values=(-0.1, -0.2, -0.9, -1.5))
    assert without_others(both, [(2, 4)], [ENGLISH]) is both
    left = without_others(both, [(2, 4)], [GERMAN])
    assert left.aligned is not None and [w[0] for w in left.aligned.words] == [" Good", " day."]
    assert left.aligned.token_words.tolist() == [0, 1] and left.note is not None and "German" in left.note
    last = without_others(both, [(0, 2)], [GERMAN])
    assert last.aligned is not None and last.aligned.token_words.tolist() == [0, 1]
    nothing = without_others(both, [(0, 2), (2, 4)], [GERMAN, GERMAN])
    assert nothing.aligned is None and nothing.reason is not None and "German" in nothing.reason


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_english_words_of_another_language_are_no_text(tiny: Any, base: Any) -> None:
    """It was "I really love this place. You sleep like what under the field."."""
    french = spoken_cases.spoken("Je suis très content de vous voir.", "fr")
    sound = np.concatenate([spoken_cases.spoken("I really love this place."), spoken_cases.silence(0.4), french])
    reader = SpeechReader(tiny, second=base)
    found = reader.read(sound)
    assert found.transcript == "I really love this place." and "sounds like French" in found.notes[0]
    assert len(found.words) == 5 and found.state_words.max() == 4
    assert len(reader.read(sound, any_language=True).words) > 5
