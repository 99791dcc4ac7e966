"""Evaluate trained runs under every protocol, beside the constant, the naive complete model and the specialists.

No method's name stands here: a run's place in the tables follows from its manifest and the recipes of its method. A run
of an unpublished method trained on complete input is the naive complete model, one trained on a single pattern is that
pattern's specialist; a method trained on complete input itself is the teacher of its students, which are compared with
it too. A corpus without a modality has the patterns of the others only. Of a corpus with folds every utterance is
tested once: by the run whose fold it is in.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from msa_core import atomic, checkpoint
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.evaluation import added, classical, curve_svg, emotions, markdown, protocols
from msa_core.evaluation.compared import Tested, compared
from msa_core.evaluation.groups import groups_of
from msa_core.evaluation.protocols import patterns_of
from msa_core.evaluation.runs import Run, check, request_of
from msa_core.evaluation.score_store import KEPT, Store
from msa_core.evaluation.scoring import Request, Scores, derived, passes


def report(
    corpus: Corpus,
    folders: Sequence[Path],
    split: str = "test",
    path: Path | None = None,
    jobs: int = 1,
    device: str = "cpu",
    scores: Path | None = None,
    regressors: bool = False,
) -> dict[str, Any]:
    """Compare trained runs (checkpoint folders "RUN NAME-seedN") on a split under every protocol.

    Args:
        path, jobs: folder of the corpus and number of processes, see `scoring.passes`.
        scores: folder of kept scores: runs whose scores are there count too, and are not scored again; those of the
            others are added.
        regressors: fit the classical regressors too, see `classical`.
    Returns:
        The content of the evaluation file, see docs/results.md.
    """
    store = None if scores is None else Store(scores, corpus)
    if store is not None:
        store.prepare()
    try:
        return _report(corpus, folders, split, path, jobs, device, store, regressors)
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
    regressors: bool,
) -> dict[str, Any]:
    """Score what is not kept, group the runs and compare the groups; arguments as of `report`."""
    # The runs, and what each of them is asked.
    runs = Run.all_of(folders, {} if store is None else store.runs())
    for run in runs:
        check(run, corpus)
    patterns = patterns_of(corpus, split)
    asked = protocols.conditions(patterns)
    requests = [request_of(run, corpus, split, asked) for run in runs]
    folds = [corpus.for_seed(fold).rows(split) for fold in range(max(1, corpus.n_folds))] if regressors else []
    tested = np.unique(np.concatenate([*(r.rows for r in requests), *folds]))

    # Their scores: kept ones from the store, the others from one pass over the data.
    kept = [_kept(run, request, store) for run, request in zip(runs, requests, strict=True)]
    new = [i for i, known in enumerate(kept) if known is None]
    scored = dict(zip(new, passes([requests[i] for i in new], corpus, path, jobs, device), strict=True))
    answers = derived([known or scored[i] for i, known in enumerate(kept)], requests, corpus)

    # A group for each run name and variant, and a row for each group.
    by_run_name: dict[str, list[int]] = {}
    for number, run in enumerate(runs):
        by_run_name.setdefault(run.run_name, []).append(number)
    groups = []
    for numbers in by_run_name.values():
        groups += groups_of([(runs[n], requests[n], answers[n]) for n in numbers], corpus, tested, patterns)
    if regressors:
        groups += classical.groups(corpus, split, tested, patterns)
    result = compared(Tested(corpus, split, tested, asked), groups)

    # Keep the new scores only when nothing was refused.
    if store is not None:
        for i in new:
            store.write(runs[i].folder.name, runs[i].manifest, requests[i], scored[i])
    return result


def _kept(run: Run, request: Request, store: Store | None) -> list[Scores] | None:
    """Read the kept scores of a run; None when it has to be scored. Raises: MsaError when it has to be and is gone."""
    if store is None or run.kept is None:
        return None
    found = store.answers(run.kept, request)
    if found is None and not (run.folder / checkpoint.MANIFEST).is_file():
        raise MsaError(
            f"{run.kept.path} does not hold every condition or variant that is asked now, and its run is gone. "
            "Delete the file, then train the run again (`study`)."
        )
    return found


def command(
    corpus_path: Path,
    runs: Path | None,
    out: Path,
    jobs: int | None = None,
    scores: Path | None = None,
    regressors: bool = False,
    add: bool = False,
) -> dict[str, Any]:
    """Evaluate every run in a folder on the test set; write out/CORPUS.json, .md and .svg.

    Args:
        runs: None = only those of which scores were kept.
        scores: folder of kept scores, in it one for each corpus.
        regressors: fit the classical regressors too.
        add: keep the rows of out/CORPUS.json, and add those that it does not have.
    Returns:
        The report, see `report`; of a corpus of emotions see `emotions.report`.
    """
    corpus = Corpus.load(corpus_path, memmap=True)
    folders = [] if runs is None else sorted(p.parent for p in Path(runs).glob(f"[!.]*/{checkpoint.MANIFEST}"))
    store = None if scores is None else Path(scores) / corpus.name
    if runs is not None and not folders:
        raise MsaError(f"{runs} holds no trained run. Train one first (docs/training.md).")
    if runs is None and not regressors and not (store and any(store.glob(KEPT))):
        raise MsaError(f"No runs are given, and none are kept in {store}. Give --runs, --scores or both.")
    if corpus.emotions:
        if scores is not None or regressors or add:
            raise MsaError(f"{corpus.name} has emotions: leave --scores, --classical and --add out.")
        return emotions.command(corpus, folders, out)
    standing = added.standing(Path(out) / f"{corpus.name}.json") if add else None  # before minutes of work
    jobs = jobs or os.cpu_count() or 1
    result = _rounded(report(corpus, folders, path=corpus_path, jobs=jobs, scores=store, regressors=regressors))
    for row in result["rows"]:
        if row.get("changed_teachers"):
            print(
                f"warning: {row['label']} has no price: it learned from other weights than those that are now in "
                f"{', '.join(row['changed_teachers'])}. Train it again, or bring its own teacher back.",
                file=sys.stderr,
            )
    if standing is not None:
        result = added.added(standing, result)
    Path(out).mkdir(parents=True, exist_ok=True)
    atomic.write_text(Path(out) / f"{corpus.name}.json", json.dumps(result, allow_nan=False) + "\n")
    atomic.write_text(Path(out) / f"{corpus.name}.md", markdown.markdown(result))
    atomic.write_text(Path(out) / f"{corpus.name}.svg", curve_svg.curves_svg(result))
    return result


def _rounded(value: Any) -> Any:
    """Round every number to five decimals: smaller differences mean nothing here."""
    if isinstance(value, Mapping):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return round(value, 5) if isinstance(value, float) else value
