"""Losses that compare the items of a batch: two processes of 32 give what one batch of 64 gives."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict

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
    """Terms and parameter gradients of a batch of the test corpus, without any randomness in the networks."""
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


def process(rank, port, name, settings, results):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    terms, gradients = weighted(name, settings, np.arange(32 * rank, 32 * rank + 32))
    for g in gradients.values():  # what DistributedDataParallel does
        dist.all_reduce(g)
    refused = ""
    try:
        gather(torch.zeros(rank + 1, 2))
    except MsaError as e:
        refused = str(e)
    results.put((rank, terms, {n: (g / 2).numpy() for n, g in gradients.items()}, refused))
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "settings"), CASES)
def test_two_processes_equal_one_batch(name, settings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    started = multiprocessing.spawn(process, (port, name, settings, results), nprocs=2, join=False)
    found = sorted((results.get(timeout=120) for _ in range(2)), key=lambda r: r[0])
    started.join()
    terms, gradients = weighted(name, settings, np.arange(64))
    in_batch = [k for k in terms if k in ("scd", "cpd", "rcd", "rnc")]
    for _, theirs, _, refused in found:
        assert {k: theirs[k] for k in in_batch} == pytest.approx({k: terms[k] for k in in_batch}, rel=1e-4)
        assert "batches of [1, 2] items" in refused
    if name == "corrkd":  # SDUMC's RMSE terms are roots of a mean over the batch and stay per process
        for n, g in gradients.items():
            assert np.allclose(found[0][2][n], g.numpy(), atol=1e-5), n


def test_one_process_gathers_nothing():
    x = torch.randn(3, 2)
    assert gather(x) is x
