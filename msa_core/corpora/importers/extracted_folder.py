"""Reader of one's own clips: the folder that `python -m msa_core extract` writes, and a table of labels.

The table is a CSV with the columns clip (the name below CLIPS, e.g. anna/01.mp4), score (in [-3, 3]), split (train,
valid or test) and, if wanted, speaker. Every clip with features stands in it once, and the other way round.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from msa_core.corpora.corpus import SPLITS, Corpus
from msa_core.corpora.importers import findings, scales
from msa_core.corpora.importers.contents import FeatureFile, Finding, Part, assemble, named
from msa_core.corpora.ragged import Ragged
from msa_core.errors import FeatureError, MsaError
from msa_core.features import FEATURE_SETS, known, store
from msa_core.features.large import config as large
from msa_core.schema import STREAMS, Utterance
from msa_core.tables import Row, read_csv

KIND = "folder of extracted features"
COLUMNS = ("clip", "score", "split")
STATEMENT = "One's own clips, features by this program, scores from a table."


def read(features_folder: str | Path, table_csv: str | Path, name: str) -> Corpus:
    """Read extracted clips and their labels as a corpus of the clips' feature set.

    Absent modalities are counted by reason in the manifest ("absent_reasons").

    Raises:
        MsaError: a clip has no features or no row, or something else that `findings` calls an error.
    """
    file = load(features_folder, table_csv)
    findings.refuse(file)
    return assemble(file, name, "own", STATEMENT)


def load(features_folder: str | Path, table_csv: str | Path | None) -> FeatureFile:
    """Read everything usable; the rest becomes findings.

    Raises:
        MsaError: the folder has no features or the table no rows.
    """
    folder = Path(features_folder)
    file = FeatureFile(folder, KIND, needs_all_splits=False, group="speaker")
    names = [p.relative_to(folder).as_posix()[: -len(".npz")] for p in sorted(folder.rglob("*.npz"))]
    if not names:
        raise MsaError(f"There are no features in {folder.name}. Write them with 'python -m msa_core extract CLIPS'.")
    if table_csv is None:
        raise MsaError(f"{folder.name} is a folder of features. Give the table of scores too ({', '.join(COLUMNS)}).")
    rows = _rows(file, Path(table_csv))
    without = [clip for clip in rows if clip not in set(names)]
    left = [clip for clip in names if clip not in rows]
    if without:
        hint = f"Extract them, or correct the names: features are there for {named(names)}."
        file.findings.append(Finding("error", f"{len(without)} clips have no features: {named(without)}. {hint}"))
    if left:
        hint = "Add their scores, or remove their .npz."
        file.findings.append(Finding("error", f"{len(left)} clips with features have no row: {named(left)}. {hint}"))
    for split in SPLITS:
        clips = [clip for clip in names if clip in rows and rows[clip]["split"] == split]
        if clips:
            file.parts.append(_part(file, folder, split, clips, rows))
    scales.check_scores(file)
    there = large.stored(folder)
    if there is not None and there[0] == file.feature_set:
        file.facts["features"] = there[1]  # the models of a large feature set
    return file


def _rows(file: FeatureFile, path: Path) -> dict[str, Row]:
    """Read the rows of the table by clip; bad ones become findings.

    Raises:
        MsaError: the table cannot be read or lacks a column.
    """
    rows: dict[str, Row] = {}
    twice: list[str] = []
    for line, row in read_csv(path, COLUMNS):
        mistake = _mistake(row)
        if mistake:
            file.findings.append(Finding("error", f"{path.name}, line {line}: {mistake}"))
        elif row["clip"] in rows:
            twice.append(row["clip"])
        else:
            rows[row["clip"]] = row
    if twice:
        file.findings.append(
            Finding("error", f"{path.name} names {named(twice)} more than once. Keep one row of each.")
        )
    return rows


def _mistake(row: Row) -> str | None:
    """Describe the first mistake in a row of the table."""
    if not row["clip"]:
        return "no clip. Give its name, or delete the line."
    if row["split"] not in SPLITS:
        return f"split {row['split']!r}. Valid splits: {', '.join(SPLITS)}."
    if row.get("speaker") == "":
        return "no speaker. Give one in every line, or leave the column out."
    try:
        float(row["score"])
    except ValueError:
        return f"score {row['score']!r} is no number. Give one in [-3, 3]."
    return None


def _part(file: FeatureFile, folder: Path, split: str, clips: list[str], rows: dict[str, Row]) -> Part:
    """Collect the clips of a split with their streams."""
    loaded = [(clip, _utterance(file, folder, clip)) for clip in clips]
    read = [(clip, u) for clip, u in loaded if u is not None]
    groups = [rows[clip].get("speaker", "") for clip, _ in read]
    part = Part(
        split,
        [clip for clip, _ in read],
        np.array([float(rows[clip]["score"]) for clip, _ in read]),
        groups=groups if all(groups) else [],
    )
    for stream in STREAMS:
        values = [u.stream(stream).values for _, u in read]
        feature_set = known(file.feature_set) if file.feature_set else None
        width = feature_set.dims[stream] if feature_set else 1
        frames = [np.zeros((0, width), np.float32) if v is None else v.astype(np.float32) for v in values]
        offsets = np.concatenate([[0], np.cumsum([len(f) for f in frames])]).astype(np.int64)
        part.streams[stream] = Ragged(np.concatenate([*frames, np.zeros((0, width), np.float32)]), offsets)
        if stream != "simulated":
            reasons = file.facts.setdefault("absent_reasons", {}).setdefault(stream, Counter())
            reasons.update(u.stream(stream).reason for _, u in read if u.stream(stream).values is None)
    return part


def _utterance(file: FeatureFile, folder: Path, clip: str) -> Utterance | None:
    """Load the features of a clip; None and a finding unless they are of the first clip's feature set."""
    try:
        utterance = store.load(folder / f"{clip}.npz")
    except FeatureError as e:
        file.findings.append(Finding("error", str(e)))
        return None
    feature_set = known(file.feature_set or utterance.feature_set)
    if feature_set is None or utterance.feature_set != feature_set.id:
        others = ", ".join(FEATURE_SETS)
        problem = f"{clip} has features {utterance.feature_set!r}; needed are {file.feature_set or others!r}"
        file.findings.append(Finding("error", f"{problem}. Extract all clips with the same version."))
        return None
    file.feature_set = feature_set.id
    for stream, width in feature_set.dims.items():
        values = utterance.stream(stream).values
        if values is not None and (values.ndim != 2 or values.shape[1] != width or not len(values)):
            problem = f"{stream} of {clip} has shape {values.shape}; {feature_set.id} has (T >= 1, {width})"
            file.findings.append(Finding("error", f"{problem}. Extract the clip again."))
            return None
    return utterance
