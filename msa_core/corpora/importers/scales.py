"""Scale of the labels of a file: told by range, asked about where they are classes, trimmed where it is known why.

CMU-MOSEI has a few labels up to 5, because some sentences were rated more often than the sum was divided by; its
authors advise to trim them to 3.
"""

from __future__ import annotations

import numpy as np

from msa_core.corpora.importers.contents import MOSI, SIMS, FeatureFile, Finding, Scale, chosen, named
from msa_core.errors import MsaError

SCALES = {scale.name: scale for scale in (MOSI, SIMS)}
FEW, NEAR = 0.05, 1.5  # with unimodal labels: so few beyond 1, or none beyond 1.5, may be mistakes in CH-SIMS
MOSEI_LIMIT, MOSEI_SHARE = 5.0, 0.2  # labels of CMU-MOSEI reach 5, and few are beyond 3
COVAREP = 74  # width of the audio of CMU-MOSEI
CLASSES = 3
WAY_OUT = "say --scale mosi for scores in [-3, 3], or --scale sims for labels in [-1, 1], which are multiplied by 3"


def decide(file: FeatureFile, given: str | None = None) -> None:
    """Set the scale of a file and trim the labels of CMU-MOSEI; what is unclear becomes a finding.

    Args:
        given: "mosi" or "sims"; None tells it by the range.

    Raises:
        MsaError: another name, or labels that are emotions.
    """
    if given is not None and given not in SCALES:
        raise MsaError(f"scale={given!r} is unknown. Give one of: {', '.join(SCALES)}.")
    if file.emotions:
        if given is not None:
            raise MsaError("The labels of this file are emotions, which have no scale. Leave the scale out.")
        return
    labels = _finite(file, unimodal=False)
    both = np.concatenate([labels, _finite(file, unimodal=True)])
    file.scale = SCALES[given] if given else _by_range(file, both)
    if given is None and _are_classes(both):
        file.scale = MOSI
        said = f"labels are only {_listed(both)}"
        file.findings.append(Finding("error", f"{said}. Are they classes, or scores? If scores, {WAY_OUT}."))
    elif given is None and file.scale is MOSI and any(p.ratings for p in file.parts):
        reach = f"{both.min():g} to {both.max():g}"
        file.findings.append(
            Finding("note", f"labels are scores as they are: they go from {reach}, beyond the [-1, 1] of CH-SIMS.")
        )
    if file.scale is MOSI:
        _trim(file, labels)


def check_scores(file: FeatureFile) -> None:
    """Warn when scores that are given as such look like classes, and trim those of CMU-MOSEI."""
    scores = _finite(file, unimodal=False)
    if _are_classes(scores):
        said = f"scores are only {_listed(scores)}"
        file.findings.append(Finding("warning", f"{said}: are they classes? They are read as scores in [-3, 3]."))
    _trim(file, scores)


def _listed(labels: np.ndarray) -> str:
    """List the values of labels."""
    return ", ".join(f"{value:g}" for value in np.unique(labels))


def _finite(file: FeatureFile, unimodal: bool) -> np.ndarray:
    """Collect the finite labels of all splits, those of the whole or those of single modalities."""
    found = [y for p in file.parts for y in (p.ratings.values() if unimodal else (p.labels,)) if y is not None]
    whole = np.concatenate([*found, np.zeros(0)])
    return np.asarray(whole[np.isfinite(whole)])


def _by_range(file: FeatureFile, labels: np.ndarray) -> Scale:
    """Tell the scale: CH-SIMS when no label is beyond 1, or so few are in a file like it that they may be mistakes."""
    if not len(labels):
        return MOSI
    far = np.abs(labels) > SIMS.limit
    if not far.any():
        return SIMS
    unclear = np.abs(labels).max() <= NEAR or far.mean() <= FEW
    return SIMS if unclear and any(p.ratings for p in file.parts) else MOSI


def _are_classes(labels: np.ndarray) -> bool:
    """Tell whether labels may be two or three classes: neighbouring whole numbers only."""
    values = np.unique(labels)
    return bool(len(values) > 1 and (values == np.floor(values)).all() and np.ptp(values) < CLASSES)


def _trim(file: FeatureFile, labels: np.ndarray) -> None:
    """Trim the labels of CMU-MOSEI beyond 3, when the file is known as such or its labels look so."""
    far = np.abs(labels) > MOSI.limit
    if not far.any() or np.abs(labels).max() > MOSEI_LIMIT or far.mean() > 0.5:
        return
    thirds = np.abs(labels * 6 - np.round(labels * 6)).max() < 0.01  # means of three or six ratings
    alike = thirds and far.mean() <= MOSEI_SHARE and -MOSI.limit <= labels.min() < 0
    if not (alike or "mosei" in file.path.stem.lower() or file.widths.get("audio") == COVAREP):
        return
    who: list[str] = []
    for part in file.parts:
        if part.labels is not None:
            who += chosen(part.ids, np.abs(part.labels) > MOSI.limit)
            part.labels = np.clip(part.labels, -MOSI.limit, MOSI.limit)
    file.facts["trimmed"] = len(who)
    said = f"{len(who)} labels are outside [-3, 3], from {labels.min():g} to {labels.max():g}: {named(who)}"
    file.findings.append(Finding("warning", f"{said}. They are trimmed to it, as the authors of CMU-MOSEI advise."))
