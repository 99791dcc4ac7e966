"""Averages of several networks as rows of their own: of all trainings of a row, and of trainings of every method.

An average lowers the part of the error that differs from training to training. So that this is not taken for what a
method adds, the masked model of the same input is averaged as well, and every average is measured against that one and
against the masked model trained once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from msa_core.evaluation import bootstrap
from msa_core.evaluation.groups import Group, incomplete_mae
from msa_core.evaluation.scoring import Scores

Drawn = tuple[np.ndarray, bootstrap.Few]  # weights of the bootstrap, and the directions with few clusters


class Average(NamedTuple):
    """An average of n networks: its title, its input, and the mean absolute errors (P, U) over repetitions."""

    title: str
    n: int
    reads_simulated: bool
    errors: np.ndarray
    masked: bool = False


def report(groups: Sequence[Group], drawn: Drawn) -> list[dict[str, Any]]:
    """Report the averages that the groups allow, masked models first. drawn: the bootstrap of the tested rows."""
    averages = list(_averages([g for g in groups if g.recipe.kind in ("masked", "method")]))
    once = {g.reads_simulated: g.errors for g in groups if g.recipe.kind == "masked"}
    often = {a.reads_simulated: a.errors for a in averages if a.masked}
    return [
        {
            "title": a.title,
            "networks": a.n,
            "reads_simulated_text": a.reads_simulated,
            "table": [float(np.nanmean(e)) for e in a.errors],
            "six": incomplete_mae(a.errors),
            "against_masked": _difference(a.errors, once.get(a.reads_simulated), drawn),
            "against_average": None if a.masked else _difference(a.errors, often.get(a.reads_simulated), drawn),
        }
        for a in averages
    ]


def _averages(groups: Sequence[Group]) -> Iterator[Average]:
    """Average each group over its repetitions, and the methods of one input over one repetition each and over all."""
    for group in sorted(groups, key=lambda g: g.recipe.kind != "masked"):
        if (n := len(group.scores)) > 1:
            title, masked = f"{group.recipe.title}, {n} trainings", group.recipe.kind == "masked"
            yield Average(title, n, group.reads_simulated, _errors(group, group.scores), masked)
    for hears in (False, True):
        methods = [g for g in groups if g.recipe.kind == "method" and g.reads_simulated == hears]
        n, names = min((len(g.scores) for g in methods), default=0), ", ".join(g.recipe.title for g in methods)
        if len(methods) < 2 or not n:
            continue
        each = [_errors(methods[0], scores) for scores in zip(*(g.scores[:n] for g in methods), strict=True)]
        yield Average(f"{names}, one training each", len(methods), hears, np.mean(each, 0))
        if n > 1:
            every = [scores for g in methods for scores in g.scores[:n]]
            yield Average(f"{names}, {n} trainings each", len(every), hears, _errors(methods[0], every))


def _errors(group: Group, scores: Sequence[Scores]) -> np.ndarray:
    """Compute the absolute errors (P, U) of the mean of several answers to the utterances of a group."""
    nothing = np.full(len(group.label), np.nan)
    return np.stack([np.abs(np.mean([s.get(p, nothing) for s in scores], 0) - group.label) for p in group.patterns])


def _difference(errors: np.ndarray, masked: np.ndarray | None, drawn: Drawn) -> list[float | None] | None:
    """Compute the difference of incomplete_mae from that of a masked model, with its interval's ends if it has one."""
    if masked is None:
        return None
    interval = bootstrap.difference_interval(errors, masked, drawn[0], few=drawn[1])
    return [incomplete_mae(errors) - incomplete_mae(masked), *(interval or (None, None))]
