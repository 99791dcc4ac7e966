"""Modules of ProMMA: the frozen backbone, and generator, MPD, DPW and MME around it (symbols as in model.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msa_core.methods.layers import Dropout, Standardise, masked_mean, mlp
from msa_core.methods.promma.config import ProMMAConfig
from msa_core.methods.sequences import FEW, CrossAttention, SelfAttention, SequenceEncoder
from msa_core.schema import MODALITIES, SCORE_LIMIT, Batch

SMALL = 0.05  # standard deviation of the initial prompts, random so that every factor of a product learns


@dataclass(frozen=True)
class Level:
    """Shared prompts at one self-attention level: tokens (L, d) or (B, L, d) before it, residual (d,) or (B, d)."""

    tokens: Tensor
    residual: Tensor


@dataclass(frozen=True)
class EncodedModalities:
    """Output of the encoders: summary s (B, 3, d), and per modality frames F (B, T', d), which count, attention."""

    summary: Tensor
    frames: dict[str, Tensor]
    keep: dict[str, Tensor]
    attention: dict[str, Tensor]

    @property
    def looked(self) -> dict[str, Tensor]:
        """Attention by its name in a trace."""
        return {f"attention_{m}": weights for m, weights in self.attention.items()}

    def completed(self, made: Tensor, missing: Tensor) -> EncodedModalities:
        """Put what was generated, made (B, 3, d), in as summary and only frame of what is missing (B, 3)."""
        frames, keep = {}, {}
        for i, m in enumerate(MODALITIES):
            first = (torch.arange(self.frames[m].shape[1], device=made.device) == 0) & missing[:, i, None]
            frames[m] = torch.where(first[..., None], made[:, i, None], self.frames[m])
            keep[m] = self.keep[m] | first
        summary = torch.where(missing[..., None], made, self.summary)
        return replace(self, summary=summary, frames=frames, keep=keep)


@dataclass(frozen=True)
class EncodedBatches:
    """Several batches, each encoded by itself, so that short rows are not padded to the longest."""

    each: list[EncodedModalities]

    @property
    def sizes(self) -> list[int]:
        """Rows of each batch."""
        return [len(e.summary) for e in self.each]

    @property
    def summary(self) -> Tensor:
        """Summaries s of all rows (B, 3, d)."""
        return torch.cat([e.summary for e in self.each])

    def completed(self, made: Tensor, missing: Tensor) -> EncodedBatches:
        """Put what was generated in, see `EncodedModalities.completed`."""
        parts = zip(self.each, made.split(self.sizes), missing.split(self.sizes), strict=True)
        return EncodedBatches([e.completed(m, gone) for e, m, gone in parts])

    def crossed(self, backbone: Backbone, queries: Tensor) -> Tensor:
        """Attend with the queries (B, 3, Q, d) of all rows to their frames, see `Backbone.crossed`."""
        parts = zip(self.each, queries.split(self.sizes), strict=True)
        return torch.cat([backbone.crossed(q, e) for e, q in parts])


class Backbone(nn.Module):
    """Complete-modality model: encoders, cross-attention between modalities, self-attention over them, read-out.

    s_m is the mean over the frames of m; z_m = s_m + sum over n != m of O_{m<-n}, where O_{m<-n} is the output of the
    cross-attention with query s_m on the frames of n.
    """

    def __init__(self, config: ProMMAConfig, dims: Mapping[str, int]):
        super().__init__()
        self.frozen = False
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

    def freeze(self) -> None:
        """Keep the weights as they are, and answer as in use, without dropout and noise, also while prompts learn."""
        self.frozen = True
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Backbone:
        """Set the mode; a frozen backbone stays in evaluation mode."""
        super().train(mode and not self.frozen)
        return self

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
            there = keep[m].any(1)
            given = (features[m], keep[m], standardise[m], prompts)
            few = not self.training and len(there) <= FEW
            f, counted, attention[m] = _of_those(there, self.encode[m], *given) if few else self.encode[m](*given)
            summary = masked_mean(f, counted)
            if not (few and there.all()):  # absent somewhere
                summary, counted = torch.where(there[:, None], summary, 0.0), counted & there[:, None]
            summaries.append(summary)
            frames[m], kept[m] = f, counted
        return EncodedModalities(torch.stack(summaries, 1), frames, kept, attention)

    def simulated(
        self,
        batches: Sequence[tuple[Batch, Mapping[str, Tensor]]],
        heard: Tensor,
        standardise: Standardise,
        levels: Mapping[str, list[Level]] | None = None,
    ) -> Tensor:
        """Encode simulated text to summaries (B, d) of the rows (B,) that are `heard`; the others have 0.

        batches: each with its frames that count (B, T) by stream.
        """
        prompts = [(p.tokens, p.residual) for p in levels["text"]] if levels else []
        found = []
        for (batch, keep), chosen in zip(batches, heard.split([len(b) for b, _ in batches]), strict=True):
            found.append(self.kind.new_zeros(len(batch), self.kind.shape[1]))
            rows = chosen.nonzero().squeeze(-1)
            if len(rows):
                x = batch.features["simulated"][rows]
                frames, counted, _ = self.encode["text"](x, keep["simulated"][rows], standardise, prompts)
                found[-1] = found[-1].index_put((rows,), masked_mean(frames, counted).to(found[-1]))
        return torch.cat(found)

    def crossed(self, queries: Tensor, encoded: EncodedModalities) -> Tensor:
        """Attend with queries (B, Q, d), or (B, 3, Q, d) by source, to the frames of each source: (B, 3, Q, d)."""
        of = queries.unbind(1) if queries.ndim == 4 else [queries] * 3
        found = [self.cross[m](q, encoded.frames[m], encoded.keep[m]) for m, q in zip(MODALITIES, of, strict=True)]
        return torch.stack(found, 1)

    def fused(
        self, summary: Tensor, found: Tensor, there: Tensor, absent: Tensor | None = None, level: Level | None = None
    ) -> Tensor:
        """Fuse the modalities to the joint representation (B, 3 d).

        Args:
            summary: s (B, 3, d).
            found: cross-attention outputs O (B, 3, 3, d): source, target.
            there: (B, 3) True = takes part.
            absent: (3, d) in the place of a modality that does not; None: 0.
            level: prompts of the self-attention over modalities.
        """
        # z_m = s_m + sum over n != m of O_{m<-n}, of the modalities that take part (B, 3, d).
        apart = ~torch.eye(3, dtype=torch.bool, device=there.device)
        used = (there[:, :, None] & apart).to(found.dtype)  # (B, source, target)
        z = summary + (found * used[..., None]).sum(1)
        z = torch.where(there[..., None], z, 0.0 if absent is None else absent)
        # Self-attention over the three modalities, with prompts before and behind it.
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
        """Read a raw score (B,) out of a joint representation (B, 3 d)."""
        raw: Tensor = self.head(joint).squeeze(-1)
        return raw

    def alone_scores(self, summary: Tensor) -> Tensor:
        """Read a raw score (B, 3) out of each summary s (B, 3, d) by itself: the pseudo-label of one modality."""
        return torch.cat([self.alone[m](summary[:, i]) for i, m in enumerate(MODALITIES)], 1)


def _of_those(there: Tensor, encode: nn.Module, x: Tensor, keep: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Encode the rows (B,) that are `there`, and leave the others 0, with the first of their places counting."""
    rows = there.nonzero().squeeze(-1)
    if len(rows) in (0, len(there)):
        found: tuple[Tensor, Tensor, Tensor] = encode(x, keep, *rest)
        return found
    parts = encode(x[rows], keep[rows], *rest)
    f, counted, looked = (t.new_zeros(len(there), *t.shape[1:]).index_put((rows,), t) for t in parts)
    counted[:, 0] |= ~there
    return f, counted, looked


class LowRank(nn.Module):
    """Low-rank projection x -> up(down(x)), d -> r -> d."""

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
        """Derive private prompts (3, L, d) from shared ones (L, d)."""
        return torch.stack([shared + self.private[m](shared) for m in MODALITIES])


class Generator(nn.Module):
    """Generator of a missing modality's summary from the present ones and its private prompts.

    h_m = GELU(sum over present n of E_n s_n + E_P pool(P_m)); m^ = base_m + D_m h_m. The base of missing text is the
    frozen encoder's summary of simulated text, where there is some; else a learned vector. A second output estimates
    the share of the truth's variance that was hit: the confidence.
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

        Args:
            summary: s (B, 3, d).
            real: (B, 3) True = present.
            private: prompts P_m (3, L, d).
            simulated: summary of simulated text (B, d).
            heard: rows that have some (B,).

        Returns:
            m^ (B, 3, d), logits of confidence (B, 3), hidden h (B, 3, r).
        """
        # E_n s_n of every present modality (B, r), and their sum; a modality's own part is taken out of its sum.
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
    """MME: a gate for every modality that predicts whether generating it helps."""

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
        """Compute the logits of the gates (B, 3); only the gates learn from them.

        Args:
            real: (B, 3) True = present.
            alone: pseudo-label of each modality by itself (B, 3), generated ones included.
            frozen, answers: scores (B, A) of the frozen model and of the prompted one.
            confidence, information: c and I (B, 3).
            hidden: hidden state of the generator (B, 3, r).
        """
        logits = []
        for i, m in enumerate(MODALITIES):
            said = [x[:, [1 + i, 0]] for x in (frozen, answers)]  # with m generated, and without
            moved = [(x[:, :1] - x[:, 1:]).abs() for x in said]  # the first is the importance
            facts = [real.to(alone), torch.where(real, alone, 0.0), *said, *moved]
            facts += [alone[:, i, None], confidence[:, i, None], information[:, i, None], hidden[:, i]]
            logits.append(self.gate[m](torch.cat(facts, 1).detach()))
        return torch.cat(logits, 1)


class Weighting(nn.Module):
    """DPW: posterior over prompts given a modality's cross-attention output, and its information.

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
        """Compute log p(l | o) (B, 3, L) of outputs o (B, 3, L, d) and private prompts (3, L, d)."""
        fit = [
            (torch.relu(self.output[m](found[:, i])) * self.prompt[m](private[i])).sum(-1)
            for i, m in enumerate(MODALITIES)
        ]
        return torch.log_softmax(torch.stack(fit, 1) + torch.log(self.prior), -1)

    def information(self, log_posterior: Tensor) -> Tensor:
        """Compute I = KL(p(l | o) || p(l)) in nats (B, 3) from log p(l | o) (B, 3, L)."""
        return (log_posterior.exp() * (log_posterior - torch.log(self.prior))).sum(-1)

    def lean(self, log_posterior: Tensor) -> Tensor:
        """Compute the mean place on the scale under p(l | o), minus the prior's: (..., L) -> (...)."""
        return (log_posterior.exp() - self.prior) @ self.places

    def share_of(self, label: Tensor) -> Tensor:
        """Share labels (B,) among their two neighbours of the L places on the scale, by nearness: q (B, L)."""
        step = self.places[1] - self.places[0]
        return (1 - (label[:, None] - self.places).abs() / step).clamp(min=0.0)
