"""Timeline of a clip: windows for the score around each second, and the share of each second that is seen.

Both are cut from one batch of one row after frames were dropped from it, so that a window sees exactly the frames
that the whole clip has left.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from msa_core import missing
from msa_core.schema import MODALITIES, STREAMS, Batch, Utterance

WINDOW_S = 3.0  # length of the sliding window behind each second


def bounds(duration_s: float) -> list[tuple[float, float]]:
    """Divide the clip into equal stretches of about one second: (start, end) in seconds, at least one."""
    n = max(1, round(duration_s))
    step = duration_s / n
    return [(i * step, (i + 1) * step) for i in range(n)]


def windows(utterance: Utterance, batch: Batch) -> tuple[list[int], list[int], Batch]:
    """Cut the frames within WINDOW_S / 2 of the middle of each second.

    Args:
        utterance: the clip.
        batch: one row, the collated `utterance` after dropping frames.

    Returns:
        Of the seconds in whose window a model can see at least one frame: those whose window holds the whole clip, the
        others, and a batch with a row for each of the others.
    """
    middles = np.array([(a + b) / 2 for a, b in bounds(utterance.duration_s)])
    valid_of, observed_of = ({s: t[0].cpu().numpy() for s, t in part.items()} for part in (batch.valid, batch.observed))
    near = {s: _near(utterance, valid_of[s], s, middles) for s in STREAMS}
    seen = np.any([(near[m] & observed_of[m]).any(1) for m in MODALITIES], axis=0)
    whole = _holding_all(near, valid_of, bool(observed_of["text"].any()))
    rows = np.flatnonzero(seen & ~whole)
    cut = {s: _cut(batch, s, near[s][rows]) for s in STREAMS}
    features, valid, observed = ({s: cut[s][k] for s in STREAMS} for k in range(3))
    present = torch.stack([valid[m].any(1) for m in MODALITIES], 1)
    batch = replace(
        batch, features=features, valid=valid, observed=observed, present=present, ids=batch.ids * len(rows), label=None
    )
    return np.flatnonzero(seen & whole).tolist(), rows.tolist(), missing.simulated_needs_audio(batch)


def observed(utterance: Utterance, batch: Batch) -> list[dict[str, float | None]]:
    """Compute the share 0..1 of its frames that a model sees, for each second and modality.

    It is 0 where the modality is absent, None in a second without a frame of a modality that is there.

    Args:
        utterance: the clip.
        batch: as for `windows`.
    """
    n = len(bounds(utterance.duration_s))
    shares: list[dict[str, float | None]] = [{} for _ in range(n)]
    for m in MODALITIES:
        times, seen = utterance.stream(m).times_s, batch.observed[m][0].cpu().numpy()
        if times is None:
            for second in shares:
                second[m] = 0.0
            continue
        at = np.clip(np.floor(times / max(utterance.duration_s, 1e-9) * n), 0, n - 1).astype(int)
        total = np.bincount(at, minlength=n)
        kept = np.bincount(at, weights=seen[: len(at)], minlength=n)
        for second, k, t in zip(shares, kept, total, strict=True):
            second[m] = float(k / t) if t else None
    return shares


def _near(utterance: Utterance, valid: np.ndarray, stream: str, middles: np.ndarray) -> np.ndarray:
    """Mark (N, T) the real frames, `valid` (T,), within half a window of the N middles."""
    times = utterance.stream(stream).times_s
    near = np.zeros((len(middles), len(valid)), bool)
    if times is not None:
        near[:, : len(times)] = np.abs(times[None] - middles[:, None]) <= WINDOW_S / 2
    return near & valid


def _holding_all(near: dict[str, np.ndarray], valid: dict[str, np.ndarray], words: bool) -> np.ndarray:
    """Mark (N,) the windows that hold every frame of the clip, valid (T,); near (N, T) by stream.

    Simulated text beside `words` that are seen is read by no model, so that the windows need none of it.
    """
    found: np.ndarray = np.all([(near[s] == valid[s]).all(1) for s in (MODALITIES if words else STREAMS)], axis=0)
    return found


def _cut(batch: Batch, stream: str, near: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Gather features (N, W, D), valid (N, W) and observed (N, W) of the frames marked in `near` (N, T)."""
    counts = near.sum(1)
    width = max(1, int(counts.max(initial=0)))
    order = torch.from_numpy(np.argsort(~near, axis=1, kind="stable")[:, :width]).to(batch.present.device)
    valid = torch.from_numpy(np.arange(width) < counts[:, None]).to(batch.present.device)
    features = torch.where(valid[..., None], batch.features[stream][0][order], 0.0)
    return features, valid, batch.observed[stream][0][order] & valid
