"""Clips of labelled voices: emotions as scores, and splits by speaker.

RAVDESS: Livingstone & Russo 2018, doi:10.1371/journal.pone.0196391 (CC BY-NC-SA 4.0), 24 actors.
URDU: Latif et al. 2018, arXiv:1812.10411 (research only), talk-show speech of 29 speakers.
nEMO: Christop 2024, arXiv:2404.06292 (CC BY-NC-SA 4.0), 9 Polish actors, 90 sentences in every emotion.
Synthetic voices (`corpora/synthetic_voices.py`) say neutral lines.
Clips are split by speaker, never by clip; `SPLIT_SPEAKERS` is the split of the composite corpus.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msa_core.errors import MsaError
from msa_core.features.voice import EMOTIONS  # in the order of RAVDESS' codes 1-8

SAMPLE_RATE_HZ = 16_000
# Sentiment of an emotion at (normal, strong) intensity, in [-3, 3].
SCORES = {
    "neutral": (0.0, 0.0),
    "calm": (0.5, 0.5),
    "happy": (1.5, 2.5),
    "sad": (-1.5, -2.5),
    "angry": (-2.0, -3.0),
    "fearful": (-1.5, -2.5),
    "disgust": (-2.0, -2.5),
    "surprised": (0.3, 0.3),
}
# RAVDESS: odd actors are male, even ones female; every part has as many of each. URDU: all but two of its angry clips
# are of three speakers, who train together so that any of them can be held out.
SPLIT_SPEAKERS: dict[str, tuple[str, ...]] = {
    "valid": (
        *(f"ravdess-{n:02d}" for n in (3, 4, 15, 16)),
        *(f"urdu-{s}" for s in ("SM20", "SM23", "SF1", "SF4", "SF9", "SF11")),
        "nemo-KD0",
        "synthetic-flite-awb",
    ),
    "test": (
        *(f"ravdess-{n:02d}" for n in (7, 8, 19, 20)),
        *(f"urdu-{s}" for s in ("SM21", "SM22", "SM26", "SM27", "SF5", "SF6", "SF10")),
        *(f"nemo-{s}" for s in ("EB0", "WR0")),
        *(f"synthetic-{v}" for v in ("flite-kal16", "espeak-ng-en-gb+f3", "espeak-ng-en-gb+m1")),
    ),
}
SPLIT_SPEAKERS["train"] = (
    *(f"ravdess-{n:02d}" for n in range(1, 25) if n not in (3, 4, 7, 8, 15, 16, 19, 20)),
    *(f"urdu-{s}" for s in ("SM1", "SM2", "SM3", "SM4", "SM5", "SM6", "SM7", "SM17", "SM18", "SM19", "SM24", "SM25")),
    *(f"urdu-{s}" for s in ("SF2", "SF3", "SF7", "SF8")),
    *(f"nemo-{s}" for s in ("IC0", "KS0", "MK0", "MP0", "SM0", "TP0")),
    *(f"synthetic-flite-{v}" for v in ("slt", "rms")),
    *(f"synthetic-espeak-ng-en-us+{v}" for v in ("f2", "m3", "f4", "m7")),
)


@dataclass(frozen=True)
class VoiceClip:
    """One labelled recording; `strong` is None where the corpus has no intensity."""

    id: str
    path: Path
    corpus: str
    speaker: str
    emotion: str
    strong: bool | None

    @property
    def score(self) -> float:
        """Sentiment in [-3, 3]; the middle of normal and strong where the intensity is unknown."""
        normal, strong = SCORES[self.emotion]
        return (normal + strong) / 2 if self.strong is None else strong if self.strong else normal

    @property
    def split(self) -> str:
        """Part of the composite corpus that this speaker belongs to."""
        return split_of(self.speaker)


def split_of(speaker: str) -> str:
    """Return train, valid or test.

    Raises:
        MsaError: for a speaker of no split.
    """
    for split, speakers in SPLIT_SPEAKERS.items():
        if speaker in speakers:
            return split
    raise MsaError(f"Speaker {speaker!r} is in no split. Use the complete RAVDESS speech and URDU corpora.")


PLACES = {  # the clips in a corpus' folder
    "ravdess": "Actor_*/*-*-*-*-*-*-*.*",
    "urdu": "*/S*_F*_*.*",
    "nemo": "*_*_*[13579].opus",  # every second sentence: enough to part content from emotion, in half of the time
}
COMPOSED = ("ravdess", "urdu")  # corpora whose voices are in the composite corpus
NEMO_EMOTIONS = {"sadness": "sad", "anger": "angry", "happiness": "happy", "fear": "fearful"}  # others: the same word


def clips(data: Path, corpora: Sequence[str] = COMPOSED) -> list[VoiceClip]:
    """List the labelled voices of some corpora below `data`, sorted by id.

    They lie in `ravdess/Actor_NN/*`, `urdu/{Angry,Happy,Neutral,Sad}/*` and `nemo/*`.

    Raises:
        MsaError: when a corpus folder is missing or empty.
    """
    found: list[VoiceClip] = []
    for corpus in corpora:
        paths = sorted((data / corpus).glob(PLACES[corpus]))
        if not paths:
            name, place = corpus.upper(), data / corpus / PLACES[corpus]
            raise MsaError(f"No clips at {place}. Put the {name} corpus there (docs/corpora.md).")
        found += [{"ravdess": _ravdess, "urdu": _urdu, "nemo": _nemo}[corpus](path) for path in paths]
    return found


def _ravdess(path: Path) -> VoiceClip:
    """Read a file name 03-01-EMOTION-INTENSITY-SENTENCE-TAKE-ACTOR, two digits each."""
    part = path.stem.split("-")
    emotion = EMOTIONS[int(part[2]) - 1]
    return VoiceClip(f"ravdess-{path.stem}", path, "ravdess", f"ravdess-{part[6]}", emotion, part[3] == "02")


def _urdu(path: Path) -> VoiceClip:
    """Read the folder, which is the emotion, and a file name SPEAKER_FILE_NUMBER."""
    return VoiceClip(
        f"urdu-{path.stem}", path, "urdu", f"urdu-{path.stem.split('_')[0]}", path.parent.name.lower(), None
    )


def _nemo(path: Path) -> VoiceClip:
    """Read a file name SPEAKER_EMOTION_SENTENCE."""
    speaker, emotion, _ = path.stem.split("_")
    return VoiceClip(f"nemo-{path.stem}", path, "nemo", f"nemo-{speaker}", NEMO_EMOTIONS.get(emotion, emotion), None)


def generator(*key: object) -> np.random.Generator:
    """Build a random generator that depends on `key` only, not on call order or process."""
    digest = hashlib.sha256(":".join(map(str, key)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))
