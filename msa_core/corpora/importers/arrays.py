"""Checks of the arrays of a feature file, one by one.

Every function raises MsaError with a sentence for the researcher; readers collect these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from msa_core.corpora.importers.contents import chosen, named
from msa_core.errors import MsaError

LARGEST = 2**53  # whole numbers that float64 holds exactly
SHAPES = {1: "(N,), one number per utterance", 2: "(N, D)", 3: "(N, T, D)"}


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


def declared_lengths(value: Any, what: str, n: int, ids: Sequence[str]) -> np.ndarray:
    """Check whole numbers (N,) from 0.

    Raises:
        MsaError: a length is no whole number or below 0; the message names the utterances.
    """
    found = labels(value, what, n)
    whole = np.isfinite(found) & (found == np.floor(found)) & (np.abs(found) < LARGEST)
    refuse_lengths(~whole, "no whole number", what, found, ids)
    refuse_lengths(found < 0, "below 0", what, found, ids)
    return found.astype(np.int64)


def refuse_lengths(refused: np.ndarray, reason: str, what: str, found: np.ndarray, ids: Sequence[str]) -> None:
    """Refuse the lengths (N,) that are marked.

    Raises:
        MsaError: any is; the message names the utterances and the first length.
    """
    if refused.any():
        raise MsaError(
            f"{what} is {reason} for {named(chosen(ids, refused))} ({found[refused][0]:g}). "
            "Export the lengths again, or leave them out: then the zeros at the end are padding."
        )
