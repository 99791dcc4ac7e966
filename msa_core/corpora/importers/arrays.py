"""Arrays of a feature file, checked one by one, and which of their frames are real.

Every function raises MsaError with a sentence for the researcher; readers collect these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from msa_core.corpora.importers.contents import chosen, named, without_zero_rows
from msa_core.corpora.ragged import Ragged
from msa_core.errors import MsaError

SHAPES = {1: "(N,), one number per utterance", 2: "(N, D)", 3: "(N, T, D)"}
Span = tuple[np.ndarray, np.ndarray]  # first real frame and the one after the last, per utterance (N,)


def texts(value: Any, what: str) -> list[str]:
    """Check a row of names: str, bytes or whole numbers.

    Raises:
        MsaError: another shape, type or an empty name.
    """
    array = np.asarray(value) if not isinstance(value, (list, tuple)) else None
    if array is not None and array.ndim != 1:
        raise MsaError(f"{what} has shape {array.shape}; give one text per utterance, shape (N,).")
    found = []
    for row, item in enumerate(value if array is None else array.tolist()):
        if isinstance(item, bytes):
            item = item.decode("utf-8", "replace")
        if isinstance(item, np.generic):
            item = item.item()
        if not isinstance(item, (str, int)) or isinstance(item, bool) or not str(item).strip():
            raise MsaError(f"{what}, row {row}: {type(item).__name__} instead of a text. Give one text per utterance.")
        found.append(str(item).rstrip("\x00"))
    return found


def numbers(value: Any, what: str, n: int, ranks: Sequence[int]) -> np.ndarray:
    """Check a numeric array with `n` rows and one of `ranks`.

    Raises:
        MsaError: it holds something else or has another shape; the message says which is needed.
    """
    wanted = " or ".join(SHAPES[r] for r in ranks)
    try:
        array = np.asarray(value)
        array = array.astype(np.float64) if array.dtype.kind == "O" else array
    except (TypeError, ValueError, OverflowError, RecursionError) as e:
        raise MsaError(f"{what} is no array of numbers ({e}). Pad it to one array {wanted}.") from e
    if array.dtype.kind not in "biuf":
        raise MsaError(f"{what} holds {array.dtype.name} instead of numbers. Give one array {wanted}.")
    if 1 in ranks and array.shape[1:] == (1,):
        array = array[:, 0]
    if array.ndim not in ranks:
        raise MsaError(f"{what} has shape {array.shape} (rank {array.ndim}); give {wanted}.")
    if len(array) != n:
        raise MsaError(f"{what} has {len(array)} rows for {n} ids. Export both from the same table, one row each.")
    if n and 0 in array.shape:
        raise MsaError(f"{what} has shape {array.shape}: nothing in it. Export it again, or leave it out.")
    return array


def labels(value: Any, what: str, n: int) -> np.ndarray:
    """Check labels (N,) and return them as float64.

    Raises:
        MsaError: as `numbers`.
    """
    return numbers(value, what, n, (1,)).astype(np.float64)


def declared_lengths(value: Any, what: str, shape: tuple[int, ...], ids: Sequence[str]) -> np.ndarray:
    """Check whole numbers (N,) from 0 to T.

    Raises:
        MsaError: a length is no whole number or out of range; the message names the utterances.
    """
    n, n_frames = shape[:2]
    found = labels(value, what, n)
    for refused, reason in (
        (~np.isfinite(found) | (found != np.floor(found)), "no whole number"),
        (found < 0, "below 0"),
        (found > n_frames, f"larger than the {n_frames} frames of the array"),
    ):
        if refused.any():
            raise MsaError(
                f"{what} is {reason} for {named(chosen(ids, refused))} ({found[refused][0]:g}). "
                "Export the lengths again, or leave them out: then the zeros at the end are padding."
            )
    return found.astype(np.int64)


def nonzero(values: np.ndarray) -> np.ndarray:
    """Mark the frames (N, T) of an array (N, T, D) with any value but 0; NaN counts as one."""
    return np.asarray((values != 0).any(2))


def span_of_lengths(used: np.ndarray, lengths: np.ndarray) -> tuple[Span, bool]:
    """Find the real frames from declared lengths (N,); True when the padding stands in front.

    It does when nothing but zeros stands before the last `length` frames of every utterance, and something
    stands beyond the first ones. used (N, T): frames that are not zero.
    """
    place, n_frames = np.arange(used.shape[1]), used.shape[1]
    beyond = (used & (place >= lengths[:, None])).any()
    before = (used & (place < n_frames - lengths[:, None])).any()
    if beyond and not before:
        return (n_frames - lengths, np.full(len(used), n_frames)), True
    return (np.zeros(len(used), np.int64), lengths), False


def span_of_mask(mask: np.ndarray) -> Span:
    """Find the real frames from the first to the last True of a mask (N, T)."""
    n_frames, some = mask.shape[1], mask.any(1)
    start, stop = mask.argmax(1), n_frames - mask[:, ::-1].argmax(1)
    return np.where(some, start, 0), np.where(some, stop, 0)


def span_of_zeros(used: np.ndarray) -> tuple[Span, bool]:
    """Find the real frames when zeros at the end are padding; True when they stand in front instead.

    They do when every utterance ends with a frame that is not zero and some begin with zeros. used (N, T).
    """
    start, stop = span_of_mask(used)
    some = used.any(1)
    front = bool(some.any() and used[some, -1].all() and not used[some, 0].all())
    return ((start, stop), True) if front else ((np.zeros_like(start), stop), False)


def outside(used: np.ndarray, span: Span) -> np.ndarray:
    """Mark utterances (N,) with frames that are not zero outside their span."""
    place = np.arange(used.shape[1])
    return np.asarray((used & ((place < span[0][:, None]) | (place >= span[1][:, None]))).any(1))


def cut(values: np.ndarray, span: Span) -> Ragged:
    """Cut out the real frames of an array (N, T, D) as float32; all-zero utterances become empty."""
    place = np.arange(values.shape[1])
    inside = (place >= span[0][:, None]) & (place < span[1][:, None])
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite in float32 is found later
        flat = values[inside].astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(inside.sum(1))]).astype(np.int64)
    return without_zero_rows(Ragged(flat, offsets))
