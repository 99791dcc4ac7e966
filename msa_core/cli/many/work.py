"""The work on one clip of many: it is extracted to a file or scored, and its row tells what came of it.

Models and torch are imported by the process that does the work, when it loads them.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from msa_core import media
from msa_core.config import MediaLimits
from msa_core.errors import FeatureError, MediaError, MsaError, fault
from msa_core.features import TUNED, FeatureSet
from msa_core.schema import MODALITIES, Utterance

Row = dict[str, Any]
Work = Callable[[Path], Row]  # a clip -> its columns; an exception is the reason of a clip that cannot be read

JOURNAL = ".rows.jsonl"  # of a run, in place of the suffix of its table
COMMON = {"clip": "text", "reason": "text", "size_bytes": "whole", "modified_ns": "whole", "seconds": "number"}
COMMON |= {"worker": "text", "finished_s": "number"}  # host and process; seconds since 1970
SEEN = {"duration_s": "number", "transcript": "text"} | {f"{m}_absent": "text" for m in MODALITIES}
SCORES = ("complete_model_full", "complete_model_left", "missing_model_full", "missing_model_left")
EXTRACTED = {**SEEN, "features_bytes": "whole"}
FEATURES = ".npz"  # after the name of a clip, the file of its features
ASIDE = ".aside"  # after the name of features that no clip stands for any more
INTERVAL = ("low", "high", "level")
READING = ("blur", "noise_db", "spoken", "any_language", "whisper")  # settings of how a clip is read


class Stopped(MsaError):
    """The end of a whole run: nothing can be written, or the models cannot be loaded."""


class Task(Protocol):
    """What is done with every clip; it travels to the processes that do it."""

    @property
    def columns(self) -> Mapping[str, str]:
        """Names of the columns beside COMMON, each "text", "number" or "whole"."""

    @property
    def settings(self) -> Row:
        """All that a row depends on beside its clip, in plain values."""

    def clips(self, source: Path) -> list[Path]:
        """List the clips of a folder. Raises: MediaError when there is none."""

    def left_bytes(self, name: str) -> int | None:
        """Return the size of the file that a finished clip left, column "features_bytes"; None without one."""

    def left(self) -> list[str]:
        """List the names of clips of which files are left, of any run."""

    def set_aside(self, name: str) -> bool | None:
        """Rename the file that is left of a clip, so that nothing reads it.

        Returns: whether it was; False for a file that the task did not write, None where there is none.
        """

    def load(self) -> Work:
        """Load the models in the process that does the work. Raises: MsaError."""


@dataclass(frozen=True)
class Extraction:
    """Features of a clip, written to `out`/<its name relative to `source`>.npz."""

    source: Path
    out: Path
    limits: MediaLimits = field(default_factory=MediaLimits.command_line)
    device: str | None = None
    any_language: bool = False
    whisper: str = "tiny.en"
    feature_set: FeatureSet = TUNED

    @property
    def columns(self) -> dict[str, str]:
        """What was read, and the size of the features."""
        return EXTRACTED

    @property
    def settings(self) -> Row:
        """The extractors and how they read."""
        from msa_core.features import store

        features = [self.feature_set.id, *store.extractors(self.feature_set)]
        return {"command": "extract", "features": features, "any_language": self.any_language}

    def clips(self, source: Path) -> list[Path]:
        """List the clips of a folder. Raises: MediaError when there is none."""
        return media.files(source)

    def left_bytes(self, name: str) -> int | None:
        """Return the size of the features; None when they are not there."""
        target = self.target(name)
        return target.stat().st_size if target.is_file() else None

    def left(self) -> list[str]:
        """List the clips of all features in the folder but those of other runs in folders below it."""
        journals = (file for file in self.out.rglob(f"*{JOURNAL}") if _command(file) == "extract")
        nested = {file.parent for file in journals} - {self.out}
        found = (file for file in self.out.rglob(f"[!.]*{FEATURES}") if nested.isdisjoint(file.parents))
        return sorted(file.relative_to(self.out).as_posix().removesuffix(FEATURES) for file in found)

    def of_other_clips(self) -> list[str]:
        """List the clips of the features that are there, where none of them is in the source: it was another folder."""
        from msa_core.features import store

        found = [name for name in self.left() if store.stored_key(self.target(name))]
        if not found or not self.source.is_dir():
            return []
        names = {clip.relative_to(self.source).as_posix() for clip in self.clips(self.source)}
        return [] if names & {*found} else found

    def set_aside(self, name: str) -> bool | None:
        """Rename the features of a clip, which come back with it. Raises: MsaError when they cannot be renamed."""
        from msa_core.features import store

        target = self.target(name)
        if not target.is_file():
            return None
        if not store.stored_key(target):
            return False
        try:
            os.replace(target, _aside(target))
        except OSError as e:
            raise MsaError(f"Cannot rename {target} ({e.strerror}). Give a folder you may write to.") from e
        return True

    def target(self, name: str) -> Path:
        """Return the file of a clip's features."""
        return self.out / f"{name}{FEATURES}"

    def load(self) -> Work:
        """Load the extractors when the first clip needs them."""
        from msa_core.extract import Extractor
        from msa_core.features.weights import Once

        return partial(self._work, Once(lambda: Extractor.load(self.device, self.whisper)))

    def _work(self, extractor: Callable[[], Any], clip: Path) -> Row:
        """Extract one clip, unless its features of the same content by the same extractors are there."""
        from msa_core.features import store

        target = self.target(clip.relative_to(self.source).as_posix())
        key = store.key(clip, self.any_language, self.feature_set)
        read: Utterance
        if not target.exists() and store.stored_key(_aside(target)) == key:
            os.replace(_aside(target), target)
        if store.stored_key(target) == key:
            read = store.load(target)
        else:
            loaded = _loaded(extractor)
            read = loaded.utterance(clip, self.limits, any_language=self.any_language)
            try:
                store.save(read, target, key)
            except FeatureError as e:
                raise Stopped(str(e)) from e
        return {**_seen(read), "features_bytes": target.stat().st_size}


@dataclass(frozen=True)
class Analysis:
    """Scores of a clip, or of the features that `extract` wrote of it, under one set of switches."""

    method: str = "sdumc"
    dropped: Collection[str] = ()
    text_source: str = "transcript"
    frame_missing_rate: Mapping[str, float] = field(default_factory=dict)
    blur: float = 0.0
    noise_db: float | None = None
    spoken: str = "en"
    any_language: bool = False
    limits: MediaLimits = field(default_factory=MediaLimits.command_line)
    device: str | None = None
    features: Path | None = None  # settings of the large feature set that the method reads, where they lie elsewhere
    complete: str | None = None  # the complete model, if not that of the method
    dtype: str | None = None  # of large models
    whisper: str = "tiny.en"
    checkpoint: str = ""  # what stands in the manifest of the method, so that rows of two trainings never mix

    @property
    def columns(self) -> dict[str, str]:
        """What was read, and what a prediction says."""
        numbers = [
            *SCORES,
            *(f"interval_{end}" for end in INTERVAL),
            *(f"contribution_{m}" for m in ("base", *MODALITIES)),
        ]
        return {**SEEN, **dict.fromkeys(numbers, "number"), "notes": "text"}

    @property
    def settings(self) -> Row:
        """The switches, the checkpoint and the extractors."""
        names = "method dropped text_source frame_missing_rate blur noise_db spoken any_language".split()
        own = {name: getattr(self, name) for name in [*names, "complete", "dtype", "whisper", "checkpoint"]}
        own |= {"dropped": sorted(self.dropped), "frame_missing_rate": dict(self.frame_missing_rate)}
        from msa_core.features import store

        return {"command": "analyse", "features": [TUNED.id, *store.extractors(TUNED)], **own}

    def clips(self, source: Path) -> list[Path]:
        """List the clips of a folder, or where there is none the features that `extract` wrote.

        Raises:
            MediaError: there is neither.
            MsaError: there are features, and settings of how a clip is read.
        """
        try:
            return media.files(source)
        except MediaError:
            features = sorted(source.rglob(f"*{FEATURES}"))
            if not features:
                raise
        self._need_no_reading(source)
        return features

    def _need_no_reading(self, source: Path) -> None:
        """Refuse settings of how a clip is read for features that were read already. Raises: MsaError."""
        for name in READING:
            value, option = getattr(self, name), f"--{name.removesuffix('_db').replace('_', '-')}"
            if value != getattr(Analysis, name):
                given = option if value is True else f"{option} {value}"
                raise MsaError(
                    f"{given} changes how a clip is read, and {source.name} holds features that were read already. "
                    "Leave it out, or give the folder of the clips."
                )

    def left_bytes(self, name: str) -> int | None:
        """Return None: a row is all there is."""
        return None

    def left(self) -> list[str]:
        """Return none: a row is all there is."""
        return []

    def set_aside(self, name: str) -> None:
        """Do nothing: a row is all there is."""

    def load(self) -> Work:
        """Load the extractors and the models of the method."""
        from msa_core.predict import Analyser

        return partial(
            self._work, Analyser.load(self.device, self.method, self.features, self.complete, self.dtype, self.whisper)
        )

    def _work(self, analyser: Any, clip: Path) -> Row:
        """Score one clip."""
        from msa_core.degrade import Degradation
        from msa_core.features import store

        if clip.suffix == FEATURES:
            read = store.load(clip)
        else:
            how = {"degradation": Degradation(self.blur, self.noise_db), "spoken": self.spoken}
            read = analyser.extract(clip, self.limits, **how, any_language=self.any_language)
        found = analyser.predict(read, self.method, self.dropped, self.text_source, self.frame_missing_rate)
        row = _seen(read) | {f"{m}_absent": found.modalities[m]["reason"] for m in MODALITIES}
        row |= {name: found.scores[name] for name in SCORES}
        row |= {f"interval_{end}": found.interval and found.interval[end] for end in INTERVAL}
        row |= {f"contribution_{m}": found.contributions.get(m) for m in ("base", *MODALITIES)}
        return row | {"notes": " ".join(found.notes)}


def answered(work: Work, source: Path, name: str) -> Row:
    """Do the work on one clip; whatever fails with it is the reason in its row.

    Args:
        work: what a task loaded.
        source: the folder of the clips.
        name: of the clip, relative to `source`.

    Raises:
        Stopped: the run cannot go on.
    """
    start, clip = time.perf_counter(), source / name
    row: Row = {"clip": name, "reason": None, "worker": f"{platform.node()}:{os.getpid()}", **stamp(clip)}
    try:
        row |= work(clip)
    except Stopped:
        raise
    except OSError as e:
        row["reason"] = f"{name} cannot be read ({e.strerror or type(e).__name__})."
    except Exception as e:
        row["reason"] = fault(e)
    return row | {"seconds": time.perf_counter() - start, "finished_s": time.time()}


def clip_of(name: str) -> str:
    """Name the clip that a file of a run is of: the clip itself, or its features."""
    return name.removesuffix(FEATURES)


def unanswered(source: Path, name: str, why: str) -> Row:
    """Make the row of a clip that ended the processes that worked on it."""
    reason = f"the process that worked on it ended, twice ({why})"
    return {"clip": name, "reason": reason, **stamp(source / name), "finished_s": time.time()}


def stamp(clip: Path) -> dict[str, int | None]:
    """Read size in bytes and time of the last change in ns of a file; None for both when it cannot be read."""
    try:
        known = clip.stat()
    except OSError:
        return {"size_bytes": None, "modified_ns": None}
    return {"size_bytes": known.st_size, "modified_ns": known.st_mtime_ns}


def _aside(features: Path) -> Path:
    return features.with_name(features.name + ASIDE)


def _command(journal: Path) -> str | None:
    """Return the command whose rows a journal holds; None when it cannot be read."""
    try:
        with open(journal, "rb") as file:
            return json.loads(file.readline())["settings"]["command"]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _loaded(extractor: Callable[[], Any]) -> Any:
    """Load the extractors; what is wrong with them is wrong with every clip. Raises: Stopped."""
    try:
        return extractor()
    except MsaError as e:
        raise Stopped(str(e)) from e


def _seen(read: Utterance) -> Row:
    """Return the columns of SEEN of an utterance."""
    absent = {f"{m}_absent": read.stream(m).reason for m in MODALITIES}
    return {"duration_s": read.duration_s, "transcript": read.transcript, **absent}
