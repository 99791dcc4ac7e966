"""Description and problems of a feature file, for `python -m msa_core check FILE`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from msa_core.corpora.corpus import SPLITS
from msa_core.corpora.importers import emotions, extracted_folder, findings, mmsa, npz
from msa_core.corpora.importers.contents import SIMS, FeatureFile
from msa_core.errors import MsaError
from msa_core.schema import MODALITIES

FOLDER = "a folder"
VALID = (".pkl", ".pickle", ".npz", FOLDER)


def suffix(path: str | Path) -> str:
    """Return the key of READERS for a path.

    Raises:
        MsaError: the path does not exist or has another suffix.
    """
    path = Path(path)
    if not path.exists():
        raise MsaError(f"There is no {path.name or path}. Give the path of a feature file or folder.")
    found = FOLDER if path.is_dir() else path.suffix.lower()
    if found not in VALID:
        raise MsaError(f"{path.name} has no known suffix. Give one of: {', '.join(VALID)} of extracted features.")
    return found


def refuse_options(kind: str, lengths: str, scale: str | None) -> None:
    """Refuse options that do not fit a kind of file.

    Raises:
        MsaError: a rule for lengths goes with MMSA files only, a scale not with a folder.
    """
    if lengths != "auto" and kind not in VALID[:2]:
        raise MsaError(f"A rule for lengths goes with MMSA pickles, not with {kind}. Leave it out.")
    if scale is not None and kind == FOLDER:
        raise MsaError("The table of a folder holds scores in [-3, 3]. Leave the scale out.")


def report(
    path: str | Path, table: str | Path | None = None, lengths: str = "auto", scale: str | None = None
) -> tuple[str, list[str]]:
    """Return `describe` and `problems` of one reading; the description of an unreadable file is empty."""
    try:
        file = _load(path, table, lengths, scale)
    except MsaError as e:
        return "", [f"error: {e}"]
    return _description(file), [str(f) for f in findings.examine(file)]


def problems(
    path: str | Path, table: str | Path | None = None, lengths: str = "auto", scale: str | None = None
) -> list[str]:
    """List the problems of a file, each beginning with "error: ", "warning: " or "note: ", in this order.

    A reader refuses a file with errors, by the same sentence.

    Args:
        table: the labels, when `path` is a folder.
        lengths: as in `importers.read`.
        scale: as in `importers.read`.
    """
    return report(path, table, lengths, scale)[1]


def describe(path: str | Path, table: str | Path | None = None) -> str:
    """Describe a file: splits with sizes, widths, lengths, range of labels, share of absent modalities.

    Raises:
        MsaError: the file cannot be read at all.
    """
    return _description(_load(path, table, "auto", None))


def _load(path: str | Path, table: str | Path | None, lengths: str, scale: str | None) -> FeatureFile:
    """Read a file by its suffix.

    Raises:
        MsaError: the file cannot be read at all.
    """
    kind = suffix(path)
    refuse_options(kind, lengths, scale)
    if kind == FOLDER:
        return extracted_folder.load(path, table)
    return npz.load(path, scale=scale) if kind == ".npz" else mmsa.load(path, lengths, scale=scale)


def _description(file: FeatureFile) -> str:
    """Write one line for the file, the splits, each modality, the labels and the groups."""
    known = findings.published(file)
    like = f", {known.name}" if known else ""
    sizes = {p.split: len(p.ids) for p in file.parts}
    lines = [f"{file.path.name}: {file.kind}{like}, {sum(sizes.values())} utterances"]
    lines.append("splits: " + ", ".join(f"{s} {sizes.get(s, 0)}" for s in SPLITS))
    lines += [_modality(file, m) for m in MODALITIES]
    labels = [p.labels for p in file.parts if p.labels is not None and np.isfinite(p.labels).any()]
    if labels:
        low, high = min(float(np.nanmin(x)) for x in labels), max(float(np.nanmax(x)) for x in labels)
        scale = "CH-SIMS scale, scores are 3 times these" if file.scale is SIMS else "scores as they are"
        lines.append(f"labels: from {low:g} to {high:g} ({scale})")
    if file.emotions:
        lines.append(emotions.described(file))
    groups = {g for p in file.parts for g in p.groups}
    if groups:
        lines.append(f"{file.group}s: {len(groups)}")
    return "\n".join(lines)


def _modality(file: FeatureFile, modality: str) -> str:
    """Write the line of a modality."""
    if modality not in file.widths:
        return f"{modality}: none"
    lengths = file.lengths_of(modality)
    absent = f"absent in {np.mean(lengths == 0):.1%}" if len(lengths) else "no rows"
    some = lengths[lengths > 0]
    if not len(some):
        return f"{modality}: {file.widths[modality]} wide, {absent}"
    frames = f"{some.min()} / {np.median(some):g} / {some.max()} frames (min / median / max)"
    how = f"; real frames: {file.lengths[modality]}" if modality in file.lengths else ""
    return f"{modality}: {file.widths[modality]} wide, {frames}, {absent}{how}"
