"""A `Prediction` in words and lines, for a terminal and for the page's one-sentence summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import checkpoint, methods
from .errors import MsaError
from .schema import MODALITIES, SCORE_LIMIT, Prediction

DISCLAIMER = "A demonstration of a model's behaviour, not a measure of feelings."
EVIDENCE = checkpoint.ROOT / "evaluation" / "composite-evidence.json"  # written by `msa_core evidence`
ORDINARY = {"text": "words", "audio": "voice", "vision": "face"}


def method_name(method: str) -> str:
    """How a method is written for people; a checkpoint's name or folder is shown as it is."""
    return methods.METHODS[method].title if method in methods.METHODS else method


def sentence(prediction: Prediction) -> str:
    """What happened to the two models, in one plain sentence computed from the scores."""
    full, left, missing = (
        prediction.scores[k] for k in ("complete_model_full", "complete_model_left", "missing_model_left")
    )
    assert full is not None and left is not None and missing is not None
    method = method_name(prediction.method)
    if not prediction.dropped:
        whole = all(state["present"] for state in prediction.modalities.values())
        what = "With everything there" if whole else "With what the clip has"
        return f"{what}, the complete model says {full:+.1f} and {method} says {missing:+.1f}."
    return (
        f"Without {_gone(prediction)}, the complete model moves {_move(left - full)}; "
        f"{method} stays {abs(missing - full):.1f} from the full answer of {full:+.1f}."
    )


def transfer(prediction: Prediction) -> str | None:
    """What distillation transferred to this clip, in words computed from the numbers; None without a teacher."""
    distance, responses = (prediction.mechanism.get(k) for k in ("distance", "class_responses"))
    if not (isinstance(distance, Mapping) and isinstance(responses, Mapping)):
        return None
    lost, ours = distance["teacher_left"], distance["student"]
    full, left, student = (responses[k]["target"] for k in ("teacher_full", "teacher_left", "student"))
    if not prediction.dropped:
        return (
            f"Nothing is switched off: the student stands {ours:.1f} from its teacher (two different clips: "
            f"{distance['typical']:.1f}) and gives the teacher's class {student:.0%}; the teacher gives it {full:.0%}."
        )
    seen = (
        f"Without {_gone(prediction)}, the teacher drifts {lost:.1f} from its full answer and its class goes from "
        f"{full:.0%} to {left:.0%}; the student, who sees no more, is {ours:.1f} away and gives it {student:.0%}."
    )
    if lost < 1e-3:
        return f"{seen} The teacher does not move here, so there was nothing to save."
    if ours < lost:
        return f"{seen} Distillation saved {1 - ours / lost:.0%} of the drift."
    return f"{seen} On this clip distillation saved nothing of the drift."


def verdicts(prediction: Prediction) -> dict[str, str]:
    """What the evaluator decided on each missing modality and why, in words computed from its numbers."""
    evaluator = prediction.mechanism.get("evaluator")
    said = {}
    for m, facts in evaluator.items() if isinstance(evaluator, Mapping) else ():
        if facts is None:
            continue
        made = facts["decision"] == "generated"
        source = " from the voice" if m == "text" and prediction.mechanism.get("text_simulated") else ""
        moves = abs(facts["score_generated"] - facts["score_left_out"])
        sure, word = facts["confidence"], _sure(facts["confidence"])
        what = f"generated{source} – the estimate moves" if made else "not generated – the estimate would move"
        said[m] = f"{m}: {what} the score by {moves:.1f} with {word} confidence ({sure:.2f})"
        said[m] += _asked(facts)
    return said


def _asked(facts: Mapping[str, Any]) -> str:
    """The gate's side of a verdict."""
    if "worth" not in facts:
        return "; this variant never asks."
    asked = f"; importance {facts['importance']:.2f}, worth {facts['worth']:.2f}"
    if 0.001 < facts["threshold"] < 0.999:
        return f"{asked} against a threshold of {facts['threshold']:.2f}."
    rule = "always" if facts["threshold"] < 0.5 else "never"
    return f"{asked}; with just this left it is {rule} generated, which was best on validation data."


def prompts(prediction: Prediction) -> str | None:
    """Which modality the prompts count on, in words; None for a method without prompt weights."""
    now, full = (prediction.mechanism.get(k) for k in ("prompt_weights", "prompt_weights_full"))
    if not isinstance(now, Mapping):
        return None
    top = max(now, key=lambda m: now[m])
    said = f"The prompts count most on the {ORDINARY[top]} ({now[top]:.0%}"
    if not prediction.dropped or not isinstance(full, Mapping):
        return f"{said})."
    was = max(full, key=lambda m: full[m])
    if was == top:
        return f"{said}; with everything there {full[was]:.0%})."
    return f"{said}); with everything there it is the {ORDINARY[was]} ({full[was]:.0%})."


def evidence() -> str | None:
    """How far shown prompt weights follow what is known, read from the evaluation file; None when there is none."""
    if not EVIDENCE.is_file():
        return None
    result = json.loads(EVIDENCE.read_text())
    for row in result["rows"]:
        if (shown := row["truth"].get("prompt push")) is None or None in shown.values():
            continue
        control = row["truth"]["control: score / 3"]["conflict_top_1"]  # ties: the first, text
        test = row["model"]["prompt weights"]["deletion"]
        return (
            f"Do they mean anything? Where text, voice and face disagree ({result['conflict']} test clips of the "
            f"{result['corpus']} corpus) weight × lean names the modality that truly pushes most towards positive in "
            f"{shown['conflict_top_1']:.0%} (always naming the text: {control:.0%}); on clips whose parts were "
            f"paired anew its rank correlation with the truth is {shown['decorrelated']:.2f}. Without the modality of "
            f"the largest weight the score moves by {test['moves'][0]:.2f}, without that of the smallest by "
            f"{test['moves'][2]:.2f}."
        )
    return None


def _sure(confidence: float) -> str:
    return "low" if confidence < 1 / 3 else "medium" if confidence < 2 / 3 else "high"


def summary(prediction: Prediction) -> str:
    """The terminal's answer: scores, contributions, reasons and notes."""
    lines = [
        f"{prediction.clip}  ({prediction.duration_s:.1f} s, {method_name(prediction.method)}, scores in [-3, 3])",
        "",
    ]
    for m in MODALITIES:
        state = prediction.modalities[m]
        lines.append(f"  {m:<8}{'present' if state['present'] else 'missing: ' + str(state['reason'])}")
    if prediction.text_source == "simulated":
        lines.append("          text is simulated from the voice")
    labels = {
        "complete_model_full": "complete model, everything",
        "complete_model_left": "complete model, what is left",
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
    lines += [f"  {told}" for told in (transfer(prediction), prompts(prediction)) if told]
    lines += [f"  {told}" for told in verdicts(prediction).values()]
    if prediction.transcript:
        lines += ["", f"  “{prediction.transcript}”"]
    if prediction.translation:
        lines += [f"  “{prediction.translation}”"]
    lines += [f"  note: {n}" for n in prediction.notes]
    seconds = "  ".join(f"{k} {v:.2f}" for k, v in prediction.timings_s.items())
    return "\n".join([*lines, "", f"  seconds: {seconds}", f"  {DISCLAIMER}"])


def has_block(readme: Path, block: str) -> bool:
    """True when the file has a place for the block."""
    return readme.is_file() and f"<!-- {block}:begin -->" in readme.read_text()


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


def _gone(prediction: Prediction) -> str:
    return " and ".join(f"the {ORDINARY[m]}" for m in prediction.dropped)


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
