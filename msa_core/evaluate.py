"""Trained runs -> tables: every pattern, beside the constant, the naive complete model and the specialists.

No method's name stands here: what a run is follows from its manifest. A run of an unpublished method trained on
complete input is the naive complete model, one trained on a single pattern is that pattern's specialist, the rest are
compared with both. A method trained on complete input itself is the teacher of its students: they are compared with
it too. A corpus without a modality has the patterns of the others only.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import checkpoint, methods, metrics
from .data import Corpus
from .errors import MsaError
from .methods import Method
from .missing import PATTERNS
from .schema import MODALITIES
from .train import pattern_scores

Table = dict[str, dict[str, float]]  # pattern -> metric -> value
FILLS = ("zero", "mean")  # of an absent modality in the naive complete model
N_RESAMPLES = 1000


@dataclass(frozen=True)
class Group:
    """The seeds of one setting. tables: one per seed; errors (P, U): absolute errors, mean over seeds.

    weights, teachers: per seed the sha256 of its weights and of its teacher's; naive: a complete model that others are
    measured against.
    """

    label: str
    regime: str
    tables: tuple[Table, ...]
    errors: np.ndarray
    weights: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()
    naive: bool = False

    @property
    def six(self) -> float:
        """Mean over the incomplete patterns (six of three modalities) of the mean MAE."""
        return six_pattern_mae(self.errors)


def patterns_of(corpus: Corpus, split: str) -> tuple[str, ...]:
    """The patterns of the modalities that a split has, in the order of PATTERNS; the last one is complete.

    Raises: MsaError when there is one modality only.
    """
    rows = corpus.rows(split)
    there = {m for m in MODALITIES if corpus.index[m].lengths[rows].any()}
    found = tuple(p for p, members in PATTERNS.items() if set(members) <= there)
    if len(found) < 2:
        raise MsaError(f"{corpus.name}, {split}: only {found or 'nothing'} is there; nothing can go missing.")
    return found


def patterns_table(model: Method, corpus: Corpus, split: str, device: str = "cpu") -> Table:
    """All metrics of every pattern on a split; utterances with nothing left are not counted ("n" says how many are)."""
    rows = corpus.rows(split)
    return _table(pattern_scores(model, corpus, rows, patterns_of(corpus, split), device), corpus.score[rows])


def constant_table(corpus: Corpus, split: str) -> Table:
    """The training mean as the answer to everything."""
    rows = corpus.rows(split)
    mean = corpus.score[corpus.rows("train")].mean(dtype=np.float64)
    return _table({p: np.full(len(rows), mean) for p in patterns_of(corpus, split)}, corpus.score[rows])


def six_pattern_mae(errors: np.ndarray) -> float:
    """Mean MAE over the incomplete patterns, all but the last. errors (P, U), NaN = nothing left."""
    return float(np.mean([np.nanmean(e) for e in errors[:-1]]))


def gap_closed(naive: float, method: float, specialists: float) -> float:
    """(N - M) / (N - S) of six-pattern mean MAEs; NaN when the specialists are no better than the naive model."""
    return (naive - method) / (naive - specialists) if naive > specialists else math.nan


def gap_interval(
    naive: np.ndarray, method: np.ndarray, specialists: np.ndarray, cluster: np.ndarray, level: float = 0.95
) -> tuple[float, float] | None:
    """Paired bootstrap interval of the gap closed, resampling whole clusters; None when N - S may well be 0 or less.

    Args: errors (P, U) of the three, the last pattern is the complete one. cluster (U,): utterances of one source
        row share a value.
    """
    rng = np.random.default_rng(0)
    _, number = np.unique(cluster, return_inverse=True)
    n = int(number.max()) + 1
    weights = rng.multinomial(n, np.full(n, 1 / n), N_RESAMPLES).astype(np.float64)  # (R, n)
    means = []
    for errors in (naive, method, specialists):
        total = np.stack([np.bincount(number, np.nan_to_num(e), n) for e in errors[:-1]])
        count = np.stack([np.bincount(number, np.isfinite(e), n) for e in errors[:-1]])
        means.append(((weights @ total.T) / np.maximum(weights @ count.T, 1)).mean(1))
    gap = means[0] - means[2]
    if (gap <= 0).mean() > (1 - level) / 2:
        return None
    ratio = (means[0] - means[1]) / np.where(gap > 0, gap, np.nan)
    low, high = np.nanquantile(ratio, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def report(corpus: Corpus, runs: Sequence[Path], split: str = "test", device: str = "cpu") -> dict[str, Any]:
    """Compare trained runs (checkpoint folders) on a split; seeds are told by the ending "-seedN" of the folder.

    Returns: {"split", "n", "constant": table, "rows": [..], "naive", "specialists": six-pattern MAE or None}.
    """
    patterns = patterns_of(corpus, split)
    by_label: dict[str, list[Path]] = {}
    for run in runs:
        by_label.setdefault(label_of(run.name), []).append(run)
    groups = [g for label, folders in by_label.items() for g in _groups(label, folders, corpus, split, device)]
    naive = min((g for g in groups if g.naive), key=lambda g: g.six, default=None)
    specialists = {g.regime: g for g in groups if g.regime in PATTERNS}
    upper = None
    if all(p in specialists for p in patterns[:-1]):
        upper = np.stack([specialists[p].errors[i] if p in specialists else np.full(len(corpus.rows(split)), np.nan)
                          for i, p in enumerate(patterns)])  # fmt: skip
    cluster = corpus.columns.get("row", np.arange(len(corpus)))[corpus.rows(split)]
    return {
        "corpus": corpus.name,
        "split": split,
        "n": len(corpus.rows(split)),
        "patterns": list(patterns),
        "constant": {p: {m: _mean([v]) for m, v in t.items()} for p, t in constant_table(corpus, split).items()},
        "naive": None if naive is None else {"label": naive.label, "six": naive.six},
        "specialists": None if upper is None else six_pattern_mae(upper),
        "rows": [_row(g, _own_complete(g, groups, naive), naive, upper, cluster) for g in groups],
    }


def _own_complete(group: Group, groups: Sequence[Group], naive: Group | None) -> tuple[str, float] | None:
    """Label and MAE of the complete model that a group's price on complete input is measured against.

    That is the naive model; of students, seed by seed, the very teacher they learned from (None when it is not there).
    """
    if not group.teachers:
        return None if naive is None else (naive.label, float(np.nanmean(naive.errors[-1])))
    known = {
        w: (g.label, list(t.values())[-1]["mae"]) for g in groups for w, t in zip(g.weights, g.tables, strict=True)
    }
    if not all(w in known for w in group.teachers):
        return None
    return known[group.teachers[0]][0], float(np.mean([known[w][1] for w in group.teachers]))


def label_of(run: str) -> str:
    """The label of a run's folder: its name without the seed."""
    return re.sub(r"-seed\d+$", "", run)


def headline(result: Mapping[str, Any]) -> str:
    """The first table as Markdown: MAE by pattern, mean of the incomplete ones, gap closed, price on complete input."""
    names = list(result["patterns"])
    incomplete = {6: "six", 2: "two"}[len(names) - 1]
    head = "| test MAE | " + " | ".join(names) + f" | mean of {incomplete} | gap closed (95 %) | price |"
    lines = [head, "|---|" + "---|" * (len(names) + 3)]
    constant = [result["constant"][p]["mae"] for p in names]
    lines.append(f"| constant | {' | '.join(f'{v:.3f}' for v in constant)} | {np.mean(constant[:-1]):.3f} | | |")
    own = {r["regime"]: r for r in result["rows"] if r["regime"] in PATTERNS}
    for row in (r for r in result["rows"] if r["regime"] not in PATTERNS):
        cells = " | ".join(f"{row['table'][p]['mae']:.3f}" for p in names)
        gap = row["gap_closed"]
        closed = "" if gap is None else f"{gap:.2f}"
        if row["gap_interval"] is not None:
            closed += " ({:.2f} to {:.2f})".format(*row["gap_interval"])
        spread = f" ± {row['six_sd']:.3f}" if row["seeds"] > 1 else ""
        price = "" if row["price"] is None else f"{100 * row['price']:+.1f} %"
        lines.append(f"| {_label(row)} | {cells} | {row['six']:.3f}{spread} | {closed} | {price} |")
    if result["specialists"] is not None:
        cells = " | ".join(f"{own[p]['table'][p]['mae']:.3f}" if p in own else "" for p in names)
        seeds = min(r["seeds"] for r in own.values())
        lines.append(
            f"| a specialist for each pattern ({seeds} seeds) | {cells} | {result['specialists']:.3f} | 1.00 | |"
        )
    return "\n".join(lines)


def markdown(result: Mapping[str, Any]) -> str:
    """The report as Markdown: the headline, then all metrics of every pattern."""
    lines = [f"# {result['corpus']}, {result['split']} ({result['n']} utterances)", "", headline(result)]
    rows = [{"label": "constant", "table": result["constant"]}, *result["rows"]]
    for p in result["patterns"]:
        lines += ["", f"## {p}", "", "| | " + " | ".join(metrics.NAMES) + " |", "|---|" + "---|" * len(metrics.NAMES)]
        for row in (r for r in rows if r.get("regime") not in PATTERNS or r.get("regime") == p):
            values = (row["table"][p][m] for m in metrics.NAMES)
            lines.append(f"| {_label(row)} | " + " | ".join("-" if v is None else f"{v:.3f}" for v in values) + " |")
    return "\n".join(lines) + "\n"


def _label(row: Mapping[str, Any]) -> str:
    seeds = row.get("seeds")
    return str(row["label"]) + ("" if seeds is None else f" ({seeds} seed{'s' if seeds > 1 else ''})")


def command(corpus_path: Path, runs: Path, out: Path) -> dict[str, Any]:
    """The command line: every run in a folder, on test -> out/CORPUS.json and out/CORPUS.md; the report."""
    corpus = Corpus.load(corpus_path)
    folders = sorted(p.parent for p in Path(runs).glob(f"[!.]*/{checkpoint.MANIFEST}"))
    if not folders:
        raise MsaError(f"{runs} holds no trained run. Train one first (README, 'Train').")
    result = report(corpus, folders)
    Path(out).mkdir(parents=True, exist_ok=True)
    (Path(out) / f"{corpus.name}.json").write_text(json.dumps(result, indent=2, allow_nan=False) + "\n")
    (Path(out) / f"{corpus.name}.md").write_text(markdown(result))
    return result


def _groups(label: str, folders: Sequence[Path], corpus: Corpus, split: str, device: str) -> list[Group]:
    """One group, or one per fill when the setting is the naive complete model."""
    manifest = checkpoint.read_manifest(folders[0])
    regime = str(manifest["train"]["regime"])
    naive = regime == "complete" and not methods.method_of(manifest, folders[0].name).published
    fills = naive and "fill" in manifest["config"]
    manifests = [checkpoint.read_manifest(f) for f in folders]
    weights = tuple(m["sha256"][checkpoint.MODEL] for m in manifests)
    teachers = tuple(m["teacher"]["sha256"] for m in manifests if m.get("teacher"))
    rows, patterns = corpus.rows(split), patterns_of(corpus, split)
    groups = []
    variants = methods.method_of(manifest, folders[0].name).variants(manifest["config"])
    for settings in [{"fill": f} for f in FILLS] if fills else variants:
        tables, errors = [], []
        for folder in folders:
            model, _ = methods.load(folder, corpus.feature_set, settings)
            if model.dims != corpus.dims:
                raise MsaError(f"Run {folder.name} has widths {model.dims}, corpus {corpus.name} has {corpus.dims}.")
            scores = pattern_scores(model.to(device), corpus, rows, patterns, device)
            tables.append(_table(scores, corpus.score[rows]))
            errors.append(np.stack([np.abs(scores[p] - corpus.score[rows]) for p in patterns]))
        told = settings if settings != variants[0] else {}  # the first variant is the model as it is used
        name = ", ".join([label, *(f"{'absent' if k == 'fill' else k} = {v}" for k, v in told.items())])
        groups.append(Group(name, regime, tuple(tables), np.mean(errors, 0), weights, teachers, naive))
    return groups


def _row(
    group: Group,
    own: tuple[str, float] | None,
    naive: Group | None,
    upper: np.ndarray | None,
    cluster: np.ndarray,
) -> dict[str, Any]:
    """A group as plain numbers; the gap only where both references exist and it is not one of them.

    own: label and MAE of its own complete model; price: how much higher its error on complete input is, as a share.
    """
    patterns = list(group.tables[0])
    mean = {p: {m: _mean([t[p][m] for t in group.tables]) for m in group.tables[0][p]} for p in patterns}
    six = [float(np.mean([t[p]["mae"] for p in patterns[:-1]])) for t in group.tables]
    complete = float(np.nanmean(group.errors[-1]))
    row = {
        "label": group.label, "regime": group.regime, "seeds": len(group.tables), "table": mean,
        "six": group.six, "six_sd": float(np.std(six, ddof=1)) if len(six) > 1 else 0.0,
        "complete": complete, "complete_model": None, "price": None, "gap_closed": None, "gap_interval": None,
    }  # fmt: skip
    compared = group.regime not in ("complete", *PATTERNS)
    if own is not None and compared:
        row |= {"complete_model": own[0], "price": complete / own[1] - 1}
    if naive is not None and upper is not None and compared:
        gap = gap_closed(naive.six, group.six, six_pattern_mae(upper))
        if math.isfinite(gap):
            row |= {"gap_closed": gap, "gap_interval": gap_interval(naive.errors, group.errors, upper, cluster)}
    return row


def _table(scores: Mapping[str, np.ndarray], true: np.ndarray) -> Table:
    """Metrics per pattern over the utterances that have something left."""
    table = {}
    for p, predicted in scores.items():
        left = np.isfinite(predicted)
        table[p] = {**metrics.scores(predicted[left], true[left]), "n": int(left.sum())}
    return table


def _mean(values: Sequence[float]) -> float | None:
    """Mean over seeds; None where the value does not exist (the correlation of a constant)."""
    mean = float(np.mean(values))
    return mean if math.isfinite(mean) else None
