"""Synthetic corpus of random numbers with real structure: every modality carries the label, with noise."""

from __future__ import annotations

import numpy as np

from msa_core.corpora.corpus import Corpus
from msa_core.corpora.ragged import Ragged
from msa_core.features import COMPACT
from msa_core.schema import STREAMS

AS_TEACHER = {"corrkd": {"distil": False}, "promma": {"prompted": False}}  # settings that make a method's teacher
DIMS = {"text": 12, "audio": 10, "vision": 7, "simulated": 12}


def corpus(n: int = 120, seed: int = 0, dims: dict[str, int] | None = None, lengths: int = 9) -> Corpus:
    """Build `n` utterances, 60 % train, 20 % valid, 20 % test; a tenth lacks vision and a twentieth text."""
    rng, dims = np.random.default_rng(seed), dims or DIMS
    label = np.clip(rng.normal(0, 1.5, n), -3, 3).astype(np.float32)
    pools, index = {}, {}
    for stream in STREAMS:
        direction = rng.normal(size=dims[stream])
        noise = 3.0 if stream == "simulated" else 1.0
        entries = [
            0.5 * s * direction + noise * rng.normal(size=(rng.integers(2, lengths), dims[stream]))
            for s in np.repeat(label, 2)
        ]
        pools[stream] = Ragged.of(entries, np.float16, dims[stream])
        rate = {"vision": 0.1, "text": 0.05}.get(stream, 0.0)
        index[stream] = Ragged.of([[2 * i, 2 * i + 1] if rng.random() >= rate else [] for i in range(n)], np.int64)
    split = np.array(["train"] * int(n * 0.6) + ["valid"] * int(n * 0.2) + ["test"] * (n - int(n * 0.6) - int(n * 0.2)))
    return Corpus(
        name="synthetic",
        feature_set=COMPACT.id,
        ids=np.array([f"u{i:04d}" for i in range(n)]),
        label=label,
        split=split,
        pools=pools,
        index=index,
        columns={"rating_text": label.astype(np.float64)},
        manifest={"sources": {"all": "random numbers"}, "seed": seed},
    )
