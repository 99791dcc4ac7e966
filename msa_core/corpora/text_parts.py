"""Rated sentences of CMU-MOSI and CMU-MOSEI by their standard splits, for text alone.

MOSI: Zadeh et al. 2016, arXiv:1606.06259, 1,284 / 229 / 686 utterances. MOSEI: Zadeh et al. 2018, ACL P18-1208,
16,274 / 1,861 / 4,653. Every utterance counts, whatever its length. Sentences pass the cleaning of `texts.py`, so
that a corpus and a transcript look the same.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msa_core.corpora.texts import SPLITS, clean, open_rows
from msa_core.errors import MsaError
from msa_core.features.text import normalise
from msa_core.schema import SCORE_LIMIT

FILES = {"mosi": "mosi/mosi_utterances.csv", "mosei": "mosei/mosei_utterances.csv.gz"}
SPLIT_COLUMN = {"mosi": "std_split", "mosei": "mode"}
LICENCE = "research only: CMU-MOSI and CMU-MOSEI are made from YouTube videos"


@dataclass(frozen=True)
class Sentences:
    """Utterances of one part: names, videos, normalised texts, ratings (N,) float32 in [-3, 3]."""

    ids: tuple[str, ...]
    videos: tuple[str, ...]
    texts: tuple[str, ...]
    ratings: np.ndarray

    def take(self, rows: Sequence[int]) -> Sentences:
        """Select rows."""
        ids, videos, texts = (tuple(v[i] for i in rows) for v in (self.ids, self.videos, self.texts))
        return Sentences(ids, videos, texts, self.ratings[np.array(rows, int)])


@dataclass(frozen=True)
class Benchmark:
    """A corpus with its standard parts, MOSEI sentences that only train beside MOSI, and counts for the manifest."""

    corpus: str
    parts: Mapping[str, Sentences]
    extra: Sentences | None
    facts: Mapping[str, Any]

    @property
    def seen(self) -> np.ndarray:
        """Test utterances (N_test,) bool whose very words are also in training."""
        known = {*self.parts["train"].texts, *(self.extra.texts if self.extra else ())}
        return np.array([t in known for t in self.parts["test"].texts])


def read_parts(data: Path, corpus: str) -> dict[str, Sentences]:
    """Read every utterance of the standard train, valid and test part of "mosi" or "mosei".

    Raises:
        MsaError: an unknown corpus, a missing file or value, a rating outside [-3, 3], an unknown or empty part, a
            video in two parts.
    """
    if corpus not in FILES:
        raise MsaError(f"Unknown corpus {corpus!r}. Valid corpora: {', '.join(FILES)}.")
    path, found = Path(data) / FILES[corpus], {split: [] for split in SPLITS}  # type: ignore[var-annotated]
    for number, row in enumerate(open_rows(path), 2):
        split, utterance = _utterance(row, corpus, f"{path.name}, line {number}")
        found[split].append(utterance)
    parts = {}
    for split, rows in found.items():
        if not rows:
            raise MsaError(f"{path.name} has no utterance of the {split} part. Restore the file.")
        ids, videos, texts, ratings = zip(*rows, strict=True)
        parts[split] = Sentences(ids, videos, texts, np.array(ratings, np.float32))
    for a, b in (("train", "valid"), ("train", "test"), ("valid", "test")):
        if both := set(parts[a].videos) & set(parts[b].videos):
            raise MsaError(f"{path.name}: video {min(both)!r} is in {a} and in {b}. Restore the file.")
    return parts


def _utterance(row: Mapping[str, str], corpus: str, where: str) -> tuple[str, tuple[str, str, str, float]]:
    """Parse a row into its part and (name, video, normalised text, rating)."""
    column = SPLIT_COLUMN[corpus]
    lacking = [
        c for c in ("id" if corpus == "mosi" else "clip_id", "video_id", "text", "label", column) if not row.get(c)
    ]
    if lacking:
        raise MsaError(f"{where} has no {lacking[0]}. Restore the file.")
    if row[column] not in SPLITS:
        raise MsaError(f"{where}: {column} is {row[column]!r}; it must be one of {', '.join(SPLITS)}.")
    try:
        rating = float(row["label"])
    except ValueError:
        rating = math.nan
    if not abs(rating) <= SCORE_LIMIT:
        raise MsaError(f"{where}: the rating is {row['label']!r}; it must be a number from -3 to 3. Restore the file.")
    sentence, name = clean(row["text"]), row.get("id") or f"{row['video_id']}_{row['clip_id']}"
    if corpus == "mosi":  # written without apostrophes, and "its" is nearly always "it's"
        sentence = re.sub(r"\bits\b", "it's", sentence)
    return row[column], (name, row["video_id"], normalise(sentence), rating)


def read(data: Path, corpus: str, n_mosei: int = 0) -> Benchmark:
    """Read a corpus by its standard parts; for MOSI also up to `n_mosei` training sentences of MOSEI.

    Of MOSEI, a video or a sentence that is in MOSI's valid or test part is left out. Its sentences are taken in one
    order that depends on nothing but their names, so a larger number contains a smaller one.
    """
    facts: dict[str, Any] = {}
    parts, extra = read_parts(data, corpus), None
    if corpus == "mosi" and n_mosei:
        mosei, held_out = read_parts(data, "mosei")["train"], (parts["valid"], parts["test"])
        videos, texts = {v for p in held_out for v in p.videos}, {t for p in held_out for t in p.texts}
        rows = [i for i, v in enumerate(mosei.videos) if v not in videos]
        kept = [i for i in rows if mosei.texts[i] not in texts]
        facts |= {"mosei_same_video": len(mosei.ids) - len(rows), "mosei_same_sentence": len(rows) - len(kept)}
        kept.sort(key=lambda i: hashlib.sha256(mosei.ids[i].encode()).digest())
        extra = mosei.take(kept[:n_mosei])
        facts["n_mosei"] = len(extra.ids)
    benchmark = Benchmark(corpus, parts, extra, facts)
    facts |= {"n": {split: len(part.ids) for split, part in parts.items()}, "test_seen": int(benchmark.seen.sum())}
    facts |= {"corpus": f"CMU-{corpus.upper()}, standard split", "licence": LICENCE}
    return benchmark
