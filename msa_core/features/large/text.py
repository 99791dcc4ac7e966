"""Token vectors of spoken words from hidden layers of a large text model: RoBERTa, DeBERTa, BERT or a causal LM.

The words are read as they were heard, with case and punctuation, which these models know. A text that is longer than
the model reads at once is cut into chunks.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from msa_core.errors import FeatureError
from msa_core.features.large import hub
from msa_core.features.large.config import ModelConfig
from msa_core.schema import Stream, Word

LONGEST = 2048  # tokens of a chunk, at most
SPARE = 4  # places that a model keeps for its own tokens
BATCH = 16  # chunks
CAUSAL = ("ForCausalLM", "LMHeadModel")  # endings of the class names of language models


def find(config: ModelConfig, folder: Path, speaks: bool) -> hub.Source:
    """Find a text model; see `hub.find` for arguments and errors.

    Args:
        speaks: it must be a causal language model, for simulated text.
    """
    source = hub.find(config, folder, (), "text")
    names = getattr(source.config, "architectures", None) or ()
    if speaks and not any(name.endswith(CAUSAL) for name in names):
        raise FeatureError(
            f"{config.model} is {', '.join(names) or source.kind}, no causal language model; simulated text needs one "
            "as text model. Give one, or leave 'simulated' out."
        )
    return source


class LargeText:
    """Text model from spoken words to token vectors."""

    def __init__(self, source: hub.Source, speaks: bool, dtype: str, device: str) -> None:
        """Load the model.

        Args:
            source: of `find`.
            speaks: keep what generates words, for simulated text.
            dtype: a key of hub.DTYPES.
            device: "cpu" or "cuda".

        Raises:
            FeatureError: the model or its tokenizer does not load.
        """
        self.source, self.device, self.dim = source, device, source.dim
        self.model = hub.load(source, "AutoModelForCausalLM" if speaks else "AutoModel", dtype, device)
        self.tokenizer = hub.tokenizer(source)
        self.before, self.after = _around(self.tokenizer)
        places = int(getattr(source.config, "max_position_embeddings", None) or LONGEST)
        self.longest = min(LONGEST, places if places > SPARE else LONGEST) - SPARE  # some give -1 for no limit

    def encode_words(self, words: Sequence[Word]) -> Stream:
        """Encode spoken words to token vectors with times: the tokens of a word share its time evenly.

        Absent with a reason when no word has a letter or digit.
        """
        spoken = [w for w in words if any(c.isalnum() for c in w.text)]
        if not spoken:
            return Stream.absent("no words")
        text = " ".join(w.text for w in spoken)
        coded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ends = np.cumsum([len(w.text) + 1 for w in spoken]).tolist()  # of each word and the space behind it
        owners = [min(bisect.bisect_right(ends, max(a, b - 1)), len(spoken) - 1) for a, b in coded["offset_mapping"]]
        counts, seen, times = np.bincount(owners, minlength=len(spoken)), [0] * len(spoken), []
        for owner in owners:
            word = spoken[owner]
            times.append(word.start_s + (seen[owner] + 0.5) / counts[owner] * (word.end_s - word.start_s))
            seen[owner] += 1
        return Stream(self._encode(coded["input_ids"]), np.asarray(times, np.float32))

    @torch.inference_mode()
    def _encode(self, ids: Sequence[int]) -> np.ndarray:
        """Encode T token ids to (T, D) float32, chunk by chunk."""
        chunks = [list(ids[at : at + self.longest]) for at in range(0, len(ids), self.longest)]
        base = self.model.base_model
        found = []
        for at in range(0, len(chunks), BATCH):
            some = [self.before + chunk + self.after for chunk in chunks[at : at + BATCH]]
            width = max(map(len, some))
            padded = torch.full((len(some), width), self.tokenizer.pad_token_id or 0)
            mask = torch.zeros(len(some), width, dtype=torch.long)
            for row, chunk in enumerate(some):
                padded[row, : len(chunk)], mask[row, : len(chunk)] = torch.tensor(chunk), 1
            answer = base(
                input_ids=padded.to(self.device), attention_mask=mask.to(self.device), output_hidden_states=True
            )
            states = hub.summed(answer.hidden_states, self.source.layers).cpu().numpy()
            first = len(self.before)
            found += [states[r, first : len(c) - len(self.after)] for r, c in enumerate(some)]
        return np.concatenate(found)


def _around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the special tokens that a tokenizer puts before and after a text."""
    coded = tokenizer("a", return_special_tokens_mask=True)
    ids, special = coded["input_ids"], coded["special_tokens_mask"]
    first = next((i for i, s in enumerate(special) if not s), len(ids))
    last = next((i for i, s in enumerate(reversed(special)) if not s), 0)
    return ids[:first], ids[len(ids) - last :]
