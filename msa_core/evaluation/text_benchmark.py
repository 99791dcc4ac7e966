"""Train and measure text alone on the standard splits of CMU-MOSI and CMU-MOSEI.

Everything is chosen on validation; a run scores the test part once, and the table is read from the files of the runs.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from msa_core import atomic, checkpoint
from msa_core.corpora.text_parts import FILES, Benchmark, Sentences, read
from msa_core.errors import MsaError
from msa_core.evaluation import metrics
from msa_core.feature_training.text import Rated, TextScorer, TextTraining, lower, predict, train, write
from msa_core.features import weights
from msa_core.features.text import TextEncoder
from msa_core.schema import SCORE_LIMIT
from msa_core.tables import markdown_table

RUNS = Path("runs-text")
SETTINGS = {"mosi": TextTraining(), "mosei": TextTraining(epochs=2, n_mosei=0)}
FROZEN = {"mosi": TextTraining(layers=0, epochs=12), "mosei": TextTraining(layers=0, epochs=8, n_mosei=0)}
METHOD, HEAD, RIDGE = "text", "frozen", "ridge"  # run names; all but METHOD are baselines
PENALTIES = tuple(10.0 ** (k / 2) for k in range(-4, 9))  # of ridge regression, tried on validation
EXAMPLES = ("I love this film.", "It was not good at all.", "The screen is six inches wide.")
Say = Callable[[str], None]


def fit(
    data: Path,
    corpus: str,
    seed: int = 0,
    out: Path = RUNS,
    progress: Say = print,
    settings: TextTraining | None = None,
    encoder: TextEncoder | None = None,
) -> Path:
    """Fine-tune the top layers, choose the epoch on validation, score the test part once.

    Args:
        data: folder with `mosi` and `mosei`.
        settings: of this corpus by default; `seed` replaces theirs.
    Returns:
        The checkpoint folder out/text-CORPUS-seedN, which `feature_training.text.load` reads.
    Raises:
        MsaError: when the data are missing or corrupted.
    """
    settings = replace(settings or SETTINGS.get(corpus, TextTraining()), seed=seed)
    benchmark = read(data, corpus, settings.n_mosei)
    encoder = encoder or TextEncoder(weights.minilm_directory())
    return _run(METHOD, benchmark, encode(benchmark, encoder, settings, progress), encoder, settings, out, progress)


def baselines(
    data: Path,
    corpus: str,
    seeds: int = 3,
    out: Path = RUNS,
    progress: Say = print,
    settings: TextTraining | None = None,
    encoder: TextEncoder | None = None,
) -> list[Path]:
    """Train the baselines of fine-tuning, all on frozen MiniLM.

    They are ridge regression on mean token vectors (the corpus's own training part), and the attention pooling of
    `fit` on the same sentences, `seeds` seeds from 0.

    Returns:
        The folders out/ridge-CORPUS-seed0 and out/frozen-CORPUS-seedN.
    """
    settings = settings or FROZEN.get(corpus, TextTraining(layers=0))
    benchmark = read(data, corpus, settings.n_mosei)
    encoder = encoder or TextEncoder(weights.minilm_directory())
    rated = encode(benchmark, encoder, settings, progress)
    folders = [_run_ridge(benchmark, rated, Path(out))]
    for seed in range(seeds):
        folders.append(_run(HEAD, benchmark, rated, encoder, replace(settings, seed=seed), out, progress))
    return folders


def encode(
    benchmark: Benchmark, encoder: TextEncoder, settings: TextTraining, progress: Say = print
) -> dict[str, Rated]:
    """Pass every part through the frozen layers; the training part has the extra sentences at its end."""
    started, parts = time.perf_counter(), dict(benchmark.parts)
    if benchmark.extra is not None:
        own, extra = parts["train"], benchmark.extra
        ratings = np.concatenate([own.ratings, extra.ratings])
        parts["train"] = Sentences(own.ids + extra.ids, own.videos + extra.videos, own.texts + extra.texts, ratings)
    rated = {s: Rated(lower(encoder, p.texts, settings.layers), p.ratings) for s, p in parts.items()}
    progress(f"{benchmark.corpus}: frozen layers passed in {time.perf_counter() - started:.0f} s")
    return rated


def _run(
    run_name: str,
    benchmark: Benchmark,
    rated: Mapping[str, Rated],
    encoder: TextEncoder,
    settings: TextTraining,
    out: Path,
    progress: Say,
) -> Path:
    """Train one seed and write its folder."""
    folder, started = Path(out) / f"{run_name}-{benchmark.corpus}-seed{settings.seed}", time.process_time()
    progress(folder.name)
    network, history = train(encoder, rated["train"], rated["valid"], settings, progress)
    seconds = round(time.process_time() - started)
    scores = {split: predict(network, rated[split].states)[0] for split in ("valid", "test")}
    examples = TextScorer(encoder, network, settings)(EXAMPLES)[0].tolist()
    facts = {**_facts(benchmark, scores), "epochs": history, "cpu_s": seconds}
    facts["title"] = _title(settings, benchmark)
    facts["examples"] = dict(zip(EXAMPLES, examples, strict=True))
    write(folder, network, settings, facts, {k: torch.from_numpy(v) for k, v in scores.items()})
    test = facts["metrics"]["test"]
    progress(f"{folder}: test MAE {test['mae']:.4f}, r {test['pearson']:.4f}, {seconds} s of CPU")
    return folder


def _title(settings: TextTraining, benchmark: Benchmark) -> str:
    """Describe a run in words."""
    what = f"MiniLM, top {settings.layers} layers fine-tuned" if settings.layers else "MiniLM frozen"
    beside = f", with {len(benchmark.extra.ids):,} sentences of MOSEI" if benchmark.extra else ""
    return f"{what}, attention pooling{beside}"


def _facts(benchmark: Benchmark, scores: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Collect the facts of a manifest: counts, versions, metrics on validation and test, and those of a constant."""
    parts, new = benchmark.parts, ~benchmark.seen
    truth = parts["test"].ratings
    mean = np.full(len(truth), parts["train"].ratings.mean(dtype=np.float64))
    return {
        "corpus": benchmark.corpus,
        "data": dict(benchmark.facts),
        "metrics": {
            "validation": _metrics(scores["valid"], parts["valid"].ratings),
            "test": _metrics(scores["test"], truth),
            "test_unseen": _metrics(scores["test"][new], truth[new]),
            "constant": _metrics(mean, truth),
        },
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _metrics(predicted: np.ndarray, true: np.ndarray) -> dict[str, float | None]:
    """Compute all metrics; None where a value does not exist (the correlation of a constant)."""
    return {k: v if math.isfinite(v) else None for k, v in metrics.scores(predicted, true).items()}


def _run_ridge(benchmark: Benchmark, rated: Mapping[str, Rated], out: Path) -> Path:
    """Fit ridge regression on the mean token vector; its penalty is chosen by validation MAE."""
    own = len(benchmark.parts["train"].ids)
    means = {
        s: np.stack([_mean_vector(x) for x in r.states[: own if s == "train" else None]]) for s, r in rated.items()
    }
    weight, bias, penalty = ridge(means["train"], rated["train"].ratings[:own], means["valid"], rated["valid"].ratings)
    scores = {s: np.clip(means[s] @ weight + bias, -SCORE_LIMIT, SCORE_LIMIT) for s in ("valid", "test")}
    folder = out / f"{RIDGE}-{benchmark.corpus}-seed0"
    title = "MiniLM frozen, mean of the words, ridge regression"
    manifest = {"name": folder.name, "kind": RIDGE, "title": title, "settings": {"penalty": penalty}}
    manifest |= _facts(benchmark, scores)
    tensors = {"weight": torch.from_numpy(weight), "bias": torch.tensor(bias)}
    checkpoint.write(folder, tensors, manifest, {k: torch.from_numpy(v) for k, v in scores.items()})
    return folder


def _mean_vector(states: np.ndarray) -> np.ndarray:
    """Average token vectors (T, D) without [CLS] and [SEP] to (D,) float64."""
    return (states[1:-1] if len(states) > 2 else states[:1]).astype(np.float64).mean(0)


def ridge(x: np.ndarray, y: np.ndarray, x_valid: np.ndarray, y_valid: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Fit ridge regression of y (N,) on x (N, D) in closed form. Returns: weight (D,), bias, penalty by validation."""
    # Eigenvectors of the centred Gram matrix solve every penalty at once: w = V (V' X' y) / (values + penalty).
    centre, mean = x.mean(0), float(y.mean(dtype=np.float64))
    values, vectors = np.linalg.eigh((x - centre).T @ (x - centre))
    along = vectors.T @ ((x - centre).T @ (y - mean))
    # The penalty of the smallest validation MAE.
    found = []
    for penalty in PENALTIES:
        weight = vectors @ (along / (values + penalty))
        error = float(np.abs((x_valid - centre) @ weight + mean - y_valid).mean())
        found.append((error, penalty, weight))
    _, penalty, weight = min(found, key=lambda f: f[:2])
    return weight, mean - float(centre @ weight), penalty


def report(runs: Path, corpus: str) -> dict[str, Any]:
    """Report all stored runs of a corpus from their manifests: means and sd over seeds, as plain numbers.

    Returns:
        {"corpus": "CORPUS-text", "statement", "split", "n", "seen", "metrics", "patterns", "rows": [{"label",
        "title", "kind", "seeds", "table", "sd", "unseen", "validation"}]}; tables are {"text": {metric: value}},
        sd None for one seed; the first row is the constant.
    Raises:
        MsaError: when there is no run, or the runs were tested on different data.
    """
    by_run_name: dict[str, list[dict[str, Any]]] = {}
    for folder in sorted(p.parent for p in Path(runs).glob(f"[!.]*-{corpus}-seed*/{checkpoint.MANIFEST}")):
        run_name = re.sub(rf"-{corpus}-seed\d+$", "", folder.name)
        by_run_name.setdefault(run_name, []).append(checkpoint.read_manifest(folder))
    manifests = [m for group in by_run_name.values() for m in group]
    if not manifests:
        raise MsaError(f"{runs} holds no run of {corpus!r}. Train one first: fit text --data DIR.")
    sizes = {m["data"]["n"]["test"] for m in manifests}
    if len(sizes) > 1:
        raise MsaError(f"The {corpus} runs in {runs} were tested on {sorted(sizes)} utterances. Train them again.")
    rows = [_row(name, group) for name, group in by_run_name.items()]
    constant = {"label": "constant", "title": "Constant (training mean)", "kind": "constant", "seeds": 0}
    constant |= {"table": {"text": manifests[0]["metrics"]["constant"]}, "sd": None}
    return {
        "corpus": f"{corpus}-text",
        "statement": f"{manifests[0]['data']['corpus']}; text alone. Epochs and settings by validation, one test.",
        "split": "test",
        "n": sizes.pop(),
        "seen": max(m["data"]["test_seen"] for m in manifests),
        "folds": 0,
        "scale": "mosi",
        "metrics": list(metrics.NAMES),
        "patterns": ["text"],
        "rows": [constant, *sorted(rows, key=lambda r: (r["kind"] == "method", -r["table"]["text"]["mae"]))],
    }


def _row(run_name: str, manifests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make the row of a run name from the manifests of its seeds; key "label" holds the run name."""

    def over(of: str, how: Callable[[list[float]], float]) -> dict[str, dict[str, float]]:
        return {"text": {k: how([m["metrics"][of][k] for m in manifests]) for k in metrics.NAMES}}

    several = len(manifests) > 1
    return {
        "label": run_name,
        "title": manifests[0]["title"],
        "kind": "method" if run_name == METHOD else "baseline",
        "seeds": len(manifests),
        "table": over("test", lambda v: float(np.mean(v))),
        "sd": over("test", lambda v: float(np.std(v, ddof=1))) if several else None,
        "unseen": over("test_unseen", lambda v: float(np.mean(v))),
        "validation": over("validation", lambda v: float(np.mean(v))),
    }


def markdown(result: Mapping[str, Any]) -> str:
    """A report as a Markdown table, every metric of metrics.NAMES, mean ± sd over seeds."""
    head = [f"{result['corpus']}, {result['split']} {result['n']:,}", *metrics.NAMES]
    rows = []
    for row in result["rows"]:
        sd = row["sd"]["text"] if row["sd"] else {}
        cells = [_cell(row["table"]["text"][k], sd.get(k)) for k in metrics.NAMES]
        seeds = f" ({row['seeds']} seeds)" if row["seeds"] > 1 else ""
        rows.append([f"{row['title']}{seeds}", *cells])
        if result["seen"] and "unseen" in row:
            cells = [_cell(row["unseen"]["text"][k]) for k in metrics.NAMES]
            rows.append([f"– without {result['seen']} utterances whose words are in training", *cells])
    return markdown_table(head, rows)


def _cell(value: float | None, sd: float | None = None) -> str:
    """Write a value with its standard deviation, a dash for none."""
    return "-" if value is None else f"{value:.3f}" + ("" if sd is None else f" ± {sd:.3f}")


def command(runs: Path, out: Path) -> list[dict[str, Any]]:
    """Report every corpus that has runs; write out/CORPUS-text.json and .md. Returns: the reports."""
    there = [c for c in FILES if any(Path(runs).glob(f"[!.]*-{c}-seed*/{checkpoint.MANIFEST}"))]
    results = [report(runs, c) for c in there or list(FILES)[:1]]
    Path(out).mkdir(parents=True, exist_ok=True)
    for result in results:
        atomic.write_text(Path(out) / f"{result['corpus']}.json", json.dumps(result, indent=2, allow_nan=False) + "\n")
        atomic.write_text(Path(out) / f"{result['corpus']}.md", markdown(result) + "\n")
    return results


def study(data: Path, out: Path = RUNS, seeds: int = 3, progress: Say = print) -> None:
    """Train every run of the table that is not there yet, on both corpora."""
    for corpus in FILES:
        wanted = [f"{RIDGE}-{corpus}-seed0", *(f"{HEAD}-{corpus}-seed{k}" for k in range(seeds))]
        if not all((out / name / checkpoint.MANIFEST).is_file() for name in wanted):
            baselines(data, corpus, seeds, out, progress)
        for seed in range(seeds):
            if not (out / f"{METHOD}-{corpus}-seed{seed}" / checkpoint.MANIFEST).is_file():
                fit(data, corpus, seed, out, progress)
