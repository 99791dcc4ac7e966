"""Arrays of different length packed end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msa_core.errors import MsaError

REBUILD = "Build it again (docs/corpora.md)."


@dataclass(frozen=True)
class Ragged:
    """Arrays of different length end to end: entry e is values[offsets[e]:offsets[e + 1]].

    values (N, D) float16/float32, or (N,) integers for an index; offsets (E + 1,) int64 from 0 to N.
    """

    values: np.ndarray
    offsets: np.ndarray

    def __post_init__(self) -> None:
        steps = np.diff(self.offsets)
        if self.offsets.ndim != 1 or len(self.offsets) < 1 or self.offsets[0] != 0 or (steps < 0).any():
            raise MsaError("Ragged offsets must be one row that starts at 0 and never falls. " + REBUILD)
        if self.offsets[-1] != len(self.values):
            raise MsaError(f"Ragged offsets end at {self.offsets[-1]} but there are {len(self.values)} rows. {REBUILD}")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, entry: int) -> np.ndarray:
        return self.values[self.offsets[entry] : self.offsets[entry + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """Rows per entry (E,)."""
        return np.diff(self.offsets)

    @staticmethod
    def of(entries: Sequence[np.ndarray | Sequence[int]], dtype: Any, width: int | None = None) -> Ragged:
        """Pack arrays (T_e, D), or lists of integers when `width` is None, into one Ragged.

        Raises:
            MsaError: an entry has another width or a value is not finite in `dtype`.
        """
        empty = np.zeros((0,) if width is None else (0, width), dtype)
        with np.errstate(over="ignore"):  # an overflow is infinite and refused below
            parts = [np.asarray(e, dtype) if len(e) else empty for e in entries]
        for i, part in enumerate(parts):
            if part.shape[1:] != empty.shape[1:]:
                raise MsaError(f"Entry {i} has shape {part.shape}; give (T, {width}).")
            if width is not None and not np.isfinite(part).all():
                raise MsaError(f"Entry {i} has values that are not finite in {np.dtype(dtype)}; repair or scale it.")
        offsets = np.zeros(len(parts) + 1, np.int64)
        np.cumsum([len(p) for p in parts], out=offsets[1:])
        return Ragged(np.concatenate([*parts, empty]), offsets)

    def save(self, folder: Path, name: str) -> None:
        """Write `name`.values.npy and `name`.offsets.npy."""
        np.save(folder / f"{name}.values.npy", self.values)
        np.save(folder / f"{name}.offsets.npy", self.offsets)

    @staticmethod
    def load(folder: Path, name: str, memmap: bool = False) -> Ragged:
        """Read what `save` wrote; with `memmap` the values stay on disk."""
        values = np.load(folder / f"{name}.values.npy", mmap_mode="r" if memmap else None, allow_pickle=False)
        return Ragged(values, np.load(folder / f"{name}.offsets.npy", allow_pickle=False))


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Concatenate arange(start, start + length) of every pair.

    >>> ranges(np.array([0, 5]), np.array([3, 2])).tolist()
    [0, 1, 2, 5, 6]
    """
    return np.arange(lengths.sum()) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
