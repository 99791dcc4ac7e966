"""Groups: the runs of one run name under one variant of their settings, put together as a row of the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from msa_core import methods
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.evaluation import metrics
from msa_core.evaluation.runs import Run, has_simulated_text, recipe_of, settings_of
from msa_core.evaluation.scoring import Request, Scores
from msa_core.methods import Method, Recipe
from msa_core.missing import PATTERNS

LENGTH = ("epochs", "warmup_epochs")  # settings of the training loop that go with the size of a fold


@dataclass(frozen=True)
class Group:
    """The runs of one run name under one variant of their settings.

    Args:
        name: run name and variant. run_name: the run name alone.
        regime: input that the runs were trained on. patterns: those of the corpus, the complete one last.
        scores: per repetition condition -> (U,) of the tested utterances, on the corpus' scale.
        label: human scores (U,), on the same scale.
        covered, width: share inside the conformal interval and its width, per pattern.
        members: sha256 of every run's weights and of those whose scores were kept, and its folder's name -> number of
            its repetition.
        teachers: sha256 and name of the runs' teachers.
        reads_simulated: the models read text that is simulated from the voice, and the corpus has some.
    """

    name: str
    run_name: str
    recipe: Recipe
    method: type[Method]
    regime: str
    n_parameters: int | None
    patterns: tuple[str, ...]
    scores: tuple[Scores, ...]
    label: np.ndarray
    covered: Mapping[str, float]
    width: Mapping[str, float]
    members: Mapping[str, int]
    teachers: tuple[tuple[str, str], ...]
    reads_simulated: bool = False

    @cached_property
    def errors(self) -> np.ndarray:
        """Absolute errors (P, U) of the patterns, mean over the repetitions; NaN where nothing is left."""
        nothing = np.full(len(self.label), np.nan)
        return np.mean(
            [[np.abs(s[p] - self.label) if p in s else nothing for p in self.patterns] for s in self.scores], 0
        )

    @property
    def incomplete_mae(self) -> float:
        """Mean MAE over the incomplete patterns (six of three modalities)."""
        return incomplete_mae(self.errors)

    @property
    def complete_mae(self) -> float:
        """MAE on complete input."""
        return float(np.nanmean(self.errors[-1]))


def incomplete_mae(errors: np.ndarray) -> float:
    """Average the MAE over the incomplete patterns, all but the last. errors (P, U), NaN = nothing left."""
    return float(np.mean([np.nanmean(e) for e in errors[:-1]]))


def scale_of(corpus: Corpus) -> str:
    """Name the scale of a corpus' labels and metrics: "mosi", or "sims" (metrics.on_scale)."""
    return str(corpus.manifest.get("scale", "mosi"))


def on_scale(scores: np.ndarray, factor: float) -> np.ndarray:
    """Put scores (U,) in [-3, 3] on the corpus' own scale, with six decimals, so that a label on a cut stays on it."""
    return np.round(scores.astype(np.float64) / factor, 6)


def groups_of(
    own: Sequence[tuple[Run, Request, list[Scores]]], corpus: Corpus, tested: np.ndarray, patterns: tuple[str, ...]
) -> list[Group]:
    """Make the groups of one run name: one for each variant.

    Args:
        own: its runs, sorted by seed, with what they were asked and their scores per variant.
        tested: rows of the corpus that some run was tested on.
    Raises: MsaError when runs were trained differently, or a fold has no run.
    """
    runs = [run for run, _, _ in own]
    need_one_setting(runs)
    first, request = runs[0], own[0][1]
    recipe = recipe_of(first)
    factor, hears = metrics.on_scale(scale_of(corpus))[2], has_simulated_text(corpus)
    numbered = repetitions(runs, max(1, corpus.n_folds))
    groups = []
    for v, settings in enumerate(request.variants):
        # Put the folds of every repetition together, on the corpus' scale.
        scores = tuple(
            {c: on_scale(_merged([own[i][2][v][c] for i in numbers])[tested], factor) for c in request.conditions}
            for numbers in numbered
        )
        # The first variant is the run as it was trained; the others, and every fill of the naive model, are named.
        told = settings if settings != request.variants[0] or recipe.kind == "naive" else {}
        variant = [_told(k, value) for k, value in told.items()]
        kind = "variant" if variant and recipe.kind != "naive" else recipe.kind
        changes = recipe.run_name if kind == "variant" else recipe.changes
        covered, width = _coverage([(run, found[v]) for run, _, found in own], corpus, factor) if v == 0 else ({}, {})
        groups.append(
            Group(
                name=", ".join([first.run_name, *variant]),
                run_name=first.run_name,
                recipe=recipe._replace(title=", ".join([recipe.title, *variant]), kind=kind, changes=changes),
                method=methods.method_of(first.manifest, first.folder.name),
                regime=str(first.manifest["train"]["regime"]),
                n_parameters=first.manifest.get("n_parameters"),
                patterns=patterns,
                scores=scores,
                label=on_scale(corpus.label[tested], factor),
                covered=covered,
                width=width,
                members=_members(runs, numbered),
                teachers=_teachers(runs),
                reads_simulated=hears and reads_simulated_text(first, settings),
            )
        )
    return groups


def _told(setting: str, value: object) -> str:
    """Word a setting of a variant for the title of its row."""
    if setting == "use_simulated":
        return "simulated text" if value else "no simulated text"
    return f"{'absent' if setting == 'fill' else setting} = {value}"


def reads_simulated_text(run: Run, settings: Mapping[str, object]) -> bool:
    """Tell whether a run's model reads simulated text under the settings of a variant."""
    config = {**run.manifest["config"], **settings}
    return methods.build(run.manifest["method"], config, run.manifest["dims"]).reads_simulated_text


def _members(runs: Sequence[Run], repetitions: Sequence[Sequence[int]]) -> dict[str, int]:
    """Map the weights of every run, those whose scores were kept, and the folder's name to its repetition."""
    found: dict[str, int] = {}
    for repetition, numbers in enumerate(repetitions):
        for run in (runs[i] for i in numbers):
            known = [run.weights, run.folder.name, *([run.kept.weights] if run.kept else [])]
            found |= dict.fromkeys(known, repetition)
    return found


def _teachers(runs: Sequence[Run]) -> tuple[tuple[str, str], ...]:
    """List sha256 and name of the teachers of the runs that have one."""
    taught_by = [run.manifest["teacher"] for run in runs if run.manifest.get("teacher")]
    return tuple((teacher["sha256"], teacher["checkpoint"]) for teacher in taught_by)


def need_one_setting(runs: Sequence[Run]) -> None:
    """Check that runs of one run name were trained alike, but for the seed. Raises: MsaError.

    Folds may have other numbers of epochs: `study` gives a smaller fold more, for as many updates.
    """

    def alike(one: Run, other: Run) -> bool:
        fold = one.manifest["corpus"].get("fold") == other.manifest["corpus"].get("fold")
        free = ("seed",) if fold else ("seed", *LENGTH)
        loops = [{k: v for k, v in settings_of(r.manifest, "train").items() if k not in free} for r in (one, other)]
        configs = [settings_of(r.manifest, "config") for r in (one, other)]
        return one.manifest["method"] == other.manifest["method"] and loops[0] == loops[1] and configs[0] == configs[1]

    first = {run.manifest["corpus"].get("fold"): run for run in reversed(runs)}  # the first of each fold
    pairs = [(one, r) for r in runs for one in (runs[0], first[r.manifest["corpus"].get("fold")])]
    unlike = next(((one, r) for one, r in pairs if not alike(one, r)), None)
    if unlike is not None:
        raise MsaError(
            f"{unlike[0].folder.name} and {unlike[1].folder.name} have one run name but other settings: they are "
            "no seeds of one row. Rename one of them."
        )


def repetitions(runs: Sequence[Run], n: int) -> list[list[int]]:
    """Number the runs (sorted by seed) of every repetition: one run each, or one for each of n folds.

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
                f"{runs[0].run_name}: the corpus has {n} folds, there are runs of seed {there}. Train the others of "
                f"this block of {n} seeds, or remove these."
            )
    return list(found.values())


def _merged(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Merge the scores (U,) of the folds of one repetition; NaN is what a fold was not tested on."""
    result = parts[0].copy()
    for part in parts[1:]:
        result = np.where(np.isfinite(part), part, result)
    return result


def _coverage(
    runs: Sequence[tuple[Run, Scores]], corpus: Corpus, factor: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Measure the share of utterances inside the interval of their run, and its mean width, per calibrated pattern."""
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
