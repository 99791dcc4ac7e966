"""Training of the projector from Whisper's decoder states to the text space (features/simulated_text.py).

Each decoder state learns the text vector of the true word at its place, whatever the recogniser made of it: `align`
pairs recognised and true words, `fit` trains, `evaluate` measures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msa_core.errors import MsaError
from msa_core.features.simulated_text import Projector, ProjectorConfig

GAP_COST = 0.7  # alignment of words: leaving one out
OTHER_WORD_COST = 0.3  # any difference in spelling, to which its size is added


def align(heard: Sequence[str], owners: np.ndarray, words: Sequence[str], vectors: np.ndarray) -> np.ndarray:
    """Align recognised with true words and return the text vector that each decoder state should have: (K, D).

    A recognised word without a true partner gets the mean of the sentence.

    Args:
        heard: W' recognised words (normalised).
        owners: recognised word of each state (K,).
        words: W true words.
        vectors: text vectors of the true words (W, D).

    Raises:
        MsaError: without words, or with another number of vectors.
    """
    if len(words) != len(vectors) or not len(words):
        raise MsaError(f"{len(words)} words came with {len(vectors)} vectors. Give one vector a word, at least one.")
    mean = vectors.mean(axis=0)
    partner = dict(_partners(heard, words))
    return np.stack([vectors[partner[o]] if o in partner else mean for o in owners.tolist()])


def _partners(heard: Sequence[str], words: Sequence[str]) -> list[tuple[int, int]]:
    """Pair (recognised, true) words by the cheapest alignment; words of similar spelling may pair."""
    # Costs of pairing, and of the cheapest alignment of the first i and j words.
    n, m = len(heard), len(words)
    pair = np.array([[_word_cost(h, w) for w in words] for h in heard]).reshape(n, m)
    total = np.add.outer(np.arange(n + 1), np.arange(m + 1)) * GAP_COST
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            gap = min(total[i - 1, j], total[i, j - 1]) + GAP_COST
            total[i, j] = min(total[i - 1, j - 1] + pair[i - 1, j - 1], gap)
    # Back from the end along the cheapest steps.
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
    """Compute the cost of a pair: 0 for the same word, otherwise 0.3 to 1.3 by the difference in spelling."""
    return 0.0 if heard == word else OTHER_WORD_COST + 1.0 - SequenceMatcher(None, heard, word).ratio()


def fit(
    states: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    groups: Sequence[str] | None = None,
    config: ProjectorConfig | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Projector, dict[str, float]]:
    """Train a projector and keep the best epoch on held-out groups.

    Args:
        states: one (K, D_state) per sentence.
        targets: (K, D_text) for each, from `align`.
        groups: equal names stay on one side of the validation split; by default every sentence is its own group.
        progress: called with a line about each epoch.

    Returns:
        The projector in eval mode; on validation {"cosine", "cosine_centred", "mean_cosine" (of the constant mean
        vector), "epoch", "sentences", "tokens"}.
    """
    config = config or ProjectorConfig()
    _check_pairs(states, targets, config)
    names = list(map(str, range(len(states)))) if groups is None else list(groups)
    train, held = _split(names, config.validation, seed)
    # Targets are predicted around their mean, in units of their spread.
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
    """Average over real tokens: squared error in units of the targets' spread, plus 1 - cosine."""
    guess, truth = projector(states, valid)[valid], targets[valid]
    error = F.mse_loss(guess / projector.target_scale, truth / projector.target_scale)
    return error + (1.0 - F.cosine_similarity(guess, truth, dim=-1)).mean()


def evaluate(projector: Projector, states: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> dict[str, float]:
    """Compute the mean token cosine, plain and around the training mean, and that of the constant mean vector."""
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
    """Refuse states and targets that are not pairs of the configured widths."""
    if len(states) != len(targets) or len(states) < 2:
        raise MsaError(f"{len(states)} states came with {len(targets)} targets. Give pairs, at least two.")
    for i, (x, y) in enumerate(zip(states, targets, strict=True)):
        if len(x) == 0 or x.shape != (len(x), config.state_dim) or y.shape != (len(x), config.text_dim):
            raise MsaError(
                f"Pair {i} has shapes {x.shape} and {y.shape}. "
                f"Give (K, {config.state_dim}) and (K, {config.text_dim}), K >= 1."
            )


def _split(groups: Sequence[str], share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split groups into indices for training and for validation, at least one group on each side."""
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
    """Pad batches in this order: states (B, K, D), valid (B, K), targets (B, K, D)."""
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
