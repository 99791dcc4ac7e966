"""Rates of workers from the ends of their clips, and a task that tells the time of the processor."""

import json
from dataclasses import dataclass

import pytest
from counted import Doubled, numbers

from msa_core.cli.many import scale
from msa_core.cli.many.run import run
from msa_core.errors import MsaError


def rows(worker, *ends, processor=2.0, memory=10):
    common = {"worker": worker, "processor_s": processor, "memory_bytes": memory, "features_bytes": 500}
    return [{**common, "finished_s": end} for end in ends]


def test_a_rate_counts_what_all_workers_do_together():
    """One ends clips at 0, 2, 4, 6, 8; the other, which came later, at 3, 7, 11: together from 3 to 8."""
    found = scale.summary([*rows("a", 0, 2, 4, 6, 8), *rows("b", 3, 7, 11, processor=4.0, memory=30)])
    assert found["clips_per_s"] == pytest.approx(2 / 4 + 1 / 4)  # a: 4, 6, 8; b: 3, 7
    assert found["processor_s"] == pytest.approx((4 * 2 + 2 * 4) / 6), "without the first clip of each"
    assert found["memory_bytes"] == 30 and found["features_bytes"] == 500
    assert scale.summary(rows("a", 5, 6, 8))["clips_per_s"] == pytest.approx(2 / 3)


def test_workers_that_hardly_met_are_one_line():
    with pytest.raises(MsaError, match="hardly worked at the same time. Measure more --clips"):
        scale.summary([*rows("a", 0, 1, 2), *rows("b", 2, 3)])


def test_efficiency_is_taken_within_a_round():
    one = [{"clips_per_s": 1.0, "processor_s": 1.0}, {"clips_per_s": 2.0, "processor_s": 1.0}]
    two = [{"clips_per_s": 1.8, "processor_s": 1.25}, {"clips_per_s": 3.6, "processor_s": 1.25}]
    found = scale._efficiency("extract", "Ray", {("extract", "Ray", 1): one, ("extract", "Ray", 2): two})
    assert (found["clock"], found["processor"]) == (pytest.approx(0.9), pytest.approx(0.8))


@dataclass(frozen=True)
class Slow(Doubled):
    def load(self):
        work = super().load()

        def burn(clip):
            sum(i * i for i in range(2_000_000))
            return work(clip)

        return burn


def test_a_timed_task_tells_the_time_of_the_processor_and_memory(tmp_path):
    folder = numbers(tmp_path / "clips", 1, 2)
    found = []
    run(scale.Timed(Slow(tmp_path / "log")), folder, tmp_path / "t.jsonl", told=found.append)
    assert all(0.01 < row["processor_s"] < row["seconds"] + 1 and row["memory_bytes"] > 1e7 for row in found)
    table = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [row["value"] for row in table] == [2, 4] and "processor_s" in table[0]
