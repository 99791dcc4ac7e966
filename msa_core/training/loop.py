"""Training loop of every method: it knows batches, regimes, named loss terms and patterns, but no method's name.

The epoch is chosen by the mean absolute error on validation over the patterns of the regime; one checkpoint serves
all metrics. Every random number comes from (seed, epoch), so an interrupted run continues to the same losses.
"""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from msa_core import atomic, checkpoint, methods, missing
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.explain.conformal import VOICED
from msa_core.methods import Method
from msa_core.schema import Batch, Output
from msa_core.training import teacher as teachers
from msa_core.training.manifest import manifest
from msa_core.training.optimiser import copied_weights, epoch_seed, move_average, parameter_groups, rate_share
from msa_core.training.scores import absolute_errors, calibrate, pattern_scores

EpochProgress = Callable[[str, float], None]  # (sentence, share done in [0, 1])
VERSION_OF_STATE = 2  # of an interrupted run's file
EVALUATION_BATCH = 256  # utterances at a time outside of training


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the training loop."""

    regime: str = "subset"  # what is missing in training, see missing.REGIMES
    epochs: int = 7
    batch: int = 64
    lr: float = 1e-3  # AdamW, peak
    weight_decay: float = 5e-2
    warmup_epochs: float = 1.0  # linear, then cosine to zero
    clip_norm: float = 1.0  # of the gradient
    ema: float = 0.99  # decay of the averaged weights that are validated and kept; 0 = off
    augment: bool = True  # crop audio and vision at random
    patience: int = 0  # stop after so many epochs without a better validation; 0 = never
    seed: int = 0

    def __post_init__(self) -> None:
        missing.regime(self.regime)
        least = {"epochs": 1, "batch": 1, "patience": 0, "seed": 0, "weight_decay": 0, "warmup_epochs": 0}
        for name, low in {**least, "lr": 1e-9, "clip_norm": 1e-9}.items():
            if not getattr(self, name) >= low:
                raise MsaError(f"{name} is {getattr(self, name)}; give at least {low}.")
        if not 0 <= self.ema < 1:
            raise MsaError(f"ema is {self.ema}; give a decay in [0, 1).")

    @property
    def patterns(self) -> tuple[str, ...]:
        """Patterns that validation averages over: the one that is trained, or all seven."""
        if self.regime == "complete":
            return (missing.COMPLETE,)
        return (self.regime,) if self.regime in missing.PATTERNS else tuple(missing.PATTERNS)


def fit(
    method: str,
    corpus: Corpus,
    folder: Path,
    config: TrainConfig | None = None,
    model_config: Any = None,
    teacher: str | Path | None = None,
    progress: EpochProgress | None = None,
    device: str = "cpu",
) -> Path:
    """Train `method` on `corpus` and write the best epoch as a checkpoint.

    Args:
        folder: checkpoint to write; an interrupted run of the same settings beside it is continued.
        model_config: the method's Config; None = its defaults.
        teacher: checkpoint of a trained model that, frozen, gives the complete flow instead of the method itself.

    Returns:
        `folder`.

    Raises:
        MsaError: for an interrupted run with other settings, a loss that is not finite, a method that needs a teacher
            and has none, or a teacher that does not fit the corpus.
    """
    config = config or TrainConfig()
    run = TrainingRun(method, corpus, Path(folder), config, model_config, teacher, device)
    run.resume()
    bar = tqdm(total=config.epochs, initial=run.epoch, desc=run.folder.name, unit="epoch", disable=None)
    while run.epoch < config.epochs and not run.finished:
        run.train_epoch()
        run.validate()
        run.save_state()
        bar.set_postfix(loss=f"{run.history[-1]['loss']:.3f}", valid=f"{run.history[-1]['valid_mae']:.3f}")
        bar.update()
        if progress:
            progress(f"epoch {run.epoch} of {config.epochs}", run.epoch / config.epochs)
    bar.close()
    run.write()
    return run.folder


class TrainingRun:
    """State of one training run: model, optimiser, averaged weights, history, and the best weights so far."""

    def __init__(
        self,
        method: str,
        corpus: Corpus,
        folder: Path,
        config: TrainConfig,
        model_config: Any,
        teacher: str | Path | None,
        device: str,
    ):
        self.corpus, self.config, self.folder, self.device = corpus.for_seed(config.seed), config, folder, device
        corpus = self.corpus
        self.state_path = folder.parent / f".{folder.name}.state.pt"
        self.rows, self.digest = corpus.rows("train"), corpus.digest
        torch.manual_seed(config.seed)
        settings = {} if model_config is None else asdict(model_config)
        self.model = methods.build(method, settings, corpus.dims).to(device)
        self.model.set_statistics(corpus.statistics(self.rows))
        self.teacher, self.taught_by = teachers.frozen(teacher, self.model, corpus, device)
        if self.teacher is not None:
            self.model.adopt(self.teacher)
        self.remove = missing.regime(config.regime)
        self.optimizer = torch.optim.AdamW(parameter_groups(self.model, config.weight_decay), lr=config.lr)
        self.averaged = copied_weights(self.model) if config.ema else None
        self.epoch, self.history = 0, []  # type: int, list[dict[str, Any]]
        self.best: dict[str, Tensor] | None = None
        self.best_epoch = -1

    @property
    def fingerprint(self) -> str:
        """Facts that must be equal for an interrupted run to be continued."""
        facts = [VERSION_OF_STATE, self.model.name, asdict(self.config), asdict(self.model.config), self.corpus.name]
        facts += [self.digest, dict(self.corpus.manifest), self.taught_by and self.taught_by["sha256"]]
        return json.dumps(facts, sort_keys=True, default=str)

    @property
    def finished(self) -> bool:
        """True when patience ran out."""
        return 0 < self.config.patience <= self.epoch - 1 - self.best_epoch

    def train_epoch(self) -> None:
        """Pass over the training rows once."""
        torch.manual_seed(epoch_seed(self.config.seed, self.epoch))
        rng = np.random.default_rng([self.config.seed, self.epoch])
        order = rng.permutation(self.rows)
        n = math.ceil(len(order) / self.config.batch)
        self.model.train()
        sums: dict[str, float] = {}
        for step, rows in enumerate(np.array_split(order, n)):
            rate = rate_share(self.epoch + step / n, self.config.epochs, self.config.warmup_epochs)
            for group in self.optimizer.param_groups:
                group["lr"] = self.config.lr * rate
            terms = self._step(self.corpus.batch(rows, rng if self.config.augment else None).to(self.device))
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value * len(rows)
        self.history.append({"epoch": self.epoch, **{k: v / len(order) for k, v in sums.items()}})
        self.epoch += 1

    def _step(self, batch: Batch) -> dict[str, float]:
        """Update the weights once and return every loss term and the weighted sum."""
        assert batch.label is not None
        terms = self.model.losses(*self._flows(self.model, batch, self.epoch), batch.label)
        weights = self.model.config.loss_weights()
        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        if not torch.isfinite(loss):
            worst = {k: float(v) for k, v in terms.items()}
            raise MsaError(f"The loss is not finite at epoch {self.epoch}: {worst}. Lower lr (now {self.config.lr}).")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimizer.step()
        if self.averaged is not None:
            move_average(self.averaged, self.model, self.config.ema)
        return {"loss": float(loss.detach()), **{k: float(v.detach()) for k, v in terms.items()}}

    def _flows(self, model: Method, batch: Batch, epoch: int) -> tuple[Output | None, Output]:
        """Answer the complete batch, by the teacher or the model itself, and what is left of it, for `losses`."""
        full: Output | None = None
        if self.teacher is not None:
            with torch.no_grad():
                full = self.teacher(batch)
        elif model.double_flow:
            full = model(batch)
        return full, model(self.remove(batch, self.config.seed, epoch))

    @torch.no_grad()
    def _seen(self, model: Method) -> Iterator[tuple[Output | None, Output, Tensor]]:
        """Answer the training rows with the kept model, in random order, uncropped; missing is as in the best epoch."""
        order = np.random.default_rng(self.config.seed).permutation(self.rows)
        for start in range(0, len(order), EVALUATION_BATCH):
            batch = self.corpus.batch(order[start : start + EVALUATION_BATCH]).to(self.device)
            assert batch.label is not None
            yield *self._flows(model, batch, self.best_epoch), batch.label

    @torch.no_grad()
    def _held_out(self, model: Method, rows: np.ndarray) -> Iterator[tuple[Output, Tensor]]:
        """Answer the validation rows under every pattern that validation averages over, where something is left.

        Where text could be simulated from the voice, once more without it.
        """
        for start in range(0, len(rows), EVALUATION_BATCH):
            batch = self.corpus.batch(rows[start : start + EVALUATION_BATCH]).to(self.device)
            assert batch.label is not None
            for p in self.config.patterns:
                left = missing.pattern(batch, p)
                if left.present.any():
                    yield model(left), batch.label
                if p in VOICED:
                    yield model(missing.without_simulated_text(left)), batch.label

    def validate(self) -> None:
        """Compute the mean MAE over the patterns on validation and keep the weights when they are the best so far."""
        model = self._kept_model()
        rows = self.corpus.rows("valid")
        model.tune(self._held_out(model, rows))
        predicted = pattern_scores(model, self.corpus, rows, self.config.patterns, device=self.device)
        errors = {p: float(r.mean()) for p, r in absolute_errors(predicted, self.corpus).items()}
        if not errors:
            raise MsaError(f"No validation utterance of {self.corpus.name} has {' or '.join(self.config.patterns)}.")
        mean = float(np.mean(list(errors.values())))  # a corpus may lack a modality: its patterns have no row
        self.history[-1] |= {"valid_mae": mean, "valid": errors}
        if self.best is None or mean < self.history[self.best_epoch]["valid_mae"]:
            self.best = {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
            self.best_epoch = self.epoch - 1

    def _kept_model(self) -> Method:
        """Return the model whose weights count: the averaged one when there is one."""
        if self.averaged is None:
            return self.model.eval()
        shadow = methods.build(self.model.name, asdict(self.model.config), self.model.dims).to(self.device)
        shadow.load_state_dict(self.averaged, strict=True)
        return shadow.eval()

    def save_state(self) -> None:
        """Write everything needed to continue, atomically."""
        state = {
            "fingerprint": self.fingerprint, "epoch": self.epoch, "history": json.dumps(self.history),
            "best_epoch": self.best_epoch, "best": self.best, "model": self.model.state_dict(),
            "averaged": self.averaged, "optimizer": self.optimizer.state_dict(),
        }  # fmt: skip
        self.state_path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replaced_file(self.state_path) as part:
            torch.save(state, part)

    def resume(self) -> None:
        """Continue the state beside the checkpoint, if there is one."""
        if not self.state_path.exists():
            return
        try:
            state = torch.load(self.state_path, map_location=self.device, weights_only=True)
            fingerprint = state["fingerprint"]
        except (RuntimeError, EOFError, OSError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as e:
            raise MsaError(
                f"{self.state_path} is cut off or damaged ({type(e).__name__}). Delete it; the run then begins anew."
            ) from e
        if fingerprint != self.fingerprint:
            raise MsaError(
                f"{self.state_path} is a half-done run with other settings, another corpus or another teacher. "
                f"Delete it to start again, or give another output folder."
            )
        self.epoch, self.best_epoch, self.best = state["epoch"], state["best_epoch"], state["best"]
        self.history = json.loads(state["history"])
        self.model.load_state_dict(state["model"], strict=True)
        self.averaged = state["averaged"]
        self.optimizer.load_state_dict(state["optimizer"])

    def write(self) -> None:
        """Write the best epoch as a checkpoint and delete the state of the interrupted run."""
        assert self.best is not None
        model = self._kept_model()
        model.load_state_dict(self.best, strict=True)
        model.conclude(self._seen(model))
        valid = self.corpus.rows("valid")
        predicted = pattern_scores(model, self.corpus, valid, tuple(missing.PATTERNS), device=self.device)
        golden = methods.golden(model.to("cpu"), self.corpus.batch(valid[:2]))
        facts = manifest(
            model,
            self.corpus,
            train=asdict(self.config),
            teacher=self.taught_by,
            selection={
                "patterns": list(self.config.patterns),
                "valid_mae": self.history[self.best_epoch]["valid_mae"],
            },
            best_epoch=self.best_epoch,
            validation_mae={p: float(e.mean()) for p, e in absolute_errors(predicted, self.corpus).items()},
            calibration=calibrate(model, self.corpus),
            history=self.history,
        )
        checkpoint.write(self.folder, model.state_dict(), facts, golden)
        self.state_path.unlink(missing_ok=True)
