"""Neutral lines spoken by free synthesisers, as labelled voices: speech that is neither acted nor emotional.

The lines are those of MELD's training part that people called neutral (Poria et al. 2019, GPL-3.0).
"""

from __future__ import annotations

import hashlib
import tempfile
import wave
from pathlib import Path

from msa_core import atomic
from msa_core.corpora.speech_synthesis import SAMPLE_RATE_HZ, speak, voice_for
from msa_core.corpora.texts import clean, open_rows
from msa_core.corpora.tuning_texts import CORPORA, MELD, mend
from msa_core.errors import MsaError
from msa_core.feature_training.cache import CountProgress, quiet
from msa_core.feature_training.voice_clips import VoiceClip, generator

N_LINES = 900
WORDS = (3, 20)  # in a line


def synthetic_clips(data: Path, cache: Path, n: int = N_LINES, progress: CountProgress = quiet) -> list[VoiceClip]:
    """Speak `n` neutral lines, drawn with a seed; each lies as a WAV file in `cache`.

    Raises:
        MsaError: MELD or a synthesiser is missing, or there are fewer lines.
    """
    rows = open_rows(data / MELD["train"], ("Utterance", "Sentiment"), CORPORA)
    lines = {clean(mend(row["Utterance"])) for row in rows if row["Sentiment"] == "neutral"}
    fit = sorted(line for line in lines if WORDS[0] <= len(line.split()) <= WORDS[1])
    if len(fit) < n:
        raise MsaError(f"MELD has {len(fit)} neutral lines of {WORDS[0]} to {WORDS[1]} words; {n} were asked for.")
    drawn = [fit[i] for i in sorted(generator("synthetic voices").permutation(len(fit))[:n])]
    cache.mkdir(parents=True, exist_ok=True)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for k, line in enumerate(drawn):
            progress("synthetic voices", k, n)
            name = hashlib.sha256(line.encode()).hexdigest()[:16]
            path = cache / f"{name}.wav"
            if not path.is_file():
                _write(path, speak(line, Path(folder)).tobytes())
            found.append(
                VoiceClip(f"synthetic-{name}", path, "synthetic", f"synthetic-{voice_for(line).id}", "neutral", None)
            )
    return sorted(found, key=lambda clip: clip.id)


def _write(path: Path, samples: bytes) -> None:
    """Write 16-bit samples as a WAV file, whole or not at all."""
    with atomic.replaced_file(path) as part, wave.open(str(part), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(samples)
