"""Train everything that a table needs: every method's recipes on a corpus, with several seeds.

The recipes stand in the methods (`Method.recipes`). This file decides which of them a corpus can have, in which order
they are trained and on how many processes. A run that is already there is left alone, so a killed study goes on where
it stopped; a run of another corpus or of other settings is refused.
"""

from __future__ import annotations

import json
import math
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from msa_core import checkpoint, methods
from msa_core.config import from_dict
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.evaluation.protocols import patterns_of
from msa_core.evaluation.runs import Run, check, has_simulated_text, settings_of
from msa_core.evaluation.score_store import Kept, Store
from msa_core.methods import Recipe
from msa_core.training.command import values_of
from msa_core.training.config import TrainConfig
from msa_core.training.loop import fit
from msa_core.training.scores import selected

UPDATES = 600  # a small corpus gets smaller batches and more epochs, so that every training has at least so many
BATCHES = (16, 64)  # smallest and largest batch; between them about a twentieth of the training rows
FAILED = ": failed: "


class Job(NamedTuple):
    """A run to train: method, recipe, seed, the folder that it is written to, and its least number of updates."""

    method: str
    recipe: Recipe
    seed: int
    folder: Path
    updates: int = UPDATES


def plan(
    corpus: Corpus,
    out: Path,
    seeds: int,
    ablations: bool = True,
    only: Sequence[str] = (),
    kept: Mapping[str, Kept] | None = None,
    settings: Mapping[str, Any] | None = None,
    updates: int = UPDATES,
) -> list[list[Job]]:
    """Plan the runs that are not there yet, in two stages: the second learns from teachers of the first.

    Args:
        seeds: of every recipe; of a corpus with n folds each of them has n runs.
        only: keys of METHODS.
        kept: runs whose scores were kept, by folder name: one of them is trained only as the teacher of a run that is
            not kept.
        settings: of the training loop and of the methods, that every recipe gets in place of its own.
        updates: least number of updates of a training.
    Raises:
        MsaError: for an unknown method or setting, or a corpus with one modality.
    """
    unknown = [m for m in only if m not in methods.METHODS]
    if unknown:
        raise MsaError(f"Unknown method {unknown[0]!r}. Valid methods: {', '.join(methods.METHODS)}.")
    incomplete, hears = patterns_of(corpus, "test")[:-1], has_simulated_text(corpus)
    kept = kept or {}
    without_teacher: dict[str, Job] = {}  # by folder name
    students: list[Job] = []
    for name in only or methods.learning(corpus.emotions):
        for recipe in methods.METHODS[name].recipes():
            if recipe.kind == "ablation" and not ablations:
                continue
            if recipe.kind == "specialist" and recipe.loop["regime"] not in incomplete:
                continue
            if recipe.config.get("use_simulated") and not hears:
                continue  # the same as the recipe without it
            for seed in range(seeds * max(1, corpus.n_folds)):
                folder = out / f"{recipe.run_name}-seed{seed}"
                job = Job(name, adapted(recipe, settings or {}), seed, folder, updates)
                settings_for(job, corpus)
                if recipe.teacher is None:
                    without_teacher[job.folder.name] = job
                elif not _is_done(job, corpus, kept):
                    students.append(job)
    teachers = {f"{job.recipe.teacher}-seed{job.seed}" for job in students}
    first = [job for n, job in without_teacher.items() if not _is_done(job, corpus, {} if n in teachers else kept)]
    return [first, students]


def adapted(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """Put `settings` in the place of the recipe's own. Raises: MsaError for one that tells recipes or runs apart."""
    if told := [key for key in ("regime", "seed") if key in settings]:
        raise MsaError(f"{told[0]} differs between the recipes of a study. Set it for one training: train --set.")
    own = {f.name for f in fields(TrainConfig)}
    loop = {k: v for k, v in settings.items() if k in own}
    config = {k: v for k, v in settings.items() if k not in own}
    return recipe._replace(config={**recipe.config, **config}, loop={**recipe.loop, **loop})


def _is_done(job: Job, corpus: Corpus, kept: Mapping[str, Kept]) -> bool:
    """Check whether the run is there, or its scores were kept.

    Raises: MsaError when it is one of another corpus or other settings.
    """
    if (job.folder / checkpoint.MANIFEST).is_file():
        run = Run.read(job.folder)
    elif job.folder.name in kept:
        run = Run.gone(kept[job.folder.name])
    else:
        return False
    check(run, corpus)
    for what, wanted in zip(("train", "config"), settings_for(job, corpus), strict=True):
        trained = settings_of(run.manifest, what)
        for key, value in json.loads(json.dumps(asdict(wanted))).items():
            if trained.get(key) != value:
                found = trained.get(key)
                where, way = job.folder.name, "Move it away, or give another --out."
                if run.kept is not None:
                    where, way = f"The run kept in {run.kept.path}", "Delete the file, or give another --scores."
                raise MsaError(f"{where} was trained with {key} = {found!r}, the recipe says {value!r}. {way}")
    return True


def settings_for(job: Job, corpus: Corpus) -> tuple[TrainConfig, Any]:
    """Make the settings of the training loop and of the method. Raises: MsaError for a setting that is wrong."""
    config = from_dict(methods.METHODS[job.method].Config, dict(job.recipe.config))
    return loop_of(job.recipe, corpus, job.seed, job.updates), config


def loop_of(recipe: Recipe, corpus: Corpus, seed: int, updates: int = UPDATES) -> TrainConfig:
    """Make the settings of the training loop for this corpus, see UPDATES and BATCHES."""
    loop, n = from_dict(TrainConfig, dict(recipe.loop)), len(corpus.for_seed(seed).rows("train"))
    batch = min(max(BATCHES[0], 2 ** int(math.log2(max(1, n / 20)))), BATCHES[1])
    epochs = max(loop.epochs, math.ceil(updates / math.ceil(n / batch)))
    warmup = loop.warmup_epochs * epochs / loop.epochs
    return replace(loop, batch=batch, epochs=epochs, warmup_epochs=warmup, seed=seed)


def train(job: Job, corpus: Corpus) -> str:
    """Train one run. Returns: a line with its validation MAE or its failure, which does not stop the other runs."""
    loop, config = settings_for(job, corpus)
    teacher = None if job.recipe.teacher is None else job.folder.parent / f"{job.recipe.teacher}-seed{job.seed}"
    try:
        fit(job.method, corpus, job.folder, loop, config, teacher)
    except MsaError as e:
        return f"{job.folder.name}{FAILED}{e}"
    name, error = selected(checkpoint.read_manifest(job.folder))
    return f"{job.folder.name}: validation {name} {error:.4f}"


_corpus: Corpus | None = None


def _start(path: Path) -> None:
    """Open the corpus in a new process."""
    global _corpus
    torch.set_num_threads(1)
    _corpus = Corpus.load(path, memmap=True)


def _train(job: Job) -> str:
    """Train one run in a process that `_start` has prepared."""
    assert _corpus is not None
    return train(job, _corpus)


def command(
    corpus_path: Path,
    out: Path,
    seeds: int,
    jobs: int = 1,
    ablations: bool = True,
    only: Sequence[str] = (),
    scores: Path | None = None,
    settings: Sequence[str] = (),
    updates: int = UPDATES,
) -> Iterator[str]:
    """Train the runs of a study that are missing.

    Args:
        seeds, ablations, only, updates: see `plan`.
        settings: KEY=VALUE of what every recipe gets in place of its own.
        jobs: number of processes.
        scores: folder of kept scores, in it one for each corpus.
    Returns:
        A line per run.
    Raises:
        MsaError: when runs failed, or a kept teacher that was trained again is not the one that was kept.
    """
    corpus, failed = Corpus.load(corpus_path, memmap=True), 0
    store = None if scores is None else Path(scores) / corpus.name
    kept = {} if store is None else Store(store, corpus).runs()
    if store is not None:
        yield f"{len(kept)} runs are kept in {store}"
    first, then = plan(corpus, Path(out), seeds, ablations, only, kept, values_of(settings), updates)
    for stage in (first, then):
        if stage is then:
            _need_kept_teachers(then, kept)
        for line in _one_by_one(stage, corpus) if jobs == 1 else _in_processes(stage, corpus_path, jobs):
            failed += FAILED in line
            yield line
    if failed:
        raise MsaError(f"{failed} runs failed (see above). What is trained stays; start again to try the others.")


def _one_by_one(stage: Sequence[Job], corpus: Corpus) -> Iterator[str]:
    """Train runs one by one, with one thread as in `_in_processes`: sums over more threads are rounded otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from (train(job, corpus) for job in stage)
    finally:
        torch.set_num_threads(threads)


def _need_kept_teachers(students: Sequence[Job], kept: Mapping[str, Kept]) -> None:
    """Check that the teachers of students are the runs that were kept. Raises: MsaError."""
    for job in students:
        name = f"{job.recipe.teacher}-seed{job.seed}"
        folder = job.folder.parent / name
        there = name in kept and (folder / checkpoint.MANIFEST).is_file()
        if there and not Run.read(folder).is_training_of(kept[name]):
            raise MsaError(
                f"Teacher {name} in {folder.parent} is another run than the one kept in {kept[name].path}; its new "
                "students would be measured against another teacher than the old ones. Copy the run that was kept "
                "there, or delete its file and those of its students."
            )


def _in_processes(stage: Sequence[Job], corpus_path: Path, jobs: int) -> Iterator[str]:
    """Train runs in several processes; their lines come in the order in which they end."""
    if not stage:
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _start, (Path(corpus_path),)) as pool:
        try:
            yield from (done.result() for done in as_completed([pool.submit(_train, job) for job in stage]))
        except BrokenProcessPool as e:
            raise MsaError(f"A training process was killed, perhaps for memory. Give fewer than {jobs} --jobs.") from e
