"""Store of extracted features: one `.npz` a clip, written whole or not at all."""

from __future__ import annotations

import io
import json
import struct
import tokenize
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np

from msa_core import atomic, checkpoint
from msa_core.errors import FeatureError
from msa_core.features import TUNED, FeatureSet
from msa_core.schema import STREAMS, Prosody, Stream, Utterance, Word

DAMAGE = (  # what numpy and the archive around it raise for a damaged or hostile .npz
    OSError, ValueError, LookupError, TypeError, EOFError, BadZipFile, MemoryError, RuntimeError, SyntaxError,
    struct.error, tokenize.TokenError, zlib.error,
)  # fmt: skip


class Frame(NamedTuple):
    """A frame of a clip without its picture: the face box is in pixels of the picture that belongs to it."""

    time_s: float
    box: tuple[int, int, int, int] | None
    valence: float | None


def key(clip: Path, any_language: bool = False, feature_set: FeatureSet | None = None) -> str:
    """Name the content of a clip and the extractors that read it; None: those of the compact set.

    Raises:
        OSError: the clip cannot be read.
    """
    own = feature_set or TUNED
    read = " ".join([checkpoint.sha256(clip), own.id, *extractors(own)])
    return read + any_language * " any language"


def extractors(feature_set: FeatureSet) -> tuple[str, ...]:
    """Name the extractors of a feature set, those of our checkpoints with their weights, which may be trained anew."""
    return tuple(_with_weights(name) for name in feature_set.extractors)


@cache
def _with_weights(extractor: str) -> str:
    """Add the hash of its weights to the name of an extractor that is one of our checkpoints."""
    if extractor not in checkpoint.available():
        return extractor
    return f"{extractor} {checkpoint.read_manifest(extractor)['sha256'][checkpoint.MODEL][:16]}"


def save(utterance: Utterance, path: str | Path, key: str = "") -> None:
    """Write the features of a clip to one .npz, without its pictures.

    Args:
        utterance: the clip.
        path: the file to write.
        key: identifies the file and the extractors that the features came from (see `key`).

    Raises:
        FeatureError: the file cannot be written.
    """
    path = Path(path)
    facts = {
        "key": key,
        "id": utterance.id,
        "duration_s": utterance.duration_s,
        "feature_set": utterance.feature_set,
        "transcript": utterance.transcript,
        "translation": utterance.translation,
        "words": [asdict(w) for w in utterance.words],
        "notes": utterance.notes,
        "timings_s": dict(utterance.timings_s),
        "prosody": None if utterance.prosody is None else asdict(utterance.prosody),
        "score": utterance.label,
        "reasons": {s: utterance.stream(s).reason for s in STREAMS},
        "frames": [{"time_s": t.time_s, "box": t.box, "valence": t.valence} for t in utterance.thumbnails],
    }
    arrays = {"facts": np.frombuffer(json.dumps(facts, allow_nan=False).encode(), np.uint8)}
    for name in STREAMS:
        stream = utterance.stream(name)
        if stream.values is not None and stream.times_s is not None:
            arrays |= {f"{name}_values": stream.values, f"{name}_times_s": stream.times_s}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, buffer.getvalue())
    except OSError as e:
        raise FeatureError(
            "Cannot write {name} ({why}). Give a folder you may write to.", name=path.name, why=e.strerror
        ) from e


def load(path: str | Path) -> Utterance:
    """Read an utterance written by `save`, without pictures.

    Raises:
        FeatureError: the file is missing, damaged or of another kind.
    """
    arrays, facts = _read(Path(path))
    try:
        return _restored(arrays, facts)
    except (LookupError, TypeError, ValueError) as e:
        raise _damaged(Path(path), e) from e


def _restored(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Utterance:
    """Make an utterance of its arrays and facts."""

    def stream(name: str) -> Stream:
        if f"{name}_values" not in arrays:
            return Stream.absent(facts["reasons"][name])
        return Stream(arrays[f"{name}_values"], arrays[f"{name}_times_s"])

    return Utterance(
        id=facts["id"],
        duration_s=facts["duration_s"],
        feature_set=facts["feature_set"],
        text=stream("text"),
        audio=stream("audio"),
        vision=stream("vision"),
        simulated=stream("simulated"),
        transcript=facts["transcript"],
        translation=facts.get("translation", ""),
        words=tuple(Word(**w) for w in facts["words"]),
        notes=tuple(facts["notes"]),
        timings_s=facts["timings_s"],
        label=facts["score"],
        prosody=restored_prosody(facts.get("prosody")),  # a file written before it was measured has none
    )


def frames(path: str | Path) -> tuple[Frame, ...]:
    """Read which frames of a clip `save` was given pictures of; none from a file written before it kept them.

    Raises:
        FeatureError: the file is missing, damaged or of another kind.
    """
    stored = _read(Path(path))[1].get("frames", ())
    return tuple(Frame(f["time_s"], None if f["box"] is None else tuple(f["box"]), f["valence"]) for f in stored)


def stored_key(path: Path) -> str | None:
    """Return the key of a file of `save`; None when it is missing or damaged."""
    try:
        return _read(path)[1].get("key") if path.is_file() else None
    except FeatureError:
        return None


def restored_prosody(stored: Mapping[str, Any] | None) -> Prosody | None:
    """Restore what JSON keeps of a prosody."""
    if stored is None:
        return None
    spans = {k: None if stored[k] is None else tuple(map(tuple, stored[k])) for k in ("curve", "pauses_s")}
    return Prosody(**{**stored, **spans})


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """Read arrays and facts of a file of `save`. Raises: FeatureError."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {k: stored[k] for k in stored.files}
        facts = json.loads(bytes(arrays.pop("facts")))
        if not isinstance(facts, dict):
            raise TypeError
        return arrays, facts
    except DAMAGE as e:
        raise _damaged(path, e) from e


def _damaged(path: Path, error: Exception) -> FeatureError:
    return FeatureError(
        "{name} holds no features of ours ({why}). Extract the clip again.", name=path.name, why=type(error).__name__
    )
