"""Corpora for training and evaluation, built from research data that are not part of this project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError


def build(name: str, data: Path, out: Path, seed: int = 0) -> Corpus:
    """Build a corpus by name from the research data below `data` and store it in folder `out`.

    Raises: MsaError for an unknown name, or data that are missing or not as expected.
    """
    from msa_core.corpora import composite, mmmo, mosei_videos, mosi, ravdess, sentences

    builders: dict[str, Callable[[], Corpus]] = {
        composite.NAME: lambda: composite.build(data, out, seed=seed),
        ravdess.NAME: lambda: ravdess.build(data, out),
        **{n: lambda split=split: mosi.build(data, out, split, seed) for split, n in mosi.NAMES.items()},  # type: ignore[misc]
        mosei_videos.NAME: lambda: mosei_videos.build(data, out, seed),
        mmmo.NAME: lambda: mmmo.build(data, out, seed),
        **{n: lambda n=n: sentences.build(data, out, n) for n in sentences.NAMES},  # type: ignore[misc]
    }
    if name not in builders:
        raise MsaError(f"Unknown corpus {name!r}. Valid corpora: {', '.join(builders)}.")
    return builders[name]()
