"""Command `train`: train some seeds of one setting, with their teachers; ship the best runs by validation."""

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
from msa_core.methods.shipped import SHIPPED_RUNS
from msa_core.training import teacher as teachers
from msa_core.training.config import TrainConfig
from msa_core.training.loop import fit
from msa_core.training.processes import Processes
from msa_core.training.scores import selected


def command(
    method: str,
    corpus_path: Path,
    settings: Sequence[str],
    seeds: int,
    out: Path,
    name: str | None,
    run_name: str | None = None,
    teacher: str | None = None,
    preset: str | None = None,
    processes: Processes | None = None,
) -> Iterator[str]:
    """Train `seeds` seeds into `out` and ship the best by validation as checkpoints/`name`.

    A seed that is there already, finished with the same settings, is not trained again.

    Args:
        settings: KEY=VALUE of TrainConfig or of the method's config, VALUE in JSON or plain text.
        seeds: number of runs; the first has the seed of the settings.
        name: checkpoint to ship; None = ship nothing.
        run_name: name of the run folders, without the seed; default `name`, or the method and its regime.
        teacher: a checkpoint, or the name of runs in `out`: then every seed learns from the teacher of its seed.
            A shipped student's teacher is shipped as checkpoints/`name`-teacher.
        preset: named settings of the method, before `settings`.
        processes: this process among several, see `fit`.

    Yields:
        A line for every run and for what was shipped, in the main process.

    Raises:
        MsaError: for an impossible name or setting, or a folder that holds anything but this run.
    """
    for given in (name, run_name):
        if given is not None and (not given or "/" in given or given.startswith(".")):
            raise MsaError(f"{given!r} is no name for a run; give letters, digits, spaces and dashes.")
    loop, model_config = parse_settings(method, settings, preset)  # first, so that a typing error costs nothing
    team = processes or Processes()
    corpus = team.together(lambda: Corpus.load(corpus_path))
    if name and corpus.emotions:
        raise MsaError("A network of emotions scores no clips, so it is not shipped as a checkpoint. Leave --name out.")
    taught_by: dict[Path, str | Path | None] = {}
    taught_by_seed = teachers.of_seeds(teacher, Path(out), range(loop.seed, loop.seed + max(1, seeds)))
    for seed, own in taught_by_seed.items():
        run = f"{run_name or name or f'{method}-{loop.regime}'.replace(':', '-')}-seed{seed}"
        own_loop = replace(loop, seed=seed)
        folder = fit(method, corpus, Path(out) / run, own_loop, model_config, own, processes=team, keep=True)
        if not team.main:
            continue
        taught_by[folder] = own
        name_of_error, error = selected(checkpoint.read_manifest(folder))
        yield f"{folder}: validation {name_of_error} {error:.4f}"
    if not team.main:
        return
    best = min(taught_by, key=lambda f: selected(checkpoint.read_manifest(f))[1])
    if name:
        _ship(best, name, taught_by[best])
        yield f"checkpoints/{name}: {best.name}"


def ship_study(runs: Path) -> Iterator[str]:
    """Ship the best seed by validation of every run that the project ships, with its teacher.

    Args:
        runs: folder of a study on the corpus of the shipped checkpoints.

    Yields:
        A line for each.

    Raises:
        MsaError: a run name has no run there.
    """
    found: dict[str, Path] = {}
    for run_name, name in SHIPPED_RUNS.items():
        found[name] = best_seed(runs, run_name)
    for name, best in found.items():
        yield ship(best, name)


def ship(run: Path, name: str) -> str:
    """Ship a run as checkpoints/`name`, with its teacher, which lies beside it. Returns: a line that says so."""
    teacher = checkpoint.read_manifest(run).get("teacher")
    _ship(run, name, teacher and run.parent / teacher["checkpoint"])
    return f"checkpoints/{name}: {run.name}"


def best_seed(runs: Path, run_name: str) -> Path:
    """Find the best seed by validation among the runs of a name. Raises: MsaError when there is none."""
    return min(seeds_of(runs, run_name), key=lambda f: checkpoint.read_manifest(f)["selection"]["valid_mae"])


def seeds_of(runs: Path, run_name: str) -> list[Path]:
    """List the runs of a name, one a seed. Raises: MsaError when there is none."""
    own = [p.parent for p in sorted(runs.glob(f"{run_name}-seed*/{checkpoint.MANIFEST}"))]
    if not own:
        raise MsaError(f"{runs} has no run {run_name!r}. Train it first: study --corpus DIR --out {runs}.")
    return own


def _ship(run: str | Path, name: str, teacher: str | Path | None = None) -> None:
    """Copy a run to checkpoints/`name`, and its teacher to checkpoints/`name`-teacher."""
    tensors, manifest = checkpoint.read(run)
    if teacher is not None:
        _ship(teacher, f"{name}{checkpoint.TEACHER}")
        manifest["teacher"]["checkpoint"] = f"{name}{checkpoint.TEACHER}"
    checkpoint.write(checkpoint.ROOT / name, tensors, manifest, checkpoint.read(run, checkpoint.GOLDEN)[0])


def parse_settings(method: str, settings: Sequence[str], preset: str | None = None) -> tuple[TrainConfig, Any]:
    """Parse KEY=VALUE strings to the settings of the loop and of the method.

    Args:
        preset: named settings of the method that stand in place of the defaults.

    Raises:
        MsaError: for an unknown method, preset or key, or a value of another type.
    """
    if method not in methods.METHODS:
        raise MsaError(f"Unknown method {method!r}. Valid methods: {', '.join(methods.METHODS)}.")
    own = {f.name for f in fields(TrainConfig)}
    presets = methods.METHODS[method].presets
    if preset is not None and preset not in presets:
        raise MsaError(f"{method} has no preset {preset!r}. Its presets: {', '.join(presets) or 'none'}.")
    named: dict[str, Any] = {} if preset is None else {**presets[preset].config, **presets[preset].loop}
    values = named | values_of(settings)
    loop = from_dict(TrainConfig, {k: v for k, v in values.items() if k in own})
    return loop, from_dict(methods.METHODS[method].Config, {k: v for k, v in values.items() if k not in own})


def values_of(settings: Sequence[str]) -> dict[str, Any]:
    """Parse KEY=VALUE strings, VALUE in JSON or plain text. Raises: MsaError for one without '=', or a key twice."""
    values: dict[str, Any] = {}
    for item in settings:
        key, equals, text = item.partition("=")
        if not equals:
            raise MsaError(f"{item!r} is no setting; write KEY=VALUE.")
        if key in values:
            raise MsaError(f"{key} is given twice, as {json.dumps(values[key])} and as {text}. Give it once.")
        try:
            values[key] = json.loads(text)
        except ValueError:  # no JSON, or a number of thousands of digits
            values[key] = text
    return values
