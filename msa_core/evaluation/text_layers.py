"""Train the text layers on four corpora, through the shipped networks, measure both and write the checkpoint.

The epoch is chosen on the validation parts; the test parts of MOSI and MOSEI are scored once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from msa_core import checkpoint
from msa_core.corpora import tuning_texts
from msa_core.corpora.text_parts import Sentences
from msa_core.evaluation.real import baselines
from msa_core.evaluation.text_benchmark import ridge
from msa_core.feature_training.frozen_readers import FrozenReaders
from msa_core.feature_training.text import Rated, TextNetwork, lower, predict
from msa_core.feature_training.text_layers import Corpus, LayersTraining, scores, train, write
from msa_core.features import COMPACT, weights
from msa_core.features.text import TextEncoder
from msa_core.features.text_layers import CHECKPOINT
from msa_core.methods.shipped import SHIPPED_RUNS, load_verified
from msa_core.schema import SCORE_LIMIT
from msa_core.tables import markdown_table

RECIPE = LayersTraining(weights=(3.0, 1.0, 2.0, 1.0), stay=0.1)  # weights of mosi, mosei, meld, emobank
HEAD = "text layers' own head"
BEFORE, AFTER = "frozen tokens", "tuned tokens"  # what a network reads, in the rows of the table
NEUTRAL = 0.3  # a rating nearer to 0 is neutral
REMARKS = ("Bye, Phoebe.", "Hey!", "Okay.", "place blue at F two now", "I love this film.", "It was not good at all.")
MEASURES = {"mae": "MAE", "pearson": "r", "auc": "AUC", "neutral_within_1": "neutral within ±1"}
Say = Callable[[str], None]
Measures = dict[str, dict[str, dict[str, float]]]  # by part, by row of the table, by measure


def fit(
    data: Path,
    out: Path = checkpoint.ROOT,
    progress: Say = print,
    settings: LayersTraining = RECIPE,
    encoder: TextEncoder | None = None,
    readers: FrozenReaders | None = None,
) -> Path:
    """Train, choose the epoch, measure once and write the folder out/text-layers-v1.

    Args:
        data: folder with mosi, mosei, meld and emobank.
        readers: fusion networks that the layers are tuned through; None takes the shipped ones.
    Raises:
        MsaError: when the data are missing or corrupted.
    """
    parts, counts = tuning_texts.read(data)
    encoder = encoder or TextEncoder(weights.minilm_directory())
    readers = shipped_readers() if readers is None else readers
    started = time.process_time()
    corpora = {c: Corpus(p["train"].texts, p["train"].ratings, c == "meld") for c, p in parts.items()}
    valid = {c: rated(encoder, p["valid"], settings.layers) for c, p in parts.items()}
    network, history = train(encoder, corpora, valid, settings, progress, readers)
    facts = {"epochs": history, "cpu_s": round(time.process_time() - started)}
    return store(Path(out) / CHECKPOINT, network, settings, parts, counts, facts, encoder, progress, readers)


def shipped_readers() -> FrozenReaders:
    """Load every shipped fusion network and its teacher, verified.

    Raises:
        CheckpointError: one is missing, altered or bound to features with other text.
    """
    found = {}
    for name in SHIPPED_RUNS.values():
        loaded = load_verified(name, "cpu")
        found[name] = loaded.model
        if loaded.teacher is not None:
            found[loaded.manifest["teacher"]["checkpoint"]] = loaded.teacher
    return FrozenReaders(found)


def rated(encoder: TextEncoder, sentences: Sentences, layers: int) -> Rated:
    """Pass sentences through the frozen layers."""
    return Rated(lower(encoder, sentences.texts, layers), sentences.ratings)


def store(
    folder: Path,
    network: TextNetwork,
    settings: LayersTraining,
    parts: tuning_texts.Parts,
    counts: Mapping[str, int],
    facts: Mapping[str, Any],
    encoder: TextEncoder,
    progress: Say = print,
    readers: FrozenReaders | None = None,
) -> Path:
    """Measure a trained network, its readers and the baselines on every held-out part, and write the checkpoint."""
    readers = readers or FrozenReaders({})
    rows = measure(network, settings, parts, encoder, readers)
    test = {f"{c}_{k}": rows[f"{c} test"][HEAD][k] for c in ("mosi", "mosei") for k in ("mae", "pearson")}
    remarks, tokens = predict(network, lower(encoder, REMARKS, settings.layers))
    manifest = {
        "title": f"MiniLM, top {settings.layers} layers tuned on four corpora through the fusion networks",
        "feature_set": COMPACT.id,
        "through": {name: checkpoint.read_manifest(name)["sha256"][checkpoint.MODEL] for name in readers.models},
        "data": {
            "n": {c: {name: len(part.ids) for name, part in p.items()} for c, p in parts.items()},
            **counts,
            "licences": tuning_texts.LICENCES,
        },
        "licence": "; ".join(f"{name}: {text}" for name, text in tuning_texts.LICENCES.items()),
        "metrics": {"test": test, "rows": rows},
        "examples": dict(zip(REMARKS, remarks.tolist(), strict=True)),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        **facts,
    }
    coded = [torch.tensor(encoder.ids(t)) for t in REMARKS]
    ids = torch.nn.utils.rnn.pad_sequence(coded, batch_first=True, padding_value=-1)
    golden = {"ids": ids, "scores": torch.from_numpy(remarks), "tokens": torch.from_numpy(np.concatenate(tokens))}
    write(folder, network, settings, manifest, golden)
    progress(f"{folder}\n{markdown(rows)}")
    return folder


def measure(
    network: TextNetwork,
    settings: LayersTraining,
    parts: tuning_texts.Parts,
    encoder: TextEncoder,
    readers: FrozenReaders,
) -> Measures:
    """Measure the head, the readers and baselines of each corpus's own training part on every held-out part.

    A reader has two rows: with the token vectors of the frozen layers, and with those of the tuned ones.
    """
    valence = baselines.vader()
    frozen = TextNetwork(encoder, settings)
    found: Measures = {}
    for corpus, own in parts.items():
        mean = {name: _means(encoder, part.texts) for name, part in own.items()}
        weight, bias, _ = ridge(mean["train"], own["train"].ratings, mean["valid"], own["valid"].ratings)
        line = _line(valence, own["train"]) if valence else None
        for name in [n for n in own if n != "train"]:
            part = own[name]
            rows = {"constant": np.full(len(part.ids), float(np.median(own["train"].ratings)))}
            if valence and line:
                rows["vader"] = line[0] * np.array([valence(t) for t in part.texts]) + line[1]
            rows["ridge"] = mean[name] @ weight + bias
            states = lower(encoder, part.texts, settings.layers)
            head, *after = scores(network, readers, states)
            _, *before = scores(frozen, readers, states)
            rows[HEAD] = head
            for reader, old, new in zip(readers.models, before, after, strict=True):
                rows |= {f"{reader}, {BEFORE}": old, f"{reader}, {AFTER}": new}
            limited = {k: np.clip(v, -SCORE_LIMIT, SCORE_LIMIT) for k, v in rows.items()}
            found[f"{corpus} {name}"] = {k: measures(v, part.ratings) for k, v in limited.items()}
    return found


def measures(scored: np.ndarray, ratings: np.ndarray) -> dict[str, float]:
    """Measure scores (N,) against ratings (N,).

    Returns:
        "mae"; "pearson" and "auc" (area under the curve of positive against negative), not of a constant;
        "neutral_within_1" and "neutral_within_half", the share of the neutral sentences whose score is so near to 0.
    """
    found = {"mae": float(np.abs(scored - ratings).mean())}
    positive, negative = scored[ratings >= NEUTRAL], np.sort(scored[ratings <= -NEUTRAL])
    if np.ptp(scored) > 0:
        found["pearson"] = float(np.corrcoef(scored, ratings)[0, 1])
        if len(positive) and len(negative):
            wins = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
            found["auc"] = float(wins.mean() / (2 * len(negative)))
    if (neutral := np.abs(scored[np.abs(ratings) < NEUTRAL])).size:
        found |= {"neutral_within_1": float((neutral < 1).mean()), "neutral_within_half": float((neutral < 0.5).mean())}
    return found


def _means(encoder: TextEncoder, texts: Sequence[str]) -> np.ndarray:
    """Average the token vectors of the frozen model, (N, D) float64."""
    return np.stack([x.astype(np.float64).mean(0) for x in encoder.encode(texts)])


def _line(valence: Callable[[str], float], train_part: Sentences) -> tuple[float, float]:
    """Fit slope and intercept from a valence to the ratings, by least squares."""
    x, y = np.array([valence(t) for t in train_part.texts]), train_part.ratings.astype(np.float64)
    slope = float(np.mean((x - x.mean()) * (y - y.mean())) / max(x.var(), 1e-9))  # 0 where it knows none of the words
    return slope, float(y.mean() - slope * x.mean())


def markdown(found: Measures) -> str:
    """Write the measures as a Markdown table."""
    rows = [
        [part, name, *(f"{values[k]:.3f}" if k in values else "-" for k in MEASURES)]
        for part, by_row in found.items()
        for name, values in by_row.items()
    ]
    return markdown_table(["part", "model", *MEASURES.values()], rows)
