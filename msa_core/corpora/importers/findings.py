"""Findings in a feature file: the one list that the readers refuse by and `check` prints."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from msa_core.corpora.corpus import SPLITS
from msa_core.corpora.importers import emotions
from msa_core.corpora.importers.contents import SIMS, FeatureFile, Finding, Part, chosen, named
from msa_core.errors import MsaError
from msa_core.schema import MODALITIES


@dataclass(frozen=True)
class Published:
    """Data set as MMSA publishes it: widths of text, audio, vision; utterances in train, valid, test."""

    name: str
    widths: tuple[int, int, int]
    sizes: tuple[int, int, int]


PUBLISHED = (
    Published("MOSI", (768, 5, 20), (1284, 229, 686)),
    Published("MOSEI", (768, 74, 35), (16326, 1871, 4659)),
    Published("SIMS", (768, 33, 709), (1368, 456, 457)),
    Published("SIMSv2", (768, 25, 177), (2722, 647, 1034)),
    Published("IEMOCAP", (300, 74, 35), (2717, 798, 938)),
)
WIDTHS = {  # extractors whose width gives them away; wav2vec and BERT share 768, so 768 says nothing alone
    "audio": {74: "COVAREP"},
    "vision": {35: "Facet", 36: "Facet", 47: "Facet", 709: "OpenFace", 177: "OpenFace", 171: "OpenFace"},
}


def examine(file: FeatureFile) -> list[Finding]:
    """List everything found while reading and in the content: errors, then warnings, then notes."""
    found = list(file.findings)
    found += _splits(file) + _names(file) + _groups(file) + _widths(file) + _swapped(file)
    found += (
        _values(file)
        + _labels(file)
        + _ratings(file)
        + emotions.findings(file)
        + _lost(file)
        + _absent(file)
        + _sizes(file)
    )
    order = ("error", "warning", "note")
    return sorted(dict.fromkeys(found), key=lambda f: order.index(f.level))


def refuse(file: FeatureFile) -> None:
    """Store all findings in the file and refuse errors.

    Raises:
        MsaError: there are errors; the message has the first and the number of the others.
    """
    file.findings = examine(file)
    errors = [f.sentence for f in file.findings if f.level == "error"]
    if errors:
        more = f" ({len(errors) - 1} more: python -m msa_core check {file.path.name})" if len(errors) > 1 else ""
        raise MsaError(f"{file.path.name}: {errors[0]}{more}")


def published(file: FeatureFile) -> Published | None:
    """Recognise the data set of a file by its name, else by the widths of audio and vision."""
    if file.emotions:
        return next(p for p in PUBLISHED if p.name == "IEMOCAP")
    words = re.split(r"[^a-z0-9]+", file.path.stem.lower())
    named_so = [p for p in PUBLISHED if p.name.lower() in words]
    shaped_so = [p for p in PUBLISHED if tuple(file.widths.get(m) for m in MODALITIES[1:]) == p.widths[1:]]
    return next(iter(named_so + shaped_so), None)


def _error(sentence: str) -> Finding:
    """Make an error."""
    return Finding("error", sentence)


def _splits(file: FeatureFile) -> list[Finding]:
    """Find empty and absent splits."""
    have = {p.split: len(p.ids) for p in file.parts}
    empty = [s for s in SPLITS if have.get(s) == 0 or (s not in have and not file.needs_all_splits)]
    if not any(have.values()) and not any(f.level == "error" for f in file.findings):
        return [_error("There is no utterance in the file. Export it again.")]
    if file.needs_all_splits:
        return [_error(f"Split {s!r} is empty. Give every split some utterances.") for s in empty]
    lost = {"train": "it cannot be trained on", "valid": "no epoch can be chosen", "test": "nothing can be reported"}
    return [Finding("warning", f"There is no {s!r} utterance: {lost[s]}.") for s in empty]


def _names(file: FeatureFile) -> list[Finding]:
    """Find ids that occur twice."""
    found, where = [], defaultdict(set)
    for part in file.parts:
        twice = [name for name, times in Counter(part.ids).items() if times > 1]
        if twice:
            found.append(_error(f"{len(twice)} ids of {part.split} repeat: {named(twice)}. Keep one row of each."))
        for name in part.ids:
            where[name].add(part.split)
    for pair in (("train", "test"), ("train", "valid"), ("valid", "test")):
        both = [name for name, splits in where.items() if splits.issuperset(pair)]
        if both:
            found.append(
                _error(f"{len(both)} ids are in {pair[0]} and in {pair[1]}: {named(both)}. Keep each in one split.")
            )
    return found


def _groups(file: FeatureFile) -> list[Finding]:
    """Find videos or speakers in two splits."""
    return in_two_splits(file.group, ((group, part.split) for part in file.parts for group in part.groups))


def in_two_splits(what: str, groups: Iterable[tuple[str, str]]) -> list[Finding]:
    """Find groups of utterances, "video"s or "speaker"s, each with its split, that are in two splits."""
    where = defaultdict(set)
    for group, split in groups:
        where[group].add(split)
    both = [group for group, splits in where.items() if len(splits) > 1]
    if not both:
        return []
    splits = sorted({s for group in both for s in where[group]}, key=SPLITS.index)
    apart = "" if what == "speaker" else " MOSI and MOSEI are split by video, CH-SIMS is not."
    return [
        Finding(
            "warning",
            f"{len(both)} {what}s of {len(where)} are in more than one of {', '.join(splits)}: {named(both)}. "
            f"A model may know the person.{apart}",
        )
    ]


def _widths(file: FeatureFile) -> list[Finding]:
    """Find modalities that differ in width, or a file without any."""
    found = []
    for modality in (*MODALITIES, "simulated"):
        widths = {p.split: p.streams[modality].values.shape[1] for p in file.parts if modality in p.streams}
        if len(set(widths.values())) > 1:
            said = ", ".join(f"{w} wide in {s}" for s, w in widths.items())
            found.append(_error(f"{modality} is {said}. Extract all splits with the same features."))
    if not any(m in file.widths for m in MODALITIES) and not any(f.level == "error" for f in file.findings):
        found.append(_error("There is neither text nor audio nor vision. Add at least one of these arrays."))
    return found


def _swapped(file: FeatureFile) -> list[Finding]:
    """Find modalities in each other's place, by known widths."""
    widths = tuple(file.widths.get(m, 0) for m in MODALITIES)
    text, audio, vision = widths
    for known in PUBLISHED:
        if (vision, audio) == known.widths[1:]:
            said = f"audio is {audio} wide and vision {vision}: that is {known.name} with the two swapped"
            return [_error(f"{said}; exchange the arrays.")]
        if widths != known.widths and sorted(widths) == sorted(known.widths):
            place = ", ".join(f"{m} {w}" for m, w in zip(MODALITIES, known.widths, strict=True))
            said = f"text is {text} wide, audio {audio} and vision {vision}: that is {known.name} in another order"
            return [_error(f"{said} ({place}); exchange the arrays.")]
    names = WIDTHS["vision"].get(audio), WIDTHS["audio"].get(vision)
    if all(names):
        said = f"audio is {audio} wide as {names[0]} and vision {vision} as {names[1]}"
        return [_error(f"{said}: the two are swapped; exchange the arrays.")]
    one = {"audio": (audio, names[0]), "vision": (vision, names[1])}
    return [
        Finding("warning", f"{m} is {w} wide, as {name} is: is it in the right place?")
        for m, (w, name) in one.items()
        if name
    ]


def _values(file: FeatureFile) -> list[Finding]:
    """Find NaN and infinity in real frames."""
    found = []
    for stream in file.widths:
        count, who = 0, []
        for part in file.parts:
            if stream in part.streams:
                ragged = part.streams[stream]
                bad = (~np.isfinite(ragged.values)).sum(1)
                count += int(bad.sum())
                row = np.searchsorted(ragged.offsets, np.flatnonzero(bad), side="right") - 1
                who += [part.ids[r] for r in dict.fromkeys(row.tolist())]
        if count:
            found.append(
                _error(
                    f"{count} values of {stream} are NaN or infinite in {len(who)} utterances: {named(who)}. "
                    "Extract these again, or read with repair=True, which sets them to 0."
                )
            )
    return found


def _labels(file: FeatureFile) -> list[Finding]:
    """Find labels that are no numbers, out of range or all the same."""
    found, limit = [], file.scale.limit
    for part in file.parts:
        for what, labels in {"": part.labels, **part.ratings}.items():
            name = f"{what} labels" if what else "labels"
            if labels is None or not len(labels):
                continue
            lost = chosen(part.ids, ~np.isfinite(labels))
            far = chosen(part.ids, np.abs(labels) > limit)
            if lost:
                found.append(
                    _error(f"{len(lost)} {name} of {part.split} are no numbers: {named(lost)}. Leave them out.")
                )
            if far:
                found.append(_error(_range(file, part, name, labels, far)))
        found += _constant(part)
    if file.scale is SIMS:
        why = "labels are on the scale of CH-SIMS, [-1, 1] (none, or few, are beyond 1): scores are 3 times these."
        found.append(Finding("note", why))
    return found


def _ratings(file: FeatureFile) -> list[Finding]:
    """Find modalities whose own labels are left out, because a split has none."""
    found = []
    for modality in MODALITIES:
        lost = [p.split for p in file.parts if modality not in p.ratings]
        if lost and len(lost) < len(file.parts):
            said = f"labels of {modality} alone are not in {', '.join(lost)}: those of the other splits are left out."
            found.append(Finding("warning", said))
    return found


def _range(file: FeatureFile, part: Part, name: str, labels: np.ndarray, far: list[str]) -> str:
    """Write the sentence for labels beyond the limit."""
    limit = file.scale.limit
    said = f"{len(far)} {name} of {part.split} are outside [-{limit:g}, {limit:g}]"
    out = f"{said}, from {np.nanmin(labels):g} to {np.nanmax(labels):g}: {named(far)}. "
    if file.scale is SIMS:
        return (
            out + "A file with unimodal labels of which few are beyond 1 is read as CH-SIMS: correct these, or if the "
            "labels are scores in [-3, 3], say --scale mosi."
        )
    return (
        out + "Scale them to [-3, 3], or to [-1, 1] as CH-SIMS does; those of CMU-MOSEI, up to 5, are trimmed when its "
        "name is in that of the file."
    )


def _constant(part: Part) -> list[Finding]:
    """Find labels of a split that are all the same."""
    if (
        part.labels is None
        or len(part.labels) < 2
        or np.unique(part.labels).size > 1
        or not np.isfinite(part.labels[0])
    ):
        return []
    said = f"All {len(part.labels)} labels of {part.split} are {part.labels[0]:g}"
    if part.split == "train":
        return [_error(f"{said}: there is nothing to learn. Check the column they came from.")]
    return [Finding("warning", f"{said}: correlation is undefined there.")]


def _lost(file: FeatureFile) -> list[Finding]:
    """Find modalities that the file holds and that were read as absent."""
    found = []
    for part in file.parts:
        for modality, held in part.held.items():
            if modality in part.streams:
                lost = held & (part.streams[modality].lengths == 0)
                said = f"{modality} of {part.split} has values in {int(held.sum())} utterances"
                if lost.any() and lost.sum() == held.sum():
                    found.append(_error(f"{said}, but no real frame in any. Correct its lengths, or leave them out."))
                elif lost.any():
                    who = named(chosen(part.ids, lost))
                    found.append(Finding("warning", f"{said}, but no real frame in {int(lost.sum())} of them: {who}."))
    return found


def _absent(file: FeatureFile) -> list[Finding]:
    """Find modalities that are zero in a whole split, and utterances without any modality."""
    found = []
    for modality in (m for m in MODALITIES if m in file.widths):
        silent = [p.split for p in file.parts if len(p.ids) and not _has(p, modality)]
        if silent:
            found.append(Finding("warning", f"{modality} is absent, or zero, in all of {', '.join(silent)}."))
    lengths = [file.lengths_of(m) for m in MODALITIES]
    nothing = chosen(file.ids, ~np.any(lengths, axis=0))
    if nothing and file.widths:
        found.append(Finding("warning", f"{len(nothing)} utterances have no modality at all: {named(nothing)}."))
    return found


def _has(part: Part, modality: str) -> bool:
    """True when any utterance of a split has the modality."""
    return modality in part.streams and bool(part.streams[modality].lengths.any())


def _sizes(file: FeatureFile) -> list[Finding]:
    """Compare the sizes of the splits with the published ones."""
    known, have = published(file), {p.split: len(p.ids) for p in file.parts}
    sizes = tuple(have.get(s, 0) for s in SPLITS)
    if known is None or file.feature_set is not None or sizes == known.sizes:
        return []
    said, there = "/".join(map(str, sizes)), "/".join(map(str, known.sizes))
    return [
        Finding("note", f"{known.name} is published with {there} utterances ({', '.join(SPLITS)}); here are {said}.")
    ]
