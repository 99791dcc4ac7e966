"""Emotional speech of research data, read with and without a second opinion: voices kept, words used, by emotion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from msa_core import media
from msa_core.errors import MsaError
from msa_core.features import weights
from msa_core.features.second_opinion import ASKED
from msa_core.features.speech import SpeechReader
from msa_core.features.spoken import Speech
from msa_core.features.translation import TranslatingReader, if_at_hand
from msa_core.features.voice import EMOTIONS  # in the order of RAVDESS' codes 1-8
from msa_core.features.whisper_decoding import NO_SPEECH
from msa_core.tables import markdown_table

HEAD = (
    *("speech", "emotion", "clips", "voice kept: tiny.en alone", "with the second opinion"),
    *("with words: tiny.en alone", "with the second opinion", "language named"),
)
PATTERNS = {  # corpus and language -> emotion -> files
    ("ravdess", "RAVDESS, English"): {e: f"*/03-01-{k:02d}-*.opus" for k, e in enumerate(EMOTIONS, start=1)},
    ("nemo", "nEMO, Polish"): {
        e: f"*_{e}_*.opus" for e in ("neutral", "sadness", "anger", "happiness", "fear", "surprised")
    },
    ("urdu", "URDU, Urdu"): {e.lower(): f"{e}/*.opus" for e in ("Neutral", "Sad", "Angry", "Happy")},
}
CLIPS = 10  # of an emotion


def table(data: Path, seed: int = 0, clips: int = CLIPS) -> str:
    """Measure some clips of every emotion. Returns: a Markdown table, one row an emotion of a corpus.

    Raises:
        MsaError: a corpus is not in `data`.
    """
    tiny, base = weights.whisper("tiny.en"), weights.Once(lambda: TranslatingReader(weights.whisper("base")))
    alone, asked = SpeechReader(tiny), SpeechReader(tiny, second=lambda: if_at_hand(base))
    rows = []
    for speech, emotion, files in tqdm(list(chosen(data, seed, clips)), desc="emotions"):
        waves = [media.waveform(f, media.probe(f)) for f in files]
        first = [alone.read(wave) for wave in waves]
        second = [s if _clear(s) else asked.read(wave) for s, wave in zip(first, waves, strict=True)]
        rows.append([speech, emotion, str(len(files)), *counts(first, second)])
    return markdown_table(HEAD, rows)


def chosen(data: Path, seed: int, clips: int) -> Iterator[tuple[str, str, list[Path]]]:
    """Choose the clips of every emotion by a seed. Raises: MsaError naming the folder that has none."""
    for (folder, speech), patterns in PATTERNS.items():
        for k, (emotion, pattern) in enumerate(patterns.items()):
            files = sorted((data / folder).glob(pattern))
            if not files:
                raise MsaError(f"There is no {pattern} in {data / folder}. Give the folder with {folder} as --data.")
            rng = np.random.default_rng([seed, k])
            yield speech, emotion, [files[i] for i in sorted(rng.permutation(len(files))[:clips].tolist())]


def counts(alone: Sequence[Speech], asked: Sequence[Speech]) -> list[str]:
    """Count kept voices and clips with words, both without and with the second opinion, and named languages."""
    kept = [str(sum(s.no_speech_reason != NO_SPEECH for s in read)) for read in (alone, asked)]
    words = [str(sum(bool(s.words) for s in read)) for read in (alone, asked)]
    return [*kept, *words, str(sum("sounds like" in (s.no_speech_reason or "") for s in asked))]


def _clear(speech: Speech) -> bool:
    """Tell whether no second opinion would be asked."""
    return bool(speech.words) and speech.log_probability >= ASKED
