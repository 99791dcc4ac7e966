"""Prompts on the page: their weights, what they speak for, how alike they are, and what to generate and what not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from . import report
from .figures_clip import area
from .figures_parts import card, icon, method_name, percent, present, row, signed, span
from .schema import MODALITIES, Prediction

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
        told = f"{m}: {full[m]:.0%} with everything, {now[m]:.0%} with what is left"
        bars = f'<i class="mm-by-teacher" style="width:{percent(full[m], 0, 1)}%"></i>'
        bars += f'<i class="mm-by-student" style="width:{percent(now[m], 0, 1)}%"></i>'
        bars = f'<span class="mm-three" role="img" aria-label="{told}" title="{told}">{bars}</span>'
        made = " <em>generated</em>" if m in _generated(facts) else ""
        rows += row(f"{icon(m)}{m}{made}", bars, f"{100 * full[m]:.0f} · {100 * now[m]:.0f}", "mm-flat")
    legend = (
        '<li><b class="mm-by-teacher"></b>everything in the clip</li><li><b class="mm-by-student"></b>what is left</li>'
    )
    hint = "percent; from the information that a modality's prompts find in it, and 0 for what is left out"
    return (
        f'<p class="mm-transfer">{escape(report.prompts(prediction) or "")}</p>'
        f'<h4>Prompt weights <small>({hint})</small></h4><ul class="mm-legend">{legend}</ul>'
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
            rows += row(f"{icon(m)}{m}", "", "left out", "mm-flat mm-off")
            continue
        told = "; ".join(f"{point} {share:.0%}" for point, share in p.items())
        cells = "".join(f'<i style="height:{percent(share, 0, 1)}%"></i>' for share in p.values())
        cells = f'<span class="mm-points" role="img" aria-label="{told}" title="{told}">{cells}</span>'
        rows += row(f"{icon(m)}{m}", cells, signed(push[m]), "mm-flat mm-tall")
    points = "".join(f"<span>{escape(point.replace('-', '−'))}</span>" for point in _points(posteriors))
    hint = "which point of the scale each modality's prompts find in it; right: weight × lean"
    return (
        f'<h4>What the prompts say <small>({hint})</small></h4><div class="mm-chart">{rows}</div>'
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
        drawn += f'<text x="{left + side / 2:.0f}" y="11" class="mm-tick-label">{m}</text>'
        own += [similarity[m][i][i] for i in range(n)]
        for i in range(n):
            for j in range(n):
                value = similarity[m][i][j]
                css = "mm-alike" if value >= 0 else "mm-unlike"
                at = (
                    f'x="{left + j * CELL:.0f}" y="{TOP + i * CELL:.0f}" width="{CELL - 1:.0f}" height="{CELL - 1:.0f}"'
                )
                drawn += f'<rect class="{css}" {at} style="opacity:{max(0.05, min(1.0, abs(value))):.2f}">'
                drawn += f"<title>shared {points[i]}, {m} {points[j]}: {value:+.2f}</title></rect>"
    for i in (0, n // 2, n - 1):
        label = points[i].replace("-", "−")
        drawn += f'<text x="{LEFT - 4:.0f}" y="{TOP + i * CELL + 9:.0f}" class="mm-tick-label mm-end">{label}</text>'
    width, height = LEFT + 3 * side + 2 * GAP, TOP + side
    told = f"cosine of shared with private prompts; of the same point on average {sum(own) / len(own):.2f}"
    hint = "rows: shared, columns: private; filled: alike, grey: opposed; a property of the model, not of this clip"
    return (
        f"<h4>From shared prompts to private ones <small>({hint})</small></h4>"
        f'<svg class="mm-matrix" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{told}">{drawn}</svg>'
    )


def _evidence() -> str:
    """How far these weights follow what is known, from the evaluation file."""
    said = report.evidence()
    return f'<p class="mm-hint mm-evidence">{escape(said)}</p>' if said else ""


def verdicts(prediction: Prediction) -> str:
    """A card with the evaluator's verdict on every missing modality; "" for a method without an evaluator."""
    evaluator = prediction.mechanism.get("evaluator")
    if not isinstance(evaluator, Mapping):
        return ""
    title = "Worth generating?"
    said = report.verdicts(prediction)
    if not said:
        hint = "Nothing is missing, so there is nothing to generate. Switch something off to see the evaluator decide."
        return card(title, hint, "", "mm-imagined")
    body = ""
    for m, sentence in said.items():
        facts = evaluator[m]
        made = facts["decision"] == "generated"
        body += f'<p class="mm-transfer">{escape(sentence)}</p><div class="mm-chart">'
        for key, label, chosen in (("score_generated", "generated", made), ("score_left_out", "left out", not made)):
            name = f'<b title="chosen">{label} ✓</b>' if chosen else label
            bar = span(0.0, facts[key], "mm-weight" if chosen else "mm-plain")
            body += row(name, bar, signed(facts[key]))
        body += "</div>"
    hint = f"For each missing modality {method_name(prediction.method)} weighs an estimate of it against none at all. "
    hint += "The score under both choices:"
    return card(title, hint, body, "mm-imagined")


def attention(prediction: Prediction) -> str:
    """A card with the attention over time with prompts and without; "" for other methods."""
    bare, own = (prediction.mechanism.get(k) for k in ("attention_without_prompts", "attention"))
    if not (isinstance(bare, Mapping) and isinstance(own, Mapping)):
        return ""
    length_s = max(prediction.duration_s, 1e-3)
    lanes = ""
    for m in present(prediction.modalities):
        for what, pieces in (("without prompts", bare.get(m, ())), ("with prompts", own.get(m, ()))):
            weights = [float(p["weight"]) for p in pieces]
            share = f", {1 - min(1.0, sum(weights)):.0%} on prompts" if what == "with prompts" and weights else ""
            label = f"{icon(m)}{m}" if what == "without prompts" else ""
            lanes += (
                f'<div class="mm-lane-row"><span class="mm-label">{label}</span><span class="mm-lane-body" role="img" '
                f'aria-label="{m} {what}{share}">{area(pieces, length_s)}<small>{what}{share}</small></span></div>'
            )
    hint = "Where self-attention looks over the clip, of the frozen backbone and with shared prompts joined to it."
    return card("Attention with and without prompts", hint, f'<div class="mm-lanes">{lanes}</div>', "mm-attention")
