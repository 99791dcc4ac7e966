"""Text encoding by all-MiniLM-L6-v2: the last hidden state of every word piece.

Corpora and transcripts pass through the same `normalise` (MOSI is lower-case without punctuation, MOSEI and
Whisper are cased), so that a sentence means the same wherever it comes from.
"""

from __future__ import annotations

import bisect
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer

from msa_core.errors import FeatureError
from msa_core.features.bert import Bert
from msa_core.features.text_layers import AttentionHead, attach
from msa_core.schema import SCORE_LIMIT, Stream, Word

CHUNK_TOKENS = 254  # of one pass, with [CLS] and [SEP] 256: the length the model was trained on
BATCH = 64
APOSTROPHES = str.maketrans({c: "'" for c in "’‘ʼ´`＇"})


def normalise(text: str) -> str:
    """Reduce a text to lower-case letters, digits, apostrophes inside words and single spaces; idempotent."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower()).translate(APOSTROPHES)
    kept = "".join(c if c == "'" or unicodedata.category(c)[0] in "LMN" else " " for c in folded)
    return " ".join(word for raw in kept.split() if (word := raw.strip("'")))


class WordEncoder(Protocol):
    """Encoder of spoken words, of whatever feature set."""

    def encode_words(self, words: Sequence[Word]) -> Stream:
        """Encode words to token vectors with times; absent with a reason when no word has a letter or digit."""


class TextEncoder:
    """BERT-like encoder from a local folder."""

    def __init__(self, directory: str | Path, device: str = "cpu", layers: str | Path | None = None) -> None:
        """Load the encoder.

        Args:
            directory: config.json, tokenizer and model.safetensors (`weights.minilm_directory`).
            device: "cpu" or "cuda".
            layers: checkpoint of tuned top layers that replace the model's own; `score` then scores sentences.

        Raises:
            FeatureError: the folder does not load.
            CheckpointError: the checkpoint of the layers does not load or does not fit.
        """
        try:
            self.model = Bert.read(Path(directory)).to(device)
            self.tokenizer = Tokenizer.from_buffer((Path(directory) / "tokenizer.json").read_bytes())
            self.first, self.last, self.pad = (self._special(name) for name in ("[CLS]", "[SEP]", "[PAD]"))
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as e:
            raise FeatureError(
                "{path} does not load as a text model ({why}). "
                "Give a folder with config.json, tokenizer.json and model.safetensors.",
                path=str(directory),
                why=type(e).__name__,
            ) from e
        self.tokenizer.no_truncation()  # chunks are cut here, see `encode`
        self.tokenizer.no_padding()
        self.head: AttentionHead | None = None
        if layers is not None:
            self.head = attach(self.model.encoder.layer, layers).to(device)
        self.model.requires_grad_(False)
        self.device = device
        self.dim = int(self.model.config.hidden_size)

    def encode(self, texts: Sequence[str], batch: int = BATCH) -> list[np.ndarray]:
        """Encode each text after `normalise` to token vectors (T, D) float32, without [CLS] and [SEP].

        Texts longer than 254 pieces are encoded in chunks. A text without words gives the one [CLS] vector.
        """
        pieces = [ids for ids, _ in map(self._pieces, texts)]
        chunks = [
            (i, start, ids[start : start + CHUNK_TOKENS])
            for i, ids in enumerate(pieces)
            for start in range(0, max(len(ids), 1), CHUNK_TOKENS)
        ]
        chunks.sort(key=lambda c: len(c[2]))
        found: dict[int, list[tuple[int, np.ndarray]]] = {}
        for at in range(0, len(chunks), batch):
            group = chunks[at : at + batch]
            for (i, start, _), values in zip(group, self._forward([ids for _, _, ids in group]), strict=True):
                found.setdefault(i, []).append((start, values))
        return [np.concatenate([v for _, v in sorted(found[i], key=lambda f: f[0])]) for i in range(len(texts))]

    @torch.inference_mode()
    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Score texts by the head of the tuned layers: (N,) float32 in [-3, 3].

        Raises:
            FeatureError: the encoder was loaded without tuned layers.
        """
        if self.head is None:
            raise FeatureError(
                "This text encoder has no tuned layers. Run 'fit text-layers' and load it with layers='text-layers-v1'."
            )
        found = []
        for tokens in self.encode(texts):
            x = torch.from_numpy(tokens).to(self.device).unsqueeze(0)
            words = torch.ones(x.shape[:2], dtype=torch.bool, device=self.device)
            found.append(self.head.pool(x, words).clamp(-SCORE_LIMIT, SCORE_LIMIT).item())
        return np.array(found, np.float32)

    def encode_words(self, words: Sequence[Word]) -> Stream:
        """Encode spoken words to token vectors with times: the pieces of a word share its time evenly.

        Absent with a reason when no word has a letter or digit.
        """
        parts = [(normalise(w.text), w) for w in words]
        spoken = [(text, w) for text, w in parts if text]
        if not spoken:
            return Stream.absent("no words")
        joined = " ".join(text for text, _ in spoken)
        ends = np.cumsum([len(text) + 1 for text, _ in spoken])  # of each word and its space in `joined`
        owners = [bisect.bisect_right(ends.tolist(), start) for start in self._pieces(joined)[1]]
        counts = np.bincount(owners, minlength=len(spoken))
        seen = np.zeros(len(spoken), dtype=int)
        times = np.zeros(len(owners))
        for k, owner in enumerate(owners):
            word = spoken[owner][1]
            times[k] = word.start_s + (seen[owner] + 0.5) / counts[owner] * (word.end_s - word.start_s)
            seen[owner] += 1
        return Stream(values=self.encode([joined])[0], times_s=times)

    def ids(self, text: str) -> list[int]:
        """Return the ids of a text after `normalise`, between [CLS] and [SEP]; only its first 254 pieces."""
        return [self.first, *self._pieces(text)[0][:CHUNK_TOKENS], self.last]

    def _special(self, name: str) -> int:
        """Return the id of a special token. Raises: KeyError."""
        found = self.tokenizer.token_to_id(name)
        if found is None:
            raise KeyError(name)
        return int(found)

    def _pieces(self, text: str) -> tuple[list[int], list[int]]:
        """Return the ids of the word pieces of a text after `normalise`, and where each starts in it."""
        coded = self.tokenizer.encode(normalise(text), add_special_tokens=False)
        return coded.ids, [start for start, _ in coded.offsets]

    @torch.inference_mode()
    def _forward(self, chunks: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Run the model on chunks of ids; the two special tokens are left out unless nothing else is there."""
        width = max(len(c) for c in chunks) + 2
        ids = torch.full((len(chunks), width), self.pad)
        attended = torch.zeros(len(chunks), width, dtype=torch.bool)
        for row, chunk in enumerate(chunks):
            ids[row, : len(chunk) + 2] = torch.tensor([self.first, *chunk, self.last])
            attended[row, : len(chunk) + 2] = True
        values = self.model(ids.to(self.device), attended.to(self.device)).float().cpu().numpy()
        return [values[r, 1 : 1 + len(c)].copy() if c else values[r, :1].copy() for r, c in enumerate(chunks)]
