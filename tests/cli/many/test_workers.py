"""Processes that work side by side: one is killed, one ends with its clip, each has its share of the cores."""

import json
import os

import pytest
from counted import Doubled, killed_at, numbers, tries

from msa_core.cli.many import workers
from msa_core.cli.many.run import Place, run
from msa_core.errors import MsaError

TWO = Place(jobs=2)


def values(table):
    return {row["clip"]: row["value"] for row in map(json.loads, table.read_text().splitlines())}


def test_a_worker_that_is_killed_half_way_loses_nothing(tmp_path):
    folder = numbers(tmp_path / "clips", *range(12))
    task, rows = Doubled(tmp_path / "log", seconds=0.2), []
    with killed_at(task.log, "05.txt"):
        run(task, folder, tmp_path / "t.jsonl", TWO, told=rows.append)
    names = [f"{i:02d}.txt" for i in range(12)]
    assert sorted(r["clip"] for r in rows) == names and values(tmp_path / "t.jsonl") == {
        n: 2 * int(n[:2]) for n in names
    }
    assert {n: tries(task.log, n) for n in names} == dict.fromkeys(names, 1) | {"05.txt": 2}


def test_a_clip_that_kills_its_process_is_tried_twice_and_takes_no_other_with_it(tmp_path):
    folder = numbers(tmp_path / "clips", 1, "die", "once", 4)
    task = Doubled(tmp_path / "log")
    found = run(task, folder, tmp_path / "t.jsonl", TWO)
    assert found.bad == {"01.txt": "the process that worked on it ended, twice (SIGKILL)"}
    assert values(tmp_path / "t.jsonl") == {"00.txt": 2, "01.txt": None, "02.txt": 0, "03.txt": 8}
    assert [tries(task.log, f"{i:02d}.txt") for i in range(4)] == [1, 2, 2, 1]


class Killed(Doubled):
    def load(self):
        os._exit(3)


def test_a_process_that_ends_while_it_loads_its_models_ends_the_run(tmp_path):
    folder = numbers(tmp_path / "clips", 1, 2)
    with pytest.raises(MsaError, match=r"ended while it loaded its models \(exit code 3\). Give a smaller --jobs"):
        run(Killed(tmp_path / "log"), folder, tmp_path / "t.csv", TWO)


@pytest.mark.parametrize(
    "own, jobs, cores, shares",
    [
        ([0, 1, 2, 3, 4], 2, None, [{0, 2, 4}, {1, 3}]),
        ([0, 1, 2, 3, 4], 2, 1, [{0}, {1}]),
        ([4, 7], 3, None, [{4}, {7}, {4}]),
        ([4, 7], 1, None, [{4, 7}]),
    ],
)
def test_cores_are_shared_out(monkeypatch, own, jobs, cores, shares):
    monkeypatch.setattr(workers, "cores_here", lambda: own)
    assert workers._shares(jobs, cores) == shares
