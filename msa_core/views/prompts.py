"""Prompts on the page: their weights, what they speak for, how alike they are, and what to generate and what not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from msa_core.i18n import known, say
from msa_core.schema import MODALITIES, Prediction
from msa_core.views import summary
from msa_core.views.clip import area
from msa_core.views.parts import card, icon, method_name, percent, present, row, signed, span

CELL = 12.0  # side of one cosine in the picture of likeness
GAP = 14.0  # between its three squares
LEFT, TOP = 22.0, 16.0  # room for its labels


def inside(prediction: Prediction) -> str:
    """Prompt weights, what each modality's prompts say, and likeness of prompts; "" for a method without prompts."""
    facts = prediction.mechanism
    if not isinstance(facts.get("prompt_weights"), Mapping):
        return ""
    return _weights(prediction) + _said(prediction) + _likeness(facts) + _evidence()


def _weights(prediction: Prediction) -> str:
    """Grouped bars: the weight of each modality with everything there, and with what is left."""
    facts = prediction.mechanism
    now, full, information = (facts.get(k) for k in ("prompt_weights", "prompt_weights_full", "prompt_information"))
    assert isinstance(now, Mapping) and isinstance(information, Mapping)
    full = full if isinstance(full, Mapping) else now
    rows = ""
    for m in MODALITIES:
        told = say(
            "{modality}: {full:.0%} with everything, {left:.0%} with what is left",
            modality=known(m),
            full=full[m],
            left=now[m],
        )
        bars = f'<i class="mm-by-teacher" style="width:{percent(full[m], 0, 1)}%"></i>'
        bars += f'<i class="mm-by-student" style="width:{percent(now[m], 0, 1)}%"></i>'
        bars = f'<span class="mm-three" role="img" aria-label="{told}" title="{told}">{bars}</span>'
        made = f" <em>{say('generated')}</em>" if m in _generated(facts) else ""
        rows += row(f"{icon(m)}{known(m)}{made}", bars, f"{100 * full[m]:.0f} · {100 * now[m]:.0f}", "mm-flat")
    legend = f'<li><b class="mm-by-teacher"></b>{say("everything in the clip")}</li>'
    legend += f'<li><b class="mm-by-student"></b>{say("what is left")}</li>'
    hint = say("percent; from the information that a modality's prompts find in it, and 0 for what is left out")
    return (
        f'<p class="mm-transfer">{escape(summary.prompts(prediction) or "")}</p>'
        f'<h4>{say("Prompt weights")} <small>({hint})</small></h4><ul class="mm-legend">{legend}</ul>'
        f'<div class="mm-chart">{rows}</div>'
    )


def _generated(facts: Mapping[str, Any]) -> Sequence[str]:
    found = facts.get("imagined")
    return found if isinstance(found, Sequence) else ()


def _said(prediction: Prediction) -> str:
    """Per modality the probability of each point of the scale, as its prompts read it, and where they push."""
    facts = prediction.mechanism
    posteriors, push = facts.get("prompt_posterior"), facts.get("prompt_push")
    assert isinstance(posteriors, Mapping) and isinstance(push, Mapping)
    rows = ""
    for m in MODALITIES:
        p = posteriors[m]
        if p is None:
            rows += row(f"{icon(m)}{known(m)}", "", say("left out"), "mm-flat mm-off")
            continue
        told = "; ".join(f"{point} {share:.0%}" for point, share in p.items())
        cells = "".join(f'<i style="height:{percent(share, 0, 1)}%"></i>' for share in p.values())
        cells = f'<span class="mm-points" role="img" aria-label="{told}" title="{told}">{cells}</span>'
        rows += row(f"{icon(m)}{known(m)}", cells, signed(push[m]), "mm-flat mm-tall")
    points = "".join(f"<span>{escape(point.replace('-', '−'))}</span>" for point in _points(posteriors))
    hint = say("which point of the scale each modality's prompts find in it; right: weight × lean")
    return (
        f'<h4>{say("What the prompts say")} <small>({hint})</small></h4><div class="mm-chart">{rows}</div>'
        f'<div class="mm-point-axis" aria-hidden="true">{points}</div>'
    )


def _points(posteriors: Mapping[str, Any]) -> list[str]:
    return next((list(p) for p in posteriors.values() if p is not None), [])


def _likeness(facts: Mapping[str, Any]) -> str:
    """Cosine of every shared prompt (rows) with every private one (columns), a square per modality."""
    similarity, points = facts["prompt_similarity"], _points(facts["prompt_posterior"])
    n = len(points)
    side = n * CELL
    drawn, own = "", []
    for k, m in enumerate(MODALITIES):
        left = LEFT + k * (side + GAP)
        drawn += f'<text x="{left + side / 2:.0f}" y="11" class="mm-tick-label">{known(m)}</text>'
        own += [similarity[m][i][i] for i in range(n)]
        for i in range(n):
            for j in range(n):
                value = similarity[m][i][j]
                css = "mm-alike" if value >= 0 else "mm-unlike"
                at = (
                    f'x="{left + j * CELL:.0f}" y="{TOP + i * CELL:.0f}" width="{CELL - 1:.0f}" height="{CELL - 1:.0f}"'
                )
                drawn += f'<rect class="{css}" {at} style="opacity:{max(0.05, min(1.0, abs(value))):.2f}">'
                told = say(
                    "shared {point}, {modality} {own}: {cosine:+.2f}",
                    point=points[i],
                    modality=known(m),
                    own=points[j],
                    cosine=value,
                )
                drawn += f"<title>{told}</title></rect>"
    for i in (0, n // 2, n - 1):
        label = points[i].replace("-", "−")
        drawn += f'<text x="{LEFT - 4:.0f}" y="{TOP + i * CELL + 9:.0f}" class="mm-tick-label mm-end">{label}</text>'
    width, height = LEFT + 3 * side + 2 * GAP, TOP + side
    mean = sum(own) / len(own)
    told = say("cosine of shared with private prompts; of the same point on average {mean:.2f}", mean=mean)
    hint = say(
        "rows: shared, columns: private; filled: alike, grey: opposed; a property of the model, not of this clip"
    )
    return (
        f"<h4>{say('From shared prompts to private ones')} <small>({hint})</small></h4>"
        f'<svg class="mm-matrix" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{told}">{drawn}</svg>'
    )


def _evidence() -> str:
    """How far these weights follow what is known, from the evaluation file."""
    said = summary.evidence()
    return f'<p class="mm-hint mm-evidence">{escape(said)}</p>' if said else ""


def verdicts(prediction: Prediction) -> str:
    """A card with the evaluator's verdict on every missing modality; "" for a method without an evaluator."""
    evaluator = prediction.mechanism.get("evaluator")
    if not isinstance(evaluator, Mapping):
        return ""
    title = say("Worth generating?")
    said = summary.verdicts(prediction)
    if not said:
        hint = say(
            "Nothing is missing, so there is nothing to generate. Switch something off to see the evaluator decide."
        )
        return card(title, hint, "", "mm-imagined")
    body = ""
    for m, sentence in said.items():
        facts = evaluator[m]
        made = facts["decision"] == "generated"
        body += f'<p class="mm-transfer">{escape(sentence)}</p><div class="mm-chart">'
        choices = (("score_generated", say("generated"), made), ("score_left_out", say("left out"), not made))
        for key, label, chosen in choices:
            name = f'<b title="{say("chosen")}">{label} ✓</b>' if chosen else label
            bar = span(0.0, facts[key], "mm-weight" if chosen else "mm-plain")
            body += row(name, bar, signed(facts[key]))
        body += "</div>"
    hint = say(
        "For each missing modality {method} weighs an estimate of it against none at all. "
        "The score under both choices:",
        method=method_name(prediction.method),
    )
    return card(title, hint, body, "mm-imagined")


def attention(prediction: Prediction) -> str:
    """A card with the attention over time with prompts and without; "" for other methods."""
    bare, own = (prediction.mechanism.get(k) for k in ("attention_without_prompts", "attention"))
    if not (isinstance(bare, Mapping) and isinstance(own, Mapping)):
        return ""
    length_s = max(prediction.duration_s, 1e-3)
    lanes = ""
    for m in present(prediction.modalities):
        lanes += _lane(m, say("without prompts"), bare.get(m, ()), length_s, f"{icon(m)}{known(m)}")
        lanes += _lane(m, _with_prompts(own.get(m, ())), own.get(m, ()), length_s)
    hint = say("Where self-attention looks over the clip, of the frozen backbone and with shared prompts joined to it.")
    title = say("Attention with and without prompts")
    return card(title, hint, f'<div class="mm-lanes">{lanes}</div>', "mm-attention")


def _with_prompts(pieces: Sequence[Mapping[str, Any]]) -> str:
    """What the lower lane is, with the share of its attention that goes to prompts instead of the clip."""
    if not pieces:
        return say("with prompts")
    on_clip = min(1.0, sum(float(p["weight"]) for p in pieces))
    return say("with prompts, {share:.0%} on prompts", share=1 - on_clip)


def _lane(m: str, what: str, pieces: Sequence[Mapping[str, Any]], length_s: float, label: str = "") -> str:
    return (
        f'<div class="mm-lane-row"><span class="mm-label">{label}</span><span class="mm-lane-body" role="img" '
        f'aria-label="{known(m)} {what}">{area(pieces, length_s)}<small>{what}</small></span></div>'
    )
