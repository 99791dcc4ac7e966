"""Acted voices of unheard speakers: RAVDESS (English, two sentences) and nEMO (Polish, 90 sentences in 6 emotions).

RAVDESS: Livingstone & Russo 2018, CC BY-NC-SA 4.0. nEMO: Christop 2024, CC BY-NC-SA 4.0. The voice is taken alone, by
the encoder's frames: the speech gate refuses nothing here and no text is simulated, so that the voice is measured
and nothing else.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msa_core import media
from msa_core.config import MediaLimits
from msa_core.errors import MsaError
from msa_core.extract import Extractor
from msa_core.feature_training.voice_clips import VoiceClip, clips, generator
from msa_core.features import TUNED, voice
from msa_core.schema import Stream, Utterance

NEMO = "nemo/data.tsv"
NEMO_SENTENCES = 10  # drawn of the 90
HAPPY = ("happy", "happiness")
NEGATIVE = ("sad", "angry", "fearful", "disgust", "sadness", "anger", "fear")
NEUTRAL = "neutral"
VOICE_ALONE = "only the voice is taken"


@dataclass(frozen=True)
class Recordings:
    """Recordings with emotion, sentence and speaker (N,) each; labels (N,) in [-3, 3], or None without any."""

    ids: tuple[str, ...]
    paths: tuple[Path, ...]
    emotions: np.ndarray
    sentences: np.ndarray
    speakers: np.ndarray
    labels: np.ndarray | None = None


def ravdess(data: Path, parts: Collection[str] = ("valid", "test")) -> Recordings:
    """List the clips of the speakers of some parts; no shipped network was trained on those of valid and test."""
    return _recordings([c for c in clips(data, ("ravdess",)) if c.split in parts])


def _recordings(found: Sequence[VoiceClip]) -> Recordings:
    """Put clips of RAVDESS together; the fifth part of a file name is the sentence."""
    return Recordings(
        tuple(c.id for c in found),
        tuple(c.path for c in found),
        np.array([c.emotion for c in found]),
        np.array([c.path.stem.split("-")[4] for c in found]),
        np.array([c.speaker for c in found]),
        np.array([c.score for c in found]),
    )


def nemo(data: Path, n_sentences: int = NEMO_SENTENCES, seed: int = 0) -> Recordings:
    """List the clips of some sentences, drawn with a seed: every speaker and emotion that there is.

    Raises:
        MsaError: the table lacks a column, or a clip that it names is missing.
    """
    with (data / NEMO).open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file, delimiter="\t"), key=lambda row: row.get("file_id") or "")
    columns = ("file_id", "emotion", "normalized_text", "speaker_id")
    if lost := [c for c in columns if not rows or rows[0].get(c) is None]:
        raise MsaError(f"{NEMO} has no column {lost[0]!r}. Use the corpus as it is published.")
    sentences = sorted({row["normalized_text"] for row in rows})
    drawn = generator("nemo", seed).permutation(len(sentences))[:n_sentences]
    kept = [row for row in rows if row["normalized_text"] in {sentences[i] for i in drawn}]
    paths = [(data / NEMO).parent / Path(row["file_id"].strip()).with_suffix(".opus").name for row in kept]
    if lost_paths := [p for p in paths if not p.is_file()]:
        raise MsaError(f"{NEMO} names {lost_paths[0].name}, which is not beside it. Use the corpus as it is published.")
    return Recordings(
        tuple(p.stem for p in paths),
        tuple(paths),
        np.array([row["emotion"].strip() for row in kept]),
        np.array([row["normalized_text"] for row in kept]),
        np.array([row["speaker_id"].strip() for row in kept]),
    )


def sound(path: Path) -> np.ndarray:
    """Read the waveform (N,) of a file at 16 kHz."""
    limits = MediaLimits.command_line()
    return media.waveform(path, media.probe(path, limits))


def heard(extractor: Extractor, name: str, wave: np.ndarray) -> Utterance:
    """Make the utterance of a voice alone."""
    absent = Stream.absent(VOICE_ALONE)
    audio = voice.audio_stream(extractor.voice_network, *extractor.speech.frames(wave))
    return Utterance(name, len(wave) / media.SAMPLE_RATE_HZ, TUNED.id, absent, audio, absent, absent)
