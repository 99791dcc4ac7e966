"""Second opinion on doubtful English: words of other languages are left out, the voice is kept, noise is no speech."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from paths import DATA, EXAMPLES
from whisper.tokenizer import get_tokenizer

from msa_core import media
from msa_core.evaluation import speechless_cases, spoken_cases
from msa_core.features import second_opinion, speech, transcribed, weights
from msa_core.features.second_opinion import Opinion, opinion, verdict
from msa_core.features.speech import SpeechReader
from msa_core.features.translation import TranslatingReader, if_at_hand
from msa_core.features.whisper_decoding import NO_SPEECH, NOT_UNDERSTOOD, Decoded
from msa_core.features.windows import DecodedWindow

GERMAN = "speech not understood (it sounds like German; only English is recognised)"
UNNAMED = "speech not understood (only English is recognised)"
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


def heard(english: float, other: float = 0.0, noise: float = 0.0, loud_s: float = 2.0, code: str = "de") -> Opinion:
    """Make an opinion from the probabilities of English, of another language and of what is said of noise."""
    return opinion({"en": english, code: other, "nn": noise, "fr": 0.01}, loud_s)


@pytest.mark.parametrize(
    ("reason", "log_probability", "second", "expected"),
    [
        (None, -0.7, heard(0.99), None),
        (None, -0.7, heard(0.05, 0.9), GERMAN),
        (None, -0.7, heard(0.05, 0.9, code="zh"), second_opinion.NOT_CHOSEN),
        (None, -0.7, heard(0.19, 0.31), None),  # English in noise at 5 dB
        (None, -0.7, heard(0.05, 0.25), UNNAMED),
        (None, -0.7, heard(0.1, 0.76, loud_s=0.6), None),  # one English word
        (None, -0.7, heard(0.02, 0.95, loud_s=0.6), GERMAN),
        (None, -0.7, None, None),
        (NOT_UNDERSTOOD, -1.5, None, UNNAMED),
        (NOT_UNDERSTOOD, -1.5, heard(0.0, 0.99), GERMAN),
        (NOT_UNDERSTOOD, -1.5, heard(0.99), NOT_UNDERSTOOD),
        (NOT_UNDERSTOOD, -0.95, heard(0.99), None),
        (NOT_UNDERSTOOD, -0.95, heard(0.5), UNNAMED),
        (NOT_UNDERSTOOD, -0.95, heard(0.73, 0.1), None),  # "seven, three, nine"
        (NOT_UNDERSTOOD, -0.95, heard(0.17, noise=0.75), UNNAMED),  # noise, of which the rest sounds English
        (NO_SPEECH, -1.7, None, NO_SPEECH),
        (NO_SPEECH, -1.7, heard(0.1, 0.77), GERMAN),  # a voice
        (NO_SPEECH, -1.7, heard(0.03, 0.1, 0.8), NO_SPEECH),  # noise
        (NO_SPEECH, -1.7, heard(0.36), NO_SPEECH),  # applause
    ],
)
def test_a_second_opinion_decides(
    reason: str | None, log_probability: float, second: Opinion | None, expected: str | None
) -> None:
    assert verdict(reason, log_probability, second) == expected


def test_an_opinion_leaves_out_what_is_said_of_noise() -> None:
    found = heard(0.2, 0.3, 0.5)
    assert (found.language, found.english, found.probability, found.sure) == ("de", 0.4, 0.6, 0.3)


def test_it_is_asked_about_doubtful_words_only() -> None:
    def window(reason: str | None, log_probability: float, no_speech: float) -> DecodedWindow:
        return DecodedWindow(None, reason, log_probability, decoded=Decoded((1,), log_probability, no_speech, False))

    assert not second_opinion.wanted(window(None, -0.4, 0.1)) and second_opinion.wanted(window(None, -0.6, 0.1))
    assert second_opinion.wanted(window(NOT_UNDERSTOOD, -1.5, 0.1)) and second_opinion.wanted(
        DecodedWindow(reason=NOT_UNDERSTOOD)
    )
    assert second_opinion.wanted(window(NO_SPEECH, -1.7, 0.85)) and not second_opinion.wanted(
        window(NO_SPEECH, -1.7, 0.95)
    )
    assert not second_opinion.wanted(DecodedWindow(reason=NO_SPEECH)), "a silent window"


class Second:
    """Stand-in for Whisper base with one opinion."""

    def __init__(self, said: Opinion) -> None:
        self.said, self.asked = said, 0

    def opinions(self, windows: list[Any], poll: Any) -> list[Opinion]:
        self.asked += len(windows)
        return [self.said] * len(windows)


@pytest.fixture(scope="module")
def reader(tiny: Any, base: weights.Once[TranslatingReader]) -> SpeechReader:
    return SpeechReader(tiny, second=lambda: if_at_hand(base))


def sound(path: Any) -> np.ndarray:
    return media.waveform(path, media.probe(path))


def decoded_as(monkeypatch: pytest.MonkeyPatch, tiny: Any, log_probability: float, no_speech: float = 0.1) -> None:
    """Let every decoding of ours say "good day" with these numbers, and openai-whisper's nothing."""
    tokens = tuple(get_tokenizer(False).encode(" good day my friend"))
    found = Decoded(tokens, log_probability, no_speech, False)
    monkeypatch.setattr(speech, "greedy", lambda model, encoded, tokenizer, *_: [found] * len(tokenizer))
    monkeypatch.setattr(transcribed, "heard", lambda *_: None)


@pytest.mark.parametrize(
    ("log_probability", "said", "transcript", "certainty"),
    [
        (-0.8, heard(1.0), "Come and see", -0.4),
        (-1.15, heard(1.0), "Come and see", speech.DOUBTFUL),  # refused
        (-0.8, None, "Come and see", -0.4),
        (-1.15, None, "", 0.0),
        (-0.8, heard(0.0, 1.0), "", 0.0),  # German is not heard again
    ],
)
def test_doubtful_words_are_heard_once_more(
    tiny: Any, monkeypatch: Any, log_probability: float, said: Opinion | None, transcript: str, certainty: float
) -> None:
    decoded_as(monkeypatch, tiny, log_probability, 0.5)
    tokens = tuple(get_tokenizer(False).encode(" Come and see"))
    other = transcribed.Transcribed(Decoded(tokens, -0.4, 0.1, False), torch.zeros(1, 1, 1), True)
    monkeypatch.setattr(transcribed, "heard", lambda *_: other)
    monkeypatch.setattr(transcribed, "likelihood", lambda *given: [-0.4 if t == tokens else -0.9 for t in given[3]])
    second = None if said is None else Second(said)
    reader = SpeechReader(tiny, second=lambda: second)  # type: ignore[arg-type, return-value]
    found = reader.read(sound(EXAMPLES / "jfk.flac")[:48_000])
    assert (found.transcript, round(found.log_probability, 6)) == (transcript, certainty)
    assert " ".join(w.text for w in found.words) == transcript and len(found.states) == (3 if transcript else 0)


@pytest.mark.parametrize(
    ("log_probability", "said", "any_language", "words", "reason", "note"),
    [
        (-0.3, heard(0.0, 1.0), False, True, None, None),  # not asked
        (-0.8, heard(0.0, 1.0), False, False, GERMAN, None),
        (-0.8, heard(1.0), False, True, None, None),
        (-0.8, heard(0.0, 1.0), True, True, None, "The words were used although they sound like German."),
        (-1.5, heard(0.0, 1.0), True, True, None, "The words were used although they sound like German."),
        (-1.5, heard(1.0), False, False, NOT_UNDERSTOOD, None),
        (-1.5, heard(1.0), True, True, None, None),
    ],
)
def test_words_are_used_or_not(
    tiny: Any, monkeypatch: Any, log_probability: float, said: Opinion, any_language: bool, words: bool,
    reason: str | None, note: str | None,
) -> None:  # fmt: skip
    decoded_as(monkeypatch, tiny, log_probability)
    second = Second(said)
    found = SpeechReader(
        tiny, second=lambda: second
    ).read(  # type: ignore[arg-type, return-value]
        sound(EXAMPLES / "jfk.flac")[:48_000], any_language=any_language
    )
    assert second.asked == (log_probability < second_opinion.ASKED)
    assert (found.transcript == "good day my friend", len(found.words) == 4, len(found.states) == 4) == (words,) * 3
    assert (found.no_speech_reason, found.notes) == (reason, (note,) if note else ())
    assert len(found.frames) == 30, "the voice is kept"


def test_without_a_second_model_all_is_as_it_was(tiny: Any, monkeypatch: Any) -> None:
    decoded_as(monkeypatch, tiny, -1.5)
    wave = sound(EXAMPLES / "jfk.flac")[:48_000]
    assert SpeechReader(tiny).read(wave).no_speech_reason == UNNAMED
    assert SpeechReader(tiny).read(wave, any_language=True).transcript == "good day my friend"


def test_the_second_model_is_only_taken_where_it_is_at_hand(monkeypatch: Any) -> None:
    made: list[int] = []
    once = weights.Once(lambda: made.append(1) or SimpleNamespace())
    monkeypatch.setattr(weights, "at_hand", lambda name: False)
    assert if_at_hand(once) is None and made == []  # type: ignore[arg-type]
    monkeypatch.setattr(weights, "at_hand", lambda name: True)
    assert if_at_hand(once) is if_at_hand(once) is not None and made == [1]  # type: ignore[arg-type]

    def altered() -> TranslatingReader:
        raise weights.FeatureError("altered")

    assert if_at_hand(weights.Once(altered)) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "language"), [("latentsync_demo1.mp4", "Russian"), ("latentsync_demo2.mp4", "Portuguese")]
)
def test_real_speech_of_other_languages_is_named(reader: SpeechReader, name: str, language: str) -> None:
    found = reader.read(sound(EXAMPLES / name))
    assert found.no_speech_reason == GERMAN.replace("German", language) and found.words == ()
    used = reader.read(sound(EXAMPLES / name), any_language=True)
    assert used.words and used.notes == (f"The words were used although they sound like {language}.",)


@needs_espeak
@pytest.mark.slow
@pytest.mark.parametrize("language", sorted(spoken_cases.FOREIGN))
def test_long_speech_of_another_language_keeps_its_voice(reader: SpeechReader, language: str) -> None:
    said = [spoken_cases.spoken(text, language) for text in spoken_cases.FOREIGN[language]]
    found = reader.read(np.concatenate([x for w in said * 2 for x in (w, spoken_cases.silence(0.3))]))
    assert found.words == () and found.no_speech_reason.startswith(NOT_UNDERSTOOD)  # type: ignore[union-attr]


@needs_espeak
@pytest.mark.slow
def test_english_replies_stay(reader: SpeechReader, tiny: Any) -> None:
    waves = [spoken_cases.spoken(t, v) for t in spoken_cases.REPLIES[::3] for v in ("en-us", "en-gb+f3")]
    alone, asked = SpeechReader(tiny).read_many(waves), reader.read_many(waves)
    assert [bool(a.words) for a in asked] == [bool(a.words) for a in alone]


@pytest.mark.slow
def test_a_second_opinion_makes_no_speech_of_sounds(reader: SpeechReader, tiny: Any) -> None:
    alone = SpeechReader(tiny)
    for case in speechless_cases.sounds(4):
        if len(case.sound) < 6 * speech.SAMPLE_RATE_HZ:
            found = reader.read(case.sound)
            assert found.words == (), case.name
            if found.no_speech_reason != NO_SPEECH:  # vowels that are sung, which may pass for a voice
                assert alone.read(case.sound).no_speech_reason != NO_SPEECH, case.name


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "nemo").is_dir(), reason="the research data nemo are not installed")
@pytest.mark.parametrize("emotion", ["neutral", "anger", "fear"])
def test_emotional_speech_of_another_language_is_a_voice_without_words(reader: SpeechReader, emotion: str) -> None:
    clips = sorted((DATA / "nemo").glob(f"*_{emotion}_7.opus"))
    found = [reader.read(sound(clip)) for clip in clips]
    assert len(found) >= 8 and all(f.no_speech_reason != NO_SPEECH for f in found)
    assert sum(bool(f.words) for f in found) <= 1


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "ravdess").is_dir(), reason="the research data ravdess are not installed")
@pytest.mark.parametrize("emotion", ["01", "05", "06"])
def test_emotional_english_keeps_its_words(reader: SpeechReader, emotion: str) -> None:
    clips = sorted((DATA / "ravdess").glob(f"*/03-01-{emotion}-01-01-01-*.opus"))[::3]
    assert len(clips) == 8 and all(reader.read(sound(clip)).words for clip in clips)
