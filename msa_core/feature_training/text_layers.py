"""Training of the text layers: MiniLM's top layers and a head that scores a sentence, on several rated corpora at once.

All corpora speak through one score in [-3, 3]. Ratings (MOSI, MOSEI, EmoBank) pull it by a smooth L1 loss, which
leads to the middle of what people said: near 0 where the words say nothing. Three classes (MELD) pull it in two ways,
of which `ordinal` is the share: as ratings, and by an ordered logit, whose two thresholds and slope are learned, so
that a strong remark is not held at the place of its class. Each corpus has its weight.

Every epoch reads the sentences with other noise of a recogniser (`text_noise`). The lower layers stay as they are.

Trained fusion networks can read the sentences beside the head (`frozen_readers`): they stay as they are, and the
layers learn token vectors from whose words alone these networks answer right, near those that they were trained on.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msa_core import checkpoint
from msa_core.errors import MsaError
from msa_core.feature_training.frozen_readers import FrozenReaders
from msa_core.feature_training.text import (
    EVALUATION_BATCH,
    Rated,
    TextNetwork,
    TextTraining,
    Updates,
    _batches,
    lower,
    pad,
)
from msa_core.feature_training.text_noise import Noise
from msa_core.features import weights
from msa_core.features.text import TextEncoder
from msa_core.features.text_layers import KIND
from msa_core.schema import SCORE_LIMIT


@dataclass(frozen=True)
class LayersTraining(TextTraining):
    """Settings of the training on several corpora."""

    layers: int = 2  # three are 10.7 MB: more than a file of this project may have
    epochs: int = 2
    rate: float = 3e-4
    smooth: float = 0.5
    n_mosei: int = 0  # not read: the corpora come whole
    bfloat16: bool = False  # rounds otherwise on every processor, and is slow where it is emulated
    ordinal: float = 0.5  # share of the ordered logit in the loss of corpora with classes
    noisy: float = 0.3  # share of the sentences that are read with noise
    weights: tuple[float, ...] = ()  # of the corpora, in their order; 1 where none is given
    stay: float = 0.0  # weight of the squared distance to the frozen layers' token vectors, in units of their variance

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("ordinal", "noisy"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise MsaError(f"{name} is {value}; give a share from 0 to 1.")
        if self.stay < 0:
            raise MsaError(f"stay is {self.stay}; give 0 or more.")
        if any(w < 0 for w in self.weights):
            raise MsaError(f"weights are {self.weights}; give 0 or more for each corpus.")


class Corpus(NamedTuple):
    """Training sentences of one corpus: normalised texts, ratings (N,) float32, and whether these are three classes."""

    texts: Sequence[str]
    ratings: np.ndarray
    classes: bool = False


class OrderedLogit(nn.Module):
    """Likelihood of three ordered classes given a score: two thresholds and one slope."""

    def __init__(self) -> None:
        super().__init__()
        self.thresholds = nn.Parameter(torch.tensor([-0.5, 0.5]))
        self.slope = nn.Parameter(torch.tensor(0.5))  # before softplus

    def forward(self, scores: Tensor, classes: Tensor) -> Tensor:
        """Compute the negative log likelihood (B,) of classes (B,): 0 below, 1 between, 2 above the thresholds."""
        above = F.softplus(self.slope) * (scores.unsqueeze(1) - self.thresholds.sort().values)
        low, high = above[:, 0], above[:, 1]
        between = torch.sigmoid(low) - torch.sigmoid(high)
        chances = torch.stack([F.logsigmoid(-low), between.clamp(min=1e-6).log(), F.logsigmoid(high)], 1)
        return -chances.gather(1, classes.unsqueeze(1)).squeeze(1)


def train(
    encoder: TextEncoder,
    corpora: Mapping[str, Corpus],
    valid: Mapping[str, Rated],
    settings: LayersTraining,
    say: Callable[[str], None] = lambda _: None,
    readers: FrozenReaders | None = None,
) -> tuple[TextNetwork, list[dict[str, Any]]]:
    """Train on all corpora together and keep the epoch of the lowest mean relative error on the parts of `valid`.

    The relative error of a part is the MAE divided by that of its median: each part counts the same, and so does
    each reader and the head.

    Args:
        corpora: training sentences by corpus.
        valid: sentences after the frozen layers (`lower` with settings.layers), by corpus.
        readers: fusion networks that read the sentences beside the head.
    Returns:
        The averaged network of that epoch in evaluation mode, its weights rounded to float16 as they are stored;
        loss, mean relative error and MAE by corpus of every epoch.
    Raises:
        MsaError: when the loss is not finite, the weights are not one a corpus, or a part of `valid` has one rating.
    """
    if settings.weights and len(settings.weights) != len(corpora):
        raise MsaError(f"There are {len(settings.weights)} weights for {len(corpora)} corpora. Give one a corpus.")
    spread = {name: np.abs(r.ratings - np.median(r.ratings)).mean() for name, r in valid.items()}
    if flat := [name for name, value in spread.items() if value == 0]:
        raise MsaError(f"All sentences of {flat[0]}'s validation part have one rating. Restore the corpus.")
    torch.manual_seed(settings.seed)
    readers = readers or FrozenReaders({})
    run = _Run(encoder, corpora, settings, readers)
    best = copy.deepcopy(run.average)
    history: list[dict[str, Any]] = []
    for epoch in range(settings.epochs):
        loss = run.epoch(say)
        if not math.isfinite(loss):
            raise MsaError(f"The loss of epoch {epoch + 1} is {loss}. Give a rate below {settings.rate:g}.")
        errors = {name: np.abs(scores(run.average, readers, r.states) - r.ratings).mean() for name, r in valid.items()}
        mean = float(np.mean([error / spread[name] for name, error in errors.items()]))
        if mean < min((h["relative"] for h in history), default=math.inf):
            best.load_state_dict(run.average.state_dict())
        history.append({"loss": loss, "relative": mean, "valid_mae": {name: float(e) for name, e in errors.items()}})
        said = ", ".join(f"{name} {e:.3f}" for name, e in errors.items())
        say(f"epoch {epoch + 1}/{settings.epochs}, loss {loss:.3f}, relative {mean:.4f}; MAE {said}")
    best.load_state_dict({k: v.half() for k, v in best.state_dict().items()})
    return best.eval().requires_grad_(False), history


@torch.inference_mode()
def scores(network: TextNetwork, readers: FrozenReaders, states: Sequence[np.ndarray]) -> np.ndarray:
    """Score sentences by the head and by every reader: (1 + K, N) in [-3, 3].

    Args:
        states: after the frozen layers, as `lower` gives them.
    """
    network.eval()
    found = np.zeros((1 + len(readers.models), len(states)), np.float32)
    order = sorted(range(len(states)), key=lambda i: len(states[i]))
    for start in range(0, len(order), EVALUATION_BATCH):
        rows = order[start : start + EVALUATION_BATCH]
        x, valid, words = pad([states[i] for i in rows])
        score, tokens = network(x, valid, words)
        each = torch.cat([score.unsqueeze(0), readers(tokens, words)])
        found[:, rows] = each.clamp(-SCORE_LIMIT, SCORE_LIMIT).numpy()
    return found


class _Run(Updates):
    """Training on the noisy sentences of several corpora."""

    settings: LayersTraining

    def __init__(
        self, encoder: TextEncoder, corpora: Mapping[str, Corpus], settings: LayersTraining, readers: FrozenReaders
    ) -> None:
        self.encoder, self.readers = encoder, readers
        self.texts = [text for c in corpora.values() for text in c.texts]
        self.ratings = torch.from_numpy(np.concatenate([c.ratings for c in corpora.values()]))
        sizes = [len(c.texts) for c in corpora.values()]
        self.weights = torch.tensor(settings.weights or [1.0] * len(sizes)).repeat_interleave(torch.tensor(sizes))
        self.classes = torch.tensor([c.classes for c in corpora.values()]).repeat_interleave(torch.tensor(sizes))
        self.lengths = [len(t.split()) for t in self.texts]
        self.noise = Noise(self.texts, settings.noisy)
        network, self.logit = TextNetwork(encoder, settings), OrderedLogit()
        nn.init.zeros_(network.score.bias)
        self.frozen = copy.deepcopy(network).eval().requires_grad_(False)
        groups = [*network.rates(settings), {"params": list(self.logit.parameters()), "lr": settings.head_rate}]
        super().__init__(network, groups, len(self.texts), settings)

    def epoch(self, say: Callable[[str], None]) -> float:
        """Train on every sentence once and return the mean loss."""
        self.network.train()
        total, seen = 0.0, 0
        for rows in _batches(self.lengths, self.settings.batch_size, self.rng):
            states = lower(self.encoder, [self.noise(self.texts[i], self.rng) for i in rows], self.settings.layers)
            x, valid, words = pad(states)
            score, tokens = self.network(x, valid, words)
            each = torch.cat([score.unsqueeze(0), self.readers(tokens, words)])  # (1 + K, B)
            loss = torch.stack([self.loss(one, torch.from_numpy(rows)) for one in each]).mean()
            self.update(loss + self.settings.stay * self.moved(x, valid, words, tokens) if self.settings.stay else loss)
            total, seen = total + float(loss.detach()) * len(rows), seen + len(rows)
            if self.steps % 100 == 0:
                say(f"step {self.steps}: {seen:,} of {len(self.texts):,} sentences, loss {total / seen:.3f}")
        return total / seen

    def moved(self, x: Tensor, valid: Tensor, words: Tensor, tokens: Tensor) -> Tensor:
        """Compute the mean squared distance of token vectors (B, T, D) to the frozen layers', in units of variance."""
        with torch.no_grad():
            before = self.frozen(x, valid, words)[1][words]
        return ((tokens[words] - before) ** 2).mean() / before.var(0).mean()

    def loss(self, scores: Tensor, rows: Tensor) -> Tensor:
        """Average the weighted losses of a batch: scores (B,) of the sentences `rows` (B,)."""
        ratings, classes = self.ratings[rows], self.classes[rows]
        losses = F.smooth_l1_loss(scores, ratings, beta=self.settings.smooth, reduction="none")
        if self.settings.ordinal:
            share = torch.where(classes, self.settings.ordinal, 0.0)
            losses = (1 - share) * losses + share * self.logit(scores, ratings.sign().long() + 1)
        return (self.weights[rows] * losses).mean()


def write(
    folder: Path,
    network: TextNetwork,
    settings: LayersTraining,
    facts: Mapping[str, Any],
    golden: Mapping[str, Tensor],
) -> None:
    """Write a checkpoint of the tuned layers and the head, float16; see `features.text_layers.attach`.

    Args:
        facts: JSON-able facts for the manifest.
        golden: a recorded input and its output.
    """
    encoder = {"name": weights.MINILM_PACKAGE.requirement, "sha256": dict(weights.MINILM_PACKAGE.files)}
    manifest = {"name": folder.name, "kind": KIND, "settings": asdict(settings), "encoder": encoder, **facts}
    checkpoint.write(folder, {k: v.half() for k, v in network.state_dict().items()}, manifest, golden)
