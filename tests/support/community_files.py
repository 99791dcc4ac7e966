"""Feature files with the keys, shapes and types that the community shares, of random numbers that carry the labels.

IEMOCAP as MulT publishes it (aligned or not), CH-SIMS and CH-SIMS v2 as MMSA does; the utterances are fewer, and
shorter than the arrays.
"""

from __future__ import annotations

import numpy as np
from feature_files import Content

SIZES = {"train": 48, "valid": 20, "test": 24}
EMOTIONS = 4
LONGEST = 40  # real frames
IEMOCAP = {"text": (20, 300), "audio": (20, 74), "vision": (20, 35)}
IEMOCAP_UNALIGNED = {"text": (20, 300), "audio": (400, 74), "vision": (500, 35)}
SIMS = {"text": (39, 768), "audio": (400, 33), "vision": (55, 709)}  # unaligned_39.pkl
SIMS_V2 = {"text": (50, 768), "audio": (925, 25), "vision": (232, 177)}


def frames(rng: np.random.Generator, carried: np.ndarray, shape: tuple[int, int], lengths: np.ndarray) -> np.ndarray:
    """Make frames (N, T, D), zeros after each length: noise, with the values carried (N, C) in the first columns."""
    values = rng.normal(size=(len(carried), *shape))
    values[:, :, : carried.shape[1]] += 3 * carried[:, None]
    return values * (np.arange(shape[0]) < lengths[:, None])[..., None]


def iemocap(seed: int = 0, aligned: bool = True, infinite: bool = False) -> Content:
    """Write as MulT: vision, labels (N, 4, 2), text, audio and nothing else; COVAREP has some -inf when asked for."""
    rng, content = np.random.default_rng(seed), {}
    for split, n in SIZES.items():
        there = rng.random((n, EMOTIONS)) < (0.4, 0.3, 0.25, 0.3)
        there[:2] = [[True] * EMOTIONS, [False] * EMOTIONS]
        steps = rng.integers(3, 21, n)
        arrays = {
            m: frames(rng, there - 0.5, shape, steps if aligned else rng.integers(3, LONGEST, n))
            for m, shape in (IEMOCAP if aligned else IEMOCAP_UNALIGNED).items()
        }
        if infinite:
            arrays["audio"][0, 0, -1] = -np.inf
        content[split] = {
            "vision": arrays["vision"],
            "labels": np.stack([~there, there], 2).astype(np.float64),
            "text": arrays["text"],
            "audio": arrays["audio"],
        }
    return content


def sims(seed: int = 0, v2: bool = False) -> Content:
    """Write as MMSA: unimodal labels in [-1, 1] by fifths, word pieces (N, 3, L), lists of lengths."""
    rng, content, video = np.random.default_rng(seed), {}, 0
    for split, n in SIZES.items():
        ratings = {m: np.round(rng.uniform(-1, 1, n) * 5) / 5 for m in "MTAV"}
        shapes = SIMS_V2 if v2 else SIMS
        lengths = {m: rng.integers(4, min(shape[0], LONGEST) + 1, n) for m, shape in shapes.items()}
        arrays = {m: frames(rng, ratings["M"][:, None], shape, lengths[m]) for m, shape in shapes.items()}
        mask = np.arange(shapes["text"][0]) < lengths["text"][:, None]
        pieces = [rng.integers(1, 21128, mask.shape) * mask, mask, np.zeros(mask.shape)]
        content[split] = {
            "raw_text": np.array(["话"] * n),
            "audio": arrays["audio"].astype(np.float32),
            "vision": arrays["vision"].astype(np.float32),
            "id": np.array([f"video_{video + i // 3:04d}$_${i:04d}" for i in range(n)]),
            "text": arrays["text"].astype(np.float32),
            "text_bert": np.stack(pieces, 1).astype(np.float32),
            "audio_lengths": lengths["audio"].tolist(),
            "vision_lengths": lengths["vision"].tolist(),
            "annotations": np.array(["Positive"] * n),
            "classification_labels": np.ones(n),
            "regression_labels": ratings["M"].astype(np.float32),
            **{f"regression_labels_{m}": ratings[m].astype(np.float32) for m in "TAV"},
        }
        video += n
    return content
