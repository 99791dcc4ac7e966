"""Pickle reader that cannot run code: numpy arrays, numpy scalars and builtin data types only.

Feature files of the field are pickles from strangers' drives, and an ordinary `pickle.load` obeys whatever such a
file asks for. Here every name that the file asks for must stand in `ALLOWED`; each stands for a function of this
module that checks its arguments, never for numpy's own, because those trust sizes and flags from the file.
"""

from __future__ import annotations

import math
import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from msa_core.errors import MsaError

DTYPE = re.compile(r"[biufcSUO][0-9]{1,9}")  # no structured, void or date types
LAST_CODE_POINT = 0x10FFFF
WAY_OUT = "MMSA files hold numpy arrays and builtins only. Download it from the authors' page or save as npz."
HEADS = {
    b"<": "a web page, not a pickle: the drive asked something first",
    b"version https://git-lfs": "a Git LFS pointer: run 'git lfs pull'",
    b"PK": "a zip archive: unpack it, or if torch.save wrote it, save numpy arrays with pickle or numpy.savez",
    b"\x1f\x8b": "a gzip archive: unpack it",
    b"\x93NUMPY": "one numpy array: save all arrays with numpy.savez",
    b"\x89HDF": "an HDF5 file: save its arrays with numpy.savez",
}
DAMAGE = (
    pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError,
    AssertionError, MemoryError, RecursionError, struct.error,
)  # fmt: skip


def load(path: str | Path) -> Any:
    """Read a pickle: dict, list, tuple, set, str, bytes, numbers, numpy arrays and scalars.

    Raises:
        MsaError: the file cannot be read, is truncated or no pickle, or asks for any other name.
    """
    path = Path(path)
    try:
        with open(path, "rb") as f:
            head = f.read(64)
            f.seek(0)
            return _Reader(_Bounded(f, path.stat().st_size), path.name).load()
    except OSError as e:
        raise MsaError(f"Cannot read {path.name} ({e.strerror}). Give the path of a feature file.") from e
    except DAMAGE as e:
        known = next((what for start, what in HEADS.items() if head.lstrip().startswith(start)), None)
        if not head:
            known = "empty"
        elif known is None:
            known = "truncated" if isinstance(e, EOFError) else f"no pickle, or damaged ({type(e).__name__}: {e})"
        raise MsaError(f"{path.name} is {known}. Download it again.") from e


class _Bounded:
    """File that never asks the system for more bytes than are left in it."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.size = file, size

    def read(self, n: int) -> bytes:
        if not 0 <= n <= self.size - self.file.tell():
            raise EOFError("the file ends too early")
        return self.file.read(n)

    def readline(self) -> bytes:
        return self.file.readline()


class _Array(np.ndarray):
    """Array whose shape is compared with its payload before numpy reserves memory."""

    def __setstate__(self, state: tuple) -> None:
        shape, dtype, fortran, data = state[-4:]
        real = _real(dtype)
        content = _payload(real, _count(shape), data)
        whole: Any = (1, shape, real, bool(fortran), content)
        super().__setstate__(whole)


class _Dtype:
    """Dtype by kind, size and byte order only; its other flags in the file are ignored."""

    def __init__(self, spec: str) -> None:
        self.spec, self.order = spec, "|"

    def __setstate__(self, state: tuple) -> None:
        if state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise ValueError("a structured dtype")
        self.order = state[1]


def _real(dtype: object) -> np.dtype:
    """Return the numpy dtype of a `_Dtype`."""
    if not isinstance(dtype, _Dtype):
        raise ValueError("an array without a dtype")
    return np.dtype(f"{dtype.order}{dtype.spec}")


def _count(shape: object) -> int:
    """Count the items in an array of this shape."""
    if not isinstance(shape, tuple) or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError("an array of impossible shape")
    return math.prod(shape)


def _payload(dtype: np.dtype, count: int, data: Any) -> Any:
    """Check the data of `count` items: a list for objects, bytes otherwise, of exactly that size."""
    if dtype.kind == "O":
        if not isinstance(data, list) or len(data) != count:
            raise ValueError(f"{count} objects announced")
        return data
    if isinstance(data, str):  # bytes of Python 2
        data = data.encode("latin1")
    if not isinstance(data, bytes) or len(data) != count * dtype.itemsize or (count and not dtype.itemsize):
        raise ValueError(f"{count} items of {dtype.itemsize} bytes announced")
    if dtype.kind == "U" and count:
        codes = np.frombuffer(data, np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if codes.max() > LAST_CODE_POINT:
            raise ValueError("text beyond Unicode")
    return data


def _new_dtype(spec: str, align: object = False, copy: object = True) -> _Dtype:
    if not isinstance(spec, str) or not DTYPE.fullmatch(spec):
        raise ValueError(f"dtype {str(spec)[:40]!r}")
    np.dtype(spec)  # TypeError for a size that does not exist
    return _Dtype(spec)


def _new_array(kind: object, shape: object, code: object) -> _Array:
    """Make an empty array; the file fills it through `_Array.__setstate__`."""
    if kind is not _no_call:
        raise ValueError("an array of another class")
    return np.ndarray.__new__(_Array, (0,), np.int8)


def _from_buffer(data: Any, dtype: object, shape: Any, order: str, axes: Any = None) -> np.ndarray:
    """Make an array as protocol 5 writes it."""
    real = _real(dtype)
    if real.kind == "O":
        raise ValueError("objects in a buffer")
    flat = np.frombuffer(_payload(real, _count(shape), data), real)
    if order == "K" and axes is not None:
        return flat.reshape(shape).transpose(axes)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: object, data: Any) -> Any:
    real = _real(dtype)
    if real.kind == "O":
        raise ValueError("a scalar object")
    return np.frombuffer(_payload(real, 1, data), real)[0]


def _encode(text: str, encoding: str = "") -> bytes:
    """Make bytes as protocols 0 to 2 write them."""
    if encoding != "latin1" or not isinstance(text, str):
        raise ValueError(f"encoding {str(encoding)[:40]!r}")
    return text.encode("latin1")


def _bytes(content: bytes = b"") -> bytes:
    if not isinstance(content, bytes):  # a number would reserve that many bytes
        raise ValueError("bytes of something else")
    return content


def _complex(real: float, imaginary: float) -> complex:
    return complex(real, imaginary)


def _set(items: list) -> set:
    return set(items)


def _frozenset(items: list) -> frozenset:
    return frozenset(items)


def _no_call(*_: object) -> None:
    """Stand for numpy.ndarray, which a file names but never calls."""
    raise ValueError("a bare numpy.ndarray")


ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _no_call,
    ("numpy", "dtype"): _new_dtype,
    ("_codecs", "encode"): _encode,
}
for _core in ("numpy.core", "numpy._core"):  # numpy 1 and numpy 2
    ALLOWED[f"{_core}.multiarray", "_reconstruct"] = _new_array
    ALLOWED[f"{_core}.multiarray", "scalar"] = _scalar
    ALLOWED[f"{_core}.numeric", "_frombuffer"] = _from_buffer
for _builtins in ("builtins", "__builtin__"):  # Python 3 and Python 2
    for _name, _make in (
        ("bytes", _bytes), ("bytearray", _bytes), ("complex", _complex), ("set", _set), ("frozenset", _frozenset)
    ):  # fmt: skip
        ALLOWED[_builtins, _name] = _make


_PURE: Any = pickle._Unpickler


class _Reader(_PURE):  # type: ignore[misc]
    """Interpreter of pickle in which only the names of `ALLOWED` exist and can be called or filled.

    It is the one written in Python: its memo is a dict, so that a file cannot reserve memory by a large number,
    and calling and filling can be taken over. Arrays arrive as whole blocks, so it is as fast as the other.
    """

    dispatch = dict(_PURE.dispatch)

    def __init__(self, file: _Bounded, name: str) -> None:
        super().__init__(file, encoding="latin1")
        self.name = name

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in of a global.

        Raises:
            MsaError: one that is not allowed.
        """
        if (module, name) not in ALLOWED:
            raise MsaError(f"{self.name} asks for {str(module)[:80]}.{str(name)[:80]}: refused; {WAY_OUT}")
        return ALLOWED[module, name]

    def load_reduce(self) -> None:
        """Call a stand-in."""
        arguments = self.stack.pop()
        function = self.stack[-1]
        if not any(function is allowed for allowed in ALLOWED.values()) or not isinstance(arguments, tuple):
            raise ValueError("a call of what is no function")
        self.stack[-1] = function(*arguments)

    def load_build(self) -> None:
        """Fill an array or a dtype."""
        state = self.stack.pop()
        if type(self.stack[-1]) not in (_Array, _Dtype) or not isinstance(state, tuple):
            raise ValueError("a state of what has none")
        self.stack[-1].__setstate__(state)

    def load_bytearray8(self) -> None:
        """Read a bytearray as bytes: the announced size is read, not reserved."""
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(self.read(size))

    def load_never(self) -> None:
        """Refuse the ways to make objects that data does not need."""
        raise ValueError("an object of a class")

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    for _code in (pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.PERSID, pickle.BINPERSID):
        dispatch[_code[0]] = load_never
