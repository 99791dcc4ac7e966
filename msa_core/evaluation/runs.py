"""Trained runs: their checkpoint folders, their manifests, and what each of them is asked.

A run's folder is called RUN NAME-seedN. Runs of one run name differ by their seed only; `groups` puts them together.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from msa_core import checkpoint, methods
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.evaluation.score_store import DELETE, Kept
from msa_core.evaluation.scoring import Request
from msa_core.methods import Recipe
from msa_core.missing import PATTERNS
from msa_core.training.loop import TrainConfig

FILLS = ("zero", "mean")  # of an absent modality in the naive complete model
SETTINGS = ("method", "seed", "config", "train", "corpus", "dims", "feature_set")  # of a training, in its manifest
NEEDED = (*SETTINGS, "calibration", "sha256")
SAME_END = 5e-3  # of validation MAE: one training on two processors differed by 1e-6 (late fusion) to .0046 (CorrKD)
BRIEF = ("complete", "ablation")  # kinds that are tested on the patterns only


@dataclass(frozen=True)
class Run:
    """A trained run: its folder, its run name and its manifest.

    Args:
        kept: its scores on the test set when they were kept; then the folder need not be there.
    """

    folder: Path
    run_name: str
    manifest: Mapping[str, Any]
    kept: Kept | None = None

    @staticmethod
    def read(folder: Path) -> Run:
        """Read the run in a checkpoint folder. Raises: MsaError when it holds something else."""
        manifest = checkpoint.read_manifest(folder)
        lost = [k for k in NEEDED if k not in manifest]
        if lost:
            raise MsaError(
                f"{folder.name} is no trained run of a method: its manifest has no {lost[0]!r}. Move it away."
            )
        return Run(folder, run_name_of(folder.name), manifest)

    @staticmethod
    def gone(kept: Kept) -> Run:
        """Make a run of which only the scores were kept. Raises: MsaError when they are of something else."""
        lost = [k for k in NEEDED if k not in kept.manifest]
        if lost:
            raise MsaError(f"{kept.path} holds no run of a method: its manifest has no {lost[0]!r}. {DELETE}")
        return Run(kept.path.with_suffix(""), run_name_of(kept.path.stem), kept.manifest, kept)

    @staticmethod
    def all_of(folders: Sequence[Path], kept: Mapping[str, Kept]) -> list[Run]:
        """Read the runs in folders and add those of which only scores were kept, sorted by run name and seed.

        Raises: MsaError when a run is another than the kept run of its name, or was kept under another name.
        """
        there = [replace(Run.read(folder), kept=kept.get(folder.name)) for folder in folders]
        for run in there:
            if run.kept is not None and not run.is_training_of(run.kept):
                raise MsaError(
                    f"{run.folder.name} is another run than the one whose scores were kept in {run.kept.path}. "
                    "Delete that file, and those of the students that it taught, to score the run that is there; "
                    "or move the run away."
                )
        names, weights = {run.folder.name for run in there}, {run.weights: run.folder.name for run in there}
        gone = [Run.gone(k) for name, k in kept.items() if name not in names]
        for run in gone:
            if run.kept is not None and run.weights in weights:
                raise MsaError(f"{run.kept.path} holds the scores of {weights[run.weights]}, renamed. Delete the file.")
        return sorted([*there, *gone], key=lambda r: (r.run_name, r.seed))

    def is_training_of(self, kept: Kept) -> bool:
        """Compare with a kept run: the same weights, or the same training on another processor, which ends near it."""
        one, other = self.manifest, kept.manifest
        if self.weights == kept.weights:
            return True
        ends = [float(m.get("selection", {}).get("valid_mae", math.nan)) for m in (one, other)]
        same = all(settings_of(one, k) == settings_of(other, k) for k in SETTINGS)
        return abs(ends[0] - ends[1]) < SAME_END and same

    @property
    def weights(self) -> str:
        """The sha256 of its weights."""
        return str(self.manifest["sha256"][checkpoint.MODEL])

    @property
    def seed(self) -> int:
        """The seed it was trained with."""
        return int(self.manifest["seed"])


def settings_of(manifest: Mapping[str, Any], part: str) -> Any:
    """Read a part of a manifest; settings that came after the training have the default, which is what it did."""
    makers: dict[str, Any] = {"train": TrainConfig}
    if part == "config" and manifest["method"] in methods.METHODS:
        makers["config"] = methods.METHODS[manifest["method"]].Config
    if part not in makers:
        return manifest[part]
    return {**json.loads(json.dumps(asdict(makers[part]()))), **manifest[part]}


def run_name_of(folder: str) -> str:
    """Take the seed off the name of a run's folder."""
    return re.sub(r"-seed\d+$", "", folder)


def recipe_of(run: Run) -> Recipe:
    """Find the recipe of a run's name when it was trained on that recipe's input, else make one from its manifest."""
    method, regime = methods.method_of(run.manifest, run.folder.name), str(run.manifest["train"]["regime"])
    known = {r.run_name: r for r in method.recipes()}.get(run.run_name)
    if known is not None and known.loop.get("regime", TrainConfig.regime) == regime:
        return known
    if regime == "complete":
        kind = "complete" if method.published else "naive"
    elif regime in PATTERNS and not method.published:
        kind = "specialist"
    else:
        kind = "method" if method.published else "masked"
    said = method.reconstruction and "reconstruction" not in run.run_name
    return Recipe(run.run_name, f"{run.run_name} (reconstruction)" if said else run.run_name, kind)


def check(run: Run, corpus: Corpus) -> None:
    """Check that a run is of this corpus.

    Raises: MsaError for a run of another corpus or fold (it may have seen these rows), or of other widths.
    """
    own = {"name": corpus.name, **corpus.for_seed(run.seed).manifest}
    if json.dumps(run.manifest["corpus"], sort_keys=True) != json.dumps(own, sort_keys=True):
        theirs = run.manifest["corpus"]
        raise MsaError(
            f"Run {run.folder.name} was trained on another corpus than this {corpus.name} "
            f"({theirs.get('name')}, fold {theirs.get('fold', '-')}; its manifest says more): it may have seen these "
            "test rows. Train it on this corpus, or give its own with --corpus."
        )
    if dict(run.manifest["dims"]) != corpus.dims or run.manifest["feature_set"] != corpus.feature_set:
        raise MsaError(
            f"Run {run.folder.name} has widths {run.manifest['dims']} of {run.manifest['feature_set']!r}, corpus "
            f"{corpus.name} has {corpus.dims} of {corpus.feature_set!r}. Train it again on this corpus."
        )


def has_simulated_text(corpus: Corpus) -> bool:
    """Tell whether any utterance of a corpus has text simulated from its voice."""
    return bool(corpus.index["simulated"].lengths.any())


def request_of(run: Run, corpus: Corpus, split: str, asked: Mapping[str, Sequence[str]]) -> Request:
    """Choose the conditions and variants of a run.

    A specialist knows its own pattern only; teachers and ablations are asked for the patterns. The naive model is asked
    with every fill, and where a corpus has simulated text once more with that in the place of missing text.
    """
    recipe, config = recipe_of(run), settings_of(run.manifest, "config")
    method = methods.method_of(run.manifest, run.folder.name)
    conditions = [c for protocol in asked.values() for c in protocol]
    if recipe.kind == "specialist":
        conditions = [c for c in asked["patterns"] if c == run.manifest["train"]["regime"]]
    elif recipe.kind in BRIEF:
        conditions = list(asked["patterns"])
    variants: list[dict[str, Any]] = method.variants(config)
    if recipe.kind == "naive" and "fill" in config:
        variants = [{"fill": f} for f in FILLS]
        if "use_simulated" in config and has_simulated_text(corpus):
            variants += [{"fill": f, "use_simulated": True} for f in FILLS]
    return Request(run.folder, tuple(variants), tuple(conditions), corpus.for_seed(run.seed).rows(split))
