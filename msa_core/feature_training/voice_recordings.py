"""Recordings of the acted voices, clean and augmented, encoded as frames of Whisper's encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msa_core import media
from msa_core.config import MediaLimits
from msa_core.feature_training.cache import CountProgress, cached, digest, quiet
from msa_core.feature_training.voice_augmentation import augment
from msa_core.feature_training.voice_clips import VoiceClip, generator
from msa_core.features import speech, weights, windows

AUGMENTATION, STAGE = "augment-1", "augment-stage-1"  # parts of the cache key: change them whenever `augment` changes


@dataclass(frozen=True)
class EncodedVoices:
    """Encoder frames of clips in several recordings: frames[version][clip] (T, 384) float16; version 0 is clean."""

    clips: tuple[VoiceClip, ...]
    frames: tuple[tuple[np.ndarray, ...], ...]

    def of_split(self, split: str) -> EncodedVoices:
        """Select the clips of one split."""
        kept = [i for i, c in enumerate(self.clips) if c.split == split]
        return EncodedVoices(tuple(self.clips[i] for i in kept), tuple(tuple(v[i] for i in kept) for v in self.frames))


def encode(
    found: Sequence[VoiceClip], n_versions: int, cache: Path, progress: CountProgress = quiet, stage: bool = False
) -> EncodedVoices:
    """Encode clips, clean and in `n_versions` augmented recordings, with Whisper's encoder.

    Background voices are of the same split. Each version is kept in `cache`.

    Args:
        stage: music and audiences are among what is mixed in.
    """
    reader = speech.SpeechReader(weights.whisper())
    labels = [(c.id, c.split) for c in found]
    model = sum(p.double().sum().item() for p in reader.model.encoder.parameters())
    cut = (windows.POOL, windows.VOICE_WINDOW_S, windows.VOICE_HOP_S)
    key = (STAGE if stage else AUGMENTATION, labels, f"{model:.6f}", speech.FRAME_LAYERS, cut)
    paths = [cache / f"voices-{digest(*key, version)}.npz" for version in range(n_versions + 1)]
    sounds = [] if all(p.is_file() for p in paths) else [_sound(c.path) for c in found]
    versions = []
    for version, path in enumerate(paths):
        stored = cached(path, lambda v=version: _encode_version(found, sounds, reader, v, progress, stage))  # type: ignore[misc]
        versions.append(tuple(np.split(stored["values"], stored["ends"][:-1])))
    return EncodedVoices(tuple(found), tuple(versions))


def _encode_version(
    found: Sequence[VoiceClip],
    sounds: Sequence[np.ndarray],
    reader: speech.SpeechReader,
    version: int,
    progress: CountProgress,
    stage: bool,
) -> dict[str, np.ndarray]:
    """Encode all clips in one recording, joined: values (N, 384) float16, ends (clips,)."""
    parts: list[np.ndarray] = []
    for start in range(0, len(found), 64):
        progress(f"voices, recording {version}", start, len(found))
        some = range(start, min(start + 64, len(found)))
        parts += reader.encode_many([recording(found, sounds, i, version, stage) for i in some])
    return {"values": np.concatenate(parts).astype(np.float16), "ends": np.cumsum([len(p) for p in parts])}


def recording(
    found: Sequence[VoiceClip], sounds: Sequence[np.ndarray], i: int, version: int, stage: bool = False
) -> np.ndarray:
    """Return the waveform of clip i as recorded in `version`; 0 is the clip itself."""
    if version == 0:
        return sounds[i]
    rng = generator("babble", found[i].id, version)
    same = [k for k, c in enumerate(found) if c.split == found[i].split]
    babble = [sounds[same[k]] for k in rng.integers(len(same), size=8)]
    return augment(sounds[i], (found[i].id, version), babble, stage)


def _sound(path: Path) -> np.ndarray:
    """Read the waveform of a file."""
    return media.waveform(path, media.probe(path, MediaLimits()))
