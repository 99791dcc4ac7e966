"""Our fine-tuned top layers of MiniLM: a checkpoint of layers and a small head that scores a sentence.

`attach` puts the stored layers into a loaded model, so that token vectors come from them.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from msa_core import checkpoint
from msa_core.errors import CheckpointError

CHECKPOINT = "text-layers-v1"
KIND = "text-layers"  # kind in the manifest


class AttentionHead(nn.Module):
    """Attention pooling over the words, a linear score."""

    def __init__(self, dim: int, head_dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(dim, head_dim)
        self.gate = nn.Linear(head_dim, 1)
        self.score = nn.Linear(head_dim, 1)

    def pool(self, x: Tensor, words: Tensor) -> Tensor:
        """Score token vectors (B, T, D), of which `words` (B, T) are read: (B,), not limited."""
        hidden = F.gelu(self.project(self.dropout(x)))  # (B, T, head_dim)
        share = self.gate(hidden).masked_fill(~words.unsqueeze(-1), -math.inf).softmax(1)
        score: Tensor = self.score(self.dropout((share * hidden).sum(1)))
        return score.squeeze(-1)


def attach(blocks: nn.ModuleList, folder: str | Path) -> AttentionHead:
    """Load stored layers into the topmost of `blocks`, in place, verified and strictly.

    Returns:
        The head of the checkpoint, in evaluation mode.

    Raises:
        CheckpointError: the folder holds something else, or its layers do not fit.
    """
    tensors, manifest = checkpoint.read(folder)
    name = Path(folder).name
    if manifest.get("kind") != KIND:
        raise CheckpointError(
            f"{name} is a {manifest.get('kind') or manifest.get('method')!r} checkpoint, not {KIND!r}. "
            "Give a folder that 'fit text-layers' wrote."
        )
    k = int(manifest["settings"]["layers"])
    top = {n.removeprefix("top."): v.float() for n, v in tensors.items() if n.startswith("top.")}
    rest = {n: v.float() for n, v in tensors.items() if not n.startswith("top.")}
    try:
        head = AttentionHead(rest["project.weight"].shape[1], rest["project.weight"].shape[0])
        head.load_state_dict(rest)
        blocks[len(blocks) - k :].load_state_dict(top)
    except (RuntimeError, KeyError) as e:
        raise CheckpointError(f"{name} does not fit a text model of {len(blocks)} layers ({e}). Train it again.") from e
    return head.eval().requires_grad_(False)
