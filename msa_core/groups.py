"""Trained runs of one label, their scores put together: what a row of the tables is made from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from . import checkpoint, methods, metrics
from .data import Corpus
from .errors import MsaError
from .methods import Method, Recipe
from .missing import PATTERNS
from .predictions import Request, Scores

FILLS = ("zero", "mean")  # of an absent modality in the naive complete model
BRIEF = ("complete", "ablation")  # kinds that are tested on the patterns only


@dataclass(frozen=True)
class Run:
    """One trained run: its folder, its label and what its manifest says."""

    folder: Path
    label: str
    manifest: Mapping[str, Any]

    @staticmethod
    def read(folder: Path) -> Run:
        """The run in a checkpoint folder."""
        return Run(folder, label_of(folder.name), checkpoint.read_manifest(folder))

    @property
    def seed(self) -> int:
        """The seed it was trained with."""
        return int(self.manifest["seed"])


@dataclass(frozen=True)
class Group:
    """The runs of one label under one variant of their settings.

    scores: per repetition condition -> (U,) of the tested utterances; true (U,); both on the corpus' scale. patterns:
    those of the corpus. covered, width: share inside the conformal interval and its width, per pattern. weights,
    teachers: per run the sha256 of its weights and of its teacher's.
    """

    label: str
    recipe: Recipe
    method: type[Method]
    regime: str
    n_parameters: int | None
    patterns: tuple[str, ...]
    scores: tuple[Scores, ...]
    true: np.ndarray
    covered: Mapping[str, float]
    width: Mapping[str, float]
    weights: tuple[str, ...]
    teachers: tuple[str, ...]

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
        return six_pattern_mae(self.errors)

    @property
    def complete(self) -> float:
        """MAE on complete input."""
        return float(np.nanmean(self.errors[-1]))


def six_pattern_mae(errors: np.ndarray) -> float:
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
    """The recipe of a run's label, or what its manifest says it is."""
    method = methods.method_of(run.manifest, run.folder.name)
    known = {r.label: r for r in method.recipes()}
    if run.label in known:
        return known[run.label]
    regime = str(run.manifest["train"]["regime"])
    if regime == "complete":
        kind = "complete" if method.published else "naive"
    elif regime in PATTERNS and not method.published:
        kind = "specialist"
    else:
        kind = "method" if method.published else "masked"
    return Recipe(run.label, run.label, kind)


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
    factor = metrics.on_scale(scale_of(corpus))[2]
    n = max(1, corpus.n_folds)
    repetitions: dict[int, list[int]] = {}
    for i, (run, _, _) in enumerate(own):
        repetitions.setdefault(run.seed // n, []).append(i)
    for members in repetitions.values():
        if len(members) != n:
            seeds = ", ".join(str(own[i][0].seed) for i in members)
            raise MsaError(
                f"{first.label}: {corpus.name} has {n} folds, there are runs of seed {seeds}. Train the others of "
                f"this block of {n} seeds, or remove these."
            )
    manifests = [run.manifest for run, _, _ in own]
    groups = []
    for v, settings in enumerate(request.variants):
        scores = tuple(
            {c: on_scale(_merged([own[i][2][v][c] for i in members])[tested], factor) for c in request.conditions}
            for members in repetitions.values()
        )
        told = settings if settings != request.variants[0] or recipe.kind == "naive" else {}
        name = [f"{'absent' if k == 'fill' else k} = {value}" for k, value in told.items()]
        kind = "variant" if name and recipe.kind != "naive" else recipe.kind
        covered, width = _coverage([(run, found[v]) for run, _, found in own], corpus, factor) if v == 0 else ({}, {})
        groups.append(
            Group(
                ", ".join([first.label, *name]),
                recipe._replace(title=", ".join([recipe.title, *name]), kind=kind),
                methods.method_of(first.manifest, first.folder.name), str(first.manifest["train"]["regime"]),
                first.manifest.get("n_parameters"), patterns, scores, on_scale(corpus.score[tested], factor),
                covered, width,
                tuple(m["sha256"][checkpoint.MODEL] for m in manifests),
                tuple(m["teacher"]["sha256"] for m in manifests if m.get("teacher")),
            )
        )  # fmt: skip
    return groups


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
            error = np.abs(scores[p] - corpus.score)
            hits.setdefault(p, []).append(error[np.isfinite(error)] <= half[p])
            widths.setdefault(p, []).append(2 * half[p] / factor)
    return (
        {p: float(np.concatenate(h).mean()) for p, h in hits.items()},
        {p: float(np.mean(w)) for p, w in widths.items()},
    )
