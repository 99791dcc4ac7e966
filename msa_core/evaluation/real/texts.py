"""Written sentences of other people than reviewers: the dev parts of MELD (spoken lines) and EmoBank (prose).

MELD: Poria et al. 2019 (declare-lab/MELD, GPL-3.0). EmoBank: Buechel and Hahn 2017 (JULIELab/EmoBank, CC BY-SA 4.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msa_core.corpora.texts import open_rows
from msa_core.corpora.tuning_texts import mend
from msa_core.errors import MsaError
from msa_core.features.text import normalise

MELD = {"train": "meld/train_sent_emo.csv", "dev": "meld/dev_sent_emo.csv"}
EMOBANK = "emobank/emobank_train_dev.csv"
MELD_POINTS = 1.5  # a positive line is put here, a negative one at minus this
MELD_LABELS = {"negative": -MELD_POINTS, "neutral": 0.0, "positive": MELD_POINTS}
EMOBANK_FACTOR, EMOBANK_MIDDLE = 3.0, 3.0  # label = factor x (V - middle)
EMOBANK_NEUTRAL = 0.2  # a sentence is neutral when V is nearer to the middle than this


@dataclass(frozen=True)
class RatedTexts:
    """Texts with labels (N,) in [-3, 3], `neutral` (N,) bool, the cluster that each belongs to (N,).

    constant: median label of the corpus' training part, the best constant for the MAE. without_words: how many texts
    were left out because they hold no letter or digit.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    labels: np.ndarray
    neutral: np.ndarray
    clusters: np.ndarray
    constant: float
    without_words: int


def meld(data: Path) -> RatedTexts:
    """Read the dev part of MELD; lines of one dialogue belong together.

    Raises:
        MsaError: a file is not that of the corpus.
    """
    parts = {part: open_rows(data / name, ("Sentiment", "Utterance", "Dialogue_ID")) for part, name in MELD.items()}
    labels = {part: np.array([_sentiment(row, MELD[part]) for row in rows]) for part, rows in parts.items()}
    rows = parts["dev"]
    ids = [f"meld-{row['Dialogue_ID']}-{i}" for i, row in enumerate(rows)]
    clusters = np.array([row["Dialogue_ID"] for row in rows])
    texts = [mend(row["Utterance"]) for row in rows]
    return _kept(ids, texts, labels["dev"], labels["dev"] == 0, clusters, float(np.median(labels["train"])))


def emobank(data: Path) -> RatedTexts:
    """Read the dev part of EmoBank; every sentence stands alone.

    Raises:
        MsaError: the file is not that of the corpus.
    """
    rows = open_rows(data / EMOBANK, ("split", "V", "text", "id"))
    try:
        valence = np.array([float(row["V"]) for row in rows])
    except ValueError as e:
        raise MsaError(f"{EMOBANK} has a V that is no number ({e}). Use the corpus as it is published.") from e
    labels = EMOBANK_FACTOR * (valence - EMOBANK_MIDDLE)
    dev = np.array([row["split"] == "dev" for row in rows])
    if not dev.any() or dev.all():
        raise MsaError(f"{EMOBANK} has {dev.sum()} of {len(dev)} rows in the split 'dev'. Give train and dev in one.")
    held = [row for row, inside in zip(rows, dev, strict=True) if inside]
    ids = [row["id"] for row in held]
    neutral = np.abs(valence[dev] - EMOBANK_MIDDLE) < EMOBANK_NEUTRAL
    constant = float(np.median(labels[~dev]))
    return _kept(ids, [mend(row["text"]) for row in held], labels[dev], neutral, np.array(ids), constant)


def _sentiment(row: Mapping[str, str], name: str) -> float:
    """Put a class of MELD on the scale. Raises: MsaError."""
    if row["Sentiment"] not in MELD_LABELS:
        raise MsaError(f"{name} has the sentiment {row['Sentiment']!r}. Known are: {', '.join(MELD_LABELS)}.")
    return MELD_LABELS[row["Sentiment"]]


def _kept(
    ids: list[str], texts: list[str], labels: np.ndarray, neutral: np.ndarray, clusters: np.ndarray, constant: float
) -> RatedTexts:
    """Leave out the texts without words."""
    keep = np.array([bool(normalise(text)) for text in texts])
    where = np.flatnonzero(keep)
    return RatedTexts(
        tuple(ids[i] for i in where), tuple(texts[i] for i in where), labels[keep], neutral[keep], clusters[keep],
        constant, int((~keep).sum()),
    )  # fmt: skip
