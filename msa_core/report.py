"""A `Prediction` in words and lines, for a terminal and for the page's one-sentence summary."""

from __future__ import annotations

from pathlib import Path

from .errors import MsaError
from .schema import MODALITIES, SCORE_LIMIT, Prediction

DISCLAIMER = "A demonstration of a model's behaviour, not a measure of feelings."
ORDINARY = {"text": "words", "audio": "voice", "vision": "face"}


def sentence(prediction: Prediction) -> str:
    """What happened to the two models, in one plain sentence computed from the scores."""
    full, left, missing = (
        prediction.scores[k] for k in ("complete_model_full", "complete_model_left", "missing_model_left")
    )
    assert full is not None and left is not None and missing is not None
    method = prediction.method.upper()
    if not prediction.dropped:
        whole = all(state["present"] for state in prediction.modalities.values())
        what = "With everything there" if whole else "With what the clip has"
        return f"{what}, the complete model says {full:+.1f} and {method} says {missing:+.1f}."
    without = " and ".join(f"the {ORDINARY[m]}" for m in prediction.dropped)
    return (
        f"Without {without}, the complete model moves {_move(left - full)}; "
        f"{method} stays {abs(missing - full):.1f} from the full answer of {full:+.1f}."
    )


def summary(prediction: Prediction) -> str:
    """The terminal's answer: scores, contributions, reasons and notes."""
    lines = [f"{prediction.clip}  ({prediction.duration_s:.1f} s, {prediction.method}, scores in [-3, 3])", ""]
    for m in MODALITIES:
        state = prediction.modalities[m]
        lines.append(f"  {m:<8}{'present' if state['present'] else 'missing: ' + str(state['reason'])}")
    if prediction.text_source == "simulated":
        lines.append("          text is simulated from the voice")
    labels = {
        "complete_model_full": "complete model, everything",
        "complete_model_left": "complete model, what is left",
        "missing_model_left": f"{prediction.method}, what is left",
    }
    lines.append("")
    for key, label in labels.items():
        value = prediction.scores[key]
        lines.append(f"  {label:<32}{'-' if value is None else f'{value:+.2f}'}  {_bar(value)}")
    if prediction.interval:
        i = prediction.interval
        lines.append(f"  {i['level']:.0%} interval{'':<20}{i['low']:+.2f} .. {i['high']:+.2f}")
    parts = "  ".join(f"{k} {v:+.2f}" for k, v in prediction.contributions.items())
    lines += ["", f"  contributions  {parts}", "", f"  {sentence(prediction)}"]
    if prediction.transcript:
        lines += ["", f"  “{prediction.transcript}”"]
    lines += [f"  note: {n}" for n in prediction.notes]
    seconds = "  ".join(f"{k} {v:.2f}" for k, v in prediction.timings_s.items())
    return "\n".join([*lines, "", f"  seconds: {seconds}", f"  {DISCLAIMER}"])


def insert(readme: Path, block: str, text: str) -> None:
    """Replace what stands between `<!-- BLOCK:begin -->` and `<!-- BLOCK:end -->`, so that no number is typed.

    Raises: MsaError when the file has no such block.
    """
    begin, end = f"<!-- {block}:begin -->", f"<!-- {block}:end -->"
    head, found, rest = readme.read_text().partition(begin) if readme.is_file() else ("", "", "")
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise MsaError(f"{readme.name} has no block {begin} .. {end}. Add the two lines, or leave --readme out.")
    readme.write_text(f"{head}{begin}\n{text}\n{end}{tail}")


def _move(delta: float) -> str:
    if abs(delta) < 0.05:
        return "hardly at all"
    return f"{abs(delta):.1f} towards {'positive' if delta > 0 else 'negative'}"


def _bar(value: float | None) -> str:
    if value is None:
        return ""
    cells = ["·"] * 25
    cells[12] = "|"
    cells[round((value + SCORE_LIMIT) / (2 * SCORE_LIMIT) * 24)] = "●"
    return "".join(cells)
