"""Doubtful speech heard once more as openai-whisper's own `transcribe` hears it: 30 s, time stamps, its temperatures.

Short windows without time stamps are faster, and mostly as good. Where their words are doubtful, both readings are
weighed by both ways: the other one stays only where our own way, too, finds it likelier. Where words end in a loop,
`transcribe` draws words until the text repeats itself no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from msa_core.features.loops import COMPRESSED, fits
from msa_core.features.loudness import SAMPLE_RATE_HZ, loud_seconds
from msa_core.features.openai_whisper import Whisper, get_tokenizer, transcribe
from msa_core.features.pieces import refused_loop
from msa_core.features.whisper_decoding import NOT_UNDERSTOOD, UNLIKELY, Decoded, likelihood
from msa_core.features.windows import DecodedWindow, token_limit

LIKELIEST = (0.0,)  # temperature: the most likely words alone
ALL = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # of openai-whisper, one after the other until words are believed
DOUBTED = -0.5  # mean log-probability of words that are heard once more


@dataclass(frozen=True)
class Transcribed:
    """Words as `transcribe` hears them.

    decoded: without time stamps, with the likelihood that the words have so, as ours are. encoded: the encoder's output
    (1, T, D) for its 30 s. believed: whether no part of the words is too unlikely for openai-whisper.
    """

    decoded: Decoded
    encoded: Tensor
    believed: bool


def doubtful(found: DecodedWindow) -> bool:
    """Tell whether words were hardly understood, or not at all; what is no speech stays so.

    A single word has little likelihood because its punctuation may be any, and is hardly ever heard otherwise.
    """
    used = found.aligned is not None and found.log_probability < DOUBTED and len(found.aligned.words) > 1
    own = found.decoded is not None and not found.decoded.loop and not found.counted
    return own and (used or found.reason == NOT_UNDERSTOOD)


def better(
    model: Whisper,
    sound: np.ndarray,
    encoded: Tensor,
    found: DecodedWindow,
    poll: Callable[[], None],
    english: bool = False,
) -> Decoded | None:
    """Hear a window once more if it is doubtful. Returns: likelier words, or those of a loop; None: keep the words.

    Args:
        model: a multilingual one is not asked.
        sound: (N,) of the window at 16 kHz.
        encoded: encoder output (1, T, D) that `found` was decoded from.
        found: what our own decoding says.
        poll: see `heard`.
        english: whether it is English for sure, so that an unlikely loop may be worth it.
    """
    unlikely = found.reason == NOT_UNDERSTOOD and found.decoded is not None and found.decoded.loop
    loop = refused_loop(found) or (english and unlikely)
    if model.is_multilingual or found.decoded is None or not (loop or doubtful(found)):
        return None
    other = heard(model, sound, poll, ALL if loop else LIKELIEST)
    if other is None:
        return None
    words = other.decoded
    if loop:
        text = get_tokenizer(False).decode(list(words.tokens))
        return words if other.believed and fits(text, loud_seconds(sound)) else None
    if found.reason is not None:
        return words if words.log_probability > max(found.log_probability, UNLIKELY) else None
    ours = [likelihood(model, e, get_tokenizer(False), [found.decoded.tokens])[0] for e in (encoded, other.encoded)]
    theirs = [likelihood(model, encoded, get_tokenizer(False), [words.tokens])[0], words.log_probability]
    return words if all(b > a for a, b in zip(ours, theirs, strict=True)) else None


def heard(
    model: Whisper, sound: np.ndarray, poll: Callable[[], None], temperatures: tuple[float, ...] = LIKELIEST
) -> Transcribed | None:
    """Transcribe the sound (N,) of a window with openai-whisper's thresholds; the same for the same sound.

    Args:
        model: an English one.
        sound: at 16 kHz.
        poll: called at every step; what it raises ends the work.
        temperatures: tried until the words are neither unlikely nor too repetitive.

    Returns:
        The words; None when there are none, or a part of them repeats itself at every temperature.
    """
    kept: list[Tensor] = []
    hooks = [
        model.decoder.register_forward_pre_hook(lambda *_: poll()),
        model.encoder.register_forward_hook(lambda _, __, out: kept.append(out)),
    ]
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            limit = token_limit(len(sound) / SAMPLE_RATE_HZ)
            found = transcribe(model, sound, language="en", temperature=temperatures, sample_len=limit, fp16=False)
    finally:
        for hook in hooks:
            hook.remove()
    parts, eot = found["segments"], get_tokenizer(False).eot
    tokens = tuple(t for part in parts for t in part["tokens"] if t < eot)
    if not any(c.isalnum() for c in found["text"]):
        return None
    if any(part["compression_ratio"] > COMPRESSED for part in parts):
        return None
    mean = likelihood(model, kept[0], get_tokenizer(False), [tokens])[0]
    words = Decoded(tokens, mean, max(part["no_speech_prob"] for part in parts), runaway=False)
    return Transcribed(words, kept[0], all(part["avg_logprob"] >= UNLIKELY for part in parts))
