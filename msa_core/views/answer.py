"""`Prediction` -> the answer panel of the page: sentence, three gauges, contributions, mechanism, words, seconds.

The structure of the panel does not change from one switch to the next, only numbers and styles do: the page
updates it in place, so the needles move instead of jumping.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

from msa_core.i18n import known, say
from msa_core.schema import MODALITIES, SCORE_LIMIT, Prediction
from msa_core.views import distillation, prompts, summary
from msa_core.views.clip import duration, timeline, transcript
from msa_core.views.parts import card, icon, meaning, method_name, percent, present, row, signed, span, tone

WELCOME = "Record yourself, upload a clip or choose an example: the answer appears here."
ARC = "M22 104 A78 78 0 0 1 178 104"  # the half circle of a gauge, from -3 to 3
INNER = "M36 104 A64 64 0 0 1 164 104"
TONES = ("neg3", "neg2", "neg1", "mid", "pos1", "pos2", "pos3")
GAUGES = ("complete_model_full", "complete_model_left", "missing_model_left")


def answer(prediction: Prediction | None, message: str = WELCOME) -> str:
    """The whole panel as HTML; without a prediction three empty gauges under `message` (an English text)."""
    if prediction is None:
        left, complete = say("with what is left"), say("Complete model")
        titles = [(complete, say("with everything")), (complete, left), (say("Missing-modality model"), left)]
        return _panel(escape(known(message)), [_gauge(title, what, None) for title, what in titles], "")
    rest = (
        f'<div class="mm-pair"><div class="mm-stack">{contributions(prediction)}{imagination(prediction)}'
        f"{distillation.distances(prediction)}{prompts.attention(prediction)}</div>"
        f"{mechanism(prediction)}</div>"
        f"{transcript(prediction)}{timeline(prediction)}"
    )
    seconds = prediction.timings_s.get("predict")
    took = "" if seconds is None else f"<span>{say('answered in {time}', time=duration(seconds))}</span>"
    foot = f"{took}<span>{download(prediction)}</span>"
    return _panel(escape(summary.sentence(prediction)), gauges_of(prediction), rest, foot)


def _panel(sentence: str, gauges: list[str], rest: str, foot: str = "") -> str:
    scale = "".join(f'<stop offset="{i / 6:.3f}" class="mm-stop-{t}"/>' for i, t in enumerate(TONES))
    return (
        f'<div class="mm mm-answer"><svg width="0" height="0" class="mm-defs" aria-hidden="true"><defs>'
        f'<linearGradient id="mm-scale">{scale}</linearGradient></defs></svg>'
        f'<p class="mm-verdict" aria-live="polite">{sentence}</p><div class="mm-gauges">{"".join(gauges)}</div>'
        f'<p class="mm-foot"><b>{known(summary.DISCLAIMER)}</b>{foot}</p>{rest}</div>'
    )


def gauges_of(prediction: Prediction) -> list[str]:
    """The three gauges: complete model with everything, with what is left, missing-modality model with what is left."""
    scores, left = prediction.scores, _what_is_left(prediction)
    imagined = [say("imagined text")] if prediction.text_source == "simulated" else []
    complete = _complete_model(prediction)
    titles = (
        (complete, say("with everything in the clip")),
        (complete, say("with what is left: {left}", left=" + ".join(left) or say("nothing"))),
        (method_name(prediction.method), say("with what is left: {left}", left=" + ".join(imagined + left))),
    )
    fulls = (None, scores["complete_model_full"], scores.get("missing_model_full"))
    gauges = []
    for (title, what), key, full in zip(titles, GAUGES, fulls, strict=True):
        note = _shift(scores[key], full)
        if shown := prediction.interval if key == GAUGES[2] else None:
            note.append(_interval(prediction, shown))
        gauges.append(_gauge(title, what, scores[key], full, shown, note, "mm-ours" if key == GAUGES[2] else ""))
    return gauges


def _complete_model(prediction: Prediction) -> str:
    """The complete model's name; a method with one of its own says what it is to it."""
    if "class_responses" in prediction.mechanism:
        return say("Complete model: the teacher")
    return say("Complete model: the backbone") if "prompt_weights" in prediction.mechanism else say("Complete model")


def _what_is_left(prediction: Prediction) -> list[str]:
    """Names of what the models see, with the share of frames where some are dropped."""
    lost = summary.dropped_frames(prediction)
    return [known(m) + (f" ({1 - lost[m]:.0%})" if m in lost else "") for m in present(prediction.modalities)]


def _interval(prediction: Prediction, interval: Mapping[str, float]) -> str:
    told = say(
        "{level:.0%} interval {low} to {high}",
        level=interval["level"],
        low=signed(interval["low"]),
        high=signed(interval["high"]),
    )
    return f"{told}<br>{say('calibrated without dropped frames')}" if summary.dropped_frames(prediction) else told


def _gauge(
    title: str,
    what: str,
    score: float | None,
    full: float | None = None,
    interval: Mapping[str, float] | None = None,
    note: Sequence[str] = (),
    css: str = "",
) -> str:
    """One gauge on [-3, 3]; a tick marks `full`, the model's own reading with everything.

    Title, what and note are HTML.
    """
    if score is None:
        number, words = "–", say("no answer")
        meter = f'role="img" aria-label="{title}, {what}: {words}"'
    else:
        number, words = signed(score), meaning(score)
        meter = (
            f'role="meter" aria-valuemin="-3" aria-valuemax="3" aria-valuenow="{score:.2f}" '
            f'aria-valuetext="{number}, {words}" aria-label="{title}, {what}"'
        )
    sign = tone(score) if score is not None else "none"
    return (
        f'<section class="mm-gauge {css}"><h3>{title}</h3><p class="mm-hint">{what}</p>'
        f'<div class="mm-dial" {meter}>{_dial(score, full, interval)}'
        f'<strong class="mm-number mm-{sign}">{number}</strong></div>'
        f'<p class="mm-words">{words}</p><p class="mm-note">{"<br>".join(note) or "&nbsp;"}</p></section>'
    )


def _shift(score: float | None, full: float | None) -> list[str]:
    if score is None or full is None:
        return []
    if abs(delta := score - full) < 0.005:
        return [say("same as with everything")]
    if delta > 0:
        return [say("{points:.2f} above its own full reading", points=delta)]
    return [say("{points:.2f} below its own full reading", points=-delta)]


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
        '<text x="22" y="121">−3</text><text x="100" y="11">0</text><text x="178" y="121">+3</text></svg>'
    )


def _angle(score: float) -> float:
    return round(1.8 * percent(score), 2)


def contributions(prediction: Prediction) -> str:
    """A waterfall from the training mean over each modality to the score (exact Shapley values)."""
    parts = prediction.contributions
    level = parts["base"]
    lines = [row(say("Training mean"), span(0.0, level, "mm-plain") + _step(level), signed(level), "mm-first")]
    for m in MODALITIES:
        label, value = f"{icon(m)}{known(m)}", parts[m]
        if prediction.modalities[m]["present"]:
            bar = span(level, level + value, f"mm-{tone(value)}") + _step(level + value)
            lines.append(row(label, bar, signed(value)))
        else:
            bar = f'<i class="mm-bar mm-hidden"></i>{_step(level + value)}'
            lines.append(row(label, bar, say("off"), "mm-off"))
        level += value
    lines.append(row(say("Score"), span(0.0, level, f"mm-{tone(level)}"), signed(level), "mm-sum"))
    hint = say(
        "Exact Shapley values: what each modality adds to {method}'s score. They sum to it.",
        method=method_name(prediction.method),
    )
    axis = '<div class="mm-axis" aria-hidden="true"><span>−3</span><span>0</span><span>+3</span></div>'
    body = f'<div class="mm-chart">{"".join(lines)}</div>{axis}'
    return card(say("What each modality contributes"), hint, body, "mm-parts")


def _step(level: float) -> str:
    """The line that carries the sum so far from one bar of the waterfall down to the next."""
    return f'<i class="mm-step" style="left:{percent(level)}%"></i>'


def mechanism(prediction: Prediction) -> str:
    """How the method came to it: signed gates and view weights, or what a student shares with its teacher."""
    facts, name = prediction.mechanism, method_name(prediction.method)
    title = say("Inside {method}", method=name)
    if body := distillation.inside(prediction):
        hint = say(
            "What {method}'s frozen teacher and its student make of this clip, each from what it sees.", method=name
        )
        return card(title, hint, body, "mm-mechanism")
    if body := prompts.inside(prediction):
        hint = say("Our reconstruction from the abstract of ProMMA (ICME 2026); its equations and code are not public.")
        return card(title, hint, body, "mm-mechanism")
    gates, views = facts.get("gates"), facts.get("view_weights")
    if isinstance(gates, Mapping):
        ordered = {m: gates[m] for m in MODALITIES if m in gates}
        body += f"<h4>{say('Modality gates')}</h4>{_weights(ordered, prediction)}"
    if isinstance(views, Mapping):
        body += f"<h4>{say('Seven views')}</h4>{_weights(views, prediction)}"
    hint = say(
        "Weights that {method} computed for this clip. They are signed: left of the line subtracts.", method=name
    )
    return card(title, hint, body or f"<p>{say('This method shows no inner weights.')}</p>", "mm-mechanism")


def _weights(values: Mapping[str, float], prediction: Prediction) -> str:
    """Signed weights on a common axis; a view is named by the modalities in it."""
    limit = max(1e-6, *(abs(v) for v in values.values()))
    lines = []
    for key, value in values.items():
        members = key.split("+")
        imagined = f" <em>{say('imagined')}</em>" if key in _imagined(prediction) else ""
        dots = "".join(f'<b class="{"on" if m in members else ""}"></b>' for m in MODALITIES)
        name = escape(" + ".join(known(m) for m in members))
        label = f'<span class="mm-dots" aria-hidden="true">{dots}</span>{name}{imagined}'
        lines.append(row(label, span(0.0, value, "mm-weight", -limit, limit), signed(value)))
    return f'<div class="mm-chart">{"".join(lines)}</div>'


def imagination(prediction: Prediction) -> str:
    """What stands in for what is missing, and how near the imagined text is to the real one (cosine)."""
    title, name, gone = say("What fills the gap"), method_name(prediction.method), _imagined(prediction)
    if verdicts := prompts.verdicts(prediction):
        return verdicts
    whole = all(state["present"] for state in prediction.modalities.values())
    if (substitute := prediction.mechanism.get("substitute")) and not whole:
        hint = say(
            "{method} imagines nothing and reads no text imagined from the voice: what is missing enters as "
            "{substitute}, and the student has learned to come near its teacher all the same.",
            method=name,
            substitute=escape(known(str(substitute))),
        )
        return card(title, hint, "", "mm-imagined")
    if not gone:
        hint = say("Nothing is missing, so nothing is filled in. Switch something off to see what takes its place.")
        return card(title, hint, "", "mm-imagined")
    lines = [row(f"{icon(m)}{known(m)}", _start_of(prediction, m), "", "mm-plain-row") for m in gone]
    similarity = prediction.mechanism.get("text_similarity")
    for key, label in (("before", say("likeness before")), ("after", say("likeness after"))):
        value = similarity.get(key) if isinstance(similarity, Mapping) else None
        if isinstance(value, float):
            lines.append(row(label, span(0.0, value, "mm-weight", -1.0, 1.0), signed(value)))
    hint = say(
        "{method} rebuilds what is missing from what is left (MIA). Likeness: cosine with your real text, before and "
        "after MIA.",
        method=name,
    )
    return card(title, hint, f'<div class="mm-chart">{"".join(lines)}</div>', "mm-imagined")


def _imagined(prediction: Prediction) -> list[str]:
    found = prediction.mechanism.get("imagined")
    return [m for m in MODALITIES if m in found] if isinstance(found, Sequence) else []


def _start_of(prediction: Prediction, modality: str) -> str:
    if modality == "text" and prediction.mechanism.get("text_simulated"):
        return say("starts from the voice")
    return say("starts from a learned placeholder")


def download(prediction: Prediction) -> str:
    """A link that saves the public JSON object; it is part of the page, so nothing is written on the server."""
    data = base64.b64encode(prediction.json_text().encode()).decode()
    return (
        f'<a class="mm-link" download="prediction.json" href="data:application/json;base64,{data}">'
        f"{say('Save all numbers (JSON)')}</a>"
    )
