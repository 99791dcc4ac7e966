"""A comparison as one CSV table or one JSON object, and as lines for the terminal."""

from __future__ import annotations

import csv
import io
import json

from msa_core.compare import Comparison, Robustness
from msa_core.methods import method_name
from msa_core.views.csv_safe import harmless
from msa_core.views.summary import DISCLAIMER

COLUMNS = ("clip", "condition", "method", "flow", "score", "interval_level", "interval_low", "interval_high", "move",
           "draws", "score_min", "score_max", "move_min", "move_max", "reason")  # fmt: skip
CsvRow = dict[str, object]  # one line of the CSV: a key for every column, None where nothing exists


def as_json(comparison: Comparison, robustness: Robustness | None = None) -> str:
    """Export everything about one clip as one JSON object."""
    whole = {"comparison": comparison.to_json(), "robustness": robustness.to_json() if robustness else None}
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, indent=1)


def as_csv(*parts: Comparison | Robustness | None) -> str:
    """Export comparisons and robustness curves as one CSV table (COLUMNS), scores in [-3, 3]; no text is a formula."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in (row for part in parts if part is not None for row in rows_of(part)):
        writer.writerow({key: harmless(value) if isinstance(value, str) else value for key, value in row.items()})
    return out.getvalue()


def comparison_rows(comparison: Comparison) -> list[CsvRow]:
    """List a row for every pattern, method and flow, and one with the reason for a pattern that cannot be."""
    found: list[CsvRow] = []
    for c in comparison.conditions:
        if not c.answers:
            why = "; ".join(f"{m}: {reason}" for m, reason in c.lacks.items())
            found.append(_row(clip=comparison.clip, condition=c.pattern, reason=why))
        for m, a in c.answers.items():
            start = {"clip": comparison.clip, "condition": c.pattern, "method": m}
            band = {f"interval_{k}": v for k, v in (a.interval or {}).items()}
            found.append(
                _row(**start, flow="complete", score=a.complete, move=comparison.move(m, c.pattern, "complete"))
            )
            found.append(_row(**start, flow="missing", score=a.missing, move=comparison.move(m, c.pattern), **band))
            if (bare := a.without_simulated_text) is not None:
                move = bare - comparison.answer(m).missing
                found.append(_row(**start, flow="missing, nothing imagined", score=bare, move=move))
    return found


def robustness_rows(robustness: Robustness) -> list[CsvRow]:
    """List a row for every model and rate; the condition is named as in the evaluation files."""
    return [
        _row(
            clip=robustness.clip,
            condition=f"frame:{p.rate:g}",
            method=" ".join(line.methods),
            flow=line.flow,
            draws=robustness.draws if p.rate else 1,
            **{"score": p.score.mean, "score_min": p.score.low, "score_max": p.score.high},
            **{"move": p.move.mean, "move_min": p.move.low, "move_max": p.move.high},
        )
        for line in robustness.lines
        for p in line.points
    ]


def summary(comparison: Comparison) -> str:
    """Write a comparison for the terminal: a line for each pattern, both flows of each method."""
    names = [method_name(m) for m in comparison.methods]
    wide = max(16, *(len(n) for n in names)) + 2
    lines = [f"{comparison.clip}  ({comparison.duration_s:.1f} s, scores in [-3, 3])", ""]
    lines.append(f"  {'what is left':<22}" + "".join(f"{n:<{wide}}" for n in names).rstrip())
    for c in comparison.conditions:
        cells = [f"{a.missing:+.2f} ({a.complete:+.2f})" for a in c.answers.values()]
        cells = cells or ["; ".join(f"{m}: {why}" for m, why in c.lacks.items())]
        lines.append(f"  {c.pattern:<22}" + "".join(f"{cell:<{wide}}" for cell in cells).rstrip())
    for what, moves in (("mean move", comparison.moves()), ("of complete model", comparison.moves("complete"))):
        lines.append(f"  {what:<22}" + "".join(f"{v:<{wide}.2f}" for v in moves.values()).rstrip())
    lines += ["", "  missing-modality model (its complete-modality model); moves are from its own answer to everything"]
    if comparison.nearest:
        lines.append(f"  nearest to its own full answer: {method_name(comparison.nearest)}; steady is not right")
    return "\n".join([*lines, f"  {DISCLAIMER}"])


def _row(**values: object) -> CsvRow:
    return {column: values.get(column) for column in COLUMNS}


def rows_of(part: Comparison | Robustness) -> list[CsvRow]:
    """Turn a comparison or a robustness curve into the rows of the CSV table."""
    return comparison_rows(part) if isinstance(part, Comparison) else robustness_rows(part)
