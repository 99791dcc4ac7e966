"""Utterances and stored corpora -> padded batches.

A corpus never stores an utterance twice: every stream has one pool of variable-length entries (a sentence,
a voice clip, one face), and an utterance lists the entries it is made of. Alternative versions of a stream
(an augmented voice, say) are simply further entries.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch

from msa_core import missing
from msa_core.errors import FeatureError
from msa_core.features import FEATURE_SETS, known
from msa_core.schema import MODALITIES, STREAMS, Batch, Utterance


def collate(utterances: Sequence[Utterance]) -> Batch:
    """Pad utterances of one feature set to a batch; an absent modality gets one zero frame that is not valid.

    Raises:
        FeatureError: feature sets are mixed or unknown, a shape is wrong or a value not finite.

    >>> from msa_core.config import shipped
    >>> from msa_core.features import store
    >>> names = ("crema_happy.mp4", "jfk.flac")
    >>> batch = collate([store.load(shipped("examples") / "features" / f"{name}.npz") for name in names])
    >>> batch.ids, batch.present.tolist()
    (('crema_happy.mp4', 'jfk.flac'), [[True, True, True], [True, True, False]])
    """
    sets = sorted({u.feature_set for u in utterances})
    feature_set = known(sets[0]) if len(sets) == 1 else None
    if feature_set is None:
        raise FeatureError(f"Cannot batch feature sets {sets}; give one of: {', '.join(FEATURE_SETS)}, or a large one.")
    features, valid = {}, {}
    for stream, width in feature_set.dims.items():
        # Variants of one clip share their streams: each is checked once.
        checked = {id(u.stream(stream)): _checked(u, stream, width) for u in _distinct(utterances, stream)}
        values = [checked[id(u.stream(stream))] for u in utterances]
        length = max(1, *(len(v) for v in values))
        features[stream] = np.zeros((len(values), length, width), np.float32)
        valid[stream] = np.zeros((len(values), length), bool)
        for b, v in enumerate(values):
            features[stream][b, : len(v)], valid[stream][b, : len(v)] = v, True
    given = [u.label for u in utterances]
    labels = None if any(k is None for k in given) else np.asarray(given, np.float32)
    return from_arrays(features, valid, labels, tuple(u.id for u in utterances))


def _distinct(utterances: Sequence[Utterance], stream: str) -> Collection[Utterance]:
    """Return an utterance for every distinct object among their streams of one name."""
    return {id(u.stream(stream)): u for u in utterances}.values()


def _checked(utterance: Utterance, stream: str, width: int) -> np.ndarray:
    """Return the values (T, D) of a stream, (0, D) when absent. Raises: FeatureError."""
    values = utterance.stream(stream).values
    if values is None:
        return np.zeros((0, width), np.float32)
    if values.ndim != 2 or values.shape[1] != width or not len(values):
        raise FeatureError(
            f"{stream} of {utterance.id} has shape {values.shape}; {utterance.feature_set} needs (T >= 1, {width})."
        )
    if not np.isfinite(values).all():
        raise FeatureError(f"{stream} of {utterance.id} holds NaN or infinity; extract the clip again.")
    return values.astype(np.float32, copy=False)


def from_arrays(
    features: Mapping[str, np.ndarray], valid: Mapping[str, np.ndarray], label: np.ndarray | None, ids: tuple[str, ...]
) -> Batch:
    """Make a batch of padded arrays.

    Args:
        features: per stream (B, T, D) float32.
        valid: per stream (B, T), True = real frame.
        label: (B,) human scores in [-3, 3], or None when one is unknown.
        ids: of the utterances.
    """
    batch = Batch(
        features={s: torch.from_numpy(features[s]) for s in STREAMS},
        valid={s: torch.from_numpy(valid[s]) for s in STREAMS},
        observed={s: torch.from_numpy(valid[s].copy()) for s in STREAMS},
        present=torch.from_numpy(np.stack([valid[m].any(1) for m in MODALITIES], 1)),
        label=None if label is None else torch.from_numpy(label.astype(np.float32)),
        ids=ids,
    )
    return missing.simulated_needs_audio(batch)
