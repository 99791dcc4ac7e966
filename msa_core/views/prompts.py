"""Prompts on the page: their weights, what they say, how similar they are, and what the evaluator generates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from msa_core.i18n import known, say
from msa_core.schema import MODALITIES, Prediction
from msa_core.views import summary
from msa_core.views.clip import area
from msa_core.views.parts import card, icon, method_title, present
from msa_core.views.template import render

CELL = 12.0  # side of one cosine in the picture of similarities
GAP = 14.0  # between its three squares
LEFT, TOP = 22.0, 16.0  # room for its labels


def hint(method: str) -> str:
    """Say that the method is a reconstruction."""
    return say("Our reconstruction from the abstract of ProMMA (ICME 2026); its equations and code are not public.")


def inside(prediction: Prediction) -> Markup:
    """Draw prompt weights, what each modality's prompts say, and similarity of prompts; "" without prompts."""
    facts = prediction.mechanism
    now, full = facts.get("prompt_weights"), facts.get("prompt_weights_full")
    posteriors, push = facts.get("prompt_posterior"), facts.get("prompt_push")
    if not (isinstance(now, Mapping) and isinstance(posteriors, Mapping) and isinstance(push, Mapping)):
        return Markup("")
    full = full if isinstance(full, Mapping) else now
    return render(
        "prompts",
        summary=summary.prompts(prediction) or "",
        weights=[(m, full[m], now[m], m in _generated(facts)) for m in MODALITIES],
        posteriors=[(m, posteriors[m], push[m]) for m in MODALITIES],
        points=_points(posteriors),
        similarity=Markup(_similarity(facts)),
        evidence=summary.evidence(),
    )


def _generated(facts: Mapping[str, Any]) -> Sequence[str]:
    found = facts.get("imagined")
    return found if isinstance(found, Sequence) else ()


def _points(posteriors: Mapping[str, Any]) -> list[str]:
    return next((list(p) for p in posteriors.values() if p is not None), [])


def _similarity(facts: Mapping[str, Any]) -> str:
    """Draw the cosine of every shared prompt (rows) with every private one (columns), a square per modality."""
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
        "rows: shared, columns: private; filled: similar, grey: opposite; a property of the model, not of this clip"
    )
    return (
        f"<h4>{say('Similarity of shared and private prompts')} <small>({hint})</small></h4>"
        f'<svg class="mm-matrix" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{told}">{drawn}</svg>'
    )


def verdicts(prediction: Prediction) -> Markup:
    """Draw a card with the evaluator's verdict on every missing modality; "" for a method without an evaluator."""
    evaluator = prediction.mechanism.get("evaluator")
    if not isinstance(evaluator, Mapping):
        return Markup("")
    said = [(sentence, evaluator[m]) for m, sentence in summary.verdicts(prediction).items()]
    return render("verdicts", method=method_title(prediction.method), said=said)


def attention(prediction: Prediction) -> str:
    """Draw a card with the attention over time with prompts and without; "" for other methods."""
    bare, own = (prediction.mechanism.get(k) for k in ("attention_without_prompts", "attention"))
    if not (isinstance(bare, Mapping) and isinstance(own, Mapping)):
        return ""
    length_s = max(prediction.duration_s, 1e-3)
    lanes = ""
    for m in present(prediction.modalities):
        lanes += _lane(m, say("without prompts"), bare.get(m, ()), length_s, f"{icon(m)}{known(m)}")
        lanes += _lane(m, _with_prompts(own.get(m, ())), own.get(m, ()), length_s)
    hint = say(
        "Where self-attention looks in the clip: in the frozen backbone, and with the shared prompts added to it."
    )
    title = say("Attention with and without prompts")
    return card(title, hint, f'<div class="mm-lanes">{lanes}</div>', "mm-attention")


def _with_prompts(pieces: Sequence[Mapping[str, Any]]) -> str:
    """Name the lower lane, with the share of its attention that goes to prompts instead of the clip."""
    if not pieces:
        return say("with prompts")
    on_clip = min(1.0, sum(float(p["weight"]) for p in pieces))
    return say("with prompts, {share:.0%} on prompts", share=1 - on_clip)


def _lane(m: str, what: str, pieces: Sequence[Mapping[str, Any]], length_s: float, label: str = "") -> str:
    return (
        f'<div class="mm-lane-row"><span class="mm-label">{label}</span><span class="mm-lane-body" role="img" '
        f'aria-label="{known(m)} {what}">{area(pieces, length_s)}<small>{what}</small></span></div>'
    )
