"""ProMMA: evaluate before generating, and dynamic prompts (ICME 2026, arXiv 2604.05558). **A reconstruction.**

Of ProMMA only the abstract is public: no equation, no code, no table. It names four modules and what each is for; how
they work here is our own reading, built on what the abstract says and on public relatives, MPLMM (ACL 2024) first.
Wherever the product shows ProMMA it says "a reconstruction from its abstract".

Module -> class (promma_modules.py)
- Pre-trained backbone -> `Backbone`: trained on complete input (prompted = false), then frozen. It is the teacher of
  the run, the complete-modality model on the page, and the source of the pseudo-labels.
- Missing Modality Evaluator (MME) -> `Evaluator`. "Judges with pre-trained models and pseudo-labels whether a missing
  modality is worth generating." For a missing m: importance = |f0(O, m^) - f0(O)|, f0 the frozen fusion and read-out on
  what is present (O) with and without the generated m^; confidence = how much of the truth the generator believes to
  have hit; a gate on these and on what each modality says alone, trained against the truth of the training data: did
  generating bring the score nearer? Generated only above a threshold chosen on validation, one for
  each pattern of what is there, with imagined text and without, as the intervals are.
- Generator -> `Generator`: the summary of a missing modality from those present and its private prompts, as in MPLMM.
- Modality-invariant Prompt Disentanglement (MPD) -> `Disentanglement`. "Decomposes shared prompts into private ones":
  P_m = P_s + g_m(P_s); private prompts of different modalities are kept orthogonal, and their mean near P_s.
- Dynamic Prompt Weighting (DPW) -> `Weighting`. "Mutual-information-based weights from cross-attention outputs." The L
  shared prompts stand at L points of the sentiment scale. Private prompts P_{m,l} look at the frames of m through the
  frozen cross-attention; a critic compares what they find, o_{m,l}, with the summary of m as its residual, with its
  prompt. With p(l | o_m) and the prior p(l):
  batch estimate, which training raises: I(o_m; l) >= mean_i log p(l_i | o_m,i) / p(l_i), l_i the prompt of the label;
  one clip, no label: I_m = KL(p(l | o_m) || p(l)), whose mean over clips is the same information;
  w = softmax_m(I_m / tau + log c_m), with c = 1 for a present modality, the generator's confidence for a generated one
  and 0 for one that is left out: so the influence of a missing modality is held down. The prompts of m are scaled by
  w_m and by p(l | o_m).
- Multi-level Prompt Dynamic Connection (MPDC) -> `Level`. "Joins shared prompts to self-attention outputs by residual
  connections": at every level h = SA([W P_s ; h]) + W' pool(P_s); at the last one, over modalities, P_s + L P_dynamic.

Choices that a reader of the abstract may not expect
- The generator learns to rebuild, not to lower the error of the score: it is an imputation, and whether to use it is
  the evaluator's question. (Trained through the score it always helps a little, and there is nothing to evaluate.)
- Missing text is rebuilt from text simulated from the voice where there is some (`use_simulated`), as in SDUMC.
- What is generated is a modality's summary, which enters the cross-attention as its one frame.
- The evaluator's truth is about the model's own answers; the frozen model gives importance and pseudo-labels. It reads
  the summaries as encoded with the prompts: a second pass without them would double the cost.
- The generator's target is the backbone's summary of the real modality. Through the base of generated text its error
  also reaches the shared prompts.
- Every prompt starts small and random; MPLMM multiplies factors that start at zero and never learn. Parameters grow
  linearly with the modalities, as do the answers that are compared: none generated, each one alone, all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from msa_core.errors import MsaError
from msa_core.methods.base import Displayed, Method, Recipe
from msa_core.methods.layers import Standardise, available, bounded, masked_mean, masked_softmax, usable
from msa_core.methods.losses import (
    evaluator_loss,
    expected_error,
    mse,
    prompt_information,
    prompt_orthogonality,
    prompt_reconstruction,
    where_mean,
)
from msa_core.methods.promma.config import CHOICES, RECIPES, ProMMAConfig
from msa_core.methods.promma.explain import account
from msa_core.methods.promma.modules import (
    BOUND,
    EVERYTHING,
    N_ANSWERS,
    N_SITUATIONS,
    SMALL,
    Backbone,
    Disentanglement,
    Evaluator,
    Generator,
    Level,
    LowRank,
    Weighting,
    at,
    best_thresholds,
    column_of,
    completed,
    first_alike,
    situation_of,
)
from msa_core.schema import MODALITIES, Batch, Output

MOMENTUM = 0.02  # of the running prior over prompts and spread of summaries


@dataclass(frozen=True)
class Answers:
    """What is said with each choice of what to generate, A = N_ANSWERS of them.

    score, frozen (B, A): of the model and of the frozen model; joint (B, A, 3 d).
    """

    score: Tensor
    frozen: Tensor
    joint: Tensor


class ProMMA(Method):
    """The frozen backbone, and the prompts that adapt it to what is missing."""

    name = "promma"
    title = "ProMMA (reconstruction)"
    panel = "prompts"
    reconstruction = True
    Config = ProMMAConfig

    def __init__(self, config: ProMMAConfig, dims: Mapping[str, int]):
        super().__init__(config, dims)
        d = config.d_model
        self.backbone = Backbone(config, dims)
        if not config.prompted:
            return
        self.backbone.requires_grad_(False)
        self.shared = nn.Parameter(4 * SMALL * torch.randn(config.n_prompts, d))  # P_s
        self.absent = nn.Parameter(SMALL * torch.randn(len(MODALITIES), d))  # stands for what is left out
        self.weigh = Weighting(d, config.d_critic, config.n_prompts)
        self.read_out = nn.Linear(d, 1)  # of the weighted prompts
        if config.use_mpd:
            self.disentangle = Disentanglement(d, config.rank)
        if config.use_mpdc:
            names = [*(f"{m}-{i}" for m in MODALITIES for i in range(config.n_layers)), "modalities"]
            self.before = nn.ModuleDict({n: LowRank(d, config.rank) for n in names})  # W
            self.residual = nn.ModuleDict({n: LowRank(d, config.rank) for n in names})  # W'
        if config.generate != "never":
            self.generator = Generator(d, config.d_generator, config.prompt_dropout)
            self.register_buffer("spread", torch.ones(len(MODALITIES)))  # variance of the true summaries
            self.spread: Tensor
        if config.generate == "evaluate":
            self.evaluator = Evaluator(config.d_generator, config.d_gate, config.prompt_dropout)
            self.register_buffer("threshold", torch.zeros(N_SITUATIONS, len(MODALITIES)))  # of the gates' logits
            self.threshold: Tensor

    @property
    def needs_teacher(self) -> bool:
        """The prompts need the frozen backbone."""
        return bool(self.config.prompted)

    @property
    def reads_simulated(self) -> bool:
        """Where text may be generated from it."""
        return bool(self.config.prompted and self.config.use_simulated and self.config.generate != "never")

    @classmethod
    def recipes(cls) -> list[Recipe]:
        """The backbone, the prompts, and their ablations."""
        return RECIPES

    @classmethod
    def variants(cls, config: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The same weights where MME decides, and always and never generating."""
        whole = all(config.get(f"use_{part}", True) for part in ("mpd", "dpw", "mpdc", "simulated"))
        asks = config.get("prompted", True) and config.get("generate", "evaluate") == "evaluate"
        return [{"decide": choice} for choice in CHOICES] if asks and whole else [{}]

    def answers(self, batch: Batch, variants: Sequence[Mapping[str, Any]]) -> list[Tensor]:
        """As in the contract; one pass holds the answers of every decision."""
        if not all(set(settings) <= {"decide"} for settings in variants) or not self.config.prompted:
            return super().answers(batch, variants)
        trace = self(batch).trace
        scores = []
        for settings in variants:
            choice = settings.get("decide", self.config.decide)
            if choice == self.config.decide:
                chosen = trace["chosen"]
            else:
                decided = self._decided(trace["gate"], trace["real"], trace["simulated"], choice)
                chosen = column_of(trace["missing"] & decided)
            scores.append(at(trace["answers"], chosen))
        return scores

    def adopt(self, teacher: Method) -> None:
        """Take over the trained backbone and what it standardises with. Raises: MsaError for one of another shape."""
        assert isinstance(teacher, ProMMA)
        for name in ("d_model", "n_heads", "n_layers", "d_feedforward"):
            theirs, ours = getattr(teacher.config, name), getattr(self.config, name)
            if theirs != ours:
                raise MsaError(f"The teacher has {name} {theirs}, these prompts {ours}; give both the same.")
        self.backbone.load_state_dict(teacher.backbone.state_dict(), strict=True)
        self.standardise.load_state_dict(teacher.standardise.state_dict(), strict=True)

    def forward(self, batch: Batch) -> Output:
        """Score a batch (schema.Batch). The trace holds what the losses and the page read, see below."""
        keep = usable(batch)
        real = available(keep)
        if not self.config.prompted:
            return self._complete(batch, keep, real)
        missing = ~real & real.any(1, keepdim=True)  # nothing can be generated from nothing
        private = self.disentangle(self.shared) if self.config.use_mpd else self.shared.expand(3, -1, -1)  # P_m
        levels = self._levels()
        encoded = self.backbone.encoded(batch.features, keep, self._standardises(), levels)
        trace = {f"attention_{m}": encoded.attention[m] for m in MODALITIES}
        confidence = real.to(self.shared)
        if self.config.generate != "never":
            simulated, heard = self._simulated(batch, keep["simulated"], missing[:, 0], levels)
            made, sure, hidden = self.generator(encoded.summary, real, private, simulated, heard)
            encoded = completed(encoded, made.detach(), missing)
            confidence = torch.where(real, confidence, torch.sigmoid(sure).detach())
            trace |= {"made": made, "sure": sure, "simulated": heard}
        queries = torch.cat([encoded.summary[:, None].expand(-1, 3, -1, -1), private.expand(len(real), -1, -1, -1)], 2)
        found, spoken = self.backbone.crossed(queries, encoded).tensor_split([3], 2)
        spoken = spoken + encoded.summary[:, :, None]  # o, with what they were asked about as residual (B, 3, L, d)
        log_posterior = self.weigh(spoken, private)  # log p(l | o) (B, 3, L)
        information = self.weigh.information(log_posterior)  # I (B, 3)
        there = self._choices(real, missing)  # (B, A, 3)
        if not (self.training or missing.any()):
            there = there[:, :1]  # nothing to choose: one answer stands for all
        weights = self._weights(information, confidence, there)
        scaled = torch.einsum("bam,bml,mld->bald", weights, log_posterior.exp(), private)  # P_dynamic
        answers = self._answers(encoded.summary, found, scaled, there)
        if self.config.generate == "evaluate":
            alone = bounded(self.backbone.alone_scores(encoded.summary))
            gate = self.evaluator(real, alone, answers.frozen, answers.score, confidence, information, hidden)
            generated = missing & self._decided(gate, real, heard, self.config.decide)
            trace |= {"gate": gate, "importance": (answers.frozen[:, 1:EVERYTHING] - answers.frozen[:, :1]).abs()}
        else:
            generated = missing & (self.config.generate == "always")
        chosen = column_of(generated)
        trace |= {
            "answers": answers.score, "chosen": chosen, "missing": missing, "real": real, "generated": generated,
            "confidence": confidence, "log_posterior": log_posterior,
            "information": torch.where(at(there, chosen), information, 0.0), "weights": at(weights, chosen),
            "private": private.expand(len(real), -1, -1, -1),
        }  # fmt: skip
        return Output(score=at(answers.score, chosen), joint=at(answers.joint, chosen), trace=trace)

    def losses(self, full: Output | None, dropped: Output, score: Tensor) -> dict[str, Tensor]:
        """The task, and one term or two for each module; full is the answer of the frozen backbone."""
        trace = dropped.trace
        if not self.config.prompted:
            apart = (bounded(trace["alone"]) - score[:, None]) ** 2
            return {"task": mse(dropped.score, score), "alone": where_mean(apart, trace["real"])}
        assert full is not None, "the prompts are trained with the frozen backbone's answer to the complete batch"
        answers, missing = trace["answers"], trace["missing"]
        square = (answers - score[:, None]) ** 2
        one = square[:, 1:EVERYTHING].mean(1)
        terms = {"answers": torch.stack([square[:, 0], one, square[:, EVERYTHING]]).mean()}
        share = self.weigh.share_of(score)
        if self.training:
            self.weigh.prior.lerp_(share.mean(0), MOMENTUM)
        known = trace["real"] | (missing & (self.config.generate != "never"))
        terms["information"] = -prompt_information(trace["log_posterior"], share, self.weigh.prior, known)
        if self.config.generate != "never":
            terms |= self._generator_terms(trace, full.trace["summary"], full.trace["real"], missing)
        if self.config.generate == "evaluate":
            terms["chosen"] = expected_error(square, trace["gate"], missing)
            terms["evaluator"] = evaluator_loss(trace["gate"], answers, score, missing)
        if self.config.use_mpd:
            terms["orthogonal"] = prompt_orthogonality(trace["private"][0])
            terms["reconstruction"] = prompt_reconstruction(trace["private"][0], self.shared)
        return terms

    def _generator_terms(
        self, trace: Mapping[str, Tensor], truth: Tensor, real: Tensor, missing: Tensor
    ) -> dict[str, Tensor]:
        """Error of what was generated, as a share of the truth's variance, and of what it believed of itself.

        truth (B, 3, d): the summaries of the complete batch, where real (B, 3); missing (B, 3): had to be generated.
        """
        rows = missing & real
        there = real.sum(0)[:, None]  # (3, 1)
        if self.training:
            centred = torch.where(real[..., None], truth - truth.sum(0) / there.clamp(min=1), 0.0)
            variance = ((centred**2).sum(0) / there.clamp(min=1)).mean(-1)
            self.spread.copy_(torch.where(there[:, 0] > 1, torch.lerp(self.spread, variance, MOMENTUM), self.spread))
        error = ((trace["made"] - truth) ** 2).mean(-1) / self.spread.clamp(min=1e-6)  # (B, 3)
        hit = (1 - error.detach()).clamp(0.0, 1.0)
        believed = (torch.sigmoid(trace["sure"]) - hit) ** 2
        return {"generated": where_mean(error, rows), "confidence": where_mean(believed, rows)}

    def tune(self, held_out: Iterable[tuple[Output, Tensor]]) -> None:
        """The thresholds of MME: for what is there and imagined, those with the lowest mean absolute error."""
        if not self.config.prompted or self.config.generate != "evaluate":
            return
        kept = [(*(o.trace[k] for k in ("gate", "answers", "missing", "real", "simulated")), y) for o, y in held_out]
        if not kept:
            return
        gate, answers, missing, real, heard, score = (torch.cat(parts) for parts in zip(*kept, strict=True))
        known = real.any(0)  # what no row has was never there to be rebuilt: it is never generated
        self.threshold[:, ~known] = BOUND
        situation = situation_of(real, heard)
        for number in situation.unique().tolist():
            rows = (situation == number) & missing.any(1)
            if rows.any():
                error = (answers[rows] - score[rows, None]).abs()
                best = best_thresholds(gate[rows], error, missing[rows][0] & known, column_of)
                self.threshold[number] = torch.where(known, best, BOUND)

    def mechanism(
        self, output: Output, row: int, real: int | None = None, teacher: Output | None = None
    ) -> dict[str, object]:
        """Prompt weights, what each modality's prompts say, MME's verdicts, likeness of prompts: see `account`."""
        return account(self, output, row, real, teacher)

    def displayed(self, output: Output) -> dict[str, Displayed]:
        """The prompt weights, and what they push: each weight times the lean of its prompts."""
        if not self.config.prompted:
            return {}
        weights = output.trace["weights"]
        push = weights * self.weigh.lean(output.trace["log_posterior"])
        return {"prompt weights": Displayed(weights, False), "prompt push": Displayed(push, True)}

    def _complete(self, batch: Batch, keep: Mapping[str, Tensor], real: Tensor) -> Output:
        """The backbone alone. Trace: attention_<modality> (B, T), summary (B, 3, d), alone and real (B, 3)."""
        encoded = self.backbone.encoded(batch.features, keep, self._standardises())
        found = self.backbone.crossed(encoded.summary, encoded)
        joint = self.backbone.fused(encoded.summary, found, real)
        trace = {f"attention_{m}": encoded.attention[m] for m in MODALITIES}
        trace |= {"summary": encoded.summary, "alone": self.backbone.alone_scores(encoded.summary), "real": real}
        return Output(score=bounded(self.backbone.score(joint)), joint=joint, trace=trace)

    def _standardises(self) -> dict[str, Standardise]:
        return {m: self.statistics(m) for m in MODALITIES}

    def _levels(self) -> dict[str, list[Level]] | None:
        """MPDC inside the modalities: shared prompts at every self-attention level."""
        if not self.config.use_mpdc:
            return None
        pooled = self.shared.mean(0)
        return {
            m: [
                Level(self.before[name](self.shared), self.residual[name](pooled))
                for name in (f"{m}-{i}" for i in range(self.config.n_layers))
            ]
            for m in MODALITIES
        }

    def _simulated(
        self, batch: Batch, usable_: Tensor, missing_text: Tensor, levels: Mapping[str, list[Level]] | None
    ) -> tuple[Tensor, Tensor]:
        """What the text encoder makes of simulated text (B, d), in the rows (B,) that miss text and have some."""
        heard = missing_text & usable_.any(1) & self.config.use_simulated
        summary = self.shared.new_zeros(len(heard), self.config.d_model)
        rows = heard.nonzero().squeeze(-1)
        if len(rows):
            prompts = [(p.tokens, p.residual) for p in levels["text"]] if levels else []
            frames, counted, _ = self.backbone.encode["text"](
                batch.features["simulated"][rows], usable_[rows], self.statistics("simulated"), prompts
            )
            summary = summary.index_put((rows,), masked_mean(frames, counted))
        return summary, heard

    def _choices(self, real: Tensor, missing: Tensor) -> Tensor:
        """What takes part in each answer (B, A, 3): what is real, and what that answer generates."""
        generate = torch.zeros(N_ANSWERS, len(MODALITIES), dtype=torch.bool, device=real.device)
        if self.config.generate == "evaluate":
            generate[1:EVERYTHING] = torch.eye(len(MODALITIES), dtype=torch.bool)
            generate[EVERYTHING] = True
        elif self.config.generate == "always":
            generate[:] = True
        return real[:, None] | (generate & missing[:, None])

    def _decided(self, gate: Tensor, real: Tensor, heard: Tensor, choice: str) -> Tensor:
        """Which modalities are worth generating (B, 3); "always" leaves out what the training corpus never had."""
        if choice == "evaluate":
            return gate > self.threshold[situation_of(real, heard)]
        known = (self.threshold < BOUND).any(0)
        return (known & (choice == "always")).expand(gate.shape)

    def _weights(self, information: Tensor, confidence: Tensor, there: Tensor) -> Tensor:
        """The weights w of DPW (B, A, 3): sums to one over what takes part, 0 for what does not."""
        energy = information / self.config.temperature + torch.log(confidence.clamp(min=1e-6))
        energy = energy if self.config.use_dpw else torch.zeros_like(energy)
        return masked_softmax(energy[:, None].expand(there.shape), there)

    def _answers(self, summary: Tensor, found: Tensor, scaled: Tensor, there: Tensor) -> Answers:
        """Fuse every choice in one pass. summary (B, 3, d), found (B, 3, 3, d), scaled prompts (B, A, L, d).

        Out of training, choices of a row that come to the same are fused once: in training dropout tells them apart.
        """
        b, a = there.shape[:2]
        own: Any = slice(None)  # the choices that are fused, of all (B A)
        if not self.training:
            same = first_alike(there) + a * torch.arange(b, device=there.device)[:, None]
            own, place = same.unique(return_inverse=True)  # place (B, A): of every choice among those

        def each(x: Tensor) -> Tensor:
            return x[:, None].expand(-1, a, *[-1] * (x.ndim - 1)).flatten(0, 1)[own]

        def every(x: Tensor) -> Tensor:
            x = x.view(b, a, *x.shape[1:]) if self.training else x[place]
            return x.expand(-1, N_ANSWERS, *[-1] * (x.ndim - 2))

        summaries, founds, takes_part = each(summary), each(found), there.flatten(0, 1)[own]
        with torch.no_grad():
            frozen = self.backbone.score(self.backbone.fused(summaries, founds, takes_part))
        level, scaled = None, scaled.flatten(0, 1)[own]
        if self.config.use_mpdc:
            prompts = self.shared + self.config.n_prompts * scaled  # (N, L, d)
            level = Level(self.before["modalities"](prompts), self.residual["modalities"](prompts.mean(1)))
        joint = self.backbone.fused(summaries, founds, takes_part, self.absent, level)
        raw = self.backbone.score(joint) + self.read_out(scaled.sum(1)).squeeze(-1)
        return Answers(every(bounded(raw)), every(bounded(frozen)), every(joint))
