"""Classical regressors beside the methods: ridge, SVR and extra trees of scikit-learn, untuned, and their mean.

An utterance is the mean and the standard deviation of the frames of each modality. There is a regressor for every
pattern of present modalities, which learns from the training rows that have all of them; an utterance is answered by
the one of what it has left. Folds, patterns and test rows are those of the methods. Simulated text is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.evaluation import metrics
from msa_core.evaluation.groups import Group, on_scale, scale_of
from msa_core.evaluation.scoring import DECIMALS, Scores
from msa_core.methods import Method, Recipe
from msa_core.missing import PATTERNS
from msa_core.schema import MODALITIES, SCORE_LIMIT

KIND = "classical"
RIDGE, SVR, TREES, MEAN = "ridge regression", "support vector regression", "extra trees", "mean of the three regressors"
TITLES = {
    RIDGE: "Ridge regression",
    SVR: "Support vector regression",
    TREES: "Extra trees",
    MEAN: "Mean of ridge, SVR and extra trees",
}
MOST = 2000  # training rows of SVR and extra trees, drawn with a seed: the cost of SVR grows with their square
SEED = 0
BATCH = 512  # utterances whose frames are in memory at a time
Regressor = Callable[[np.ndarray], np.ndarray]  # features (N, D) -> scores (N,)


def groups(corpus: Corpus, split: str, tested: np.ndarray, patterns: Sequence[str]) -> list[Group]:
    """Fit the regressors and answer the tested rows under every pattern; one group a regressor, the mean last.

    Args:
        tested: rows of the corpus.
        patterns: those of the corpus, the complete one last.

    Raises:
        MsaError: scikit-learn is not installed, or no training row has all modalities of a pattern.
    """
    means = features(corpus)
    scores: dict[str, Scores] = {name: {p: np.full(len(corpus), np.nan) for p in patterns} for name in TITLES}
    # Every fold's test rows are answered by regressors of its own training rows.
    for fold in range(max(1, corpus.n_folds)):
        own = corpus.for_seed(fold)
        fitted = {p: _fitted(means, PATTERNS[p], own.rows("train"), own) for p in patterns}
        for p, rows, answered_by in _asked(own, split, patterns):
            x = _joined(means, PATTERNS[answered_by], rows)
            each = {name: np.clip(f(x), -SCORE_LIMIT, SCORE_LIMIT) for name, f in fitted[answered_by].items()}
            each[MEAN] = np.mean(list(each.values()), axis=0)
            for name, found in each.items():
                scores[name][p][rows] = np.round(found, DECIMALS)
    factor = metrics.on_scale(scale_of(corpus))[2]
    return [
        Group(
            name=name,
            run_name=name,
            recipe=Recipe(name, TITLES[name], KIND),
            method=Method,
            regime="",
            n_parameters=None,
            patterns=tuple(patterns),
            scores=({p: on_scale(found[tested], factor) for p, found in own.items()},),
            label=on_scale(corpus.label[tested], factor),
            covered={},
            width={},
            members={},
            teachers=(),
        )
        for name, own in scores.items()
    ]


def features(corpus: Corpus) -> dict[str, np.ndarray]:
    """Compute mean and standard deviation over the frames of every modality: (len(corpus), 2 D), NaN where absent."""
    found = {m: np.full((len(corpus), 2 * corpus.dims[m]), np.nan, np.float32) for m in MODALITIES}
    for start in range(0, len(corpus), BATCH):
        rows = np.arange(start, min(start + BATCH, len(corpus)))
        batch = corpus.batch(rows)
        for m in MODALITIES:
            values, keep = batch.features[m].numpy(), batch.valid[m].numpy()[..., None]
            n = keep.sum(1)  # (B, 1)
            mean = np.where(keep, values, 0).sum(1) / np.maximum(n, 1)
            deviation = np.sqrt((np.where(keep, values - mean[:, None], 0) ** 2).sum(1) / np.maximum(n, 1))
            found[m][rows] = np.where(n > 0, np.concatenate([mean, deviation], 1), np.nan)
    return found


def _joined(means: Mapping[str, np.ndarray], members: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """Join the features (N, D) of modalities, in double precision for the sums of squares of ridge regression."""
    return np.concatenate([means[m][rows] for m in members], 1).astype(np.float64)


def _asked(corpus: Corpus, split: str, patterns: Sequence[str]) -> list[tuple[str, np.ndarray, str]]:
    """List for every pattern the test rows by what they have left of it: pattern, rows, pattern of what is left."""
    rows = corpus.rows(split)
    there = {m: corpus.index[m].lengths[rows] > 0 for m in MODALITIES}
    found = []
    for p in patterns:
        for left in (q for q in patterns if set(PATTERNS[q]) <= set(PATTERNS[p])):
            inside = np.all([there[m] == (m in PATTERNS[left]) for m in PATTERNS[p]], axis=0)
            if inside.any():
                found.append((p, rows[inside], left))
    return found


def _fitted(
    means: Mapping[str, np.ndarray], members: Sequence[str], rows: np.ndarray, corpus: Corpus
) -> dict[str, Regressor]:
    """Fit the three regressors on the training rows that have all of some modalities. Raises: MsaError."""
    x, label = _joined(means, members, rows), corpus.label[rows].astype(np.float64)
    whole = np.isfinite(x).all(1)
    if not whole.any():
        raise MsaError(f"No training utterance of {corpus.name} has {' and '.join(members)}; leave --classical out.")
    x, label = x[whole], label[whole]
    few = np.sort(np.random.default_rng(SEED).permutation(len(x))[:MOST])
    return {
        name: make_pipeline_of(name).fit(*((x, label) if name == RIDGE else (x[few], label[few]))).predict
        for name in (RIDGE, SVR, TREES)
    }


def make_pipeline_of(name: str) -> Any:
    """Make an untuned regressor with scikit-learn's own settings, behind a standardisation of its inputs.

    Raises: MsaError when scikit-learn is not installed.
    """
    try:
        from sklearn import ensemble, linear_model, pipeline, preprocessing, svm
    except ImportError as e:
        raise MsaError(
            "The classical regressors need scikit-learn: pip install 'missing-modality-lab[classical]', or leave "
            "--classical out."
        ) from e
    makers: dict[str, Callable[[], Any]] = {
        RIDGE: linear_model.Ridge,
        SVR: svm.SVR,
        TREES: lambda: ensemble.ExtraTreesRegressor(random_state=SEED),
    }
    return pipeline.make_pipeline(preprocessing.StandardScaler(), makers[name]())
