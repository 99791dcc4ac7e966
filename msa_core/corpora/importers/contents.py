"""Content of a feature file, whatever its format, and the corpus made of it.

path -> FeatureFile (mmsa.py, npz.py, extracted_folder.py) -> its findings (findings.py) -> `assemble` -> Corpus
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from msa_core.checkpoint import sha256
from msa_core.corpora.corpus import SPLITS, Corpus
from msa_core.corpora.ragged import Ragged
from msa_core.errors import MsaError
from msa_core.schema import MODALITIES, STREAMS

T = TypeVar("T")
SHOWN = 3  # names in a sentence


@dataclass(frozen=True)
class Finding:
    """Remark on a file: an error is refused by every reader, a warning and a note are not."""

    level: str  # "error", "warning" or "note"
    sentence: str

    def __str__(self) -> str:
        return f"{self.level}: {self.sentence}"


class Scale(NamedTuple):
    """Scale of labels: its limit and the factor to scores in [-3, 3]."""

    name: str
    limit: float
    factor: float


MOSI, SIMS = Scale("mosi", 3.0, 1.0), Scale("sims", 1.0, 3.0)


@dataclass
class Part:
    """Utterances of one split. A stream holds the real frames of every utterance, none where it is absent."""

    split: str
    ids: list[str]
    labels: np.ndarray | None  # (N,) float64 as in the file; None when it has no usable ones
    streams: dict[str, Ragged] = field(default_factory=dict)  # float32, N entries each; a modality may lack
    ratings: dict[str, np.ndarray] = field(default_factory=dict)  # modality -> (N,) on the scale of the labels
    groups: list[str] = field(default_factory=list)  # video or speaker of every utterance; empty when unknown
    held: dict[str, np.ndarray] = field(default_factory=dict)  # modality -> (N,) bool, has values in the file
    emotions: np.ndarray | None = None  # (N, E) 1 = there, in place of the labels


@dataclass
class FeatureFile:
    """Content of one file. Readers append to `findings` what they cannot use and leave it out of `parts`."""

    path: Path
    kind: str  # in words
    parts: list[Part] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    scale: Scale = MOSI
    needs_all_splits: bool = True
    group: str = "video"  # what the groups are: "video" or "speaker"
    lengths: dict[str, str] = field(default_factory=dict)  # modality -> how its real frames were told from padding
    front: dict[str, bool] = field(default_factory=dict)  # modality -> True where its padding stands in front
    feature_set: str | None = None  # when the file names one itself
    repaired: dict[str, int] = field(default_factory=dict)  # modality -> values that were not finite and are 0 now
    emotions: tuple[str, ...] = ()  # names, when the labels are emotions
    facts: dict[str, Any] = field(default_factory=dict)  # further facts for the manifest

    def attempt(self, make: Callable[..., T], *arguments: Any) -> T | None:
        """Return make(*arguments); an MsaError becomes a finding and the result None."""
        try:
            return make(*arguments)
        except MsaError as e:
            self.findings.append(Finding("error", str(e)))
            return None

    def remark(self, level: str, sentence: str, once: str | None = None) -> None:
        """Append a finding unless it, or one that begins with `once`, is there."""
        if not any(f.sentence.startswith(once or sentence) for f in self.findings):
            self.findings.append(Finding(level, sentence))

    def remark_transposed(self, modality: str, shape: tuple[int, ...]) -> None:
        """Warn of a modality whose array (N, T, D) seems to be (N, D, T)."""
        said = f"{modality} has shape {shape} and ends in zeros along its last axis only"
        self.remark("warning", f"{said}: if the frames stand there, give it as (N, T, D).", f"{modality} has shape")

    @property
    def ids(self) -> list[str]:
        """All ids, in the order of the parts."""
        return [name for part in self.parts for name in part.ids]

    @property
    def widths(self) -> dict[str, int]:
        """Width of every modality (and of simulated text) that the file has, from the first part with it."""
        found: dict[str, int] = {}
        for part in self.parts:
            for stream, ragged in part.streams.items():
                found.setdefault(stream, ragged.values.shape[1])
        return found

    def found_by(self, modality: str, how: str) -> None:
        """Record how real frames were told from padding; another way in another split is added."""
        known = self.lengths.get(modality)
        self.lengths[modality] = how if known is None or how in known else f"{known}, or {how}"

    def lengths_of(self, stream: str) -> np.ndarray:
        """Real frames of every utterance (U,); 0 where the stream is absent."""
        none = [np.zeros(len(p.ids), np.int64) for p in self.parts]
        parts = [p.streams[stream].lengths if stream in p.streams else n for p, n in zip(self.parts, none, strict=True)]
        return np.concatenate([*parts, np.zeros(0, np.int64)])


def named(names: Sequence[str]) -> str:
    """List names in a sentence: 'a', 'b', 'c' and 4 more."""
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


def chosen(names: Sequence[str], rows: np.ndarray) -> list[str]:
    """Select the names where `rows` (N,) is True."""
    return [names[int(r)] for r in np.flatnonzero(rows)]


def video(name: str) -> str:
    """Return the video of an utterance id: the id up to '$_$', or '[', or its last '_'."""
    for mark in ("$_$", "["):
        if mark in name:
            return name.split(mark)[0]
    return name.rsplit("_", 1)[0]


def without_zero_rows(ragged: Ragged) -> Ragged:
    """Empty the entries that are zero in every frame: a modality of zeros is absent."""
    used = np.concatenate([[0], np.cumsum((ragged.values != 0).any(1))])
    kept = used[ragged.offsets[1:]] > used[ragged.offsets[:-1]]
    if (kept | (ragged.lengths == 0)).all():
        return ragged
    lengths = np.where(kept, ragged.lengths, 0)
    return Ragged(ragged.values[np.repeat(kept, ragged.lengths)], np.concatenate([[0], np.cumsum(lengths)]))


def zero_out(file: FeatureFile) -> None:
    """Set values that are not finite to 0 and count them; rows that are zero then become absent."""
    for part in file.parts:
        for stream, ragged in part.streams.items():
            bad = ~np.isfinite(ragged.values)
            if bad.any():
                file.repaired[stream] = file.repaired.get(stream, 0) + int(bad.sum())
                part.streams[stream] = without_zero_rows(
                    Ragged(np.where(bad, np.float32(0), ragged.values), ragged.offsets)
                )
    for stream, count in file.repaired.items():
        file.findings.append(Finding("note", f"{count} values of {stream} were NaN or infinite and are 0 now."))


def slug(name: str) -> str:
    """Make a name for a feature set and a folder: lower case, letters, digits and '-'."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "corpus"


def assemble(file: FeatureFile, name: str, kind: str, statement: str) -> Corpus:
    """Build the corpus of a file without errors.

    Args:
        kind: first word of the feature set's id, unless the file names its own.
        statement: for the manifest.

    Raises:
        MsaError: the corpus does not hold together.
    """
    n = len(file.ids)
    pools, index = {}, {}
    for stream in STREAMS:
        width = file.widths.get(stream, file.widths.get("text", 1) if stream == "simulated" else 1)
        pools[stream], index[stream] = _stream(file, stream, width)
    widths = "-".join(str(file.widths.get(m, 0)) for m in MODALITIES)
    labels = [p.labels for p in file.parts if p.labels is not None]
    there = [p.emotions for p in file.parts if p.emotions is not None]
    columns = {
        f"rating_{m}": np.concatenate([p.ratings[m] for p in file.parts]) * file.scale.factor
        for m in MODALITIES
        if all(m in p.ratings for p in file.parts)
    }
    groups = [g for p in file.parts for g in p.groups]
    if len(groups) == n:
        number = {g: float(k) for k, g in enumerate(dict.fromkeys(groups))}
        columns["speaker"] = np.array([number[g] for g in groups])
    return Corpus(
        name=name,
        feature_set=file.feature_set or f"{kind}-{slug(name)}-{widths}",
        ids=np.array(file.ids),
        label=(np.concatenate(there or labels) * (1 if there else file.scale.factor)).astype(np.float32),
        split=np.array([p.split for p in file.parts for _ in p.ids]),
        pools=pools,
        index=index,
        columns=columns,
        manifest=_manifest(file, statement, len(set(groups))),
    )


def _stream(file: FeatureFile, stream: str, width: int) -> tuple[Ragged, Ragged]:
    """Pack a stream: a pool with one entry per utterance that has it, and the index into it."""
    values = [p.streams[stream].values for p in file.parts if stream in p.streams]
    lengths = file.lengths_of(stream)
    present = (lengths > 0).astype(np.int64)
    pool = Ragged(
        np.concatenate([*values, np.zeros((0, width), np.float32)]),
        np.concatenate([[0], np.cumsum(lengths[lengths > 0])]).astype(np.int64),
    )
    return pool, Ragged(np.arange(present.sum()), np.concatenate([[0], np.cumsum(present)]))


def _manifest(file: FeatureFile, statement: str, n_groups: int) -> dict[str, Any]:
    """Collect source, counts and every decision that was taken."""
    scale = {"scale": file.scale.name, "score_factor": file.scale.factor}
    split = Counter({p.split: len(p.ids) for p in file.parts})
    source: dict[str, Any] = {"file": file.path.name, "format": file.kind}
    if file.path.is_file():
        source["sha256"] = sha256(file.path)
    return {
        "statement": statement,
        "source": source,
        "utterances": {s: split[s] for s in SPLITS},
        **({"emotions": list(file.emotions)} if file.emotions else scale),
        "lengths": dict(file.lengths),
        "absent": {m: int((file.lengths_of(m) == 0).sum()) for m in MODALITIES},
        "repaired": dict(file.repaired),
        f"{file.group}s": n_groups,
        "warnings": [f.sentence for f in file.findings if f.level == "warning"],
        "notes": [f.sentence for f in file.findings if f.level == "note"],
        **file.facts,
    }
