"""What ProMMA has to say about one clip, in plain numbers (see promma.py for the symbols)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msa_core.methods.base import Displayed
from msa_core.methods.promma.config import ProMMAConfig
from msa_core.methods.promma.modules import Weighting, column_of, situation_of
from msa_core.schema import MODALITIES, Output


class PromptedModel(Protocol):
    """The parts of ProMMA that are read here (see model.py)."""

    config: ProMMAConfig
    shared: nn.Parameter
    weigh: Weighting
    threshold: Tensor

    def displayed(self, output: Output) -> dict[str, Displayed]:
        """Numbers per modality, by name."""


def named(values: Tensor) -> dict[str, float]:
    """Numbers (3,) by modality."""
    return dict(zip(MODALITIES, values.tolist(), strict=True))


def account(
    model: PromptedModel, output: Output, row: int, real: int | None = None, teacher: Output | None = None
) -> dict[str, object]:
    """Prompt weights, what each modality's prompts say, MME's verdicts, likeness of prompts, attention.

    prompt_weights: w per modality, they sum to one; _full: of the row `real`, with everything observed.
    prompt_information: I in nats; prompt_lean: the mean place on the scale that the prompts speak for, minus the
    prior's; prompt_push: weight times lean; prompt_posterior: p(l | o) per point of the scale.
    evaluator: MME's verdict on each missing modality, None for the others.
    prompt_similarity: per modality, cosines of shared (rows) with private prompts (columns).
    attention_without_prompts: of the frozen backbone, when it is given.
    """
    trace = output.trace
    facts: dict[str, object] = {"attention": {m: trace[f"attention_{m}"][row].tolist() for m in MODALITIES}}
    if not model.config.prompted:
        return facts
    if teacher is not None:
        facts["attention_without_prompts"] = {m: teacher.trace[f"attention_{m}"][1].tolist() for m in MODALITIES}
    taking_part = trace["real"][row] | trace["generated"][row]
    lean = model.weigh.lean(trace["log_posterior"][row])
    points = [f"{p:+g}" if abs(p) > 1e-6 else "0" for p in model.weigh.places.tolist()]
    posterior = trace["log_posterior"][row].exp().tolist()
    by_modality = {m: i for i, m in enumerate(MODALITIES)}
    asks = model.config.generate != "never"
    evaluator = {m: verdict(model, trace, row, i) for m, i in by_modality.items()} if asks else None
    return facts | {
        "prompt_weights": named(trace["weights"][row]),
        "prompt_weights_full": None if real is None else named(trace["weights"][real]),
        "prompt_information": named(trace["information"][row]),
        "prompt_lean": {m: float(lean[i]) if taking_part[i] else None for m, i in by_modality.items()},
        "prompt_push": named(model.displayed(output)["prompt push"].values[row]),
        "prompt_posterior": {
            m: dict(zip(points, posterior[i], strict=True)) if taking_part[i] else None for m, i in by_modality.items()
        },
        "evaluator": evaluator,
        "imagined": [m for m, i in by_modality.items() if trace["generated"][row, i]],
        "text_simulated": bool("simulated" in trace and trace["simulated"][row] and trace["generated"][row, 0]),
        "prompt_similarity": {
            m: F.cosine_similarity(model.shared[:, None], trace["private"][row, i][None], dim=-1).tolist()
            for m, i in by_modality.items()
        },
    }


def verdict(model: PromptedModel, trace: Mapping[str, Tensor], row: int, i: int) -> dict[str, object] | None:
    """MME on one missing modality: its numbers, its decision, and the score under both choices."""
    if not trace["missing"][row, i]:
        return None
    both = trace["generated"][row].repeat(2, 1)
    both[0, i], both[1, i] = True, False
    score_generated, score_left_out = trace["answers"][row, column_of(both)].tolist()
    facts: dict[str, object] = {
        "decision": "generated" if trace["generated"][row, i] else "left out",
        "confidence": float(trace["confidence"][row, i]),
        "score_generated": score_generated,
        "score_left_out": score_left_out,
    }
    if model.config.generate == "evaluate":
        threshold = model.threshold[situation_of(*(trace[k][row : row + 1] for k in ("real", "simulated")))][0, i]
        facts |= {
            "importance": float(trace["importance"][row, i]),
            "worth": float(torch.sigmoid(trace["gate"][row, i])),
            "threshold": float(torch.sigmoid(threshold)),
        }
    return facts
