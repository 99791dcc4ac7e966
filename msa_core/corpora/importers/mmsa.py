"""Reader of MMSA (github.com/thuiar/MMSA) and MMSA-FET feature files: MOSI, MOSEI, CH-SIMS, aligned or not.

A pickle of split -> {id, text (N, L, D), text_bert (N, 3, L: ids, mask, segment), audio (N, Ta, Da), audio_lengths,
vision, vision_lengths, regression_labels, regression_labels_T/_A/_V ..}. A frame is real:
- text: where the mask of text_bert is 1; without text_bert, zeros at the end are padding;
- audio and vision: the first `*_lengths` frames (the last ones in files padded in front); without lengths, when the
  file is aligned (as many frames as the text has) the frames of the text, unless something stands outside them;
  otherwise zeros at the end are padding.
A modality that is zero in every real frame is absent in that utterance.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from msa_core.corpora.corpus import SPLITS, Corpus
from msa_core.corpora.importers import findings, safe_pickle
from msa_core.corpora.importers import token_ids as encoder
from msa_core.corpora.importers.arrays import (
    Span,
    cut,
    declared_lengths,
    labels,
    nonzero,
    numbers,
    outside,
    span_of_lengths,
    span_of_mask,
    span_of_zeros,
    texts,
)
from msa_core.corpora.importers.contents import (
    FeatureFile,
    Finding,
    Part,
    assemble,
    chosen,
    named,
    scale_of,
    video,
    zero_out,
)
from msa_core.corpora.ragged import Ragged
from msa_core.errors import MsaError
from msa_core.schema import MODALITIES

KIND = "MMSA feature file"
LENGTHS = ("auto", "declared", "text", "zeros")
RATINGS = dict(zip(MODALITIES, "TAV", strict=True))  # modality -> ending of its own labels
STATEMENT = "Features as the file has them; scores are its labels times score_factor, in [-3, 3]."
ZEROS, FRONT = "zeros at the end are padding", "zeros in front are padding"
NO_TEXT = (
    "The file has the text as word-piece ids only (text_bert). "
    "Read it with bert=FOLDER or a name on the hub, e.g. the bert-base-uncased or bert-base-chinese of the ids."
)


def read(
    path: str | Path, name: str, lengths: str = "auto", bert: str | Path | None = None, repair: bool = False
) -> Corpus:
    """Read an MMSA pickle as a corpus; `check.problems` lists all that would be refused.

    Args:
        name: of the corpus; its feature set is mmsa-<name>-<width of text>-<audio>-<vision>, 0 where there is none.
        lengths: "auto" as above, or one rule only: "declared" lengths, frames of the "text", trailing "zeros".
        bert: a local folder or hub name to encode text_bert with, when the file has no `text`.
        repair: values that are not finite (COVAREP has some) become 0 and are counted in the manifest.

    Raises:
        MsaError: what `findings` calls an error.
    """
    file = load(path, lengths, bert, repair)
    findings.refuse(file)
    return assemble(file, name, "mmsa", STATEMENT)


def load(
    path: str | Path, lengths: str = "auto", bert: str | Path | None = None, repaired: bool = False
) -> FeatureFile:
    """Read everything usable in the file; the rest becomes findings. Arguments as `read`.

    Raises:
        MsaError: it is no dict of splits.
    """
    if lengths not in LENGTHS:
        raise MsaError(f"lengths={lengths!r} is unknown. Give one of: {', '.join(LENGTHS)}.")
    content = safe_pickle.load(path)
    file = FeatureFile(Path(path), KIND)
    if not isinstance(content, dict) or not any(s in content for s in SPLITS):
        seen = (
            f"the keys {named([str(k)[:40] for k in content])}"
            if isinstance(content, dict)
            else f"a {type(content).__name__}"
        )
        raise MsaError(f"{file.path.name} holds {seen}; an MMSA file holds the keys {', '.join(SPLITS)}.")
    for split in SPLITS:
        rows = content.pop(split, None)
        if not isinstance(rows, dict):
            file.findings.append(Finding("error", f"There is no {split!r} in the file. Add it: a dict of arrays."))
            continue
        part = file.attempt(_part, file, split, rows, lengths, bert)
        if part is not None:
            file.parts.append(part)
    file.scale = scale_of(file.parts)
    if repaired:
        zero_out(file)
    return file


def _part(file: FeatureFile, split: str, rows: dict[str, Any], rule: str, bert: str | Path | None) -> Part:
    """Read one split.

    Raises:
        MsaError: it has no ids.
    """
    if "id" not in rows:
        raise MsaError(f"{split} has no 'id'. Add the id of every utterance, e.g. 'video$_$clip'.")
    ids = texts(rows["id"], f"id of {split}")
    n = len(ids)
    part = Part(split, ids, None, groups=[video(name) for name in ids])
    if not n:
        return part
    if "regression_labels" in rows:
        part.labels = file.attempt(labels, rows["regression_labels"], f"regression_labels of {split}", n)
    else:
        file.findings.append(Finding("error", f"{split} has no 'regression_labels'. Add a score per utterance."))
    for modality, ending in RATINGS.items():
        key = f"regression_labels_{ending}"
        rating = file.attempt(labels, rows[key], f"{key} of {split}", n) if key in rows else None
        if rating is not None:
            part.ratings[modality] = rating
    _text(file, part, rows, rule, bert)
    return part


def _text(file: FeatureFile, part: Part, rows: dict[str, Any], rule: str, bert: str | Path | None) -> None:
    """Fill the streams of `part`, the text first because aligned files have its frames everywhere."""
    n, frames_of_text = len(part.ids), None
    pieces, text = rows.pop("text_bert", None), rows.pop("text", None)
    # vectors of the text: those of the file, or its word pieces encoded
    if pieces is not None:
        pieces = file.attempt(_pieces, pieces, f"text_bert of {part.split}", n)
    if text is not None:
        text = file.attempt(_vectors, text, f"text of {part.split}", n)
    elif pieces is not None and bert is not None:
        text = file.attempt(encoder.encode, pieces, bert)
    elif pieces is not None and not any(f.sentence == NO_TEXT for f in file.findings):
        file.findings.append(Finding("error", NO_TEXT))
    # its real frames: the mask of the word pieces, else zeros are padding
    if pieces is not None and rule != "zeros":
        mask = pieces[:, 1] == 1
        frames_of_text = span_of_mask(mask), mask.shape[1], "mask of text_bert"
    if text is not None and (frames_of_text is None or text.shape[1] != frames_of_text[1]):
        span, front = span_of_zeros(nonzero(text))
        frames_of_text = span, text.shape[1], FRONT if front else ZEROS
    if text is not None and frames_of_text is not None:
        file.found_by("text", frames_of_text[2])
        part.streams["text"] = cut(text, frames_of_text[0])
    # audio and vision, which may be aligned to the text
    for modality in ("audio", "vision"):
        if rows.get(modality) is not None:
            stream = file.attempt(_stream, file, part, modality, rows, rule, frames_of_text)
            if stream is not None:
                part.streams[modality] = stream


def _vectors(value: Any, what: str, n: int) -> np.ndarray:
    """Check vectors of text (N, L, D).

    Raises:
        MsaError: the array has another shape or holds word-piece ids.
    """
    text = numbers(value, what, n, (3,))
    if text.shape[1] == 3 and np.isin(text[:, 1], (0, 1)).all() and (text[:, 0] == np.floor(text[:, 0])).all():
        raise MsaError(f"{what} has shape {text.shape} and holds ids, mask and segment. Call it text_bert.")
    return text


def _pieces(value: Any, what: str, n: int) -> np.ndarray:
    """Check text_bert (N, 3, L) of whole numbers.

    Raises:
        MsaError: the array has another shape or other values.
    """
    pieces = numbers(value, what, n, (3,))
    if pieces.shape[1] != 3:
        raise MsaError(f"{what} has shape {pieces.shape}; give (N, 3, L): ids, mask and segment.")
    if not np.isfinite(pieces).all() or (pieces < 0).any() or not np.isin(pieces[:, 1], (0, 1)).all():
        raise MsaError(f"{what}: ids must be whole numbers and the mask 0 or 1. Export it again, or leave it out.")
    return pieces


def _stream(
    file: FeatureFile,
    part: Part,
    modality: str,
    rows: Mapping[str, Any],
    rule: str,
    frames_of_text: tuple[Span, int, str] | None,
) -> Ragged:
    """Cut out the real frames of audio or vision; `file.lengths` records how they were found.

    Raises:
        MsaError: the array has another shape, or its lengths do not fit it.
    """
    values = numbers(rows[modality], f"{modality} of {part.split}", len(part.ids), (3,))
    used, key = nonzero(values), f"{modality}_lengths"
    # first rule: declared lengths
    if rule in ("auto", "declared") and rows.get(key) is not None:
        lengths = declared_lengths(rows[key], f"{key} of {part.split}", values.shape, part.ids)
        span, front = span_of_lengths(used, lengths)
        _beyond(file, part, key, used, span)
        file.found_by(modality, f"{key}, padding in front" if front else key)
        return cut(values, span)
    if rule == "declared":
        raise MsaError(f"{part.split} has no {key}. Add them, or read with lengths='auto'.")
    # second rule: the frames of an aligned text
    aligned = frames_of_text is not None and values.shape[1] == frames_of_text[1]
    if rule == "text" and not aligned:
        raise MsaError(f"{modality} of {part.split} is not aligned to the text. Read with lengths='auto'.")
    if frames_of_text is not None and aligned and rule != "zeros":
        if rule == "text" or not outside(used, frames_of_text[0]).any():
            file.found_by(modality, f"frames of the text ({frames_of_text[2]})")
            return cut(values, frames_of_text[0])
    # third rule: zeros are padding
    span, front = span_of_zeros(used)
    file.found_by(modality, FRONT if front else ZEROS)
    return cut(values, span)


def _beyond(file: FeatureFile, part: Part, key: str, used: np.ndarray, span: Span) -> None:
    """Find frames outside declared lengths.

    Raises:
        MsaError: a length of 0 where there are frames.
    """
    lost = outside(used, span)
    empty = lost & (span[0] == span[1])
    if empty.any():
        who = named(chosen(part.ids, empty))
        raise MsaError(f"{key} of {part.split} is 0 for {who}, which has frames. Export the lengths again.")
    if lost.any():
        sentence = f"{key} of {part.split}: {named(chosen(part.ids, lost))} go on after their length; that is left out."
        file.findings.append(Finding("warning", sentence))
