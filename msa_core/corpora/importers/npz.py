"""Reader of one .npz of arrays, for features of any origin.

| array | shape | meaning |
|---|---|---|
| `id` | (N,) text | unique; 'video$_$clip', 'video[3]' and 'video_3' tell the video |
| `split` | (N,) text | train, valid or test |
| `score` | (N,) | in [-3, 3]; or `label` on the data set's own scale: [-1, 1] (CH-SIMS) is multiplied by 3 |
| `text`, `audio`, `vision` | (N, D) or (N, T, D) | one vector an utterance, or frames; any may be left out |
| `text_lengths` .. | (N,) | real frames of (N, T, D); without it zeros at the end are padding |
| `speaker` or `video` | (N,) text | groups of utterances (of both the speakers); without it the video in the id |

An utterance whose vector or frames are all zero lacks that modality. Write it with `numpy.savez(path, id=.., ..)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from msa_core.corpora.corpus import SPLITS, Corpus
from msa_core.corpora.importers import findings, scales
from msa_core.corpora.importers.arrays import declared_lengths, labels, numbers, refuse_lengths, texts
from msa_core.corpora.importers.contents import (
    FeatureFile,
    Finding,
    Part,
    assemble,
    chosen,
    named,
    video,
    zero_out,
)
from msa_core.corpora.importers.padding import FRONT, ZEROS, cut, judge_lengths, nonzero, span_of_zeros, transposed
from msa_core.corpora.ragged import Ragged
from msa_core.errors import MsaError
from msa_core.features.store import DAMAGE
from msa_core.schema import MODALITIES

KIND = "npz feature file"
NEEDED = ("id", "split")
GROUPS = ("speaker", "video")
NAMES = (*NEEDED, "score", "label", *MODALITIES, *(f"{m}_lengths" for m in MODALITIES), *GROUPS)
STATEMENT = "Features as the file has them; scores are its labels times score_factor, in [-3, 3]."


def read(path: str | Path, name: str, repair: bool = False, scale: str | None = None) -> Corpus:
    """Read an .npz of the layout above as a corpus; `check.problems` lists all that would be refused.

    Args:
        name: of the corpus; its feature set is npz-<name>-<width of text>-<audio>-<vision>.
        repair: values that are not finite become 0 and are counted in the manifest.
        scale: of `label`: "mosi" or "sims"; None tells it by the range.

    Raises:
        MsaError: what `findings` calls an error.
    """
    file = load(path, repair, scale)
    findings.refuse(file)
    return assemble(file, name, "npz", STATEMENT)


def load(path: str | Path, repaired: bool = False, scale: str | None = None) -> FeatureFile:
    """Read everything usable in the file; the rest becomes findings.

    Raises:
        MsaError: it is no .npz, or has no `id` or `split` that can be read.
    """
    path = Path(path)
    file = FeatureFile(path, KIND, needs_all_splits=False)
    arrays = _arrays(path, file)
    for key in NEEDED:
        if key not in arrays:
            raise MsaError(f"{path.name} has no array {key!r}. Give id, split, score and at least one modality.")
    ids, split = texts(arrays["id"], "id"), texts(arrays["split"], "split")
    if len(split) != len(ids):
        raise MsaError(f"split has {len(split)} rows for {len(ids)} ids. Export both from the same table.")
    unknown = sorted(set(split) - set(SPLITS))
    if unknown:
        raise MsaError(f"split holds {named(unknown)}. Valid splits: {', '.join(SPLITS)}.")
    _unread(file, arrays)
    whole = _whole(file, arrays, ids, split)
    for one in SPLITS:
        rows = np.flatnonzero(np.array(split) == one)
        if len(rows):
            file.parts.append(_rows(whole, one, rows))
    if "score" in arrays and scale is None:
        scales.check_scores(file)
    else:
        scales.decide(file, scale)
    if repaired:
        zero_out(file)
    return file


def _arrays(path: Path, file: FeatureFile) -> dict[str, np.ndarray]:
    """Load the arrays in NAMES; others are noted.

    Raises:
        MsaError: the file is no .npz, or its `id` or `split` holds objects.
    """
    arrays = {}
    try:
        stored = np.load(path, allow_pickle=False)
        if not isinstance(stored, np.lib.npyio.NpzFile):
            raise MsaError(f"{path.name} is one numpy array. Save all arrays together with numpy.savez.")
        with stored:
            for key in (k for k in NAMES if k in stored.files):
                try:
                    arrays[key] = stored[key]
                except ValueError as e:
                    said = f"{key} cannot be read ({e}). Save numbers or text, e.g. numpy.array(values, dtype=str)."
                    if key in NEEDED:
                        raise MsaError(f"{path.name}: {said}") from e
                    file.findings.append(Finding("error", said))
            more = sorted(set(stored.files) - set(NAMES))
    except DAMAGE as e:
        raise MsaError(f"{path.name} cannot be read as .npz ({type(e).__name__}). Write it with numpy.savez.") from e
    if more:
        file.findings.append(Finding("note", f"Not read: {named(more)}. Names that are read: {', '.join(NAMES)}."))
    return arrays


def _unread(file: FeatureFile, arrays: Mapping[str, np.ndarray]) -> None:
    """Note arrays that are there and say nothing."""
    if "score" in arrays and "label" in arrays:
        file.findings.append(Finding("note", "label is not read beside score. Leave out the one that is not meant."))
    for modality in MODALITIES:
        key = f"{modality}_lengths"
        if key in arrays and (modality not in arrays or arrays[modality].ndim == 2):
            why = "has one vector an utterance" if modality in arrays else "is not there"
            file.findings.append(Finding("note", f"{key} is not read: {modality} {why}."))


def _whole(file: FeatureFile, arrays: Mapping[str, np.ndarray], ids: list[str], split: list[str]) -> Part:
    """Collect all utterances as one part; the first of GROUPS that is there groups them, others are compared only."""
    part = Part("", ids, None, groups=[video(name) for name in ids])
    key = next((k for k in ("score", "label") if k in arrays), None)
    if key is not None:
        part.labels = file.attempt(labels, arrays[key], key, len(ids))
    elif not any(f.level == "error" for f in file.findings):
        file.findings.append(Finding("error", "There is no array 'score' (or 'label'). Add one number per utterance."))
    grouped = False
    for group in (g for g in GROUPS if g in arrays):
        given = file.attempt(texts, arrays[group], group)
        if given is not None and len(given) != len(ids):
            file.findings.append(Finding("error", f"{group} has {len(given)} rows for {len(ids)} ids. Give one each."))
        elif given is not None and grouped:
            file.findings += findings.in_two_splits(group, zip(given, split, strict=True))
        elif given is not None:
            part.groups, file.group, grouped = given, group, True
    for modality in (m for m in MODALITIES if m in arrays):
        stream = file.attempt(_stream, file, modality, arrays, ids)
        if stream is not None:
            part.streams[modality] = stream
    return part


def _stream(file: FeatureFile, modality: str, arrays: Mapping[str, np.ndarray], ids: list[str]) -> Ragged:
    """Cut out the real frames of a modality; `file.lengths` records how they were found.

    Raises:
        MsaError: the array has another shape, or its lengths do not fit it.
    """
    values, key = numbers(arrays[modality], modality, len(ids), (2, 3)), f"{modality}_lengths"
    if values.ndim == 2:
        file.found_by(modality, "one vector an utterance")
        return cut(values[:, None], (np.zeros(len(ids), np.int64), np.ones(len(ids), np.int64)))
    used = nonzero(values)
    if transposed(values, used):
        file.remark_transposed(modality, values.shape)
    if key not in arrays:
        span, front = span_of_zeros(used)
        file.found_by(modality, FRONT if front else ZEROS)
        return cut(values, span)
    lengths = declared_lengths(arrays[key], key, len(ids), ids)
    n_frames = values.shape[1]
    refuse_lengths(lengths > n_frames, f"larger than the {n_frames} frames of the array", key, lengths, ids)
    judged = judge_lengths(used, lengths)
    if judged.beyond.any():
        who = named(chosen(ids, judged.beyond))
        raise MsaError(f"{key}: {who} go on after their length. Set to 0 what lies beyond, or correct the lengths.")
    file.found_by(modality, judged.how(key))
    return cut(values, judged.span)


def _rows(whole: Part, split: str, rows: np.ndarray) -> Part:
    """Select the utterances `rows` of a part."""
    streams = {}
    for modality, ragged in whole.streams.items():
        lengths = np.where(np.isin(np.arange(len(ragged)), rows), ragged.lengths, 0)
        kept = np.repeat(lengths > 0, ragged.lengths)
        streams[modality] = Ragged(ragged.values[kept], np.concatenate([[0], np.cumsum(lengths[rows])]))
    return Part(
        split,
        [whole.ids[r] for r in rows],
        None if whole.labels is None else whole.labels[rows],
        streams,
        groups=[whole.groups[r] for r in rows],
    )
