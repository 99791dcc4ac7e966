"""Trainings of one setting beside each other, on validation and on real people, and the choice of the one to ship.

Validation tells such trainings apart by less than chance, and the lowest of them may answer real clips the worst. So
what is never trained on decides too: voices of RAVDESS' valid part, the clips of CREMA-D that people voted on, and
the neutral commands of GRID. Each error counts as its ratio to the mean of the trainings, so that no scale weighs
more than another. The words of clips are read by the text layers at hand, which were tuned through an earlier choice;
their hash stands in the file. The sets have chosen then, and their tables are no test of the one that is shipped: the
tables of the corpora are, which hold every training.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from msa_core import atomic, checkpoint, methods
from msa_core.errors import MsaError
from msa_core.evaluation import results
from msa_core.evaluation.real import clips, measures, scoring, voices
from msa_core.evaluation.real.command import Measure
from msa_core.evaluation.real.scored import Scored
from msa_core.features import TUNED, text_layers
from msa_core.methods.shipped import CORPUS, SHIPPED_RUNS
from msa_core.predict import Analyser
from msa_core.tables import markdown_table
from msa_core.training.command import seeds_of, ship

NAME = "seeds"
SETS = {"valid": "composite, valid part", "ravdess": "RAVDESS", "cremad": "CREMA-D", "grid": "GRID"}
Row = dict[str, Any]


def command(
    runs: Path,
    labels: Sequence[str],
    data: Path,
    media: Path,
    out: Path,
    shipping: bool = False,
    progress: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Measure every seed of some run names, choose one of each, and write out/seeds.json.

    Args:
        runs: folder of a study on the corpus of the shipped checkpoints.
        labels: run names of shipped methods.
        data, media: as of `evaluate-real`.
        shipping: ship the chosen ones, with their teachers.

    Returns:
        The content of seeds.json.

    Raises:
        MsaError: a name is of nothing that is shipped or has no run, a run is of another corpus, or a set is not there.
    """
    for label in labels:
        if label not in SHIPPED_RUNS:
            raise MsaError(f"No run called {label!r} is shipped. Names: {', '.join(SHIPPED_RUNS)}.")
    found = {label: seeds_of(runs, label) for label in labels}
    for run in (run for own in found.values() for run in own):
        if (corpus := checkpoint.read_manifest(run)["corpus"]["name"]) != CORPUS:
            raise MsaError(f"{run.name} was trained on {corpus!r}. Give --runs of a study on {CORPUS!r}.")
    # 1. Read the sets, once for all trainings.
    heard = voices.ravdess(data, ("valid",))
    voted = clips.cremad(data, media) if (data / clips.VOTES).is_file() else []
    filmed = {"cremad": voted, "grid": clips.grid(media)}
    sizes = {"ravdess": len(heard.ids)} | {name: len(some) for name, some in filmed.items()}
    if lost := [name for name, n in sizes.items() if not n]:
        raise MsaError(f"There is nothing of {SETS[lost[0]]} to measure. Give --data and --media of evaluate-real.")
    # 2. Score them by every training.
    measure = Measure(Analyser.load("cpu"), models=[_model(run) for own in found.values() for run in own])
    progress(f"ravdess: {len(heard.ids)} voices")
    scored = {"ravdess": measure.voices("ravdess", heard)}
    scored |= {name: measure.clips(name, name, some, progress) for name, some in filmed.items()}
    # 3. Choose of each setting the training of the lowest mean ratio.
    settings = {label: _beside(own, scored) for label, own in found.items()}
    layers = checkpoint.read_manifest(text_layers.CHECKPOINT)  # they read the words of clips
    result = {
        "kind": NAME,
        "text_layers": layers["sha256"][checkpoint.MODEL],
        "sets": {name: len(one.ids) for name, one in scored.items()},
        "left_out": {name: why for one in scored.values() for name, why in one.left_out.items()},
        "settings": settings,
    }
    out.mkdir(parents=True, exist_ok=True)
    atomic.write_text(out / results.SEEDS, json.dumps(result, indent=1, allow_nan=False) + "\n")
    # 4. Ship what was chosen.
    for label, own in found.items() if shipping else ():
        best = next(run for run, row in zip(own, settings[label], strict=True) if row["chosen"])
        progress(ship(best, SHIPPED_RUNS[label]))
    return result


def _model(run: Path) -> scoring.Model:
    """Load a training as a row."""
    network, _ = methods.load(run, TUNED.id)
    return scoring.Model(str(run), run.name, "method", network, str(run))


def _beside(own: Sequence[Path], scored: Mapping[str, Scored]) -> list[Row]:
    """Report the trainings of one setting: errors, their mean ratio, and which is chosen."""
    errors = np.array([_errors(run, scored) for run in own])  # (R, SETS), in points
    ratio = (errors / errors.mean(0)).mean(1)
    return [
        {"run": run.name, **dict(zip(SETS, np.round(e, 5).tolist(), strict=True)), "ratio": round(float(r), 5),
         "chosen": i == int(ratio.argmin())}
        for i, (run, e, r) in enumerate(zip(own, errors, ratio, strict=True))
    ]  # fmt: skip


def _errors(run: Path, scored: Mapping[str, Scored]) -> list[float]:
    """Return the mean absolute errors of a training: on the corpus' valid part, then on each set over its patterns."""
    errors = [float(checkpoint.read_manifest(run)["selection"]["valid_mae"])]
    for one in scored.values():
        assert one.labels is not None
        row = next(r for r in one.rows if r.label == str(run))
        errors.append(measures.mean_error(np.abs(row.scores - one.labels)))
    return errors


def markdown(result: Mapping[str, Any]) -> str:
    """Write the trainings of every setting as one table; the chosen ones are bold."""
    head = ["training", *(f"{title} (MAE)" for title in SETS.values()), "mean ratio to the mean of its setting"]
    rows = []
    for own in result["settings"].values():
        for row in own:
            cells = [row["run"], *(f"{row[name]:.3f}" for name in SETS), f"{row['ratio']:.3f}"]
            rows.append([f"**{cell}**" if row["chosen"] else cell for cell in cells])
    return markdown_table(head, rows)
