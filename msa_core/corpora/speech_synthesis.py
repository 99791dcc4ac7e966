"""Sentences spoken by free synthesisers and heard by Whisper: the simulated text of the composite corpus.

Corpora with transcripts but without redistributable sound are read aloud by flite (voices slt, rms, awb,
kal16) and espeak-ng (several accents and speaker variants), one voice, speed and pitch per sentence, chosen
by a hash of the sentence: the same sentence always sounds the same. Only the words carry sentiment here;
emotion in the voice comes from acted speech (pools.py).
"""

from __future__ import annotations

import hashlib
import multiprocessing
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from msa_core import atomic
from msa_core.errors import MsaError
from msa_core.feature_training.cache import CountProgress, cached, digest
from msa_core.features import weights
from msa_core.features.speech import SpeechReader

SAMPLE_RATE_HZ = 16_000
WHISPER = "tiny.en"
FLITE_VOICES = ("slt", "slt", "slt", "rms", "rms", "awb", "awb", "kal16")  # repeated = more often
ESPEAK_VOICES = ("en-us+f2", "en-us+m3", "en-us+f4", "en-us+m7", "en-gb+f3", "en-gb+m1")
ESPEAK_SHARE = 0.15  # of the sentences; espeak-ng is the most robotic
SECONDS_LIMIT = 60.0  # one sentence may take a synthesiser


@dataclass(frozen=True)
class SyntheticVoice:
    """One way to read a sentence: engine, its voice name, speed (1 = normal), pitch (espeak-ng's 0-99)."""

    engine: str
    name: str
    speed: float
    pitch: int = 50

    @property
    def id(self) -> str:
        """Name in manifests, e.g. "flite-slt"."""
        return f"{self.engine}-{self.name}"


def voice_for(sentence: str) -> SyntheticVoice:
    """Choose the voice of a sentence from its hash alone."""
    digest = hashlib.sha256(sentence.encode()).digest()
    share, which, speed, pitch = (byte / 256 for byte in digest[:4])
    if share < ESPEAK_SHARE:
        name = ESPEAK_VOICES[int(which * len(ESPEAK_VOICES))]
        return SyntheticVoice("espeak-ng", name, round(0.85 + 0.3 * speed, 2), int(35 + 30 * pitch))
    return SyntheticVoice("flite", FLITE_VOICES[int(which * len(FLITE_VOICES))], round(0.85 + 0.3 * speed, 2))


def require_engines() -> None:
    """Check that both synthesisers are installed.

    Raises:
        MsaError: one is missing; the message says how to install it.
    """
    for engine in ("flite", "espeak-ng"):
        if shutil.which(engine) is None:
            raise MsaError(f"The synthesiser {engine!r} is not installed. Run 'apt-get install flite espeak-ng'.")


def speak(sentence: str, folder: Path) -> np.ndarray:
    """Read one sentence aloud.

    Args:
        sentence: what to say.
        folder: where the temporary wav file lies.

    Returns:
        (N,) int16 mono at 16 kHz.

    Raises:
        MsaError: the synthesiser fails or says nothing.
    """
    voice, target = voice_for(sentence), folder / "speech.wav"
    if voice.engine == "flite":
        command = ["flite", "-voice", voice.name, "--setf", f"duration_stretch={1 / voice.speed:.3f}"]
        command += ["-t", f" {sentence}", "-o", str(target)]
    else:
        command = ["espeak-ng", "-v", voice.name, "-s", str(int(165 * voice.speed)), "-p", str(voice.pitch)]
        command += ["-w", str(target), "--", sentence]
    target.unlink(missing_ok=True)
    done = subprocess.run(command, capture_output=True, timeout=SECONDS_LIMIT, check=False)
    if done.returncode != 0 or not target.is_file():
        raise MsaError(f"{voice.id} could not say {sentence!r}: {done.stderr.decode(errors='replace').strip()[:200]}")
    with wave.open(str(target), "rb") as f:
        rate, samples = f.getframerate(), np.frombuffer(f.readframes(f.getnframes()), dtype="<i2")
    if len(samples) == 0:
        raise MsaError(f"{voice.id} said nothing for {sentence!r}. Leave such sentences out of the pool.")
    return _to_16_khz(samples, rate)


def _to_16_khz(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """Resample int16 (N,) at `rate_hz` to int16 (M,) at 16 kHz, band-limited (FFT)."""
    if rate_hz == SAMPLE_RATE_HZ:
        return samples
    n = max(1, round(len(samples) * SAMPLE_RATE_HZ / rate_hz))
    spectrum = np.fft.rfft(samples.astype(np.float64))
    kept = np.zeros(n // 2 + 1, dtype=complex)
    width = min(len(spectrum), len(kept))
    kept[:width] = spectrum[:width]
    resampled = np.fft.irfft(kept, n) * (n / len(samples))
    return np.clip(np.rint(resampled), -32768, 32767).astype(np.int16)


def chunk_key(sentences: Sequence[str]) -> str:
    """Hash a chunk's sentences and the voice of each, as its name in the cache."""
    digest = hashlib.sha256()
    for sentence in sentences:
        digest.update(f"{sentence}\x00{voice_for(sentence)}\x00".encode())
    return digest.hexdigest()[:24]


def spoken(sentences: Sequence[str], cache: Path) -> list[np.ndarray]:
    """Read a chunk of sentences aloud, kept in `cache` as one file until `forget` is called.

    Returns:
        one (N,) int16 array at 16 kHz per sentence.
    """
    path = cache / f"speech-{chunk_key(sentences)}.npz"
    if not path.is_file():
        require_engines()
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            waves = [speak(sentence, Path(folder)) for sentence in sentences]
        with atomic.replaced_file(path) as part:
            np.savez(part, samples=np.concatenate(waves), lengths=np.array([len(w) for w in waves]))
    with np.load(path) as stored:
        return np.split(stored["samples"], np.cumsum(stored["lengths"])[:-1])


def forget(sentences: Sequence[str], cache: Path) -> None:
    """Delete the sound of a chunk once it has been listened to."""
    (cache / f"speech-{chunk_key(sentences)}.npz").unlink(missing_ok=True)


def chunks(sentences: Sequence[str], size: int = 128) -> Iterator[Sequence[str]]:
    """Yield consecutive chunks of at most `size` sentences."""
    for start in range(0, len(sentences), size):
        yield sentences[start : start + size]


@dataclass(frozen=True)
class HeardSentence:
    """Recognised words of one spoken sentence and the states of the decoder.

    states (K, 384) float16 of the decoder, one per token; owners (K,): the word of `transcript` each belongs to.
    K is 0 when nothing was understood.
    """

    transcript: str
    states: np.ndarray
    owners: np.ndarray


def listen(sentences: Sequence[str], cache: Path, progress: CountProgress, jobs: int = 1) -> list[HeardSentence]:
    """Speak every sentence and listen to it with Whisper, chunk by chunk; finished chunks are cached.

    Args:
        jobs: number of processes.
    """
    todo = list(chunks(sentences))
    paths = [cache / f"heard-{digest(WHISPER, chunk_key(chunk))}.npz" for chunk in todo]
    waiting = [(chunk, path, cache) for chunk, path in zip(todo, paths, strict=True) if not path.is_file()]
    for done, _ in enumerate(_heard(waiting, jobs), start=len(todo) - len(waiting) + 1):
        progress("speaking and listening", done, len(todo))
    heard: list[HeardSentence] = []
    for chunk, path in zip(todo, paths, strict=True):
        found = cached(path, lambda chunk=chunk: _listened(chunk, _reader(), cache))  # type: ignore[misc]
        cuts = np.cumsum(found["lengths"])[:-1]
        parts = zip(found["transcripts"], np.split(found["states"], cuts), np.split(found["owners"], cuts), strict=True)
        heard += [HeardSentence(str(transcript), states, owners) for transcript, states, owners in parts]
    return heard


_reader = weights.Once(lambda: SpeechReader(weights.whisper(WHISPER)))


def _heard(waiting: Sequence[tuple[Sequence[str], Path, Path]], jobs: int) -> Iterator[None]:
    """Listen to chunks, in this process or in `jobs` others."""
    if jobs == 1 or len(waiting) < 2:
        yield from map(_hear, waiting)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        yield from pool.map(_hear, waiting)


def _hear(task: tuple[Sequence[str], Path, Path]) -> None:
    """Speak and hear the sentences of (chunk, file to write, cache)."""
    chunk, path, cache = task
    cached(path, lambda: _listened(chunk, _reader(), cache))
    forget(chunk, cache)


def _listened(chunk: Sequence[str], reader: SpeechReader, cache: Path) -> dict[str, np.ndarray]:
    """Recognise a chunk: transcripts (C,), decoder states and their words end to end, lengths (C,)."""
    waves = [w.astype(np.float32) / 32768 for w in spoken(chunk, cache)]
    order = sorted(range(len(waves)), key=lambda i: len(waves[i]))  # equal lengths together are read fastest
    read = reader.read_many([waves[i] for i in order])
    found = [read[order.index(i)] for i in range(len(waves))]
    return {
        "transcripts": np.array([f.transcript for f in found], np.str_),
        "states": np.concatenate([f.states for f in found]).astype(np.float16),
        "owners": np.concatenate([f.state_words for f in found]),
        "lengths": np.array([len(f.states) for f in found]),
    }
