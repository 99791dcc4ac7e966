"""Losses that compare the items of a batch: two processes of 32 items give the result of one batch of 64."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import corpus
from torch import distributed as dist
from torch import multiprocessing

from msa_core import methods, missing
from msa_core.errors import MsaError
from msa_core.methods import METHODS
from msa_core.methods.gather import gather

CASES = [("corrkd", {}), ("corrkd", {"prototypes": "ema", "response": "kl"}), ("sdumc", {})]


def weighted(name, settings, rows):
    """Return terms and parameter gradients of a batch of the test corpus, without randomness in the networks."""
    data, calm = corpus(64), {"dropout": 0.0, "input_dropout": (0.0,) * 3, "input_noise": (0.0,) * 3}
    calm |= {"frame_dropout": 0.0} | ({"head_dropout": 0.0} if name == "corrkd" else {"attention_dropout": 0.0})
    torch.manual_seed(0)
    config = {**asdict(METHODS[name].Config.debug()), **calm, **settings}
    model = methods.build(name, config, data.dims)
    batch = data.batch(rows)
    full = model(batch)
    if model.needs_teacher:
        torch.manual_seed(1)
        with torch.no_grad():
            full = methods.build(name, {**config, "distil": False}, data.dims)(batch)
    terms = model.losses(full, model(missing.mrm(batch, seed=0)), batch.label)
    sum(terms.values()).backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return {k: v.item() for k, v in terms.items()}, gradients


def process(rank, folder, name, settings):
    """Run one of two processes, which meet in a file, and store what it found."""
    torch.set_num_threads(1)
    meeting, patience = f"file://{folder}/meeting", timedelta(seconds=100)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=patience)
    terms, gradients = weighted(name, settings, np.arange(32 * rank, 32 * rank + 32))
    for g in gradients.values():  # what DistributedDataParallel does
        dist.all_reduce(g)
    refused = ""
    try:
        gather(torch.zeros(rank + 1, 2))
    except MsaError as e:
        refused = str(e)
    torch.save((terms, {n: g / 2 for n, g in gradients.items()}, refused), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "settings"), CASES)
def test_two_processes_equal_one_batch(name, settings, tmp_path):
    multiprocessing.spawn(process, (str(tmp_path), name, settings), nprocs=2)  # raises what a process raised
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    terms, gradients = weighted(name, settings, np.arange(64))
    in_batch = [k for k in terms if k in ("scd", "cpd", "rcd", "rnc")]
    for theirs, _, refused in found:
        assert {k: theirs[k] for k in in_batch} == pytest.approx({k: terms[k] for k in in_batch}, rel=1e-4)
        assert "batches of [1, 2] items" in refused
    if name == "corrkd":  # SDUMC's RMSE terms are roots of a mean over the batch and stay per process
        for n, g in gradients.items():
            assert torch.allclose(found[0][1][n], g, atol=1e-5), n


def test_one_process_gathers_nothing():
    x = torch.randn(3, 2)
    assert gather(x) is x
