"""Speech: the short encoder equals the official one, words of a real clip, odd lengths, batches, silence, music."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from paths import EXAMPLES
from whisper import timing
from whisper.audio import log_mel_spectrogram
from whisper.tokenizer import get_tokenizer

from msa_core import media
from msa_core.errors import FeatureError
from msa_core.features import speech, whisper_decoding, windows
from msa_core.features.speech import SpeechReader
from msa_core.features.spoken import Speech

RATE = speech.SAMPLE_RATE_HZ
SAID = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"


@pytest.fixture(scope="module")
def reader(tiny: Any) -> SpeechReader:
    return SpeechReader(tiny)


@pytest.fixture(scope="module")
def jfk() -> np.ndarray:
    return sound("jfk.flac")


@pytest.fixture(scope="module")
def heard(reader: SpeechReader, jfk: np.ndarray) -> Speech:
    return reader.read(jfk)


def sound(name: str) -> np.ndarray:
    path = EXAMPLES / name
    return media.waveform(path, media.probe(path))


def plain(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalpha() or c == " ")


def chord(seconds: float) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * f * h * t) / h for f in (220, 277, 330) for h in (1, 2, 3))
    return (0.2 * wave / np.abs(wave).max()).astype(np.float32)


@pytest.mark.slow
def test_encoder_is_the_official_one_at_30_s(reader: SpeechReader) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 30 * RATE).astype(np.float32)
    mel = log_mel_spectrogram(noise)[None]
    caught: dict[int, torch.Tensor] = {}
    hooks = [
        b.register_forward_hook(lambda _, __, out, i=i: caught.__setitem__(i, out))
        for i, b in enumerate(reader.model.encoder.blocks)
    ]
    with torch.inference_mode():
        official = reader.model.encoder(mel)
        layers = torch.stack([caught[k - 1] for k in speech.FRAME_LAYERS]).mean(dim=0)  # layer 2 is blocks[1]
        frames, encoded = reader.encode(mel)
    for hook in hooks:
        hook.remove()
    assert float((encoded - official).abs().max()) < 1e-5
    assert float((frames - layers).abs().max()) < 1e-5


def test_words_of_a_real_clip(heard: Speech, jfk: np.ndarray) -> None:
    assert plain(heard.transcript) == SAID
    assert heard.no_speech_reason is None and heard.silent_reason is None
    words = {plain(w.text): w for w in heard.words}
    assert [plain(w.text) for w in heard.words] == SAID.split()
    assert 1.7 < words["americans"].start_s < words["americans"].end_s < 2.6
    assert 10.0 < heard.words[-1].start_s < heard.words[-1].end_s < 11.0
    edges = [(w.start_s, w.end_s) for w in heard.words]
    assert all(0.0 <= a < b <= len(jfk) / RATE for a, b in edges)
    assert all(a[1] <= b[0] + 1e-9 for a, b in zip(edges, edges[1:], strict=False))


def test_states_belong_to_words(heard: Speech) -> None:
    n = len(heard.states)
    assert heard.states.shape == (n, 384) and heard.states.dtype == np.float32 and n >= len(heard.words)
    assert heard.state_times_s.shape == heard.state_words.shape == (n,)
    assert sorted(set(heard.state_words.tolist())) == list(range(len(heard.words)))
    for time_s, owner in zip(heard.state_times_s, heard.state_words, strict=True):
        assert heard.words[owner].start_s <= time_s <= heard.words[owner].end_s


def test_frames_are_at_10_hz_of_the_real_sound(heard: Speech, jfk: np.ndarray) -> None:
    assert heard.frames.shape == (110, 384) and heard.frames.dtype == np.float32
    np.testing.assert_allclose(heard.frame_times_s[:3], [0.05, 0.15, 0.25])
    assert heard.frame_times_s[-1] < len(jfk) / RATE


@pytest.mark.slow
def test_alignment_equals_the_official_one(
    reader: SpeechReader, jfk: np.ndarray, heard: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = get_tokenizer(False)
    tokens = tokenizer.encode(" " + heard.transcript)
    mel = log_mel_spectrogram(jfk, padding=30 * RATE - len(jfk))
    monkeypatch.setattr(timing, "dtw", lambda x: np.stack(whisper_decoding.warp(x.double().numpy())))
    official = timing.find_alignment(reader.model, tokenizer, tokens, mel, 1100)
    with torch.inference_mode():
        _, encoded = reader.encode(mel[None])
    found = whisper_decoding.force(reader.model, encoded, [tokenizer], [tokens], [550])[0]
    spans = [(t.start, t.end) for t in official if t.word.strip() not in whisper_decoding.APPENDED]
    np.testing.assert_allclose([(a, b) for _, a, b in found.words], spans, atol=1e-6)


@pytest.mark.slow
@pytest.mark.slow
def test_known_words_are_as_likely_as_when_they_were_decoded(reader: SpeechReader, jfk: np.ndarray) -> None:
    window = windows.cut_windows(0, jfk)[0]
    _, encoded = reader.encode(windows.mel([window], reader.model, window.padded_s))
    tokenizer = get_tokenizer(False)
    found = whisper_decoding.greedy(reader.model, encoded, [tokenizer], [100])[0]
    said = [found.tokens, found.tokens[:5], found.tokens[::-1]]
    whole, part, other = whisper_decoding.likelihood(reader.model, encoded, tokenizer, said)
    assert whole == pytest.approx(found.log_probability, abs=0.05)
    assert whisper_decoding.likelihood(reader.model, encoded, tokenizer, said[1:2]) == [pytest.approx(part, abs=1e-4)]
    assert max(part, other) < whole - 1


def test_warp_equals_the_official_path() -> None:
    cost = np.random.default_rng(1).normal(size=(9, 31))
    np.testing.assert_array_equal(np.stack(whisper_decoding.warp(cost)), timing.dtw_cpu.py_func(cost))
    np.testing.assert_array_equal(np.stack(whisper_decoding.warp(cost[:, :4])), timing.dtw_cpu.py_func(cost[:, :4]))


@pytest.mark.parametrize(
    ("seconds", "n_frames"),
    [
        *((0.0001, 1), (0.1, 1), (1.0, 10)),
        pytest.param(29.9, 299, marks=pytest.mark.slow),
        pytest.param(45.0, 450, marks=pytest.mark.slow),
    ],
)
def test_short_odd_and_long_sounds(reader: SpeechReader, jfk: np.ndarray, seconds: float, n_frames: int) -> None:
    wave = np.tile(np.concatenate([jfk, np.zeros(RATE, np.float32)]), 6)[: max(1, int(seconds * RATE))]
    found = reader.read(wave)
    assert found.frames.shape == (n_frames, 384) and np.isfinite(found.frames).all()
    assert (np.diff(found.frame_times_s) > 0).all() and found.frame_times_s[-1] <= max(seconds, 0.02)
    assert plain(found.transcript).count("country") >= 2 * int(seconds / 12)
    starts = [w.start_s for w in found.words]
    assert starts == sorted(starts)


@pytest.mark.slow
def test_batched_equals_single(reader: SpeechReader, jfk: np.ndarray) -> None:
    waves = [jfk, jfk[: int(4.3 * RATE)], sound("grid_lbbc2a.mp4"), chord(3.0), jfk[: RATE // 10], np.zeros(RATE)]
    encoded = reader.encode_many(waves, batch=4)
    for wave, together, frames in zip(waves, reader.read_many(waves), encoded, strict=True):
        alone = reader.read(wave)
        assert together.transcript == alone.transcript and len(together.words) == len(alone.words)
        assert together.no_speech_reason == alone.no_speech_reason and together.silent_reason == alone.silent_reason
        np.testing.assert_allclose(together.frames, alone.frames, atol=1e-3)
        np.testing.assert_allclose(frames, alone.frames, atol=1e-3)
        np.testing.assert_allclose(together.states, alone.states, atol=1e-2)
        np.testing.assert_allclose(together.state_times_s, alone.state_times_s, atol=0.021)


@pytest.mark.slow
def test_silence_music_and_noise_have_no_words(reader: SpeechReader) -> None:
    rng = np.random.default_rng(0)
    hiss = rng.normal(0, 0.05, 5 * RATE)
    sounds = [
        chord(2.0),
        chord(6.0),
        hiss,
        np.cumsum(hiss) / np.abs(np.cumsum(hiss)).max(),
        np.sin(np.arange(80000) / 6),
    ]
    for found in reader.read_many(sounds):
        assert (found.transcript, found.no_speech_reason) == ("", "no speech found")
        assert found.silent_reason is None and found.states.shape == (0, 384) and found.words == ()
    silent = reader.read(rng.normal(0, 1e-5, 2 * RATE))
    assert (
        silent.silent_reason == "silent audio track (below -60 dBFS)" and silent.no_speech_reason == "no speech found"
    )
    assert silent.frames.shape == (20, 384)


@pytest.mark.slow
def test_a_decoder_that_runs_away_says_a_sentence_once(reader: SpeechReader) -> None:
    for name in ("crema_neutral.mp4", "crema_sad.mp4"):
        assert plain(reader.read(sound(name)).transcript).count("forget") == 1


@pytest.mark.slow
def test_another_language_is_not_guessed(reader: SpeechReader) -> None:
    found = reader.read(sound("latentsync_demo2.mp4"))  # Portuguese
    assert (found.transcript, found.no_speech_reason) == ("", "speech not understood (only English is recognised)")


def test_words_keep_hyphens_and_punctuation() -> None:
    tokenizer = get_tokenizer(False)
    tokens = tokenizer.encode(" A well-known film, isn't it?")
    times = np.stack([np.arange(len(tokens)), np.arange(1, len(tokens) + 1)], axis=1)
    aligned = whisper_decoding._words(tokenizer, tokens, np.zeros((len(tokens), 1)), times)
    assert [w[0] for w in aligned.words] == [" A", " well-known", " film,", " isn't", " it?"]
    assert aligned.words[1][1:] == (1.0, 4.0) and aligned.words[2][1:] == (4.0, 5.0)
    assert aligned.token_words.tolist() == [0, 1, 1, 1, 2, 2, 3, 3, 4, 4]


def test_a_translation_is_split_into_english_words() -> None:
    translated = get_tokenizer(True, num_languages=99, language="zh", task="translate")
    tokens = translated.encode(" I'm not well-known, Zhang Wei.")
    times = np.stack([np.arange(len(tokens)), np.arange(1, len(tokens) + 1)], axis=1)
    aligned = whisper_decoding._words(translated, tokens, np.zeros((len(tokens), 1)), times)
    assert [w[0] for w in aligned.words] == [" I'm", " not", " well-known,", " Zhang", " Wei."]
    spoken = get_tokenizer(True, num_languages=99, language="zh")
    tokens = spoken.encode("你好,再见")
    times = np.stack([np.arange(len(tokens)), np.arange(1, len(tokens) + 1)], axis=1)
    words = [w[0] for w in whisper_decoding._words(spoken, tokens, np.zeros((len(tokens), 1)), times).words]
    assert "".join(words) == "你好,再见" and len(words) > 1


def test_loops_are_found_and_emphasis_is_not() -> None:
    assert whisper_decoding.loop_length([5, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]) == 8
    assert whisper_decoding.loop_length([7] * 10) == 9
    assert whisper_decoding.loop_length([7, 7, 7]) == 0  # "no no no"
    assert whisper_decoding.loop_length([1, 2, 3, 4, 1, 2, 3, 4]) == 0
    assert whisper_decoding.loop_length([]) == 0
    assert whisper_decoding.loop_length([*range(13)] * 16) == 13 * 15  # a long phrase
    assert whisper_decoding.loop_length([5, *[1, 2, 3, 4] * 3, 1, 2]) == 10  # it may end within a turn
    looped = whisper_decoding._decoded([1, 2, 3, 4] * 3, [-0.5] * 4 + [0.0] * 8, 0.0, True)
    assert (looped.tokens, looped.log_probability) == ((1, 2, 3, 4), -0.5) and looped.runaway and looped.loop
    ended = whisper_decoding._decoded([1, 2, 3, 4] * 3, [-0.1] * 13, 0.0, False)
    assert ended.tokens == (1, 2, 3, 4) * 3 and not ended.runaway and not ended.loop
    assert whisper_decoding._decoded([1, 2, 3, 4] * 2, [-0.1] * 9, 0.0, False).runaway
    assert whisper_decoding._decoded(list(range(50)), [-0.1] * 50, 0.0, True).runaway
    assert not whisper_decoding._decoded([7, 8] * 2, [-0.1] * 5, 0.0, False).runaway


def test_bad_waveforms_are_refused(reader: SpeechReader) -> None:
    wave = np.zeros(1000, np.float32)
    wave[3:5] = np.nan, np.inf
    with pytest.raises(FeatureError, match="has 2 samples that are NaN or infinite. Export the audio again"):
        reader.read(wave)
    with pytest.raises(FeatureError, match=r"has shape \(0,\)\. Give mono samples"):
        reader.read(np.zeros(0))
    with pytest.raises(FeatureError, match=r"has shape \(2, 5\)"):
        reader.encode_many([np.zeros((2, 5))])


def test_long_audio_is_cut_in_a_pause(jfk: np.ndarray) -> None:
    wave = np.concatenate([jfk, jfk, np.zeros(RATE, np.float32), jfk])
    first, second = speech.cut_windows(0, wave)
    assert 22.0 <= len(first.sound) / RATE <= 23.0 and second.start_s == len(first.sound) / RATE
    assert len(first.sound) + len(second.sound) == len(wave)
