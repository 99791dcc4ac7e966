"""The comparison of speech reading with openai-whisper's own."""

from __future__ import annotations

import numpy as np
import pytest
from paths import EXAMPLES
from whisper.normalizers import EnglishTextNormalizer

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
    assert speech_comparison.shared("a b c d".split(), "a b x d".split(), "b c d".split()) == 2
    assert speech_comparison.shared(["a"], ["a"], []) == 0


def test_digits_count_one_by_one() -> None:
    normal = EnglishTextNormalizer()
    assert [speech_comparison.single(normal(t)) for t in ("Seven, three, nine.", "7, 3, 9", "739 cars")] == [
        ["7", "3", "9"],
        ["7", "3", "9"],
        ["7", "3", "9", "cars"],
    ]
    assert all(speech_comparison.single(normal(t)) == list("0101") for t in ("Zero, one, zero, one.", "0 1 0 1"))


def test_a_word_that_only_one_of_them_has_is_lost_by_the_other_where_it_is_right() -> None:
    tally = speech_comparison.Tally()
    tally.count("we saw a red car".split(), "we saw a bed".split(), "he saw a red car thanks".split())
    assert (tally.said, tally.lost, tally.invented) == (5, [2, 1], [1, 2])
    assert tally.only == [2, 1], "red, car; we: what the reference made up is no loss"
    tally.count(["yes"], ["yes"], [])
    assert tally.only == [2, 2] and tally.known


def test_a_word_alone_is_compared_with_its_start_and_end() -> None:
    case = Case("late", "x", np.zeros(1), None, (15.0, 15.5))
    assert speech_comparison.time_errors(case, [Word("Yes.", 15.1, 15.4)]) == pytest.approx([0.1, 0.1])
    assert speech_comparison.time_errors(case, []) == []


def test_words_are_compared_with_the_true_ones_in_order() -> None:
    starts = (("come", 0.0), ("on", 0.3), ("come", 1.0), ("on", 1.3), ("go", 2.0))
    case = Case("repetition", "x", np.zeros(1), "", starts_s=starts)
    right = [Word(w.title() + ",", s + 0.1, s + 0.2) for w, s in starts]
    assert speech_comparison.time_errors(case, right) == pytest.approx([0.1] * 5)
    # A turn that was not heard is left out, and a wrong word: the others are matched with the nearest.
    found = [Word("Come", 0.9, 1.1), Word("in", 1.2, 1.3), Word("on", 1.3, 1.4), Word("go", 2.5, 2.6)]
    assert speech_comparison.time_errors(case, found) == pytest.approx([0.1, 0.0, 0.5])
    assert speech_comparison.time_errors(Case("sentence", "x", np.zeros(1), "go"), found) == []


def test_the_two_are_compared_where_they_have_the_same_words() -> None:
    ours, theirs = [Word("Yes.", 15.1, 15.4)], [Word("yes", 15.3, 15.4)]
    assert speech_comparison.distances(ours, theirs) == pytest.approx([0.2])
    assert speech_comparison.distances(ours, []) == []


@pytest.mark.slow
def test_a_recorded_speech_is_heard_as_the_reference_hears_it() -> None:
    path = EXAMPLES / "jfk.flac"
    sound = media.waveform(path, media.probe(path))
    text = "And so my fellow Americans ask not what your country can do for you ask what you can do for your country"
    row = speech_comparison.compared(SpeechReader(weights.whisper("tiny.en")), [Case("shipped", "jfk", sound, text)])
    cells = [c.strip() for c in row.splitlines()[-1].strip("|").split("|")]
    assert len(cells) == len(speech_comparison.HEAD) and cells[11:13] == ["-", "-"]
    assert cells[:11] == ["shipped", "1", "22", "0", "0", "0", "0", "0", "0", "1", "1"]
