"""The same runs on Ray: two actors, one killed half way, a restart, a cluster that is not there."""

import json
import os
import socket
import sys
import threading

import pytest
from counted import Doubled, QuickExtraction, ending, killed_at, numbers, tries

from msa_core.cli.many import cluster
from msa_core.cli.many.run import Place, run
from msa_core.errors import MsaError
from msa_core.features import store
from msa_core.schema import STREAMS

RAY = Place(jobs=2, ray=True)
NO_RAY = "Ray is not installed: pip install 'missing-modality-lab[cluster]'"


@pytest.mark.slow
def test_a_killed_actor_and_a_restart_lose_nothing_and_give_what_the_plain_command_gives(clip, tmp_path):
    """Eight clips and a bad one: interrupted, then gone on with, an actor killed half way through a clip."""
    pytest.importorskip("ray", reason=NO_RAY)
    source, rows = tmp_path / "clips", []
    (source / "deep").mkdir(parents=True)
    (tmp_path / "log").mkdir()
    copies = {f"deep/{i}.flac": "sound.flac" for i in range(4)} | {f"{i}.mp4": "mute.mp4" for i in range(4, 8)}
    for place, name in {**copies, "broken.mp4": "text.mp4"}.items():
        (source / place).write_bytes(clip(name).read_bytes())
    plain, task = (
        QuickExtraction(source, tmp_path / "plain"),
        QuickExtraction(source, tmp_path / "ray", log=tmp_path / "log", seconds=0.5),
    )
    expected = run(plain, source, tmp_path / "plain" / "clips.csv")
    table = tmp_path / "ray" / "clips.parquet"

    def leave(row):
        rows.append(row)
        if len(rows) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(task, source, table, RAY, renew=True, told=leave)
    left = sorted({*copies, "broken.mp4"} - {r["clip"] for r in rows})
    before = {name: tries(task.log, name.split("/")[-1]) for name in [*copies, "broken.mp4"]}
    for file in task.log.glob(f"{left[-1].split('/')[-1]}.*"):
        file.unlink()  # it may have been begun when the first run ended
    with killed_at(task.log, left[-1].split("/")[-1]):
        found = run(task, source, table, RAY, renew=True, told=rows.append)
    assert found.worked_on == 7 and found.bad == expected.bad and list(found.bad) == ["broken.mp4"]
    assert sorted(r["clip"] for r in rows) == sorted([*copies, "broken.mp4"]), "every clip has one row"
    finished = [r["clip"] for r in rows[:2]]
    assert all(tries(task.log, name.split("/")[-1]) == before[name] for name in finished), "what is finished is left"
    assert tries(task.log, left[-1].split("/")[-1]) == 2 and len({r["worker"] for r in rows[2:]}) >= 2
    for name in copies:
        one, other = (store.load(t.target(name)) for t in (task, plain))
        assert (one.id, one.transcript, one.prosody) == (other.id, other.transcript, other.prosody)
        for stream in STREAMS:
            ours, theirs = one.stream(stream), other.stream(stream)
            assert ours.reason == theirs.reason
            assert ours.values is None or (ours.values == theirs.values).all()
    assert run(plain, source, table, renew=True).clips == 9


def streamed_without(ray, task, source, names, jobs, size):
    """Stand-in for Ray Data: a block dies with a clip that says "die", "once" the first time."""
    work = task.load()
    for first in range(0, len(names), size):
        block = names[first : first + size]
        texts = {name: (source / name).read_text() for name in block}
        deadly = [n for n, text in texts.items() if text == "die" or (text == "once" and not tries(task.log, n))]
        if not deadly:
            yield from (cluster.answered(work, source, name) for name in block)
        for name in deadly:
            (task.log / f"{name}.1.died").touch()


@pytest.fixture
def no_cluster(monkeypatch):
    ray = pytest.importorskip("ray", reason=NO_RAY)
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(cluster, "_streamed", streamed_without)
    monkeypatch.setattr(cluster, "_works", lambda ray: True)


def test_a_clip_that_kills_its_actor_is_tried_alone_and_takes_no_other_with_it(no_cluster, tmp_path):
    folder = numbers(tmp_path / "clips", *range(40), "once", "die", "bad")
    rows = []
    found = run(Doubled(tmp_path / "log"), folder, tmp_path / "t.jsonl", RAY, told=rows.append)
    assert found.bad == {
        "41.txt": "the process that worked on it ended, twice (its actor died)",
        "42.txt": "42.txt holds no number.",
    }
    assert sorted(r["clip"] for r in rows) == [f"{i:02d}.txt" for i in range(43)]
    found = [json.loads(line)["value"] for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert found == [*range(0, 80, 2), 0, None, None]


def test_a_cluster_that_is_gone_is_one_line_and_what_is_finished_is_kept(no_cluster, tmp_path, monkeypatch):
    folder = numbers(tmp_path / "clips", 1, 2, 3)

    def streamed(ray, task, source, names, jobs, size):
        yield cluster.answered(task.load(), source, names[0])
        raise ray.exceptions.RaySystemError("the head node is gone\nat ..")

    monkeypatch.setattr(cluster, "_streamed", streamed)
    with pytest.raises(
        MsaError, match="^The cluster is gone, .*the head node is gone.*goes on where this one stopped.$"
    ):
        run(Doubled(tmp_path / "log"), folder, tmp_path / "t.csv", RAY)
    assert len((tmp_path / "t.rows.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "version, loads, text, said",
    [
        (None, True, "full", "Cannot write 3.txt (No space left"),
        (None, False, "1", "The weights are missing. Install them."),
        ("0.0.9", True, "1", "not 0.0.9"),
    ],
)
def test_what_ends_a_run_comes_from_the_actor_in_one_line(tmp_path, monkeypatch, version, loads, text, said):
    monkeypatch.setattr(cluster, "own_core", lambda: None)
    folder = numbers(tmp_path / "clips", text)
    worker = cluster.Worker(Doubled(tmp_path / "log", loads=loads), folder, version or cluster.__version__)
    assert said in json.loads(worker({"clip": ['"00.txt"']})["row"][0])["stopped"]


def test_ray_that_is_not_installed_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    folder = numbers(tmp_path / "clips", 1)
    with pytest.raises(
        MsaError, match=r"^Ray is not installed. Install it: pip install 'missing-modality-lab\[cluster\]'"
    ):
        run(Doubled(tmp_path / "log"), folder, tmp_path / "t.csv", RAY)


def test_an_address_where_no_cluster_is_is_one_line(tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason=NO_RAY)

    def init(**how):
        raise ConnectionError(f"Could not connect to {how['address']}")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(
        MsaError, match=r"^Ray at '127.0.0.1:1' cannot be reached \(Could not connect.*Check --ray-address"
    ):
        list(cluster._rows(Doubled(tmp_path), tmp_path, ["1.txt"], 2, "127.0.0.1:1", ""))


def test_a_cluster_that_works_on_nothing_any_more_makes_no_rows(no_cluster, tmp_path, monkeypatch):
    """Blocks that died with the cluster are no clips that ended their process."""
    monkeypatch.setattr(cluster, "_works", lambda ray: False)
    monkeypatch.setattr(cluster, "_streamed", lambda *_: (row for row in ()))
    folder = numbers(tmp_path / "clips", 1, 2)
    with pytest.raises(MsaError, match="^The cluster is gone, .*it answers no more"):
        run(Doubled(tmp_path / "log"), folder, tmp_path / "t.csv", RAY)
    assert len((tmp_path / "t.rows.jsonl").read_text().splitlines()) == 1


def test_a_process_that_ray_ends_is_a_cluster_that_is_gone(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason=NO_RAY)
    monkeypatch.setattr(cluster, "_rows", ending)
    monkeypatch.setattr(cluster, "_module", lambda: None)
    folder = numbers(tmp_path / "clips", 1, 2)
    with pytest.raises(
        MsaError, match=r"^The cluster is gone, or cannot work on clips \(exit code 1\). Every finished"
    ):
        run(Doubled(tmp_path / "log"), folder, tmp_path / "t.csv", RAY)
    assert len((tmp_path / "t.rows.jsonl").read_text().splitlines()) == 2, "what came before is kept"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system keeps no process to a core")
def test_actors_keep_to_a_core_each_until_they_end(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(cluster, "CORE", "\0a test of cores {}")
    found, ready = [], threading.Barrier(3)

    def actor():
        own = cluster.own_core()  # of this thread
        found.append((own, os.sched_getaffinity(0)))
        ready.wait()

    before = os.sched_getaffinity(0)
    threads = [threading.Thread(target=actor) for _ in range(2)]
    for thread in threads:
        thread.start()
    ready.wait()
    for thread in threads:
        thread.join()
    taken = {own[0]: own[1] for own, _ in found if own is not None}
    assert len(taken) == min(2, len(before)) and os.sched_getaffinity(0) == before
    assert all(kept == {own[0]} for own, kept in found if own is not None)
    for core, address in taken.items():
        address.close()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
            again.bind(cluster.CORE.format(core))  # free again
