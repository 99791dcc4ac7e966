"""Train the text layers on their four corpora, measure them beside baselines, and write the checkpoint.

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
from msa_core.feature_training.text import Rated, TextNetwork, lower, predict
from msa_core.feature_training.text_layers import Corpus, LayersTraining, train, write
from msa_core.features import weights
from msa_core.features.text import TextEncoder, normalise
from msa_core.schema import SCORE_LIMIT
from msa_core.tables import markdown_table

NAME = "text-layers-v1"
RECIPE = LayersTraining(weights=(3.0, 1.0, 2.0, 1.0))  # of mosi, mosei, meld, emobank
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
) -> Path:
    """Train, choose the epoch, measure once and write the folder out/text-layers-v1.

    Args:
        data: folder with mosi, mosei, meld and emobank.
    Raises:
        MsaError: when the data are missing or corrupted.
    """
    parts, counts = tuning_texts.read(data)
    encoder = encoder or TextEncoder(weights.minilm_directory())
    started = time.process_time()
    corpora = {c: Corpus(p["train"].texts, p["train"].ratings, c == "meld") for c, p in parts.items()}
    valid = {c: rated(encoder, p["valid"], settings.layers) for c, p in parts.items()}
    network, history = train(encoder, corpora, valid, settings, progress)
    facts = {"epochs": history, "cpu_s": round(time.process_time() - started)}
    return store(Path(out) / NAME, network, settings, parts, counts, facts, encoder, progress)


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
) -> Path:
    """Measure a trained network and its baselines on every held-out part, and write the checkpoint."""
    rows = measure(network, settings.layers, parts, encoder)
    test = {f"{c}_{k}": rows[f"{c} test"]["text-layers"][k] for c in ("mosi", "mosei") for k in ("mae", "pearson")}
    remarks, tokens = predict(network, lower(encoder, REMARKS, settings.layers))
    manifest = {
        "title": f"MiniLM, top {settings.layers} layers tuned on four corpora, attention pooling",
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
    coded = [torch.tensor(encoder.tokenizer(normalise(t))["input_ids"]) for t in REMARKS]
    ids = torch.nn.utils.rnn.pad_sequence(coded, batch_first=True, padding_value=-1)
    golden = {"ids": ids, "scores": torch.from_numpy(remarks), "tokens": torch.from_numpy(np.concatenate(tokens))}
    write(folder, network, settings, manifest, golden)
    progress(f"{folder}\n{markdown(rows)}")
    return folder


def measure(network: TextNetwork, layers: int, parts: tuning_texts.Parts, encoder: TextEncoder) -> Measures:
    """Measure the network, and baselines trained on each corpus's own training part, on every held-out part."""
    valence = baselines.vader()
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
            rows["text-layers"] = predict(network, lower(encoder, part.texts, layers))[0]
            scores = {k: np.clip(v, -SCORE_LIMIT, SCORE_LIMIT) for k, v in rows.items()}
            found[f"{corpus} {name}"] = {k: measures(v, part.ratings) for k, v in scores.items()}
    return found


def measures(scores: np.ndarray, ratings: np.ndarray) -> dict[str, float]:
    """Measure scores (N,) against ratings (N,).

    Returns:
        "mae"; "pearson" and "auc" (area under the curve of positive against negative), not of a constant;
        "neutral_within_1" and "neutral_within_half", the share of the neutral sentences whose score is so near to 0.
    """
    found = {"mae": float(np.abs(scores - ratings).mean())}
    positive, negative = scores[ratings >= NEUTRAL], np.sort(scores[ratings <= -NEUTRAL])
    if np.ptp(scores) > 0:
        found["pearson"] = float(np.corrcoef(scores, ratings)[0, 1])
        if len(positive) and len(negative):
            wins = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
            found["auc"] = float(wins.mean() / (2 * len(negative)))
    if (neutral := np.abs(scores[np.abs(ratings) < NEUTRAL])).size:
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
