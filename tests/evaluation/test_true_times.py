"""True starts of words, told by espeak-ng."""

from __future__ import annotations

import os

import pytest

from msa_core.evaluation import spoken_cases, true_times

needs_library = pytest.mark.skipif(
    true_times.LIBRARY is None and not os.environ.get("CI"), reason="espeak-ng's library is not installed"
)
TEXT = "Go away! Go away! No, no. Great movie of the year."


@needs_library
@pytest.mark.parametrize("voice", ["en-us", "en-gb", "en-gb-scotland", "en-us+f2"])
def test_words_begin_in_order_and_turns_after_their_pause(voice: str) -> None:
    found = true_times.true_times(TEXT, voice, 150, 50)
    assert found is not None and found.samples / 22050 == pytest.approx(5.3, abs=0.4)
    words, starts = zip(*found.starts_s, strict=True)
    # "of the" is one word to the synthesiser
    assert words == ("go", "away", "go", "away", "no", "no", "great", "movie", "of", "year")
    assert starts[0] == 0 and list(starts) == sorted(set(starts)) and starts[-1] < found.samples / 22050
    assert starts[1] == pytest.approx(0.16, abs=0.03) and starts[2] == pytest.approx(1.08, abs=0.06)


@needs_library
def test_the_times_are_those_of_the_sound_that_is_read() -> None:
    said = spoken_cases.said(TEXT).between(0.5, 0.2)
    assert said.starts_s is not None and said.starts_s[0] == ("go", 0.5)
    # The second turn begins where the sound begins again after the pause.
    third = int(said.starts_s[2][1] * spoken_cases.RATE)
    assert abs(said.sound[third - 4000 : third - 400]).max() < 0.01 < abs(said.sound[third : third + 800]).max()


@needs_library
def test_an_unknown_voice_and_other_scripts_have_no_truth() -> None:
    assert true_times.true_times(TEXT, "nonsense", 150, 50) is None
    assert true_times.true_times("Мне очень понравился.", "ru", 150, 50) is None


def test_no_library_no_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(true_times, "LIBRARY", None)
    assert true_times.true_times(TEXT, "en-us", 150, 50) is None
    monkeypatch.setattr(true_times, "LIBRARY", "no_such_library.so")
    assert true_times.true_times(TEXT, "en-us", 150, 50) is None


@pytest.mark.parametrize("word, expected", [("Don't,", "dont"), ("NO!", "no"), ("3", "3")])
def test_words_are_compared_by_their_letters(word: str, expected: str) -> None:
    assert true_times.plain(word) == expected
