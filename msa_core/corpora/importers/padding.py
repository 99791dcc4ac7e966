"""Real frames of padded arrays (N, T, D): found by declared lengths, by a mask or by zeros.

Padding stands at the end or in front. The side is a property of a whole array, so its utterances vote on it; and
declared lengths are compared with the frames that are not zero before they are believed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from msa_core.corpora.importers.contents import without_zero_rows
from msa_core.corpora.ragged import Ragged

Span = tuple[np.ndarray, np.ndarray]  # first real frame and the one after the last, per utterance (N,)
ZEROS, FRONT = "zeros at the end are padding", "zeros in front are padding"
SOME = 0.1  # of the utterances with wrong lengths: so many with zeros at an end show that zeros are padding
ASKED = 500  # utterances that tell whether an array is transposed
BY_ZEROS = ("outside", "whole")  # reasons why lengths are not believed and zeros tell the padding


class Declared(NamedTuple):
    """Judgement of declared lengths: the real frames, and where the lengths do not fit the array.

    All rows are (N,) bool. `beyond`: frames stand outside the length; `kept`: they are read all the same, because the
    array is padded with zeros; `hidden`: all frames stand outside, though the length is not 0. reason: "" when the
    lengths are believed; else why zeros tell the padding (BY_ZEROS), or "unknown" when zeros do not tell it either.
    """

    span: Span
    front: bool
    beyond: np.ndarray
    kept: np.ndarray
    hidden: np.ndarray
    reason: str

    def how(self, key: str) -> str:
        """Say how the real frames were found, by the lengths `key` or by zeros."""
        if self.reason in BY_ZEROS:
            return FRONT if self.front else ZEROS
        return f"{key}, padding in front" if self.front else key


def nonzero(values: np.ndarray) -> np.ndarray:
    """Mark the frames (N, T) of an array (N, T, D) with any value but 0; NaN counts as one."""
    return np.asarray((values != 0).any(2))


def mostly_padded(used: np.ndarray) -> bool:
    """Tell whether most utterances that are not zero throughout begin or end with zeros, by their frames (N, T)."""
    some = used.any(1)
    return bool(2 * (some & ~(used[:, 0] & used[:, -1])).sum() > some.sum())


def outside(used: np.ndarray, span: Span) -> np.ndarray:
    """Mark utterances (N,) with frames that are not zero outside their span."""
    place = np.arange(used.shape[1])
    return np.asarray((used & ((place < span[0][:, None]) | (place >= span[1][:, None]))).any(1))


def span_of_mask(mask: np.ndarray) -> Span:
    """Find the real frames from the first to the last True of a mask (N, T)."""
    n_frames, some = mask.shape[1], mask.any(1)
    start, stop = mask.argmax(1), n_frames - mask[:, ::-1].argmax(1)
    return np.where(some, start, 0), np.where(some, stop, 0)


def span_of_zeros(used: np.ndarray, before: bool = False) -> tuple[Span, bool]:
    """Find the real frames when zeros are padding; True when the padding stands in front.

    Args:
        used: frames that are not zero (N, T).
        before: the side of another array of the same kind, True for in front; it decides when the votes are equal.
    """
    votes = _votes_of_zeros(used)
    front = votes > 0 or (votes == 0 and before)
    start, stop = span_of_mask(used)
    some = used.any(1)
    if front:
        return (start, np.where(some, used.shape[1], 0)), True
    return (np.zeros_like(start), stop), False


def judge_lengths(used: np.ndarray, lengths: np.ndarray, before: bool = False, forced: bool = False) -> Declared:
    """Compare declared lengths (N,) with the frames that are not zero, and find the real frames.

    Lengths are believed unless most of the utterances whose length says anything contradict it; unless they only
    count up to the first zero frame (as getLengths.py of MMSA does) and lose frames by it; and unless they are the
    whole array throughout although most utterances are padded. Then zeros are padding, as long as there are any.
    Of lengths that are believed, single ones are wrong where frames stand outside although the others end in zeros.

    Args:
        used: frames that are not zero (N, T).
        lengths: whole numbers from 0; beyond T they were taken before the array was cut.
        before: as in `span_of_zeros`.
        forced: believe them in any case.
    """
    n_frames, some = used.shape[1], used.any(1)
    start, stop = span_of_mask(used)
    # the side: utterances whose frames fit one side only vote, and so do zeros at one end only
    inside = np.minimum(lengths, n_frames)
    at_start, at_end = some & (stop <= inside), some & (start >= n_frames - inside)
    votes = int((at_end & ~at_start).sum()) - int((at_start & ~at_end).sum()) + _votes_of_zeros(used)
    front = votes > 0 or (votes == 0 and before)
    # what contradicts: frames outside a length, and zeros at an end of an utterance that is said to be cut
    full = some & used[:, 0] & used[:, -1]
    beyond = some & ~(at_end if front else at_start)
    wrong = beyond | (some & (lengths > n_frames) & ~full)
    asked = some & ((lengths < n_frames) | wrong)
    first_zero = np.where(used.all(1), n_frames, used.argmin(1))
    derived = bool(((lengths == first_zero) | (lengths == np.maximum(first_zero, 1)))[some].all())
    # who is right
    reason = ""
    if forced:
        pass
    elif beyond.any() and derived:
        reason = "outside"
    elif 2 * wrong.sum() > asked.sum() and (wrong & ~full).sum() > SOME * wrong.sum():
        reason = "outside"
    elif 2 * beyond.sum() > some.sum():
        reason = "unknown"
    elif len(lengths) and (lengths == n_frames).all() and mostly_padded(used):
        reason = "whole"
    if reason in BY_ZEROS:
        span, front = span_of_zeros(used, front)
        return Declared(span, front, beyond, np.zeros_like(some), np.zeros_like(some), reason)
    span = (n_frames - inside, np.full(len(used), n_frames)) if front else (np.zeros_like(inside), inside)
    hidden = some & (inside > 0) & ~_within(used, span)
    padded = not forced and reason == "" and 2 * beyond.sum() <= asked.sum()  # with zeros, by most that are padded
    kept = beyond & ~hidden & (inside > 0) & padded
    by_zeros = span_of_zeros(used, front)[0]
    span = (np.where(hidden | kept, by_zeros[0], span[0]), np.where(hidden | kept, by_zeros[1], span[1]))
    return Declared(span, front, beyond, kept, hidden, reason)


def contradicted(values: np.ndarray, span: Span) -> np.ndarray:
    """Mark utterances (N,) of an array (N, T, D) whose span begins or ends with zeros while values stand outside.

    Padding may hold any values (BERT gives some to it), so values outside alone contradict nothing, unless the span
    is empty.
    """
    rows = np.arange(len(values))
    empty = span[0] == span[1]
    edges = values[rows, np.minimum(span[0], values.shape[1] - 1)], values[rows, np.maximum(span[1] - 1, 0)]
    found = empty | ~edges[0].any(1) | ~edges[1].any(1)
    at = np.flatnonzero(found)
    found[at] = outside(nonzero(values[at]), (span[0][at], span[1][at]))
    return found


def transposed(values: np.ndarray, used: np.ndarray) -> bool:
    """Tell whether an array (N, T, D) seems to be (N, D, T): padded along its last axis, and not along its frames.

    Args:
        used: its frames that are not zero (N, T).
    """
    some = used.any(1)
    if (some & ~(used[:, 0] & used[:, -1])).sum() > SOME * some.sum():
        return False
    columns = (values[some][:ASKED] != 0).any(1)
    columns = columns[:, columns.any(0)]  # a column that is zero everywhere is no padding
    if not columns.size:
        return False
    start, stop = span_of_mask(columns)
    found = (stop - start < columns.shape[1]) & (columns.sum(1) == stop - start)
    return bool(2 * found.sum() > len(columns) and np.unique((stop - start)[found]).size > 2)


def cut(values: np.ndarray, span: Span) -> Ragged:
    """Cut out the real frames of an array (N, T, D) as float32; all-zero utterances become empty."""
    place = np.arange(values.shape[1])
    inside = (place >= span[0][:, None]) & (place < span[1][:, None])
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite in float32 is found later
        flat = values[inside].astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(inside.sum(1))]).astype(np.int64)
    return without_zero_rows(Ragged(flat, offsets))


def _votes_of_zeros(used: np.ndarray) -> int:
    """Count the utterances with zeros in front only, less those with zeros at the end only."""
    return int((~used[:, 0] & used[:, -1]).sum()) - int((used[:, 0] & ~used[:, -1]).sum())


def _within(used: np.ndarray, span: Span) -> np.ndarray:
    """Mark utterances (N,) with frames that are not zero inside their span."""
    place = np.arange(used.shape[1])
    return np.asarray((used & (place >= span[0][:, None]) & (place < span[1][:, None])).any(1))
