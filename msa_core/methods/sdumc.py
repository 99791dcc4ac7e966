"""SDUMC: self-distillation and unified modality cross-attention for missing text.

Paper: "Enhancing Multimodal Sentiment Analysis for Missing Modality through Self-Distillation and Unified Modality
Cross-Attention", ICASSP 2025, arXiv 2410.15029. Symbols of paper and public code stand in comments.

Figure -> class
- unified modality cross-attention (UMCA) -> `UnifiedCrossAttention`
- modality imagination autoencoder (MIA) -> `Imagination`
- double flow, one network for both -> `SDUMC`

Equation -> function (losses.py)
- sentiment regression of both flows -> `squared`
- representation similarity (RS) of the text view and the text cross-attention -> `representation_similarity`, by
  cosine `representation_likeness`
- modality knowledge distillation (MKD) -> `knowledge_distillation`
- Rank-N-Contrast (RNC) -> `rank_n_contrast`

Departures
- The paper simulates text only. Here every modality may be missing: each has its own MIA at both places, applied to
  the rows where it is missing, and RS follows it. Missing text is replaced by simulated text where there is some; a
  modality without a substitute enters as one learned frame.
- MIA runs in the missing flow as the paper describes (its calls are commented out in the public model file), with
  the residual on the missing modality.
- Three terms that hold MIA to the real text are ours (`ALIKE`), and the shipped network was trained with them: with RS
  as published MIA moves imagined text away from the real one (docs/results.md).
- Attention never sees padding or dropped frames (the public code pads with zeros and attends to them); one clip is a
  legal batch. Views, gates and the text projection are as in the public code.
- The score is 3 tanh(x / 3). Inputs are standardised; channel dropout and noise on the inputs are ours, and frame
  dropout works per channel of an utterance instead of per value.
- Width, dropout and loss weights are smaller than the public code's: see `SDUMCConfig`.
- Training: AdamW with cosine decay, shuffled, the epoch chosen on validation (public code: Adam, unshuffled, test).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msa_core.config import LATER
from msa_core.errors import MsaError
from msa_core.methods.base import Displayed, Mechanism, Method, Preset, Recipe, check_ranges
from msa_core.methods.layers import (
    AttentionPool,
    Dropout,
    FrameEncoder,
    Frames,
    available,
    bounded,
    masked_softmax,
    mlp,
    usable,
)
from msa_core.methods.losses import (
    knowledge_distillation,
    lost_likeness,
    rank_n_contrast,
    representation_likeness,
    representation_similarity,
)
from msa_core.schema import MODALITIES, Batch, Output

# The paper's order: atv, at, tv, av, a, t, v.
VIEWS = ("text+audio+vision", "text+audio", "text+vision", "audio+vision", "audio", "text", "vision")
VIEW_OF = {m: VIEWS.index(m) for m in MODALITIES}
# Our terms: RS by cosine, of what MIA makes of an utterance vector too, and `kept_likeness`.
ALIKE = {
    "rs": "cosine", "weight_rs_view": 0.3, "weight_rs_attention": 0.3, "weight_rs_utterance": 1.0,
    "weight_kept_likeness": 10.0,
}  # fmt: skip
RS = {"rmse": representation_similarity, "cosine": representation_likeness}  # distances of RS


@dataclass(frozen=True)
class SDUMCConfig:
    """Settings of SDUMC, chosen on the composite corpus' validation split; the public code's values in brackets.

    The corpus is a tenth of CMU-MOSEI's hours and its features are a tenth as wide, so the network is smaller and
    the terms that pull the flows together are weaker: at the public weights they hold the complete flow back.
    """

    d_model: int = 64  # [256] d: frames, utterances and views; views after UMCA have d / 2
    d_contrast: int = 64  # width of the RNC embedding
    dropout: float = 0.4  # [0.3] MLPs and MIA
    attention_dropout: float = 0.5  # output of pooling and UMCA
    frame_dropout: float = 0.2  # channels of the frames that enter them
    attention_scale: float = 0.3  # temperature-like factor of both attentions
    input_dropout: tuple[float, float, float] = (0.1, 0.3, 0.1)  # channels of text, audio, vision switched off
    input_noise: tuple[float, float, float] = (0.0, 0.2, 0.0)  # Gaussian offset of a channel, in standard deviations
    weight_mse_full: float = 1.0  # w1 [0.5]
    weight_mse_missing: float = 1.0  # w2 [0.5]
    weight_rs_view: float = 0.1  # w3 [0.1]
    weight_rs_attention: float = 0.1  # w4 [0.7]
    weight_mkd: float = 0.05  # w5 [0.1]
    weight_rnc: float = 0.1  # w6 [0.8]
    weight_rs_utterance: float = field(default=0.0, metadata=LATER)  # [0] RS of what MIA makes of an utterance vector
    weight_kept_likeness: float = field(default=0.0, metadata=LATER)  # [0] MIA keeps simulated text like the real one
    rs: str = field(default="rmse", metadata=LATER)  # [rmse] distance of RS, or "cosine"
    rs_modalities: tuple[float, float, float] = (1.0, 1.0, 1.0)  # share of each missing modality in the RS terms
    use_mia: bool = True  # ablation: imagine what is missing
    use_rnc: bool = True  # ablation: Rank-N-Contrast
    use_simulated: bool = True  # ablation: text simulated from the voice

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.rs not in RS:
            raise MsaError(f"rs is {self.rs!r}; choose one of: {', '.join(RS)}.")

    def loss_weights(self) -> dict[str, float]:
        """Return the weight per loss term: w1..w6, and those of our own terms that are used."""
        weights = {
            "mse_full": self.weight_mse_full,
            "mse_missing": self.weight_mse_missing,
            "rs_view": self.weight_rs_view,
            "rs_attention": self.weight_rs_attention,
            "mkd": self.weight_mkd,
        }
        ours = {"rs_utterance": self.weight_rs_utterance, "kept_likeness": self.weight_kept_likeness}
        weights |= {name: weight for name, weight in ours.items() if weight}
        return weights | ({"rnc": self.weight_rnc} if self.use_rnc else {})

    @staticmethod
    def debug() -> SDUMCConfig:
        """Return tiny settings for tests."""
        return SDUMCConfig(d_model=8, d_contrast=4, dropout=0.1, attention_dropout=0.1, frame_dropout=0.1)


# Widths, dropout, weights, batch and learning rate of the public code (its run with batch 64).
PUBLISHED = Preset(
    {
        "d_model": 256, "d_contrast": 64, "dropout": 0.3, "attention_dropout": 0.5, "frame_dropout": 0.5,
        "input_dropout": (0.0, 0.0, 0.0), "input_noise": (0.0, 0.0, 0.0), "weight_mse_full": 0.5,
        "weight_mse_missing": 0.5, "weight_rs_view": 0.1, "weight_rs_attention": 0.7, "weight_mkd": 0.1,
        "weight_rnc": 0.8,
    },
    {"batch": 64, "lr": 1e-4, "weight_decay": 1e-5, "epochs": 35, "warmup_epochs": 5.0},
)  # fmt: skip


class TextSimilarity(TypedDict):
    """Cosine of imagined and real text before and after MIA; None without a real one to compare with."""

    before: float | None
    after: float | None


class SDUMCMechanism(Mechanism):
    """Mechanism of SDUMC for one clip.

    gates: alpha per modality, signed. view_weights: beta per view, signed. pooling: weight of every frame in the
    frame-to-utterance pooling, per modality. imagined: the modalities that MIA imagined. text_simulated: missing text
    started from simulated text.
    """

    gates: dict[str, float]
    view_weights: dict[str, float]
    pooling: dict[str, list[float]]
    imagined: list[str]
    text_simulated: bool
    text_similarity: TextSimilarity


class UnifiedCrossAttention(nn.Module):
    """UMCA: the seven views attend to the frames of one modality; the values are the frames themselves.

    K = tanh(W_k F), Q' = W_q Q, A = softmax over time of scale * Q' K^T, C = A F.
    """

    def __init__(self, d_model: int, scale: float, dropout: float):
        super().__init__()
        self.key, self.query = nn.Linear(d_model, d_model), nn.Linear(d_model, d_model)
        self.dropout, self.scale = Dropout(dropout), scale

    def forward(self, queries: Tensor, frames: Frames) -> tuple[Tensor, Tensor]:
        """Attend with queries (B, 7, d) to the frames of each row: C (B, 7, d), A (B, 7, T)."""
        keys = frames.padded(torch.tanh(self.key(frames.values)))  # K (B, T, d)
        energy = self.query(queries) @ keys.mT  # (B, 7, T)
        weights = masked_softmax(self.scale * energy, frames.keep[:, None].expand_as(energy))
        return self.dropout(weights @ frames.padded(frames.values)), weights


class Imagination(nn.Module):
    """MIA: a residual autoencoder that imagines one modality from all three (after MMIN, ACL 2021)."""

    def __init__(self, d: int, dropout: float):
        super().__init__()
        self.transition = nn.Sequential(nn.Linear(3 * d, d), nn.ReLU(), Dropout(dropout), nn.Linear(d, d))
        self.encoder, self.decoder = nn.Linear(d, d // 2), nn.Linear(d // 2, d)

    def forward(self, everything: Tensor, itself: Tensor) -> Tensor:
        """Imagine a modality (..., d) from all three, everything (..., 3 d), and its substitute, itself (..., d)."""
        return itself + self.decoder(self.encoder(self.transition(everything)))


class SDUMC(Method):
    """One network for the complete and the missing flow, with shared weights."""

    name = "sdumc"
    title = "SDUMC"
    panel = "gates"
    double_flow = True
    Config = SDUMCConfig
    presets = {"published": PUBLISHED}

    def __init__(self, config: SDUMCConfig, dims: Mapping[str, int]):
        super().__init__(config, dims)
        d, half, drop = config.d_model, config.d_model // 2, config.dropout
        inputs = list(zip(MODALITIES, config.input_dropout, config.input_noise, strict=True))
        self.encode = nn.ModuleDict(
            {m: FrameEncoder(dims[m], d, p, noise, config.frame_dropout) for m, p, noise in inputs}
        )
        self.placeholder = nn.ParameterDict({m: nn.Parameter(0.1 * torch.randn(d)) for m in MODALITIES})
        self.pool = nn.ModuleDict({m: AttentionPool(d, config.attention_scale) for m in MODALITIES})
        self.utterance = nn.ModuleDict({m: mlp((d, d, d), drop) for m in MODALITIES})
        self.gate = nn.Sequential(mlp((3 * d, d, d), drop), nn.Linear(d, 3))
        self.view = nn.ModuleList(mlp((d, d), drop) for _ in VIEWS)
        self.umca = nn.ModuleDict(
            {m: UnifiedCrossAttention(d, config.attention_scale, config.attention_dropout) for m in MODALITIES}
        )
        self.attended = nn.ModuleDict({m: mlp((d, d, half), drop) for m in MODALITIES})
        if config.use_mia:
            self.imagine_utterance = nn.ModuleDict({m: Imagination(d, drop) for m in MODALITIES})
            self.imagine_attended = nn.ModuleDict({m: Imagination(half, drop) for m in MODALITIES})
        self.view_gate = nn.Sequential(mlp((7 * half, d, half), drop), nn.Linear(half, 7))
        self.head = nn.Linear(half, 1)
        self.contrast = nn.Sequential(
            nn.Linear(half, config.d_contrast), nn.ReLU(), nn.Linear(config.d_contrast, config.d_contrast)
        )
        self.attention_dropout = Dropout(config.attention_dropout)
        members = torch.tensor([[float(m in v.split("+")) for m in MODALITIES] for v in VIEWS[:4]])
        self.register_buffer("members", members, persistent=False)
        self.members: Tensor

    @classmethod
    def recipes(cls) -> list[Recipe]:
        """List SDUMC, RS as published, and its ablations; without simulated text MIA starts from the learned frame."""
        loop, kind, own = {"lr": 0.0015}, "ablation", "sdumc"
        ablations = (
            Recipe(f"{own} without {p}", f"SDUMC without {p}", kind, {**ALIKE, f"use_{p}": False}, loop, None, own)
            for p in ("mia", "rnc", "simulated")
        )
        as_published = Recipe(f"{own}, rs by rmse", "SDUMC, RS by RMSE", kind, {}, loop, None, own)
        return [Recipe(own, "SDUMC", "method", ALIKE, loop), as_published, *ablations]

    @property
    def reads_simulated_text(self) -> bool:
        """True unless ablated."""
        return bool(self.config.use_simulated)

    def forward(self, batch: Batch) -> Output:
        """Score a batch. The trace holds what the losses and the mechanism read, see below."""
        # 1. Frame projection: F_m, with substitutes for what is missing.
        frames, missing, simulated = self._sequences(batch)
        # 2. Intra-modal attention pooling and utterance MLP: p_m, h_m.
        pooled, pooling = {}, {}
        for m in MODALITIES:
            p, pooling[m] = self.pool[m](frames[m])  # p_m (B, d), a (B, T)
            pooled[m] = self.utterance[m](self.attention_dropout(p))
        before = torch.stack([pooled[m] for m in MODALITIES], 1)  # h (B, 3, d)
        # 3. MIA on the utterance vectors, in rows where the modality is missing.
        utterances = self._imagine("utterance", before, missing)
        # 4. Modality gate without softmax, and the seven views.
        gates = self.gate(utterances.flatten(1))  # alpha (B, 3), signed
        queries = self._views(utterances, gates)  # Q (B, 7, d)
        # 5. UMCA: the same queries attend to the frames of every modality.
        attended, attention = [], {}
        for m in MODALITIES:
            c, attention[m] = self.umca[m](queries, frames[m])  # (B, 7, d), (B, 7, T)
            attended.append(self.attended[m](c))
        # 6. MIA on the cross-attention outputs.
        cross = self._imagine("attended", torch.stack(attended, 1), missing)  # C (B, 3, 7, d/2)
        # 7. Mix the modalities with the gate of step 4, then the views with a gate of their own.
        mixed = torch.einsum("bm,bmvd->bvd", gates, cross)  # G (B, 7, d/2)
        view_weights = self.view_gate(mixed.flatten(1))  # beta (B, 7), signed
        joint = torch.einsum("bv,bvd->bd", view_weights, mixed)  # z (B, d/2)
        trace = {
            "gates": gates,
            "view_weights": view_weights,
            "utterances": utterances,
            "queries": queries,
            "cross": cross,
            "contrast": self.contrast(joint),
            "missing": missing,
            "simulated": simulated,
            "text_before_imagination": before[:, 0],
            "text_after_imagination": utterances[:, 0],
            **{f"pooling_{m}": pooling[m] for m in MODALITIES},
            **{f"attention_{m}": attention[m][:, 0] for m in MODALITIES},  # of the trimodal view
        }
        return Output(score=bounded(self.head(joint).squeeze(-1)), joint=joint, trace=trace)

    def losses(self, full: Output | None, dropped: Output, label: Tensor) -> dict[str, Tensor]:
        """Compute all terms; RS compares only rows whose modality is real in the complete flow."""
        assert full is not None, "SDUMC is trained with both flows"
        # RS (w3, w4): the imagined modality comes near the real one, in its own view q_m and in C_m.
        imagined = dropped.trace["missing"] & ~full.trace["missing"]  # (B, 3)
        distance = RS[self.config.rs]
        rs_view, rs_attention, rs_utterance = label.new_zeros(()), label.new_zeros(()), label.new_zeros(())
        for i, (m, share) in enumerate(zip(MODALITIES, self.config.rs_modalities, strict=True)):
            view, rows = VIEW_OF[m], imagined[:, i]
            q_missing, q_full = dropped.trace["queries"][:, view], full.trace["queries"][:, view]
            c_missing, c_full = dropped.trace["cross"][:, i], full.trace["cross"][:, i]
            h_missing, h_full = dropped.trace["utterances"][:, i], full.trace["utterances"][:, i]
            rs_view = rs_view + share * distance(q_missing, q_full, rows)
            rs_attention = rs_attention + share * distance(c_missing, c_full, rows)
            rs_utterance = rs_utterance + share * distance(h_missing, h_full, rows)
        # Regression of both flows (w1, w2) and MKD of z (w5).
        terms = {
            "mse_full": self.score_errors(full.score, label).mean(),
            "mse_missing": self.score_errors(dropped.score, label).mean(),
            "rs_view": rs_view,
            "rs_attention": rs_attention,
            "mkd": knowledge_distillation(dropped.joint, full.joint),
        }
        # RS of h_m, which MIA makes; not a term of the paper.
        if self.config.weight_rs_utterance:
            terms["rs_utterance"] = rs_utterance
        # What MIA makes of simulated text is as like the real text as it was before; not a term of the paper.
        if self.config.weight_kept_likeness:
            real, before = (t["text_before_imagination"] for t in (full.trace, dropped.trace))
            rows = dropped.trace["simulated"] & ~full.trace["missing"][:, 0]
            terms["kept_likeness"] = lost_likeness(real, before, dropped.trace["text_after_imagination"], rows)
        # RNC (w6) over the embeddings of both flows, 2 B items.
        if self.config.use_rnc:
            both = torch.cat([full.trace["contrast"], dropped.trace["contrast"]])
            terms["rnc"] = rank_n_contrast(both, label.repeat(2))
        return terms

    def mechanism(
        self, output: Output, row: int, real: int | None = None, teacher: Output | None = None
    ) -> SDUMCMechanism:
        """Describe one row: gates, view weights, attention, similarity of simulated text to the real text."""
        trace = output.trace
        return {
            "gates": dict(zip(MODALITIES, trace["gates"][row].tolist(), strict=True)),
            "view_weights": dict(zip(VIEWS, trace["view_weights"][row].tolist(), strict=True)),
            "attention": {m: trace[f"attention_{m}"][row].tolist() for m in MODALITIES},
            "pooling": {m: trace[f"pooling_{m}"][row].tolist() for m in MODALITIES},
            "imagined": [m for m, gone in zip(MODALITIES, trace["missing"][row].tolist(), strict=True) if gone],
            "text_simulated": bool(trace["simulated"][row]),
            "text_similarity": self._text_similarity(output, row, real),
        }

    def displayed(self, output: Output) -> dict[str, Displayed]:
        """Return the modality gates."""
        return {"modality gates": Displayed(output.trace["gates"], True)}

    def _text_similarity(self, output: Output, row: int, real: int | None) -> TextSimilarity:
        """Compare the text of `row` with the real text of row `real` by cosine, before and after MIA."""
        text, missing = output.trace["text_before_imagination"], output.trace["missing"][:, 0]
        if real is None or not missing[row] or missing[real]:
            return {"before": None, "after": None}
        after = output.trace["text_after_imagination"][row]
        return {
            "before": float(F.cosine_similarity(text[row], text[real], dim=0)),
            "after": float(F.cosine_similarity(after, text[real], dim=0)),
        }

    def _sequences(self, batch: Batch) -> tuple[dict[str, Frames], Tensor, Tensor]:
        """Project the frames of every modality and put substitutes in for what is missing.

        Returns: F_m per modality, missing (B, 3), rows whose text is simulated (B,).
        """
        keep = usable(batch)
        missing = ~available(keep)
        simulated = missing[:, 0] & keep["simulated"].any(1) & self.config.use_simulated
        sequences = {}
        for i, m in enumerate(MODALITIES):
            parts = [self.encode[m](batch.features[m], keep[m], self.statistics(m))]
            bare = missing[:, i]  # rows without any frame
            if m == "text" and simulated.any():
                heard, standardise = keep["simulated"] & simulated[:, None], self.statistics("simulated")
                parts.append(self.encode["text"](batch.features["simulated"], heard, standardise))
                bare = bare & ~simulated
            row = bare.nonzero().squeeze(-1)  # these enter as one learned frame
            learned = self.placeholder[m].expand(len(row), -1)
            parts.append(Frames(learned, row, torch.zeros_like(row), parts[0].shape))
            sequences[m] = Frames.join(parts)
        return sequences, missing, simulated

    def _imagine(self, place: str, values: Tensor, missing: Tensor) -> Tensor:
        """Replace missing modalities (B, 3) in values (B, 3, ..., d) by what MIA imagines from all three."""
        if not self.config.use_mia or not missing.any():
            return values
        autoencoders = self.imagine_utterance if place == "utterance" else self.imagine_attended
        everything = torch.cat(values.unbind(1), -1)  # (B, ..., 3 d)
        imagined = torch.stack([autoencoders[m](everything, values[:, i]) for i, m in enumerate(MODALITIES)], 1)
        return torch.where(missing.reshape(*missing.shape, *[1] * (values.ndim - 2)), imagined, values)

    def _views(self, utterances: Tensor, gates: Tensor) -> Tensor:
        """Compute the views Q (B, 7, d): mixtures of three, two and one of h (B, 3, d), each through its own layer."""
        # f, f_at, f_tv, f_av = sums of alpha_m h_m over the members of a view (B, 4, d)
        mixtures = torch.einsum("vm,bm,bmd->bvd", self.members, gates, utterances)
        single = torch.stack([utterances[:, MODALITIES.index(v)] for v in VIEWS[4:]], 1)
        views = torch.cat([mixtures, single], 1)
        return torch.stack([layer(views[:, i]) for i, layer in enumerate(self.view)], 1)
