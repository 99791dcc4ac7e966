"""Evaluate runs on a corpus of emotions: F1 of every emotion under every pattern, as MulT and CorrKD report IEMOCAP.

Each emotion is a binary task: it is there when its score is above 0. F1 is the support-weighted mean over the two
classes (scikit-learn's "weighted"), because MulT's code prints that; so a constant stands beside every row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from msa_core import atomic, methods
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.evaluation.groups import need_one_setting, repetitions
from msa_core.evaluation.metrics import accuracy, weighted_f1
from msa_core.evaluation.protocols import patterns_of
from msa_core.evaluation.runs import Run, check, recipe_of
from msa_core.methods import KINDS
from msa_core.missing import PATTERNS
from msa_core.schema import MODALITIES
from msa_core.tables import markdown_table
from msa_core.training.scores import pattern_scores

NAME = "emotions"  # ending of the names of the files and blocks
Values = dict[str, dict[str, dict[str, float]]]  # pattern -> emotion -> metric


def command(corpus: Corpus, folders: Sequence[Path], out: Path) -> dict[str, Any]:
    """Evaluate runs on the test set; write out/CORPUS-emotions.json and .md.

    Returns:
        The report, see `report`.
    """
    result = report(corpus, folders)
    Path(out).mkdir(parents=True, exist_ok=True)
    atomic.write_text(Path(out) / f"{corpus.name}-{NAME}.json", json.dumps(result, allow_nan=False) + "\n")
    atomic.write_text(Path(out) / f"{corpus.name}-{NAME}.md", markdown(result))
    return result


def report(corpus: Corpus, folders: Sequence[Path], split: str = "test") -> dict[str, Any]:
    """Compare trained runs (checkpoint folders "RUN NAME-seedN") on a split under every pattern, beside the constant.

    Returns:
        {"corpus", "statement", "split", "n", "emotions", "patterns", "rows": [{"label", "title", "kind", "method",
        "regime", "seeds", "table", "sd"}]}; "table" is pattern -> emotion -> {"f1", "accuracy"}, mean over the seeds.

    Raises:
        MsaError: a run is of another corpus or knows no emotions, or runs of one name are no seeds of one training.
    """
    rows, patterns = corpus.rows(split), patterns_of(corpus, split)
    by_run_name: dict[str, list[Run]] = {}
    for run in Run.all_of(folders, {}):
        check(run, corpus)
        by_run_name.setdefault(run.run_name, []).append(run)
    found = [_constant(corpus, rows, patterns)]
    for runs in by_run_name.values():
        need_one_setting(runs)
        repetitions(runs, 1)  # a corpus of emotions has no folds
        recipe, tables = recipe_of(runs[0]), [_table(run, corpus, rows, patterns) for run in runs]
        found.append(
            {
                "label": recipe.run_name,
                "title": recipe.title,
                "kind": recipe.kind,
                "method": runs[0].manifest["method"],
                "regime": runs[0].manifest["train"]["regime"],
                "seeds": len(runs),
                "table": _over(tables, lambda values: float(np.mean(values))),
                "sd": _over(tables, lambda values: float(np.std(values, ddof=1)) if len(values) > 1 else None),
            }
        )
    return {
        "corpus": corpus.name,
        "statement": corpus.manifest.get("statement", ""),
        "split": split,
        "n": len(rows),
        "emotions": list(corpus.emotions),
        "patterns": list(patterns),
        "rows": sorted(found, key=lambda row: KINDS.index(row["kind"])),
    }


def markdown(result: Mapping[str, Any]) -> str:
    """Write the report: for every emotion a table of F1 by pattern and its mean over the incomplete ones."""
    lines = [f"# {result['corpus']}, {result['split']} ({result['n']} utterances)", "", result["statement"], ""]
    return "\n".join(lines) + tables(result) + "\n"


def tables(result: Mapping[str, Any]) -> str:
    """Tabulate the weighted F1 of every emotion in percent, as the papers do."""
    patterns, parts = result["patterns"], []
    for emotion in result["emotions"]:
        cells = []
        for row in result["rows"]:
            f1 = [100 * row["table"][p][emotion]["f1"] for p in patterns]
            seeds = f" ({row['seeds']} seed{'s' if row['seeds'] > 1 else ''})" if row["seeds"] else ""
            cells.append([row["title"] + seeds, *(f"{v:.1f}" for v in f1), f"{np.mean(f1[:-1]):.1f}"])
        parts.append(markdown_table([f"{emotion}, F1 in %", *patterns, "mean of incomplete"], cells))
    return "\n\n".join(parts)


def decided(scores: np.ndarray, true: np.ndarray, emotions: Sequence[str]) -> dict[str, dict[str, float]]:
    """Measure every emotion by its F1 and accuracy.

    Args:
        scores: log odds (U, E), NaN where nothing is left.
        true: (U, E), 1 = there.
    """
    left = np.isfinite(scores).all(1)
    said, there = scores[left] > 0, true[left] > 0
    return {
        name: {"f1": weighted_f1(said[:, i], there[:, i]), "accuracy": accuracy(said[:, i], there[:, i])}
        for i, name in enumerate(emotions)
    }


def _table(run: Run, corpus: Corpus, rows: np.ndarray, patterns: Sequence[str]) -> Values:
    """Measure one run. Raises: MsaError when it was trained on other emotions."""
    model, manifest = methods.load(run.folder, corpus.feature_set)
    own = tuple(manifest["config"].get("emotions", ()))
    if own != corpus.emotions:
        raise MsaError(f"{run.folder.name} was trained on {list(own)}, {corpus.name} has {list(corpus.emotions)}.")
    scores = pattern_scores(model, corpus, rows, patterns, called=run.folder.name)
    return {p: decided(scores[p], corpus.label[rows], corpus.emotions) for p in patterns}


def _constant(corpus: Corpus, rows: np.ndarray, patterns: Sequence[str]) -> dict[str, Any]:
    """Make the row of the answer that most training utterances have, whatever is seen."""
    answer = np.where(corpus.label[corpus.rows("train")].mean(0) > 0.5, 1.0, -1.0)
    there = np.stack([corpus.index[m].lengths[rows] > 0 for m in MODALITIES], 1)
    table = {}
    for p in patterns:
        left: np.ndarray = np.asarray(there[:, [m in PATTERNS[p] for m in MODALITIES]].any(1))
        table[p] = decided(np.where(left[:, None], answer, np.nan), corpus.label[rows], corpus.emotions)
    empty = {p: {e: {"f1": None, "accuracy": None} for e in corpus.emotions} for p in patterns}
    facts = {"label": "constant", "title": "Constant (most frequent in training)", "kind": "constant"}
    return {**facts, "method": None, "regime": "", "seeds": 0, "table": table, "sd": empty}


def _over(tables_: Sequence[Values], how: Any) -> dict[str, Any]:
    """Combine the tables of several seeds, value by value."""
    return {
        p: {e: {m: how([t[p][e][m] for t in tables_]) for m in values} for e, values in emotions.items()}
        for p, emotions in tables_[0].items()
    }
