"""Reader of MMSA (github.com/thuiar/MMSA) and MMSA-FET feature files: MOSI, MOSEI, CH-SIMS, aligned or not.

A pickle of split -> {id, text (N, L, D), text_bert (N, 3, L: ids, mask, segment), audio (N, Ta, Da), audio_lengths,
vision, vision_lengths, regression_labels, regression_labels_T/_A/_V ..}; layouts.py turns those of Self-MM, MulT and
CMU-MOSEI into it. A frame is real:
- text: where the mask of text_bert is 1; without text_bert, or where the mask hides text or is 1 throughout although
  most utterances are padded, zeros are padding;
- audio and vision: the first `*_lengths` frames (the last ones in files padded in front) unless they contradict the
  array (padding.py); without lengths, when the file is aligned (as many frames as the text has) the frames of the
  text, unless frames of most utterances stand outside them, or the text has them throughout; otherwise zeros are
  padding.
A modality that is zero in every real frame is absent in that utterance.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from msa_core.corpora.corpus import SPLITS, Corpus
from msa_core.corpora.importers import emotions, findings, layouts, safe_pickle, scales
from msa_core.corpora.importers import token_ids as encoder
from msa_core.corpora.importers.arrays import declared_lengths, labels, numbers, texts
from msa_core.corpora.importers.contents import FeatureFile, Finding, Part, assemble, chosen, named, video, zero_out
from msa_core.corpora.importers.declared import Lengths, judge_file, told_by_zeros
from msa_core.corpora.importers.padding import (
    FRONT,
    ZEROS,
    Span,
    contradicted,
    cut,
    nonzero,
    outside,
    span_of_mask,
    span_of_zeros,
    transposed,
)
from msa_core.corpora.ragged import Ragged
from msa_core.errors import MsaError
from msa_core.schema import MODALITIES

FramesOfText = tuple[Span, int, str]  # the span, the frames of the array, how the span was found
KIND = "MMSA feature file"
LENGTHS = ("auto", "declared", "text", "zeros")
RATINGS = dict(zip(MODALITIES, "TAV", strict=True))  # modality -> ending of its own labels
STATEMENT = "Features as the file has them; scores are its labels times score_factor, in [-3, 3]."


class Rules(NamedTuple):
    """How the frames of a file are found."""

    lengths: str  # one of LENGTHS
    bert: str | Path | None
    declared: Mapping[str, dict[str, Lengths]]  # modality -> split -> usable declared lengths
    by_zeros: frozenset[str]  # modalities of which masks tell no padding, see `told_by_zeros`


READ = (
    "id", "text", "text_bert", "audio", "audio_lengths", "vision", "vision_lengths", "regression_labels",
    *(f"regression_labels_{ending}" for ending in RATINGS.values()),
)  # fmt: skip
NO_TEXT = (
    "The file has the text as word-piece ids only (text_bert). "
    "Read it with bert=FOLDER or a name on the hub, e.g. the bert-base-uncased or bert-base-chinese of the ids."
)


def read(
    path: str | Path,
    name: str,
    lengths: str = "auto",
    bert: str | Path | None = None,
    repair: bool = False,
    scale: str | None = None,
) -> Corpus:
    """Read an MMSA pickle as a corpus; `check.problems` lists all that would be refused.

    Args:
        name: of the corpus; its feature set is mmsa-<name>-<width of text>-<audio>-<vision>, 0 where there is none.
        lengths: "auto" as above, or one rule only: "declared" lengths, frames of the "text", trailing "zeros".
        bert: a local folder or hub name to encode text_bert with, when the file has no `text`.
        repair: values that are not finite (COVAREP has some) become 0 and are counted in the manifest.
        scale: of the labels: "mosi" or "sims"; None tells it by their range.

    Raises:
        MsaError: what `findings` calls an error.
    """
    file = load(path, lengths, bert, repair, scale)
    findings.refuse(file)
    return assemble(file, name, "mmsa", emotions.STATEMENT if file.emotions else STATEMENT)


def load(
    path: str | Path,
    lengths: str = "auto",
    bert: str | Path | None = None,
    repaired: bool = False,
    scale: str | None = None,
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
    splits = {split: layouts.split_of(content, split) for split in SPLITS}
    for split in SPLITS:
        if not isinstance(splits[split], dict):
            file.findings.append(Finding("error", f"There is no {split!r} in the file. Add it: a dict of arrays."))
            del splits[split]
    for rows in splits.values():
        layouts.rename(file, rows)
    layouts.join_ids(list(splits.values()))
    use = ("audio", "vision") if lengths in ("auto", "declared") else ()
    judged = {modality: judge_file(file, splits, modality, lengths == "declared") for modality in use}
    rules = Rules(lengths, bert, judged, told_by_zeros(file, splits) if lengths != "zeros" else frozenset())
    for split in list(splits):
        part = file.attempt(_part, file, split, splits.pop(split), rules)
        if part is not None:
            file.parts.append(part)
    scales.decide(file, scale)
    if repaired:
        zero_out(file)
    return file


def _part(file: FeatureFile, split: str, rows: dict[str, Any], rules: Rules) -> Part:
    """Read one split.

    Raises:
        MsaError: it has no ids.
    """
    told = rows.pop("labels") if emotions.are(rows.get("labels")) else None
    anonymous = "id" not in rows
    if anonymous and told is not None:
        rows["id"] = emotions.numbered(file, split, len(told))
    elif anonymous:
        raise MsaError(f"{split} has no 'id'. Add the id of every utterance, e.g. 'video$_$clip'.")
    ids = texts(rows["id"], f"id of {split}")
    n = len(ids)
    part = Part(split, ids, None, groups=[] if anonymous else [video(name) for name in ids])
    if not n:
        return part
    if told is not None:
        file.attempt(emotions.take, file, part, told)
    elif "regression_labels" in rows:
        part.labels = file.attempt(labels, rows["regression_labels"], f"regression_labels of {split}", n)
    else:
        file.findings.append(Finding("error", f"{split} has no 'regression_labels'. Add a score per utterance."))
    for modality, ending in RATINGS.items():
        key = f"regression_labels_{ending}"
        rating = file.attempt(labels, rows[key], f"{key} of {split}", n) if key in rows else None
        if rating is not None:
            part.ratings[modality] = rating
    layouts.unread(file, rows, READ, split)
    _text(file, part, rows, rules)
    return part


def _text(file: FeatureFile, part: Part, rows: dict[str, Any], rules: Rules) -> None:
    """Fill the streams of `part`, the text first because aligned files have its frames everywhere."""
    n = len(part.ids)
    frames_of_text: FramesOfText | None = None
    pieces, text = rows.pop("text_bert", None), rows.pop("text", None)
    # vectors of the text: those of the file, or its word pieces encoded
    if pieces is not None:
        pieces = file.attempt(layouts.pieces, file, pieces, f"text_bert of {part.split}", n)
    if text is not None:
        text = file.attempt(_vectors, file, text, f"text of {part.split}", n, pieces)
    elif pieces is not None and rules.bert is not None:
        text = file.attempt(encoder.encode, pieces, rules.bert)
    elif pieces is not None and not any(f.sentence == NO_TEXT for f in file.findings):
        file.findings.append(Finding("error", NO_TEXT))
    # its real frames: the mask of the word pieces, else zeros are padding
    if pieces is not None and rules.lengths != "zeros":
        mask = pieces[:, 1] == 1
        frames_of_text = span_of_mask(mask), mask.shape[1], "mask of text_bert"
    if text is not None and (frames_of_text is None or text.shape[1] != frames_of_text[1]):
        used = nonzero(text)
        if transposed(text, used):
            file.remark_transposed("text", text.shape)
        span, front = span_of_zeros(used, file.front.get("text", False))
        file.front["text"] = front
        frames_of_text = span, text.shape[1], FRONT if front else ZEROS
    elif text is not None and frames_of_text is not None:
        frames_of_text = _corrected(file, part, text, frames_of_text, "text" in rules.by_zeros)
    if text is not None and frames_of_text is not None:
        file.found_by("text", frames_of_text[2])
        part.streams["text"] = cut(text, frames_of_text[0])
        part.held["text"] = layouts.held(text, part.streams["text"])
    # audio and vision, which may be aligned to the text
    for modality in ("audio", "vision"):
        if rows.get(modality) is not None:
            stream = file.attempt(_stream, file, part, modality, rows, rules, frames_of_text)
            if stream is not None:
                part.streams[modality] = stream


def _vectors(file: FeatureFile, value: Any, what: str, n: int, pieces: np.ndarray | None) -> np.ndarray:
    """Check vectors of text (N, L, D), L as in its word pieces (N, 3, L) where there are some.

    Raises:
        MsaError: the array has another shape, is transposed or holds word-piece ids.
    """
    text = numbers(value, what, n, (3,))
    if text.shape[1] == 3 and np.isin(text[:, 1], (0, 1)).all() and (text[:, 0] == np.floor(text[:, 0])).all():
        raise MsaError(f"{what} has shape {text.shape} and holds ids, mask and segment. Call it text_bert.")
    length = text.shape[1] if pieces is None else pieces.shape[2]
    if text.shape[1] != length and text.shape[2] == length:
        turned = text.transpose(0, 2, 1).shape
        raise MsaError(
            f"{what} has shape {text.shape}, and text_bert has {length} word pieces: the frames stand on the last "
            f"axis. Give it as {turned}, or leave text_bert out if {length} is its width."
        )
    if text.shape[1] != length:
        said = f"{what} has {text.shape[1]} frames and text_bert {length} word pieces: its mask is not used"
        file.findings.append(Finding("warning", f"{said}; zeros tell the padding."))
    return text


def _corrected(file: FeatureFile, part: Part, text: np.ndarray, found: FramesOfText, throughout: bool) -> FramesOfText:
    """Let zeros tell the padding where a mask does not fit its text.

    That is in utterances whose mask holds zeros while their text stands outside, and in all of them when the masks are
    1 `throughout` although most texts are padded.
    """
    span, length, how = found
    what, wrong = f"text_bert of {part.split}: the mask", contradicted(text, span)
    if throughout:
        what, wrong = f"{what} is 1 throughout although most utterances end before", np.ones(len(text), bool)
    elif wrong.any():
        what = f"{what} does not fit the text of {named(chosen(part.ids, wrong))}"
    else:
        return found
    by_zeros, front = span_of_zeros(nonzero(text[wrong]), file.front.get("text", False))
    file.front["text"], other = front, FRONT if front else ZEROS
    for known, right in zip(span, by_zeros, strict=True):
        known[wrong] = right
    file.findings.append(Finding("warning", f"{what}; there {other}."))
    return span, length, other if wrong.all() else f"{how}, or {other}"


def _stream(
    file: FeatureFile,
    part: Part,
    modality: str,
    rows: Mapping[str, Any],
    rules: Rules,
    frames_of_text: FramesOfText | None,
) -> Ragged:
    """Cut out the real frames of audio or vision; `file.lengths` records how they were found.

    Raises:
        MsaError: the array has another shape, or its lengths do not fit it.
    """
    values = numbers(rows[modality], f"{modality} of {part.split}", len(part.ids), (3,))
    key, before, rule = f"{modality}_lengths", file.front.get(modality, False), rules.lengths
    # first rule: declared lengths
    if rule in ("auto", "declared") and rows.get(key) is not None:
        declared_lengths(rows[key], f"{key} of {part.split}", len(part.ids), part.ids)
        found = rules.declared[modality].pop(part.split)
        if transposed(values, found.used):
            file.remark_transposed(modality, values.shape)
        part.held[modality] = np.asarray(found.used.any(1))
        file.front[modality] = found.judged.front
        file.found_by(modality, found.judged.how(key))
        return cut(values, found.judged.span)
    if rule == "declared":
        raise MsaError(f"{part.split} has no {key}. Add them, or read with lengths='auto'.")
    used = nonzero(values)
    if transposed(values, used):
        file.remark_transposed(modality, values.shape)
    part.held[modality] = np.asarray(used.any(1))
    # second rule: the frames of an aligned text
    aligned = frames_of_text is not None and values.shape[1] == frames_of_text[1]
    if rule == "text" and not aligned:
        raise MsaError(f"{modality} of {part.split} is not aligned to the text. Read with lengths='auto'.")
    if frames_of_text is not None and aligned and rule != "zeros":
        span = frames_of_text[0]
        beyond = outside(used, span)
        if rule == "auto" and modality in rules.by_zeros:
            said = f"{modality} of {part.split}: the text has frames throughout although most of it ends before"
            file.findings.append(Finding("warning", f"{said}; zeros are padding."))
        elif rule == "text" or 2 * beyond.sum() <= part.held[modality].sum():
            file.found_by(modality, f"frames of the text ({frames_of_text[2]})")
            return cut(values, _around(file, part, modality, used, span, beyond, kept=rule != "text"))
    # third rule: zeros are padding
    span, front = span_of_zeros(used, before)
    file.front[modality] = front
    file.found_by(modality, FRONT if front else ZEROS)
    return cut(values, span)


def _around(
    file: FeatureFile, part: Part, modality: str, used: np.ndarray, span: Span, beyond: np.ndarray, kept: bool
) -> Span:
    """Widen the spans of the utterances `beyond` the text to all their frames, or leave these out; warn of both."""
    if not beyond.any():
        return span
    what = "kept" if kept else "left out"
    sentence = f"{modality} of {part.split}: {named(chosen(part.ids, beyond))} have frames outside those of the text;"
    file.findings.append(Finding("warning", f"{sentence} these are {what}."))
    if not kept:
        return span
    start, stop = span_of_mask(used)
    empty = span[0] == span[1]
    first = np.where(empty, start, np.minimum(span[0], start))
    return np.where(beyond, first, span[0]), np.where(beyond, np.maximum(span[1], stop), span[1])
