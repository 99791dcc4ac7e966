"""Losses over a shared batch: two processes of 38 and 26 items give the terms and gradients of one batch of 64."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import AS_TEACHER, corpus
from torch import distributed as dist
from torch import multiprocessing

from msa_core import methods, missing
from msa_core.errors import ProcessError
from msa_core.methods import METHODS
from msa_core.methods.gather import answering, gather
from msa_core.training.processes import Processes

CASES = [*((name, {}) for name in METHODS), ("corrkd", {"prototypes": "ema", "response": "kl"})]
SHARES = (slice(0, 38), slice(38, 64))
DATA = corpus(64)


class Two(Processes):
    """Two processes with shares of different size."""

    def share(self, n):
        return SHARES[self.rank] if self.count == 2 else None


def weighted(name, settings, team):
    """Return terms and parameter gradients of a batch of the test corpus, without randomness in the networks."""
    torch.manual_seed(0)
    config = asdict(METHODS[name].Config.debug())
    config |= {k: 0.0 for k in config if "dropout" in k} | {k: (0.0,) * 3 for k in config if k.startswith("input_")}
    config |= settings
    model = methods.build(name, config, DATA.dims)
    batch = DATA.batch(np.arange(64), share=team.share(64))
    full = model(batch)
    if model.needs_teacher:
        torch.manual_seed(1)
        with torch.no_grad():
            full = methods.build(name, {**config, **AS_TEACHER[name]}, DATA.dims)(batch)
    left = team.whole(model(missing.mrm(batch, seed=0)), 64)
    terms = model.losses(team.whole(full, 64), left, torch.from_numpy(DATA.label))
    sum(terms.values()).backward()
    team.average_gradients(model)
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return {k: v.item() for k, v in terms.items()}, gradients


def process(rank, folder):
    """Run one of two processes, which meet in a file, and store what it found."""
    torch.set_num_threads(1)
    meeting, patience = f"file://{folder}/meeting", timedelta(seconds=300)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=patience)
    found = [weighted(name, settings, Two(rank, 2)) for name, settings in CASES]
    ragged = gather([torch.full((2 + rank, 3 + rank), float(rank)), torch.tensor([rank == 1] * (2 + rank))])
    torch.save((found, ragged), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one_batch(tmp_path):
    multiprocessing.spawn(process, (str(tmp_path),), nprocs=2)  # raises what a process raised
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for number, (name, settings) in enumerate(CASES):
        terms, gradients = weighted(name, settings, Two())
        for theirs in (found[0][0][number], found[1][0][number]):
            assert theirs[0] == pytest.approx(terms, rel=1e-4, abs=1e-6), name
            assert theirs[1].keys() == gradients.keys(), name
            for n, g in gradients.items():
                assert torch.allclose(theirs[1][n], g, atol=1e-5), (name, n)
    values, said = found[0][1]  # rows of both, the shorter ones padded with zeros
    assert values.tolist() == [[0.0] * 4] * 2 + [[1.0] * 4] * 3 and said.tolist() == [False] * 2 + [True] * 3


def test_one_process_gathers_nothing():
    x = torch.randn(3, 2)
    assert gather([x])[0] is x


def test_a_broken_connection_is_a_sentence():
    with pytest.raises(ProcessError, match="gone or does not answer \\(Connection closed by peer\\).*Start the same"):
        with answering():
            raise RuntimeError("Connection closed by peer\nat pair.cc:534")
