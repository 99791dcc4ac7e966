"""Clips with labels by people: CREMA-D with its votes, GRID's neutral sentences, and any folder with a labels.csv."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import numpy as np

from msa_core.errors import MsaError, shortened
from msa_core.media import SUFFIXES
from msa_core.missing import PATTERNS
from msa_core.people import CHANNELS, POINTS
from msa_core.schema import SCORE_LIMIT
from msa_core.tables import names_file, read_csv

LABELS = "labels.csv"
SHOWN = 100  # characters of a name in a message
VOTES = "cremad_votes/votes.csv"


@dataclass(frozen=True)
class LabelledClip:
    """A clip with a label in [-3, 3] for every pattern that is judged.

    name: unique in its set.
    one_person: by pattern, the mean distance of a single vote from the mean of the others; empty without votes.
    spread: standard deviations of the votes, one a channel.
    """

    path: Path
    name: str
    labels: Mapping[str, float]
    one_person: Mapping[str, float] = field(default_factory=dict)
    spread: tuple[float, ...] = ()


def cremad(data: Path, media: Path) -> list[LabelledClip]:
    """List the clips in MEDIA/cremad that were voted on, with the mean vote of each channel.

    Raises:
        MsaError: the votes lack a column.
    """
    with (data / VOTES).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if lost := [c for c in ("fileName", "channel", *POINTS) if not rows or rows[0].get(c) is None]:
        raise MsaError(f"{VOTES} has no column {lost[0]!r}. Use the table as it is published.")
    votes: dict[str, dict[str, np.ndarray]] = {}
    for row in rows:
        counts = [int(row[name]) for name in POINTS]
        given = np.repeat(list(POINTS.values()), counts)
        votes.setdefault(row["fileName"], {})[row["channel"]] = given
    found = [path for path in _files(media / "cremad") if path.stem in votes]
    names = _names(found, media / "cremad")
    return [_voted(path, name, votes[path.stem]) for path, name in zip(found, names, strict=True)]


def _voted(path: Path, name: str, votes: Mapping[str, np.ndarray]) -> LabelledClip:
    """Make a clip of its votes (n,) by channel."""
    labels: dict[str, float] = {}
    one_person: dict[str, float] = {}
    spread = []
    for channel, patterns in CHANNELS.items():
        given = votes.get(channel, np.zeros(0))
        if len(given) < 2:
            continue
        others = (given.sum() - given) / (len(given) - 1)
        labels |= dict.fromkeys(patterns, float(given.mean()))
        one_person |= dict.fromkeys(patterns, float(np.abs(given - others).mean()))
        spread.append(float(given.std(ddof=1)))
    return LabelledClip(path, name, labels, one_person, tuple(spread))


def grid(media: Path) -> list[LabelledClip]:
    """List the clips of GRID below MEDIA: commands without a feeling, such as "bin blue at f two now"."""
    neutral = dict.fromkeys(PATTERNS, 0.0)
    found = [path for path in _files(media) if path.name.startswith("grid_")]
    return [LabelledClip(path, name, neutral) for path, name in zip(found, _names(found, media), strict=True)]


def labelled(folder: Path) -> list[LabelledClip]:
    """Read a folder of clips with a table `labels.csv`: columns file and label, labels in [-3, 3].

    A clip is called as the table writes its path below the folder.

    Raises:
        MsaError: the table is missing or empty, or a line of it is wrong; the message names the line.
    """
    table = folder / LABELS
    if not table.is_file():
        way = "Write one line a clip: file,label with a label from -3 to 3"
        raise MsaError(f"The folder {folder.name} has no {LABELS}. {way}.")
    found: dict[Path, LabelledClip] = {}
    for number, row in read_csv(table, ("file", "label"), f"{LABELS} of {folder.name}"):
        path, label = _line(folder, number, row["file"], row["label"])
        if path in found:
            raise MsaError(
                f"{LABELS} of {folder.name}, line {number}: {row['file']} has a label already. Keep one line."
            )
        found[path] = LabelledClip(path, PurePath(row["file"]).as_posix(), dict.fromkeys(PATTERNS, label))
    return list(found.values())


def _line(folder: Path, number: int, name: str, text: str) -> tuple[Path, float]:
    """Check a line of a table of labels. Raises: MsaError naming it."""
    where, path = f"{LABELS} of {folder.name}, line {number}", folder / name
    if not name or not names_file(path):
        seen = shortened(name, SHOWN)
        raise MsaError(f"{where}: there is no file {seen!r} in the folder. Correct the name, or add the clip.")
    try:
        label = float(text)
    except ValueError:
        label = math.nan
    if not math.isfinite(label):
        raise MsaError(f"{where}: the label {text!r} is no number. Give one from -3 to 3.")
    if abs(label) > SCORE_LIMIT:
        raise MsaError(f"{where}: the label {text.strip()} is outside the scale. Give one from -3 to 3.")
    return path.resolve(), label


def _files(folder: Path) -> Sequence[Path]:
    """List the media files below a folder, sorted."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())


def _names(paths: Sequence[Path], folder: Path) -> list[str]:
    """Name files below a folder: the bare name, or the path below the folder where another file has the name too."""
    times = Counter(path.name for path in paths)
    return [path.name if times[path.name] == 1 else path.relative_to(folder).as_posix() for path in paths]
