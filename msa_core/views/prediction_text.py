"""A prediction as lines for the terminal."""

from __future__ import annotations

from msa_core.methods import method_name
from msa_core.schema import MODALITIES, SCORE_LIMIT, Prediction
from msa_core.views import people
from msa_core.views.heard import line
from msa_core.views.summary import DISCLAIMER, dropped_frames, prompts, sentence, transfer, verdicts


def summary(prediction: Prediction) -> str:
    """Write a prediction for the terminal: scores, contributions, reasons and notes."""
    lines = [
        f"{prediction.clip}  ({prediction.duration_s:.1f} s, {method_name(prediction.method)}, scores in [-3, 3])",
        "",
    ]
    for m in MODALITIES:
        state = prediction.modalities[m]
        lost = f", {rate:.0%} of its frames dropped" if (rate := dropped_frames(prediction).get(m)) else ""
        lines.append(f"  {m:<8}{'present' + lost if state['present'] else 'missing: ' + str(state['reason'])}")
    if prediction.text_source == "simulated":
        lines.append("          text is simulated from the voice")
    labels = {
        "complete_model_full": "complete model, everything",
        "complete_model_left": "complete model, what is left",
        "missing_model_full": f"{method_name(prediction.method)}, everything",
        "missing_model_left": f"{method_name(prediction.method)}, what is left",
    }
    lines.append("")
    for key, label in labels.items():
        value = prediction.scores[key]
        lines.append(f"  {label:<42}{'-' if value is None else f'{value:+.2f}'}  {_bar(value)}")
    if prediction.interval:
        i = prediction.interval
        lines.append(f"  {i['level']:.0%} interval{'':<30}{i['low']:+.2f} .. {i['high']:+.2f}")
    parts = "  ".join(f"{k} {v:+.2f}" for k, v in prediction.contributions.items())
    lines += ["", f"  contributions  {parts}", "", f"  {sentence(prediction)}"]
    lines += [f"  {told}"] if (told := people.sentence(prediction)) else []
    lines += [f"  {told}" for told in (transfer(prediction), prompts(prediction)) if told]
    lines += [f"  {told}" for told in verdicts(prediction).values()]
    if prediction.transcript:
        lines += ["", f"  “{prediction.transcript}”"]
    if prediction.translation:
        lines += [f"  “{prediction.translation}”"]
    if told := line(prediction):
        lines.append(f"  {told}")
    lines += [f"  note: {n}" for n in prediction.notes]
    seconds = "  ".join(f"{k} {v:.2f}" for k, v in prediction.timings_s.items())
    return "\n".join([*lines, "", f"  seconds: {seconds}", f"  {DISCLAIMER}"])


def _bar(value: float | None) -> str:
    if value is None:
        return ""
    cells = ["·"] * 25
    cells[12] = "|"
    cells[round((value + SCORE_LIMIT) / (2 * SCORE_LIMIT) * 24)] = "●"
    return "".join(cells)
