"""Settings of the training loop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from msa_core import missing
from msa_core.config import LATER
from msa_core.errors import MsaError
from msa_core.methods.losses import SCORE_ERRORS

PRECISIONS = ("no", "bf16")  # float32 throughout, or bfloat16 where torch.autocast allows it


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the training loop."""

    regime: str = "subset"  # what is missing in training, see missing.REGIMES
    epochs: int = 7
    batch: int = 64  # utterances of one update, over all processes
    lr: float = 1e-3  # AdamW, peak
    weight_decay: float = 5e-2
    warmup_epochs: float = 1.0  # linear, then cosine to zero
    clip_norm: float = 1.0  # of the gradient
    ema: float = 0.99  # decay of the averaged weights that are validated and kept; 0 = off
    augment: bool = True  # crop audio and vision at random
    patience: int = 0  # stop after so many epochs without a better validation; 0 = never
    seed: int = 0
    mixed_precision: str = field(default="no", metadata=LATER)  # of the forward passes, see PRECISIONS
    error: str = field(default="squared", metadata=LATER)  # of the score, that the training lowers, see SCORE_ERRORS
    accumulate: int = field(default=1, metadata=LATER)  # parts of a batch; losses compare the items of a part

    def __post_init__(self) -> None:
        missing.regime(self.regime)
        least = {"epochs": 1, "batch": 1, "patience": 0, "seed": 0, "weight_decay": 0, "warmup_epochs": 0}
        for name, low in {**least, "lr": 1e-9, "clip_norm": 1e-9, "accumulate": 1}.items():
            if not low <= getattr(self, name) < math.inf:
                raise MsaError(f"{name} is {getattr(self, name)}; give a finite number of at least {low}.")
        if not 0 <= self.ema < 1:
            raise MsaError(f"ema is {self.ema}; give a decay in [0, 1).")
        if self.error not in SCORE_ERRORS:
            raise MsaError(f"error is {self.error!r}; choose one of: {', '.join(SCORE_ERRORS)}.")
        if self.mixed_precision not in PRECISIONS:
            raise MsaError(f"mixed_precision is {self.mixed_precision!r}; choose one of: {', '.join(PRECISIONS)}.")

    @property
    def patterns(self) -> tuple[str, ...]:
        """Patterns that validation averages over: the one that is trained, or all seven."""
        if self.regime == "complete":
            return (missing.COMPLETE,)
        return (self.regime,) if self.regime in missing.PATTERNS else tuple(missing.PATTERNS)
