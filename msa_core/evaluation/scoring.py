"""Score many trained runs under many conditions, in one pass over the data.

A batch of utterances of about the same length is made once, each condition is applied to it once, and every run then
scores it: masks are the same for all by construction, and cost nothing per run. Conditions that need no pass are
derived: rate 0 is the complete pattern, and under a modality rate every utterance is in one of the patterns. A run's
encoding of a modality is computed once for all patterns that have it. Several processes share the batches.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from msa_core import methods
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.evaluation import protocols
from msa_core.methods import Method
from msa_core.methods.layers import remembering
from msa_core.missing import PATTERNS
from msa_core.schema import MODALITIES, STREAMS, Batch
from msa_core.training.scores import need_finite

SIZE = 128  # utterances of one batch
DECIMALS = 4  # of a score: what the tables are made from, and what is kept of a run
Scores = dict[str, np.ndarray]  # condition -> scores (U,), NaN where nothing is left or the run was not asked


@dataclass(frozen=True)
class Request:
    """A question to one run: its folder, the settings of its variants, the conditions, the utterances (row numbers)."""

    folder: Path
    variants: tuple[Mapping[str, Any], ...]
    conditions: tuple[str, ...]
    rows: np.ndarray


def predict(
    requests: Sequence[Request], corpus: Corpus, path: Path | None = None, jobs: int = 1, device: str = "cpu"
) -> list[list[Scores]]:
    """Score the requests under every condition. Arguments and errors as of `passes`.

    Returns:
        Per request and variant the scores of every condition, indexed by utterance (len(corpus),).
    """
    return derived(passes(requests, corpus, path, jobs, device), requests, corpus)


def passes(
    requests: Sequence[Request], corpus: Corpus, path: Path | None = None, jobs: int = 1, device: str = "cpu"
) -> list[list[Scores]]:
    """Score the requests under the conditions that need a pass, with DECIMALS decimals.

    Args:
        path: folder of the corpus; needed for `jobs` > 1 processes, each of which opens it.
    Raises:
        MsaError: when a process was killed, or a score is not finite.
        CheckpointError: when a run is damaged.
    """
    chunks = list(_chunks(requests, corpus))
    results = [[_empty(r, corpus) for _ in r.variants] for r in requests]
    if jobs > 1 and path is not None and len(chunks) > 1:
        answers = _in_processes(chunks, requests, path, min(jobs, len(chunks)), device)
    else:
        worker = _Worker(corpus, requests, device)
        answers = (worker.answer(chunk) for chunk in chunks)
    bar = tqdm(answers, total=len(chunks), desc="scoring", unit="batch", disable=None)
    for (rows, _), found in zip(chunks, bar, strict=True):
        for number, variant, condition, scores in found:
            results[number][variant][condition][rows] = np.round(scores, DECIMALS)
    return results


def derived(answers: Sequence[Sequence[Scores]], requests: Sequence[Request], corpus: Corpus) -> list[list[Scores]]:
    """Add the conditions that need no pass to the answers of `passes`."""
    masks: dict[tuple[bytes, str], np.ndarray] = {}  # of modality rates: the same for all runs of the same utterances
    return [[_derived(s, r, corpus, masks) for s in found] for found, r in zip(answers, requests, strict=True)]


Chunk = tuple[np.ndarray, tuple[int, ...]]  # utterances, and the numbers of the requests that want them
ConditionScores = tuple[int, int, str, np.ndarray]  # request, variant, condition, scores


def _chunks(requests: Sequence[Request], corpus: Corpus) -> Iterator[Chunk]:
    """Cut the requests into batches of utterances of about equal length, wanted by the same runs."""
    groups: dict[bytes, tuple[np.ndarray, list[int]]] = {}
    for number, request in enumerate(requests):
        groups.setdefault(request.rows.tobytes(), (request.rows, []))[1].append(number)
    for rows, numbers in groups.values():
        lengths = sum(frames_of(corpus, stream, rows) for stream in STREAMS)
        ordered = rows[np.argsort(lengths, kind="stable")]
        for start in range(0, len(ordered), SIZE):
            yield ordered[start : start + SIZE], tuple(numbers)


def frames_of(corpus: Corpus, stream: str, rows: np.ndarray) -> np.ndarray:
    """Count the frames of a stream per utterance (len(rows),)."""
    index = corpus.index[stream]
    total = np.concatenate([[0], np.cumsum(corpus.pools[stream].lengths[index.values])])
    found: np.ndarray = total[index.offsets[rows + 1]] - total[index.offsets[rows]]
    return found


def computed(conditions: Sequence[str]) -> list[str]:
    """List the conditions that need a pass."""
    return [c for c in conditions if c != "frame:0.0" and not c.startswith("modality:")]


class _Worker:
    """The corpus and the models of a process; models are loaded when they are first asked."""

    def __init__(self, corpus: Corpus, requests: Sequence[Request], device: str):
        self.corpus, self.requests, self.device = corpus, requests, device
        self.models: dict[int, Method] = {}

    @torch.inference_mode()
    def answer(self, chunk: Chunk) -> list[ConditionScores]:
        """Score a batch for every request that wants it."""
        rows, numbers = chunk
        batch = self.corpus.batch(rows)
        asked: dict[str, list[int]] = {}
        for number in numbers:
            for condition in computed(self.requests[number].conditions):
                asked.setdefault(condition, []).append(number)
        batch = batch.to(self.device)
        # The patterns together: a modality is encoded once for all of them.
        patterns = {c: asked.pop(c) for c in list(asked) if c in PATTERNS}
        found = self._answers(batch, patterns)
        for condition, who in asked.items():
            found += self._answers(batch, {condition: who})
        return found

    def _answers(self, batch: Batch, asked: Mapping[str, Sequence[int]]) -> list[ConditionScores]:
        """Score a batch under conditions with the runs that are asked; `asked` is condition -> request numbers.

        Raises:
            MsaError: a score is not finite although something is left.
        """
        left = {c: protocols.removed(batch, c).trimmed() for c in asked}
        there = {c: b.present.any(1).cpu().numpy() for c, b in left.items()}
        found: list[ConditionScores] = []
        for number in sorted({n for who in asked.values() for n in who}):
            with remembering():
                for condition in (c for c, who in asked.items() if number in who):
                    answers = self._model(number).answers(left[condition], self.requests[number].variants)
                    for variant, score in enumerate(answers):
                        name, scores = self.requests[number].folder.name, score.cpu().numpy()
                        need_finite(scores, there[condition], name, condition)
                        scores = np.where(there[condition], scores, np.nan)
                        found.append((number, variant, condition, scores))
        return found

    def _model(self, number: int) -> Method:
        """Load the model of a request, once."""
        if number not in self.models:
            folder = self.requests[number].folder
            model, _ = methods.load(folder, self.corpus.feature_set)
            self.models[number] = model.to(self.device).eval()
        return self.models[number]


_worker: _Worker | None = None


def _start(path: Path, requests: Sequence[Request], device: str) -> None:
    """Open the corpus in a new process."""
    global _worker
    torch.set_num_threads(1)
    _worker = _Worker(Corpus.load(path, memmap=True), requests, device)


def _answer(chunk: Chunk) -> list[ConditionScores]:
    """Score a batch in a process that `_start` has prepared."""
    assert _worker is not None
    return _worker.answer(chunk)


def _in_processes(
    chunks: Sequence[Chunk], requests: Sequence[Request], path: Path, jobs: int, device: str
) -> Iterator[list[ConditionScores]]:
    """Score the chunks in several processes, in their order."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _start, (path, requests, device)) as pool:
        try:
            yield from pool.map(_answer, chunks)
        except BrokenProcessPool as e:
            raise MsaError(f"A scoring process was killed, perhaps for memory. Give fewer than {jobs} --jobs.") from e


def _empty(request: Request, corpus: Corpus) -> Scores:
    """Make room for the scores of a request: NaN everywhere."""
    return {c: np.full(len(corpus), np.nan, np.float32) for c in computed(request.conditions)}


def _derived(scores: Scores, request: Request, corpus: Corpus, masks: dict[tuple[bytes, str], np.ndarray]) -> Scores:
    """Add rate 0, and modality rates as a choice among the patterns. masks: a cache of what the rates leave."""
    patterns = [c for c in request.conditions if c in PATTERNS]
    result = {}
    for condition in request.conditions:
        if condition in scores:
            result[condition] = scores[condition]
        elif condition == "frame:0.0":
            result[condition] = scores[patterns[-1]]
        else:
            key = request.rows.tobytes(), condition
            if key not in masks:
                masks[key] = kept(corpus, request.rows, condition)
            left = masks[key]
            result[condition] = np.full(len(corpus), np.nan, np.float32)
            for pattern, members in PATTERNS.items():
                rows = request.rows[(left == [m in members for m in MODALITIES]).all(1)]
                if len(rows):
                    result[condition][rows] = scores[pattern][rows]
    return result


def kept(corpus: Corpus, rows: np.ndarray, condition: str) -> np.ndarray:
    """Draw the modalities (len(rows), 3) that a modality rate leaves."""
    present = torch.from_numpy(np.stack([frames_of(corpus, m, rows) > 0 for m in MODALITIES], 1))
    nothing = {s: torch.zeros(len(rows), 1, 1) for s in STREAMS}
    valid = {s: torch.zeros(len(rows), 1, dtype=torch.bool) for s in STREAMS}
    batch = Batch(nothing, valid, valid, present, ids=tuple(corpus.ids[rows].tolist()))
    left: np.ndarray = protocols.removed(batch, condition).present.numpy()
    return left
