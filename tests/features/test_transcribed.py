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
WORDS = Aligned(((" Yes", 0.0, 0.5),), np.zeros((1, 2)), np.zeros((1, 2)), np.zeros(1, np.int64))
LOOP = DecodedWindow(None, NOT_UNDERSTOOD, -0.3, decoded=Decoded((1, 2), -0.3, 0.3, True, True))


def words(log_probability: float) -> DecodedWindow:
    return DecodedWindow(WORDS, None, log_probability, decoded=Decoded((1,), log_probability, 0.1, False))


def part(text: str, log_probability: float = -0.3, ratio: float = 1.0) -> dict[str, Any]:
    tokens = [TOKENIZER.timestamp_begin, *TOKENIZER.encode(text), TOKENIZER.timestamp_begin + 50]
    return {"tokens": tokens, "avg_logprob": log_probability, "compression_ratio": ratio, "no_speech_prob": 0.1}


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A function that lets `transcribe` say some parts; it gives the model and the temperatures of every call."""

    def let(*parts: dict[str, Any]) -> Any:
        model = SimpleNamespace(decoder=torch.nn.Identity(), is_multilingual=False, asked=[])

        def transcribe(model: Any, sound: np.ndarray, temperature: tuple[float, ...], **_: Any) -> dict[str, Any]:
            model.decoder(torch.zeros(1))
            model.asked.append(temperature)
            text = "".join(TOKENIZER.decode([t for t in p["tokens"] if t < TOKENIZER.eot]) for p in parts)
            return {"segments": list(parts), "text": text}

        monkeypatch.setattr(transcribed, "transcribe", transcribe)
        return model

    return let


def text(found: Decoded | None) -> str | None:
    return None if found is None else TOKENIZER.decode(list(found.tokens))


def test_the_words_of_all_parts_without_time_stamps(says: Callable[..., Any]) -> None:
    polls: list[int] = []
    found = transcribed.heard(says(part(" Go away", -0.2), part(" now", -0.6)), SECOND, lambda: polls.append(1))
    assert found is not None and text(found) == " Go away now" and polls == [1]
    assert found.log_probability == pytest.approx((4 * -0.2 + 3 * -0.6) / 7) and not found.loop


@pytest.mark.parametrize("parts", [(), (part(" ..."),), (part(" Go", -1.2),), (part(" Go"), part(" go", ratio=2.5))])
def test_what_openai_whisper_does_not_believe_is_nothing(says: Callable[..., Any], parts: Any) -> None:
    assert transcribed.heard(says(*parts), SECOND, undisturbed) is None


def test_the_likelier_words_stay(says: Callable[..., Any]) -> None:
    model = says(part(" No", -0.6))
    assert text(transcribed.better(model, SECOND, words(-0.8), undisturbed)) == " No"
    assert transcribed.better(model, SECOND, words(-0.55), undisturbed) is None
    assert model.asked == [transcribed.LIKELIEST] * 2
    assert transcribed.better(model, SECOND, words(-0.4), undisturbed) is None, "they were understood"
    assert transcribed.better(model, SECOND, DecodedWindow(reason=NOT_UNDERSTOOD), undisturbed) is None
    model.is_multilingual = True
    assert transcribed.better(model, SECOND, words(-0.8), undisturbed) is None
    assert len(model.asked) == 2, "the last three were not heard again"


def test_a_loop_has_to_fit_into_its_time(says: Callable[..., Any]) -> None:
    model = says(part(" We want more", -0.4))
    assert text(transcribed.better(model, SECOND, LOOP, undisturbed)) == " We want more"
    assert model.asked == [transcribed.ALL]
    assert transcribed.better(model, np.tile(SECOND, 5), LOOP, undisturbed) is None, "too little for 5 s"
    assert transcribed.better(says(part(" We want more" * 5)), SECOND, LOOP, undisturbed) is None, "too much for 1 s"


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
