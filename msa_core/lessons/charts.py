"""Small charts in the answers of lessons: scores on their scale, steps, weights, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msa_core.i18n import known
from msa_core.lessons.template import render
from msa_core.schema import MODALITIES, SCORE_LIMIT
from msa_core.views.parts import TITLES


def readings(rows: Sequence[tuple[str, float, float | None]]) -> str:
    """Draw scores on the scale from -3 to 3.

    Args:
        rows: (label, score, score that it moved from or None) of each line.
    """
    return render("readings.html", rows=rows, moved=any(before is not None for *_, before in rows))


def steps(start: float, moves: Sequence[tuple[str, float, float | None]], labels: tuple[str, str]) -> str:
    """Draw a staircase of scores.

    Args:
        start: score of the first line.
        moves: (modality, its move, its average move or None) of each step.
        labels: of the first and the last line.
    """
    level, rows = start, []
    for modality, move, average in moves:
        rows.append((modality, known(TITLES[modality]), move, average, level, level + move))
        level += move
    return render("steps.html", start=start, rows=rows, end=level, labels=labels)


def weights(before: Mapping[str, float], now: Mapping[str, float], names: tuple[str, str]) -> str:
    """Draw two shares for each modality, before and now; `names` explains the two."""
    rows = [(m, known(TITLES[m]), before[m], now[m]) for m in MODALITIES]
    return render("weights.html", rows=rows, names=names)


def level(label: str, value: float, threshold: float, own: float) -> str:
    """Draw a share, 0 to 1, with the visitor's threshold and the model's own."""
    return render("level.html", label=label, value=value, threshold=threshold, own=own)


def interval(score: float, low: float, high: float, rating: float | None, name: str, level: float) -> str:
    """Draw a score with its interval.

    Args:
        score: in [-3, 3].
        low, high: ends of the interval.
        rating: the visitor's own, or None.
        name: of the model.
        level: share of labels, 0 to 1, that the interval is calibrated to contain.
    """
    values = {"score": score, "low": low, "high": high, "rating": rating}
    return render("interval.html", name=name, level=f"{level:.0%}", **values)


def widths(rows: Sequence[tuple[str, float]], chosen: int | None = None) -> str:
    """Draw (label, width) of intervals on a common axis; `chosen` marks one row."""
    return render("widths.html", rows=rows, chosen=chosen, longest=2 * SCORE_LIMIT)
