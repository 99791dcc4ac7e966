"""CorrKD: correlation-decoupled knowledge distillation for incomplete modalities.

Paper: "Correlation-Decoupled Knowledge Distillation for Multimodal Sentiment Analysis with Incomplete Modalities",
CVPR 2024, arXiv 2404.16456. The paper's symbols stand in comments.

Figure -> class
- encoder of a modality (convolution, positions, Transformer) -> `layers.SequenceEncoder`
- teacher and student, equal in structure but not in weights -> `CorrKD`
- statistics network of RCD -> `Critic`

Equation -> function
- task loss L_task -> `losses.cross_entropy`
- sample-level contrastive distillation (SCD) -> `losses.sample_contrast`
- category-guided prototype distillation (CPD): prototypes c_k -> `losses.prototypes`, similarities M_k ->
  `losses.prototype_similarity`, loss -> `losses.prototype_distillation`
- response-disentangled consistency distillation (RCD) -> `losses.response_parts`, `losses.mutual_information`
- Modality Random Missing (MRM) -> `missing.mrm`, deterministic per utterance

The teacher is this network trained with distil = false on complete input. Frozen, it answers the complete batch, and
the student, which sees what is left, is drawn to it. A user's score is the student's; the teacher is shown beside it
as the complete-modality model.

Departures
- The public text gives the structure of SCD, CPD and RCD, not every detail, and no code: SCD takes means, and its
  distance is divided by the root of the width; CPD skips classes that a batch lacks; RCD shuffles its negatives by one
  place.
- The paper pools the concatenated streams into H and classifies it. Here two fully connected layers of the same width
  follow the pooling, their output is H, and the classifier reads its positive part: the pooled stream of a missing
  modality is the same for every clip, so that a student could not come nearer to its teacher there, and a linear
  classifier could not lean more on what is left. fuse = false is the paper's form; the tables have both.
- The paper classifies. So that MAE and correlation can be compared, a linear layer beside the classifier reads a
  score out of H, and its squared error stands beside the cross-entropy. (The mean of the class centres under the
  softmax was tried first: MAE on complete validation data 0.78 where this layer has 0.76.)
- Frames that were dropped are zero to the convolution as in the paper, but leave attention and average, as padding
  does: a modality without a single frame must be the same thing as an absent one. It enters as one zero frame.
- Encoder layers are normalised first, and not once more at the end: with it, a silent frame weighs as much in the
  mean as an informative one (MAE of audio alone on validation: 1.26 instead of 1.21). Positions are divided by the
  root of the width; MulT multiplies the features by it instead. The convolution's taps for the neighbours start at 0.
- With use_simulated, text simulated from the voice stands in the place of missing text, as in SDUMC: another input than
  the paper's, so that methods of one input can be compared. The shipped student reads none.
- The paper draws the share of dropped frames from [0, 1]; the shipped student was trained with shares up to 0.2.
  Channel dropout and noise, drawn once per utterance, and averaged weights are ours, as in the other methods.
  The settings stand in `CorrKDConfig`.

Emotions (IEMOCAP)
A corpus of emotions gives every utterance a yes or no for each, and each is a binary task, as in the paper: one
network, two logits an emotion. L_task and RCD are means over the emotions, CPD has two prototypes for each, and SCD
knows no classes. With two classes the non-target response is the complement of the target's, so that RCD's parts say
the same twice. The score of an emotion is its log odds, bounded: above 0 it is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from msa_core.config import LATER
from msa_core.errors import MsaError
from msa_core.methods.base import Method, Preset, Recipe, check_ranges
from msa_core.methods.corrkd_explain import STUDENT, TEACHER, CorrKDMechanism, describe
from msa_core.methods.layers import Dropout, bounded, masked_mean, mlp, usable
from msa_core.methods.losses import (
    cross_entropy,
    mutual_information,
    prototype_distillation,
    prototypes,
    response_divergence,
    response_parts,
    sample_contrast,
)
from msa_core.methods.sequences import SequenceEncoder
from msa_core.schema import MODALITIES, SCORE_LIMIT, Batch, Output

# Names of the classes: 7 bins are the rounded scores, 3 bins their signs.
CLASSES: dict[int, tuple[str, ...]] = {
    3: ("negative", "neutral", "positive"),
    7: ("-3", "-2", "-1", "0", "+1", "+2", "+3"),
}
RESPONSES = ("mutual_information", "kl", "none")
MEMORIES = ("batch", "ema")


@dataclass(frozen=True)
class CorrKDConfig:
    """Settings of CorrKD, chosen on the composite corpus' validation split; the paper's values in brackets."""

    distil: bool = True  # False: train the teacher, on the task alone
    n_classes: int = 7  # 7 bins or 3
    emotions: tuple[str, ...] = field(default=(), metadata=LATER)  # set by a corpus of emotions: two classes each
    fuse: bool = True  # [False] two layers between the pooled streams and H; False: H is the pooled streams
    d_model: int = 40  # [40] of a modality; the joint representation has 3 d
    n_heads: int = 10  # [10]
    n_layers: int = 1  # Transformer layers of an encoder
    d_feedforward: int = 80  # inside such a layer
    d_critic: int = 32  # hidden width of the statistics networks
    dropout: float = 0.3  # inside the Transformer layers
    frame_dropout: float = 0.2  # channels of the convolution's output
    head_dropout: float = 0.4  # of the layers behind the encoders
    input_dropout: tuple[float, float, float] = (0.1, 0.3, 0.1)  # channels of text, audio, vision switched off
    input_noise: tuple[float, float, float] = (0.0, 0.2, 0.0)  # Gaussian offset of a channel, in standard deviations
    margin: float = 0.5  # [1.2, 1.0, 1.4] eta of SCD, a distance per dimension
    prototypes: str = "batch"  # [batch] class means of the batch, or "ema": of the batches so far
    momentum: float = 0.9  # of the means, when they are "ema"
    response: str = "mutual_information"  # RCD; ablations: "kl" in its place, or "none"
    use_scd: bool = True  # ablation
    use_cpd: bool = True  # ablation
    use_simulated: bool = field(default=False, metadata=LATER)  # read text simulated from the voice where there is none
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
        """Return the weight per loss term; the distillations only where there is a teacher."""
        weights = {"task": self.weight_task} | ({} if self.emotions else {"score": self.weight_score})
        if self.distil:
            weights |= {"scd": self.weight_scd} if self.use_scd else {}
            weights |= {"cpd": self.weight_cpd} if self.use_cpd else {}
            weights |= {"rcd": self.weight_rcd} if self.response != "none" else {}
        return weights

    @staticmethod
    def debug() -> CorrKDConfig:
        """Return tiny settings for tests."""
        return CorrKDConfig(d_model=8, n_heads=2, d_feedforward=8, d_critic=4, dropout=0.1, head_dropout=0.1)


# Structure, weights, margin, batch and missing input of the paper. Its distances are not divided by the root of the
# width, 120: the margin is, and the weight of SCD makes up for it.
PUBLISHED = Preset(
    {
        "d_model": 40, "n_heads": 10, "fuse": False, "prototypes": "batch", "margin": 1.2 * 120**-0.5,
        "weight_task": 1.0, "weight_scd": 120.0, "weight_cpd": 1.0, "weight_rcd": 1.0,
    },
    {"batch": 64, "regime": "mrm"},
)  # fmt: skip


class Critic(nn.Module):
    """Statistics network T of RCD: scores whether a student's and a teacher's response belong together."""

    def __init__(self, width: int, d_hidden: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * width, d_hidden), nn.GELU(), nn.Linear(d_hidden, 1))

    def forward(self, pairs: Tensor) -> Tensor:
        """Score pairs (B, 2 width): (B,)."""
        score: Tensor = self.layers(pairs).squeeze(-1)
        return score


class CorrKD(Method):
    """The network of teacher and student; a student learns from a frozen one of the same structure."""

    name = "corrkd"
    title = "CorrKD"
    panel = "distillation"
    Config = CorrKDConfig
    presets = {"published": PUBLISHED}

    def __init__(self, config: CorrKDConfig, dims: Mapping[str, int]):
        super().__init__(config, dims)
        self.k, joint = 2 if config.emotions else config.n_classes, 3 * config.d_model
        n_logits = self.k * max(1, len(config.emotions))
        inputs = list(zip(MODALITIES, config.input_dropout, config.input_noise, strict=True))
        d, layers_ = config.d_model, (config.n_heads, config.n_layers, config.d_feedforward, config.dropout)
        self.encode = nn.ModuleDict(
            {m: SequenceEncoder(dims[m], d, *layers_, (p, noise, config.frame_dropout)) for m, p, noise in inputs}
        )
        layers = (*mlp((joint, joint), config.head_dropout), nn.Linear(joint, joint)) if config.fuse else ()
        self.fuse = nn.Sequential(*layers)
        self.head_dropout = Dropout(config.head_dropout)
        self.head = nn.Linear(joint, n_logits)
        if not config.emotions:
            self.read_out = nn.Linear(joint, 1)
        if config.distil and config.response == "mutual_information":
            self.critic = nn.ModuleDict(
                {"target": Critic(1, config.d_critic), "non_target": Critic(self.k - 1, config.d_critic)}
            )
        if config.distil:
            self.register_buffer("memory", torch.zeros(2, n_logits, joint))  # prototypes so far, of teacher and student
            self.register_buffer("prototypes", torch.zeros(2, n_logits, joint))  # over all training data (`conclude`)
            self.register_buffer("typical_distance", torch.zeros(()))  # of two clips, to the teacher
            self.memory: Tensor
            self.prototypes: Tensor
            self.typical_distance: Tensor

    @property
    def needs_teacher(self) -> bool:
        """True for a student."""
        return bool(self.config.distil)

    @property
    def reads_simulated_text(self) -> bool:
        """True with `use_simulated`."""
        return bool(self.config.use_simulated)

    @classmethod
    def recipes(cls) -> list[Recipe]:
        """List teacher, student and ablations; "pooled streams as H" is the paper's joint representation.

        The student comes once more with simulated text, the input of the other methods.
        """
        complete = {"regime": "complete", "epochs": 5, "lr": 0.0015}
        loop, teacher = {"regime": "mrm:0.2", "epochs": 7, "lr": 0.002}, "corrkd-teacher"
        pooled = "pooled streams as H"
        changes: dict[str, dict[str, object]] = {
            "without scd": {"use_scd": False}, "without cpd": {"use_cpd": False}, "without rcd": {"response": "none"},
            "with kl for rcd": {"response": "kl"},
        }  # fmt: skip
        ablations = [
            Recipe(f"corrkd {how}", f"CorrKD {how}", "ablation", config, loop, teacher, "corrkd")
            for how, config in changes.items()
        ]
        bare, alone = "without distillation", {"distil": False}
        hearing = Recipe(
            "corrkd, simulated text", "CorrKD + simulated text", "method", {"use_simulated": True}, loop, teacher
        )
        plain = {"distil": False, "fuse": False}
        return [
            Recipe(teacher, "Teacher of CorrKD", "complete", {"distil": False}, complete),
            Recipe("corrkd", "CorrKD", "method", {}, loop, teacher),
            hearing,
            *ablations,
            Recipe(f"corrkd {bare}", f"CorrKD {bare}", "ablation", alone, loop, None, "corrkd"),
            Recipe(f"{teacher}, {pooled}", f"Teacher of CorrKD, {pooled}", "ablation", plain, complete, None, teacher),
            Recipe(
                f"corrkd, {pooled}", f"CorrKD, {pooled}", "ablation", {"fuse": False}, loop, f"{teacher}, {pooled}",
                "corrkd",
            ),
        ]  # fmt: skip

    def forward(self, batch: Batch) -> Output:
        """Score a batch. Logits (B, K), of E emotions (B, E, 2); trace: attention_<modality> (B, T)."""
        keep = usable(batch)
        means, trace = [], {}
        for m in MODALITIES:
            # R_m = Conv1d(X_m) + positions; F_m = Transformer(R_m) (B, T', d); then the mean over frames (B, d)
            encoded, frames, trace[f"attention_{m}"] = self.encode[m](batch.features[m], keep[m], self.statistics(m))
            means.append(masked_mean(encoded, frames))
        if self.config.use_simulated:
            means[0] = self._with_simulated(means[0], batch, keep)
        joint = self.fuse(torch.cat(means, 1))  # H (B, 3 d)
        seen = self.head_dropout(torch.relu(joint) if self.config.fuse else joint)
        logits = self.head(seen)
        if self.config.emotions:
            logits = logits.unflatten(1, (-1, 2))
            return Output(score=bounded(logits[..., 1] - logits[..., 0]), joint=joint, logits=logits, trace=trace)
        return Output(score=bounded(self.read_out(seen).squeeze(-1)), joint=joint, logits=logits, trace=trace)

    def _with_simulated(self, means: Tensor, batch: Batch, keep: Mapping[str, Tensor]) -> Tensor:
        """Put the encoded mean of simulated text into the means of text (B, d), where text is missing."""
        rows = (~keep["text"].any(1) & keep["simulated"].any(1)).nonzero().squeeze(-1)
        if not len(rows):
            return means
        simulated, heard = batch.features["simulated"][rows], keep["simulated"][rows]
        encoded, frames, _ = self.encode["text"](simulated, heard, self.statistics("simulated"))
        return means.index_put((rows,), masked_mean(encoded, frames).to(means))

    def classes(self, label: Tensor) -> Tensor:
        """Return class numbers (B,) of labels (B,), of the rounded label or of its sign; of emotions (B, E) 0 or 1."""
        if self.config.emotions:
            return label.long()
        rounded = torch.round(label.clamp(-SCORE_LIMIT, SCORE_LIMIT)).long()
        return rounded + 3 if self.config.n_classes == 7 else rounded.sign() + 1

    def losses(self, full: Output | None, dropped: Output, label: Tensor) -> dict[str, Tensor]:
        """Compute the task terms, and for a student the three distillations."""
        assert dropped.logits is not None
        classes = self.classes(label)
        terms = {"task": cross_entropy(dropped.logits.flatten(0, -2), classes.flatten())}
        if not self.config.emotions:
            terms["score"] = self.score_errors(dropped.score, label).mean()
        if not self.config.distil:
            return terms
        assert full is not None and full.logits is not None, "a student is trained with its teacher's answer"
        h_s, h_t = dropped.joint, full.joint.detach()  # H^s, H^t (B, 3 d)
        # L_SCD
        if self.config.use_scd:
            unit = h_s.shape[1] ** -0.5  # distances per dimension, so that the margin fits every width
            terms["scd"] = sample_contrast(unit * h_s, unit * h_t, self.config.margin)
        # L_CPD
        if self.config.use_cpd:
            c_t, c_s, there = self._prototypes(h_t, h_s, classes)
            terms["cpd"] = prototype_distillation(h_s, h_t, c_s, c_t, there)
        # L_RCD
        if self.config.response != "none":
            terms["rcd"] = self._response(dropped.logits, full.logits.detach(), classes)
        return terms

    def _prototypes(self, h_t: Tensor, h_s: Tensor, classes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute c_k of teacher and student (K, 3 d), and which classes have one (K,); emotions have two each.

        "batch": class means of the batch; "ema": means that remember earlier batches.
        """
        both = [self._means(h, classes) for h in (h_t, h_s)]
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

    def _means(self, joint: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the mean of H for every class, of emotions one after the other, and which classes have one."""
        found = [prototypes(joint, column, self.k) for column in classes.view(len(classes), -1).unbind(1)]
        centres, there = zip(*found, strict=True)
        return torch.cat(centres), torch.cat(there)

    def _response(self, student: Tensor, teacher: Tensor, classes: Tensor) -> Tensor:
        """Compute RCD from logits (B, K) of both, or the divergence that an ablation puts in its place.

        Of emotions, logits (B, E, 2), the mean over them.
        """
        if self.config.emotions:
            each = zip(student.unbind(1), teacher.unbind(1), classes.unbind(1), strict=True)
            return torch.stack([self._response_of_one(*one) for one in each]).mean()
        return self._response_of_one(student, teacher, classes)

    def _response_of_one(self, student: Tensor, teacher: Tensor, classes: Tensor) -> Tensor:
        """Compute RCD from logits (B, K) of both."""
        if self.config.response == "kl":
            return response_divergence(student, teacher)
        ours, theirs = response_parts(student, classes), response_parts(teacher, classes)
        names = ("target", "non_target")
        parts = [mutual_information(self.critic[n], s, t) for n, s, t in zip(names, ours, theirs, strict=True)]
        return -torch.stack(parts).sum()

    def conclude(self, seen: Iterable[tuple[Output | None, Output, Tensor]]) -> None:
        """Keep prototypes over all training data and the teacher's typical distance of two clips, for `mechanism`."""
        if not self.config.distil:
            return
        total, count = torch.zeros_like(self.prototypes), torch.zeros_like(self.prototypes[0, :, 0])
        distance, pairs = 0.0, 0
        for full, dropped, label in seen:
            assert full is not None
            # Sums of H per class, for the teacher with everything and the student with what is left.
            classes = self.classes(label)
            columns = classes.view(len(classes), -1).unbind(1)
            n = torch.cat([torch.bincount(column, minlength=self.k) for column in columns]).to(total)
            for row, h in ((TEACHER, full.joint), (STUDENT, dropped.joint)):
                total[row] += self._means(h, classes)[0] * n[:, None]
            count = count + n
            # Distance of every clip to the one before it: the order is random.
            if len(label) > 1:
                distance += float((full.joint - full.joint.roll(1, 0)).norm(dim=1).sum())
                pairs += len(label)
        self.prototypes.copy_(total / count.clamp(min=1.0)[:, None])
        self.typical_distance.fill_(distance / max(pairs, 1))

    def mechanism(
        self, output: Output, row: int, real: int | None = None, teacher: Output | None = None
    ) -> CorrKDMechanism:
        """Describe one row: attention; beside a teacher also responses, similarities to prototypes and distances."""
        names = None if self.config.emotions or not self.config.distil else CLASSES[self.config.n_classes]
        return describe(self, names, output, row, teacher)
