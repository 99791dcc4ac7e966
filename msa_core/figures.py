"""`Prediction` -> the answer panel of the page: sentence, three gauges, contributions, mechanism, words, seconds.

The structure of the panel does not change from one switch to the next, only numbers and styles do: the page
updates it in place, so the needles move instead of jumping.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape

from . import figures_distillation, figures_prompts, report
from .figures_clip import duration, timeline, transcript
from .figures_parts import card, icon, meaning, method_name, percent, present, row, signed, span, tone
from .schema import MODALITIES, SCORE_LIMIT, Prediction

WELCOME = "Record yourself, upload a clip or choose an example: the answer appears here."
ARC = "M22 104 A78 78 0 0 1 178 104"  # the half circle of a gauge, from -3 to 3
INNER = "M36 104 A64 64 0 0 1 164 104"
TONES = ("neg3", "neg2", "neg1", "mid", "pos1", "pos2", "pos3")
OWN_MODEL = {"class_responses": "teacher", "prompt_weights": "backbone"}  # of methods that have one
GAUGES = ("complete_model_full", "complete_model_left", "missing_model_left")


def answer(prediction: Prediction | None, message: str = WELCOME) -> str:
    """The whole panel as HTML; without a prediction three empty gauges under `message`."""
    if prediction is None:
        gauges = [_gauge(title, what, None) for title, what in _empty_titles()]
        return _panel(escape(message), gauges, "")
    rest = (
        f'<div class="mm-pair"><div class="mm-stack">{contributions(prediction)}{imagination(prediction)}'
        f"{figures_distillation.distances(prediction)}{figures_prompts.attention(prediction)}</div>"
        f"{mechanism(prediction)}</div>"
        f"{transcript(prediction)}{timeline(prediction)}"
    )
    took = (
        f"<span>answered in {duration(prediction.timings_s['predict'])}</span>"
        if "predict" in prediction.timings_s
        else ""
    )
    foot = f"{took}<span>{download(prediction)}</span>"
    return _panel(escape(report.sentence(prediction)), gauges_of(prediction), rest, foot)


def _panel(sentence: str, gauges: list[str], rest: str, foot: str = "") -> str:
    scale = "".join(f'<stop offset="{i / 6:.3f}" class="mm-stop-{t}"/>' for i, t in enumerate(TONES))
    return (
        f'<div class="mm mm-answer"><svg width="0" height="0" class="mm-defs" aria-hidden="true"><defs>'
        f'<linearGradient id="mm-scale">{scale}</linearGradient></defs></svg>'
        f'<p class="mm-verdict" aria-live="polite">{sentence}</p><div class="mm-gauges">{"".join(gauges)}</div>'
        f'<p class="mm-foot"><b>{report.DISCLAIMER}</b>{foot}</p>{rest}</div>'
    )


def _empty_titles() -> list[tuple[str, str]]:
    left = "with what is left"
    return [("Complete model", "with everything"), ("Complete model", left), ("Missing-modality model", left)]


def gauges_of(prediction: Prediction) -> list[str]:
    """The three gauges: complete model with everything, with what is left, missing-modality model with what is left."""
    scores, left = prediction.scores, _what_is_left(prediction)
    full = scores["complete_model_full"]
    imagined = "imagined text + " if prediction.text_source == "simulated" else ""
    complete = next((f"Complete model: the {what}" for key, what in OWN_MODEL.items() if key in prediction.mechanism),
                    "Complete model")  # fmt: skip
    titles = (
        (complete, "with everything in the clip"),
        (complete, f"with what is left: {left}"),
        (method_name(prediction.method), f"with what is left: {imagined}{left}"),
    )
    gauges = []
    for (title, what), key in zip(titles, GAUGES, strict=True):
        is_first, is_ours = key == GAUGES[0], key == GAUGES[2]
        gauges.append(_gauge(title, what, scores[key], None if is_first else full, prediction.interval, is_ours))
    return gauges


def _what_is_left(prediction: Prediction) -> str:
    return " + ".join(present(prediction.modalities)) or "nothing"


def _gauge(
    title: str,
    what: str,
    score: float | None,
    full: float | None = None,
    interval: Mapping[str, float] | None = None,
    is_ours: bool = False,
) -> str:
    """One gauge on [-3, 3]; a tick marks `full`, the reading with everything; the interval only on ours."""
    if score is None:
        number, words, meter = "–", "no answer", f'role="img" aria-label="{title}, {what}: no answer"'
    else:
        number, words = signed(score), meaning(score)
        meter = (
            f'role="meter" aria-valuemin="-3" aria-valuemax="3" aria-valuenow="{score:.2f}" '
            f'aria-valuetext="{number}, {words}" aria-label="{title}, {what}"'
        )
    shown = interval if is_ours and score is not None else None
    sign = tone(score) if score is not None else "none"
    return (
        f'<section class="mm-gauge {"mm-ours" if is_ours else ""}"><h3>{title}</h3><p class="mm-hint">{what}</p>'
        f'<div class="mm-dial" {meter}>{_dial(score, full, shown)}'
        f'<strong class="mm-number mm-{sign}">{number}</strong></div>'
        f'<p class="mm-words">{words}</p><p class="mm-note">{_gauge_note(score, full, shown)}</p></section>'
    )


def _gauge_note(score: float | None, full: float | None, interval: Mapping[str, float] | None) -> str:
    parts = []
    if score is not None and full is not None:
        parts.append(_shift(score - full))
    if interval is not None:
        parts.append(f"{interval['level']:.0%} interval {signed(interval['low'])} to {signed(interval['high'])}")
    return "<br>".join(parts) or "&nbsp;"


def _shift(delta: float) -> str:
    if abs(delta) < 0.005:
        return "same as with everything"
    return f"{abs(delta):.2f} {'above' if delta > 0 else 'below'} the full reading"


def _dial(score: float | None, full: float | None, interval: Mapping[str, float] | None) -> str:
    low, high = (interval["low"], interval["high"]) if interval else (0.0, 0.0)
    tick = "" if full is None else f'<path class="mm-tick" d="M12 104h20" style="transform:rotate({_angle(full)}deg)"/>'
    dot = "mm-dot" if score is not None else "mm-dot mm-hidden"
    return (
        '<svg viewBox="0 0 200 122" aria-hidden="true">'
        f'<path class="mm-arc" d="{ARC}"/>'
        f'<path class="mm-interval{"" if interval else " mm-hidden"}" d="{INNER}" pathLength="6" '
        f'style="stroke-dasharray:{max(0.0, high - low):.3f} 12;stroke-dashoffset:{-(low + SCORE_LIMIT):.3f}"/>'
        f'<g class="mm-ticks">{tick}</g>'
        f'<circle class="{dot}" cx="22" cy="104" r="9" style="transform:rotate({_angle(score or 0.0)}deg)"/>'
        '<text x="22" y="121">−3</text><text x="100" y="18">0</text><text x="178" y="121">+3</text></svg>'
    )


def _angle(score: float) -> float:
    return round(1.8 * percent(score), 2)


def contributions(prediction: Prediction) -> str:
    """A waterfall from the training mean over each modality to the score (exact Shapley values)."""
    parts = prediction.contributions
    level = parts["base"]
    lines = [row("Training mean", span(0.0, level, "mm-plain"), signed(level), "mm-first")]
    for m in MODALITIES:
        label, value = f"{icon(m)}{m}", parts[m]
        if prediction.modalities[m]["present"]:
            lines.append(row(label, span(level, level + value, f"mm-{tone(value)}"), signed(value)))
        else:
            lines.append(row(label, '<i class="mm-bar mm-hidden"></i>', "off", "mm-off"))
        level += value
    lines.append(row("Score", span(0.0, level, f"mm-{tone(level)}"), signed(level), "mm-sum"))
    hint = f"Exact Shapley values: what each modality adds to {method_name(prediction.method)}'s score. They sum to it."
    axis = '<div class="mm-axis" aria-hidden="true"><span>−3</span><span>0</span><span>+3</span></div>'
    body = f'<div class="mm-chart">{"".join(lines)}</div>{axis}'
    return card("What each modality contributes", hint, body, "mm-parts")


def mechanism(prediction: Prediction) -> str:
    """How the method came to it: signed gates and view weights, or what a student shares with its teacher."""
    facts, name = prediction.mechanism, method_name(prediction.method)
    body = figures_distillation.inside(prediction)
    hint = f"What {name}'s frozen teacher and its student make of this clip, each from what it sees."
    if body:
        return card(f"Inside {name}", hint, body, "mm-mechanism")
    body = figures_prompts.inside(prediction)
    if body:
        hint = "Our reconstruction from the abstract of ProMMA (ICME 2026); its equations and code are not public."
        return card(f"Inside {name}", hint, body, "mm-mechanism")
    gates, views = facts.get("gates"), facts.get("view_weights")
    if isinstance(gates, Mapping):
        body += f"<h4>Modality gates</h4>{_weights({m: gates[m] for m in MODALITIES if m in gates}, prediction)}"
    if isinstance(views, Mapping):
        body += f"<h4>Seven views</h4>{_weights(views, prediction)}"
    hint = f"Weights that {name} computed for this clip. They are signed: left of the line subtracts."
    return card(f"Inside {name}", hint, body or "<p>This method shows no inner weights.</p>", "mm-mechanism")


def _weights(values: Mapping[str, float], prediction: Prediction) -> str:
    """Signed weights on a common axis; a view is named by the modalities in it."""
    limit = max(1e-6, *(abs(v) for v in values.values()))
    lines = []
    for key, value in values.items():
        members = key.split("+")
        imagined = " <em>imagined</em>" if key in _imagined(prediction) else ""
        dots = "".join(f'<b class="{"on" if m in members else ""}"></b>' for m in MODALITIES)
        label = f'<span class="mm-dots" aria-hidden="true">{dots}</span>{escape(" + ".join(members))}{imagined}'
        lines.append(row(label, span(0.0, value, "mm-weight", -limit, limit), signed(value)))
    return f'<div class="mm-chart">{"".join(lines)}</div>'


def imagination(prediction: Prediction) -> str:
    """What stands in for what is missing, and how near the imagined text is to the real one (cosine)."""
    title, name, gone = "What fills the gap", method_name(prediction.method), _imagined(prediction)
    if verdicts := figures_prompts.verdicts(prediction):
        return verdicts
    whole = all(state["present"] for state in prediction.modalities.values())
    if (substitute := prediction.mechanism.get("substitute")) and not whole:
        hint = f"{name} imagines nothing and reads no text imagined from the voice: what is missing enters as "
        hint += f"{escape(str(substitute))}, and the student has learned to come near its teacher all the same."
        return card(title, hint, "", "mm-imagined")
    if not gone:
        hint = "Nothing is missing, so nothing is filled in. Switch something off to see what takes its place."
        return card(title, hint, "", "mm-imagined")
    lines = [row(f"{icon(m)}{m}", _start_of(prediction, m), "", "mm-plain-row") for m in gone]
    similarity = prediction.mechanism.get("text_similarity")
    for when in ("before", "after") if isinstance(similarity, Mapping) else ():
        if isinstance(value := similarity[when], float):  # type: ignore[index]
            lines.append(row(f"likeness {when}", span(0.0, value, "mm-weight", -1.0, 1.0), signed(value)))
    hint = f"{name} rebuilds what is missing from what is left (MIA). Likeness: cosine with your real text, by MIA."
    return card(title, hint, f'<div class="mm-chart">{"".join(lines)}</div>', "mm-imagined")


def _imagined(prediction: Prediction) -> list[str]:
    found = prediction.mechanism.get("imagined")
    return [m for m in MODALITIES if m in found] if isinstance(found, Sequence) else []


def _start_of(prediction: Prediction, modality: str) -> str:
    if modality == "text" and prediction.mechanism.get("text_simulated"):
        return "starts from the voice"
    return "starts from a learned placeholder"


def download(prediction: Prediction) -> str:
    """A link that saves the public JSON object; it is part of the page, so nothing is written on the server."""
    text = json.dumps(prediction.to_json(), ensure_ascii=False, allow_nan=False, indent=1)
    data = base64.b64encode(text.encode()).decode()
    return (
        f'<a class="mm-link" download="prediction.json" href="data:application/json;base64,{data}">'
        "Save all numbers (JSON)</a>"
    )
