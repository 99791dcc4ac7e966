"""Chinese speech: times of translated words, simplified characters, the language that is heard, no words in noise."""

from __future__ import annotations

import numpy as np
import pytest
import variants
from whisper.tokenizer import get_tokenizer

from msa_core import media
from msa_core.features import translation, weights, whisper_decoding
from msa_core.features.translation import TranslatingReader
from msa_core.features.whisper_decoding import Decoded, doubt_multilingual
from msa_core.schema import Word


@pytest.fixture(scope="module")
def reader(base: weights.Once[TranslatingReader]) -> TranslatingReader:
    return base()


@pytest.fixture(scope="module")
def jfk() -> np.ndarray:
    path = variants.EXAMPLES / "jfk.flac"
    return media.waveform(path, media.probe(path))


def test_words_of_a_sentence_share_its_time_by_their_letters() -> None:
    words = [Word("I", 3.0, 3.1), Word("am", 1.0, 2.0), Word("glad.", 2.0, 4.6), Word("You", 6.0, 7.0)]
    spread = translation.spread(words)
    assert [w.text for w in spread] == ["I", "am", "glad.", "You"]
    assert [w.start_s for w in spread] == [3.0, 3.2, 3.6, 6.0]  # 0.2 s a letter from 3.0 to 4.6
    assert [w.end_s for w in spread] == [3.2, 3.6, 4.6, 7.0]
    assert translation.spread([]) == ()


def test_chinese_is_written_as_chinese_is() -> None:
    assert translation.chinese("你好, 我叫 Tom Smith .真的吗?") == "你好，我叫Tom Smith .真的吗？"
    assert translation.chinese("OK, go") == "OK, go"


def test_only_simplified_characters_can_be_said() -> None:
    tokenizer = get_tokenizer(True, num_languages=99, language="zh")
    never = set(whisper_decoding.outside_gb2312(tokenizer))
    assert {tokenizer.encode(c)[0] for c in "這個說國時來"} <= never
    assert not {t for c in "这个说国时来, hello. WIFI 12" for t in tokenizer.encode(c)} & never


@pytest.mark.parametrize(
    "log_probability, no_speech, n_tokens, expected",
    [
        (-0.2, 0.72, 8, None),  # a sentence of 3 s that <|nospeech|> alone would have refused
        (-1.4, 0.6, 20, "no speech found"),  # brown noise of 16 s
        (-2.5, 0.28, 1, "no speech found"),  # a melody
        (-1.5, 0.1, 12, "speech not understood"),
    ],
)
def test_doubts(log_probability: float, no_speech: float, n_tokens: int, expected: str | None) -> None:
    decoded = Decoded((1,) * n_tokens, log_probability, no_speech, False)
    assert doubt_multilingual(decoded, "你好", 3.0) == expected


@pytest.mark.slow
def test_another_language_is_said(reader: TranslatingReader, jfk: np.ndarray) -> None:
    found = reader.read(jfk)
    assert found.no_speech_reason == "speech not understood (it sounds like English, not Chinese)"
    assert (found.transcript, found.translation, found.words) == ("", "", ())
    used = reader.read(jfk, any_language=True)
    assert "Americans" in used.translation and used.words and used.no_speech_reason is None
    assert translation.ROUGH_NOTE in used.notes


@pytest.mark.slow
def test_sound_without_speech_has_no_words(reader: TranslatingReader) -> None:
    rng = np.random.default_rng(0)
    for wave in (variants.chords(4.0), rng.normal(0, 0.05, 40_000), np.sin(np.arange(60_000) / 6)):
        found = reader.read(np.asarray(wave, np.float32))
        assert (found.no_speech_reason, found.words, found.translation) == ("no speech found", (), "")
    assert reader.read(np.zeros(16_000, np.float32)).silent_reason == "silent audio track (below -60 dBFS)"


@pytest.mark.slow
def test_translation_has_english_words_in_time(
    reader: TranslatingReader, jfk: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A known speech taken for Chinese: to translate it is to write it down."""
    monkeypatch.setattr(translation, "language_probabilities", lambda model, encoded: [{"zh": 1.0}] * len(encoded))
    monkeypatch.setattr(TranslatingReader, "doubt", staticmethod(lambda decoded, text, duration_s: None))
    found = reader.read(jfk)
    said = found.translation.lower()
    assert "your country" in said and " ".join(w.text for w in found.words) == found.translation
    edges = [t for w in found.words for t in (w.start_s, w.end_s)]
    assert edges == sorted(edges) and 0 <= edges[0] < 2 and 9 < edges[-1] <= 11
    assert found.states.shape == (0, 512) and translation.NOTE in found.notes and found.transcript


@pytest.mark.slow
def test_work_on_words_can_be_interrupted(reader: TranslatingReader, jfk: np.ndarray) -> None:
    calls = []

    def leave() -> None:
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reader.read(jfk, leave)
    assert len(calls) == 5 and reader.read(jfk).no_speech_reason, "the next clip is read as if nothing had been"
