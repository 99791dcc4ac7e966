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
    # Tensors of one clip are small: each is read once, as plain numbers.
    real_here, generated = trace["real"][row].tolist(), trace["generated"][row].tolist()
    taking_part = [a or b for a, b in zip(real_here, generated, strict=True)]
    lean = model.weigh.lean(trace["log_posterior"][row]).tolist()
    asks = model.config.generate != "never"
    similar = F.cosine_similarity(model.shared[None, :, None], trace["private"][row][:, None], dim=-1)  # (3, L, L)
    return {
        **facts,
        "prompt_weights": _named(trace["weights"][row]),
        "prompt_weights_full": None if real is None else _named(trace["weights"][real]),
        "prompt_information": _named(trace["information"][row]),
        "prompt_lean": {m: lean[i] if taking_part[i] else None for i, m in enumerate(MODALITIES)},
        "prompt_push": _named(model.displayed(output)["prompt push"].values[row]),
        "prompt_posterior": _posteriors(model.weigh, trace["log_posterior"][row], taking_part),
        "evaluator": _verdicts(model, trace, row, generated) if asks else None,
        "imagined": [m for i, m in enumerate(MODALITIES) if generated[i]],
        "text_simulated": bool("simulated" in trace and generated[0] and trace["simulated"][row]),
        "prompt_similarity": dict(zip(MODALITIES, similar.tolist(), strict=True)),
    }


def _named(values: Tensor) -> dict[str, float]:
    """Name numbers (3,) by modality."""
    return dict(zip(MODALITIES, values.tolist(), strict=True))


def _posteriors(weigh: Weighting, log_posterior: Tensor, taking_part: list[bool]) -> dict[str, dict[str, float] | None]:
    """Name p(l | o) (3, L) by modality and point of the scale; None for a modality that takes no part."""
    points = [f"{p:+g}" if abs(p) > 1e-6 else "0" for p in weigh.places.tolist()]
    posterior = log_posterior.exp().tolist()
    return {
        m: dict(zip(points, posterior[i], strict=True)) if taking_part[i] else None for i, m in enumerate(MODALITIES)
    }


def _verdicts(
    model: PromptedModel, trace: Mapping[str, Tensor], row: int, generated: list[bool]
) -> dict[str, Verdict | None]:
    """Describe MME's decision on each modality; None for one that is not missing."""
    missing = trace["missing"][row].tolist()
    if not any(missing):
        return dict.fromkeys(MODALITIES)
    # The answers with each modality generated, and without it, beside what else is generated: (3, 2).
    itself, others = torch.eye(len(MODALITIES), dtype=torch.bool, device=trace["generated"].device), trace["generated"]
    both = torch.stack([others[row] | itself, others[row] & ~itself], 1)  # (3, 2, 3)
    scores = trace["answers"][row, column_of(both.flatten(0, 1))].view(-1, 2).tolist()
    confidence = trace["confidence"][row].tolist()
    found: dict[str, Verdict | None] = {
        m: {
            "decision": "generated" if generated[i] else "left out",
            "confidence": confidence[i],
            "score_generated": scores[i][0],
            "score_left_out": scores[i][1],
        }
        if missing[i]
        else None
        for i, m in enumerate(MODALITIES)
    }
    if model.config.generate == "evaluate":
        situation = situation_of(*(trace[k][row : row + 1] for k in ("real", "simulated")))
        worth, threshold = torch.sigmoid(torch.stack([trace["gate"][row], model.threshold[situation][0]])).tolist()
        importance = trace["importance"][row].tolist()
        for i, m in enumerate(MODALITIES):
            if (verdict := found[m]) is not None:
                verdict |= {"importance": importance[i], "worth": worth[i], "threshold": threshold[i]}
    return found
