"""Encoder of word-piece ids, for feature files that carry the text as ids only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from msa_core.errors import MsaError

BATCH = 64


def encode(pieces: np.ndarray, name: str | Path) -> np.ndarray:
    """Encode word pieces to their last hidden states (N, L, D) float32, zeros where the mask is 0.

    Args:
        pieces: (N, 3, L) ids, mask and segment.
        name: a local folder or the name of a model on the hub.

    Raises:
        MsaError: the model does not load, or knows fewer pieces, segments or places than are used.
    """
    ids, mask, segments = (torch.from_numpy(part.astype(np.int64)) for part in pieces.transpose(1, 0, 2))
    model = _model(name)
    limits = {
        "piece ids": (int(ids.max()), int(model.config.vocab_size)),
        "segments": (int(segments.max()), max(1, int(getattr(model.config, "type_vocab_size", 1) or 1))),
        "places": (ids.shape[1] - 1, int(getattr(model.config, "max_position_embeddings", ids.shape[1]))),
    }
    for what, (largest, known) in limits.items():
        if largest >= known:
            raise MsaError(f"text_bert uses {what} up to {largest}, {name} knows {known}. Give the model of the ids.")
    found = [
        _forward(model, *(part[i : i + BATCH] for part in (ids, mask, segments))) for i in range(0, len(ids), BATCH)
    ]
    return np.concatenate(found)


def _model(name: str | Path) -> Any:
    """Load a text model.

    Raises:
        MsaError: it does not load.
    """
    from transformers import AutoModel  # here: the import takes seconds
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        return AutoModel.from_pretrained(str(name)).float().eval().requires_grad_(False)
    except (OSError, ValueError, KeyError) as e:
        raise MsaError(
            f"{name} does not load as a text model ({type(e).__name__}). "
            "Give a folder with config.json and model.safetensors, or a name on the hub such as bert-base-uncased."
        ) from e


@torch.inference_mode()
def _forward(model: Any, ids: torch.Tensor, mask: torch.Tensor, segments: torch.Tensor) -> np.ndarray:
    """Compute the hidden states (B, L, D) of one batch."""
    more = {"token_type_ids": segments} if bool(segments.any()) else {}
    states = model(input_ids=ids, attention_mask=mask, **more).last_hidden_state
    return torch.where(mask[..., None].bool(), states, 0.0).numpy()
