"""A generator in a process of its own: its values, its errors, its end, and an end that comes too early."""

import os
import signal
import time

import counted
import pytest

from msa_core.cli.many.apart import Ended, apart
from msa_core.errors import MsaError


def test_values_come_from_another_process():
    found = list(apart(counted.counting, 3))
    assert [value for value, _ in found] == [0, 1, 2] and os.getpid() not in {pid for _, pid in found}


@pytest.mark.parametrize("how, error, said", [
    ("refuse", MsaError, "^Nothing more. Give less.$"),
    ("fault", RuntimeError, "ZeroDivisionError"),
    ("exit", Ended, "^exit code 3$"),
    ("kill", Ended, "^SIGKILL$"),
])  # fmt: skip
def test_an_end_of_any_kind_comes_after_the_values(how, error, said):
    found = []
    with pytest.raises(error, match=said):
        for value, _ in apart(counted.counting, 2, how):
            found.append(value)
    assert found == [0, 1]


def test_the_process_ends_with_its_generator():
    values = apart(counted.counting, 10**9)
    _, pid = next(values)
    values.close()
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the process went on")
