"""Names, presence and scores of a clip's modalities, as the lessons need them."""

from __future__ import annotations

from msa_core.errors import MsaError
from msa_core.i18n import say
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Prediction, Utterance
from msa_core.views.summary import ORDINARY


def present(utterance: Utterance) -> list[str]:
    """List the modalities that the clip has."""
    return [m for m in MODALITIES if utterance.stream(m).present]


def require(utterance: Utterance, *modalities: str, at_least: int = 1) -> list[str]:
    """List the modalities that the clip has, after a check that they suffice.

    Args:
        utterance: the clip.
        modalities: those that it must have.
        at_least: number of modalities that it must have.

    Raises: MsaError when they do not suffice.
    """
    there = present(utterance)
    for m in modalities:
        if m not in there:
            reason = utterance.stream(m).reason
            raise MsaError(
                "This lesson needs {part}, which this clip lacks ({reason}). Choose another clip.",
                part=f"the {ORDINARY[m]}",
                reason=reason,
            )
    if len(there) < at_least:
        found = ", ".join(f"the {ORDINARY[m]}" for m in there) or "nothing"
        raise MsaError(
            "This lesson needs {n} modalities; this clip has only {found}. Choose another clip.",
            n=at_least,
            found=found,
        )
    return there


def ordinary(modality: str) -> str:
    """Name a modality in everyday words, with its article."""
    return {"text": say("the words"), "audio": say("the voice"), "vision": say("the face")}[modality]


def modality_options() -> tuple[tuple[str, str], ...]:
    """Return (label, value) of every modality, for a choice."""
    return tuple((ordinary(m), m) for m in MODALITIES)


def score_of(prediction: Prediction, which: str = "missing_model_left") -> float:
    """Return one of the prediction's scores.

    Raises: MsaError when the model gave none.
    """
    value = prediction.scores[which]
    if value is None:
        raise MsaError("The model gave no score. Choose another clip.")
    return value


def most_influential(analyser: Analyser, utterance: Utterance, method: str) -> str:
    """Name the present modality with the largest Shapley value, in absolute terms."""
    values = analyser.predict(utterance, method).contributions
    return max(present(utterance), key=lambda m: abs(values[m]))
