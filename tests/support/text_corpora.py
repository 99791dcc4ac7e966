"""Small corpora of rated sentences, as files of CMU-MOSI and CMU-MOSEI."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np

from msa_core.corpora import text_parts

GOOD, BAD = ("love", "great", "happy", "fun"), ("hate", "awful", "sad", "boring")
THINGS = ("film", "story", "music", "ending", "cast")


def sentences() -> list[tuple[str, float]]:
    """Forty rated sentences."""
    words = [(w, 2.0) for w in GOOD] + [(w, -2.0) for w in BAD]
    return [(f"{w} the {thing}", r + 0.1 * k) for w, r in words for k, thing in enumerate(THINGS)]


def write_corpora(data: Path, **changed: str) -> Path:
    """MOSI of 24 + 8 + 8 and MOSEI of 24 + 8 + 8 utterances; `changed` replaces values of MOSI's first row."""
    parts = ["train"] * 24 + ["valid"] * 8 + ["test"] * 8
    order = np.random.default_rng(0).permutation(40)
    rated = [sentences()[i] for i in order]
    for corpus, column in (("mosi", "std_split"), ("mosei", "mode")):
        rows = []
        for k, ((text, rating), part) in enumerate(zip(rated, parts, strict=True)):
            said = text if corpus == "mosi" else f"Really, {text}!"
            row = {"id": f"m{k}", "video_id": f"{corpus}-{part}-{k // 4}", "clip_id": str(k), "text": said}
            rows.append({**row, "label": str(rating), column: part})
        if corpus == "mosi":
            rows[0] |= changed
        else:
            rows[0] |= {"video_id": "mosi-test-8"}  # a video of MOSI's test part
            rows[1] |= {"text": rated[-1][0].upper()}  # a sentence of MOSI's test part
            rows[-1] |= {"text": rows[2]["text"]}  # a test sentence that MOSEI's own training part has too
        path = data / text_parts.FILES[corpus]
        path.parent.mkdir(parents=True, exist_ok=True)
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "wt", encoding="utf-8", newline="") as f:
            table = csv.DictWriter(f, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    return data
