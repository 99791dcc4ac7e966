"""Measure whether displayed weights mean anything: exact Shapley values and a method's own weights against the truth.

On the composite corpus the human ratings of every clip's text, voice and face are known. The **known contribution** of
a modality is c_m = b_m (r_m - mean r_m), with b the least-squares weights of the ratings for the label of the whole
clip on training rows: the Shapley value of that linear human model (Lundberg and Lee 2017, NeurIPS, Corollary 1).

Three questions, always beside a control that knows nothing of the clip:
- Do they follow the truth? *Row-centred* rank correlation: from every clip's three numbers their mean is taken away, on
  both sides; else whatever has the sign of the score would look like an explanation. *Top-1*: is the modality with the
  largest number the one that truly has the largest? Signed numbers are compared with c, others with |c|.
- On which clips? The natural test rows; *conflict* rows, whose ratings lie at least 2.4 of 6 apart; and *decorrelated*
  clips, the same pieces paired anew at random, so that no modality tells anything about another.
- Do they follow the model itself? *Deletion*: how far the score moves without the modality. *Permutation*: how far it
  moves with the same modality of another clip. By the place of the modality in the order of the weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from msa_core import atomic, checkpoint, methods
from msa_core.corpora.corpus import Corpus
from msa_core.corpora.ragged import Ragged
from msa_core.errors import MsaError
from msa_core.evaluation import subsets
from msa_core.evaluation.groups import reads_simulated_text
from msa_core.evaluation.runs import Run, request_of, run_name_of
from msa_core.evaluation.score_store import Store
from msa_core.evaluation.subsets import RATINGS
from msa_core.explain.shapley import shapley
from msa_core.methods import Displayed, Method
from msa_core.missing import COMPLETE, PATTERNS
from msa_core.schema import MODALITIES
from msa_core.tables import markdown_table
from msa_core.training.scores import pattern_scores

NAME = "evidence"
SEED = 0  # of the new pairing
EXACT = "Shapley values"  # without simulated text
AS_SHOWN = "Shapley values, text simulated"  # as the page shows them of a method that reads simulated text
Numbers = dict[str, float | None]


def complete_rows(corpus: Corpus, split: str) -> np.ndarray:
    """Select the clips of a held-out split that have all three modalities. Raises: MsaError when there is none."""
    rows = corpus.rows(split)
    rows = rows[np.all([corpus.index[m].lengths[rows] > 0 for m in MODALITIES], 0)]
    if split == "train" or not len(rows):
        raise MsaError(f"{corpus.name}, {split}: give a held-out split with clips that have text, audio and vision.")
    return rows


def known_contributions(corpus: Corpus, rows: np.ndarray) -> np.ndarray:
    """Compute the contributions c (len(rows), 3) from the human ratings. Raises: MsaError when there are none."""
    lost = [name for name in RATINGS if name not in corpus.columns]
    if lost:
        raise MsaError(f"Corpus {corpus.name} has no column {lost[0]!r}: the true contributions are not known there.")
    # Least squares on the training rows, without an intercept because both sides are centred.
    ratings, train = np.stack([corpus.columns[name] for name in RATINGS], 1), corpus.rows("train")
    centred = ratings[train] - ratings[train].mean(0)
    weights, *_ = np.linalg.lstsq(centred, corpus.label[train] - corpus.label[train].mean(), rcond=None)
    # c = b (r - mean r), the mean over the training rows.
    result: np.ndarray = weights * (ratings[rows] - ratings[train].mean(0))
    return result


def repaired(corpus: Corpus, rows: np.ndarray, modalities: Sequence[str] = MODALITIES, seed: int = SEED) -> Corpus:
    """Exchange some modalities of `rows` among them at random, independently of each other.

    Their ratings go along, and simulated text goes with the text whose words it has; labels stay where they are and
    mean nothing any more.
    """
    index, columns = dict(corpus.index), dict(corpus.columns)
    for i, m in enumerate(MODALITIES):
        if m in modalities:
            source = np.arange(len(corpus))
            source[rows] = rows[np.random.default_rng([seed, i]).permutation(len(rows))]
            for stream in (m, "simulated") if m == "text" else (m,):
                old = corpus.index[stream]
                index[stream] = Ragged.of([old.values[old.offsets[s] : old.offsets[s + 1]] for s in source], np.int64)
            if RATINGS[i] in columns:
                columns[RATINGS[i]] = columns[RATINGS[i]][source]
    return replace(corpus, index=index, columns=columns)


def row_centred(values: np.ndarray, truth: np.ndarray) -> float | None:
    """Compute Spearman's correlation of two (N, 3) after each clip's mean is taken away; None for a constant."""
    x, y = (v - v.mean(1, keepdims=True) for v in (values, truth))
    if np.ptp(x) < 1e-9:
        return None
    return float(stats.spearmanr(x.ravel(), y.ravel()).statistic)


def top_1(values: np.ndarray, truth: np.ndarray) -> float | None:
    """Compute the share of clips whose largest number is at the truly largest modality, ties to the first."""
    return float((values.argmax(1) == truth.argmax(1)).mean()) if len(values) else None


def shapley_values(scores: Mapping[str, np.ndarray], base: float) -> np.ndarray:
    """Compute the exact Shapley values (N, 3) from the scores (N,) of the seven patterns; base: score of nothing."""
    values: Any = {tuple(p.split("+")): s for p, s in scores.items()}
    return np.stack(list(shapley(MODALITIES, values, base).values()), 1)


@torch.no_grad()
def displayed(model: Method, corpus: Corpus, rows: np.ndarray) -> dict[str, Displayed]:
    """Collect the numbers that a method displays per modality for complete clips, (len(rows), 3) each."""
    parts: dict[str, list[Displayed]] = {}
    for start in range(0, len(rows), 256):
        output = model.eval()(corpus.batch(rows[start : start + 256]))
        for name, shown in model.displayed(output).items():
            parts.setdefault(name, []).append(shown)
    return {name: Displayed(torch.cat([s.values for s in found]), found[0].signed) for name, found in parts.items()}


def follows_truth(model: Method, corpus: Corpus, base: float, split: str = "test") -> dict[str, Numbers]:
    """Compare every displayed number, the Shapley values and the controls with the known contributions.

    Returns:
        Per number: "natural" and "decorrelated", row-centred rank correlations; "conflict_top_1" and
        "decorrelated_top_1"; "signed", 1 when it is compared with c, 0 with |c|.
    """
    # The truth, and everything that is displayed, on the natural clips and on those that were paired anew.
    rows = complete_rows(corpus, split)
    apart = repaired(corpus, rows)
    truth, truth_apart = known_contributions(corpus, rows), known_contributions(apart, rows)
    conflict = subsets.conflict(corpus, rows)
    shown = _all_shown(model, corpus, rows, base)
    shown_apart = _all_shown(model, apart, rows, base)
    # A control that always names one modality: numbers as often as each is the largest on training rows.
    first = known_contributions(corpus, corpus.rows("train"))
    for signed in (True, False):
        often = np.bincount((first if signed else np.abs(first)).argmax(1), minlength=3) / len(first)
        for there in (shown, shown_apart):
            same = Displayed(torch.from_numpy(np.tile(often, (len(rows), 1))), signed)
            there[f"control: always {MODALITIES[int(often.argmax())]}{'' if signed else ', without sign'}"] = same
    # Signed numbers against c, the others against |c|; a constant has no correlation.
    result: dict[str, Numbers] = {}
    for name, (values, signed) in shown.items():
        x, x_apart = values.numpy(), shown_apart[name].values.numpy()
        c, c_apart = (truth, truth_apart) if signed else (np.abs(truth), np.abs(truth_apart))
        constant = name.startswith("control")
        result[name] = {
            "signed": float(signed),
            "natural": None if constant else row_centred(x, c),
            "conflict_top_1": top_1(x[conflict], c[conflict]),
            "decorrelated": None if constant else row_centred(x_apart, c_apart),
            "decorrelated_top_1": top_1(x_apart, c_apart),
        }
    return result


def kept_truth(scores: Mapping[str, np.ndarray], corpus: Corpus, base: float, split: str = "test") -> Numbers:
    """Compare the Shapley values of kept scores with the known contributions; clips paired anew have no kept scores.

    Args:
        scores: of the seven patterns, (len(corpus),) each.
        base: score of nothing.
    """
    rows = complete_rows(corpus, split)
    truth, conflict = known_contributions(corpus, rows), subsets.conflict(corpus, rows)
    x = shapley_values({p: scores[p][rows].astype(np.float64) for p in PATTERNS}, base)
    return {
        "signed": 1.0,
        "natural": row_centred(x, truth),
        "conflict_top_1": top_1(x[conflict], truth[conflict]),
        "decorrelated": None,
        "decorrelated_top_1": None,
    }


def _all_shown(model: Method, corpus: Corpus, rows: np.ndarray, base: float) -> dict[str, Displayed]:
    """Collect displayed numbers, Shapley values, and the control that gives each modality a third of the score."""
    scores = pattern_scores(model, corpus, rows, tuple(PATTERNS), simulated=False)
    third = np.tile(scores[COMPLETE][:, None] / 3, (1, 3))
    exact = {EXACT: scores}
    if getattr(model, "reads_simulated_text", False):
        exact[AS_SHOWN] = pattern_scores(model, corpus, rows, tuple(PATTERNS))
    return {
        **displayed(model, corpus, rows),
        **{name: Displayed(torch.from_numpy(shapley_values(s, base)), True) for name, s in exact.items()},
        "control: score / 3": Displayed(torch.from_numpy(third), True),
    }


def follows_model(model: Method, corpus: Corpus, split: str = "test") -> dict[str, dict[str, Any]]:
    """Test deletion and permutation: how far the score moves, by the place of the modality in the order of |number|.

    Returns:
        Per displayed number and test: "moves" from the largest to the smallest number, "top_1": share of clips whose
        largest number is at the modality that moves the score most, "control": of always the same modality.
    """
    # Scores without each modality, and with that modality of another clip.
    rows = complete_rows(corpus, split)
    patterns = [COMPLETE, *("+".join(o for o in MODALITIES if o != m) for m in MODALITIES)]
    scores = pattern_scores(model, corpus, rows, patterns, simulated=False)
    others = [
        pattern_scores(model, repaired(corpus, rows, (m,)), rows, (COMPLETE,), simulated=False)[COMPLETE]
        for m in MODALITIES
    ]
    # Moves (N, 3) of the score from that on the complete clip.
    moved = {
        "deletion": np.stack([np.abs(scores[COMPLETE] - scores[p]) for p in patterns[1:]], 1),
        "permutation": np.stack([np.abs(scores[COMPLETE] - s) for s in others], 1),
    }
    # Order the moves of every clip by the size of its displayed numbers.
    result: dict[str, dict[str, Any]] = {}
    for name, (values, _) in displayed(model, corpus, rows).items():
        order = np.argsort(-np.abs(values.numpy()), 1, kind="stable")
        result[name] = {
            test: {
                "moves": np.take_along_axis(m, order, 1).mean(0).tolist(),
                "top_1": float((order[:, 0] == m.argmax(1)).mean()),
                "control": float((np.bincount(m.argmax(1), minlength=3) / len(m)).max()),
            }
            for test, m in moved.items()
        }
    return result


def report(corpus: Corpus, runs: Sequence[Path], split: str = "test") -> dict[str, Any]:
    """Report the evidence of every run name, averaged over its seeds.

    Returns:
        {"corpus", "split", "n", "conflict", "rows": [{"label", "seeds", "truth", "model"}]}; key "label" holds the run
        name.
    """
    by_run_name: dict[str, list[tuple[dict[str, Numbers], dict[str, dict[str, Any]]]]] = {}
    for run in runs:
        model, manifest = methods.load(run, corpus.feature_set)
        if model.dims != corpus.dims:
            raise MsaError(f"Run {run.name} has widths {model.dims}, corpus {corpus.name} has {corpus.dims}.")
        found = follows_truth(model, corpus, float(manifest["mean_score"]), split), follows_model(model, corpus, split)
        by_run_name.setdefault(run_name_of(run.name), []).append(found)
    rows = complete_rows(corpus, split)
    return {
        "corpus": corpus.name,
        "split": split,
        "n": len(rows),
        "conflict": int(subsets.conflict(corpus, rows).sum()),
        "rows": [
            {"label": run_name, "seeds": len(found), "truth": _mean([t for t, _ in found]),
             "model": _mean([m for _, m in found])}
            for run_name, found in by_run_name.items()
        ],
    }  # fmt: skip


def _mean(parts: Sequence[Any]) -> Any:
    """Average nested dictionaries and lists of numbers over seeds; None where a value does not exist."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {key: _mean([p[key] for p in parts]) for key in first}
    if isinstance(first, list):
        return [_mean([p[i] for p in parts]) for i in range(len(first))]
    return None if None in parts else float(np.mean(parts))


def markdown(result: Mapping[str, Any]) -> str:
    """Write two tables: against the known contributions, and against the model's own moves."""
    head = f"{result['n']} {result['split']} clips, {result['conflict']} of them in conflict."
    known = []
    for row in result["rows"]:
        for name, m in row["truth"].items():
            kind = name if m["signed"] or "without sign" in name else f"{name} (without sign)"
            keys = ("natural", "decorrelated", "conflict_top_1", "decorrelated_top_1")
            known.append([_seeds(row), kind, *("-" if m[k] is None else f"{m[k]:.2f}" for k in keys)])
    moved = []
    for row in result["rows"]:
        for name, tests in row["model"].items():
            for test, m in tests.items():
                numbers = [*m["moves"], m["top_1"], m["control"]]
                moved.append([_seeds(row), name, test, *(f"{v:.2f}" for v in numbers)])
    first = markdown_table(
        [None, "number shown", "natural", "decorrelated", "top-1, conflict", "top-1, decorrelated"], known
    )
    moves = ["largest moves the score by", "second", "smallest"]
    second = markdown_table([None, "ordered by", "test", *moves, "top-1", "control"], moved)
    return f"{head}\n\n{first}\n\n{second}"


def _seeds(row: Mapping[str, Any]) -> str:
    """Write a run name with its number of seeds."""
    return f"{row['label']} ({row['seeds']} seed{'s' if row['seeds'] > 1 else ''})"


def command(
    corpus_path: Path, runs: Path | None, run_names: Sequence[str], out: Path, scores: Path | None = None
) -> dict[str, Any]:
    """Report the evidence of some run names; write out/CORPUS-evidence.json and .md. Returns: the report.

    Args:
        runs: None = add to the report in `out` what kept scores tell of the contributions as the page shows them.
        scores: folder of kept scores, in it one for each corpus.

    Raises:
        MsaError: runs, kept scores or the report in `out` are missing.
    """
    corpus = Corpus.load(corpus_path)
    known_contributions(corpus, corpus.rows("test")[:1])
    if runs is None:
        return _written(_with_kept(corpus, run_names, out, scores), out)
    folders = [p.parent for p in sorted(Path(runs).glob(f"[!.]*/{checkpoint.MANIFEST}"))]
    chosen = [f for name in run_names for f in folders if run_name_of(f.name) == name]
    lost = [name for name in run_names if not any(run_name_of(f.name) == name for f in chosen)]
    if lost:
        there = ", ".join(sorted({run_name_of(f.name) for f in folders}))
        raise MsaError(f"{runs} has no run {lost[0]!r}. There are: {there}.")
    return _written(report(corpus, chosen), out)


def _with_kept(corpus: Corpus, run_names: Sequence[str], out: Path, scores: Path | None) -> dict[str, Any]:
    """Add the contributions with simulated text, from kept scores, to the report that stands in `out`."""
    path = Path(out) / f"{corpus.name}-{NAME}.json"
    if scores is None or not path.is_file():
        raise MsaError(f"Give --runs; or --scores where {path} is there, to add what kept scores tell.")
    store = Store(Path(scores) / corpus.name, corpus)
    runs = Run.all_of([], store.runs())
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for row in (row for row in result["rows"] if row["label"] in run_names):
        found = []
        for run in (run for run in runs if run.run_name == row["label"] and run.kept is not None):
            request = request_of(run, corpus, "test", {"patterns": list(PATTERNS)})
            answers = run.kept and store.answers(run.kept, request)
            if answers and reads_simulated_text(run, request.variants[0]):
                found.append(kept_truth(answers[0], corpus, float(run.manifest["mean_score"])))
        if found and len(found) == row["seeds"]:
            row["truth"][AS_SHOWN] = _mean(found)
            ours, controls = (
                {n: m for n, m in row["truth"].items() if n.startswith("control") is c} for c in (False, True)
            )
            row["truth"] = ours | controls
    return result


def _written(result: dict[str, Any], out: Path) -> dict[str, Any]:
    """Write a report to out/CORPUS-evidence.json and .md, and return it."""
    name = f"{result['corpus']}-{NAME}"
    Path(out).mkdir(parents=True, exist_ok=True)
    atomic.write_text(Path(out) / f"{name}.json", json.dumps(result, indent=2, allow_nan=False) + "\n")
    atomic.write_text(Path(out) / f"{name}.md", f"# What displayed weights mean\n\n{markdown(result)}\n")
    return result
