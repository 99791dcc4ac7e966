"""Times are taken in turns, count children too, and their spread is what it says."""

import os
import subprocess
import sys
import time

import pytest

from msa_core.evaluation.benchmark.timing import Spread, cpu_s, descendants, interleaved, peak_bytes


def test_works_take_turns_and_the_order_turns_round():
    calls = []
    times = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert calls == ["a", "b", "a", "b", "b", "a", "a", "b"]  # a round that does not count, then three
    assert all(len(t.wall_s) == len(t.cpu_s) == 3 for t in times.values())


def test_the_spread_is_the_quartiles():
    assert Spread.of([5.0, 1.0, 2.0, 3.0, 4.0]) == Spread(3.0, 2.0, 4.0)


def test_sleep_is_time_but_not_of_the_processor():
    times = interleaved({"sleep": lambda: time.sleep(0.1)}, 1)["sleep"]
    assert times.wall_s[0] >= 0.1 and times.cpu_s[0] < 0.09


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_children_that_live_and_that_ended_count():
    code = (
        "import sys, time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint(1, flush=True)"
    )
    before = cpu_s()
    child = subprocess.Popen([sys.executable, "-c", code + "; sys.stdin.read()"], stdin=-1, stdout=-1, text=True)
    child.stdout.readline()
    alive = cpu_s() - before
    assert child.pid in descendants(os.getpid()) and peak_bytes(child.pid) > 2**20
    child.communicate()
    assert alive >= 0.3 and cpu_s() - before >= 0.3
