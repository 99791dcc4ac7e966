"""Declared lengths and masks of a whole file, compared with its arrays; what does not fit is said.

The splits of a file come from one program, so lengths that fit no better than by chance in one split are judged by all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from msa_core.corpora.importers import layouts
from msa_core.corpora.importers.arrays import declared_lengths, numbers, texts
from msa_core.corpora.importers.contents import FeatureFile, Finding, chosen, named
from msa_core.corpora.importers.padding import BY_ZEROS, Declared, judge_lengths, mostly_padded, nonzero
from msa_core.errors import MsaError
from msa_core.schema import MODALITIES


class Lengths(NamedTuple):
    """Lengths of a modality in a split, with what tells whether they are right."""

    ids: list[str]
    used: np.ndarray  # (N, T) frames that are not zero; beyond a length only finite ones
    values: np.ndarray  # (N,)
    judged: Declared


def judge_file(
    file: FeatureFile, splits: Mapping[str, Mapping[str, Any]], modality: str, forced: bool
) -> dict[str, Lengths]:
    """Judge the lengths of a modality in every split that has usable ones; what is doubtful becomes a finding.

    Args:
        splits: split -> arrays by name.
        forced: believe them in any case.
    """
    found: dict[str, Lengths] = {}
    for split, rows in splits.items():
        try:
            one = _lengths(rows, split, modality, forced)
        except MsaError:  # said when the split is read
            continue
        if one is not None:
            found[split] = one
    # one judgement for the splits whose arrays have the same length
    for n_frames in dict.fromkeys(one.used.shape[1] for one in found.values()):
        alike = {s: one for s, one in found.items() if one.used.shape[1] == n_frames}
        used, lengths = (np.concatenate([one[k] for one in alike.values()]) for k in (1, 2))
        whole = judge_lengths(used, lengths, forced=forced)
        ids = [name for one in alike.values() for name in one.ids]
        _doubt(file, f"{modality}_lengths", Lengths(ids, used, lengths, whole))
        at = 0
        for split, one in alike.items():
            to = at + len(one.ids)
            if whole.reason or one.judged.reason or one.judged.beyond.any():
                found[split] = one._replace(judged=_rows(whole, slice(at, to)))
            at = to
            if not whole.reason:
                _misfits(file, f"{modality}_lengths of {split}", found[split])
    return found


def told_by_zeros(file: FeatureFile, splits: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Find modalities whose padding zeros tell, because the text of a file seems to have frames throughout.

    Every mask of text_bert is 1 throughout, or without text_bert no text begins or ends with zeros, and yet most
    utterances of the modality do, whose arrays are as long. Where the text does itself, it tells the frames of the
    others.
    """
    ends: dict[str, list[np.ndarray]] = {m: [] for m in MODALITIES}
    for split, rows in splits.items():
        try:
            arrays = {m: numbers(rows[m], m, len(rows[m]), (3,)) for m in MODALITIES if rows.get(m) is not None}
            if rows.get("text_bert") is not None:
                given = rows["text_bert"]
                mask = layouts.pieces(file, given, f"text_bert of {split}", len(given))[:, 1] == 1
            else:
                mask = nonzero(arrays["text"])[:, [0, -1]]
        except (MsaError, KeyError, TypeError):  # said when the split is read
            return frozenset()
        if not mask.all():
            return frozenset()
        length = arrays["text"].shape[1] if rows.get("text_bert") is None else mask.shape[1]
        for modality, values in arrays.items():
            if values.shape[1] == length:
                used = nonzero(values)
                ends[modality].append(np.stack([used[:, 0], used.any(1), used[:, -1]], 1))
    found = {m for m, used in ends.items() if used and mostly_padded(np.concatenate(used))}
    return frozenset(found & {"text"} or found)


def _lengths(rows: Mapping[str, Any], split: str, modality: str, forced: bool) -> Lengths | None:
    """Judge the lengths of a modality in one split by itself; None without any.

    Raises:
        MsaError: the array or the lengths cannot be used.
    """
    key = f"{modality}_lengths"
    if any(rows.get(k) is None for k in (modality, key, "id")):
        return None
    ids = texts(rows["id"], "id")
    values = numbers(rows[modality], modality, len(ids), (3,))
    lengths, used = declared_lengths(rows[key], key, len(ids), ids), nonzero(values)
    judged = judge_lengths(used, lengths, forced=forced)
    if judged.beyond.any():  # frames that are not finite are no evidence against lengths
        used[judged.beyond] &= np.isfinite(values[judged.beyond]).any(2)
        judged = judge_lengths(used, lengths, forced=forced)
    return Lengths(ids, used, lengths, judged)


def _rows(whole: Declared, rows: slice) -> Declared:
    """Select utterances of a judgement."""
    span = whole.span[0][rows], whole.span[1][rows]
    return whole._replace(span=span, beyond=whole.beyond[rows], kept=whole.kept[rows], hidden=whole.hidden[rows])


def _doubt(file: FeatureFile, key: str, found: Lengths) -> None:
    """Find lengths that are not believed, or that nothing can tell right or wrong."""
    judged, n_frames = found.judged, found.used.shape[1]
    count = f"{int(judged.beyond.sum())} of {int(found.used.any(1).sum())} utterances"
    who = named(chosen(found.ids, judged.beyond))
    if judged.reason in BY_ZEROS:
        why = f"{count} have frames outside them: {who}"
        if not judged.beyond.any():
            said = "longer than" if (found.values > n_frames).any() else "all"
            why = f"they are {said} the {n_frames} frames of the array although most utterances end before"
        sentence = f"{key} do not fit the array ({why}). They are not used; {judged.how(key)}."
        file.findings.append(Finding("warning", sentence))
    elif judged.reason:
        sentence = (
            f"{key} do not fit the array: {count} go on after them, {who}, and no zeros tell what is padding. "
            "Export them again, or read with --lengths declared, or with --lengths zeros to keep all frames."
        )
        file.findings.append(Finding("error", sentence))


def _misfits(file: FeatureFile, what: str, found: Lengths) -> None:
    """Find single lengths that do not fit the array."""
    judged, n_frames = found.judged, found.used.shape[1]
    empty = judged.beyond & (found.values == 0)
    if empty.any():
        who = named(chosen(found.ids, empty))
        file.findings.append(Finding("error", f"{what} is 0 for {who}, which has frames. Export the lengths again."))
    for rows, sentence in (
        (found.values > n_frames, f"are larger than the {n_frames} frames of the array; they are cut to it."),
        (judged.kept, "go on after their length; that is kept, because the other padding is zeros."),
        (judged.beyond & ~judged.kept & ~judged.hidden & ~empty, "go on after their length; that is left out."),
        (judged.hidden, "have no frame within their length; zeros are padding there."),
    ):
        if rows.any():
            file.findings.append(Finding("warning", f"{what}: {named(chosen(found.ids, rows))} {sentence}"))
