"""Training runs from the command line: settings, seeds, teachers, and shipping the best.

`command` trains the seeds of one setting with train.py; what the page loads is copied to `checkpoints/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from msa_core import checkpoint, methods
from msa_core.config import from_dict
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.training import teacher as teachers
from msa_core.training.loop import TrainConfig, fit


def command(
    method: str,
    corpus_path: Path,
    settings: Sequence[str],
    seeds: int,
    out: Path,
    name: str | None,
    label: str | None = None,
    teacher: str | None = None,
) -> Iterator[str]:
    """The command line: train `seeds` seeds into `out`, ship the best by validation as checkpoints/`name`.

    Args: settings: KEY=VALUE of TrainConfig or of the method's config, VALUE in JSON or plain text.
        label: what the runs are called in tables; default `name`, or the method and its regime.
        teacher: a checkpoint, or the label of runs in `out`: then every seed learns from the teacher of its seed.
            A shipped student's teacher is shipped as checkpoints/`name`-teacher.
    """
    for given in (name, label):
        if given is not None and (not given or "/" in given or given.startswith(".")):
            raise MsaError(f"{given!r} is no name for a run; give letters, digits, spaces and dashes.")
    loop, model_config = parse_settings(method, settings)  # first, so that a typing error costs nothing
    corpus = Corpus.load(corpus_path)
    taught_by: dict[Path, str | Path | None] = {}
    taught_by_seed = teachers.of_seeds(teacher, Path(out), range(loop.seed, loop.seed + max(1, seeds)))
    for seed, own in taught_by_seed.items():
        run = f"{label or name or f'{method}-{loop.regime}'.replace(':', '-')}-seed{seed}"
        folder = fit(method, corpus, Path(out) / run, replace(loop, seed=seed), model_config, own)
        taught_by[folder] = own
        yield f"{folder}: validation MAE {checkpoint.read_manifest(folder)['selection']['valid_mae']:.4f}"
    best = min(taught_by, key=lambda f: checkpoint.read_manifest(f)["selection"]["valid_mae"])
    if name:
        _ship(best, name, taught_by[best])
        yield f"checkpoints/{name}: {best.name}"


def _ship(run: str | Path, name: str, teacher: str | Path | None = None) -> None:
    """Copy a run to checkpoints/`name`, and its teacher to checkpoints/`name`-teacher."""
    tensors, manifest = checkpoint.read(run)
    if teacher is not None:
        _ship(teacher, f"{name}{checkpoint.TEACHER}")
        manifest["teacher"]["checkpoint"] = f"{name}{checkpoint.TEACHER}"
    checkpoint.write(checkpoint.ROOT / name, tensors, manifest, checkpoint.read(run, checkpoint.GOLDEN)[0])


def parse_settings(method: str, settings: Sequence[str]) -> tuple[TrainConfig, Any]:
    """KEY=VALUE strings -> the loop's and the method's settings. Raises: MsaError for an unknown key."""
    if method not in methods.METHODS:
        raise MsaError(f"Unknown method {method!r}. Valid methods: {', '.join(methods.METHODS)}.")
    own = {f.name for f in fields(TrainConfig)}
    values: dict[str, Any] = {}
    for item in settings:
        key, equals, text = item.partition("=")
        if not equals:
            raise MsaError(f"{item!r} is no setting; write KEY=VALUE.")
        try:
            values[key] = json.loads(text)
        except json.JSONDecodeError:
            values[key] = text
    loop = from_dict(TrainConfig, {k: v for k, v in values.items() if k in own})
    return loop, from_dict(methods.METHODS[method].Config, {k: v for k, v in values.items() if k not in own})
