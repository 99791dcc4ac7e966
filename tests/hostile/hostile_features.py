"""Hostile feature files, all made from a seed: pickles that call, nest or lie, arrays of NaN, bombs, odd tables."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import feature_files
import numpy as np

SEED = 21
CALLED = "called"  # the file that a pickle makes when it is obeyed


def deep(n: int) -> bytes:
    """A pickle of lists in lists."""
    return b"\x80\x04" + b"]" * n + b"a" * (n - 1) + b"."


def pickles(folder: Path) -> dict[str, bytes]:
    """Pickles by name."""
    rng = random.Random(SEED)
    good = pickle.dumps(feature_files.mmsa(), 4)
    evil = feature_files.Call(os.system, f"touch '{folder / CALLED}'")
    content: dict[str, Any] = {
        "call": evil,
        "call-inside": feature_files.mmsa() | {"train": evil},
        "eval": feature_files.Call(eval, f"open({str(folder / CALLED)!r}, 'w')"),
        "scalar": 5,
        "none": None,
        "list": [[1, 2], "x"],
        "no-splits": {"train": {}},
        "objects": feature_files.mmsa() | {"train": {"text": np.array([object], object) if False else "text"}},
    }
    for name, value in (("nan", np.nan), ("inf", np.inf), ("huge", 3e38)):
        made = feature_files.mmsa()
        for split in made.values():
            split["audio"][0, 0] = value
            split["regression_labels"] = (
                split["regression_labels"] * value if name == "nan" else split["regression_labels"]
            )
        content[f"values-{name}"] = made
    for key in ("text", "audio", "vision", "id", "regression_labels"):
        made = feature_files.mmsa()
        del made["test"][key]
        content[f"without-{key}"] = made
        made = feature_files.mmsa()
        made["train"][key] = np.zeros((0, 3))
        content[f"empty-{key}"] = made
        made = feature_files.mmsa()
        made["valid"][key] = "a word"
        content[f"word-{key}"] = made
    found = {name: pickle.dumps(value) for name, value in content.items()}
    found |= {f"cut-{share}": good[: int(len(good) * share)] for share in (0.001, 0.2, 0.9, 0.999)}
    for flips in (1, 10, 100, 1000):
        data = bytearray(good)
        for _ in range(flips):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        found[f"flips-{flips}"] = bytes(data)
    found |= {f"deep-{n}": deep(n) for n in (900, 100_000)}
    for name, size in (("unicode", b"\x8d"), ("bytes", b"\x8e"), ("bytearray", b"\x96")):
        found[f"long-{name}"] = b"\x80\x05" + size + struct.pack("<Q", 2**62) + b"abc."
    found["long-int"] = b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1) + b"."
    found["memo"] = b"\x80\x04" + b"h\xff."
    found["stack"] = b"\x80\x04" + b"." * 9
    found["frames"] = b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b"N."
    found["extension"] = b"\x80\x04\x82\x01."
    found["persistent"] = b"\x80\x04N\x51."
    found["grows"] = b"\x80\x04]" + b"2\x61" * 50 + b"."
    return {f"{name}.pkl": data for name, data in found.items()}


def archives() -> dict[str, bytes]:
    """Files with the suffix .npz by name."""
    found: dict[str, bytes] = {}

    def saved(name: str, **arrays: Any) -> None:
        out = io.BytesIO()
        np.savez_compressed(out, **(feature_files.npz() | arrays))
        found[name] = out.getvalue()

    saved("nan", audio=np.full((9, 7, 4), np.nan))
    saved("scores", score=np.full(9, np.inf))
    saved("far", score=np.linspace(-900, 900, 9))
    saved("splits", split=np.array(["=cmd|' /C calc'!A0"] * 9))
    saved("lengths", audio_lengths=np.array([-1, 10**9, 0, 0, 0, 0, 0, 0, 0]))
    saved("objects", id=np.array([{}] * 9, object))
    saved("zeros", text=np.zeros((9, 3_000_000), np.uint8))
    saved("flat", text=np.zeros(9))
    saved("other", text=np.zeros((2, 6)))
    saved("ids", id=np.array(["x" * 10_000] * 9))
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("text.npy", bytes(50_000_000))
        z.writestr("../../evil.npy", b"\x93NUMPY\1\0\xff\xff")
    found["bomb"] = bomb.getvalue()
    head = io.BytesIO()
    with zipfile.ZipFile(head, "w") as z:
        shape = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9, 1152921504606846975), }"
        z.writestr("text.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(shape)) + shape)
        z.writestr("score.npy", b"\x93NUMPY\1\0" + struct.pack("<H", 900) + b"(" * 900)
    found["shape"] = head.getvalue()
    whole = found["splits"]
    damaged = bytearray(whole)
    at = whole.find(b"audio.npy") + 60
    damaged[at : at + 400] = bytes(400)
    facts = {"deep": b"[" * 100_000, "word": b'"x"', "empty": b"", "fields": b"{}"}
    for name, text in facts.items():
        out = io.BytesIO()
        np.savez(out, facts=np.frombuffer(text, np.uint8))
        found[f"facts-{name}"] = out.getvalue()
    found |= {
        "damaged": bytes(damaged),
        "cut": whole[: len(whole) // 2],
        "text": b"no archive",
        "empty": b"",
        "pk": b"PK\3\4" + bytes(99),
    }
    return {f"{name}.npz": data for name, data in found.items()}


def tables() -> dict[str, str]:
    """Tables of labels for a folder of extracted features."""
    rows = "\n".join(f"{'abc'[i // 2]}/clip {i}.mp4,{i - 2.5},{s},{'abc'[i // 2]}" for i, s in enumerate(["train"] * 6))
    return {
        "empty": "", "nul": "clip,score\n\0,1\n", "nan": "clip,score,split\n" + rows.replace("-2.5", "nan"),
        "columns": "a,b,c\n1,2,3\n", "formula": "clip,score\n=1+1,@x\n", "quote": 'clip,score\n"' + "x" * 200_000,
        "long": "clip,score\n" + "," * 200_000, "other": "clip,score\n../../etc/passwd,1\n", "json": "[" * 900,
    }  # fmt: skip
