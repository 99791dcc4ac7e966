"""Feature pools of the composite corpus: texts, the same texts heard from a synthesiser, voices and faces.

A pool knows its pieces (rating, split, source unit) apart from their features, so that utterances can be drawn
without loading any network. Everything slow is cached under a hash of what it was computed from: rebuilding with
one new network computes one pool.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from msa_core import checkpoint
from msa_core.corpora import speech_synthesis
from msa_core.corpora.corpus import SPLITS
from msa_core.corpora.ragged import Ragged
from msa_core.corpora.speech_synthesis import HeardSentence
from msa_core.corpora.texts import Text, choose_texts, read_texts
from msa_core.errors import MsaError
from msa_core.feature_training import projector as projector_training
from msa_core.feature_training import voice, voice_clips, voice_recordings
from msa_core.feature_training.cache import CountProgress, cached, digest, quiet
from msa_core.features import COMPACT, expression, simulated_text, text, weights
from msa_core.schema import Word

BROADCAST = 1  # kind of a voice from URDU; 0 is an acted one
SHORT = 1  # kind of a text of few words; 0 is a longer one
TEXTS = {"train": 16000, "valid": 640, "test": 1280}  # sentences of a split, at most
SPOKEN = {"train": 3456, "valid": 640, "test": 1280}  # the first ones, which are also spoken and heard
# How much the crops of a face are varied, per version. The network knows the training faces: varied fully they are
# read about as well (r .89, MAE .43) as unknown faces that are hardly varied (r .90 and .87, MAE .40 and .44).
FACE_STRENGTHS = {"train": (1.0, 1.0), "valid": (0.0, 0.5), "test": (0.0, 0.5)}


@dataclass(frozen=True)
class Pool:
    """Pieces of one modality. Piece p has the entries versions[p] of `features`, its rating, split and source.

    versions: one integer array per piece. rating (P,): in the unit of the source. split, source (P,): str.
    kind (P,): a class used in drawing (emotion of a face; 0 or BROADCAST for a voice; 0 or SHORT for a text).
    """

    features: Ragged
    versions: Sequence[np.ndarray]
    rating: np.ndarray
    split: np.ndarray
    source: np.ndarray
    kind: np.ndarray

    def __post_init__(self) -> None:
        sizes = {len(self.versions), len(self.rating), len(self.split), len(self.source), len(self.kind)}
        if len(sizes) != 1:
            raise MsaError(f"A pool has columns of {sorted(sizes)} pieces. Build it again.")

    def pieces(self, split: str) -> np.ndarray:
        """Return the numbers of the pieces of a split, sorted by rating."""
        found = np.flatnonzero(self.split == split)
        return found[np.argsort(self.rating[found], kind="stable")]


@dataclass(frozen=True)
class Pools:
    """All pools that utterances are drawn from. gap: the vision entry of a frame without a face.

    simulated has the pieces of texts, in the same order; a sentence nobody understood has no entry.
    """

    texts: Pool
    simulated: Pool
    voices: Pool
    faces: Pool
    gap: int
    facts: Mapping[str, Any]

    def features(self) -> dict[str, Ragged]:
        """Return the pool features by stream."""
        return {
            "text": self.texts.features,
            "audio": self.voices.features,
            "vision": self.faces.features,
            "simulated": self.simulated.features,
        }


def build_pools(
    data: Path,
    ratings: Mapping[str, Sequence[float]],
    cache: Path,
    voices_cache: Path,
    progress: CountProgress = quiet,
    jobs: int = 1,
) -> Pools:
    """Build all pools from the research data.

    Args:
        ratings: text ratings wanted, per split.
        cache: folder for everything that is slow.
        voices_cache: folder for encoded voices.
        jobs: number of processes that listen to the sentences.

    Raises:
        MsaError: data, a synthesiser or a checkpoint is missing.
    """
    chosen = chosen_texts(data, ratings)
    texts, simulated, facts = text_pools(chosen, heard_texts(chosen, cache, progress, jobs), cache, progress)
    faces, gap = face_pool(data, cache, progress)
    return Pools(texts, simulated, voice_pool(data, voices_cache, progress), faces, gap, facts)


def chosen_texts(data: Path, ratings: Mapping[str, Sequence[float]]) -> list[Text]:
    """Choose the texts of all splits, spread like the ratings they will stand for."""
    available = read_texts(data)
    chosen = []
    for split, size in TEXTS.items():
        chosen += choose_texts((t for t in available if t.split == split), ratings[split], size)
    return chosen


def heard_texts(
    chosen: Sequence[Text], cache: Path, progress: CountProgress, jobs: int = 1
) -> dict[int, HeardSentence]:
    """Speak and recognise the first SPOKEN texts of every split; return what was heard by number of the text."""
    numbers = []
    for split, size in SPOKEN.items():
        numbers += [i for i, t in enumerate(chosen) if t.split == split][:size]
    heard = speech_synthesis.listen([chosen[i].sentence for i in numbers], cache, progress, jobs)
    return {i: h for i, h in zip(numbers, heard, strict=True) if len(h.states)}


def text_pools(
    chosen: Sequence[Text], heard: Mapping[int, HeardSentence], cache: Path, progress: CountProgress
) -> tuple[Pool, Pool, dict[str, Any]]:
    """Encode each text as written and as heard, and its simulated text.

    The projector is the shipped one; where there is none it is fitted on the training texts and stored.

    Returns:
        pool of texts (versions: written, heard), pool of simulated texts, facts for the manifest.
    """
    encoder = text.TextEncoder(weights.minilm_directory())
    misheard = {i: text.normalise(h.transcript) for i, h in heard.items()}
    wanted = list(dict.fromkeys([*(t.words for t in chosen), *filter(None, misheard.values())]))
    features = _encoded(wanted, encoder, cache, progress)
    entry = {words: i for i, words in enumerate(wanted)}
    versions = [np.array([entry[t.words], entry[misheard.get(i) or t.words]]) for i, t in enumerate(chosen)]
    projector = projector_for(chosen, heard, encoder, progress)
    place = {i: np.array([k]) for k, i in enumerate(heard)}
    simulated = Ragged.of([projector.project(h.states) for h in heard.values()], np.float16, COMPACT.text_dim)
    spoken = [place.get(i, np.zeros(0, np.int64)) for i in range(len(chosen))]
    facts = {
        "projector": checkpoint.read_manifest(simulated_text.CHECKPOINT)["sha256"],
        "sentences": len(heard),
        "voices": dict(sorted(Counter(speech_synthesis.voice_for(chosen[i].sentence).id for i in heard).items())),
    }
    return _texts(chosen, features, versions), _texts(chosen, simulated, spoken), facts


def _encoded(wanted: Sequence[str], encoder: text.TextEncoder, cache: Path, progress: CountProgress) -> Ragged:
    """Encode sentences to token vectors, one entry each, cached chunk by chunk."""
    entries: list[np.ndarray] = []
    for chunk in speech_synthesis.chunks(wanted, 512):
        progress("encoding texts", len(entries), len(wanted))

        def compute(chunk: Sequence[str] = chunk) -> dict[str, np.ndarray]:
            packed = Ragged.of(encoder.encode(chunk), np.float16, COMPACT.text_dim)
            return {"values": packed.values, "offsets": packed.offsets}

        stored = cached(cache / f"texts-{digest(weights.MINILM_REPOSITORY, *chunk)}.npz", compute)
        entries += np.split(stored["values"], stored["offsets"][1:-1])
    return Ragged.of(entries, np.float16, COMPACT.text_dim)


def projector_for(
    chosen: Sequence[Text], heard: Mapping[int, HeardSentence], encoder: text.TextEncoder, progress: CountProgress
) -> simulated_text.Projector:
    """Load the shipped projector; where there is none, fit one on the training texts and store it."""
    if simulated_text.CHECKPOINT not in checkpoint.available():
        states, targets, groups = [], [], []
        for i, found in heard.items():
            if chosen[i].split == "train":
                words = chosen[i].words.split()
                said = [text.normalise(w) for w in found.transcript.split()]
                states.append(found.states.astype(np.float32))
                targets.append(projector_training.align(said, found.owners, words, word_vectors(words, encoder)))
                groups.append(chosen[i].video)
        projector, metrics = projector_training.fit(
            states,
            targets,
            groups,
            simulated_text.ProjectorConfig(epochs=15),
            progress=lambda line: progress(line, 0, 1),
        )
        facts = {
            "name": simulated_text.CHECKPOINT,
            "data": "training sentences of CMU-MOSI and CMU-MOSEI, spoken by flite and espeak-ng, heard by Whisper",
            "licence": "sentences from YouTube, research use",
            "validation": metrics,
        }
        simulated_text.save(projector, checkpoint.ROOT / simulated_text.CHECKPOINT, facts)
    return simulated_text.load()


def word_vectors(words: Sequence[str], encoder: text.TextEncoder) -> np.ndarray:
    """Average the token vectors of every word of a sentence: (W, 384)."""
    pieces = encoder.encode_words([Word(w, i, i + 1) for i, w in enumerate(words)])
    if pieces.values is None or pieces.times_s is None:
        raise MsaError(f"The sentence {' '.join(words)!r} has no words. Leave it out of the pool.")
    owner = np.floor(pieces.times_s).astype(int)  # word i lies between second i and i + 1
    sums = np.zeros((len(words), pieces.values.shape[1]))
    np.add.at(sums, owner, pieces.values)
    return sums / np.maximum(np.bincount(owner, minlength=len(words)), 1)[:, None]


def _texts(chosen: Sequence[Text], features: Ragged, versions: Sequence[np.ndarray]) -> Pool:
    """Make a pool of texts from their features."""
    return Pool(
        features=features,
        versions=versions,
        rating=np.array([t.rating for t in chosen]),
        split=np.array([t.split for t in chosen]),
        source=np.array([f"{t.source}/{t.video}" for t in chosen]),
        kind=np.array([SHORT if t.short else 0 for t in chosen]),
    )


def voice_pool(data: Path, cache: Path, progress: CountProgress) -> Pool:
    """Encode RAVDESS and URDU clips in several recordings, by voice networks that never heard the speaker."""
    encoded = voice_recordings.encode(voice_clips.clips(data), voice.VoiceTraining().n_versions, cache, progress)
    found = voice.voice_pool(encoded)
    rows = np.argsort(found.clip_of, kind="stable")
    ends = np.cumsum(np.bincount(found.clip_of, minlength=len(found.clips)))
    return Pool(
        features=Ragged.of(found.values, np.float16, COMPACT.audio_dim),
        versions=np.split(rows, ends[:-1]),
        rating=np.array([c.score for c in found.clips]),
        split=np.array([c.split for c in found.clips]),
        source=np.array([c.speaker for c in found.clips]),
        kind=np.array([BROADCAST if c.corpus == "urdu" else 0 for c in found.clips]),
    )


def face_pool(data: Path, cache: Path, progress: CountProgress) -> tuple[Pool, int]:
    """Encode FER+ faces, cut and lit in several ways, by the expression network.

    The network saw the training faces, so they enter in varied versions only; the others also as they are.

    Returns:
        the pool and its entry for a frame without a face (zeros).
    """
    sets, _ = expression.ferplus(data)
    network_id = digest(*sorted(checkpoint.read_manifest(expression.CHECKPOINT)["sha256"].items()))
    network = expression.load()
    values: list[np.ndarray] = []
    counts: list[int] = []
    for split, name in zip(SPLITS, ("train", "validation", "test"), strict=True):
        progress("reading faces", len(values), len(SPLITS))
        images = sets[name].images
        path = cache / f"faces-{digest(network_id, images, FACE_STRENGTHS[split])}.npz"
        values.append(cached(path, lambda i=images, s=split: {"x": _faces(network, i, s)})["x"])  # type: ignore[misc]
        counts.append(len(images))
    flat = np.concatenate([v.reshape(-1, v.shape[-1]) for v in values])
    features = Ragged.of([*flat[:, None], np.zeros((1, COMPACT.vision_dim))], np.float16, COMPACT.vision_dim)
    first = np.concatenate([[0], np.cumsum([c * len(FACE_STRENGTHS[s]) for c, s in zip(counts, SPLITS, strict=True)])])
    versions = [
        first[k] + i * len(FACE_STRENGTHS[s]) + np.arange(len(FACE_STRENGTHS[s]))
        for k, s in enumerate(SPLITS)
        for i in range(counts[k])
    ]
    ordered = [sets[name] for name in ("train", "validation", "test")]
    pool = Pool(
        features=features,
        versions=versions,
        rating=np.concatenate([s.valence for s in ordered]).astype(np.float64),
        split=np.repeat(SPLITS, counts),
        source=np.array([f"face/{hashlib.sha256(i.tobytes()).hexdigest()[:16]}" for s in ordered for i in s.images]),
        kind=np.concatenate([s.votes.argmax(1) for s in ordered]),
    )
    return pool, len(features) - 1


def _faces(network: expression.ExpressionNetwork, images: np.ndarray, split: str) -> np.ndarray:
    """Compute features (N, versions, 138) float16 of faces (N, 48, 48)."""
    rng = torch.Generator().manual_seed(SPLITS.index(split))
    versions = []
    for strength in FACE_STRENGTHS[split]:
        varied = images
        if strength > 0:
            crops = torch.from_numpy(images).float().split(64)
            parts = [expression.augment(c, expression.CROP_SIDE, rng, strength) for c in crops]
            varied = torch.cat(parts).round().clamp(0, 255).to(torch.uint8).numpy()
        versions.append(expression.face_features(network, varied))
    return np.stack(versions, axis=1).astype(np.float16)
