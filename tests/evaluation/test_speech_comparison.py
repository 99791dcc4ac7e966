"""The comparison of speech reading with openai-whisper's own."""

from __future__ import annotations

import numpy as np
import pytest
from paths import EXAMPLES

from msa_core import media
from msa_core.evaluation import speech_comparison
from msa_core.evaluation.spoken_cases import Case
from msa_core.features import weights
from msa_core.features.speech import SpeechReader
from msa_core.schema import Word


def test_words_are_shared_in_order() -> None:
    assert speech_comparison.shared("a b c d".split(), "a c x d".split()) == 3
    assert speech_comparison.shared([], ["a"]) == speech_comparison.shared(["a"], []) == 0
    assert speech_comparison.shared(["a", "b"], ["b", "a"]) == 1


def test_times_are_compared_with_the_truth_or_the_reference() -> None:
    case, words = Case("late", "x", np.zeros(1), None, (15.0, 15.5)), [Word("Yes.", 15.1, 15.4)]
    assert list(speech_comparison.time_errors(case, words, [])) == pytest.approx([0.1, 0.1])
    free = Case("sentence", "x", np.zeros(1), "yes")
    assert list(speech_comparison.time_errors(free, words, [Word("yes", 15.3, 15.4)])) == pytest.approx([0.2])
    assert list(speech_comparison.time_errors(free, words, [])) == []


@pytest.mark.slow
def test_a_recorded_speech_is_heard_as_the_reference_hears_it() -> None:
    path = EXAMPLES / "jfk.flac"
    sound = media.waveform(path, media.probe(path))
    text = "And so my fellow Americans ask not what your country can do for you ask what you can do for your country"
    row = speech_comparison.compared(SpeechReader(weights.whisper("tiny.en")), [Case("shipped", "jfk", sound, text)])
    cells = [c.strip() for c in row.splitlines()[-1].strip("|").split("|")]
    assert cells[:10] == ["shipped", "1", "22", "0", "0", "0", "0", "0", "1", "1"]
