"""Signed gates and view weights of a method, and what it puts in the place of a missing modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from msa_core.i18n import say
from msa_core.schema import MODALITIES, Prediction
from msa_core.views import summary
from msa_core.views.parts import method_title
from msa_core.views.template import render


class Weights(NamedTuple):
    """Signed weights under a title, on a common axis from -limit to limit; a view is named by its modalities."""

    title: str
    values: Mapping[str, float]

    @property
    def limit(self) -> float:
        """The largest weight without its sign."""
        return max(1e-6, *(abs(v) for v in self.values.values()))


def hint(method: str) -> str:
    """Explain the weights of a method."""
    return say(
        "Weights that {method} computed for this clip. They are signed: left of the line subtracts.", method=method
    )


def inside(prediction: Prediction) -> Markup:
    """Draw gates and view weights; "" for a method without any."""
    gates, views = (prediction.mechanism.get(key) for key in ("gates", "view_weights"))
    groups = []
    if isinstance(gates, Mapping):
        groups.append(Weights(say("Modality gates"), {m: gates[m] for m in MODALITIES if m in gates}))
    if isinstance(views, Mapping):
        groups.append(Weights(say("Seven views"), views))
    beside = summary.gates_evidence() if isinstance(gates, Mapping) else None
    return render("gates", groups=groups, simulated=_rebuilt(prediction), modalities=MODALITIES, evidence=beside)


def gap(prediction: Prediction) -> Markup:
    """Draw what stands in for a missing modality, and how similar rebuilt text is to the real one (cosine)."""
    similarity = prediction.mechanism.get("text_similarity")
    similarity = similarity if isinstance(similarity, Mapping) else {}
    return render(
        "gap",
        method=method_title(prediction.method),
        rebuilt=_rebuilt(prediction),
        from_voice=bool(prediction.mechanism.get("text_simulated")),
        before=similarity.get("before"),
        after=similarity.get("after"),
        measured=summary.likeness() if similarity.get("before") is not None else None,
    )


def _rebuilt(prediction: Prediction) -> list[str]:
    """List the modalities that the method rebuilt."""
    found = prediction.mechanism.get("imagined")
    return [m for m in MODALITIES if m in found] if isinstance(found, Sequence) else []
