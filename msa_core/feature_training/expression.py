"""Training and evaluation of the expression network on FER+.

Soft-label cross-entropy with the crowd's votes plus a small loss on their expected valence, in two
cycles of the learning rate: the first with small pictures and strong augmentation, the second gentler.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msa_core import checkpoint
from msa_core.features.expression import (
    CHECKPOINT,
    CROP_SIDE,
    EMOTION_VALENCES,
    ExpressionNetwork,
    FaceSet,
    augment,
    describe,
    face_features,
    ferplus,
    load,
)

SCALES = (0.8, 0.9, 1.0, 1.15, 1.3)  # crop sides, relative to FER+'s own framing, that an evaluation reports


@dataclass(frozen=True)
class Cycle:
    """Settings of one cycle of the learning rate, from low over its peak to zero."""

    epochs: int
    sides: tuple[int, ...]  # crop sides in pixels of equal parts of the cycle: small pictures first train faster
    strength: float  # of the augmentation
    peak_rate: float


CYCLES = (Cycle(20, (32, 40, CROP_SIDE, CROP_SIDE), 1.0, 2e-3), Cycle(8, (CROP_SIDE,), 0.5, 1e-3))


def rescale(crops: Tensor, scale: float) -> Tensor:
    """Rescale crops (N, 48, 48) as if cut with `scale` times the side; the edge is repeated beyond the picture."""
    theta = torch.tensor([[scale, 0.0, 0.0], [0.0, scale, 0.0]]).expand(len(crops), 2, 3)
    grid = F.affine_grid(theta, [len(crops), 1, *crops.shape[1:]], align_corners=False)
    return F.grid_sample(crops.float().unsqueeze(1), grid, padding_mode="border", align_corners=False)[:, 0]


def loss(logits: Tensor, valence: Tensor, votes: Tensor) -> Tensor:
    """Compute cross-entropy with the vote shares (N, 8) + 0.3 smooth L1 of their expected valence; a scalar."""
    target = votes @ votes.new_tensor(EMOTION_VALENCES)
    return F.cross_entropy(logits.float(), votes) + 0.3 * F.smooth_l1_loss(valence.float(), target)


@torch.inference_mode()
def evaluate_split(network: ExpressionNetwork, faces: FaceSet, scale: float = 1.0) -> dict[str, float]:
    """Compute accuracy of the majority emotion, Pearson r and MAE of the valence, and the training loss."""
    outputs = []
    for start in range(0, len(faces), 128):
        crops = torch.from_numpy(faces.images[start : start + 128])
        outputs.append(describe(network, rescale(crops, scale) if scale != 1.0 else crops)[1:])
    probabilities, valence = (torch.cat(parts) for parts in zip(*outputs, strict=True))
    votes, target = torch.from_numpy(faces.votes), faces.valence
    return {
        "accuracy": float((probabilities.argmax(-1) == votes.argmax(-1)).float().mean()),
        "valence_r": float(np.corrcoef(valence.numpy(), target)[0, 1]),
        "valence_mae": float(np.abs(valence.numpy() - target).mean()),
        "loss": float(loss(probabilities.clamp_min(1e-9).log(), valence, votes)),
    }


def evaluate(data: Path, name: str | Path = CHECKPOINT) -> dict[str, Any]:
    """Evaluate a trained network on the test part of FER+, also for crops cut tighter and wider (`by_scale`)."""
    splits, facts = ferplus(data)
    return {"data": facts, **_test_metrics(load(name), splits["test"])}


def _test_metrics(network: ExpressionNetwork, faces: FaceSet) -> dict[str, Any]:
    """Evaluate a network as framed and at every scale."""
    by_scale = {f"{scale:g}": evaluate_split(network, faces, scale) for scale in SCALES}
    return {"test": evaluate_split(network, faces), "by_scale": by_scale}


def fit(
    data: Path,
    *,
    out: Path | None = None,
    cycles: tuple[Cycle, ...] = CYCLES,
    seed: int = 0,
    batch_size: int = 64,
    start: str | Path | None = None,
    progress: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train on FER+ and write a checkpoint after each cycle.

    AdamW, one-cycle rate, bfloat16, averaged weights; the epoch is chosen by the validation loss.

    Args:
        data: folder of FER+.
        out: checkpoint folder; None = the shipped one.
        start: a checkpoint of the first cycle, to run only the others.
        progress: called with a line about each epoch.

    Returns:
        The manifest's metrics.
    """
    splits, facts = ferplus(data)
    facts |= {
        "corpus": "FER+ (Barsoum et al. 2016)",
        "seed": seed,
        "batch_size": batch_size,
        "cycles": [asdict(c) for c in cycles],
    }
    facts |= {"licence": "FER+ labels MIT (Microsoft); FER2013 images for research use, no formal licence"}
    torch.manual_seed(seed)
    network = ExpressionNetwork() if start is None else load(start)
    for number in range(0 if start is None else 1, len(cycles)):
        progress(f"cycle {number + 1} of {len(cycles)}")
        torch.manual_seed(seed + number)
        network, best = _run(cycles[number], network, splits, batch_size, seed + number, progress)
        metrics = {"cycle": number + 1, "validation": best, **_test_metrics(network, splits["test"])}
        _write(out or checkpoint.ROOT / CHECKPOINT, network, facts, metrics)
    return metrics


def _run(
    cycle: Cycle,
    network: ExpressionNetwork,
    splits: dict[str, FaceSet],
    batch_size: int,
    seed: int,
    progress: Callable[[str], None],
) -> tuple[ExpressionNetwork, dict[str, float]]:
    """Train through one cycle; return the averaged network of the best epoch and its validation metrics."""
    rng, epochs = torch.Generator().manual_seed(seed), cycle.epochs
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average, chosen = copy.deepcopy(network).eval(), copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(network.parameters(), lr=cycle.peak_rate, weight_decay=0.05)
    n_steps = epochs * (len(splits["train"]) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, cycle.peak_rate, total_steps=n_steps, pct_start=0.2)
    best: dict[str, float] = {"loss": math.inf}
    for epoch in range(epochs):
        network.train()
        started, losses = time.perf_counter(), []
        side = cycle.sides[len(cycle.sides) * epoch // epochs]
        for crops, votes in _batches(splits["train"], batch_size, side, cycle.strength, rng):
            with torch.autocast("cpu", torch.bfloat16):
                _, logits, valence = network(crops)
            optimizer.zero_grad()
            batch_loss = loss(logits, valence, votes)
            batch_loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(float(batch_loss.detach()))
            n_done = epoch * n_steps // epochs + len(losses)
            _move_average(average, network, min(0.998, n_done / (n_done + 10)))
        seconds = time.perf_counter() - started
        progress(f"epoch {epoch + 1}/{epochs}, {seconds:.0f} s, training loss {np.mean(losses):.3f}")
        if epoch + 1 < epochs // 2:
            continue  # weights at the peak rate are not validated
        found = evaluate_split(average, splits["validation"])
        progress("  validation " + ", ".join(f"{k} {v:.3f}" for k, v in found.items()))
        if found["loss"] < best["loss"]:
            best = {**found, "epoch": epoch + 1}
            chosen.load_state_dict(average.state_dict())
    return chosen, best


def _batches(
    faces: FaceSet, batch_size: int, side: int, strength: float, rng: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one epoch of augmented (crops, votes) in random order."""
    images, votes = torch.from_numpy(faces.images), torch.from_numpy(faces.votes)
    order = torch.randperm(len(faces), generator=rng)
    for start in range(0, len(order) - batch_size + 1, batch_size):
        rows = order[start : start + batch_size]
        yield augment(images[rows].float(), side, rng, strength), votes[rows]


def _move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the exponential average of weights and running statistics, in place."""
    with torch.no_grad():
        for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)


def _write(out: Path, network: ExpressionNetwork, facts: dict[str, Any], metrics: dict[str, Any]) -> None:
    """Write a checkpoint with a golden input of smooth noise, since FER2013's pictures may not be redistributed."""
    noise = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 255
    crops = F.interpolate(noise, CROP_SIDE, mode="bicubic", align_corners=False).clamp(0, 255)[:, 0].to(torch.uint8)
    golden = {"crops": crops, "features": torch.from_numpy(face_features(network, crops.numpy()))}
    manifest = {"name": out.name, "config": asdict(network.config), "data": facts, "metrics": metrics}
    checkpoint.write(out, network.state_dict(), {**manifest, "torch": torch.__version__}, golden)
