"""Rated sentences for the composite corpus: utterances of CMU-MOSI (standard split) and CMU-MOSEI (its own split).

MOSI: Zadeh et al. 2016, arXiv:1606.06259. MOSEI: Zadeh et al. 2018, ACL P18-1208. Both come from YouTube, for
research only. They share no video, and no sentence is kept in two splits.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from msa_core.corpora.corpus import SPLITS
from msa_core.errors import MsaError
from msa_core.features.text import normalise

SPAN = (3, 30)  # words in a sentence
SHORT_WORDS = 8
_ASIDES = re.compile(r"\([^)]*\)|\[[^\]]*\]|\{[^}]*\}|<[^>]*>")
_SPEAKER = re.compile(r"^[A-Z][A-Z .]+:\s*")
_DROPPED = {"um", "umm", "uh", "uhh", "uhm", "erm", "xxx"}  # fillers a transcriber leaves out
_PLAIN = (
    "dont doesnt didnt cant couldnt wouldnt shouldnt isnt wasnt arent werent hasnt havent hadnt aint wont im ive "
    "youre youve youll theyre theyve theyll weve hes shes thats theres whats lets itll wouldve couldve shouldve"
).split()


def _contraction(word: str) -> str:
    """Add the apostrophe to a contraction, which MOSI writes without: dont, youve."""
    for tail in ("nt", "ve", "re", "ll", "m", "s"):
        if word.endswith(tail):
            cut = len(word) - (1 if tail == "nt" else len(tail))
            return f"{word[:cut]}'{word[cut:]}"
    return word


CONTRACTIONS = {word: _contraction(word) for word in _PLAIN}


@dataclass(frozen=True)
class Text:
    """One utterance: its words, its human sentiment rating in [-3, 3], the video it comes from."""

    id: str
    source: str  # "mosi" or "mosei"
    video: str
    split: str
    sentence: str  # as written, for the synthesiser
    words: str  # normalised, as a transcript enters the text encoder
    rating: float

    @property
    def short(self) -> bool:
        """At most SHORT_WORDS words."""
        return len(self.words.split()) <= SHORT_WORDS


def clean(sentence: str) -> str:
    """Remove asides, speaker labels and fillers from a transcript; contractions get their apostrophe back."""
    sentence = _SPEAKER.sub("", _ASIDES.sub(" ", sentence.replace("’", "'").replace("‘", "'").replace("´", "'")))
    kept = []
    for word in sentence.split():
        plain = re.sub(r"[^a-z']", "", word.lower())
        if plain in _DROPPED or "\ufffd" in word or not re.search(r"[A-Za-z0-9]", word):
            continue
        kept.append(CONTRACTIONS.get(plain, word))
    shouted = sum(map(str.isupper, sentence)) > 0.5 * sum(map(str.isalpha, sentence))
    return " ".join(kept).lower() if shouted else " ".join(kept)


def _order(text: Text) -> tuple[bool, str]:
    """Sort key: MOSI first (every utterance is an opinion), then by a hash, the same in every run."""
    return text.source != "mosi", hashlib.sha256(text.id.encode()).hexdigest()


def tunes_layers(video: str) -> bool:
    """Tell whether the sentences of a training video of MOSI or MOSEI tune the text layers.

    The other half of the videos is for composing: a corpus must not be composed of sentences that the layers know.
    """
    return hashlib.sha256(f"text layers {video}".encode()).digest()[0] % 2 == 0


CORPORA = ("ch-sims", "mosi", "mosei", "ravdess", "urdu", "ferplus")  # what the composite corpus is made of


def open_rows(path: Path, columns: Sequence[str] = (), corpora: Sequence[str] = CORPORA) -> list[dict[str, str]]:
    """Read the rows of a (gzipped) CSV.

    Args:
        columns: what it must have.
        corpora: folders that --data must hold, named when the file is missing.

    Raises:
        MsaError: the file is missing, or has no rows or lacks a column where columns are asked for.
    """
    if not path.is_file():
        raise MsaError(f"{path} is missing. --data must hold {', '.join(corpora)}.")
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as f:
        rows = list(csv.DictReader(f))
    lost = [c for c in columns if not rows or rows[0].get(c) is None]
    if lost:
        raise MsaError(f"{path.name} has no column {lost[0]!r}. Use the corpus as it is published.")
    return rows


def _text(name: str, source: str, video: str, split: str, sentence: str, label: str) -> Text:
    """Make a Text with normalised words."""
    return Text(name, source, video, split, sentence, normalise(sentence), float(label))


def read_texts(data: Path) -> list[Text]:
    """Read every usable utterance of MOSI (standard split) and MOSEI, each sentence in one split only.

    A sentence said in two splits stays in the later of train, valid, test; inside a split the first one stays.
    """
    found: list[Text] = []
    for row in open_rows(data / "mosi" / "mosi_utterances.csv"):
        sentence = re.sub(r"\bits\b", "it's", clean(row["text"]))  # written without apostrophes, "it's" nearly always
        found.append(_text(row["id"], "mosi", row["video_id"], row["std_split"], sentence, row["label"]))
    for row in open_rows(data / "mosei" / "mosei_utterances.csv.gz"):
        name = f"{row['video_id']}_{row['clip_id']}"
        found.append(_text(name, "mosei", row["video_id"], row["mode"], clean(row["text"]), row["label"]))
    kept: dict[str, Text] = {}
    for text in sorted(found, key=lambda t: -SPLITS.index(t.split)):
        if SPAN[0] <= len(text.words.split()) <= SPAN[1]:
            kept.setdefault(text.words, text)
    return list(kept.values())


def choose_texts(texts: Iterable[Text], ratings: Sequence[float], size: int) -> list[Text]:
    """Choose at most `size` texts whose ratings are spread like `ratings`, in an order whose every prefix is.

    Half are short (8 words or fewer) as long as there are any: everyday remarks are short.
    """
    demand: dict[tuple[int, bool], float] = {}
    for rating in ratings:
        for short in (True, False):
            demand[_bin(rating), short] = demand.get((_bin(rating), short), 0.0) + 0.5
    groups: dict[tuple[int, bool], list[Text]] = {}
    for text in texts:
        groups.setdefault((_bin(text.rating), text.short), []).append(text)
    ordered: list[tuple[float, str, Text]] = []
    for group, members in groups.items():
        members.sort(key=_order)
        wanted = max(demand.get(group, 0.0), 0.02 * len(ratings))
        ordered += [((rank + 0.5) / wanted, text.id, text) for rank, text in enumerate(members)]
    return [text for _, _, text in sorted(ordered, key=lambda o: o[:2])[:size]]


def _bin(rating: float) -> int:
    """Number the bin of a rating; CH-SIMS ratings times three lie 0.6 apart."""
    return round(rating / 0.6)
