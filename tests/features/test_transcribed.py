"""Doubtful words heard once more as openai-whisper's `transcribe` hears them: the likelier ones stay."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from whisper.tokenizer import get_tokenizer

from msa_core.features import transcribed
from msa_core.features.whisper_decoding import NOT_UNDERSTOOD, Aligned, Decoded, undisturbed
from msa_core.features.windows import DecodedWindow

TOKENIZER = get_tokenizer(False)
SECOND = (0.3 * np.sin(np.arange(16_000))).astype(np.float32)
SHORT, LONG = torch.zeros(1, 5, 2), torch.zeros(1, 30, 2)  # what the encoder makes of the window, and of its 30 s
WORDS = Aligned(((" Oh", 0.0, 0.2), (" yes", 0.2, 0.5)), np.zeros((2, 2)), np.zeros((2, 2)), np.arange(2))
ONE = Aligned(WORDS.words[:1], np.zeros((1, 2)), np.zeros((1, 2)), np.zeros(1, np.int64))
LOOP = DecodedWindow(None, NOT_UNDERSTOOD, -0.3, decoded=Decoded((1, 2), -0.3, 0.3, True, True))


def words(log_probability: float, aligned: Aligned | None = WORDS, reason: str | None = None) -> DecodedWindow:
    return DecodedWindow(aligned, reason, log_probability, decoded=Decoded((1,), log_probability, 0.1, False))


def part(text: str, log_probability: float = -0.3, ratio: float = 1.0) -> dict[str, Any]:
    tokens = [TOKENIZER.timestamp_begin, *TOKENIZER.encode(text), TOKENIZER.timestamp_begin + 50]
    return {"tokens": tokens, "avg_logprob": log_probability, "compression_ratio": ratio, "no_speech_prob": 0.1}


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A function that lets `transcribe` say some parts; it gives the model and the temperatures of every call."""

    def let(*parts: dict[str, Any]) -> Any:
        model = SimpleNamespace(
            decoder=torch.nn.Identity(), encoder=torch.nn.Identity(), is_multilingual=False, asked=[]
        )

        def transcribe(model: Any, sound: np.ndarray, temperature: tuple[float, ...], **_: Any) -> dict[str, Any]:
            model.decoder(torch.zeros(1))
            model.encoder(LONG)
            model.asked.append(temperature)
            text = "".join(TOKENIZER.decode([t for t in p["tokens"] if t < TOKENIZER.eot]) for p in parts)
            return {"segments": list(parts), "text": text}

        monkeypatch.setattr(transcribed, "transcribe", transcribe)
        return model

    return let


@pytest.fixture(autouse=True)
def finds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that sets how likely each way finds ours, the token 1, and theirs; -0.3 at first."""
    scores = {"short": (-0.3, -0.3), "long": (-0.3, -0.3)}

    def likelihood(_: Any, encoded: torch.Tensor, __: Any, said: Any) -> list[float]:
        return [scores["short" if encoded is SHORT else "long"][tokens != (1,)] for tokens in said]

    monkeypatch.setattr(transcribed, "likelihood", likelihood)
    return lambda **found: scores.update(found)


def text(found: Decoded | None) -> str | None:
    return None if found is None else TOKENIZER.decode(list(found.tokens))


def test_the_words_of_all_parts_without_time_stamps(says: Callable[..., Any], finds: Callable[..., None]) -> None:
    polls: list[int] = []
    finds(long=(-9.0, -0.4))
    found = transcribed.heard(says(part(" Go away", -0.2), part(" now", -0.6)), SECOND, lambda: polls.append(1))
    assert found is not None and text(found.decoded) == " Go away now" and polls == [1]
    assert found.decoded.log_probability == -0.4 and not found.decoded.loop, "the likelihood without time stamps"
    assert found.believed and found.encoded is LONG


@pytest.mark.parametrize("parts", [(), (part(" ..."),), (part(" Go"), part(" go", ratio=2.5))])
def test_what_is_no_word_or_repeats_itself_is_nothing(says: Callable[..., Any], parts: Any) -> None:
    assert transcribed.heard(says(*parts), SECOND, undisturbed) is None


def test_what_openai_whisper_finds_unlikely_is_not_believed(says: Callable[..., Any]) -> None:
    model = says(part(" Go"), part(" away", -1.2))
    found = transcribed.heard(model, SECOND, undisturbed)
    assert found is not None and not found.believed
    assert transcribed.better(model, SECOND, SHORT, LOOP, undisturbed) is None


@pytest.mark.parametrize(
    "short, long, expected",
    [
        ((-0.8, -0.7), (-0.9, -0.6), " No"),
        ((-0.7, -0.8), (-2.9, -0.6), None),  # only the other way finds its words likelier
        ((-0.8, -0.7), (-0.6, -0.7), None),
        ((-0.7, -0.7), (-0.6, -0.6), None),
    ],
)
def test_other_words_have_to_be_likelier_in_both_ways(
    says: Callable[..., Any], finds: Callable[..., None], short: Any, long: Any, expected: str | None
) -> None:
    finds(short=short, long=long)
    assert text(transcribed.better(says(part(" No", -1.1)), SECOND, SHORT, words(-0.8), undisturbed)) == expected


def test_refused_words_are_replaced_by_likely_ones(says: Callable[..., Any], finds: Callable[..., None]) -> None:
    model, refused = says(part(" Sorry", -1.05)), words(-1.3, None, NOT_UNDERSTOOD)
    finds(short=(-1.4, -1.6), long=(-2.7, -0.9))
    assert text(transcribed.better(model, SECOND, SHORT, refused, undisturbed)) == " Sorry"
    finds(long=(-2.7, -1.1))
    assert transcribed.better(model, SECOND, SHORT, refused, undisturbed) is None, "unlikely"
    finds(long=(-2.7, -0.9))
    assert transcribed.better(model, SECOND, SHORT, words(-0.8, None, NOT_UNDERSTOOD), undisturbed) is None


def test_only_doubtful_words_are_heard_again(says: Callable[..., Any], finds: Callable[..., None]) -> None:
    model = says(part(" No"))
    finds(short=(-0.9, -0.1), long=(-0.9, -0.1))
    understood, one = words(-0.4), words(-0.8, ONE)
    for found in (understood, one, DecodedWindow(reason=NOT_UNDERSTOOD)):
        assert transcribed.better(model, SECOND, SHORT, found, undisturbed) is None
    model.is_multilingual = True
    assert transcribed.better(model, SECOND, SHORT, words(-0.8), undisturbed) is None
    assert model.asked == []
    model.is_multilingual = False
    assert text(transcribed.better(model, SECOND, SHORT, words(-0.8), undisturbed)) == " No"
    assert model.asked == [transcribed.LIKELIEST]


def test_a_loop_has_to_fit_into_its_time(says: Callable[..., Any]) -> None:
    model = says(part(" We want more", -0.4))
    assert text(transcribed.better(model, SECOND, SHORT, LOOP, undisturbed)) == " We want more"
    assert model.asked == [transcribed.ALL]
    assert transcribed.better(model, np.tile(SECOND, 5), SHORT, LOOP, undisturbed) is None, "too little for 5 s"
    assert transcribed.better(says(part(" We want more" * 5)), SECOND, SHORT, LOOP, undisturbed) is None, (
        "too much for 1 s"
    )


def test_draws_are_the_same_and_disturb_no_others(says: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model, drawn = says(part(" Go")), []
    monkeypatch.setattr(
        transcribed, "transcribe", lambda *_, **__: drawn.append(torch.rand(1).item()) or {"segments": [], "text": ""}
    )
    torch.manual_seed(7)
    before = torch.get_rng_state()
    for _ in range(2):
        transcribed.heard(model, SECOND, undisturbed)
    assert drawn[0] == drawn[1] and torch.equal(before, torch.get_rng_state())
