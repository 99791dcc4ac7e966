"""Reference of the training step: SDUMC as its public code computes it, transcribed plainly for the benchmark alone.

Paper: arXiv 2410.15029. Follows the released model file (no mask, padding is attended to, no batching of views) with
the imagination of missing text in both places; every step stands as in docs/methods.md. The product never uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

D = 256  # width of frames, utterances and views
HALF = D // 2  # width of views after the cross-attention
CONTRAST = 64
SCALE = 0.3  # of both attentions
DROPOUT, ATTENTION_DROPOUT = 0.3, 0.5
WEIGHTS = (0.5, 0.5, 0.1, 0.7, 0.1, 0.8)  # mse complete, mse missing, rs view, rs attention, mkd, rnc
EPS = 1e-8  # under the roots, whose gradient is infinite at 0


@dataclass(frozen=True)
class Flow:
    """Answers of one pass: score (B,), text view (B, d), text attention (B, 7, d/2), joint (B, d/2), contrast."""

    score: Tensor
    view: Tensor
    attended: Tensor
    joint: Tensor
    contrast: Tensor


def layers(*widths: int) -> nn.Sequential:
    """Build Linear, ReLU and Dropout for every step of the widths."""
    steps: list[nn.Module] = []
    for a, b in zip(widths[:-1], widths[1:], strict=True):
        steps += [nn.Linear(a, b), nn.ReLU(), nn.Dropout(DROPOUT)]
    return nn.Sequential(*steps)


class Pooling(nn.Module):
    """Frames to one utterance vector: softmax over time of scale * tanh(W s) u."""

    def __init__(self) -> None:
        super().__init__()
        self.key, self.context = nn.Linear(D, D), nn.Parameter(torch.empty(D, 1))
        nn.init.xavier_uniform_(self.context)
        self.before, self.after = nn.Dropout(ATTENTION_DROPOUT), nn.Dropout(ATTENTION_DROPOUT)

    def forward(self, frames: Tensor) -> Tensor:
        """Pool frames (B, T, d) to (B, d)."""
        s = self.before(frames)
        weights = torch.softmax(SCALE * (torch.tanh(self.key(s)) @ self.context), 1)  # (B, T, 1)
        return self.after((weights * s).sum(1))


class CrossAttention(nn.Module):
    """Seven views attend to the frames of one modality, whose values are not projected."""

    def __init__(self) -> None:
        super().__init__()
        self.key, self.query = nn.Linear(D, D), nn.Linear(D, D)
        self.before, self.after = nn.Dropout(ATTENTION_DROPOUT), nn.Dropout(ATTENTION_DROPOUT)

    def forward(self, queries: Tensor, frames: Tensor) -> Tensor:
        """Attend with queries (B, 7, d) to frames (B, T, d): (B, 7, d)."""
        s = self.before(frames)
        energy = torch.tanh(self.key(s)) @ self.query(queries).transpose(1, 2)  # (B, T, 7)
        return self.after(torch.softmax(SCALE * energy, 1).transpose(1, 2) @ s)


class Imagination(nn.Module):
    """Residual autoencoder that imagines text from audio, text and vision."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.transition = nn.Sequential(nn.Linear(3 * d, d), nn.ReLU(), nn.Linear(d, d))
        self.encoder, self.decoder, self.dropout = nn.Linear(d, d // 2), nn.Linear(d // 2, d), nn.Dropout(DROPOUT)

    def forward(self, audio: Tensor, text: Tensor, vision: Tensor) -> Tensor:
        """Imagine text (..., d)."""
        x = self.dropout(self.transition(torch.cat([audio, text, vision], -1)))
        return self.decoder(self.encoder(x)) + text


class PublishedSDUMC(nn.Module):
    """The network; one pass a flow."""

    def __init__(self, dims: Mapping[str, int]) -> None:
        super().__init__()
        names = ("audio", "text", "vision")
        self.project = nn.ModuleDict({m: nn.Linear(dims[m], D) for m in names})
        self.pool = nn.ModuleDict({m: Pooling() for m in names})
        self.utterance = nn.ModuleDict({m: layers(D, D, D) for m in names})
        self.gate = nn.Sequential(layers(3 * D, D, D), nn.Linear(D, 3))
        self.view = nn.ModuleList(layers(D, D) for _ in range(7))
        self.cross = nn.ModuleDict({m: CrossAttention() for m in names})
        self.attended = nn.ModuleDict({m: layers(D, D, HALF) for m in names})
        self.imagine_utterance, self.imagine_attended = Imagination(D), Imagination(HALF)
        self.view_gate = nn.Sequential(layers(7 * HALF, D, HALF), nn.Linear(HALF, 7))
        self.head = nn.Linear(HALF, 1)
        self.contrast = nn.Sequential(nn.Linear(HALF, CONTRAST), nn.ReLU(), nn.Linear(CONTRAST, CONTRAST))

    def forward(self, audio: Tensor, text: Tensor, vision: Tensor, missing: bool) -> Flow:
        """Answer one flow; in the missing one `text` is simulated, and imagined in both places."""
        # 1-3. Frames F_m, pooled to utterances h_m.
        f_a, f_t, f_v = self.project["audio"](audio), self.project["text"](text), self.project["vision"](vision)
        h_a = self.utterance["audio"](self.pool["audio"](f_a))
        h_t = self.utterance["text"](self.pool["text"](f_t))
        h_v = self.utterance["vision"](self.pool["vision"](f_v))
        # 4. Imagined text.
        if missing:
            h_t = self.imagine_utterance(h_a, h_t, h_v)
        # 5. Gate without softmax.
        alpha = self.gate(torch.cat([h_a, h_t, h_v], 1))  # (B, 3)
        a, t, v = (alpha[:, i : i + 1] for i in range(3))
        # 6. Seven views: atv, at, tv, av, a, t, v.
        mixed = [a * h_a + t * h_t + v * h_v, a * h_a + t * h_t, t * h_t + v * h_v, a * h_a + v * h_v, h_a, h_t, h_v]
        views = [layer(x) for layer, x in zip(self.view, mixed, strict=True)]
        queries = torch.stack(views, 1)  # (B, 7, d)
        # 7. Every modality's frames answer the same queries.
        c_a = self.attended["audio"](self.cross["audio"](queries, f_a))
        c_t = self.attended["text"](self.cross["text"](queries, f_t))
        c_v = self.attended["vision"](self.cross["vision"](queries, f_v))
        # 8. Imagined attention of text.
        if missing:
            c_t = self.imagine_attended(c_a, c_t, c_v)
        # 9-11. Mix of modalities, of views, and heads.
        g = a[..., None] * c_a + t[..., None] * c_t + v[..., None] * c_v  # (B, 7, d / 2)
        beta = self.view_gate(g.flatten(1))  # (B, 7)
        z = (beta[..., None] * g).sum(1)
        return Flow(self.head(z)[:, 0], views[5], c_t, z, self.contrast(z))


def loss(complete: Flow, missing: Flow, label: Tensor) -> Tensor:
    """Sum the six terms with the public weights."""
    terms = (
        F.mse_loss(complete.score, label),
        F.mse_loss(missing.score, label),
        _rmse(missing.view, complete.view.detach()),
        _rmse(missing.attended, complete.attended.detach()),
        _rmse(missing.joint, complete.joint),
        rank_n_contrast(torch.cat([complete.contrast, missing.contrast]), label.repeat(2)),
    )
    return torch.stack([w * term for w, term in zip(WEIGHTS, terms, strict=True)]).sum()


def rank_n_contrast(features: Tensor, labels: Tensor, temperature: float = 2.0, tolerance: float = 1e-4) -> Tensor:
    """Compute Rank-N-Contrast as the public loss file does: a loop over the second item of the pairs.

    github.com/kaiwenzha/Rank-N-Contrast, with the tolerance of SDUMC's copy.

    Args:
        features: v (N, D).
        labels: y (N,).
    """
    n = len(labels)
    gaps = (labels[:, None] - labels[None]).abs()
    similar = -(features[:, None] - features[None]).norm(2, dim=-1) / temperature
    similar = similar - similar.max(1, keepdim=True)[0].detach()
    grown = similar.exp()
    # Without the diagonal: (N, N - 1).
    others = (1 - torch.eye(n)).bool()
    similar, grown, gaps = (x.masked_select(others).view(n, n - 1) for x in (similar, grown, gaps))
    total = features.new_zeros(())
    for k in range(n - 1):
        further = (gaps >= gaps[:, k : k + 1] - tolerance).float()
        log_share = similar[:, k] - torch.log((further * grown).sum(1))
        total = total - (log_share / (n * (n - 1))).sum()
    return total


def _rmse(a: Tensor, b: Tensor) -> Tensor:
    """Compute the root of the mean squared difference."""
    return torch.sqrt(F.mse_loss(a, b) + EPS)
