"""What people said of a clip when they only listened, only watched, or did both: votes of CREMA-D for shipped clips.

About ten people a channel named the emotion of each clip (Cao et al. 2014, IEEE Transactions on Affective Computing;
Open Database License). A vote counts `POINTS`, so that the mean vote lies on the scale of the scores. The votes stand
in `examples/votes.csv` under the content of each clip: a visitor's own file never gets anybody's votes.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from msa_core import checkpoint
from msa_core.config import shipped
from msa_core.errors import MsaError
from msa_core.schema import Votes

POINTS = {"H": 2.0, "N": 0.0, "A": -2.0, "D": -2.0, "F": -2.0, "S": -2.0}  # happy, neutral, the negative ones
EMOTIONS = {"A": "anger", "D": "disgust", "F": "fear", "H": "happiness", "N": "neutral", "S": "sadness"}
CHANNELS = {  # what the voters had -> the patterns they stand beside; who listened heard the words under each
    "voice": ("audio", "text+audio"),
    "face": ("vision",),
    "both": ("audio+vision", "text+audio+vision"),
}
FILE = shipped("examples") / "votes.csv"
COLUMNS = ("sha256", "bytes", "file", "channel", *POINTS)


def votes(counts: Mapping[str, int]) -> Votes:
    """Make the votes of one channel from the counts of each letter of EMOTIONS."""
    return Votes({EMOTIONS[k]: n for k, n in counts.items()}, {EMOTIONS[k]: POINTS[k] for k in counts})


def channel_of(pattern: str) -> str | None:
    """Name the channel whose voters stand beside a model under `pattern`; None where nobody voted on that."""
    return next((channel for channel, patterns in CHANNELS.items() if pattern in patterns), None)


def of(clip: Path) -> dict[str, Votes]:
    """Look up the votes on a file by channel; none when it is not one of the shipped clips that were voted on.

    The file is only read when it has the size of such a clip.
    """
    by_size = table(FILE)
    known = by_size.get(clip.stat().st_size, {})
    return known.get(checkpoint.sha256(clip), {}) if known else {}


@lru_cache
def table(path: Path) -> dict[int, dict[str, dict[str, Votes]]]:
    """Read the votes: bytes of the file -> its sha256 -> channel -> votes; nothing when there is no such table.

    Raises:
        MsaError: the table lacks a column or has a line of something else.
    """
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if lost := [c for c in COLUMNS if not rows or rows[0].get(c) is None]:
        raise MsaError(f"{path.name} has no column {lost[0]!r}. Restore it from the repository.")
    found: dict[int, dict[str, dict[str, Votes]]] = {}
    for number, row in enumerate(rows, start=2):
        try:
            size, counts = int(row["bytes"]), {k: int(row[k]) for k in POINTS}
        except ValueError as e:
            raise MsaError(f"{path.name}, line {number} holds no counts ({e}). Restore it from the repository.") from e
        if row["channel"] not in CHANNELS or not sum(counts.values()):
            raise MsaError(f"{path.name}, line {number} is no vote on {', '.join(CHANNELS)}. Restore it.")
        found.setdefault(size, {}).setdefault(row["sha256"], {})[row["channel"]] = votes(counts)
    return found
