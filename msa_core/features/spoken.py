"""Speech of one clip: the words of its windows joined, with voice frames, hidden states and reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from msa_core.errors import message
from msa_core.features.loudness import SILENT_DBFS, is_silent
from msa_core.features.second_opinion import left_out
from msa_core.features.turns import word_times
from msa_core.features.whisper_decoding import NO_SPEECH, NOT_UNDERSTOOD
from msa_core.features.windows import DecodedWindow, Window, voice_times
from msa_core.schema import Word

SILENT = message("silent audio track (below {level:.0f} dBFS)", level=SILENT_DBFS)


@dataclass(frozen=True)
class Speech:
    """Speech of one clip.

    frames (T, D) float32 at about 10 Hz with frame_times_s (T,); states (K, D) float32, one per token said,
    with state_times_s (K,) and state_words (K,), the index of the word each belongs to. K = 0 and
    no_speech_reason is set when nothing was said; silent_reason is set when the sound itself is missing.
    log_probability: mean over the tokens of the least certain window with words, speech.DOUBTFUL at most where
    decoding did not end by itself. Of speech that was translated,
    transcript is in the language spoken, translation and words in English, and there are no states.
    """

    transcript: str
    words: tuple[Word, ...]
    frames: np.ndarray
    frame_times_s: np.ndarray
    states: np.ndarray
    state_times_s: np.ndarray
    state_words: np.ndarray
    no_speech_reason: str | None = None
    silent_reason: str | None = None
    log_probability: float = 0.0
    translation: str = ""
    notes: tuple[str, ...] = ()


def spoken(parts: Sequence[tuple[Window, DecodedWindow]], frames: np.ndarray, dim: int) -> Speech:
    """Join the words of the windows of one clip, states with `dim` values, and add its frames (T, D)."""
    words: list[Word] = []
    said: list[str] = []
    states, times, owners = [np.zeros((0, dim), np.float32)], [np.zeros(0)], [np.zeros(0, np.int64)]
    for window, heard in parts:
        if (aligned := heard.aligned) is None:
            continue
        # Words lose the pauses beside them; their tokens stay inside them.
        spans = word_times(aligned.words, window.sound)
        token_times = aligned.token_times_s.mean(axis=1)
        low, high = np.array(spans)[aligned.token_words].T
        times.append(np.clip(token_times, low, high) + window.start_s)
        owners.append(aligned.token_words + len(words))
        states.append(aligned.states)
        said.append("".join(text for text, _, _ in aligned.words).strip())
        words += [
            Word(text.strip(), round(s + window.start_s, 3), round(e + window.start_s, 3))
            for (text, _, _), (s, e) in zip(aligned.words, spans, strict=True)
        ]
    silent = all(is_silent(w.sound) for w, _ in parts)
    refused = [h.reason for _, h in parts if h.reason and h.reason.startswith(NOT_UNDERSTOOD)]
    return Speech(
        transcript=" ".join(said),
        words=tuple(words),
        frames=frames,
        frame_times_s=voice_times(sum(len(w.sound) for w, _ in parts))[: len(frames)],
        states=np.concatenate(states),
        state_times_s=np.concatenate(times),
        state_words=np.concatenate(owners),
        no_speech_reason=None if words else next(iter(refused), NO_SPEECH),
        notes=tuple(dict.fromkeys(n for _, h in parts if (n := h.note or left_out(h.reason)))) if words else (),
        silent_reason=SILENT if silent else None,
        log_probability=min((h.log_probability for _, h in parts if h.aligned is not None), default=0.0),
    )
