"""Text alone: fine-tuning of MiniLM's top layers on rated sentences, attention pooling, one score a sentence.

The lower layers stay as they are, so each sentence passes them once (`lower`) and training runs the top only.
With `layers = 0` nothing of MiniLM is trained: the baseline of frozen tokens under the same pooling.
`evaluation/text_benchmark.py` reads the corpora, trains by their standard splits and reports.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msa_core import checkpoint
from msa_core.config import from_dict
from msa_core.errors import CheckpointError, FeatureError, MsaError
from msa_core.features import weights
from msa_core.features.bert import bias_of
from msa_core.features.text import TextEncoder
from msa_core.features.text_layers import AttentionHead
from msa_core.schema import SCORE_LIMIT

KIND = "text"  # kind in the manifest of the runs that `load` reads
BUCKET = 16  # number of batches that are sorted by length together
EVALUATION_BATCH = 64


@dataclass(frozen=True)
class TextTraining:
    """Settings of the training of the top layers and the head."""

    layers: int = 4  # of MiniLM's six, counted from the top; 0: the head only
    epochs: int = 3
    batch_size: int = 32
    rate: float = 2e-4  # peak, of the topmost layer
    layer_decay: float = 0.9  # of the rate from each layer to the one below it
    head_rate: float = 1e-3
    weight_decay: float = 0.01
    warm_up: float = 0.1  # share of the steps; then the rate falls to zero in a line
    smooth: float = 1.0  # of the smooth L1 loss, where it turns from square to line; 0: plain L1
    ema: float = 0.99  # of the averaged weights, which are the ones evaluated
    head_dim: int = 64
    dropout: float = 0.1
    bfloat16: bool = True  # in training; evaluation is exact
    n_mosei: int = 8000  # MOSEI training sentences beside MOSI's own; only when MOSI is the corpus
    seed: int = 0

    def __post_init__(self) -> None:
        if self.layers < 0 or min(self.epochs, self.batch_size, self.head_dim) < 1 or self.n_mosei < 0:
            raise MsaError("layers and n_mosei must be 0 or more, epochs, batch_size and head_dim 1 or more.")
        if self.smooth < 0:
            raise MsaError(f"smooth is {self.smooth}; give 0 (plain L1) or more.")
        for name in ("warm_up", "ema", "dropout"):
            if not 0 <= (value := getattr(self, name)) < 1:
                raise MsaError(f"{name} is {value}; give a share from 0 to below 1.")


class Rated(NamedTuple):
    """Sentences after the frozen layers: states (T, D) float16 of each, ratings (N,) float32 in [-3, 3]."""

    states: Sequence[np.ndarray]
    ratings: np.ndarray


def lower(encoder: TextEncoder, texts: Sequence[str], layers: int) -> list[np.ndarray]:
    """Compute the states (T, D) float16 of each text below the `layers` topmost layers, with [CLS] and [SEP].

    Only the first 254 word pieces of a text are read.

    Raises:
        FeatureError: when MiniLM has fewer layers.
    """
    blocks = encoder.model.encoder.layer
    if layers > len(blocks):
        raise FeatureError(f"layers is {layers}, but the text model has {len(blocks)}. Give {len(blocks)} or fewer.")
    coded = [encoder.ids(t) for t in texts]
    found: dict[int, np.ndarray] = {}
    order = sorted(range(len(coded)), key=lambda i: len(coded[i]))
    for start in range(0, len(order), EVALUATION_BATCH):
        rows = order[start : start + EVALUATION_BATCH]
        ids = torch.full((len(rows), len(coded[rows[-1]])), encoder.pad)
        valid = torch.zeros(ids.shape, dtype=torch.bool)
        for k, row in enumerate(rows):
            ids[k, : len(coded[row])], valid[k, : len(coded[row])] = torch.tensor(coded[row]), True
        with torch.inference_mode():
            states = encoder.model.embeddings(ids)
            for block in blocks[: len(blocks) - layers]:
                states = block(states, bias_of(valid))
        found |= {row: states[k, : len(coded[row])].half().numpy() for k, row in enumerate(rows)}
    return [found[i] for i in range(len(coded))]


def pad(states: Sequence[np.ndarray]) -> tuple[Tensor, Tensor, Tensor]:
    """Pad states to one batch.

    Returns:
        States (B, T, D) float32, valid (B, T), and words (B, T): valid without [CLS] and [SEP]. A text without words
        keeps [CLS] in their place.
    """
    lengths = torch.tensor([len(s) for s in states])
    x = torch.zeros(len(states), int(lengths.max()), states[0].shape[1])
    for k, s in enumerate(states):
        x[k, : len(s)] = torch.from_numpy(s)
    place = torch.arange(x.shape[1])
    words = (place >= 1) & (place < lengths[:, None] - 1) | (place == 0) & (lengths[:, None] == 2)
    return x, place < lengths[:, None], words


class TextNetwork(AttentionHead):
    """Copies of the top layers under a head of attention pooling over the words and a linear score."""

    def __init__(self, encoder: TextEncoder, settings: TextTraining) -> None:
        super().__init__(encoder.dim, settings.head_dim, settings.dropout)
        blocks = encoder.model.encoder.layer
        self.top = copy.deepcopy(blocks[len(blocks) - settings.layers :]).requires_grad_(True)
        self.rounds = settings.bfloat16

    def forward(self, x: Tensor, valid: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Score lower states as `pad` gives them: scores (B,), token vectors (B, T, D)."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training and self.rounds):
            for block in self.top:
                x = block(x, bias_of(valid))
        x = x.float()
        return self.pool(x, words), x

    def rates(self, settings: TextTraining) -> list[dict[str, Any]]:
        """Group the parameters for the optimiser: the head, then the layers from the top, each slower."""
        head = [p for name, p in self.named_parameters() if not name.startswith("top.")]
        groups: list[dict[str, Any]] = [{"params": head, "lr": settings.head_rate}]
        for depth, block in enumerate(reversed(self.top)):
            groups.append({"params": list(block.parameters()), "lr": settings.rate * settings.layer_decay**depth})
        return groups


@torch.inference_mode()
def predict(network: TextNetwork, states: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Score sentences: scores (N,) in [-3, 3], and token vectors (T, D) of the words of each."""
    network.eval()
    scores, tokens = np.zeros(len(states), np.float32), [np.zeros(0, np.float32)] * len(states)
    order = sorted(range(len(states)), key=lambda i: len(states[i]))
    for start in range(0, len(order), EVALUATION_BATCH):
        rows = order[start : start + EVALUATION_BATCH]
        x, valid, words = pad([states[i] for i in rows])
        found, vectors = network(x, valid, words)
        for k, row in enumerate(rows):
            scores[row] = found[k].clamp(-SCORE_LIMIT, SCORE_LIMIT)
            tokens[row] = vectors[k, words[k]].numpy()
    return scores, tokens


def train(
    encoder: TextEncoder,
    known: Rated,
    valid: Rated,
    settings: TextTraining,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[TextNetwork, list[dict[str, float]]]:
    """Train on `known` and keep the epoch with the lowest mean absolute error on `valid`.

    Returns:
        The averaged network of that epoch in evaluation mode, its weights rounded to float16 as they are stored;
        training loss and validation MAE of every epoch.

    Raises:
        MsaError: when the loss is not finite.
    """
    torch.manual_seed(settings.seed)
    run = _Run(TextNetwork(encoder, settings), known, settings)
    best = copy.deepcopy(run.average)
    history: list[dict[str, float]] = []
    for epoch in range(settings.epochs):
        loss = run.epoch()
        if not math.isfinite(loss):
            raise MsaError(f"The loss of epoch {epoch + 1} is {loss}. Give a rate below {settings.rate:g}.")
        error = float(np.abs(predict(run.average, valid.states)[0] - valid.ratings).mean())
        if error < min((h["valid_mae"] for h in history), default=math.inf):
            best.load_state_dict(run.average.state_dict())
        history.append({"loss": loss, "valid_mae": error})
        say(f"epoch {epoch + 1}/{settings.epochs}, loss {loss:.3f}, validation MAE {error:.4f}")
    best.load_state_dict({k: v.half() for k, v in best.state_dict().items()})
    return best.eval().requires_grad_(False), history


class Updates:
    """Network in training with its optimiser, its learning rate and its averaged copy."""

    def __init__(
        self, network: TextNetwork, groups: list[dict[str, Any]], n_sentences: int, settings: TextTraining
    ) -> None:
        self.network, self.settings = network, settings
        self.average, self.steps = copy.deepcopy(network), 0
        self.rng = np.random.default_rng(settings.seed)
        self.optimizer = torch.optim.AdamW(groups, weight_decay=settings.weight_decay, fused=True)
        n = settings.epochs * math.ceil(n_sentences / settings.batch_size)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda k: _rate(k, n, settings.warm_up))

    def update(self, loss: Tensor) -> None:
        """Step against the gradient of a loss and move the averaged copy."""
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.steps += 1
        _move(self.average, self.network, min(self.settings.ema, self.steps / (self.steps + 10)))


class _Run(Updates):
    """Training on the states of rated sentences."""

    def __init__(self, network: TextNetwork, known: Rated, settings: TextTraining) -> None:
        nn.init.constant_(network.score.bias, float(known.ratings.mean()))
        super().__init__(network, network.rates(settings), len(known.states), settings)
        self.known = known

    def epoch(self) -> float:
        """Train on every sentence once and return the mean loss."""
        self.network.train()
        total = 0.0
        for rows in _batches([len(s) for s in self.known.states], self.settings.batch_size, self.rng):
            scores, _ = self.network(*pad([self.known.states[i] for i in rows]))
            target = torch.from_numpy(self.known.ratings[rows])
            loss = F.smooth_l1_loss(scores, target, beta=self.settings.smooth)
            self.update(loss)
            total += float(loss.detach()) * len(rows)
        return total / len(self.known.states)


def _rate(step: int, n_steps: int, warm_up: float) -> float:
    """Compute the share of the peak rate: linear warm-up, then linear to zero."""
    peak = max(1, round(warm_up * n_steps))
    return (step + 1) / peak if step < peak else (n_steps - step) / max(1, n_steps - peak)


def _batches(lengths: Sequence[int], size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield one epoch of batches in random order, sentences of similar length together."""
    order = rng.permutation(len(lengths))
    found = []
    for start in range(0, len(order), size * BUCKET):
        part = order[start : start + size * BUCKET]
        part = part[np.argsort([lengths[i] for i in part], kind="stable")]
        found += [part[k : k + size] for k in range(0, len(part), size)]
    for k in rng.permutation(len(found)):
        yield found[k]


@torch.no_grad()
def _move(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the exponential average of the weights, in place."""
    for kept, new in zip(average.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


class TextScorer:
    """Scorer of sentences with a stored run: `scores, tokens = load(folder)(["I love it"])`."""

    def __init__(self, encoder: TextEncoder, network: TextNetwork, settings: TextTraining) -> None:
        self.encoder, self.network, self.settings = encoder, network, settings

    def __call__(self, sentences: Sequence[str]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Score sentences: scores (N,) in [-3, 3], and token vectors (T, D) of the words of each, float32."""
        return predict(self.network, lower(self.encoder, sentences, self.settings.layers))


def write(
    folder: Path, network: TextNetwork, settings: TextTraining, facts: Mapping[str, Any], golden: Mapping[str, Tensor]
) -> None:
    """Write a checkpoint of the fine-tuned layers and the head, float16.

    Args:
        facts: JSON-able facts for the manifest.
        golden: a recorded input and its output.
    """
    manifest = {"name": folder.name, "kind": KIND, "settings": asdict(settings)}
    manifest |= {"encoder": {"name": weights.MINILM_PACKAGE.requirement, "sha256": dict(weights.MINILM_PACKAGE.files)}}
    checkpoint.write(folder, {k: v.half() for k, v in network.state_dict().items()}, {**manifest, **facts}, golden)


def load(folder: str | Path, encoder: TextEncoder | None = None) -> TextScorer:
    """Load a stored run, verified and strictly.

    Raises:
        CheckpointError: when the folder holds something else or does not fit MiniLM.
    """
    tensors, manifest = checkpoint.read(folder)
    if manifest.get("kind") != KIND:
        raise CheckpointError(
            f"{Path(folder).name} is a {manifest.get('kind') or manifest.get('method')!r} checkpoint, not {KIND!r}. "
            "Give a folder that 'fit text' wrote."
        )
    settings = from_dict(TextTraining, manifest["settings"])
    encoder = encoder or TextEncoder(weights.minilm_directory())
    network = TextNetwork(encoder, settings)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as e:
        raise CheckpointError(f"{Path(folder).name} does not fit {encoder.dim}-d MiniLM ({e}). Train it again.") from e
    return TextScorer(encoder, network.eval().requires_grad_(False), settings)
