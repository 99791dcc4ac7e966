"""What the trainer, the evaluation and the page may rely on in every method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from torch import Tensor, nn

from msa_core.errors import MsaError
from msa_core.methods.layers import Standardise
from msa_core.schema import STREAMS, Batch, Output


class Displayed(NamedTuple):
    """A number per modality that a screen shows for a clip: values (B, 3).

    signed: its sign says in which direction the modality moves the score; else only how much it counts.
    """

    values: Tensor
    signed: bool


KINDS = (
    "constant",
    "naive",
    "complete",
    "masked",
    "method",
    "variant",
    "ablation",
    "specialist",
)  # rows, in this order


class Recipe(NamedTuple):
    """How the runs of one row of a table are trained: `study` trains them, `evaluate` knows them by their label.

    label: of the run folders. title: as people read it. kind: one of KINDS but "constant" and "variant", which are not
    trained; "naive" is a complete model that others are measured against, "complete" a method's own. config, loop:
    settings of the method and of the training loop.
    teacher: label of the runs that the teacher of the same seed comes from.
    """

    label: str
    title: str
    kind: str
    config: Mapping[str, Any] = {}
    loop: Mapping[str, Any] = {}
    teacher: str | None = None


class MethodConfig(Protocol):
    """A frozen dataclass of plain numbers; `debug` is the smallest that takes the same path."""

    def loss_weights(self) -> dict[str, float]:
        """The weight of every term that `losses` returns."""

    @staticmethod
    def debug() -> Any:
        """A tiny configuration for tests."""


def check_ranges(config: Any) -> None:
    """Widths at least 1, every dropout in [0, 1), noise and weights at least 0. Raises: MsaError naming the setting."""
    for field in fields(config):
        value, name = getattr(config, field.name), field.name
        for v in value if isinstance(value, tuple) else (value,):
            wrong = (
                (name.startswith("d_") and not v >= 1)
                or ("dropout" in name and not 0 <= v < 1)
                or (("noise" in name or name.startswith("weight_")) and not v >= 0)
            )
            if wrong:
                rule = "widths are at least 1, dropout is in [0, 1), noise and weights are at least 0"
                raise MsaError(f"{type(config).__name__}.{name} is {value}; {rule}.")


class Method(nn.Module):
    """Base of the methods: class facts and the statistics of the training data, nothing else is shared.

    name: key of METHODS. title: how people write it. panel: the view that shows its mechanism.
    published: a system from a paper, offered on the page and the command line. reconstruction: rebuilt from less than
    a paper, which is said wherever it is shown. double_flow: the trainer also runs the complete batch, with the same
    weights.
    Config: the dataclass of `config`. dims: width per stream.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    panel: ClassVar[str] = "attention"
    published: ClassVar[bool] = True
    double_flow: ClassVar[bool] = False
    reconstruction: ClassVar[bool] = False
    Config: ClassVar[Any]

    def __init__(self, config: Any, dims: Mapping[str, int]):
        super().__init__()
        self.config, self.dims = config, dict(dims)
        self.standardise = nn.ModuleDict({s: Standardise(dims[s]) for s in STREAMS})

    def set_statistics(self, statistics: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """Store mean and standard deviation (D,) per stream, as `Corpus.statistics` gives them."""
        for stream, (mean, std) in statistics.items():
            self.statistics(stream).set(mean, std)

    def statistics(self, stream: str) -> Standardise:
        """What standardises a stream."""
        module = self.standardise[stream]
        assert isinstance(module, Standardise)
        return module

    def forward(self, batch: Batch) -> Output:
        """Score a batch; never reads `batch.score`."""
        raise NotImplementedError

    def losses(self, full: Output | None, dropped: Output, score: Tensor) -> dict[str, Tensor]:
        """Unweighted named terms; score (B,).

        full: the complete flow, of the model itself (`double_flow`) or of its teacher (`needs_teacher`), else None.
        """
        raise NotImplementedError

    @property
    def reads_simulated(self) -> bool:
        """True when text imagined from the voice can change the score."""
        return False

    @property
    def needs_teacher(self) -> bool:
        """True when `losses` needs a trained, frozen teacher's answer to the complete batch."""
        return False

    @classmethod
    def recipes(cls) -> list[Recipe]:
        """The rows that this method has in every table: itself, what it learns from, its ablations."""
        return [Recipe(cls.name, cls.title, "method")]

    @classmethod
    def variants(cls, config: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Settings of a trained config that change nothing about its weights and get their own row in every table."""
        return [{}]

    def answers(self, batch: Batch, variants: Sequence[Mapping[str, Any]]) -> list[Tensor]:
        """Scores (B,) of a batch under each of `variants`, settings that change nothing about the weights."""
        own, scores = self.config, []
        try:
            for settings in variants:
                self.config = replace(own, **settings) if settings else own
                scores.append(self(batch).score)
        finally:
            self.config = own
        return scores

    def adopt(self, teacher: Method) -> None:
        """Take over what is shared with the frozen teacher, before training."""

    def conclude(self, seen: Iterable[tuple[Output | None, Output, Tensor]]) -> None:
        """Keep facts of the training data once training is over.

        seen: (full, dropped, score) as for `losses`, batch by batch over the training rows; computed when iterated.
        """

    def tune(self, held_out: Iterable[tuple[Output, Tensor]]) -> None:
        """Choose what must be chosen on held-out data, such as thresholds, before each validation.

        held_out: (output, score) of validation rows, batch by batch, under every pattern of what is there.
        """

    def mechanism(
        self, output: Output, row: int, real: int | None = None, teacher: Output | None = None
    ) -> dict[str, object]:
        """The method's own account of one row in plain numbers; "attention": frame weights per modality.

        real: the row of the same clip with everything that was observed, to compare what was imagined with it.
        teacher: of a method with a teacher, its answers to the clip (row 0: everything, row 1: what is left).
        """
        raise NotImplementedError

    def displayed(self, output: Output) -> dict[str, Displayed]:
        """What `mechanism` shows per modality, by name, for a whole batch: `evidence` checks it against the truth."""
        return {}
