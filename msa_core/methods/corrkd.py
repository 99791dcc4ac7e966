"""CorrKD: correlation-decoupled knowledge distillation (CVPR 2024, arXiv 2404.16456).

Figure -> class: encoder of a modality (convolution, positions, Transformer) -> `layers.SequenceEncoder`; the network
that teacher and student share in structure, not in weights -> `CorrKD`; statistics network of RCD -> `Critic`.
Equation -> function (losses.py): L_task -> `cross_entropy`; sample-level contrastive distillation (SCD) ->
`sample_contrast`; prototypes c_k, similarities M_k and category-guided prototype distillation (CPD) -> `prototypes`,
`prototype_similarity`, `prototype_distillation`; response-disentangled consistency distillation (RCD) ->
`response_parts`, `mutual_information`. Modality Random Missing (MRM) -> `missing.mrm`, deterministic per utterance.
The paper's symbol stands in comments.

The teacher is this network trained with distil = false on complete input; frozen, it answers the complete batch and
the student learns from it what it can still know from what is left. A visitor's score is the student's; the teacher
stands beside it as the complete-modality model.

Departures
- The public text gives the structure of SCD, CPD and RCD, not every detail, and no code: SCD takes means, and its
  distance is divided by the root of the width; CPD skips classes that a batch lacks; RCD shuffles its negatives by one
  place.
- The paper pools the concatenated streams into H and classifies it. Here H is what two fully connected layers of the
  same width make of the pooled streams, and the classifier reads its positive part: the pooled stream of a missing
  modality is the same for every clip, so that a student could not come nearer to its teacher there, and a linear
  classifier could not lean more on what is left. fuse = false is the paper's form; the tables have both.
- The paper classifies. So that MAE and correlation can be compared, a linear layer beside the classifier reads a
  score out of H, and its squared error stands beside the cross-entropy. (The mean of the class centres under the
  softmax was tried first: MAE on complete validation data 0.78 where this layer has 0.76.)
- Frames that were dropped are zero to the convolution as in the paper, but leave attention and average, as padding
  does: a modality without a single frame must be the same thing as an absent one. It enters as one zero frame.
- Encoder layers are normalised first, and not once more at the end: with it, a silent frame weighs as much in the
  mean as a telling one (audio alone: 1.26 on validation instead of 1.21). Positions are divided by the root of the
  width, which is MulT's scaling seen from the other side. The convolution's taps for the neighbours start at zero.
- The paper draws the share of dropped frames from [0, 1]; the shipped student was trained with shares up to 0.2.
  Channel dropout and noise, drawn once per utterance, and averaged weights are ours, as in the other methods.
  The settings stand in `CorrKDConfig`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from msa_core.errors import MsaError
from msa_core.methods.base import Method, Recipe, check_ranges
from msa_core.methods.gather import gather
from msa_core.methods.layers import Dropout, SequenceEncoder, bounded, masked_mean, mlp, usable
from msa_core.methods.losses import (
    cross_entropy,
    mse,
    mutual_information,
    prototype_distillation,
    prototype_similarity,
    prototypes,
    response_divergence,
    response_parts,
    sample_contrast,
)
from msa_core.schema import MODALITIES, SCORE_LIMIT, Batch, Output

# Names of the classes: 7 bins are the rounded scores, 3 bins their signs.
CLASSES: dict[int, tuple[str, ...]] = {
    3: ("negative", "neutral", "positive"),
    7: ("-3", "-2", "-1", "0", "+1", "+2", "+3"),
}
RESPONSES = ("mutual_information", "kl", "none")
MEMORIES = ("batch", "ema")
TEACHER, STUDENT = 0, 1  # rows of the buffers that both have


@dataclass(frozen=True)
class CorrKDConfig:
    """Settings of CorrKD, chosen on the composite corpus' validation split; the paper's values in brackets."""

    distil: bool = True  # False: train the teacher, on the task alone
    n_classes: int = 7  # 7 bins or 3
    fuse: bool = True  # [False] two layers between the pooled streams and H; False: H is the pooled streams
    d_model: int = 40  # [40] of a modality; the joint representation has 3 d
    n_heads: int = 10  # [10]
    n_layers: int = 1  # Transformer layers of an encoder
    d_feedforward: int = 80  # inside such a layer
    d_critic: int = 32  # hidden width of the statistics networks
    dropout: float = 0.3  # inside the Transformer layers
    frame_dropout: float = 0.2  # channels of what the convolution says
    head_dropout: float = 0.4  # of the layers behind the encoders
    input_dropout: tuple[float, float, float] = (0.1, 0.3, 0.1)  # channels of text, audio, vision switched off
    input_noise: tuple[float, float, float] = (0.0, 0.2, 0.0)  # Gaussian offset of a channel, in standard deviations
    margin: float = 0.5  # [1.2, 1.0, 1.4] eta of SCD, a distance per dimension
    prototypes: str = "batch"  # [batch] class means of the batch, or "ema": of the batches so far
    momentum: float = 0.9  # of the means, when they are "ema"
    response: str = "mutual_information"  # RCD; ablations: "kl" in its place, or "none"
    use_scd: bool = True  # ablation
    use_cpd: bool = True  # ablation
    weight_task: float = 0.2  # [1] cross-entropy
    weight_score: float = 1.0  # [0] squared error of the score that is read out
    weight_scd: float = 1.0  # [1]
    weight_cpd: float = 0.3  # [1]
    weight_rcd: float = 0.1  # [1]

    def __post_init__(self) -> None:
        check_ranges(self)
        for name, valid in (("n_classes", CLASSES), ("prototypes", MEMORIES), ("response", RESPONSES)):
            if getattr(self, name) not in valid:
                raise MsaError(f"{name} is {getattr(self, name)!r}; choose one of: {', '.join(map(str, valid))}.")
        if self.n_layers < 1 or self.n_heads < 1 or not 0 <= self.momentum < 1 or not self.margin >= 0:
            raise MsaError(
                f"n_layers is {self.n_layers}, n_heads {self.n_heads}, momentum {self.momentum}, margin {self.margin}; "
                "give at least 1 layer and head, a momentum in [0, 1) and a margin of at least 0."
            )

    def loss_weights(self) -> dict[str, float]:
        """Weight per loss term; the distillations only where there is a teacher."""
        weights = {"task": self.weight_task, "score": self.weight_score}
        if self.distil:
            weights |= {"scd": self.weight_scd} if self.use_scd else {}
            weights |= {"cpd": self.weight_cpd} if self.use_cpd else {}
            weights |= {"rcd": self.weight_rcd} if self.response != "none" else {}
        return weights

    @staticmethod
    def debug() -> CorrKDConfig:
        """Tiny, for tests."""
        return CorrKDConfig(d_model=8, n_heads=2, d_feedforward=8, d_critic=4, dropout=0.1, head_dropout=0.1)


class Critic(nn.Module):
    """T of RCD: how well a student's and a teacher's response belong together."""

    def __init__(self, width: int, d_hidden: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * width, d_hidden), nn.GELU(), nn.Linear(d_hidden, 1))

    def forward(self, pairs: Tensor) -> Tensor:
        """Score pairs (B, 2 width): (B,)."""
        score: Tensor = self.layers(pairs).squeeze(-1)
        return score


class CorrKD(Method):
    """One network; as a student it learns from a frozen one of the same structure."""

    name = "corrkd"
    title = "CorrKD"
    panel = "distillation"
    Config = CorrKDConfig

    def __init__(self, config: CorrKDConfig, dims: Mapping[str, int]):
        super().__init__(config, dims)
        k, joint = config.n_classes, 3 * config.d_model
        inputs = list(zip(MODALITIES, config.input_dropout, config.input_noise, strict=True))
        d, layers_ = config.d_model, (config.n_heads, config.n_layers, config.d_feedforward, config.dropout)
        self.encode = nn.ModuleDict(
            {m: SequenceEncoder(dims[m], d, *layers_, (p, noise, config.frame_dropout)) for m, p, noise in inputs}
        )
        layers = (*mlp((joint, joint), config.head_dropout), nn.Linear(joint, joint)) if config.fuse else ()
        self.fuse = nn.Sequential(*layers)
        self.head_dropout = Dropout(config.head_dropout)
        self.head, self.read_out = nn.Linear(joint, k), nn.Linear(joint, 1)
        if config.distil and config.response == "mutual_information":
            self.critic = nn.ModuleDict(
                {"target": Critic(1, config.d_critic), "non_target": Critic(k - 1, config.d_critic)}
            )
        if config.distil:
            self.register_buffer("memory", torch.zeros(2, k, joint))  # prototypes so far, of teacher and student
            self.register_buffer("prototypes", torch.zeros(2, k, joint))  # over all training data, see `conclude`
            self.register_buffer("typical_distance", torch.zeros(()))  # of two clips, to the teacher
            self.memory: Tensor
            self.prototypes: Tensor
            self.typical_distance: Tensor

    @property
    def needs_teacher(self) -> bool:
        """A student does."""
        return bool(self.config.distil)

    @classmethod
    def recipes(cls) -> list[Recipe]:
        """Teacher, student, and the student's ablations; pooled streams as H is the paper's joint representation."""
        complete = {"regime": "complete", "epochs": 5, "lr": 0.0015}
        loop, teacher = {"regime": "mrm:0.2", "epochs": 7, "lr": 0.002}, "corrkd-teacher"
        pooled = "pooled streams as H"
        changes: dict[str, dict[str, object]] = {
            "without scd": {"use_scd": False}, "without cpd": {"use_cpd": False}, "without rcd": {"response": "none"},
            "with kl for rcd": {"response": "kl"},
        }  # fmt: skip
        ablations = [
            Recipe(f"corrkd {how}", f"CorrKD {how}", "ablation", config, loop, teacher)
            for how, config in changes.items()
        ]
        bare = Recipe("corrkd without distillation", "CorrKD without distillation", "ablation", {"distil": False}, loop)
        plain = {"distil": False, "fuse": False}
        return [
            Recipe(teacher, "Teacher of CorrKD", "complete", {"distil": False}, complete),
            Recipe("corrkd", "CorrKD", "method", {}, loop, teacher),
            *ablations,
            bare,
            Recipe(f"{teacher}, {pooled}", f"Teacher of CorrKD, {pooled}", "ablation", plain, complete),
            Recipe(f"corrkd, {pooled}", f"CorrKD, {pooled}", "ablation", {"fuse": False}, loop, f"{teacher}, {pooled}"),
        ]

    def forward(self, batch: Batch) -> Output:
        """Score a batch (schema.Batch). Logits (B, K); trace: attention_<modality> (B, T)."""
        keep = usable(batch)
        means, trace = [], {}
        for m in MODALITIES:
            encoded, frames, trace[f"attention_{m}"] = self.encode[m](batch.features[m], keep[m], self.statistics(m))
            means.append(masked_mean(encoded, frames))
        joint = self.fuse(torch.cat(means, 1))  # H (B, 3 d)
        seen = self.head_dropout(torch.relu(joint) if self.config.fuse else joint)
        score = bounded(self.read_out(seen).squeeze(-1))
        return Output(score=score, joint=joint, logits=self.head(seen), trace=trace)

    def classes(self, score: Tensor) -> Tensor:
        """Class numbers (B,) of scores (B,): rounded, or the sign of the rounded score."""
        rounded = torch.round(score.clamp(-SCORE_LIMIT, SCORE_LIMIT)).long()
        return rounded + 3 if self.config.n_classes == 7 else rounded.sign() + 1

    def losses(self, full: Output | None, dropped: Output, score: Tensor) -> dict[str, Tensor]:
        """Task terms; a student's three distillations compare the rows of all processes."""
        assert dropped.logits is not None
        terms = {"task": cross_entropy(dropped.logits, self.classes(score)), "score": mse(dropped.score, score)}
        if not self.config.distil:
            return terms
        assert full is not None and full.logits is not None, "a student is trained with its teacher's answer"
        classes = gather(self.classes(score))
        h_s, h_t = gather(dropped.joint), gather(full.joint.detach())
        if self.config.use_scd:
            unit = h_s.shape[1] ** -0.5  # distances per dimension, so that the margin fits every width
            terms["scd"] = sample_contrast(unit * h_s, unit * h_t, self.config.margin)
        if self.config.use_cpd:
            c_t, c_s, there = self._prototypes(h_t, h_s, classes)
            terms["cpd"] = prototype_distillation(h_s, h_t, c_s, c_t, there)
        if self.config.response != "none":
            terms["rcd"] = self._response(gather(dropped.logits), gather(full.logits.detach()), classes)
        return terms

    def _prototypes(self, h_t: Tensor, h_s: Tensor, classes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """c_k of teacher and student (K, 3 d) and which classes have one (K,): of the batch, or with its memory."""
        both = [prototypes(h, classes, self.config.n_classes) for h in (h_t, h_s)]
        there = both[TEACHER][1]
        if self.config.prototypes == "batch":
            return both[TEACHER][0], both[STUDENT][0], there
        known = self.memory.abs().sum((0, 2)) > 0  # (K,)
        now = torch.stack([c for c, _ in both])  # (2, K, 3 d)
        mixed = torch.where(known[:, None], torch.lerp(now, self.memory, self.config.momentum), now)
        mixed = torch.where(there[:, None], mixed, self.memory)
        if self.training:
            self.memory.copy_(mixed.detach())
        return mixed[TEACHER], mixed[STUDENT], there | known

    def _response(self, student: Tensor, teacher: Tensor, classes: Tensor) -> Tensor:
        """RCD from logits (B, K) of both, or the divergence that an ablation puts in its place."""
        if self.config.response == "kl":
            return response_divergence(student, teacher)
        ours, theirs = response_parts(student, classes), response_parts(teacher, classes)
        names = ("target", "non_target")
        parts = [mutual_information(self.critic[n], s, t) for n, s, t in zip(names, ours, theirs, strict=True)]
        return -torch.stack(parts).sum()

    def conclude(self, seen: Iterable[tuple[Output | None, Output, Tensor]]) -> None:
        """Prototypes over all training data and the teacher's typical distance of two clips, for `mechanism`."""
        if not self.config.distil:
            return
        k = self.config.n_classes
        total, count = torch.zeros_like(self.prototypes), torch.zeros(k, device=self.prototypes.device)
        distance, pairs = 0.0, 0
        for full, dropped, score in seen:
            assert full is not None
            classes = self.classes(score)
            n = torch.bincount(classes, minlength=k).to(total)
            for row, h in ((TEACHER, full.joint), (STUDENT, dropped.joint)):
                total[row] += prototypes(h, classes, k)[0] * n[:, None]
            count = count + n
            if len(score) > 1:  # every clip with the one before it: the order is random
                distance += float((full.joint - full.joint.roll(1, 0)).norm(dim=1).sum())
                pairs += len(score)
        self.prototypes.copy_(total / count.clamp(min=1.0)[:, None])
        self.typical_distance.fill_(distance / max(pairs, 1))

    def mechanism(
        self, output: Output, row: int, real: int | None = None, teacher: Output | None = None
    ) -> dict[str, object]:
        """Attention; beside a teacher also responses, similarities to prototypes and distances.

        class_responses: probabilities of the teacher with everything and with what is left and of the student with
        what is left, split at the target: without a true label, the class that the teacher chooses with everything.
        prototype_similarity: cosine with the class means of the training data, None for a class that it lacks.
        distance: of joint representations to the teacher's with everything, and between the two that have what is
        left; `typical` is that of two different clips to the teacher.
        """
        facts: dict[str, object] = {"attention": {m: output.trace[f"attention_{m}"][row].tolist() for m in MODALITIES}}
        if teacher is None or teacher.logits is None or output.logits is None or not self.config.distil:
            return facts
        names, target = CLASSES[self.config.n_classes], int(teacher.logits[0].argmax())
        logits = {"teacher_full": teacher.logits[0], "teacher_left": teacher.logits[1], "student": output.logits[row]}
        full, left, ours = teacher.joint[0], teacher.joint[1], output.joint[row]
        apart = {"teacher_left": left - full, "student": ours - full, "student_to_teacher_left": ours - left}
        nearness = {
            who: prototype_similarity(h[None], self.prototypes[i])[0].tolist()
            for who, i, h in (("teacher", TEACHER, full), ("student", STUDENT, ours))
        }
        known = (self.prototypes.abs().sum((0, 2)) > 0).tolist()
        return facts | {
            "substitute": "one zero frame",
            "class_responses": {
                "target": names[target],
                **{who: _response_of(torch.softmax(x, -1), names, target) for who, x in logits.items()},
            },
            "prototype_similarity": {
                who: {n: s if there else None for n, s, there in zip(names, values, known, strict=True)}
                for who, values in nearness.items()
            },
            "distance": {k: float(v.norm()) for k, v in apart.items()} | {"typical": float(self.typical_distance)},
        }


def _response_of(p: Tensor, names: tuple[str, ...], target: int) -> dict[str, object]:
    """A response (K,) split into the probability of the target and those of the other classes."""
    values = p.tolist()
    return {
        "target": values[target],
        "non_target": {n: v for i, (n, v) in enumerate(zip(names, values, strict=True)) if i != target},
    }
