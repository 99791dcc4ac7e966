"""Description of one clip by ProMMA in plain numbers (symbols as in promma/model.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msa_core.methods.base import Displayed, Mechanism
from msa_core.methods.promma.answers import column_of, situation_of
from msa_core.methods.promma.config import ProMMAConfig
from msa_core.methods.promma.modules import Weighting
from msa_core.schema import MODALITIES, Output


class _Choices(TypedDict):
    """Decision on one missing modality ("generated" or "left out"), and the score under both choices."""

    decision: str
    confidence: float
    score_generated: float
    score_left_out: float


class Verdict(_Choices, total=False):
    """Verdict of MME on one missing modality; with an evaluator also its importance, worth and threshold.

    importance: |f0(O, m^) - f0(O)|. worth: sigmoid of the gate. It is generated where the worth is above the threshold.
    """

    importance: float
    worth: float
    threshold: float


class ProMMAMechanism(Mechanism, total=False):
    """Mechanism of ProMMA for one clip; the backbone alone has the attention only.

    attention_without_prompts: of the frozen backbone, when it is given.
    prompt_weights: w per modality, they sum to one. prompt_weights_full: of the row with everything observed.
    prompt_information: I in nats. prompt_lean: mean place on the scale that the prompts speak for, minus the prior's.
    prompt_push: weight times lean. prompt_posterior: p(l | o) per point of the scale.
    evaluator: MME's verdict on each missing modality, None for the others; None without a generator.
    imagined: the generated modalities. text_simulated: generated text started from simulated text.
    prompt_similarity: per modality, cosines of shared (rows) with private prompts (columns).
    """

    attention_without_prompts: dict[str, list[float]]
    prompt_weights: dict[str, float]
    prompt_weights_full: dict[str, float] | None
    prompt_information: dict[str, float]
    prompt_lean: dict[str, float | None]
    prompt_push: dict[str, float]
    prompt_posterior: dict[str, dict[str, float] | None]
    evaluator: dict[str, Verdict | None] | None
    imagined: list[str]
    text_simulated: bool
    prompt_similarity: dict[str, list[list[float]]]


class PromptedModel(Protocol):
    """The parts of ProMMA that are read here (see promma/model.py)."""

    config: ProMMAConfig
    shared: nn.Parameter
    weigh: Weighting
    threshold: Tensor

    def displayed(self, output: Output) -> dict[str, Displayed]:
        """Return numbers per modality, by name."""


def describe(
    model: PromptedModel, output: Output, row: int, real: int | None = None, teacher: Output | None = None
) -> ProMMAMechanism:
    """Describe one row of an answer.

    Args:
        real: the row of the same clip with everything observed.
        teacher: answer of the frozen backbone to everything (row 0) and to what is left (row 1).
    """
    trace = output.trace
    facts: ProMMAMechanism = {"attention": {m: trace[f"attention_{m}"][row].tolist() for m in MODALITIES}}
    if not model.config.prompted:
        return facts
    if teacher is not None:
        facts["attention_without_prompts"] = {m: teacher.trace[f"attention_{m}"][1].tolist() for m in MODALITIES}
    numbered = {m: i for i, m in enumerate(MODALITIES)}
    taking_part = trace["real"][row] | trace["generated"][row]  # (3,)
    lean = model.weigh.lean(trace["log_posterior"][row])  # (3,)
    asks = model.config.generate != "never"
    similar = F.cosine_similarity(model.shared[None, :, None], trace["private"][row][:, None], dim=-1)  # (3, L, L)
    return {
        **facts,
        "prompt_weights": _named(trace["weights"][row]),
        "prompt_weights_full": None if real is None else _named(trace["weights"][real]),
        "prompt_information": _named(trace["information"][row]),
        "prompt_lean": {m: float(lean[i]) if taking_part[i] else None for m, i in numbered.items()},
        "prompt_push": _named(model.displayed(output)["prompt push"].values[row]),
        "prompt_posterior": _posteriors(model.weigh, trace["log_posterior"][row], taking_part),
        "evaluator": {m: _verdict(model, trace, row, i) for m, i in numbered.items()} if asks else None,
        "imagined": [m for m, i in numbered.items() if trace["generated"][row, i]],
        "text_simulated": bool("simulated" in trace and trace["simulated"][row] and trace["generated"][row, 0]),
        "prompt_similarity": dict(zip(MODALITIES, similar.tolist(), strict=True)),
    }


def _named(values: Tensor) -> dict[str, float]:
    """Name numbers (3,) by modality."""
    return dict(zip(MODALITIES, values.tolist(), strict=True))


def _posteriors(weigh: Weighting, log_posterior: Tensor, taking_part: Tensor) -> dict[str, dict[str, float] | None]:
    """Name p(l | o) (3, L) by modality and point of the scale; None for a modality that takes no part (3,)."""
    points = [f"{p:+g}" if abs(p) > 1e-6 else "0" for p in weigh.places.tolist()]
    posterior = log_posterior.exp().tolist()
    return {
        m: dict(zip(points, posterior[i], strict=True)) if taking_part[i] else None for i, m in enumerate(MODALITIES)
    }


def _verdict(model: PromptedModel, trace: Mapping[str, Tensor], row: int, i: int) -> Verdict | None:
    """Describe MME's decision on modality i; None when it is not missing."""
    if not trace["missing"][row, i]:
        return None
    both = trace["generated"][row].repeat(2, 1)  # what is generated with modality i, and without it (2, 3)
    both[0, i], both[1, i] = True, False
    score_generated, score_left_out = trace["answers"][row, column_of(both)].tolist()
    facts: Verdict = {
        "decision": "generated" if trace["generated"][row, i] else "left out",
        "confidence": float(trace["confidence"][row, i]),
        "score_generated": score_generated,
        "score_left_out": score_left_out,
    }
    if model.config.generate == "evaluate":
        threshold = model.threshold[situation_of(*(trace[k][row : row + 1] for k in ("real", "simulated")))][0, i]
        facts["importance"] = float(trace["importance"][row, i])
        facts["worth"] = float(torch.sigmoid(trace["gate"][row, i]))
        facts["threshold"] = float(torch.sigmoid(threshold))
    return facts
