"""Doubtful speech heard once more as openai-whisper's own `transcribe` hears it: 30 s, time stamps, its temperatures.

Short windows without time stamps are faster, and mostly as good. Where their words are doubtful the two ways are
compared by the mean log-probability of their tokens; where they end in a loop, `transcribe` draws words until the text
repeats itself no more.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from msa_core.features.loops import COMPRESSED, fits
from msa_core.features.loudness import SAMPLE_RATE_HZ, loud_seconds
from msa_core.features.openai_whisper import Whisper, get_tokenizer, transcribe
from msa_core.features.pieces import refused_loop
from msa_core.features.whisper_decoding import NOT_UNDERSTOOD, UNLIKELY, Decoded
from msa_core.features.windows import DecodedWindow, token_limit

LIKELIEST = (0.0,)  # temperature: the most likely words alone
ALL = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # of openai-whisper, one after the other until words are believed
DOUBTED = -0.5  # mean log-probability of words that are heard once more


def doubtful(found: DecodedWindow) -> bool:
    """Tell whether words were hardly understood, or not at all; what is no speech stays so."""
    used = found.aligned is not None and found.log_probability < DOUBTED
    return found.decoded is not None and not found.decoded.loop and (used or found.reason == NOT_UNDERSTOOD)


def better(model: Whisper, sound: np.ndarray, found: DecodedWindow, poll: Callable[[], None]) -> Decoded | None:
    """Hear a window once more if it is doubtful. Returns: likelier words, or those of a loop; None: keep the words.

    Args:
        model: a multilingual one is not asked.
        sound: (N,) of the window at 16 kHz.
        found: what our own decoding says.
        poll: see `heard`.
    """
    loop = refused_loop(found)
    if model.is_multilingual or not (loop or doubtful(found)):
        return None
    other = heard(model, sound, poll, ALL if loop else LIKELIEST)
    if other is None:
        return None
    if loop:
        return other if fits(get_tokenizer(False).decode(list(other.tokens)), loud_seconds(sound)) else None
    return other if other.log_probability > found.log_probability else None


def heard(
    model: Whisper, sound: np.ndarray, poll: Callable[[], None], temperatures: tuple[float, ...] = LIKELIEST
) -> Decoded | None:
    """Transcribe the sound (N,) of a window with openai-whisper's thresholds; the same for the same sound.

    Args:
        model: an English one.
        sound: at 16 kHz.
        poll: called at every step; what it raises ends the work.
        temperatures: tried until the words are neither unlikely nor too repetitive.

    Returns:
        The text tokens with their mean log-probability, time stamps among them; None when there are no words, or a
        part of them is what openai-whisper itself does not believe at any temperature.
    """
    hook = model.decoder.register_forward_pre_hook(lambda *_: poll())
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            limit = token_limit(len(sound) / SAMPLE_RATE_HZ)
            found = transcribe(model, sound, language="en", temperature=temperatures, sample_len=limit, fp16=False)
    finally:
        hook.remove()
    parts, eot = found["segments"], get_tokenizer(False).eot
    tokens = tuple(t for part in parts for t in part["tokens"] if t < eot)
    if not any(c.isalnum() for c in found["text"]):
        return None
    if any(part["compression_ratio"] > COMPRESSED or part["avg_logprob"] < UNLIKELY for part in parts):
        return None
    sizes = [len(part["tokens"]) for part in parts]
    mean = float(np.average([part["avg_logprob"] for part in parts], weights=sizes))
    return Decoded(tokens, mean, max(part["no_speech_prob"] for part in parts), runaway=False)
