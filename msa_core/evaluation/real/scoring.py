"""Scores of the shipped models on real utterances, with the intervals of those that have some."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from msa_core import checkpoint
from msa_core.batch import collate
from msa_core.compare import complete_titles
from msa_core.errors import MsaError
from msa_core.explain import conformal
from msa_core.extract import Extractor
from msa_core.features import TUNED
from msa_core.methods import Method, method_name
from msa_core.methods.shipped import COMPLETE_MODEL, CORPUS, VERSION, checkpoint_of, load_verified
from msa_core.missing import PATTERNS
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Stream, Utterance

COMPLETE, MASKED = "complete", "masked"  # labels of late fusion's two rows
COMPLETE_TITLE, MASKED_TITLE = "Late fusion, complete", "Late fusion, masked"
BATCH = 64
WRITTEN = "only the words are taken"


@dataclass(frozen=True)
class Model:
    """A shipped model as a row of the tables.

    kind: "complete", "masked" or "method". complete: label of the complete model that a method is compared with.
    manifest: with the calibration of its intervals, or None. name: of its checkpoint.
    """

    label: str
    title: str
    kind: str
    network: Method
    name: str
    manifest: Mapping[str, Any] | None = None
    complete: str | None = None


def models(analyser: Analyser) -> list[Model]:
    """List every shipped model once: the complete models, late fusion trained on masked input, the methods."""
    titles, complete, methods = complete_titles(analyser), {}, []
    late = analyser.complete.model
    complete[COMPLETE] = Model(COMPLETE, COMPLETE_TITLE, COMPLETE, late, COMPLETE_MODEL, analyser.complete.manifest)
    for method in analyser.methods:
        ours, beside = analyser.models(method)
        manifest = analyser.manifest(method)
        own = COMPLETE if beside is late else f"{method}-{COMPLETE}"
        if own != COMPLETE:
            name = str(manifest["teacher"]["checkpoint"])
            complete[own] = Model(own, titles[method], COMPLETE, beside, name, checkpoint.read_manifest(name))
        methods.append(Model(method, method_name(method), "method", ours, checkpoint_of(method), manifest, own))
    masked = []
    if (name := f"{MASKED}-{CORPUS}-{VERSION}") in checkpoint.available():
        loaded = load_verified(name, analyser.device)
        masked = [Model(MASKED, MASKED_TITLE, MASKED, loaded.model, name, loaded.manifest, COMPLETE)]
    return [*complete.values(), *masked, *methods]


def score(found: Sequence[Model], utterances: Sequence[Utterance], device: str = "cpu") -> np.ndarray:
    """Score utterances by every model: (models, N) in [-3, 3]."""
    answers = np.full((len(found), len(utterances)), np.nan)
    order = sorted(range(len(utterances)), key=lambda i: _length(utterances[i]))
    for start in range(0, len(order), BATCH):
        some = order[start : start + BATCH]
        batch = collate([utterances[i] for i in some]).to(device)
        with torch.inference_mode():
            for row, model in enumerate(found):
                answers[row, some] = model.network(batch).score.cpu().numpy()
    return answers


def intervals(model: Model, utterances: Sequence[Utterance], scores: np.ndarray) -> np.ndarray:
    """Look up the interval around every score (N,): low and high (N, 2), NaN where there is none."""
    ends = np.full((len(utterances), 2), np.nan)
    for i, (utterance, value) in enumerate(zip(utterances, scores, strict=True)):
        interval = conformal.interval(model.manifest or {}, utterance, float(value))
        if interval is not None:
            ends[i] = interval["low"], interval["high"]
    return ends


def written(extractor: Extractor, ids: Sequence[str], texts: Sequence[str]) -> list[Utterance]:
    """Make utterances of written texts: the words and nothing else. Every text must hold a word."""
    absent = Stream.absent(WRITTEN)
    return [
        Utterance(name, 0.0, TUNED.id, Stream(v, np.arange(len(v), dtype=np.float32)), absent, absent, absent, text)
        for name, text, v in zip(ids, texts, extractor.text.encode(texts), strict=True)
    ]


def left_by_pattern(analyser: Analyser, utterance: Utterance, patterns: Collection[str]) -> dict[str, Utterance]:
    """Return what is left of a clip under each of the patterns that it can have.

    Raises:
        MsaError: nothing was found in the clip.
    """
    has = [m for m in MODALITIES if analyser.left(utterance).stream(m).present]
    possible = [p for p in PATTERNS if p in patterns and set(PATTERNS[p]) <= set(has)]
    if not possible:
        raise MsaError("no pattern that has a label can be made of {names}", names=", ".join(has))
    return {p: analyser.left(utterance, [m for m in has if m not in PATTERNS[p]]) for p in possible}


def _length(utterance: Utterance) -> int:
    """Count the frames of all streams."""
    streams = (utterance.stream(m).values for m in MODALITIES)
    return sum(len(values) for values in streams if values is not None)
