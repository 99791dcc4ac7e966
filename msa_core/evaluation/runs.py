"""Trained runs of one label, their scores put together: what a row of the tables is made from."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from msa_core import checkpoint, methods
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.evaluation import metrics
from msa_core.evaluation.score_store import DELETE, Kept
from msa_core.evaluation.scoring import Request, Scores
from msa_core.methods import Method, Recipe
from msa_core.missing import PATTERNS
from msa_core.training.loop import TrainConfig

FILLS = ("zero", "mean")  # of an absent modality in the naive complete model
SETTINGS = ("method", "seed", "config", "train", "corpus", "dims", "feature_set")  # of a training, in its manifest
NEEDED = (*SETTINGS, "calibration", "sha256")
SAME_END = 5e-3  # of validation MAE: one training on two processors differed by 1e-6 (late fusion) to .0046 (CorrKD)
BRIEF = ("complete", "ablation")  # kinds that are tested on the patterns only


@dataclass(frozen=True)
class Run:
    """One trained run: its folder, its label and what its manifest says.

    kept: what it said on the test set when that was kept; then the folder need not be there.
    """

    folder: Path
    label: str
    manifest: Mapping[str, Any]
    kept: Kept | None = None

    @staticmethod
    def read(folder: Path) -> Run:
        """The run in a checkpoint folder. Raises: MsaError when it holds something else."""
        manifest = checkpoint.read_manifest(folder)
        lost = [k for k in NEEDED if k not in manifest]
        if lost:
            raise MsaError(
                f"{folder.name} is no trained run of a method: its manifest has no {lost[0]!r}. Move it away."
            )
        return Run(folder, label_of(folder.name), manifest)

    @staticmethod
    def gone(kept: Kept) -> Run:
        """A run of which only the scores were kept. Raises: MsaError when they are of something else."""
        lost = [k for k in NEEDED if k not in kept.manifest]
        if lost:
            raise MsaError(f"{kept.path} holds no run of a method: its manifest has no {lost[0]!r}. {DELETE}")
        return Run(kept.path.with_suffix(""), label_of(kept.path.stem), kept.manifest, kept)

    @staticmethod
    def all_of(folders: Sequence[Path], kept: Mapping[str, Kept]) -> list[Run]:
        """The runs in folders and those of which only scores were kept, by label and seed.

        Raises: MsaError when a run is another than the kept run of its name, or was kept under another name.
        """
        there = [replace(Run.read(folder), kept=kept.get(folder.name)) for folder in folders]
        for run in there:
            if run.kept is not None and not run.is_training_of(run.kept):
                raise MsaError(
                    f"{run.folder.name} is another run than the one whose scores were kept in {run.kept.path}. "
                    "Delete that file, and those of the students that it taught, to score the run that is there; "
                    "or move the run away."
                )
        names, weights = {run.folder.name for run in there}, {run.weights: run.folder.name for run in there}
        gone = [Run.gone(k) for name, k in kept.items() if name not in names]
        for run in gone:
            if run.kept is not None and run.weights in weights:
                raise MsaError(f"{run.kept.path} holds the scores of {weights[run.weights]}, renamed. Delete the file.")
        return sorted([*there, *gone], key=lambda r: (r.label, r.seed))

    def is_training_of(self, kept: Kept) -> bool:
        """True for the kept run itself, or for the same training on another processor, which ends near it."""
        one, other = self.manifest, kept.manifest
        if self.weights == kept.weights:
            return True
        ends = [float(m.get("selection", {}).get("valid_mae", math.nan)) for m in (one, other)]
        return abs(ends[0] - ends[1]) < SAME_END and all(one[k] == other[k] for k in SETTINGS)

    @property
    def weights(self) -> str:
        """sha256 of its weights."""
        return str(self.manifest["sha256"][checkpoint.MODEL])

    @property
    def seed(self) -> int:
        """The seed it was trained with."""
        return int(self.manifest["seed"])


@dataclass(frozen=True)
class Group:
    """The runs of one label (run_label) under one variant of their settings (label names both).

    scores: per repetition condition -> (U,) of the tested utterances; true (U,); both on the corpus' scale. patterns:
    those of the corpus. covered, width: share inside the conformal interval and its width, per pattern. members: the
    sha256 of every run's weights, and its name -> its repetition. teachers: sha256 and name of the runs' teachers.
    """

    label: str
    run_label: str
    recipe: Recipe
    method: type[Method]
    regime: str
    n_parameters: int | None
    patterns: tuple[str, ...]
    scores: tuple[Scores, ...]
    true: np.ndarray
    covered: Mapping[str, float]
    width: Mapping[str, float]
    members: Mapping[str, int]
    teachers: tuple[tuple[str, str], ...]

    @cached_property
    def errors(self) -> np.ndarray:
        """Absolute errors (P, U) of the patterns, mean over the repetitions; NaN where nothing is left."""
        return np.mean(
            [[np.abs(s[p] - self.true) if p in s else np.full(len(self.true), np.nan) for p in self.patterns]
             for s in self.scores], 0
        )  # fmt: skip

    @property
    def six(self) -> float:
        """Mean over the incomplete patterns (six of three modalities) of the mean MAE."""
        return incomplete_mae(self.errors)

    @property
    def complete(self) -> float:
        """MAE on complete input."""
        return float(np.nanmean(self.errors[-1]))


def incomplete_mae(errors: np.ndarray) -> float:
    """Mean MAE over the incomplete patterns, all but the last. errors (P, U), NaN = nothing left."""
    return float(np.mean([np.nanmean(e) for e in errors[:-1]]))


def scale_of(corpus: Corpus) -> str:
    """The scale of a corpus' labels and metrics: "mosi", or "sims" (metrics.on_scale)."""
    return str(corpus.manifest.get("scale", "mosi"))


def on_scale(scores: np.ndarray, factor: float) -> np.ndarray:
    """Scores (U,) in [-3, 3] on the corpus' own scale, with six decimals, so that a label on a cut is on it again."""
    return np.round(scores.astype(np.float64) / factor, 6)


def label_of(run: str) -> str:
    """The label of a run's folder: its name without the seed."""
    return re.sub(r"-seed\d+$", "", run)


def recipe_of(run: Run) -> Recipe:
    """The recipe of a run's label when it was trained on that recipe's input, else what its manifest says it is."""
    method, regime = methods.method_of(run.manifest, run.folder.name), str(run.manifest["train"]["regime"])
    known = {r.run_name: r for r in method.recipes()}.get(run.label)
    if known is not None and known.loop.get("regime", TrainConfig.regime) == regime:
        return known
    if regime == "complete":
        kind = "complete" if method.published else "naive"
    elif regime in PATTERNS and not method.published:
        kind = "specialist"
    else:
        kind = "method" if method.published else "masked"
    said = method.reconstruction and "reconstruction" not in run.label
    return Recipe(run.label, f"{run.label} (reconstruction)" if said else run.label, kind)


def check(run: Run, corpus: Corpus) -> None:
    """Raises: MsaError for a run of another corpus or fold (it may have seen these rows), or of other widths."""
    own = {"name": corpus.name, **corpus.for_seed(run.seed).manifest}
    if json.dumps(run.manifest["corpus"], sort_keys=True) != json.dumps(own, sort_keys=True):
        theirs = run.manifest["corpus"]
        raise MsaError(
            f"Run {run.folder.name} was trained on another corpus than this {corpus.name} "
            f"({theirs.get('name')}, fold {theirs.get('fold', '-')}; its manifest says more): it may have seen these "
            "test rows. Train it on this corpus, or give its own with --corpus."
        )
    if dict(run.manifest["dims"]) != corpus.dims or run.manifest["feature_set"] != corpus.feature_set:
        raise MsaError(
            f"Run {run.folder.name} has widths {run.manifest['dims']} of {run.manifest['feature_set']!r}, corpus "
            f"{corpus.name} has {corpus.dims} of {corpus.feature_set!r}. Train it again on this corpus."
        )


def request_of(run: Run, corpus: Corpus, split: str, asked: Mapping[str, Sequence[str]]) -> Request:
    """What is asked of a run: a specialist knows its own pattern, teachers and ablations are asked for patterns."""
    recipe, config = recipe_of(run), run.manifest["config"]
    method = methods.method_of(run.manifest, run.folder.name)
    conditions = [c for protocol in asked.values() for c in protocol]
    if recipe.kind == "specialist":
        conditions = [c for c in asked["patterns"] if c == run.manifest["train"]["regime"]]
    elif recipe.kind in BRIEF:
        conditions = list(asked["patterns"])
    variants: list[dict[str, Any]] = method.variants(config)
    if recipe.kind == "naive" and "fill" in config:
        variants = [{"fill": f} for f in FILLS]
    return Request(run.folder, tuple(variants), tuple(conditions), corpus.for_seed(run.seed).rows(split))


def groups_of(
    own: Sequence[tuple[Run, Request, list[Scores]]], corpus: Corpus, tested: np.ndarray, patterns: tuple[str, ...]
) -> list[Group]:
    """The groups of one label: one for each variant. Raises: MsaError when a fold has no run."""
    first, request, _ = own[0]
    recipe = recipe_of(first)
    _need_one_setting([run for run, _, _ in own])
    factor = metrics.on_scale(scale_of(corpus))[2]
    repetitions = _repetitions([run for run, _, _ in own], max(1, corpus.n_folds))
    manifests = [run.manifest for run, _, _ in own]
    groups = []
    for v, settings in enumerate(request.variants):
        scores = tuple(
            {c: on_scale(_merged([own[i][2][v][c] for i in members])[tested], factor) for c in request.conditions}
            for members in repetitions
        )
        told = settings if settings != request.variants[0] or recipe.kind == "naive" else {}
        name = [f"{'absent' if k == 'fill' else k} = {value}" for k, value in told.items()]
        kind = "variant" if name and recipe.kind != "naive" else recipe.kind
        covered, width = _coverage([(run, found[v]) for run, _, found in own], corpus, factor) if v == 0 else ({}, {})
        groups.append(
            Group(
                ", ".join([first.label, *name]), first.label,
                recipe._replace(title=", ".join([recipe.title, *name]), kind=kind),
                methods.method_of(first.manifest, first.folder.name), str(first.manifest["train"]["regime"]),
                first.manifest.get("n_parameters"), patterns, scores, on_scale(corpus.label[tested], factor),
                covered, width,
                {key: r for r, members in enumerate(repetitions) for i in members
                 for key in (own[i][0].weights, own[i][0].folder.name)},
                tuple((m["teacher"]["sha256"], m["teacher"]["checkpoint"]) for m in manifests if m.get("teacher")),
            )
        )  # fmt: skip
    return groups


def _need_one_setting(runs: Sequence[Run]) -> None:
    """Raises: MsaError when runs of one label were not trained alike, but for the seed."""

    def setting(run: Run) -> str:
        loop = {k: v for k, v in run.manifest["train"].items() if k != "seed"}
        return json.dumps([run.manifest["method"], run.manifest["config"], loop], sort_keys=True)

    other = next((r for r in runs if setting(r) != setting(runs[0])), None)
    if other is not None:
        raise MsaError(
            f"{runs[0].folder.name} and {other.folder.name} have one label but other settings: they are no "
            "seeds of one row. Rename one of them."
        )


def _repetitions(runs: Sequence[Run], n: int) -> list[list[int]]:
    """The numbers of the runs (sorted by seed) of every repetition: one run each, or one for each of n folds.

    Raises: MsaError for two runs of one seed, or a fold without a run.
    """
    seeds = [run.seed for run in runs]
    for i, seed in enumerate(seeds[1:], 1):
        if seed == seeds[i - 1]:
            names = f"{runs[i - 1].folder.name} and {runs[i].folder.name}"
            raise MsaError(f"{names} are both of seed {seed}. Remove one of them.")
    found: dict[int, list[int]] = {}
    for i, seed in enumerate(seeds):
        found.setdefault(seed // n, []).append(i)
    for members in found.values():
        if len(members) != n:
            there = ", ".join(str(seeds[i]) for i in members)
            raise MsaError(
                f"{runs[0].label}: the corpus has {n} folds, there are runs of seed {there}. Train the others of this "
                f"block of {n} seeds, or remove these."
            )
    return list(found.values())


def _merged(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Scores (U,) of the folds of one repetition in one array."""
    result = parts[0].copy()
    for part in parts[1:]:
        result = np.where(np.isfinite(part), part, result)
    return result


def _coverage(
    runs: Sequence[tuple[Run, Scores]], corpus: Corpus, factor: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Share of utterances inside the interval of their run, and its mean width, per pattern that was calibrated."""
    hits: dict[str, list[np.ndarray]] = {}
    widths: dict[str, list[float]] = {}
    for run, scores in runs:
        half = run.manifest["calibration"]["half_width"]
        for p in (p for p in scores if p in PATTERNS and p in half):
            error = np.abs(scores[p] - corpus.label)
            hits.setdefault(p, []).append(error[np.isfinite(error)] <= half[p])
            widths.setdefault(p, []).append(2 * half[p] / factor)
    return (
        {p: float(np.concatenate(h).mean()) for p, h in hits.items()},
        {p: float(np.mean(w)) for p, w in widths.items()},
    )
