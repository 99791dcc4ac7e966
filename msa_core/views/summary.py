"""A prediction in sentences, for the page, the report and the terminal.

Sentences are written in the active language (`i18n`); the terminal speaks English.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msa_core import checkpoint
from msa_core.i18n import known, say
from msa_core.schema import Prediction
from msa_core.views.parts import method_title, signed

DISCLAIMER = "A demonstration of a model's behaviour, not a measure of feelings."
LIKENESS = checkpoint.ROOT / "evaluation" / "composite-likeness.json"  # written by `msa_core likeness`
EVIDENCE = checkpoint.ROOT / "evaluation" / "composite-evidence.json"  # written by `msa_core evidence`
ORDINARY = {"text": "words", "audio": "voice", "vision": "face"}


def sentence(prediction: Prediction) -> str:
    """Sum up both models in one plain sentence computed from the scores.

    Each model's move is against its own full answer: to every modality, every frame and the words as they were heard,
    also when the words were edited. So what an edit does is part of the move.
    """
    scores = {key: value for key, value in prediction.scores.items() if value is not None}
    full, method = scores["complete_model_full"], method_title(prediction.method)
    if (why := cause(prediction)) is not None:
        return say(
            "{cause}, the complete model {moves}; {method} {does}.",
            cause=why,
            moves=_move(scores["complete_model_left"] - full),
            method=method,
            does=_move(scores["missing_model_left"] - scores["missing_model_full"]),
        )
    said = {"full": signed(full), "method": method, "missing": signed(scores["missing_model_left"])}
    if all(state["present"] for state in prediction.modalities.values()):
        return say("With everything on, the complete model scores {full} and {method} {missing}.", **said)
    return say("With all the clip has, the complete model scores {full} and {method} {missing}.", **said)


def dropped_frames(prediction: Prediction) -> dict[str, float]:
    """Look up the share of dropped frames of the present modalities that lost some."""
    return {
        m: rate for m, rate in prediction.frame_missing_rate.items() if rate and prediction.modalities[m]["present"]
    }


def cause(prediction: Prediction) -> str | None:
    """Name what was taken from the models as the beginning of a sentence; None when nothing was.

    A modality that the clip never had is no cause, although its switch may stand on off.
    """
    off = [m for m in prediction.dropped if str(prediction.modalities[m]["reason"]).startswith("switched off")]
    names = [known(ORDINARY[m]) for m in off]
    parts = [say("without your {one}", one=names[0])] if len(names) == 1 else []
    if len(names) > 1:
        parts = [say("without your {one} and your {other}", one=names[0], other=names[1])]
    for m, rate in dropped_frames(prediction).items():
        if m == "text":
            parts.append(say("with {rate:.0%} of your words dropped", rate=rate))
        else:
            parts.append(say("with {rate:.0%} of your {one}'s frames dropped", rate=rate, one=known(ORDINARY[m])))
    if "text" not in off:
        n = sum(w.struck for w in prediction.words)
        parts += [say("with the words edited")] if prediction.edited else []
        parts += [say("with 1 word struck out") if n == 1 else say("with {n} words struck out", n=n)] if n else []
    told = say(" and ").join(parts)
    return told[:1].upper() + told[1:] if told else None


def transfer(prediction: Prediction) -> str | None:
    """Sum up what distillation transferred on this clip; None without a teacher."""
    distance, responses = (prediction.mechanism.get(k) for k in ("distance", "class_responses"))
    if not (isinstance(distance, Mapping) and isinstance(responses, Mapping)):
        return None
    lost, ours = distance["teacher_left"], distance["student"]
    full, left, student = (responses[k]["target"] for k in ("teacher_full", "teacher_left", "student"))
    why = cause(prediction)
    if why is None:
        return say(
            "Nothing is switched off: the student is {ours:.1f} away from its teacher (two different "
            "clips: {typical:.1f}) and gives the teacher's class {student:.0%}; the teacher gives it "
            "{full:.0%}.",
            ours=ours,
            typical=distance["typical"],
            student=student,
            full=full,
        )
    seen = say(
        "{cause}, the teacher shifts by {lost:.1f} from its full answer, and the probability of its "
        "class goes from {full:.0%} to {left:.0%}; the student, which sees no more, is {ours:.1f} "
        "away and gives that class {student:.0%}.",
        cause=why,
        lost=lost,
        full=full,
        left=left,
        ours=ours,
        student=student,
    )
    if lost < 1e-3:
        return say(
            "{said} {more}", said=seen, more=say("The teacher does not shift here, so there was nothing to recover.")
        )
    if ours < lost:
        return say(
            "{said} {more}",
            said=seen,
            more=say("Distillation recovered {share:.0%} of the shift.", share=1 - ours / lost),
        )
    return say("{said} {more}", said=seen, more=say("On this clip distillation recovered none of the shift."))


def verdicts(prediction: Prediction) -> dict[str, str]:
    """Put the evaluator's decision on each missing modality into words, with its numbers."""
    evaluator = prediction.mechanism.get("evaluator")
    said = {}
    for m, facts in evaluator.items() if isinstance(evaluator, Mapping) else ():
        if facts is None:
            continue
        values: dict[str, Any] = {
            "modality": known(m),
            "moves": abs(facts["score_generated"] - facts["score_left_out"]),
            "word": _sure(facts["confidence"]),
            "sure": facts["confidence"],
            "more": _asked(facts),
        }
        if facts["decision"] != "generated":
            said[m] = say(
                "{modality}: not generated – the estimate would move the score by {moves:.1f} with {word} confidence "
                "({sure:.2f}){more}",
                **values,
            )
        elif m == "text" and prediction.mechanism.get("text_simulated"):
            said[m] = say(
                "{modality}: generated from the voice – the estimate moves the score by {moves:.1f} with {word} "
                "confidence ({sure:.2f}){more}",
                **values,
            )
        else:
            said[m] = say(
                "{modality}: generated – the estimate moves the score by {moves:.1f} with {word} confidence "
                "({sure:.2f}){more}",
                **values,
            )
    return said


def _asked(facts: Mapping[str, Any]) -> str:
    """The gate's side of a verdict."""
    if "worth" not in facts:
        return say("; this variant does not consult the evaluator.")
    values = {k: facts[k] for k in ("importance", "worth", "threshold")}
    if 0.001 < facts["threshold"] < 0.999:
        return say("; importance {importance:.2f}, worth {worth:.2f} against a threshold of {threshold:.2f}.", **values)
    del values["threshold"]
    if facts["threshold"] < 0.5:
        return say(
            "; importance {importance:.2f}, worth {worth:.2f}; with only this left it is always "
            "generated, which was best on the validation data.",
            **values,
        )
    return say(
        "; importance {importance:.2f}, worth {worth:.2f}; with only this left it is never generated,"
        " which was best on the validation data.",
        **values,
    )


def prompts(prediction: Prediction) -> str | None:
    """Name the modality that the prompts rely on most; None for a method without prompt weights."""
    now, full = (prediction.mechanism.get(k) for k in ("prompt_weights", "prompt_weights_full"))
    if not isinstance(now, Mapping):
        return None
    top = max(now, key=lambda m: now[m])
    values = {"what": known(ORDINARY[top]), "share": now[top]}
    if cause(prediction) is None or not isinstance(full, Mapping):
        return say("The prompts rely most on the {what} ({share:.0%}).", **values)
    was = max(full, key=lambda m: full[m])
    values["full"] = full[was]
    if was == top:
        return say("The prompts rely most on the {what} ({share:.0%}; with everything on {full:.0%}).", **values)
    return say(
        "The prompts rely most on the {what} ({share:.0%}); with everything on, it is the {other} ({full:.0%}).",
        other=known(ORDINARY[was]),
        **values,
    )


def evidence() -> str | None:
    """Sum up the evaluation of the prompt weights from its file; None when there is none."""
    if not EVIDENCE.is_file():
        return None
    result = json.loads(EVIDENCE.read_text())
    for row in result["rows"]:
        if (shown := row["truth"].get("prompt push")) is None or None in shown.values():
            continue
        control = row["truth"]["control: score / 3"]["conflict_top_1"]  # ties: the first, text
        test = row["model"]["prompt weights"]["deletion"]
        return say(
            "Are these weights meaningful? Where text, voice and face disagree ({n} test clips of the "
            "{corpus} corpus), weight × lean names the modality that truly pushes most towards positive "
            "in {found:.0%} of clips (always naming the text: {control:.0%}); on clips whose parts were "
            "re-paired its rank correlation with the truth is {correlation:.2f}. Removing the modality "
            "with the largest weight moves the score by {largest:.2f}, removing the one with the smallest"
            " by {smallest:.2f}.",
            n=result["conflict"],
            corpus=result["corpus"],
            found=shown["conflict_top_1"],
            control=control,
            correlation=shown["decorrelated"],
            largest=test["moves"][0],
            smallest=test["moves"][2],
        )
    return None


def gates_evidence() -> str | None:
    """Say how little gates tell of contributions, as evaluated; None when no evaluation has measured it."""
    if not EVIDENCE.is_file():
        return None
    result = json.loads(EVIDENCE.read_text())
    for row in result["rows"]:
        names = ("modality gates", "Shapley values", "Shapley values, text simulated")
        ours, bare, shown = (row["truth"].get(k, {}).get("natural") for k in names)
        exact = bare if shown is None else shown  # as the page shows them
        if ours is None or exact is None:
            continue
        return say(
            "Gates are not contributions: on {n} test clips their rank correlation with what each modality truly adds "
            "is {gates:.2f}, that of the exact contributions {exact:.2f}.",
            n=f"{result['n']:,}",
            gates=ours,
            exact=exact,
        )
    return None


def likeness() -> str | None:
    """Say what MIA does to the likeness of simulated text to the real one, as measured; None where it was not."""
    if not LIKENESS.is_file():
        return None
    rows = json.loads(LIKENESS.read_text())["rows"]
    row = next((r for r in rows if r["split"] == "test" and r["pattern"] == "audio"), None)
    if row is None:
        return None
    values = {"n": f"{row['n']:,}", "before": row["before"], "after": row["after"]}
    high = row["change"][2]
    if high is not None and high < 0:
        return say(
            "On {n} test clips with the voice alone, MIA takes the mean cosine to the real text from {before:.2f} to "
            "{after:.2f}: it was trained for the score and moves the text away from the real one.",
            **values,
        )
    return say(
        "On {n} test clips with the voice alone, MIA takes the mean cosine to the real text from {before:.2f} to "
        "{after:.2f}.",
        **values,
    )


def _sure(confidence: float) -> str:
    if confidence < 1 / 3:
        return say("low")
    return say("medium") if confidence < 2 / 3 else say("high")


def _move(delta: float) -> str:
    """Write a model's move so that it can follow its name in a sentence."""
    if abs(delta) < 0.05:
        return say("hardly moves")
    if delta > 0:
        return say("moves {points:.1f} towards positive", points=delta)
    return say("moves {points:.1f} towards negative", points=-delta)
