"""Contract of a method: its facts, its forward pass, its losses and the description of its mechanism."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, ClassVar, NamedTuple, Protocol, TypedDict

import numpy as np
from torch import Tensor, nn

from msa_core.errors import MsaError
from msa_core.methods.layers import Standardise
from msa_core.methods.losses import SCORE_ERRORS
from msa_core.schema import STREAMS, Batch, Output


class Displayed(NamedTuple):
    """Number per modality that the page shows for a clip: values (B, 3).

    signed: the sign gives the direction in which the modality moves the score; else it is only a weight.
    """

    values: Tensor
    signed: bool


class Mechanism(TypedDict):
    """Inner quantities of a method for one clip, in plain numbers; each method extends it with its own.

    attention: weight of every frame, per modality.
    """

    attention: dict[str, list[float]]


PANELS = ("attention", "gates", "distillation", "prompts")  # views of a mechanism

# Rows of a table, in this order.
KINDS = ("constant", "classical", "naive", "complete", "masked", "method", "variant", "ablation", "specialist")


class Recipe(NamedTuple):
    """Training of the runs behind one row of a table: `study` trains them, `evaluate` knows them by their run name.

    Attributes:
        run_name: name of the run folders, without the seed.
        title: name of the row for readers.
        kind: one of KINDS but "constant", "classical" and "variant", which are no training of a method. "naive": a
            complete model that others are measured against; "complete": a method's own complete model.
        config: settings of the method.
        loop: settings of the training loop.
        teacher: run name of the teacher; every seed learns from the teacher of its seed.
        changes: run name of what an ablation takes something from.
    """

    run_name: str
    title: str
    kind: str
    config: Mapping[str, Any] = {}
    loop: Mapping[str, Any] = {}
    teacher: str | None = None
    changes: str | None = None


class Preset(NamedTuple):
    """Named settings of a method, such as those that were published.

    Attributes:
        config: settings of the method.
        loop: settings of the training loop.
    """

    config: Mapping[str, Any]
    loop: Mapping[str, Any]


class MethodConfig(Protocol):
    """Settings of a method: a frozen dataclass of plain numbers."""

    def loss_weights(self) -> dict[str, float]:
        """Return the weight of every term that `losses` returns."""

    @staticmethod
    def debug() -> Any:
        """Return the smallest configuration that takes the same path, for tests."""


def check_ranges(config: Any) -> None:
    """Check that widths are at least 1, every dropout is in [0, 1), noise and weights are at least 0, all are finite.

    Raises:
        MsaError: naming the setting.
    """
    for field in fields(config):
        value, name = getattr(config, field.name), field.name
        for v in value if isinstance(value, tuple) else (value,):
            wrong = (
                (isinstance(v, float) and not math.isfinite(v))
                or (name.startswith("d_") and not v >= 1)
                or ("dropout" in name and not 0 <= v < 1)
                or (("noise" in name or name.startswith("weight_")) and not v >= 0)
            )
            if wrong:
                rule = "widths are at least 1, dropout is in [0, 1), noise and weights are at least 0, all are finite"
                raise MsaError(f"{type(config).__name__}.{name} is {value}; {rule}.")


class Method(nn.Module):
    """Base of the methods: facts about the class and the statistics of the training data.

    Attributes:
        name: key of METHODS.
        title: name for readers.
        panel: view that shows its mechanism, one of PANELS.
        published: True for a system from a paper, which the page and the command line offer.
        double_flow: True when the complete batch passes the model too in training, with the same weights.
        reconstruction: True when it is rebuilt from less than a paper, which is said wherever it is shown.
        Config: dataclass of the settings.
        presets: named settings in place of the defaults of Config and of the loop.
        dims: width per stream.
        lowers: error of a score that the training lowers, a key of `losses.SCORE_ERRORS`.
    """

    lowers: str = "squared"
    name: ClassVar[str]
    title: ClassVar[str]
    panel: ClassVar[str] = "attention"
    published: ClassVar[bool] = True
    double_flow: ClassVar[bool] = False
    reconstruction: ClassVar[bool] = False
    Config: ClassVar[Any]
    presets: ClassVar[Mapping[str, Preset]] = {}

    def __init__(self, config: Any, dims: Mapping[str, int]):
        super().__init__()
        self.config, self.dims = config, dict(dims)
        self.standardise = nn.ModuleDict({s: Standardise(dims[s]) for s in STREAMS})

    def set_statistics(self, statistics: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """Store mean and standard deviation (D,) per stream, as `Corpus.statistics` gives them."""
        for stream, (mean, std) in statistics.items():
            self.statistics(stream).set(mean, std)

    def statistics(self, stream: str) -> Standardise:
        """Return the module that standardises a stream."""
        module = self.standardise[stream]
        assert isinstance(module, Standardise)
        return module

    def forward(self, batch: Batch) -> Output:
        """Score a batch; never reads `batch.label`."""
        raise NotImplementedError

    def each(self, batches: Sequence[Batch]) -> list[Output]:
        """Score several batches, whose rows may differ in length, as one call each does."""
        return [self(batch) for batch in batches]

    def losses(self, full: Output | None, dropped: Output, label: Tensor) -> dict[str, Tensor]:
        """Compute the unweighted loss terms by name, from the whole batch also where processes share its rows.

        Args:
            full: complete flow, of the model itself (`double_flow`) or of its teacher (`needs_teacher`), else None.
            dropped: answer to what is left of the batch.
            label: human scores (B,).
        """
        raise NotImplementedError

    def score_errors(self, scores: Tensor, label: Tensor) -> Tensor:
        """Compute the error of each score that the training lowers; both of one shape, or label broadcasts."""
        return SCORE_ERRORS[self.lowers](scores, label.expand_as(scores))

    @property
    def reads_simulated_text(self) -> bool:
        """True when text simulated from the voice can change the score."""
        return False

    @property
    def needs_teacher(self) -> bool:
        """True when `losses` needs a trained, frozen teacher's answer to the complete batch."""
        return False

    @classmethod
    def recipes(cls) -> list[Recipe]:
        """List the rows of the method in every table: itself, its teacher, its ablations."""
        return [Recipe(cls.name, cls.title, "method")]

    @classmethod
    def variants(cls, config: Mapping[str, Any]) -> list[dict[str, Any]]:
        """List settings of a trained config that leave the weights alone and get their own row in every table."""
        return [{}]

    def answers(self, batch: Batch, variants: Sequence[Mapping[str, Any]]) -> list[Tensor]:
        """Score a batch (B,) under each of `variants`, settings that leave the weights alone."""
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

        Args:
            seen: (full, dropped, label) as for `losses`, batch by batch over the training rows; computed when iterated.
        """

    def tune(self, held_out: Iterable[tuple[Output, Tensor]]) -> None:
        """Choose what must be chosen on held-out data, such as thresholds, before each validation.

        Args:
            held_out: (output, label) of validation rows, batch by batch, under every pattern of present modalities.
        """

    def mechanism(self, output: Output, row: int, real: int | None = None, teacher: Output | None = None) -> Mechanism:
        """Describe the inner quantities of one row in plain numbers.

        Args:
            real: row of the same clip with everything observed, to compare what was imagined with it.
            teacher: for a method with a teacher, its answers to everything (row 0) and to what is left (row 1).
        """
        raise NotImplementedError

    def displayed(self, output: Output) -> dict[str, Displayed]:
        """Return what `mechanism` shows per modality, by name, for a whole batch; faithfulness tests check it."""
        return {}
