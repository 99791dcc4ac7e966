"""Training of the voice networks, and the audio stream of acted voices by networks that never heard the speaker.

Speakers of the valid and test parts are in no training. Within the train part, every network of a repeat leaves
one fold of speakers out; `voice_pool` reads a train speaker with the networks that never heard that speaker, and
everybody else with all networks, as the page does with a user's clip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from msa_core import checkpoint
from msa_core.errors import MsaError
from msa_core.feature_training.voice_clips import SPLIT_SPEAKERS, VoiceClip, generator
from msa_core.feature_training.voice_recordings import EncodedVoices, encode
from msa_core.features import speech
from msa_core.features.voice import (
    CHECKPOINT,
    EMOTIONS,
    FRAME_DIM,
    VoiceConfig,
    VoiceNetwork,
    evidence,
    load,
    read_frames,
)

# RAVDESS has four negative emotions for one positive; with these weights a voice without evidence scores about 0.
EMOTION_WEIGHTS = {"neutral": 3.0, "calm": 1.3, "happy": 2.0, "surprised": 1.3}
OTHER_WEIGHT = 0.8
LICENCE = (
    "RAVDESS CC BY-NC-SA 4.0 (Livingstone & Russo 2018); URDU for research only (Latif et al. 2018); "
    "nEMO CC BY-NC-SA 4.0 (Christop 2024); neutral lines of MELD, GPL-3.0, spoken by flite and espeak-ng"
)


@dataclass(frozen=True)
class VoiceTraining:
    """Settings of the training of the voice networks."""

    n_versions: int = 3  # augmented recordings of each clip, beside the clean one
    n_folds: int = 5  # of speakers
    n_repeats: int = 3  # different foldings; a speaker is out of one fold in each
    epochs: int = 30
    batch_size: int = 64
    crop: int = 24  # frames (2.4 s) of a clip seen at a time
    peak_rate: float = 2e-3
    weight_decay: float = 0.05
    frame_weight: float = 0.3  # of the losses of single frames beside those of the clip
    other_weight: float = 0.3  # of a clip of another corpus than RAVDESS, which is the only one rated in strength
    swap: float = 0.8  # up to this share of another speaker's mean frame replaces that of an acted clip's speaker
    seed: int = 0


def speaker_folds(speakers: Sequence[str], n_folds: int, seed: int) -> np.ndarray:
    """Assign every clip a fold; speakers are never divided, each corpus is spread evenly over the folds.

    Returns:
        (N,) int in [0, n_folds).
    """
    rng, sizes = generator("folds", seed), {s: list(speakers).count(s) for s in set(speakers)}
    fold_of: dict[str, int] = {}
    for corpus in sorted({s.split("-")[0] for s in sizes}):
        load_of = np.zeros(n_folds)
        own = sorted(s for s in sizes if s.startswith(corpus))
        for k in sorted(rng.permutation(len(own)), key=lambda k: -sizes[own[k]]):  # largest first, ties at random
            lightest = np.flatnonzero(load_of == load_of.min())
            fold_of[own[k]] = int(rng.choice(lightest))
            load_of[fold_of[own[k]]] += sizes[own[k]]
    return np.array([fold_of[s] for s in speakers])


def clip_weights(found: Sequence[VoiceClip], settings: VoiceTraining) -> np.ndarray:
    """Compute the weight (N,) of every clip in the training loss."""
    emotion = [EMOTION_WEIGHTS.get(c.emotion, OTHER_WEIGHT) for c in found]
    corpus = [1.0 if c.corpus == "ravdess" else settings.other_weight for c in found]
    return np.array(emotion) * np.array(corpus)


def train(
    encoded: EncodedVoices, held_out: np.ndarray, settings: VoiceTraining, say: Callable[[str], None] = lambda _: None
) -> VoiceNetwork:
    """Train all networks at once, each on the clips that it does not hold out.

    Args:
        held_out: (G, N) bool, the clips that network g never hears.

    Returns:
        The ensemble in evaluation mode.
    """
    torch.manual_seed(settings.seed)
    rng = generator("train", settings.seed)
    network = VoiceNetwork(VoiceConfig(n_networks=len(held_out)))
    clean = np.concatenate(encoded.frames[0]).astype(np.float32)
    network.mean.copy_(torch.from_numpy(clean.mean(0)))
    network.scale.copy_(torch.from_numpy(clean.std(0)))
    share = np.where(held_out, 0.0, clip_weights(encoded.clips, settings))
    weight = torch.tensor(share / share.mean(axis=1, keepdims=True), dtype=torch.float32)
    emotion = torch.tensor([EMOTIONS.index(c.emotion) for c in encoded.clips])
    score = torch.tensor([c.score for c in encoded.clips])
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.peak_rate, weight_decay=settings.weight_decay)
    n_batches = max(len(encoded.clips) // settings.batch_size, 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.peak_rate, total_steps=settings.epochs * n_batches, pct_start=0.15
    )
    batches = _Batches(encoded, settings, rng)
    network.train()
    for epoch in range(settings.epochs):
        total = 0.0
        for rows in np.array_split(rng.permutation(len(encoded.clips)), n_batches):
            frames, valid = batches.draw(rows)
            targets = _Targets(emotion[rows], score[rows], weight[:, rows])
            loss = voice_loss(network(frames, valid), valid, targets, settings.frame_weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        say(f"epoch {epoch + 1}/{settings.epochs}, loss {total / n_batches / len(held_out):.3f} a network")
    return network.eval().requires_grad_(False)


class _Targets(NamedTuple):
    """Targets of clips: emotion (B,) int, score (B,), and their weight in each network's loss (G, B)."""

    emotion: Tensor
    score: Tensor
    weight: Tensor


class _Batches:
    """Random training batches: random recordings and stretches, speaker means swapped at random."""

    def __init__(self, encoded: EncodedVoices, settings: VoiceTraining, rng: np.random.Generator) -> None:
        self.encoded, self.settings, self.rng = encoded, settings, rng
        self.speakers = sorted({c.speaker for c in encoded.clips})
        own = {s: [i for i, c in enumerate(encoded.clips) if c.speaker == s] for s in self.speakers}
        self.colour = {
            s: np.mean([encoded.frames[0][i].astype(np.float32).mean(0) for i in rows], axis=0)
            for s, rows in own.items()
        }

    def draw(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Draw frames (B, crop, 384) and valid (B, crop) of clips."""
        length, rng = self.settings.crop, self.rng
        frames = np.zeros((len(rows), length, FRAME_DIM), np.float32)
        valid = np.zeros((len(rows), length), bool)
        for k, row in enumerate(rows):
            whole = self.encoded.frames[rng.integers(len(self.encoded.frames))][row]
            start = rng.integers(max(len(whole) - length, 0) + 1)
            part = whole[start : start + length].astype(np.float32)
            clip = self.encoded.clips[row]
            if self.settings.swap and clip.corpus != "urdu":  # of URDU speakers the mean is nearly the emotion
                other = self.colour[self.speakers[rng.integers(len(self.speakers))]]
                part += self.settings.swap * rng.random() * (other - self.colour[clip.speaker])
            frames[k, : len(part)], valid[k, : len(part)] = part, True
        return torch.from_numpy(frames), torch.from_numpy(valid)


def voice_loss(outputs: tuple[Tensor, Tensor, Tensor], valid: Tensor, targets: _Targets, frame_weight: float) -> Tensor:
    """Compute the loss of emotion and score of the clip (gate-weighted means of its frames) and of each frame.

    Args:
        outputs: of the network: logits (G, B, T, 8), score and gate (G, B, T).
        valid: (B, T).
        frame_weight: of the losses of single frames.

    Returns:
        The sum over networks of weighted batch means, a scalar.
    """
    logits, score, gate = outputs
    emotion, target = targets.emotion.expand(len(score), -1), targets.score.expand(len(score), -1)  # (G, B)
    gate, share = torch.where(valid, gate, 0.0), valid / valid.sum(1, keepdim=True)  # (G, B, T), (B, T)
    # Clip: gate-weighted means over its frames (G, B).
    pooling = gate / gate.sum(-1, keepdim=True).clamp_min(1e-6)
    clip_logits = (pooling.unsqueeze(-1) * logits).sum(2)
    clip = F.cross_entropy(clip_logits.flatten(0, 1), emotion.flatten(), reduction="none", label_smoothing=0.1)
    clip = clip.view_as(target) + F.smooth_l1_loss((pooling * score).sum(-1), target, reduction="none")
    # Every frame has the target of its clip (G, B, T).
    each = emotion.unsqueeze(-1).expand_as(score)
    frame = F.cross_entropy(logits.flatten(0, 2), each.flatten(), reduction="none").view_as(score)
    frame = frame + F.smooth_l1_loss(score, target.unsqueeze(-1).expand_as(score), reduction="none")
    # Gates are kept near one half on average, since only their ratios matter.
    level = ((gate * share).sum(-1) - 0.5) ** 2
    return ((clip + frame_weight * (frame * share).sum(-1) + level) * targets.weight).mean(1).sum()


@torch.no_grad()
def out_of_fold(network: VoiceNetwork, frames: np.ndarray, use: np.ndarray) -> np.ndarray:
    """Average `read_frames` over the networks in `use` (G,) bool only: (T, 9) float32."""
    x = torch.from_numpy(frames.astype(np.float32))[None]
    each = evidence(*network(x, torch.ones(1, len(frames), dtype=torch.bool)))[:, 0]  # (G, T, 9)
    return each[torch.from_numpy(use)].mean(0).numpy()  # type: ignore[no-any-return]


def clip_metrics(found: Sequence[VoiceClip], values: Sequence[np.ndarray]) -> dict[str, float]:
    """Compute the clip-level quality of (T, 9) outputs: correlation and MAE of the score, accuracy of 8 emotions."""
    truth = np.array([c.score for c in found])
    totals = np.array([v.astype(np.float64).sum(0) for v in values])
    read = totals / totals[:, :-1].sum(1, keepdims=True)
    right = [EMOTIONS[k] == c.emotion for k, c in zip(read[:, :-1].argmax(1), found, strict=True)]
    return {
        "r": round(float(np.corrcoef(read[:, -1], truth)[0, 1]), 4),
        "mae": round(float(np.abs(read[:, -1] - truth).mean()), 4),
        "constant_mae": round(float(np.abs(truth - np.median(truth)).mean()), 4),
        "accuracy": round(float(np.mean(right)), 4),
        "n": len(found),
    }


def fit(
    found: Sequence[VoiceClip],
    out: Path,
    *,
    cache: Path | None = None,
    settings: VoiceTraining | None = None,
    stage: bool = False,
    progress: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Encode clips, train on the speakers of the train part, write the checkpoint.

    Args:
        found: labelled clips of all parts.
        out: checkpoint folder.
        cache: folder for encoded recordings, `corpora/voices.cache` of the project by default.
        stage: music and audiences are mixed in too.
        progress: called with lines about the progress.

    Returns:
        The manifest's metrics.
    """
    settings = settings or VoiceTraining()
    cache = cache or Path("corpora") / "voices.cache"
    encoded = encode(found, settings.n_versions, cache, lambda what, done, of: progress(f"{what}: {done}/{of}"), stage)
    return fit_encoded(encoded, out, settings, progress)


def fit_encoded(
    encoded: EncodedVoices, out: Path, settings: VoiceTraining, progress: Callable[[str], None] = print
) -> dict[str, Any]:
    """Train on encoded voices and write the checkpoint; networks are ordered by repeat, then fold."""
    known = encoded.of_split("train")
    speakers = [c.speaker for c in known.clips]
    foldings = [speaker_folds(speakers, settings.n_folds, settings.seed + r) for r in range(settings.n_repeats)]
    held_out = np.array([folds == k for folds in foldings for k in range(settings.n_folds)])
    network = train(known, held_out, settings, progress)
    names = [sorted({s for s, gone in zip(speakers, row, strict=True) if gone}) for row in held_out]
    metrics = evaluate(network, names, encoded)
    n = {corpus: sum(c.corpus == corpus for c in known.clips) for corpus in sorted({c.corpus for c in known.clips})}
    facts = {"corpora": sorted(n), "licence": LICENCE, "n_clips": n}
    manifest = {
        "name": out.name,
        "config": asdict(network.config),
        "training": asdict(settings),
        "held_out": names,
        "speakers": {split: list(s) for split, s in SPLIT_SPEAKERS.items()},
        "frame_layers": list(speech.FRAME_LAYERS),
        "emotions": list(EMOTIONS),
        "data": facts,
        "metrics": metrics,
        "torch": torch.__version__,
    }
    half = {k: v.half() for k, v in network.state_dict().items()}
    network.load_state_dict({k: v.float() for k, v in half.items()})
    golden = network.mean + network.scale * torch.randn(40, FRAME_DIM, generator=torch.Generator().manual_seed(0))
    read = torch.from_numpy(read_frames(network, golden.numpy()))
    checkpoint.write(out, half, manifest, {"frames": golden, "values": read})
    return metrics


def networks_for(speaker: str, held_out: Sequence[Sequence[str]]) -> np.ndarray:
    """Select the networks that never heard `speaker`, (G,) bool."""
    trained = speaker in SPLIT_SPEAKERS["train"]
    return np.array([not trained or speaker in names for names in held_out])


def evaluate(network: VoiceNetwork, held_out: Sequence[Sequence[str]], encoded: EncodedVoices) -> dict[str, Any]:
    """Compute clip-level metrics of unheard speakers, clean and augmented, per split and corpus."""
    metrics: dict[str, Any] = {}
    for version, label in ((0, "clean"), (1, "augmented")):
        if version >= len(encoded.frames):
            continue
        values = [
            out_of_fold(network, f, networks_for(c.speaker, held_out))
            for c, f in zip(encoded.clips, encoded.frames[version], strict=True)
        ]
        for split in SPLIT_SPEAKERS:
            for corpus in sorted({c.corpus for c in encoded.clips}):
                rows = [i for i, c in enumerate(encoded.clips) if (c.split, c.corpus) == (split, corpus)]
                if len(rows) > 1:
                    key = f"{split}_{corpus}_{label}"
                    metrics[key] = clip_metrics([encoded.clips[i] for i in rows], [values[i] for i in rows])
    return metrics


@dataclass(frozen=True)
class VoicePool:
    """Voices of the composite corpus: values[row] (T, 393) float16 of clip_of[row] in recording version_of[row]."""

    clips: tuple[VoiceClip, ...]
    values: tuple[np.ndarray, ...]
    clip_of: np.ndarray
    version_of: np.ndarray


def voice_pool(encoded: EncodedVoices, name: str | Path = CHECKPOINT) -> VoicePool:
    """Compute the audio stream of every clip in every recording, by networks that never heard its speaker.

    Raises:
        MsaError: when the checkpoint was trained on another split of the speakers.
    """
    network, manifest = load(name), checkpoint.read_manifest(name)
    split_of = {speaker: split for split, names in manifest.get("speakers", {}).items() for speaker in names}
    if any(split_of.get(c.speaker) != c.split for c in encoded.clips):
        raise MsaError(f"{name} was trained on another split of speakers. Train it again: fit voice --data DIR.")
    use = {c.speaker: networks_for(c.speaker, manifest["held_out"]) for c in encoded.clips}
    values, clip_of, version_of = [], [], []
    for i, clip in enumerate(encoded.clips):
        for version, recordings in enumerate(encoded.frames):
            read = out_of_fold(network, recordings[i], use[clip.speaker])
            values.append(np.concatenate([recordings[i], read.astype(np.float16)], axis=1))
            clip_of.append(i)
            version_of.append(version)
    return VoicePool(encoded.clips, tuple(values), np.array(clip_of), np.array(version_of))
