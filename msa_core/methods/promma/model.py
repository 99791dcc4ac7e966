"""ProMMA: evaluate before generating, and dynamic prompts. **A reconstruction from the abstract.**

Paper: "Evaluation Before Generation: A Paradigm for Robust Multimodal Sentiment Analysis with Missing Modalities",
ICME 2026, arXiv 2604.05558. Built from the abstract alone, without equations, code or tables of the authors. It names
four modules and their purpose; how they work here is our own reading, built on the abstract and on public relatives,
MPLMM (ACL 2024) first. Wherever the product shows ProMMA it says so.

Module -> class (promma/modules.py)
- Pre-trained backbone -> `Backbone`: trained on complete input (prompted = false), then frozen. It is the teacher of
  the run, the complete-modality model on the page, and the source of the pseudo-labels.
- Missing Modality Evaluator (MME) -> `Evaluator`. "Judges with pre-trained models and pseudo-labels whether a missing
  modality is worth generating." For a missing m: importance = |f0(O, m^) - f0(O)|, f0 the frozen fusion and read-out on
  what is present (O) with and without the generated m^; confidence = share of the truth's variance that the generator
  expects to hit; a gate on these and on each modality's own score, trained against the truth of the training data:
  did generating lower the error? Generated only above a threshold chosen on validation, one for each pattern of
  present modalities, with simulated text and without, as for the intervals.
- Generator -> `Generator`: the summary of a missing modality from those present and its private prompts, as in MPLMM.
- Modality-invariant Prompt Disentanglement (MPD) -> `Disentanglement`. "Decomposes shared prompts into private ones":
  P_m = P_s + g_m(P_s); private prompts of different modalities are kept orthogonal, and their mean near P_s.
- Dynamic Prompt Weighting (DPW) -> `Weighting`. "Mutual-information-based weights from cross-attention outputs." The L
  shared prompts stand at L points of the sentiment scale. Private prompts P_{m,l} attend to the frames of m through
  the frozen cross-attention; a critic compares the output o_{m,l}, with the summary of m as residual, with its prompt.
  With p(l | o_m) and the prior p(l):
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
- Missing text is generated from simulated text where there is some (`use_simulated`), as in SDUMC.
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
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from msa_core.errors import MsaError
from msa_core.methods.base import Displayed, Method, Recipe
from msa_core.methods.layers import Standardise, available, bounded, masked_softmax, usable
from msa_core.methods.losses import (
    evaluator_loss,
    expected_error,
    prompt_information,
    prompt_orthogonality,
    prompt_reconstruction,
    where_mean,
)
from msa_core.methods.promma.answers import (
    BOUND,
    EVERYTHING,
    N_ANSWERS,
    N_SITUATIONS,
    Answers,
    at,
    choices,
    column_of,
    first_alike,
    situation_of,
    situation_thresholds,
)
from msa_core.methods.promma.config import CHOICES, RECIPES, ProMMAConfig
from msa_core.methods.promma.explain import ProMMAMechanism, describe
from msa_core.methods.promma.modules import (
    SMALL,
    Backbone,
    Disentanglement,
    EncodedBatches,
    Evaluator,
    Generator,
    Level,
    LowRank,
    Weighting,
)
from msa_core.schema import MODALITIES, Batch, Output

MOMENTUM = 0.02  # of the running prior over prompts and spread of summaries


class ProMMA(Method):
    """The frozen backbone, and prompts that adapt it to missing modalities."""

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
        self.backbone.freeze()
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
        """True for the prompts, which need the frozen backbone."""
        return bool(self.config.prompted)

    @property
    def reads_simulated_text(self) -> bool:
        """True where text may be generated from it."""
        generates = "never" not in (self.config.generate, self.config.decide)
        return bool(self.config.prompted and self.config.use_simulated and generates)

    @classmethod
    def recipes(cls) -> list[Recipe]:
        """List the backbone, the prompts, and their ablations."""
        return RECIPES

    @classmethod
    def variants(cls, config: Mapping[str, Any]) -> list[dict[str, Any]]:
        """List the decisions with the same weights: MME decides, always and never generating."""
        whole = all(config.get(f"use_{part}", True) for part in ("mpd", "dpw", "mpdc", "simulated"))
        asks = config.get("prompted", True) and config.get("generate", "evaluate") == "evaluate"
        return [{"decide": choice} for choice in CHOICES] if asks and whole else [{}]

    def answers(self, batch: Batch, variants: Sequence[Mapping[str, Any]]) -> list[Tensor]:
        """Score a batch under each of `variants`; one pass holds the answers of every decision."""
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
        """Take over the trained backbone and its standardisation.

        Raises:
            MsaError: for a backbone of another shape.
        """
        assert isinstance(teacher, ProMMA)
        for name in ("d_model", "n_heads", "n_layers", "d_feedforward"):
            theirs, ours = getattr(teacher.config, name), getattr(self.config, name)
            if theirs != ours:
                raise MsaError(f"The teacher has {name} {theirs}, these prompts {ours}; give both the same.")
        self.backbone.load_state_dict(teacher.backbone.state_dict(), strict=True)
        self.standardise.load_state_dict(teacher.standardise.state_dict(), strict=True)

    def forward(self, batch: Batch) -> Output:
        """Score a batch. The trace holds what the losses and the mechanism read, see below."""
        return self.each([batch])[0]

    def each(self, batches: Sequence[Batch]) -> list[Output]:
        """Score several batches: each is encoded by itself, and everything behind it is one pass over all rows."""
        if not self.config.prompted:
            return [self._complete(batch) for batch in batches]
        keeps = [usable(batch) for batch in batches]
        real = torch.cat([available(keep) for keep in keeps])
        missing = ~real & real.any(1, keepdim=True)  # nothing can be generated from nothing
        # 1. MPD: private prompts P_m (3, L, d). MPDC: shared prompts at every level of the encoders.
        private = self.disentangle(self.shared) if self.config.use_mpd else self.shared.expand(3, -1, -1)
        levels = self._levels()
        # 2. Frozen encoders: summaries s_m and frames F_m.
        given = list(zip(batches, keeps, strict=True))
        how = (self._standardises(), levels)
        encoded = EncodedBatches([self.backbone.encoded(b.features, keep, *how) for b, keep in given])
        summary, trace = encoded.summary, dict[str, Tensor]()
        # 3. Generator: m^ in the place of what is missing, with its confidence c.
        confidence = real.to(self.shared)
        if self.config.generate != "never":
            told = torch.cat([keep["simulated"].any(1) for keep in keeps])
            heard = missing[:, 0] & told & self.config.use_simulated
            simulated = self.backbone.simulated(given, heard, self.statistics("simulated"), levels)
            made, sure, hidden = self.generator(summary, real, private, simulated, heard)
            encoded = encoded.completed(made.detach(), missing)
            summary = encoded.summary
            confidence = torch.where(real, confidence, torch.sigmoid(sure).detach())
            trace |= {"made": made, "sure": sure, "simulated": heard}
        # 4. Frozen cross-attention: summaries find O_{m<-n} (B, 3, 3, d), private prompts find o (B, 3, L, d).
        queries = torch.cat([summary[:, None].expand(-1, 3, -1, -1), private.expand(len(real), -1, -1, -1)], 2)
        found, spoken = encoded.crossed(self.backbone, queries).tensor_split([3], 2)
        spoken = spoken + summary[:, :, None]  # o, with the summary as residual
        # 5. DPW: posterior over prompts and information, weights w in every answer, scaled prompts.
        log_posterior = self.weigh(spoken, private)  # log p(l | o) (B, 3, L)
        information = self.weigh.information(log_posterior)  # I (B, 3)
        there = choices(self.config.generate, real, missing)  # (B, A, 3)
        if not (self.training or missing.any()):
            there = there[:, :1]  # nothing to choose: one answer stands for all
        weights = self._weights(information, confidence, there)
        scaled = torch.einsum("bam,bml,mld->bald", weights, log_posterior.exp(), private)  # P_dynamic
        # 6. Answers with nothing, each modality and everything missing generated.
        answers = self._answers(summary, found, scaled, there)
        # 7. MME chooses among them.
        if self.config.generate == "evaluate":
            alone = bounded(self.backbone.alone_scores(summary))
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
        whole = Output(score=at(answers.score, chosen), joint=at(answers.joint, chosen), trace=trace)
        parts = zip(whole.split(encoded.sizes), encoded.each, strict=True)
        return [replace(o, trace={**o.trace, **e.looked}) for o, e in parts]

    def losses(self, full: Output | None, dropped: Output, label: Tensor) -> dict[str, Tensor]:
        """Compute the task terms, and one or two terms for each module; full is the frozen backbone's answer."""
        trace = dropped.trace
        if not self.config.prompted:
            apart = self.score_errors(bounded(trace["alone"]), label[:, None])
            return {"task": self.score_errors(dropped.score, label).mean(), "alone": where_mean(apart, trace["real"])}
        assert full is not None, "the prompts are trained with the frozen backbone's answer to the complete batch"
        answers, missing = trace["answers"], trace["missing"]
        # Task: error of the answers, those with one modality generated counting as one.
        errors = self.score_errors(answers, label[:, None])  # (B, A)
        one = errors[:, 1:EVERYTHING].mean(1)
        terms = {"answers": torch.stack([errors[:, 0], one, errors[:, EVERYTHING]]).mean()}
        # DPW: the information of the outputs about the prompts of the label.
        share = self.weigh.share_of(label)  # q (B, L)
        if self.training:
            self.weigh.prior.lerp_(share.mean(0), MOMENTUM)
        known = trace["real"] | (missing & (self.config.generate != "never"))
        terms["information"] = -prompt_information(trace["log_posterior"], share, self.weigh.prior, known)
        # Generator, MME, MPD.
        if self.config.generate != "never":
            terms |= self._generator_terms(trace, full.trace["summary"], full.trace["real"], missing)
        if self.config.generate == "evaluate":
            terms["chosen"] = expected_error(errors, trace["gate"], missing)
            terms["evaluator"] = evaluator_loss(trace["gate"], answers, label, missing)
        if self.config.use_mpd:
            terms["orthogonal"] = prompt_orthogonality(trace["private"][0])
            terms["reconstruction"] = prompt_reconstruction(trace["private"][0], self.shared)
        return terms

    def _generator_terms(
        self, trace: Mapping[str, Tensor], truth: Tensor, real: Tensor, missing: Tensor
    ) -> dict[str, Tensor]:
        """Compute the error of what was generated, as a share of the truth's variance, and of its confidence.

        truth: summaries of the complete batch (B, 3, d), where real (B, 3). missing: had to be generated (B, 3).
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
        """Choose the thresholds of MME: in each situation those with the lowest mean absolute error."""
        if not self.config.prompted or self.config.generate != "evaluate":
            return
        kept = [(*(o.trace[k] for k in ("gate", "answers", "missing", "real", "simulated")), y) for o, y in held_out]
        if not kept:
            return
        gate, answers, missing, real, heard, label = (torch.cat(parts) for parts in zip(*kept, strict=True))
        self.threshold[:, ~real.any(0)] = BOUND
        error = (answers - label[:, None]).abs()
        for situation, best in situation_thresholds(gate, error, missing, real, heard).items():
            self.threshold[situation] = best

    def mechanism(
        self, output: Output, row: int, real: int | None = None, teacher: Output | None = None
    ) -> ProMMAMechanism:
        """Describe one row: prompt weights, what the prompts of each modality say, MME's verdicts, similarities."""
        return describe(self, output, row, real, teacher)

    def displayed(self, output: Output) -> dict[str, Displayed]:
        """Return the prompt weights, and their push: each weight times the lean of its prompts."""
        if not self.config.prompted:
            return {}
        weights = output.trace["weights"]
        push = weights * self.weigh.lean(output.trace["log_posterior"])
        return {"prompt weights": Displayed(weights, False), "prompt push": Displayed(push, True)}

    def _complete(self, batch: Batch) -> Output:
        """Answer with the backbone alone. Trace: attention_<modality> (B, T), summary (B, 3, d), alone, real (B, 3)."""
        keep = usable(batch)
        real = available(keep)
        encoded = self.backbone.encoded(batch.features, keep, self._standardises())
        found = self.backbone.crossed(encoded.summary, encoded)
        joint = self.backbone.fused(encoded.summary, found, real)
        trace = {**encoded.looked, "summary": encoded.summary}
        trace |= {"alone": self.backbone.alone_scores(encoded.summary), "real": real}
        return Output(score=bounded(self.backbone.score(joint)), joint=joint, trace=trace)

    def _standardises(self) -> dict[str, Standardise]:
        """Return what standardises each modality."""
        return {m: self.statistics(m) for m in MODALITIES}

    def _levels(self) -> dict[str, list[Level]] | None:
        """Compute MPDC inside the modalities: shared prompts at every self-attention level."""
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

    def _decided(self, gate: Tensor, real: Tensor, heard: Tensor, choice: str) -> Tensor:
        """Decide which modalities to generate (B, 3); "always" leaves out what the training corpus never had."""
        if choice == "evaluate":
            return gate > self.threshold[situation_of(real, heard)]
        known = (self.threshold < BOUND).any(0)
        return (known & (choice == "always")).expand(gate.shape)

    def _weights(self, information: Tensor, confidence: Tensor, there: Tensor) -> Tensor:
        """Compute the weights w of DPW (B, A, 3): they sum to one over what takes part and are 0 elsewhere."""
        energy = information / self.config.temperature + torch.log(confidence.clamp(min=1e-6))
        energy = energy if self.config.use_dpw else torch.zeros_like(energy)
        return masked_softmax(energy[:, None].expand(there.shape), there)

    def _answers(self, summary: Tensor, found: Tensor, scaled: Tensor, there: Tensor) -> Answers:
        """Fuse every choice in one pass.

        Out of training, equal choices of a row are fused once; in training dropout tells them apart.

        Args:
            summary: s (B, 3, d).
            found: O (B, 3, 3, d).
            scaled: prompts P_dynamic (B, A, L, d).
            there: what takes part in each choice (B, A, 3).
        """
        b, a = there.shape[:2]
        own: Any = slice(None)  # choices that are fused, of all (B A)
        if not self.training:
            same = first_alike(there) + a * torch.arange(b, device=there.device)[:, None]
            own, place = same.unique(return_inverse=True)  # place (B, A): of every choice among those

        def each(x: Tensor) -> Tensor:  # (B, ...) repeated for the choices that are fused
            return x[:, None].expand(-1, a, *[-1] * (x.ndim - 1)).flatten(0, 1)[own]

        def every(x: Tensor) -> Tensor:  # fused choices back to (B, A, ...)
            x = x.view(b, a, *x.shape[1:]) if self.training else x[place]
            return x.expand(-1, N_ANSWERS, *[-1] * (x.ndim - 2))

        summaries, founds, takes_part = each(summary), each(found), there.flatten(0, 1)[own]
        # f0 of MME, without prompts.
        with torch.no_grad():
            frozen = self.backbone.score(self.backbone.fused(summaries, founds, takes_part))
        # MPDC over the modalities, with P_s + L P_dynamic.
        level, scaled = None, scaled.flatten(0, 1)[own]
        if self.config.use_mpdc:
            prompts = self.shared + self.config.n_prompts * scaled  # (N, L, d)
            level = Level(self.before["modalities"](prompts), self.residual["modalities"](prompts.mean(1)))
        joint = self.backbone.fused(summaries, founds, takes_part, self.absent, level)
        raw = self.backbone.score(joint) + self.read_out(scaled.sum(1)).squeeze(-1)
        return Answers(every(bounded(raw)), every(bounded(frozen)), every(joint))
