"""Description of one clip by CorrKD in plain numbers (symbols as in corrkd.py)."""

from __future__ import annotations

from typing import Protocol, TypedDict

import torch
from torch import Tensor

from msa_core.methods.base import Mechanism
from msa_core.methods.losses import prototype_similarity
from msa_core.schema import MODALITIES, Output

TEACHER, STUDENT = 0, 1  # rows of the buffers that both have


class Response(TypedDict):
    """Probability of the target class, and of every other class by name."""

    target: float
    non_target: dict[str, float]


class ClassResponses(TypedDict):
    """Responses split at the class `target`: of the teacher with everything and with what is left, of the student."""

    target: str
    teacher_full: Response
    teacher_left: Response
    student: Response


class Distances(TypedDict):
    """Euclidean distances of joint representations to the teacher's with everything.

    student_to_teacher_left: between the two that have what is left. typical: of two different clips, to the teacher.
    """

    teacher_left: float
    student: float
    student_to_teacher_left: float
    typical: float


class CorrKDMechanism(Mechanism, total=False):
    """Mechanism of CorrKD for one clip; only a student beside its teacher has more than the attention.

    substitute: what stands for a missing modality. prototype_similarity: by "teacher" and "student", the cosine with
    each class mean of the training data, None for a class that it lacks.
    """

    substitute: str
    class_responses: ClassResponses
    prototype_similarity: dict[str, dict[str, float | None]]
    distance: Distances


class DistilledModel(Protocol):
    """The parts of a student that are read here (see corrkd.py)."""

    prototypes: Tensor
    typical_distance: Tensor


def describe(
    model: DistilledModel, names: tuple[str, ...] | None, output: Output, row: int, teacher: Output | None
) -> CorrKDMechanism:
    """Describe one row: attention; beside a teacher also responses, similarities to prototypes and distances.

    Without a label, responses are split at the class that the teacher chooses with everything.

    Args:
        names: of the classes; None = the attention only.
        teacher: answers to everything (row 0) and to what is left (row 1).
    """
    facts: CorrKDMechanism = {"attention": {m: output.trace[f"attention_{m}"][row].tolist() for m in MODALITIES}}
    if names is None or teacher is None or teacher.logits is None or output.logits is None:
        return facts
    target = int(teacher.logits[0].argmax())
    full, left, student = teacher.joint[0], teacher.joint[1], output.joint[row]  # H^t, H^t of what is left, H^s
    known = (model.prototypes.abs().sum((0, 2)) > 0).tolist()
    nearness: dict[str, dict[str, float | None]] = {}
    for who, i, h in (("teacher", TEACHER, full), ("student", STUDENT, student)):
        cosines = prototype_similarity(h[None], model.prototypes[i])[0].tolist()  # M_k (K,)
        nearness[who] = {n: c if there else None for n, c, there in zip(names, cosines, known, strict=True)}
    return {
        **facts,
        "substitute": "one zero frame",
        "class_responses": {
            "target": names[target],
            "teacher_full": _response_of(teacher.logits[0], names, target),
            "teacher_left": _response_of(teacher.logits[1], names, target),
            "student": _response_of(output.logits[row], names, target),
        },
        "prototype_similarity": nearness,
        "distance": {
            "teacher_left": float((left - full).norm()),
            "student": float((student - full).norm()),
            "student_to_teacher_left": float((student - left).norm()),
            "typical": float(model.typical_distance),
        },
    }


def _response_of(logits: Tensor, names: tuple[str, ...], target: int) -> Response:
    """Split the softmax of logits (K,) into the probability of the target and those of the other classes."""
    values = torch.softmax(logits, -1).tolist()
    return {
        "target": values[target],
        "non_target": {n: v for i, (n, v) in enumerate(zip(names, values, strict=True)) if i != target},
    }
