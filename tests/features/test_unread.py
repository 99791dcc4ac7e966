"""Loud sound that no word takes is heard once more alone."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
from bursts import RATE, bursts
from heard_words import heard, times

from msa_core.evaluation import spoken_cases
from msa_core.features.speech import SpeechReader
from msa_core.features.unread import unread, with_parts
from msa_core.features.whisper_decoding import NO_SPEECH, NOT_UNDERSTOOD
from msa_core.features.windows import DecodedWindow, Window

WINDOW = Window(3, 7.0, bursts([(0.4, 2.0), (2.6, 3.0), (3.4, 3.8), (4.2, 5.0), (5.4, 6.0)], 6.5))
WORDS = heard((" I", 2.6, 3.0), (" know.", 3.4, 3.8))


def test_only_long_sound_between_words_is_unread() -> None:
    found = list(unread(WINDOW, WORDS, times(WINDOW, WORDS)))
    assert [k for k, _ in found] == [0, 2]
    spans = [(p.clip, round(p.start_s, 2), round(p.start_s + len(p.sound) / RATE, 2)) for _, p in found]
    assert spans == [(3, 7.2, 9.2), (3, 11.0, 13.2)], "with a little of the pauses beside it"
    more = heard((" I", 2.6, 3.0), (" know.", 3.4, 3.8), (" Yes.", 4.2, 5.0))
    assert [k for k, _ in unread(WINDOW, more, times(WINDOW, more))] == [0], "0.6 s is not enough"
    assert list(unread(WINDOW, DecodedWindow(reason=NO_SPEECH), [])) == []


def test_words_of_a_part_stand_where_they_were_said() -> None:
    (_, first), (_, last) = unread(WINDOW, WORDS, times(WINDOW, WORDS))
    no, french = heard((" No,", 0.2, 0.8), (" no.", 0.9, 1.7)), DecodedWindow(reason=NOT_UNDERSTOOD)
    whole = with_parts(WINDOW, WORDS, [(0, first, no), (2, last, french)])
    assert whole.aligned is not None and [w[0] for w in whole.aligned.words] == [" No,", " no.", " I", " know."]
    assert np.allclose([w[1] for w in whole.aligned.words], [0.4, 1.1, 2.6, 3.4])
    assert whole.aligned.token_words.tolist() == [0, 1, 2, 3] and len(whole.aligned.states) == 4
    assert np.allclose(whole.aligned.token_times_s[:, 0], [0.4, 1.1, 2.6, 3.4])
    assert whole.note is not None and "left out" in whole.note and whole.log_probability == pytest.approx(-0.2)
    end = with_parts(WINDOW, WORDS, [(0, first, DecodedWindow(reason=NO_SPEECH)), (2, last, no)])
    assert end.aligned is not None and [w[0] for w in end.aligned.words] == [" I", " know.", " No,", " no."]
    assert end.note is None, "music needs no note"


def test_words_that_were_read_already_are_not_read_twice() -> None:
    (_, first), _ = unread(WINDOW, WORDS, times(WINDOW, WORDS))
    again = with_parts(WINDOW, WORDS, [(0, first, heard((" I", 0.2, 0.6), (" know.", 0.7, 1.7)))])
    assert again.aligned is not None and len(again.aligned.words) == 2, "they have late times"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_speech_that_the_decoder_passes_over_is_heard(tiny: Any, base: Any) -> None:
    reader = SpeechReader(tiny, second=base)
    no = reader.read(spoken_cases.spoken("No, no, no, no, no, no. I do not want that."))
    said = [w.text.strip(".,").lower() for w in no.words]
    assert said.count("no") >= 5 and said[-5:] == ["i", "do", "not", "want", "that"]
    pause = spoken_cases.silence(0.5)
    french = spoken_cases.spoken("Je suis très content de vous voir aujourd'hui, merci beaucoup.", "fr")
    both = reader.read(np.concatenate([spoken_cases.spoken("I really love this place."), pause, french]))
    assert both.transcript == "I really love this place." and both.notes == (
        "Part of the speech was left out: speech not understood (it sounds like French; only English is recognised).",
    )
