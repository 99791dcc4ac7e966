"""Measure how like the real text the text inside SDUMC is before and after its imagination network (MIA).

In clips whose text is taken away, the text that is simulated from the voice is pooled to a vector, and MIA changes it.
Both are compared by cosine with the vector that the same network makes of the real text of the same clip. A method
takes part when its trace has these vectors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from msa_core import atomic, methods, missing
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.evaluation.bootstrap import difference_interval
from msa_core.evaluation.compared import Tested
from msa_core.evaluation.protocols import conditions
from msa_core.methods import Method
from msa_core.methods.shipped import checkpoint_of
from msa_core.missing import PATTERNS
from msa_core.tables import markdown_table
from msa_core.training.command import best_seed

NAME = "likeness"
TRACE = ("text_before_imagination", "text_after_imagination")
HEARD = tuple(p for p, members in PATTERNS.items() if "audio" in members and "text" not in members)
SPLITS = ("valid", "test")
BATCH = 256  # clips at a time


@torch.inference_mode()
def cosines(model: Method, corpus: Corpus, rows: np.ndarray, pattern: str) -> np.ndarray:
    """Compute the cosine of the text inside the model to a real text, before and after MIA, (2, 2, len(rows)).

    First to the text of the same clip, then to that of another, half of the rows away: a vector that says nothing of
    its clip is as like the one as the other. NaN where a clip has no text, or no text is simulated from its voice.

    Raises:
        MsaError: the method has no imagination network, or it is left out.
    """
    kept: list[tuple[Tensor, ...]] = []
    model.eval()
    for start in range(0, len(rows), BATCH):
        batch = corpus.batch(rows[start : start + BATCH])
        real, left = model(batch).trace, model(missing.pattern(batch, pattern)).trace
        if not all(name in left for name in TRACE) or not getattr(model.config, "use_mia", True):
            raise MsaError(f"{model.title} has no imagination network here. Give a checkpoint of SDUMC with MIA.")
        known = batch.present[:, 0] & left["simulated"]
        kept.append((known, real[TRACE[0]], left[TRACE[0]], left[TRACE[1]]))
    known, text, *inside = (torch.cat(part) for part in zip(*kept, strict=True))
    away = len(rows) // 2
    pairs = (text, known), (text.roll(away, 0), known & known.roll(away, 0))
    each = [[F.cosine_similarity(v, t, dim=1).masked_fill(~k, torch.nan) for v in inside] for t, k in pairs]
    found: np.ndarray = torch.stack([torch.stack(pair) for pair in each]).double().numpy()
    return found


def report(model: Method, corpus: Corpus, name: str) -> dict[str, Any]:
    """Report mean cosines by split and pattern, with the 95 % interval of what MIA changes, None without one.

    Args:
        name: of the checkpoint.

    Raises:
        MsaError: no clip has text that is also simulated from its voice.
    """
    lines = []
    for split in SPLITS:
        rows = corpus.rows(split)
        drawn = Tested(corpus, split, rows, conditions(tuple(PATTERNS))).resamples()
        for pattern in HEARD:
            found, elsewhere = cosines(model, corpus, rows, pattern)
            before, after = found
            known = np.isfinite(before)
            if not known.any():
                raise MsaError(f"{corpus.name}, {split}: no clip has text that is also simulated from its voice.")
            # Two rows each, because an interval over patterns leaves the last one out.
            one, other = np.stack([after, after]), np.stack([before, before])
            ends = difference_interval(one, other, drawn.weights, few=drawn.few) or (None, None)
            mean = np.nanmean(found, 1).tolist()
            lines.append(
                {"split": split, "pattern": pattern, "n": int(known.sum()), "before": mean[0], "after": mean[1]}
                | {"change": [mean[1] - mean[0], *ends], "nearer": float((after > before)[known].mean())}
                | {"other": np.nanmean(elsewhere, 1).tolist()}
            )
    return {"corpus": corpus.name, "checkpoint": name, "rows": lines}


def markdown(result: Mapping[str, Any]) -> str:
    """Tabulate a report, and those of the checkpoints beside it."""
    return "\n\n".join(_tabulated(each) for each in (result, *result.get("beside", ())))


def _tabulated(result: Mapping[str, Any]) -> str:
    """Tabulate the report of one checkpoint."""
    head = ["clips", "left", "n", "cosine before MIA", "after", "change (95 %)", "clips that come nearer"]
    head.append("cosine to another clip's text, before and after")
    rows: list[Sequence[str]] = []
    for row in result["rows"]:
        change, low, high = row["change"]
        told = f"{change:+.3f}" + ("" if low is None else f" ({low:+.3f} to {high:+.3f})")
        cells = [f"{row['n']:,}", f"{row['before']:.3f}", f"{row['after']:.3f}", told, f"{100 * row['nearer']:.1f} %"]
        cells.append(" and ".join(f"{value:.3f}" for value in row["other"]))
        rows.append([row["split"], row["pattern"], *cells])
    return f"`{result['checkpoint']}` on {result['corpus']}.\n\n{markdown_table(head, rows)}"


def command(
    corpus_path: Path, checkpoint: str, out: Path, runs: Path | None = None, labels: Sequence[str] = ()
) -> dict[str, Any]:
    """Report the likeness of a checkpoint; write out/CORPUS-likeness.json. Returns: the report.

    Args:
        checkpoint: a shipped method, a checkpoint's name or its folder.
        runs: folder of runs.
        labels: run names there; the report of each one's best seed by validation stands under "beside".

    Raises:
        MsaError: labels without runs or runs without labels, no such run, or a checkpoint that does not fit.
    """
    if (runs is None) != (not labels):
        raise MsaError("--runs names the folder and --label the runs in it. Give both, or neither.")
    corpus = Corpus.load(corpus_path, memmap=True)
    found = [best_seed(Path(runs), label) for label in labels] if runs is not None else []
    result, *others = (_of_checkpoint(name, corpus) for name in (checkpoint, *map(str, found)))
    result |= {"beside": others} if others else {}
    Path(out).mkdir(parents=True, exist_ok=True)
    atomic.write_text(Path(out) / f"{corpus.name}-{NAME}.json", json.dumps(result, indent=2, allow_nan=False) + "\n")
    return result


def _of_checkpoint(checkpoint: str, corpus: Corpus) -> dict[str, Any]:
    """Report the likeness of a checkpoint. Raises: MsaError when it does not fit the corpus."""
    name = checkpoint_of(checkpoint)
    model, _ = methods.load(name, corpus.feature_set)
    if model.dims != corpus.dims:
        raise MsaError(f"Checkpoint {checkpoint} has widths {model.dims}, corpus {corpus.name} has {corpus.dims}.")
    return report(model, corpus, Path(name).name)
