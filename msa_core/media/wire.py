"""Messages from a process that reads media: JSON, and behind it the bytes of its arrays; nothing in them is code."""

from __future__ import annotations

import json
import struct
from dataclasses import fields, replace
from io import RawIOBase
from math import prod
from typing import Any

import numpy as np

from msa_core.errors import Message, message
from msa_core.schema import MediaInfo

HEAD = struct.Struct("<IQ")  # bytes of the JSON, bytes of the arrays
KINDS = ("uint8", "float32")
MOST_BYTES = 2**31  # of one message


def send(stream: RawIOBase, kind: str, value: Any = None) -> None:
    """Write a message.

    Args:
        stream: an unbuffered pipe.
        kind: of the message.
        value: plain values, arrays, a MediaInfo or sentences, in lists and dicts.
    """
    arrays: list[np.ndarray] = []
    text = json.dumps([kind, _plain(value, arrays)]).encode()
    write(stream, HEAD.pack(len(text), sum(a.nbytes for a in arrays)) + text)
    for array in arrays:
        write(stream, array.reshape(-1).view(np.uint8).data)


def receive(stream: RawIOBase) -> tuple[str, Any]:
    """Read a message. Returns: its kind and its value. Raises: EOFError; ValueError for what is no message."""
    n_text, n_arrays = HEAD.unpack(read(stream, HEAD.size))
    if n_text + n_arrays > MOST_BYTES:
        raise ValueError(f"a message of {n_text + n_arrays} bytes")
    kind, value = json.loads(read(stream, n_text))
    return str(kind), _restored(value, stream)


def write(stream: RawIOBase, data: bytes | memoryview) -> None:
    """Write all of some bytes to an unbuffered pipe."""
    left = memoryview(data)
    while left:
        left = left[stream.write(left) :]


def read(stream: RawIOBase, n: int) -> bytearray:
    """Read `n` bytes from an unbuffered pipe. Raises: EOFError."""
    data = bytearray(n)
    _fill(stream, memoryview(data))
    return data


def _fill(stream: RawIOBase, place: memoryview) -> None:
    while place:
        got = stream.readinto(place)
        if not got:
            raise EOFError
        place = place[got:]


def _plain(value: Any, arrays: list[np.ndarray]) -> Any:
    """Write a value in JSON's types; its arrays are appended to `arrays`, in the order in which they are restored."""
    if isinstance(value, np.ndarray):
        arrays.append(np.ascontiguousarray(value))
        return {"array": [value.dtype.name, list(value.shape)]}
    if isinstance(value, MediaInfo):
        return {"info": {f.name: _plain(getattr(value, f.name), arrays) for f in fields(value)}}
    if isinstance(value, Message):
        return {"sentence": [value.template, _plain(dict(value.values), arrays)]}
    if isinstance(value, dict):
        return {"dict": {str(k): _plain(v, arrays) for k, v in value.items()}}
    if isinstance(value, list | tuple):
        return [_plain(v, arrays) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _restored(value: Any, stream: RawIOBase) -> Any:
    """Undo `_plain`; the bytes of arrays come from `stream`."""
    if isinstance(value, list):
        return [_restored(v, stream) for v in value]
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "dict":
        return {k: _restored(v, stream) for k, v in held.items()}
    if kind == "info":
        info = MediaInfo(**{k: _restored(v, stream) for k, v in held.items()})
        return replace(info, chosen=tuple(info.chosen))
    if kind == "sentence":
        return message(held[0], **_restored(held[1], stream))
    name, shape = held
    if name not in KINDS or prod(shape) * np.dtype(name).itemsize > MOST_BYTES:
        raise ValueError(f"an array of {name} {shape}")
    array = np.empty(shape, name)
    _fill(stream, array.reshape(-1).view(np.uint8).data)
    return array
