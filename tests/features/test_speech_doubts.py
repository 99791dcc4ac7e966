"""Repetition, replies, late words, doubts: what is said is heard once and in time, and nothing else is."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from paths import EXAMPLES
from whisper.tokenizer import get_tokenizer

from msa_core import media
from msa_core.evaluation import speechless_cases, spoken_cases
from msa_core.evaluation.spoken_cases import coloured, silence
from msa_core.features import loops, loudness, speech, surplus, whisper_decoding
from msa_core.features.second_opinion import Opinion
from msa_core.features.speech import SpeechReader
from msa_core.features.whisper_decoding import Decoded, doubt

RATE = speech.SAMPLE_RATE_HZ
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


@pytest.fixture(scope="module")
def reader(tiny: Any) -> SpeechReader:
    return SpeechReader(tiny)


def sound(name: str) -> np.ndarray:
    path = EXAMPLES / name
    return media.waveform(path, media.probe(path))


def plain(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum() or c == " ").strip()


def one_word() -> np.ndarray:
    """Cut "again" from a recorded sentence."""
    return sound("grid_lrwp9a.mp4")[int(1.88 * RATE) : int(2.4 * RATE)]


@needs_espeak
@pytest.mark.slow
@pytest.mark.parametrize(
    "phrase, times, end",
    [
        ("I love it.", 4, "The camera is great but the battery is horrible."),
        ("It was very good.", 3, "I would watch it again tomorrow."),
        ("Thank you.", 4, "You have been a wonderful audience."),
        ("This is so boring.", 3, "Let us go home now."),
        ("Wait,", 6, "my sister never liked that song."),
        ("Keep going,", 12, "my sister never liked that song."),
    ],
)
def test_a_repeated_phrase_does_not_end_the_words(reader: SpeechReader, phrase: str, times: int, end: str) -> None:
    found = reader.read(spoken_cases.spoken(" ".join([phrase] * times + [end])))
    assert plain(found.transcript).count(plain(phrase)) == times
    assert plain(found.transcript).endswith(plain(end).split()[-1])
    assert len(found.words) >= len(phrase.split()) * times + len(end.split()) - 1


@pytest.mark.slow
def test_repeated_recordings_do_not_end_the_words(reader: SpeechReader) -> None:
    jfk = sound("jfk.flac")
    ask = jfk[int(5.3 * RATE) : int(7.9 * RATE)]  # what your country can do for you
    found = plain(reader.read(np.concatenate([ask, silence(0.2)] * 4 + [jfk[int(7.9 * RATE) :]])).transcript)
    assert found.count("what your country can do for you") == 4 and found.endswith("for your country")


def test_an_endless_loop_is_told_from_speech_by_the_time_it_takes() -> None:
    tokenizer = get_tokenizer(False)
    phrase = tokenizer.encode(" and they went to the house on the hill in the evening")
    assert len(phrase) > 11
    likely = [-0.1] * len(phrase) * 16
    assert whisper_decoding._endless(phrase * 16, likely, tokenizer, 22.0)
    assert not whisper_decoding._endless(phrase * 4, likely, tokenizer, 22.0)
    assert whisper_decoding._endless(phrase * 4, [-1.5] * len(likely), tokenizer, 22.0), "an unlikely phrase"
    near = [t for i in range(16) for t in (*phrase, *tokenizer.encode(" too" if i % 3 else " again"))]
    while len(near) % 4:
        near.append(near[-1])
    assert whisper_decoding._endless(near, [-0.1] * len(near), tokenizer, 22.0), "without an exact period"


@pytest.mark.slow
@pytest.mark.parametrize("times, english, counted", [(3, None, True), (5, 0.9, True), (5, 0.4, False)])
def test_a_phrase_without_an_end_is_said_as_often_as_its_sound(
    tiny: Any, monkeypatch: pytest.MonkeyPatch, times: int, english: float | None, counted: bool
) -> None:
    """A real sentence, again and again, which the decoder never ends; what comes after it is heard alone."""
    jfk, original = sound("jfk.flac"), speech.greedy
    ask, more = jfk[int(5.3 * RATE) : int(7.9 * RATE)], jfk[int(8.2 * RATE) :]
    phrase = tuple(get_tokenizer(False).encode(" what your country can do for you,"))
    loops_of = [Decoded(phrase, -0.6, 0.1, True, True, turn=len(phrase))]
    monkeypatch.setattr(speech, "greedy", lambda *given: [loops_of.pop()] if loops_of else original(*given))
    asked = None if english is None else Opinion("cy", 0.1, english, max(english, 0.1), 9.0)
    second = SimpleNamespace(opinions=lambda windows, poll: [asked] * len(windows))
    reader = SpeechReader(tiny, second=lambda: None if asked is None else second)  # type: ignore[arg-type,return-value]
    found = reader.read(np.concatenate([ask, silence(0.2)] * times + [more]))
    if not counted:
        assert found.words == () and found.no_speech_reason == "speech not understood (only English is recognised)"
        return
    assert plain(found.transcript).startswith("what your country can do for you " * times + "ask what you can do")
    starts = [w.start_s for w in found.words if plain(w.text) == "what"][:times]
    assert starts == [pytest.approx(0.1 + 2.8 * k, abs=0.3) for k in range(times)]


@pytest.mark.slow
@pytest.mark.parametrize("drawn", [False, True])
def test_a_loop_that_never_ends_is_not_understood(
    reader: SpeechReader, monkeypatch: pytest.MonkeyPatch, drawn: bool
) -> None:
    """Twenty-five seconds of which the decoder says one phrase for ever, or at last something that it was drawn."""
    phrase, other = (tuple(get_tokenizer(False).encode(t)) for t in (" a phrase of little worth", " something else"))
    heard = []

    def greedy(model, encoded, tokenizer, limits, poll, never, loud_s, temperature):
        heard.append(temperature)
        if drawn and temperature > 0:
            return [Decoded(other, -0.3, 0.1, False)] * len(limits)
        return [Decoded(phrase, -0.3, 0.1, True, True)] * len(limits)

    monkeypatch.setattr(speech, "greedy", greedy)
    monkeypatch.setattr(speech, "unread", lambda window, words, spans: [])
    found = reader.read(np.tile(sound("jfk.flac"), 3)[: 25 * RATE])
    if drawn:
        assert plain(found.transcript) == "something else" and found.log_probability <= speech.DOUBTFUL
    else:
        assert found.no_speech_reason == "speech not understood (only English is recognised)" and found.words == ()
        assert heard == [0.0, *speech.TEMPERATURES, 0.0, 0.0], "at last in pieces, and in brief ones"


@pytest.mark.parametrize(
    "text, no_speech, log_probability, expected",
    [
        (" 1 2 3 4", 0.53, -0.83, None),
        (" Never!", 0.45, -0.46, None),
        (" 0 1 0 1", 0.71, -0.68, None),
        (" I'm going to do it.", 0.9, -1.6, "no speech found"),
        (" Oh", 0.76, -1.94, "no speech found"),
        (" ...", 0.2, -0.1, "no speech found"),
        (" I'm not too easy", 0.53, -2.08, "speech not understood"),
        (" No, no", 0.71, -1.55, "speech not understood"),
        (" I'm not a fan of the game.", 0.75, -2.2, "speech not understood"),
        (" You sleep like a thunder", 0.2, -1.3, "speech not understood"),
    ],
)
def test_doubts_weigh_both_numbers(text: str, no_speech: float, log_probability: float, expected: str | None) -> None:
    tokens = (1,) * len(text.split())
    assert doubt(Decoded(tokens, log_probability, no_speech, False), text, 1.0) == expected


@needs_espeak
@pytest.mark.slow
def test_digits_and_single_words_are_speech(reader: SpeechReader) -> None:
    waves = [
        np.concatenate([silence(0.2), spoken_cases.spoken(text, voice), silence(0.5)])
        for text in ("Four, four, two, eight.", "Zero, one, zero, one.", "Never!", "No!", "Wonderful!")
        for voice in ("en-us", "en-gb+f3")
    ]
    heard = reader.read_many(waves)
    assert [f.no_speech_reason for f in heard].count(None) >= 9, [f.no_speech_reason for f in heard]
    assert "no speech found" not in [f.no_speech_reason for f in heard]


@needs_espeak
@pytest.mark.slow
def test_another_language_is_a_voice(reader: SpeechReader) -> None:
    for language, texts in spoken_cases.FOREIGN.items():
        for found in reader.read_many([spoken_cases.spoken(text, language) for text in texts]):
            assert found.no_speech_reason != "no speech found", language


@pytest.mark.slow
def test_sounds_are_no_speech(reader: SpeechReader) -> None:
    cases = [c for c in speechless_cases.sounds(3) if len(c.sound) < 8 * RATE]
    assert len(cases) >= 48
    for case, found in zip(cases, reader.read_many([c.sound for c in cases]), strict=True):
        assert (found.words, found.no_speech_reason) == ((), "no speech found"), case.name


@pytest.mark.slow
@pytest.mark.parametrize("before_s", [2.0, 8.0, 15.0, 22.0])
@pytest.mark.parametrize("floor", [None, -60.0, -55.0, -45.0])
def test_a_word_after_silence_or_room_noise_is_in_time(
    reader: SpeechReader, before_s: float, floor: float | None
) -> None:
    word = one_word()
    wave = np.concatenate([silence(before_s), word, silence(0.5)])
    if floor is not None:
        wave = wave + coloured(np.random.default_rng(0), len(wave) / RATE + 0.001, 1.0, floor)[: len(wave)]
    found = reader.read(wave)
    assert found.words, found.no_speech_reason
    assert abs(found.words[0].start_s - before_s) < 0.3
    assert abs(found.words[-1].end_s - before_s - len(word) / RATE) < 0.3


@pytest.mark.slow
def test_a_reply_before_silence_is_heard_once(reader: SpeechReader) -> None:
    word = one_word()
    for after in (1.0, 3.0, 6.0):
        found = reader.read(np.concatenate([silence(0.1), word, silence(after)]))
        assert len(found.words) == 1 and found.words[0].end_s < 0.8


@needs_espeak
@pytest.mark.slow
@pytest.mark.parametrize("text", ["Stop!", "Wonderful!", "Perfect.", "Six."])
def test_an_exclamation_is_heard_once(reader: SpeechReader, text: str) -> None:
    for voice in ("en-us", "en-us+m3", "en-gb+f3"):
        wave = np.concatenate([spoken_cases.spoken(text, voice), silence(3.0)])
        found = reader.read(wave)
        assert len(found.words) <= 1, found.transcript


def test_surplus_words_are_those_without_sound() -> None:
    wave = np.concatenate([one_word(), silence(2.0)])
    assert surplus.surplus_words(["Stop!", "Stop!"], [(0.0, 0.5), (0.5, 0.5)], wave) == {1}
    assert surplus.surplus_words(["Stop!", "Thanks"], [(0.0, 0.5), (1.5, 1.6)], wave) == {1}
    assert surplus.surplus_words(["Stop!"], [(1.5, 1.6)], wave) == set(), "one word is left"
    assert surplus.surplus_words(["No", "no"], [(0.0, 0.22), (0.22, 0.5)], wave) == set()
    digits = [f"{k}" for k in (1, 2, 1, 2, 1, 2)]
    spans = [(0.0, 0.2), (0.2, 0.46), *[(0.46, 0.46)] * 4]
    assert surplus.surplus_words(digits, spans, wave) == {2, 3, 4, 5}


def test_loudness_is_measured_against_the_loud_frames() -> None:
    rng = np.random.default_rng(0)
    tone = 0.3 * np.sin(np.arange(RATE // 2) / 5).astype(np.float32)
    wave = np.concatenate([coloured(rng, 15.0, 1.0, -45.0), tone, coloured(rng, 0.5, 1.0, -45.0)])
    assert loudness.trimmed([(0.0, 15.7)], wave) == [(15.0, 15.5)]
    click = wave.copy()
    click[2 * RATE : 2 * RATE + 200] = 0.3
    assert loudness.trimmed([(0.0, 15.7)], click) == [(15.0, 15.5)], "a click is no word"
    assert loudness.loud_seconds(wave) == pytest.approx(0.5, abs=0.06)
    assert loudness.near_loud(wave).sum() == pytest.approx(1.5 / loudness.FRAME_S, abs=3)


def test_letters_are_those_that_take_time() -> None:
    assert loops.letters("Don't go!") == 6 + 1
    assert loops.letters("1, 2") == 9
    assert loops.letters("你好") == 6
