"""One command for everything: its steps are commands that exist, done ones are skipped, a failing one stops it."""

import json
import subprocess

import pytest

from msa_core import checkpoint
from msa_core.cli import rebuild
from msa_core.cli.parser import parser
from msa_core.errors import MsaError
from msa_core.methods.shipped import SHIPPED_RUNS


def test_every_step_is_a_command_with_valid_options(tmp_path):
    found = rebuild.steps(tmp_path, tmp_path, 5, 2, ablations=False)
    for step in found:
        parser().parse_args(list(step.arguments))
    names = [step.name for step in found]
    assert len(set(names)) == len(names)
    order = ["voice networks", "composite corpus", "study", "seeds", "text layers", "composite tables", "real people"]
    assert sorted(order, key=names.index) == order
    assert set(rebuild.EVIDENCE) <= set(SHIPPED_RUNS)


@pytest.fixture
def ran(monkeypatch, tmp_path):
    """Arguments of the steps that were started; none does anything, the one called "fails" fails."""
    started = []

    def run(arguments, cwd, env):
        started.append(arguments[3])
        assert cwd == tmp_path / "work" and env["OMP_NUM_THREADS"] == "1"
        return subprocess.CompletedProcess(arguments, 3 if arguments[3] == "fails" else 0)

    monkeypatch.setattr(subprocess, "run", run)
    (tmp_path / "work").mkdir()
    steps = [rebuild.Step(name, (name,)) for name in ("one", "two", "fails", "three")]
    monkeypatch.setattr(rebuild, "steps", lambda *_, **__: steps)
    return started


def test_a_step_that_is_done_is_skipped(ran, tmp_path):
    work = tmp_path / "work"
    for again in range(2):
        with pytest.raises(MsaError, match="The step 'fails' ended with exit code 3"):
            list(rebuild.command(tmp_path, tmp_path, work, 1, 1))
        assert ran == ["one", "two", "fails"] + ["fails"] * again
    lines = [json.loads(line) for line in (work / rebuild.LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == ["one", "two"]
    assert all({"seconds", "cpu_s", "peak_mb"} <= set(line) for line in lines)


def test_a_broken_log_and_a_wheel_are_refused(ran, tmp_path, monkeypatch):
    (tmp_path / "work" / rebuild.LOG).write_text("what\n")
    with pytest.raises(MsaError, match="line 1 is no step of ours"):
        list(rebuild.command(tmp_path, tmp_path, tmp_path / "work", 1, 1))
    monkeypatch.setattr(checkpoint, "ROOT", tmp_path / "checkpoints")
    with pytest.raises(MsaError, match="run it in a checkout"):
        list(rebuild.command(tmp_path, tmp_path, tmp_path / "work", 1, 1))
    assert not ran
