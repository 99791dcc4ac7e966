"""Several processes train what one trains: same curve, one writer, resumed with another number, failures in a line."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path

import launched
import numpy as np
import pytest
import torch
from synthetic import AS_TEACHER, corpus

from msa_core import checkpoint, methods
from msa_core.__main__ import main
from msa_core.errors import MsaError
from msa_core.methods import METHODS
from msa_core.training.config import TrainConfig
from msa_core.training.loop import TrainingRun, fit
from msa_core.training.processes import Processes, precision

CORPUS = corpus(135)  # 81 training rows in batches of 27, which two processes cannot halve
PATIENCE_S = 300  # on a machine with other work
DEATH = 3  # epochs after which a process is killed
CLOSE = 1e-4  # of losses and validation, one process and two
# Without dropout and noise, which every process draws for its own rows.
CALM = {"dropout": 0.0, "input_dropout": (0.0, 0.0, 0.0), "input_noise": (0.0, 0.0, 0.0), "frame_dropout": 0.0,
        "head_dropout": 0.0, "attention_dropout": 0.0, "prompt_dropout": 0.0}  # fmt: skip
CASES = {name: (name, {}, {}) for name in METHODS} | {
    "parts": ("sdumc", {}, {"accumulate": 2}),
    "memory": ("corrkd", {"prototypes": "ema", "response": "kl"}, {}),
    "emotions": ("corrkd", {}, {}),
}
TOLD = np.stack([CORPUS.label > 1, CORPUS.label < 0], 1).astype(np.float32)
OF_EMOTIONS = replace(CORPUS, label=TOLD, manifest={**CORPUS.manifest, "emotions": ["happy", "sad"]})


def calm(name, **settings):
    """The smallest config of a method without randomness in the network."""
    config = METHODS[name].Config.debug()
    return replace(config, **{k: v for k, v in CALM.items() if hasattr(config, k)}, **settings)


def trained(folder, team=None):
    """Train every case, with its teacher where it needs one, into a folder."""
    for case, (name, settings, loop) in CASES.items():
        config, teacher, data = calm(name, **settings), None, OF_EMOTIONS if case == "emotions" else CORPUS
        if methods.build(name, asdict(config), data.dims).needs_teacher:
            own, complete = replace(config, **AS_TEACHER[name]), TrainConfig(regime="complete", epochs=1, batch=32)
            teacher = fit(name, data, folder / f"{case}-teacher", complete, own, processes=team)
        how = TrainConfig(regime="mrm", epochs=2, batch=32, **loop)
        fit(name, data, folder / case, how, config, teacher, processes=team)


def dies_after(epochs):
    """Let process 1 be killed when it has validated so many epochs."""
    whole = TrainingRun.save_state

    def save_state(run):
        whole(run)
        if run.team.rank == 1 and run.epoch == epochs:
            os.kill(os.getpid(), signal.SIGKILL)

    TrainingRun.save_state = save_state


if __name__ == "__main__":  # one of two processes
    torch.set_num_threads(1)
    if sys.argv[1] == "killed":
        dies_after(DEATH)
        sys.exit(main(sys.argv[2:]))
    team = Processes.start()
    trained(Path(sys.argv[1]), team)
    team.close()
    sys.exit(0)


def agree(one, two):
    """Compare the histories of two runs, every loss and validation of every epoch."""
    a, b = (checkpoint.read_manifest(f) for f in (one, two))
    assert len(a["history"]) == len(b["history"]) and a["best_epoch"] == b["best_epoch"]
    for left, right in zip(a["history"], b["history"], strict=True):
        assert left == pytest.approx(right, abs=CLOSE)
    (key,) = {"validation_mae", "validation_cross_entropy"} & a.keys()
    assert a[key] == pytest.approx(b[key], abs=CLOSE)
    assert a["calibration"]["half_width"] == pytest.approx(b["calibration"]["half_width"], abs=CLOSE)


@pytest.mark.slow
def test_two_processes_have_the_curve_of_one(tmp_path):
    """Every method: losses over the whole batch, buffers, thresholds, prototypes, validation and intervals."""
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    running = launched.start([__file__, str(tmp_path / "two")], 2, tmp_path)
    trained(tmp_path / "one")
    ended = [p.wait(PATIENCE_S) for p in running]
    assert ended == [0, 0], [(tmp_path / f"{rank}.err").read_text() for rank in (0, 1)]
    for case in CASES:
        agree(tmp_path / "one" / case, tmp_path / "two" / case)
        a, b = (checkpoint.read(tmp_path / n / case)[0] for n in ("one", "two"))
        assert all(torch.allclose(a[k].double(), b[k].double(), atol=1e-3) for k in a), case
    assert not list((tmp_path / "two").glob(".*"))


TRAIN = ["train", "sdumc", "--label", "s"]
SETTINGS = [f"{k}={v}".replace("(", "[").replace(")", "]") for k, v in CALM.items() if k in asdict(calm("sdumc"))]
SETTINGS += ["d_model=8", "d_contrast=4", "batch=32", "regime=mrm"]


def arguments(corpus_folder, out, epochs):
    return ["--corpus", str(corpus_folder), "--out", str(out), *(f"--set={s}" for s in (*SETTINGS, f"epochs={epochs}"))]


@pytest.mark.slow
def test_a_process_is_killed_and_one_process_goes_on(tmp_path):
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    CORPUS.save(tmp_path / "corpus")
    how = arguments(tmp_path / "corpus", tmp_path / "runs", 6)
    running = launched.start([__file__, "killed", *TRAIN, *how], 2, tmp_path)
    assert running[0].wait(PATIENCE_S) == 2 and running[1].wait(PATIENCE_S) == -signal.SIGKILL
    (line,) = [x for x in (tmp_path / "0.err").read_text().splitlines() if x.startswith("msa_core")]
    assert line.startswith("msa_core train: Another process of this training is gone or does not answer (")
    assert line.endswith("Start the same command again to go on from there, with any number of processes.")
    assert [p.name for p in (tmp_path / "runs").iterdir()] == [".s-seed0.state.pt"]
    assert torch.load(tmp_path / "runs" / ".s-seed0.state.pt", weights_only=True)["epoch"] == DEATH
    assert main([*TRAIN, *how]) == 0  # one process, from where two were
    assert main([*TRAIN, *arguments(tmp_path / "corpus", tmp_path / "straight", 6)]) == 0
    agree(tmp_path / "straight" / "s-seed0", tmp_path / "runs" / "s-seed0")
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["s-seed0"]


@pytest.mark.slow
def test_launchers_start_it_and_one_process_speaks_and_writes(tmp_path):
    """torchrun, which comes with torch; `accelerate launch` sets the same variables."""
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    CORPUS.save(tmp_path / "corpus")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "msa_core"]
    how = [*arguments(tmp_path / "corpus", tmp_path / "runs", 1), "--seeds", "2"]
    (only,) = launched.start([*launcher, *TRAIN, *how], 1, tmp_path)
    assert only.wait(PATIENCE_S) == 0, (tmp_path / "0.err").read_text()
    said = (tmp_path / "0.out").read_text().splitlines()
    assert [line.split(": ")[0] for line in said] == [str(tmp_path / "runs" / f"s-seed{n}") for n in (0, 1)]
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["s-seed0", "s-seed1"]


class Others(Processes):
    """A process whose fellows say what is given."""

    said: tuple = ()

    def exchange(self, value):
        return [value, *self.said]


def test_a_failure_in_one_process_is_a_failure_in_all():
    team = Others(0, 2)
    object.__setattr__(team, "said", ("no corpus there",))
    with pytest.raises(MsaError, match="^Process 1: no corpus there$"):
        team.together(lambda: 3)
    object.__setattr__(team, "said", (None,))
    assert team.together(lambda: 3) == 3


def test_shares_are_the_batch():
    for count in (1, 2, 3, 5):
        for n in (1, 2, 7, 16):
            shares = [Processes(rank, count).share(n) for rank in range(count)]
            if count == 1 or n < count:
                assert shares == [None] * count
            else:
                assert [i for s in shares for i in range(n)[s]] == list(range(n))
                assert max(s.stop - s.start for s in shares) - min(s.stop - s.start for s in shares) <= 1


@pytest.mark.parametrize("name", METHODS)
def test_half_precision_trains_every_method(name, tmp_path):
    """bfloat16 in the forward passes: the losses stay near those of float32, and the manifest says it."""
    losses, teacher = [], None
    for precision_ in ("no", "bf16"):
        config, how = calm(name), TrainConfig(epochs=1, batch=32, mixed_precision=precision_)
        if methods.build(name, asdict(config), CORPUS.dims).needs_teacher:
            own, complete = replace(config, **AS_TEACHER[name]), replace(how, regime="complete")
            teacher = fit(name, CORPUS, tmp_path / f"{precision_}-teacher", complete, own)
        manifest = checkpoint.read_manifest(fit(name, CORPUS, tmp_path / precision_, how, config, teacher))
        losses.append(manifest["history"][0]["loss"])
        assert manifest["train"].get("mixed_precision", "no") == precision_
    assert losses[0] != losses[1] and losses[1] == pytest.approx(losses[0], rel=0.02)


def test_parts_of_a_batch_are_its_gradient_where_losses_are_means(tmp_path):
    """Late fusion's loss is a mean over the items: parts change nothing but rounding. Crops are drawn part by part."""
    found = []
    for parts in (1, 3):
        how = TrainConfig(epochs=2, batch=32, augment=False, accumulate=parts)
        found.append(checkpoint.read_manifest(fit("baseline", CORPUS, tmp_path / str(parts), how, calm("baseline"))))
    for left, right in zip(found[0]["history"], found[1]["history"], strict=True):
        assert left == pytest.approx(right, abs=1e-5)
    assert found[1]["train"]["accumulate"] == 3 and not {"accumulate", "mixed_precision"} & set(found[0]["train"])


def test_what_cannot_be_shared_is_a_sentence(tmp_path, monkeypatch, capsys):
    with pytest.raises(MsaError, match="smallest batch has 1 utterances, too few for 1 parts .* on 2 processes"):
        fit("baseline", CORPUS, tmp_path / "x", TrainConfig(batch=1), processes=Others(0, 2))
    with pytest.raises(MsaError, match="smallest batch has 27 utterances, too few for 28 parts"):
        fit("baseline", CORPUS, tmp_path / "x", TrainConfig(batch=32, accumulate=28))
    with pytest.raises(MsaError, match="mixed_precision is 'fp16'; choose one of: no, bf16"):
        TrainConfig(mixed_precision="fp16")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp8")
    with pytest.raises(MsaError, match="accelerate launch was told 'fp8'; choose one of: no, bf16"):
        precision(None)
    assert precision("no") == "no"
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert precision(None) == "bf16" and precision("no") == "no"
    # One process where several were asked for; several without Accelerate; another command on several.
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(MsaError, match="accelerate launch started one process.*torchrun --standalone"):
        Processes.start()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MsaError, match=r"needs Accelerate: pip install 'missing-modality-lab\[cluster\]'"):
        Processes.start()
    assert main(["checkpoints"]) == 2
    said = "2 processes were started, and only train shares its work. Start checkpoints alone."
    assert said in capsys.readouterr().err


def test_processes_with_other_files_are_refused(tmp_path):
    team = Others(0, 2)
    object.__setattr__(team, "said", (None,))
    with pytest.raises(MsaError, match="too few"):
        fit("baseline", CORPUS, tmp_path / "run", TrainConfig(batch=1), calm("baseline"), processes=team)

    class Later(Others):
        def exchange(self, value):
            return [value, (4, "other") if isinstance(value, tuple) else None]

    with pytest.raises(MsaError, match="Process 1 has another corpus, teacher or half-done run .*epoch 4 and 0"):
        fit("baseline", CORPUS, tmp_path / "run", TrainConfig(batch=32), calm("baseline"), processes=Later(0, 2))
