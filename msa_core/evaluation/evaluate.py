"""Trained runs -> every protocol, beside the constant, the naive complete model and the specialists.

No method's name stands here: what a run is follows from its manifest and the recipes of its method. A run of an
unpublished method trained on complete input is the naive complete model, one trained on a single pattern is that
pattern's specialist; a method trained on complete input itself is the teacher of its students, which are compared with
it too. A corpus without a modality has the patterns of the others only. Of a corpus with folds every utterance is
tested once: by the run whose fold it is in.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from msa_core import checkpoint
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.evaluation import bootstrap, curve_svg, markdown, metrics, protocols, subsets
from msa_core.evaluation.runs import Group, Run, check, groups_of, incomplete_mae, on_scale, request_of, scale_of
from msa_core.evaluation.score_store import KEPT, Store
from msa_core.evaluation.scoring import Request, Scores, derived, kept, passes
from msa_core.explain.conformal import LEVEL
from msa_core.methods import KINDS, Method, Recipe
from msa_core.missing import PATTERNS
from msa_core.schema import MODALITIES

CLUSTERS = ("row", "speaker", "video", "text_piece")  # columns whose equal values are no independent observations


def patterns_of(corpus: Corpus, split: str) -> tuple[str, ...]:
    """The patterns of the modalities that a split has, in the order of PATTERNS; the last one is complete.

    Raises: MsaError when there is one modality only.
    """
    rows = np.arange(len(corpus)) if corpus.n_folds else corpus.rows(split)
    there = {m for m in MODALITIES if corpus.index[m].lengths[rows].any()}
    found = tuple(p for p, members in PATTERNS.items() if set(members) <= there)
    if len(found) < 2:
        raise MsaError(f"{corpus.name}, {split}: only {found or 'nothing'} is there; nothing can go missing.")
    return found


def gap_closed(naive: float, method: float, specialists: float) -> float:
    """(N - M) / (N - S) of six-pattern mean MAEs; NaN when the specialists are no better than the naive model."""
    return (naive - method) / (naive - specialists) if naive > specialists else math.nan


def report(
    corpus: Corpus,
    folders: Sequence[Path],
    split: str = "test",
    path: Path | None = None,
    jobs: int = 1,
    device: str = "cpu",
    scores: Path | None = None,
) -> dict[str, Any]:
    """Compare trained runs (checkpoint folders "LABEL-seedN") on a split under every protocol (see protocols.py).

    Args: path, jobs: folder of the corpus and number of processes, see predictions.passes. scores: folder of kept
        scores: runs whose scores are there count too, and are not scored again; those of the others are added.
    Returns: what stands in the evaluation file (README, "Evaluation files").
    """
    store = None if scores is None else Store(scores, corpus)
    if store is not None:
        store.prepare()
    try:
        return _report(corpus, folders, split, path, jobs, device, store)
    except MsaError as e:
        if store is None or not any(store.folder.glob(KEPT)):
            raise
        hint = f"Runs kept in {store.folder} count too: delete a file there to leave its run out."
        raise MsaError(f"{e} {hint}") from e


def _report(
    corpus: Corpus,
    folders: Sequence[Path],
    split: str,
    path: Path | None,
    jobs: int,
    device: str,
    store: Store | None,
) -> dict[str, Any]:
    """As `report`."""
    runs = Run.all_of(folders, {} if store is None else store.runs())
    for run in runs:
        check(run, corpus)
    patterns = patterns_of(corpus, split)
    asked = protocols.conditions(patterns)
    requests = [request_of(run, corpus, split, asked) for run in runs]
    tested = np.unique(np.concatenate([r.rows for r in requests]))
    found = [_kept(run, request, store) for run, request in zip(runs, requests, strict=True)]
    new = [i for i, known in enumerate(found) if known is None]
    scored = dict(zip(new, passes([requests[i] for i in new], corpus, path, jobs, device), strict=True))
    answers = derived([known or scored[i] for i, known in enumerate(found)], requests, corpus)
    by_label: dict[str, list[int]] = {}
    for number, run in enumerate(runs):
        by_label.setdefault(run.label, []).append(number)
    groups = []
    for numbers in by_label.values():
        own = [(runs[n], requests[n], answers[n]) for n in numbers]
        groups += groups_of(own, corpus, tested, patterns)
    result = _compared(corpus, split, tested, asked, groups)
    if store is not None:
        for i in new:
            store.write(runs[i].folder.name, runs[i].manifest, requests[i], scored[i])
    return result


def _kept(run: Run, request: Request, store: Store | None) -> list[Scores] | None:
    """What was kept of a run; None when it has to be scored. Raises: MsaError when it has to be and is gone."""
    if store is None or run.kept is None:
        return None
    found = store.answers(run.kept, request)
    if found is None and not (run.folder / checkpoint.MANIFEST).is_file():
        raise MsaError(
            f"{run.kept.path} does not hold every condition or variant that is asked now, and its run is gone. "
            "Delete the file, then train the run again (`study`)."
        )
    return found


def _compared(
    corpus: Corpus, split: str, tested: np.ndarray, asked: Mapping[str, Sequence[str]], groups: Sequence[Group]
) -> dict[str, Any]:
    """The report: every group as a row, measured against the references among them."""
    scale = scale_of(corpus)
    patterns = list(asked["patterns"])
    naive = min(_claim(groups, "naive"), key=lambda g: g.six, default=None)
    masked = next(iter(_claim(groups, "masked")), None)
    own = {p: g for p in patterns[:-1] for g in _claim([g for g in groups if g.regime == p], "specialist")}
    upper = None
    if all(p in own for p in patterns[:-1]):
        nothing = np.full(len(tested), np.nan)
        upper = np.stack([own[p].errors[i] if p in own else nothing for i, p in enumerate(patterns)])
    parts = subsets.of(corpus, tested)
    weights = bootstrap.cluster_weights([corpus.columns[c][tested] for c in CLUSTERS if c in corpus.columns]
                                        or [np.arange(len(tested))])  # fmt: skip
    rows = [_constant(corpus, split, tested, asked, parts, scale)]
    place = {kind: i for i, kind in enumerate(KINDS)} | {"variant": KINDS.index("method")}
    for g in sorted(groups, key=lambda g: place[g.recipe.kind]):
        references = _own_complete(g, groups, naive), naive, masked, upper
        rows.append(_row(g, asked, parts, scale) | _against(g, *references, weights))
    return {
        "corpus": corpus.name,
        "statement": corpus.manifest.get("statement", ""),
        "split": split,
        "n": len(tested),
        "folds": corpus.n_folds,
        "scale": scale,
        "metrics": list(metrics.on_scale(scale)[0]),
        "level": LEVEL,
        "patterns": patterns,
        "protocols": {name: list(conditions) for name, conditions in asked.items()},
        "realised": {c: _realised(corpus, tested, c) for c in asked["modality"]},
        "slices": {name: int(inside.sum()) for name, inside in parts.items()},
        "naive": None if naive is None else {"label": naive.label, "six": naive.six},
        "specialists": None if upper is None else incomplete_mae(upper),
        "rows": rows,
    }


def _claim(groups: Sequence[Group], kind: str) -> list[Group]:
    """The groups that stand for a reference: those of a recipe, else the only label of that kind.

    Raises: MsaError when several labels could.
    """
    found = [g for g in groups if g.recipe.kind == kind]
    official = {r.run_name for g in found for r in g.method.recipes() if r.kind == kind}
    known = [g for g in found if g.run_label in official]
    if not known and len({g.run_label for g in found}) > 1:
        names = ", ".join(sorted({g.run_label for g in found}))
        raise MsaError(f"Several runs could be the {kind} reference: {names}. Keep one of them in the folder.")
    return known or found


def _realised(corpus: Corpus, rows: np.ndarray, condition: str) -> float:
    """The share of (utterance, modality) cells that a modality rate removed."""
    there = sum(int((corpus.index[m].lengths[rows] > 0).sum()) for m in MODALITIES)
    return 1 - int(kept(corpus, rows, condition).sum()) / max(1, there)


def _constant(
    corpus: Corpus,
    split: str,
    tested: np.ndarray,
    asked: Mapping[str, Sequence[str]],
    parts: Mapping[str, np.ndarray],
    scale: str,
) -> dict[str, Any]:
    """The row of the training mean as the answer to everything; of a corpus with folds, of each fold's training."""
    answer = np.full(len(corpus), np.nan)
    for fold in range(max(1, corpus.n_folds)):
        own = corpus.for_seed(fold)
        answer[own.rows(split)] = own.label[own.rows("train")].mean(dtype=np.float64)
    factor = metrics.on_scale(scale)[2]
    present = np.stack([corpus.index[m].lengths[tested] > 0 for m in MODALITIES], 1)
    scores = {}
    for c in (c for conditions in asked.values() for c in conditions):
        members = [m in PATTERNS.get(c, MODALITIES) for m in MODALITIES]
        scores[c] = np.where(present[:, members].any(1), on_scale(answer[tested], factor), np.nan)
    g = Group("constant", "constant", Recipe("constant", "Constant (training mean)", "constant"), Method, "", None,
              tuple(asked["patterns"]), (scores,), on_scale(corpus.label[tested], factor), {}, {}, {}, ())  # fmt: skip
    return _row(g, asked, parts, scale) | {"method": None, "seeds": 0}


def _row(
    group: Group, asked: Mapping[str, Sequence[str]], parts: Mapping[str, np.ndarray], scale: str
) -> dict[str, Any]:
    """What is measured of a group by itself, as plain numbers."""
    names, measure, _ = metrics.on_scale(scale)
    markdown = [{c: _measured(s, group.true, measure) for c, s in scores.items()} for scores in group.scores]
    conditions = list(group.scores[0])
    mean = {c: {m: _mean([t[c][m] for t in markdown]) for m in names} for c in conditions}
    spread = {c: {m: _sd([t[c][m] for t in markdown]) for m in names} for c in conditions}
    errors = group.errors
    whole = all(p in conditions for p in group.patterns)
    curve = asked["frames"] if all(c in mean for c in asked["frames"]) else ()
    areas = {m: [protocols.auilc([t[c][m] for c in curve]) for t in markdown] for m in names}
    six = [float(np.mean([np.nanmean(np.abs(s[p] - group.true)) for p in group.patterns[:-1]]))
           for s in group.scores] if whole else []  # fmt: skip
    return {
        "label": group.label, "title": group.recipe.title, "kind": group.recipe.kind,
        "method": getattr(group.method, "name", None), "reconstruction": group.method.reconstruction,
        "regime": group.regime, "seeds": len(group.scores), "n_parameters": group.n_parameters,
        "table": mean, "sd": spread,
        "slices": {
            name: {p: _mean_error(errors[i][inside]) for i, p in enumerate(group.patterns) if p in conditions}
            for name, inside in parts.items()
        },
        "auilc": {m: _mean(a) for m, a in areas.items()} if curve else None,
        "coverage": dict(group.covered), "width": dict(group.width),
        "six": float(np.mean(six)) if six else None, "six_sd": _sd(six),
        "complete": group.complete if whole else None,
    }  # fmt: skip


def _against(
    group: Group,
    own: tuple[str, float] | None,
    naive: Group | None,
    masked: Group | None,
    upper: np.ndarray | None,
    weights: np.ndarray,
) -> dict[str, Any]:
    """A group measured against the references; None where one does not exist or is the group itself.

    own: label and MAE of its own complete model; price: how much higher its error on complete input is, as a share.
    distance: how much higher its six-pattern MAE is than the specialists'.
    """
    row: dict[str, Any] = dict.fromkeys(
        ("complete_model", "price", "gap_closed", "gap_interval", "distance", "against_masked")
    )
    if group.recipe.kind in ("naive", "complete", "specialist"):
        return row
    if own is not None:
        row |= {"complete_model": own[0], "price": group.complete / own[1] - 1}
    if upper is not None:
        row["distance"] = group.six / incomplete_mae(upper) - 1
    if naive is not None and upper is not None:
        gap = gap_closed(naive.six, group.six, incomplete_mae(upper))
        if math.isfinite(gap):
            interval = bootstrap.gap_interval(naive.errors, group.errors, upper, weights)
            row |= {"gap_closed": gap, "gap_interval": interval}
    if masked is not None and group is not masked:
        interval = bootstrap.difference_interval(group.errors, masked.errors, weights)
        row["against_masked"] = [group.six - masked.six, *interval]
    return row


def _own_complete(group: Group, groups: Sequence[Group], naive: Group | None) -> tuple[str, float] | None:
    """Label and MAE of the complete model that a group's price on complete input is measured against.

    That is the naive model; of students, seed by seed, the very teacher they learned from (None when it is not there).
    A teacher with these weights is looked for first, then one of that name: the same training on another processor.
    """
    if not group.teachers:
        return None if naive is None else (naive.label, naive.complete)
    owner = {key: (g, r) for g in groups for key, r in g.members.items() if g.recipe.kind != "variant"}
    found = [owner.get(weights, owner.get(name)) for weights, name in group.teachers]
    taught = [place for place in found if place is not None]
    if len(taught) < len(found):
        return None
    used = {(g.label, r): (g, r) for g, r in taught}
    each = [float(np.nanmean(np.abs(g.scores[r][g.patterns[-1]] - g.true))) for g, r in used.values()]
    return taught[0][0].label, float(np.mean(each))


def _measured(scores: np.ndarray, true: np.ndarray, measure: Any) -> dict[str, float]:
    """Metrics over the utterances that have something left."""
    left = np.isfinite(scores)
    found: dict[str, float] = measure(scores[left], true[left])
    return found


def _mean(values: Sequence[float]) -> float | None:
    """Mean over repetitions; None where a value does not exist (the correlation of a constant)."""
    mean = float(np.mean(values))
    return mean if math.isfinite(mean) else None


def _mean_error(errors: np.ndarray) -> float | None:
    """Mean of the errors (U,) that exist."""
    return float(np.nanmean(errors)) if np.isfinite(errors).any() else None


def _sd(values: Sequence[float]) -> float | None:
    """Standard deviation over repetitions; None for one, or where a value does not exist."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return spread if math.isfinite(spread) else None


def command(
    corpus_path: Path, runs: Path | None, out: Path, jobs: int | None = None, scores: Path | None = None
) -> dict[str, Any]:
    """The command line: every run in a folder, on test -> out/CORPUS.json, .md and .svg; the report.

    Args: runs: None = only those of which scores were kept. scores: folder of kept scores, in it one for each corpus.
    """
    corpus = Corpus.load(corpus_path, memmap=True)
    folders = [] if runs is None else sorted(p.parent for p in Path(runs).glob(f"[!.]*/{checkpoint.MANIFEST}"))
    store = None if scores is None else Path(scores) / corpus.name
    if runs is not None and not folders:
        raise MsaError(f"{runs} holds no trained run. Train one first (README, 'Train').")
    if runs is None and not (store and any(store.glob(KEPT))):
        raise MsaError(f"No runs are given, and none are kept in {store}. Give --runs, --scores or both.")
    jobs = jobs or os.cpu_count() or 1
    result = _rounded(report(corpus, folders, path=corpus_path, jobs=jobs, scores=store))
    Path(out).mkdir(parents=True, exist_ok=True)
    (Path(out) / f"{corpus.name}.json").write_text(json.dumps(result, allow_nan=False) + "\n")
    (Path(out) / f"{corpus.name}.md").write_text(markdown.markdown(result))
    (Path(out) / f"{corpus.name}.svg").write_text(curve_svg.curves_svg(result))
    return result


def _rounded(value: Any) -> Any:
    """Numbers with five decimals: smaller differences mean nothing here."""
    if isinstance(value, Mapping):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return round(value, 5) if isinstance(value, float) else value
