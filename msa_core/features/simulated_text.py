"""Text simulated from the voice: the states of Whisper's decoder, projected to the text space.

As SDUMC does with a speech language model: the hidden states with which a decoder answers the audio stand in
for the text. Nothing but the audio enters. The projector is trained on sentences whose words are known: each
decoder state learns the text vector of the true word at its place, whatever the recogniser made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msa_core import checkpoint
from msa_core.config import from_dict
from msa_core.errors import CheckpointError, MsaError
from msa_core.features.speech import Speech
from msa_core.schema import Stream

CHECKPOINT = "projector-tts-v1"
GAP_COST, OTHER_WORD_COST = 0.7, 0.3  # alignment of words: leaving one out; any difference in spelling, plus its size


@dataclass(frozen=True)
class ProjectorConfig:
    """Shape and training of the projector."""

    state_dim: int = 384  # of a decoder state
    text_dim: int = 384  # of a text vector
    width: int = 384  # inside
    reach: int = 2  # tokens seen to each side
    dropout: float = 0.1
    epochs: int = 30  # at most; the best on validation is kept
    patience: int = 4  # epochs without improvement before stopping
    batch: int = 64  # sentences
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    validation: float = 0.1  # share of groups held out

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        if not 0.0 < self.validation < 1.0:
            raise MsaError(f"ProjectorConfig.validation is {self.validation}; give a share between 0 and 1.")


class Projector(nn.Module):
    """LayerNorm -> Linear -> residual (depthwise convolution over tokens, MLP) -> Linear, scaled to the text space."""

    def __init__(self, config: ProjectorConfig | None = None) -> None:
        super().__init__()
        self.config = config or ProjectorConfig()
        c = self.config
        self.norm = nn.LayerNorm(c.state_dim)
        self.inward = nn.Linear(c.state_dim, c.width)
        self.neighbours = nn.Conv1d(c.width, c.width, 2 * c.reach + 1, padding=c.reach, groups=c.width)
        self.mix = nn.Linear(c.width, c.width)
        self.mix_norm = nn.LayerNorm(c.width)
        self.outward = nn.Linear(c.width, c.text_dim)
        self.dropout = nn.Dropout(c.dropout)
        self.register_buffer("target_mean", torch.zeros(c.text_dim))
        self.register_buffer("target_scale", torch.ones(()))
        self.target_mean: Tensor
        self.target_scale: Tensor

    def forward(self, states: Tensor, valid: Tensor) -> Tensor:
        """States (B, K, D_state), valid (B, K) True = a real token -> text vectors (B, K, D_text)."""
        x = self.inward(self.norm(torch.where(valid[..., None], states, 0.0)))
        x = torch.where(valid[..., None], x, 0.0)
        near = self.neighbours(x.transpose(1, 2)).transpose(1, 2)
        x = x + self.mix(self.dropout(F.gelu(self.mix_norm(near))))
        return self.target_mean + self.target_scale * self.outward(self.dropout(F.gelu(x)))

    @torch.inference_mode()
    def project(self, states: np.ndarray) -> np.ndarray:
        """States of one clip (K, D_state), K >= 1 -> text vectors (K, D_text) float32."""
        x = torch.from_numpy(np.asarray(states, dtype=np.float32))[None].to(self.target_mean.device)
        return self(x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device))[0].cpu().numpy()


def stream(speech: Speech, projector: Projector) -> Stream:
    """The simulated text of a clip, absent with the reason of the speech when nothing was said."""
    if not len(speech.states):
        return Stream.absent(speech.silent_reason or speech.no_speech_reason or "no speech found")
    return Stream(values=projector.project(speech.states), times_s=speech.state_times_s)


def load(name: str | Path = CHECKPOINT) -> Projector:
    """The trained projector in eval mode. Raises: CheckpointError when missing, altered or of another shape."""
    tensors, manifest = checkpoint.read(name)
    projector = Projector(from_dict(ProjectorConfig, manifest["config"]))
    try:
        projector.load_state_dict({k: v.float() for k, v in tensors.items()})
    except RuntimeError as e:
        raise CheckpointError(f"{name} does not fit its manifest ({e}). {checkpoint.REPAIR}") from e
    return projector.eval().requires_grad_(False)


def save(projector: Projector, folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the projector in float16 with its config, `manifest` and a golden input and output."""
    half = {k: v.detach().half() for k, v in projector.state_dict().items()}
    stored = Projector(projector.config).eval()
    stored.load_state_dict({k: v.float() for k, v in half.items()})
    states = torch.randn(7, projector.config.state_dim, generator=torch.Generator().manual_seed(0))
    golden = {"states": states, "text": torch.from_numpy(stored.project(states.numpy()))}
    checkpoint.write(folder, half, {**manifest, "config": asdict(projector.config)}, golden)


def align(heard: Sequence[str], owners: np.ndarray, words: Sequence[str], vectors: np.ndarray) -> np.ndarray:
    """Text vector that each decoder state should have: (K, D).

    Args: heard: W' recognised words (normalised). owners (K,): word of each state. words: the W true words,
        vectors (W, D) theirs. A recognised word without a true partner gets the mean of the sentence.
    """
    if len(words) != len(vectors) or not len(words):
        raise MsaError(f"{len(words)} words came with {len(vectors)} vectors. Give one vector a word, at least one.")
    mean = vectors.mean(axis=0)
    partner = dict(_partners(heard, words))
    return np.stack([vectors[partner[o]] if o in partner else mean for o in owners.tolist()])


def _partners(heard: Sequence[str], words: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs (recognised, true) of the cheapest alignment; unlike words may pair when their spelling is near."""
    n, m = len(heard), len(words)
    pair = np.array([[_word_cost(h, w) for w in words] for h in heard]).reshape(n, m)
    total = np.add.outer(np.arange(n + 1), np.arange(m + 1)) * GAP_COST
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            gap = min(total[i - 1, j], total[i, j - 1]) + GAP_COST
            total[i, j] = min(total[i - 1, j - 1] + pair[i - 1, j - 1], gap)
    i, j, found = n, m, []
    while i and j:
        if total[i, j] == total[i - 1, j - 1] + pair[i - 1, j - 1]:
            i, j = i - 1, j - 1
            found.append((i, j))
        elif total[i, j] == total[i - 1, j] + GAP_COST:
            i -= 1
        else:
            j -= 1
    return found


def _word_cost(heard: str, word: str) -> float:
    """0 for the same word, otherwise 0.3 to 1.3 by how unlike the spellings are."""
    return 0.0 if heard == word else OTHER_WORD_COST + 1.0 - SequenceMatcher(None, heard, word).ratio()


def fit(
    states: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    groups: Sequence[str] | None = None,
    config: ProjectorConfig | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Projector, dict[str, float]]:
    """Train a projector; the best epoch on held-out groups is kept.

    Args: states: one (K, D_state) per sentence. targets: (K, D_text) for each, from `align`. groups: equal names
        stay on one side of the validation split (the sentence itself by default). progress: told each epoch.
    Returns: projector in eval mode; {"cosine", "cosine_centred", "mean_cosine" (of the constant mean vector),
        "epoch", "sentences", "tokens"} on validation.
    """
    config = config or ProjectorConfig()
    _check_pairs(states, targets, config)
    names = list(map(str, range(len(states)))) if groups is None else list(groups)
    train, held = _split(names, config.validation, seed)
    torch.manual_seed(seed)
    projector = Projector(config)
    known = np.concatenate([targets[i] for i in train])
    projector.target_mean.copy_(torch.from_numpy(known.mean(axis=0)))
    projector.target_scale.copy_(torch.tensor(float(known.std(axis=0).mean())))
    optimiser = torch.optim.AdamW(projector.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    steps = config.epochs * -(-len(train) // config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=steps)
    order = np.random.default_rng(seed)
    best: dict[str, float] = {"cosine": -1.0}
    kept = projector.state_dict()
    for epoch in range(1, config.epochs + 1):
        projector.train()
        for batch in _batches(order.permutation(train), states, targets, config.batch):
            optimiser.zero_grad()
            projector_loss(projector, *batch).backward()
            optimiser.step()
            schedule.step()
        found = evaluate(projector, [states[i] for i in held], [targets[i] for i in held])
        progress(f"epoch {epoch}: validation cosine {found['cosine']:.4f}, centred {found['cosine_centred']:.4f}")
        if found["cosine"] > best["cosine"]:
            best = found | {"epoch": float(epoch)}
            kept = {k: v.clone() for k, v in projector.state_dict().items()}
        elif epoch - best["epoch"] >= config.patience:
            break
    projector.load_state_dict(kept)
    return projector.eval().requires_grad_(False), best


def projector_loss(projector: Projector, states: Tensor, valid: Tensor, targets: Tensor) -> Tensor:
    """Mean over real tokens of squared error in units of the targets' spread, plus 1 - cosine."""
    guess, truth = projector(states, valid)[valid], targets[valid]
    error = F.mse_loss(guess / projector.target_scale, truth / projector.target_scale)
    return error + (1.0 - F.cosine_similarity(guess, truth, dim=-1)).mean()


def evaluate(projector: Projector, states: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> dict[str, float]:
    """Mean token cosine, plain and around the training mean, with that of the constant mean vector."""
    projector.eval()
    guess, truth = [], []
    with torch.inference_mode():
        for x, valid, y in _batches(np.arange(len(states)), states, targets, 64):
            guess.append(projector(x, valid)[valid])
            truth.append(y[valid])
    g, t, mean = torch.cat(guess), torch.cat(truth), projector.target_mean
    return {
        "cosine": float(F.cosine_similarity(g, t, dim=-1).mean()),
        "cosine_centred": float(F.cosine_similarity(g - mean, t - mean, dim=-1).mean()),
        "mean_cosine": float(F.cosine_similarity(mean[None], t, dim=-1).mean()),
        "sentences": float(len(states)),
        "tokens": float(len(t)),
    }


def _check_pairs(states: Sequence[np.ndarray], targets: Sequence[np.ndarray], config: ProjectorConfig) -> None:
    if len(states) != len(targets) or len(states) < 2:
        raise MsaError(f"{len(states)} states came with {len(targets)} targets. Give pairs, at least two.")
    for i, (x, y) in enumerate(zip(states, targets, strict=True)):
        if len(x) == 0 or x.shape != (len(x), config.state_dim) or y.shape != (len(x), config.text_dim):
            raise MsaError(
                f"Pair {i} has shapes {x.shape} and {y.shape}. "
                f"Give (K, {config.state_dim}) and (K, {config.text_dim}), K >= 1."
            )


def _split(groups: Sequence[str], share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices for training and for validation; at least one group on each side."""
    names = sorted(set(groups))
    if len(names) < 2:
        raise MsaError(f"All {len(groups)} pairs are of one group. Give two or more groups.")
    held = min(len(names) - 1, max(1, round(share * len(names))))
    chosen = set(np.random.default_rng(seed).permutation(names)[:held].tolist())
    inside = np.array([g in chosen for g in groups])
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def _batches(
    order: np.ndarray, states: Sequence[np.ndarray], targets: Sequence[np.ndarray], size: int
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Padded batches in this order: states (B, K, D), valid (B, K), targets (B, K, D)."""
    batches = []
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        lengths = torch.tensor([len(states[i]) for i in chosen])
        valid = torch.arange(int(lengths.max())) < lengths[:, None]
        pads = [
            nn.utils.rnn.pad_sequence([torch.from_numpy(s[i].astype(np.float32)) for i in chosen], batch_first=True)
            for s in (states, targets)
        ]
        batches.append((pads[0], valid, pads[1]))
    return batches
