"""The parts of ProMMA (see promma.py): the frozen backbone and the four modules around it. Symbols as in promma.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msa_core.methods.layers import (
    CrossAttention,
    Dropout,
    SelfAttention,
    SequenceEncoder,
    Standardise,
    masked_mean,
    mlp,
)
from msa_core.methods.promma.config import ProMMAConfig
from msa_core.schema import MODALITIES, SCORE_LIMIT

# The answers that are compared: nothing generated, text, audio or vision alone, everything that is missing.
N_ANSWERS = len(MODALITIES) + 2
EVERYTHING = N_ANSWERS - 1
N_SITUATIONS = 2 ** (len(MODALITIES) + 1)
BOUND = 30.0  # a logit that no gate reaches
SMALL = 0.05  # standard deviation of what prompts start from: small, and random so that every factor learns


@dataclass(frozen=True)
class Level:
    """Shared prompts at one self-attention level: tokens (L, d) or (B, L, d) before it, residual (d,) or (B, d)."""

    tokens: Tensor
    residual: Tensor


@dataclass(frozen=True)
class EncodedModalities:
    """What the encoders say: summary s (B, 3, d), per modality frames F (B, T', d) and which count, attention."""

    summary: Tensor
    frames: dict[str, Tensor]
    keep: dict[str, Tensor]
    attention: dict[str, Tensor]


class Backbone(nn.Module):
    """The complete-modality model: encoders, cross-attention between modalities, self-attention over them, read-out.

    s_m is the mean over the frames of m; z_m = s_m + sum over n != m of O_{m<-n}, where O_{m<-n} is what s_m finds in
    the frames of n.
    """

    def __init__(self, config: ProMMAConfig, dims: Mapping[str, int]):
        super().__init__()
        d, joint = config.d_model, 3 * config.d_model
        inputs = list(zip(MODALITIES, config.input_dropout, config.input_noise, strict=True))
        layers = (config.n_heads, config.n_layers, config.d_feedforward, config.dropout)
        self.encode = nn.ModuleDict(
            {m: SequenceEncoder(dims[m], d, *layers, (p, noise, config.frame_dropout)) for m, p, noise in inputs}
        )
        self.cross = nn.ModuleDict({m: CrossAttention(d, config.n_heads, config.dropout) for m in MODALITIES})
        self.kind = nn.Parameter(0.1 * torch.randn(3, d))  # tells the modalities apart
        self.over_modalities = SelfAttention(d, config.n_heads, config.d_feedforward, config.dropout)
        self.fuse = nn.Sequential(mlp((joint, joint, joint), config.head_dropout))
        self.head = nn.Linear(joint, 1)
        self.alone = nn.ModuleDict(
            {m: nn.Sequential(nn.ReLU(), Dropout(config.head_dropout), nn.Linear(d, 1)) for m in MODALITIES}
        )

    def encoded(
        self,
        features: Mapping[str, Tensor],
        keep: Mapping[str, Tensor],
        standardise: Mapping[str, Standardise],
        levels: Mapping[str, list[Level]] | None = None,
    ) -> EncodedModalities:
        """Encode every modality; an absent one has the summary 0 and no frame."""
        summaries, frames, kept, attention = [], {}, {}, {}
        for m in MODALITIES:
            prompts = [(p.tokens, p.residual) for p in levels[m]] if levels else []
            f, frames_of_m, attention[m] = self.encode[m](features[m], keep[m], standardise[m], prompts)
            there = keep[m].any(1)
            summaries.append(torch.where(there[:, None], masked_mean(f, frames_of_m), 0.0))
            frames[m], kept[m] = f, frames_of_m & there[:, None]
        return EncodedModalities(torch.stack(summaries, 1), frames, kept, attention)

    def crossed(self, queries: Tensor, encoded: EncodedModalities) -> Tensor:
        """What queries (B, Q, d), or (B, 3, Q, d) for each source, find in the frames of each source: (B, 3, Q, d)."""
        of = queries.unbind(1) if queries.ndim == 4 else [queries] * 3
        found = [self.cross[m](q, encoded.frames[m], encoded.keep[m]) for m, q in zip(MODALITIES, of, strict=True)]
        return torch.stack(found, 1)

    def fused(
        self, summary: Tensor, found: Tensor, there: Tensor, absent: Tensor | None = None, level: Level | None = None
    ) -> Tensor:
        """The joint representation (B, 3 d).

        Args: summary s (B, 3, d); found (B, 3, 3, d): source, target. there (B, 3) True = takes part. absent (3, d):
            stands for a modality that does not, else 0. level: prompts of the self-attention over modalities.
        """
        apart = ~torch.eye(3, dtype=torch.bool, device=there.device)
        used = (there[:, :, None] & apart).to(found.dtype)  # (B, source, target)
        z = summary + torch.einsum("bnmd,bnm->bmd", found, used)
        z = torch.where(there[..., None], z, 0.0 if absent is None else absent)
        tokens, seen = z + self.kind, there | ~there.any(1, keepdim=True)
        if level is None:
            mixed = self.over_modalities(tokens, seen)[0]
        else:
            n = level.tokens.shape[-2]
            tokens = torch.cat([level.tokens.expand(len(z), -1, -1), tokens], 1)
            mixed = self.over_modalities(tokens, F.pad(seen, (n, 0), value=True))[0][:, n:]
            mixed = mixed + level.residual.reshape(-1, 1, z.shape[-1])
        mixed = torch.where(there[..., None], mixed, z)
        joint: Tensor = self.fuse(mixed.flatten(1))
        return joint

    def score(self, joint: Tensor) -> Tensor:
        """A raw score (B,) of a joint representation (B, 3 d)."""
        raw: Tensor = self.head(joint).squeeze(-1)
        return raw

    def alone_scores(self, summary: Tensor) -> Tensor:
        """Raw scores (B, 3) of each summary s (B, 3, d) by itself: the pseudo-label of one modality."""
        return torch.cat([self.alone[m](summary[:, i]) for i, m in enumerate(MODALITIES)], 1)


class LowRank(nn.Module):
    """x -> up(down(x)), d -> r -> d: a projection with few parameters."""

    def __init__(self, d: int, rank: int):
        super().__init__()
        self.down, self.up = nn.Linear(d, rank, bias=False), nn.Linear(rank, d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Project x (..., d)."""
        y: Tensor = self.up(self.down(x))
        return y


class Disentanglement(nn.Module):
    """MPD: P_m = P_s + g_m(P_s), a two-layer network for every modality."""

    def __init__(self, d: int, rank: int):
        super().__init__()
        self.private = nn.ModuleDict(
            {m: nn.Sequential(nn.Linear(d, rank), nn.GELU(), nn.Linear(rank, d)) for m in MODALITIES}
        )

    def forward(self, shared: Tensor) -> Tensor:
        """Private prompts (3, L, d) of shared ones (L, d)."""
        return torch.stack([shared + self.private[m](shared) for m in MODALITIES])


class Generator(nn.Module):
    """The summary of a missing modality from those that are present and its private prompts.

    h_m = GELU(sum over present n of E_n s_n + E_P pool(P_m)); m^ = base_m + D_m h_m. The base of missing text is what
    the frozen encoder makes of text simulated from the voice, where there is some; else a learned vector. A second
    output says how much of the truth the generator believes to have hit.
    """

    def __init__(self, d: int, d_hidden: int, dropout: float):
        super().__init__()
        self.source = nn.ModuleDict({n: nn.Linear(d, d_hidden) for n in (*MODALITIES, "simulated", "prompt")})
        self.target = nn.ModuleDict({m: nn.Linear(d_hidden, d) for m in MODALITIES})
        self.sure = nn.ModuleDict({m: nn.Linear(d_hidden, 1) for m in MODALITIES})
        self.itself = nn.ModuleDict({m: nn.Linear(d_hidden, d_hidden) for m in MODALITIES})
        self.dropout = Dropout(dropout)

    def forward(
        self, summary: Tensor, real: Tensor, private: Tensor, simulated: Tensor, heard: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Generate all three modalities, each from the others.

        Args: summary s (B, 3, d), real (B, 3), private prompts (3, L, d); simulated text's summary (B, d) and the rows
            that have some (B,).
        Returns: m^ (B, 3, d), logits of confidence (B, 3), hidden (B, 3, r).
        """
        parts = [self.source[n](summary[:, i]) * real[:, i, None] for i, n in enumerate(MODALITIES)]
        everything = torch.stack(parts).sum(0)
        made, sure, hidden = [], [], []
        for i, m in enumerate(MODALITIES):
            h = everything - parts[i] + self.source["prompt"](private[i].mean(0))
            if m == "text":
                h = h + self.source["simulated"](simulated) * heard[:, None]
            h = self.dropout(F.gelu(h))
            h = h + F.gelu(self.itself[m](h))
            base = simulated * heard[:, None] if m == "text" else 0.0
            made.append(base + self.target[m](h))
            sure.append(self.sure[m](h.detach()))
            hidden.append(h)
        return torch.stack(made, 1), torch.cat(sure, 1), torch.stack(hidden, 1)


class Evaluator(nn.Module):
    """MME: a gate for every modality that says whether generating it would help."""

    def __init__(self, d_hidden: int, d_gate: int, dropout: float):
        super().__init__()
        n = len(MODALITIES) * 2 + 9 + d_hidden
        self.gate = nn.ModuleDict(
            {m: nn.Sequential(mlp((n, d_gate), dropout), nn.Linear(d_gate, 1)) for m in MODALITIES}
        )

    def forward(
        self,
        real: Tensor,
        alone: Tensor,
        frozen: Tensor,
        answers: Tensor,
        confidence: Tensor,
        information: Tensor,
        hidden: Tensor,
    ) -> Tensor:
        """Logits (B, 3); nothing but the gates learns from them.

        Args: real (B, 3); alone (B, 3): pseudo-label of each modality by itself, generated ones included; frozen,
            answers (B, A): scores of the frozen model and of the model; confidence, information (B, 3); hidden
            (B, 3, r): what the generator made of the modalities that are there.
        """
        logits = []
        for i, m in enumerate(MODALITIES):
            said = [x[:, [1 + i, 0]] for x in (frozen, answers)]  # with m generated, and without
            moved = [(x[:, :1] - x[:, 1:]).abs() for x in said]  # the first is the importance
            facts = [real.to(alone), torch.where(real, alone, 0.0), *said, *moved]
            facts += [alone[:, i, None], confidence[:, i, None], information[:, i, None], hidden[:, i]]
            logits.append(self.gate[m](torch.cat(facts, 1).detach()))
        return torch.cat(logits, 1)


def best_thresholds(
    gate: Tensor, error: Tensor, missing: Tensor, column: Callable[[Tensor], Tensor], n_steps: int = 41
) -> Tensor:
    """Thresholds (3,) of gates' logits (N, 3) with the lowest mean error, one modality after the other, twice.

    Args: error (N, A) of every answer; missing (3,); column: which answer goes with what is generated (N, 3).
    Candidates: quantiles of the logits, and a bound below and above all of them (always, never).
    """
    best = torch.full((len(missing),), -BOUND, device=gate.device)
    for i in missing.nonzero().squeeze(-1).tolist() * 2:
        inner = torch.quantile(gate[:, i], torch.linspace(0.025, 0.975, n_steps, device=gate.device))
        candidates = torch.cat([best.new_tensor([-BOUND]), inner, best.new_tensor([BOUND])])
        trial = best.repeat(len(candidates), 1)
        trial[:, i] = candidates
        generated = missing & (gate > trial[:, None])  # (C, N, 3)
        chosen = column(generated.flatten(0, 1)).view(len(candidates), len(gate))
        best[i] = candidates[int(error.gather(1, chosen.T).mean(0).argmin())]
    return best


class Weighting(nn.Module):
    """DPW: which prompt does a modality's cross-attention output speak for, and how much does it say?

    The critic T(o, p) = <relu(A_m o_l), B_m P_{m,l}> compares the output of prompt l with that prompt. With p(l) of
    the training data, p(l | o) = softmax(T + log p(l)).
    """

    def __init__(self, d: int, d_hidden: int, n_prompts: int):
        super().__init__()
        self.output = nn.ModuleDict({m: nn.Linear(d, d_hidden) for m in MODALITIES})
        self.prompt = nn.ModuleDict({m: nn.Linear(d, d_hidden, bias=False) for m in MODALITIES})
        self.register_buffer("prior", torch.full((n_prompts,), 1 / n_prompts))
        self.prior: Tensor
        self.register_buffer("places", torch.linspace(-SCORE_LIMIT, SCORE_LIMIT, n_prompts), persistent=False)
        self.places: Tensor

    def forward(self, found: Tensor, private: Tensor) -> Tensor:
        """Log p(l | o) (B, 3, L) of outputs o (B, 3, L, d) and private prompts (3, L, d)."""
        fit = [
            torch.einsum("blr,lr->bl", torch.relu(self.output[m](found[:, i])), self.prompt[m](private[i]))
            for i, m in enumerate(MODALITIES)
        ]
        return torch.log_softmax(torch.stack(fit, 1) + torch.log(self.prior), -1)

    def information(self, log_posterior: Tensor) -> Tensor:
        """I = KL(p(l | o) || p(l)) in nats (B, 3), of log p(l | o) (B, 3, L)."""
        return (log_posterior.exp() * (log_posterior - torch.log(self.prior))).sum(-1)

    def lean(self, log_posterior: Tensor) -> Tensor:
        """Mean place on the scale that the outputs speak for, minus the prior's (..., L) -> (...)."""
        return (log_posterior.exp() - self.prior) @ self.places

    def share_of(self, score: Tensor) -> Tensor:
        """Which prompts stand for a score (B,): its two neighbours on the scale, by nearness (B, L)."""
        step = self.places[1] - self.places[0]
        return (1 - (score[:, None] - self.places).abs() / step).clamp(min=0.0)


def situation_of(real: Tensor, heard: Tensor) -> Tensor:
    """A number in [0, N_SITUATIONS) for what is there: modalities (B, 3), and imagined text for a missing one (B,)."""
    return (real * torch.tensor([1, 2, 4], device=real.device)).sum(1) + 8 * heard


def first_alike(there: Tensor) -> Tensor:
    """For every choice of what takes part (B, A, 3) the first choice (B, A) of its row that is the same."""
    alike = (there[:, :, None] == there[:, None]).all(-1)  # (B, A, A)
    return alike.to(torch.uint8).argmax(-1)


def column_of(generated: Tensor) -> Tensor:
    """The answer (B,) in which just the modalities generated (B, 3) are; two or more are everything that is missing."""
    n = generated.sum(1)
    return torch.where(n == 1, 1 + generated.to(torch.uint8).argmax(1), torch.where(n == 0, 0, EVERYTHING))


def at(values: Tensor, column: Tensor) -> Tensor:
    """Of values (B, A, ...) the answer column (B,): (B, ...)."""
    return values[torch.arange(len(values), device=values.device), column]


def completed(encoded: EncodedModalities, made: Tensor, missing: Tensor) -> EncodedModalities:
    """What was generated, made (B, 3, d), as summary and only frame of what is missing (B, 3)."""
    frames, keep = {}, {}
    for i, m in enumerate(MODALITIES):
        first = (torch.arange(encoded.frames[m].shape[1], device=made.device) == 0) & missing[:, i, None]
        frames[m] = torch.where(first[..., None], made[:, i, None], encoded.frames[m])
        keep[m] = encoded.keep[m] | first
    return replace(encoded, summary=torch.where(missing[..., None], made, encoded.summary), frames=frames, keep=keep)
