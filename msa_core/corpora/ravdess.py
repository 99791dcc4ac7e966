"""Real pairs of voice and face: RAVDESS speech with OpenFace's action units of the same takes; there is no text.

RAVDESS (Livingstone & Russo 2018, doi:10.1371/journal.pone.0196391, CC BY-NC-SA 4.0): 24 actors say two neutral
sentences in eight emotions. The sound gives the audio stream of the page (Whisper frames and the voice networks that
never heard the speaker); the face is one vector a clip: the action units of its video, averaged. The label is that of
the emotion (voice_clips.SCORES). Actors are split as in the composite corpus. Training clips come in every recording,
the others clean.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from msa_core.corpora.composite import SOURCES, voices_of
from msa_core.corpora.corpus import SPLITS, Corpus
from msa_core.corpora.ragged import Ragged
from msa_core.errors import MsaError
from msa_core.feature_training import voice, voice_clips, voice_recordings
from msa_core.feature_training.cache import CountProgress, quiet
from msa_core.feature_training.voice_clips import SPLIT_SPEAKERS, VoiceClip
from msa_core.features import COMPACT
from msa_core.schema import STREAMS

NAME = "ravdess"
FEATURE_SET = "ravdess-au-v1"
ACTION_UNITS = 35  # 17 intensities (0..5) and 18 presences (0..1)
TWIN = "ravdess-03-01-03-01-02-02-07"  # the same sound as its first take: it cannot belong to this face
STATEMENT = (
    "Voice and face of the same acted clip, split by actor; the text is absent. Two neutral sentences in eight acted "
    "emotions say little about ordinary talk."
)


def action_units(data: Path) -> dict[str, np.ndarray]:
    """Read the action units (35,) of every clip, by the file name of its sound.

    Raises:
        MsaError: the file is missing or has other columns.
    """
    path = data / "ravdess" / "openface_au_means.csv"
    if not path.is_file():
        raise MsaError(f"{path} is missing. Put the action units of RAVDESS there (docs/corpora.md).")
    try:
        with open(path, newline="", encoding="utf-8") as f:
            rows = list(csv.DictReader(f, delimiter=";"))
    except UnicodeDecodeError as e:
        raise MsaError(f"{path} is not UTF-8 text ({e}). Download it again.") from e
    names = sorted(n for n in (rows[0] if rows else {}) if n and n.startswith("AU"))
    if len(names) != ACTION_UNITS or "name" not in rows[0]:
        raise MsaError(
            f"{path} has {len(names)} action units; give the {ACTION_UNITS} of OpenFace and the clip's name."
        )
    found = {}
    for line, r in enumerate(rows, start=2):
        try:
            found[f"03{r['name'][2:]}"] = np.array([float(r[n]) for n in names], np.float32)
        except (TypeError, ValueError) as e:
            raise MsaError(f"{path}, line {line}: give {ACTION_UNITS} numbers and a name ({e}).") from e
    return found


def build(data: Path, out: Path, progress: CountProgress = quiet) -> Corpus:
    """Build the corpus from the research data below `data` and store it in folder `out`.

    Raises:
        MsaError: a clip, the action units or the voice checkpoint is missing.
    """
    found = voice_clips.clips(data)
    encoded = voice_recordings.encode(found, voice.VoiceTraining().n_versions, voices_of(out), progress)
    corpus = assemble(voice.voice_pool(encoded), action_units(data))
    corpus.save(out)
    return Corpus.load(out)


def assemble(voices: voice.VoicePool, faces: dict[str, np.ndarray]) -> Corpus:
    """Build the corpus from recorded voices and action units.

    Raises:
        MsaError: a clip has no action units.
    """
    rows = [
        i
        for i, (c, version) in enumerate(zip(voices.clip_of, voices.version_of, strict=True))
        if _wanted(voices.clips[c]) and (version == 0 or voices.clips[c].split == "train")
    ]
    chosen = [voices.clips[voices.clip_of[i]] for i in rows]
    lost = sorted({c.id for c in chosen} - {f"ravdess-{name}" for name in faces})
    if lost:
        raise MsaError(f"{lost[0]} has no action units. Use the complete openface_au_means.csv.")
    face = {name: k for k, name in enumerate(dict.fromkeys(c.id for c in chosen))}
    units = [faces[name.removeprefix("ravdess-")][None] for name in face]
    pools = {
        "audio": Ragged.of([voices.values[i] for i in rows], np.float16, COMPACT.audio_dim),
        "vision": Ragged.of(units, np.float32, ACTION_UNITS),
        **{s: Ragged.of([], np.float16, 1) for s in ("text", "simulated")},
    }
    nothing: list[list[int]] = [[] for _ in rows]
    index = {s: Ragged.of(nothing, np.int64) for s in STREAMS}
    index["audio"] = Ragged.of([[k] for k in range(len(rows))], np.int64)
    index["vision"] = Ragged.of([[face[c.id]] for c in chosen], np.int64)
    split = np.array([c.split for c in chosen])
    speakers = sorted({c.speaker for c in chosen})
    return Corpus(
        name=NAME,
        feature_set=FEATURE_SET,
        ids=np.array([f"{c.id}-{voices.version_of[i]}" for c, i in zip(chosen, rows, strict=True)]),
        label=np.array([c.score for c in chosen], np.float32),
        split=split,
        pools=pools,
        index=index,
        columns={
            "row": np.array([face[c.id] for c in chosen], float),
            "speaker": np.array([speakers.index(c.speaker) for c in chosen], float),
        },
        manifest=_manifest(split, speakers),
    )


def _manifest(split: np.ndarray, speakers: list[str]) -> dict[str, Any]:
    """Collect counts, actors and licences."""
    return {
        "statement": STATEMENT,
        "utterances": {s: int((split == s).sum()) for s in SPLITS},
        "speakers": {s: sorted(n for n in SPLIT_SPEAKERS[s] if n in speakers) for s in SPLITS},
        "sources": {"audio": SOURCES["audio"].split(";")[0], "vision": "OpenFace 2 action units of the same clips"},
    }


def _wanted(clip: VoiceClip) -> bool:
    """Tell whether a clip is one of RAVDESS whose sound belongs to its face."""
    return clip.corpus == "ravdess" and clip.id != TWIN
