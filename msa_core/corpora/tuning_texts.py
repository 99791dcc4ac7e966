"""Rated sentences that the text layers are tuned on: halves of CMU-MOSI and CMU-MOSEI, MELD and EmoBank.

MELD: Poria et al. 2019, spoken lines of one TV series in three classes, given by people who saw the video. EmoBank:
Buechel and Hahn 2017, written sentences with a valence from 1 to 5. Both are for training and measuring only. MELD is
GPL-3.0, EmoBank CC BY-SA 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from msa_core.corpora.text_parts import LICENCE, Sentences, read_parts
from msa_core.corpora.texts import SPAN, clean, open_rows, tunes_layers
from msa_core.errors import MsaError
from msa_core.features.text import normalise
from msa_core.schema import SCORE_LIMIT

CORPORA = ("mosi", "mosei", "meld", "emobank")
MELD = {"train": "meld/train_sent_emo.csv", "valid": "meld/dev_sent_emo.csv"}
MELD_POINTS = {"negative": -1.5, "neutral": 0.0, "positive": 1.5}  # where a class lies on [-3, 3]
EMOBANK = "emobank/emobank_train_dev.csv"
EMOBANK_PARTS = {"train": "train", "dev": "valid"}
EMOBANK_FACTOR, EMOBANK_MIDDLE = 3.0, 3.0  # rating = factor x (V - middle): as spread as MOSI's weaker half
LICENCES = {
    "mosi, mosei": LICENCE,
    "meld": "GPL-3.0, subtitles of a TV series: for research",
    "emobank": "CC BY-SA 4.0",
}
Parts = Mapping[str, Mapping[str, Sentences]]


def mend(text: str) -> str:
    """Turn control characters that are cp1252 read as Latin-1 into what was meant: U+0092 into an apostrophe."""
    return "".join(bytes([ord(c)]).decode("cp1252", "ignore") if "\x80" <= c <= "\x9f" else c for c in text)


def read(data: Path) -> tuple[dict[str, dict[str, Sentences]], dict[str, int]]:
    """Read the four corpora by parts: "train", "valid", and "test" of MOSI and MOSEI.

    The training part of MOSI and MOSEI holds the videos that `tunes_layers` gives to tuning. A training sentence of
    three words or more is left out when its very words are held out in any corpus (also those kept for composing), or
    its video is one of MOSI's held-out ones; shorter remarks are everybody's.

    Returns:
        Parts by corpus and name, and counts: "composing" (sentences kept for composing), "held_out" (left out).

    Raises:
        MsaError: a file is missing or is not that of the corpus.
    """
    parts = {"mosi": read_parts(data, "mosi"), "mosei": read_parts(data, "mosei")}
    parts |= {"meld": _meld(data), "emobank": _emobank(data)}
    words = {t for held in parts.values() for name, part in held.items() if name != "train" for t in part.texts}
    videos = {v for name in ("valid", "test") for v in parts["mosi"][name].videos}
    counts = {"composing": 0, "held_out": 0}
    for corpus in ("mosi", "mosei"):
        train = parts[corpus]["train"]
        rows = [i for i, video in enumerate(train.videos) if tunes_layers(video)]
        words |= {train.texts[i] for i in set(range(len(train.ids))) - set(rows)}
        counts["composing"] += len(train.ids) - len(rows)
        parts[corpus]["train"] = train.take([i for i in rows if train.videos[i] not in videos])
    for corpus in CORPORA:
        train = parts[corpus]["train"]
        rows = [i for i, t in enumerate(train.texts) if t and (len(t.split()) < SPAN[0] or t not in words)]
        counts["held_out"] += len(train.ids) - len(rows)
        parts[corpus]["train"] = train.take(rows)
    return parts, counts


def _meld(data: Path) -> dict[str, Sentences]:
    """Read MELD's train and dev part; a dialogue is its video."""
    parts = {}
    for part, name in MELD.items():
        rows = open_rows(data / name, ("Utterance", "Sentiment", "Dialogue_ID", "Utterance_ID"), CORPORA)
        if unknown := {row["Sentiment"] for row in rows} - set(MELD_POINTS):
            raise MsaError(f"{name} has the sentiment {min(unknown)!r}. Known are: {', '.join(MELD_POINTS)}.")
        found = [
            (f"{part}-{row['Dialogue_ID']}-{row['Utterance_ID']}", f"{part}-{row['Dialogue_ID']}", row["Utterance"],
             MELD_POINTS[row["Sentiment"]])
            for row in rows
        ]  # fmt: skip
        parts[part] = _sentences(found)
    return parts


def _emobank(data: Path) -> dict[str, Sentences]:
    """Read EmoBank's train and dev part; a document is its video."""
    found: dict[str, list[tuple[str, str, str, float]]] = {part: [] for part in EMOBANK_PARTS.values()}
    for number, row in enumerate(open_rows(data / EMOBANK, ("id", "split", "V", "text"), CORPORA), 2):
        if not re.fullmatch(r"[1-5](\.\d+)?", row["V"]) or row["split"] not in EMOBANK_PARTS:
            raise MsaError(
                f"{EMOBANK}, line {number}: V is {row['V']!r}, split {row['split']!r}; V must be a number from 1 to 5, "
                f"split one of {', '.join(EMOBANK_PARTS)}. Use the corpus as it is published."
            )
        rating = EMOBANK_FACTOR * (float(row["V"]) - EMOBANK_MIDDLE)
        found[EMOBANK_PARTS[row["split"]]].append((row["id"], row["id"].rsplit("_", 2)[0], row["text"], rating))
    return {part: _sentences(rows) for part, rows in found.items()}


def _sentences(rows: list[tuple[str, str, str, float]]) -> Sentences:
    """Make sentences of (id, video, text, rating), cleaned and normalised; texts without words are left out."""
    texts = [normalise(clean(mend(text))) for _, _, text, _ in rows]
    kept = [i for i, text in enumerate(texts) if text]
    if not kept:
        raise MsaError("A part of MELD or EmoBank has no sentence. Use the corpora as they are published.")
    ratings = np.clip([rows[i][3] for i in kept], -SCORE_LIMIT, SCORE_LIMIT).astype(np.float32)
    return Sentences(
        tuple(rows[i][0] for i in kept), tuple(rows[i][1] for i in kept), tuple(texts[i] for i in kept), ratings
    )
