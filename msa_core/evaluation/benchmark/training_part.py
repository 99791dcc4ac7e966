"""One training step of each method; SDUMC's at the published dimensions beside the published code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from msa_core import methods, missing
from msa_core.batch import from_arrays
from msa_core.evaluation.benchmark import published_sdumc
from msa_core.evaluation.benchmark.published_sdumc import PublishedSDUMC, loss
from msa_core.evaluation.benchmark.rows import Goal, row
from msa_core.evaluation.benchmark.timing import Work, interleaved
from msa_core.methods import Method
from msa_core.methods.layers import sharing
from msa_core.schema import Batch
from msa_core.training.optimiser import copied_weights, move_average, parameter_groups

BATCH = 64
FRAMES = {"audio": 100, "text": 30, "vision": 50, "simulated": 30}
DIMS = {"audio": 384, "text": 384, "vision": 138, "simulated": 384}
TEACHERS: dict[str, dict[str, Any]] = {"corrkd": {"distil": False}, "promma": {"prompted": False}}
HALF = Goal(
    0.5,
    bound="bounded by arithmetic that both must do: the products over frames alone are the next row; tanh of both "
    "keys, attention and the layers behind it come on top",
)


def rows(repeats: int) -> list[dict[str, Any]]:
    """Measure one step of every method on one batch: both flows, losses, backward, clipping, optimiser."""
    torch.manual_seed(0)
    batch = published_batch()
    steps = {"ours": sdumc_step(batch), "theirs": published_step(batch), "products": products(batch)}
    times = interleaved(steps, repeats)
    frames = "/".join(str(FRAMES[m]) for m in ("audio", "text", "vision"))
    widths = "/".join(str(DIMS[m]) for m in ("audio", "text", "vision"))
    name = f"SDUMC, published widths, batch {BATCH}, frames {frames} of widths {widths}, text missing"
    said = "plain transcription of the published code, Adam, its loop for Rank-N-Contrast"
    alone = "of such a step the products of frames and matrices alone, forward and back, each once"
    found = [
        row(name, times["ours"], said, times["theirs"], HALF),
        row(alone, times["products"], "the same published step", times["theirs"]),
    ]
    works = {methods.method_name(m): step_of(m, batch) for m in ("sdumc", "corrkd", "promma")}
    own = interleaved(works, repeats)
    return [
        *found,
        *(row(f"{name}, our settings, same batch", own[name], "none: our own settings") for name in works),
    ]


def published_batch() -> Batch:
    """Draw a batch of the published size, every frame real, with text simulated from the voice."""
    rng = np.random.default_rng(0)
    features = {s: rng.standard_normal((BATCH, FRAMES[s], DIMS[s]), np.float32) for s in FRAMES}
    valid = {s: np.ones(x.shape[:2], bool) for s, x in features.items()}
    return from_arrays(features, valid, rng.uniform(-3, 3, BATCH).astype(np.float32), tuple(map(str, range(BATCH))))


def sdumc_step(batch: Batch) -> Work:
    """Make the step of our SDUMC at the published widths, dropout and weights."""
    config = methods.METHODS["sdumc"].presets["published"].config
    return _step(methods.build("sdumc", config, DIMS), batch, None, missing.pattern(batch, "audio+vision"))


def step_of(method: str, batch: Batch) -> Work:
    """Make the step of a method with our settings, under a random subset of missing modalities."""
    model = methods.build(method, {}, DIMS)
    teacher = methods.build(method, TEACHERS[method], DIMS).eval() if model.needs_teacher else None
    if teacher is not None:
        model.adopt(teacher)
    return _step(model, batch, teacher, missing.regime("subset")(batch, 0, 0))


def published_step(batch: Batch) -> Work:
    """Make the step of the published code: Adam, one pass a flow."""
    model = PublishedSDUMC(DIMS).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-5)
    x, label = batch.features, batch.label
    assert label is not None

    def step() -> None:
        complete = model(x["audio"], x["text"], x["vision"], missing=False)
        left = model(x["audio"], x["simulated"], x["vision"], missing=True)
        total = loss(complete, left, label)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()

    return step


def products(batch: Batch) -> Work:
    """Make the products over frames of an SDUMC step: the projections, and both keys of every flow, with gradients.

    Frames that both flows share are projected once, as in our step; keys differ by what dropout leaves.
    """
    flows = (("audio", "text", "vision"), ("audio", "simulated", "vision"))
    inputs = {s: batch.features[s].flatten(0, 1) for s in FRAMES}
    project = {s: torch.randn(DIMS[s], published_sdumc.D) / DIMS[s] for s in FRAMES}
    keys = torch.randn(2, published_sdumc.D, published_sdumc.D) / published_sdumc.D

    @torch.no_grad()
    def step() -> None:
        frames = {s: x @ project[s] for s, x in inputs.items()}
        back = {s: torch.zeros_like(f) for s, f in frames.items()}
        for s in (s for flow in flows for s in flow):
            for key in keys:
                answer = frames[s] @ key
                frames[s].T @ answer  # gradient of the matrix
                back[s].addmm_(answer, key.T)  # and of the frames
        for s, x in inputs.items():
            x.T @ back[s]

    return step


def _step(model: Method, batch: Batch, teacher: Method | None, left: Batch) -> Work:
    """Make one step of the training loop (training/loop.py): flows, losses, backward, clipping, AdamW, average."""
    optimizer = torch.optim.AdamW(parameter_groups(model.train(), 5e-2), lr=1e-4)
    averaged, weights, label = copied_weights(model), model.config.loss_weights(), batch.label
    assert label is not None
    answer: Callable[[Batch], Any] = model if teacher is None else torch.no_grad()(teacher.__call__)

    def step() -> None:
        with sharing():
            full, dropped = answer(batch), model(left)
        terms: dict[str, Tensor] = model.losses(full, dropped, label)
        total = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        move_average(averaged, model, 0.99)

    return step
