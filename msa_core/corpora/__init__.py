"""Corpora for training and evaluation, built from research data that are not part of this project.

- `composite`: composed utterances with the human ratings of CH-SIMS v2 (composite.py)
- `ravdess`: acted voices and faces, no text (ravdess.py)
- `mosi`, `mosi-cv`: utterances of CMU-MOSI, one vector a modality (mosi.py)
- `mosei-922`: whole videos of CMU-MOSEI (mosei_videos.py)
- `mmmo-120`: film reviews of ICT-MMMO, aligned steps (mmmo.py)
- `mosi-text`, `mosei-text`: sentences alone (sentences.py)

Feature files of others and of one's own clips become corpora through `importers`; `as_dataset` hands a corpus to
Hugging Face `datasets`. See docs/corpora.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msa_core.corpora.corpus import Corpus
from msa_core.corpora.dataset import as_dataset
from msa_core.errors import MsaError

__all__ = ["Corpus", "as_dataset", "build"]


def build(name: str, data: Path, out: Path, seed: int = 0, jobs: int = 1) -> Corpus:
    """Build a corpus by name from the research data below `data` and store it in folder `out`.

    Args:
        seed: of what is drawn.
        jobs: number of processes, where a corpus can use several.

    Raises:
        MsaError: an unknown name, or data that are missing or not as expected.
    """
    from msa_core.corpora import composite, mmmo, mosei_videos, mosi, ravdess, sentences

    builders: dict[str, Callable[[], Corpus]] = {
        composite.NAME: lambda: composite.build(data, out, seed=seed, jobs=jobs),
        ravdess.NAME: lambda: ravdess.build(data, out),
        **{n: lambda split=split: mosi.build(data, out, split, seed) for split, n in mosi.NAMES.items()},  # type: ignore[misc]
        mosei_videos.NAME: lambda: mosei_videos.build(data, out, seed),
        mmmo.NAME: lambda: mmmo.build(data, out, seed),
        **{n: lambda n=n: sentences.build(data, out, n) for n in sentences.NAMES},  # type: ignore[misc]
    }
    if name not in builders:
        raise MsaError(f"Unknown corpus {name!r}. Valid corpora: {', '.join(builders)}.")
    return builders[name]()
