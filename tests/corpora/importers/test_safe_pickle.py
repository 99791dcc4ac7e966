"""The pickle reader: all that feature files hold comes back, nothing else is ever called."""

from __future__ import annotations

import copyreg
import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
from feature_files import Call, dump, mmsa

from msa_core.corpora.importers.safe_pickle import load
from msa_core.errors import MsaError

CONTENT = {
    "float": np.arange(12, dtype=np.float32).reshape(3, 4),
    "big": np.arange(3, dtype=">f8"),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "turned": np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
    "none": np.zeros((0, 3)),
    "whole": np.array(3),
    "bool": np.array([True, False]),
    "names": np.array(["ä$_$1", "语"]),
    "bytes": np.array([b"ab"]),
    "objects": np.array(["a", "", None], object),
    "numbers": [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("x")],
    "builtin": [1, 2.5, None, True, "text", b"", b"\xff", (1,), {1}, frozenset([2]), 3j],
}


def same(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, np.asarray(b))
    return a == b and type(a) is type(b)


@pytest.mark.parametrize("protocol", range(6))
def test_all_that_feature_files_hold_comes_back(tmp_path: Path, protocol: int) -> None:
    path = dump(tmp_path / "f.pkl", CONTENT, protocol)
    assert same(pickle.loads(path.read_bytes()), load(path))
    assert same(mmsa(), load(dump(path, mmsa(), protocol)))


@pytest.mark.parametrize("old, new", [(b"numpy._core", b"numpy.core"), (b"numpy.core", b"numpy._core")])
def test_both_spellings_of_numpy_are_read(tmp_path: Path, old: bytes, new: bytes) -> None:
    content = {"a": np.arange(3.0), "s": np.float32(2)}
    path = tmp_path / "f.pkl"
    path.write_bytes(pickle.dumps(content, 2).replace(old, new))
    assert same(content, load(path))


def test_pickles_of_python_2_are_read(tmp_path: Path) -> None:
    """Arrays of Python 2 carry their bytes as text."""
    path = tmp_path / "f.pkl"
    path.write_bytes(
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n(S'f4'\nI0\nI1\n"
        b"tR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x00\\x00\\x80?\\x00\\x00\\x00\\xc0'\ntb."
    )
    assert np.asarray(load(path)).tolist() == [1.0, -2.0]


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("nest", [lambda x: x, lambda x: {"train": {"id": [x]}}, lambda x: np.array([x, None], object)])
def test_a_malicious_file_runs_nothing(tmp_path: Path, protocol: int, nest) -> None:
    """The very files that would write one do it when pickle reads them, and do not here."""
    target = tmp_path / "written"
    for function, arguments, called in (
        (os.system, (f"touch '{target}'",), r"(posix|nt)\.system"),
        (eval, (f"open({str(target)!r}, 'w')",), r"(builtins|__builtin__)\.eval"),
        (exec, (f"open({str(target)!r}, 'w')",), r"(builtins|__builtin__)\.exec"),
        (open, (str(target), "w"), r"(io|_io)\.open"),
        (getattr, (Call(os.system, f"touch '{target}'"), "x"), r"(builtins|__builtin__)\.getattr|\.system"),
    ):
        path = dump(tmp_path / "f.pkl", nest(Call(function, *arguments)), protocol)
        with pytest.raises(MsaError, match=rf"^f.pkl asks for ({called}): refused; MMSA files hold numpy arrays"):
            load(path)
        assert not target.exists()
    dump(tmp_path / "f.pkl", Call(os.system, f"touch '{target}'"), protocol)
    pickle.loads((tmp_path / "f.pkl").read_bytes())
    assert target.exists()  # so the attack is a real one


@pytest.mark.parametrize(
    "content, called",
    [
        (Call(np.load, "x.npy"), "numpy"),
        (Call(np.fromfile, "x"), "numpy"),
        (Call(copyreg._reconstructor, Path, object, None), "copy"),
        (Call(bytes.fromhex, "00"), "getattr"),
        (Path("x"), "pathlib"),
        (time.gmtime(0), "time"),
        (np.random.default_rng(0), "numpy.random"),
        (print, "print"),
    ],
)
def test_every_other_name_is_refused(tmp_path: Path, content: object, called: str) -> None:
    with pytest.raises(MsaError, match=f"asks for .*({called}).*: refused"):
        load(dump(tmp_path / "f.pkl", content, 2))


DTYPE = b"cnumpy\ndtype\n(S'%s'\nI0\nI1\ntR"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"


@pytest.mark.parametrize(
    "program",
    [
        ARRAY
        + b"(I1\n(I1\nt"
        + DTYPE % b"O8"
        + b"(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'AAAAAAAA'\ntb.",  # a forged pointer
        ARRAY + b"(I1\n(I100000000000\nt" + DTYPE % b"O8" + b"I00\n(lt" + b"b.",  # room for 800 GB
        ARRAY + b"(I1\n(I100000000000\nt" + DTYPE % b"f8" + b"I00\nS'A'\ntb.",
        ARRAY + b"(I1\n(I-1\nI-1\nt" + DTYPE % b"f8" + b"I00\nS'AAAAAAAA'\ntb.",  # negative sizes
        ARRAY + b"(I1\n(I100000000000\nt" + DTYPE % b"U0" + b"I00\nS''\ntb.",  # much of nothing
        ARRAY + b"(I1\n(I1\nt" + DTYPE % b"U1" + b"I00\nS'\\xff\\xff\\xff\\xff'\ntb.",  # no such letter
        ARRAY + b"(I1\n(I1\nt" + DTYPE % b"V9" + b"I00\nS'AAAAAAAAA'\ntb.",
        b"cnumpy.core.multiarray\nscalar\n(" + DTYPE % b"O8" + b"I1\ntR.",
        b"cnumpy.core.numeric\n_frombuffer\n(S'AAAAAAAA'\n" + DTYPE % b"O8" + b"(I1\ntS'C'\ntR.",
        b"cnumpy\nndarray\n(I5\ntR.",  # the class itself is never called
        b"c__builtin__\nbytearray\n(I100000000000\ntR.",
        b"c__builtin__\nset\n(I1\ntR.",
        b"c_codecs\nencode\n(S'a'\nS'idna'\ntR.",
        b"c__builtin__\nset\n}S'x'\nI1\nsb.",  # a state for what has none
        b"c_codecs\nencode\n(N}S'__defaults__'\n(I1\ntstb.",
        b"I1\n(tR.",  # a call of a number
        b"(c__builtin__\nset\no.",
        b"(i__builtin__\nset\n.",
        b"\x80\x02c__builtin__\nset\n)\x81.",
        b"\x80\x02\x82\x01.",
        b"Pname\n.",
    ],
)
def test_tricks_on_the_reader_itself_fail(tmp_path: Path, program: bytes) -> None:
    """No memory is reserved on the word of the file, no object is forged, no function of the reader is changed."""
    path = tmp_path / "f.pkl"
    path.write_bytes(program)
    with pytest.raises(MsaError, match="f.pkl is no pickle, or damaged"):
        load(path)


@pytest.mark.parametrize(
    "program", [b"r\xff\xff\xff\x7f.", b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x00.", b"p2000000000\n."]
)
def test_large_numbers_reserve_no_memory(tmp_path: Path, program: bytes) -> None:
    import tracemalloc

    path = tmp_path / "f.pkl"
    path.write_bytes(b"I1\n" + program)
    tracemalloc.start()
    try:
        load(path)
    except MsaError:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = pickle.dumps(mmsa(), 4)
    path = tmp_path / "f.pkl"
    for n in (1, 2, 11, len(whole) // 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:n])
        with pytest.raises(MsaError, match="f.pkl is (truncated|no pickle, or damaged).*Download it again."):
            load(path)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_damaged_bytes_never_raise_anything_else(tmp_path: Path, protocol: int) -> None:
    whole, rng = pickle.dumps(CONTENT, protocol), np.random.default_rng(protocol)
    path = tmp_path / "f.pkl"
    for _ in range(400):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), rng.integers(1, 6)):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            load(path)
        except MsaError:
            pass


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "f.pkl is empty"),
        (b"id,score\na,1\n", "f.pkl is no pickle"),
        (b"<!DOCTYPE html><html>", "f.pkl is a web page, not a pickle"),
        (b"\n <html>", "f.pkl is a web page, not a pickle"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "f.pkl is a Git LFS pointer: run 'git lfs pull'"),
        (b"PK\x03\x04abc", "f.pkl is a zip archive: unpack it"),
        (b"\x1f\x8b\x08", "f.pkl is a gzip archive: unpack it"),
        (b"\x93NUMPY\x01", "f.pkl is one numpy array"),
    ],
)
def test_another_kind_of_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "f.pkl"
    path.write_bytes(content)
    with pytest.raises(MsaError, match=f"^{message}.*Download it again.$"):
        load(path)
    with pytest.raises(MsaError, match=r"Cannot read g.pkl \(No such file"):
        load(tmp_path / "g.pkl")
