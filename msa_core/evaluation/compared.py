"""Groups of runs as rows of the report: what is measured of each, and where it stands between its references."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.evaluation import averages, bootstrap, metrics, protocols, subsets
from msa_core.evaluation.groups import Group, incomplete_mae, on_scale, scale_of
from msa_core.evaluation.scoring import kept
from msa_core.explain.conformal import LEVEL
from msa_core.methods import KINDS, Method, Recipe
from msa_core.missing import PATTERNS
from msa_core.schema import MODALITIES

CLUSTERS = ("row", "speaker", "video", "text_piece")  # columns whose equal values are no independent observations


class Resamples(NamedTuple):
    """The bootstrap of the tested rows: weights (n, U), and the directions with few clusters (`bootstrap`)."""

    weights: np.ndarray
    few: bootstrap.Few


@dataclass(frozen=True)
class Tested:
    """The tested rows of a split of a corpus, and the conditions of every protocol."""

    corpus: Corpus
    split: str
    rows: np.ndarray
    asked: Mapping[str, Sequence[str]]

    @property
    def patterns(self) -> list[str]:
        """Patterns of the corpus, the complete one last."""
        return list(self.asked["patterns"])

    @property
    def scale(self) -> str:
        """Scale of the corpus' metrics, see `groups.scale_of`."""
        return scale_of(self.corpus)

    @cached_property
    def slices(self) -> dict[str, np.ndarray]:
        """Parts of the rows that are told apart, bool (U,) each."""
        return subsets.of(self.corpus, self.rows)

    def resamples(self) -> Resamples:
        """Draw the bootstrap of the rows, by whole clusters where the corpus names some."""
        columns = [self.corpus.columns[c][self.rows] for c in CLUSTERS if c in self.corpus.columns]
        columns = columns or [np.arange(len(self.rows))]
        return Resamples(bootstrap.cluster_weights(columns), bootstrap.few_clusters(columns))


@dataclass(frozen=True)
class References:
    """The references of one input that a row is measured against; None where no run stands for one.

    Args:
        naive: a model of complete input that was told nothing of missing modalities.
        masked: the same network trained on random subsets.
        specialists: errors (P, U) of each pattern's own specialist; NaN on complete input.
    """

    naive: Group | None
    masked: Group | None
    specialists: np.ndarray | None

    @property
    def specialists_mae(self) -> float | None:
        """Mean MAE of the specialists over the incomplete patterns."""
        return None if self.specialists is None else incomplete_mae(self.specialists)

    def described(self) -> dict[str, Any]:
        """Describe the ends of the gap for an evaluation file: name and "six" of the naive model, the specialists'."""
        naive = None if self.naive is None else {"label": self.naive.name, "six": self.naive.incomplete_mae}
        return {"naive": naive, "specialists": self.specialists_mae}


def compared(tested: Tested, groups: Sequence[Group]) -> dict[str, Any]:
    """Report every group as a row, measured against the references among the groups.

    Returns:
        The content of an evaluation file. Its public keys and what they hold here: "label" a name (of a run and its
        variant), "six" incomplete_mae, "distance" the excess over the specialists, "price" the cost on complete input.
    """
    corpus, drawn = tested.corpus, tested.resamples()
    references = {simulated: _references(tested, groups, simulated) for simulated in (False, True)}
    plain, simulated = references[False], references[True]

    # The rows in the order of their kinds, the constant first.
    place = {kind: i for i, kind in enumerate(KINDS)} | {"variant": KINDS.index("method")}
    rows = [_constant(tested)]
    for group in sorted(groups, key=lambda g: place[g.recipe.kind]):
        own = _own_complete(group, groups, plain.naive)
        changed = _changed_teachers(group, groups)
        row = _row(group, tested) | _against(group, own, references[group.reads_simulated], drawn)
        row |= {"against_plain": _difference(group, plain.masked, drawn)}
        row |= {"against_changed": _difference(group, _changed(group, groups), drawn)}
        row |= {"changed_teachers": changed} if changed else {}
        rows.append(row | ({"seeds": 0} if group.recipe.kind == "classical" else {}))

    # The head of the file: what was tested, and how.
    return {
        "corpus": corpus.name,
        "statement": corpus.manifest.get("statement", ""),
        "split": tested.split,
        "n": len(tested.rows),
        **({"one_cluster": True} if bootstrap.alike(drawn.weights) else {}),
        "folds": corpus.n_folds,
        "scale": tested.scale,
        "metrics": list(metrics.on_scale(tested.scale)[0]),
        "level": LEVEL,
        "patterns": tested.patterns,
        "protocols": {name: list(conditions) for name, conditions in tested.asked.items()},
        "realised": {c: _realised(tested, c) for c in tested.asked["modality"]},
        "slices": {name: int(inside.sum()) for name, inside in tested.slices.items()},
        **plain.described(),
        **({"with_simulated_text": simulated.described()} if any(g.reads_simulated for g in groups) else {}),
        "rows": rows,
        "averages": averages.report(groups, drawn),
    }


def gap_closed(naive: float, method: float, specialists: float) -> float:
    """Compute (N - M) / (N - S) of incomplete_mae; NaN when the specialists are no better than the naive model.

    >>> round(gap_closed(naive=1.0, method=0.85, specialists=0.8), 4), gap_closed(0.8, 0.7, 0.8)
    (0.75, nan)
    """
    return (naive - method) / (naive - specialists) if naive > specialists else math.nan


def _references(tested: Tested, groups: Sequence[Group], simulated: bool) -> References:
    """Find the references of one input among the groups; the naive model is the better of its fills.

    simulated: those that read simulated text. A specialist of a pattern in which no text is simulated serves both.
    """
    same = [g for g in groups if g.reads_simulated == simulated]
    naive = min(_claim(same, "naive"), key=lambda g: g.incomplete_mae, default=None)
    masked = next(iter(_claim(same, "masked")), None)
    incomplete = tested.patterns[:-1]
    reads = {p: simulated and "audio" in PATTERNS[p] and "text" not in PATTERNS[p] for p in incomplete}
    own = {
        p: g
        for p in incomplete
        for g in _claim([g for g in groups if g.regime == p and g.reads_simulated == reads[p]], "specialist")
    }
    if not all(p in own for p in incomplete):
        return References(naive, masked, None)
    nothing = np.full(len(tested.rows), np.nan)
    errors = [own[p].errors[i] if p in own else nothing for i, p in enumerate(tested.patterns)]
    return References(naive, masked, np.stack(errors))


def _claim(groups: Sequence[Group], kind: str) -> list[Group]:
    """Find the groups that stand for a reference: those of a recipe, else the only run name of that kind.

    Raises: MsaError when several run names could.
    """
    found = [g for g in groups if g.recipe.kind == kind]
    official = {r.run_name for g in found for r in g.method.recipes() if r.kind == kind}
    known = [g for g in found if g.run_name in official]
    if not known and len({g.run_name for g in found}) > 1:
        names = ", ".join(sorted({g.run_name for g in found}))
        raise MsaError(f"Several runs could be the {kind} reference: {names}. Keep one of them in the folder.")
    return known or found


def _realised(tested: Tested, condition: str) -> float:
    """Measure the share of (utterance, modality) cells that a modality rate removed."""
    there = sum(int((tested.corpus.index[m].lengths[tested.rows] > 0).sum()) for m in MODALITIES)
    return 1 - int(kept(tested.corpus, tested.rows, condition).sum()) / max(1, there)


def _constant(tested: Tested) -> dict[str, Any]:
    """Make the row of the training mean as the answer to everything; with folds, of each fold's own training."""
    corpus, rows = tested.corpus, tested.rows
    # The mean label of the training rows that a test row's fold was trained on.
    answer = np.full(len(corpus), np.nan)
    for fold in range(max(1, corpus.n_folds)):
        own = corpus.for_seed(fold)
        answer[own.rows(tested.split)] = own.label[own.rows("train")].mean(dtype=np.float64)
    # NaN where a pattern leaves nothing of an utterance, so that it is measured on what the methods are measured on.
    factor = metrics.on_scale(tested.scale)[2]
    present = np.stack([corpus.index[m].lengths[rows] > 0 for m in MODALITIES], 1)
    scores = {}
    for condition in (c for conditions in tested.asked.values() for c in conditions):
        members = [m in PATTERNS.get(condition, MODALITIES) for m in MODALITIES]
        scores[condition] = np.where(present[:, members].any(1), on_scale(answer[rows], factor), np.nan)
    group = Group(
        name="constant",
        run_name="constant",
        recipe=Recipe("constant", "Constant (training mean)", "constant"),
        method=Method,
        regime="",
        n_parameters=None,
        patterns=tuple(tested.patterns),
        scores=(scores,),
        label=on_scale(corpus.label[rows], factor),
        covered={},
        width={},
        members={},
        teachers=(),
    )
    return _row(group, tested) | {"method": None, "seeds": 0}


def _row(group: Group, tested: Tested) -> dict[str, Any]:
    """Measure a group by itself, in plain numbers; None for what it was not asked."""
    names, measure, _ = metrics.on_scale(tested.scale)
    # Every metric under every condition, one table for each repetition.
    tables = [{c: _measured(s, group.label, measure) for c, s in scores.items()} for scores in group.scores]
    conditions = list(group.scores[0])
    mean = {c: {m: _mean([t[c][m] for t in tables]) for m in names} for c in conditions}
    spread = {c: {m: _sd([t[c][m] for t in tables]) for m in names} for c in conditions}
    # MAE of every pattern on every slice of the rows.
    errors = group.errors
    slices = {
        name: {p: _mean_error(errors[i][inside]) for i, p in enumerate(group.patterns) if p in conditions}
        for name, inside in tested.slices.items()
    }
    # Area under the curve of dropped frames (AUILC).
    curve = tested.asked["frames"] if all(c in mean for c in tested.asked["frames"]) else ()
    areas = {m: _mean([protocols.auilc([t[c][m] for c in curve]) for t in tables]) for m in names} if curve else None
    # Mean MAE over the incomplete patterns, of each repetition.
    whole = all(p in conditions for p in group.patterns)
    repetitions = (
        [np.stack([np.abs(s[p] - group.label) for p in group.patterns]) for s in group.scores] if whole else []
    )
    incomplete = [incomplete_mae(each) for each in repetitions]
    return {
        "label": group.name,
        "title": group.recipe.title,
        "kind": group.recipe.kind,
        "method": getattr(group.method, "name", None),
        "reconstruction": group.method.reconstruction,
        "regime": group.regime,
        "reads_simulated_text": group.reads_simulated,
        "seeds": len(group.scores),
        "n_parameters": group.n_parameters,
        "table": mean,
        "sd": spread,
        "slices": slices,
        "auilc": areas,
        "coverage": dict(group.covered),
        "width": dict(group.width),
        "six": float(np.mean(incomplete)) if incomplete else None,
        "six_sd": _sd(incomplete),
        "complete": group.complete_mae if whole else None,
    }


def _against(group: Group, own: tuple[str, float] | None, references: References, drawn: Resamples) -> dict[str, Any]:
    """Measure a group against the references; None where one does not exist or is the group itself.

    Args:
        own: name and MAE of its own complete model.
        drawn: the bootstrap.
    """
    row: dict[str, Any] = dict.fromkeys(
        ("complete_model", "price", "gap_closed", "gap_interval", "distance", "against_masked")
    )
    if group.recipe.kind in ("naive", "complete", "specialist"):
        return row
    naive, masked, specialists = references.naive, references.masked, references.specialists
    # How much higher the error on complete input is than that of the group's own complete model, as a share.
    if own is not None:
        complete_input_cost = group.complete_mae / own[1] - 1
        row |= {"complete_model": own[0], "price": complete_input_cost}
    # How much higher incomplete_mae is than the specialists', as a share.
    if specialists is not None:
        excess_over_specialists = group.incomplete_mae / incomplete_mae(specialists) - 1
        row["distance"] = excess_over_specialists
    # Which part of the way from the naive model to the specialists it goes.
    if naive is not None and specialists is not None:
        gap = gap_closed(naive.incomplete_mae, group.incomplete_mae, incomplete_mae(specialists))
        if math.isfinite(gap):
            interval = bootstrap.gap_interval(naive.errors, group.errors, specialists, drawn.weights, few=drawn.few)
            row |= {"gap_closed": gap, "gap_interval": interval}
    row["against_masked"] = _difference(group, masked, drawn)
    return row


def _changed(group: Group, groups: Sequence[Group]) -> Group | None:
    """Find the group that an ablation or a variant changes, None when it is not there."""
    if group.recipe.kind not in ("ablation", "variant"):
        return None
    return next((g for g in groups if g.run_name == group.recipe.changes and g.recipe.kind != "variant"), None)


def _difference(group: Group, other: Group | None, drawn: Resamples) -> list[float | None] | None:
    """Compute the difference of a group's incomplete_mae from that of another, with its interval's ends if it has one.

    None without the other, for the other itself, and for a group that was not tested on every pattern.
    """
    if other is None or group is other or group.recipe.kind == "specialist":
        return None
    interval = bootstrap.difference_interval(group.errors, other.errors, drawn.weights, few=drawn.few)
    return [group.incomplete_mae - other.incomplete_mae, *(interval or (None, None))]


def _own_complete(group: Group, groups: Sequence[Group], naive: Group | None) -> tuple[str, float] | None:
    """Find the name and the MAE of the complete model that a group's cost on complete input is measured against.

    That is the naive model; of students, seed by seed, the very teacher they learned from, known by its weights (None
    when it is not there).
    """
    if not group.teachers:
        return None if naive is None else (naive.name, naive.complete_mae)
    owner = {key: (g, r) for g in groups for key, r in g.members.items() if g.recipe.kind != "variant"}
    taught = [owner[weights] for weights, _ in group.teachers if weights in owner]
    if len(taught) < len(group.teachers):
        return None
    used = {(g.name, r): (g, r) for g, r in taught}
    each = [float(np.nanmean(np.abs(g.scores[r][g.patterns[-1]] - g.label))) for g, r in used.values()]
    return taught[0][0].name, float(np.mean(each))


def _changed_teachers(group: Group, groups: Sequence[Group]) -> list[str]:
    """List the runs that have the name of a teacher of the group, but not the weights that it learned from."""
    there = {key for g in groups for key in g.members}
    return sorted({name for weights, name in group.teachers if weights not in there and name in there})


def _measured(scores: np.ndarray, label: np.ndarray, measure: Any) -> dict[str, float]:
    """Compute the metrics over the utterances that have something left."""
    left = np.isfinite(scores)
    found: dict[str, float] = measure(scores[left], label[left])
    return found


def _mean(values: Sequence[float]) -> float | None:
    """Average over repetitions; None where a value does not exist (the correlation of a constant)."""
    mean = float(np.mean(values))
    return mean if math.isfinite(mean) else None


def _mean_error(errors: np.ndarray) -> float | None:
    """Average the errors (U,) that exist."""
    return float(np.nanmean(errors)) if np.isfinite(errors).any() else None


def _sd(values: Sequence[float]) -> float | None:
    """Compute the standard deviation over repetitions; None for one, or where a value does not exist."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return spread if math.isfinite(spread) else None
