"""The one training loop. It knows batches, regimes, named loss terms and patterns, but no method's name.

The epoch is chosen by the mean absolute error on validation over the patterns of the regime; one checkpoint serves
all metrics. Every random number comes from (seed, epoch), so a run that was killed continues to the same losses.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from msa_core import __version__, atomic, checkpoint, methods, missing
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.explain.conformal import VOICED
from msa_core.methods import Method
from msa_core.schema import Batch, Output
from msa_core.training import teacher as teachers
from msa_core.training.scores import _residuals, calibrate, pattern_scores

EpochProgress = Callable[[str, float], None]  # (sentence, share done in [0, 1])
VERSION_OF_STATE = 2


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the loop."""

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
        """The patterns that validation averages over: the one that is trained, or all seven."""
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

    Args: folder: the checkpoint to write; a half-done run of the same settings beside it is continued.
        model_config: the method's Config; None = its defaults. teacher: the checkpoint of a trained model that,
        frozen, gives the complete flow instead of the method itself.
    Returns: `folder`. Raises: MsaError for a half-done run with other settings, a loss that is not finite, a method
        that needs a teacher and has none, or a teacher that does not fit the corpus.
    """
    config = config or TrainConfig()
    run = _Run(method, corpus, Path(folder), config, model_config, teacher, device)
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


class _Run:
    """The state of one training."""

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
        self.optimizer = torch.optim.AdamW(_groups(self.model, config.weight_decay), lr=config.lr)
        self.averaged = _copy(self.model) if config.ema else None
        self.epoch, self.history = 0, []  # type: int, list[dict[str, Any]]
        self.best: dict[str, Tensor] | None = None
        self.best_epoch = -1

    @property
    def fingerprint(self) -> str:
        """What must be equal for a state to be continued."""
        facts = [VERSION_OF_STATE, self.model.name, asdict(self.config), asdict(self.model.config), self.corpus.name]
        facts += [self.digest, dict(self.corpus.manifest), self.taught_by and self.taught_by["sha256"]]
        return json.dumps(facts, sort_keys=True, default=str)

    @property
    def finished(self) -> bool:
        """True when patience ran out."""
        return 0 < self.config.patience <= self.epoch - 1 - self.best_epoch

    def train_epoch(self) -> None:
        """One pass over the training rows."""
        torch.manual_seed(_mixed_seed(self.config.seed, self.epoch))
        rng = np.random.default_rng([self.config.seed, self.epoch])
        order = rng.permutation(self.rows)
        n = math.ceil(len(order) / self.config.batch)
        self.model.train()
        sums: dict[str, float] = {}
        for step, rows in enumerate(np.array_split(order, n)):
            rate = _schedule(self.epoch + step / n, self.config)
            for group in self.optimizer.param_groups:
                group["lr"] = self.config.lr * rate
            terms = self._step(self.corpus.batch(rows, rng if self.config.augment else None).to(self.device))
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value * len(rows)
        self.history.append({"epoch": self.epoch, **{k: v / len(order) for k, v in sums.items()}})
        self.epoch += 1

    def _step(self, batch: Batch) -> dict[str, float]:
        """One update; returns every term and the weighted sum."""
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
            _average(self.averaged, self.model, self.config.ema)
        return {"loss": float(loss.detach()), **{k: float(v.detach()) for k, v in terms.items()}}

    def _flows(self, model: Method, batch: Batch, epoch: int) -> tuple[Output | None, Output]:
        """What `losses` compares: the complete batch, by the teacher or the model itself, and what is left of it."""
        full: Output | None = None
        if self.teacher is not None:
            with torch.no_grad():
                full = self.teacher(batch)
        elif model.double_flow:
            full = model(batch)
        return full, model(self.remove(batch, self.config.seed, epoch))

    @torch.no_grad()
    def _seen(self, model: Method) -> Iterator[tuple[Output | None, Output, Tensor]]:
        """The training rows in random order, uncropped, with what was missing in the best epoch; by the kept model."""
        order = np.random.default_rng(self.config.seed).permutation(self.rows)
        for start in range(0, len(order), 256):
            batch = self.corpus.batch(order[start : start + 256]).to(self.device)
            assert batch.label is not None
            yield *self._flows(model, batch, self.best_epoch), batch.label

    @torch.no_grad()
    def _held_out(self, model: Method, rows: np.ndarray) -> Iterator[tuple[Output, Tensor]]:
        """The validation rows under every pattern that validation averages over, where something is left.

        Where text could be imagined from the voice, once more without it.
        """
        for start in range(0, len(rows), 256):
            batch = self.corpus.batch(rows[start : start + 256]).to(self.device)
            assert batch.label is not None
            for p in self.config.patterns:
                left = missing.pattern(batch, p)
                if left.present.any():
                    yield model(left), batch.label
                if p in VOICED:
                    yield model(missing.without_simulated_text(left)), batch.label

    def validate(self) -> None:
        """Mean MAE over the patterns on validation; keeps the weights when they are the best so far."""
        model = self._kept_model()
        rows = self.corpus.rows("valid")
        model.tune(self._held_out(model, rows))
        predicted = pattern_scores(model, self.corpus, rows, self.config.patterns, device=self.device)
        errors = {p: float(r.mean()) for p, r in _residuals(predicted, self.corpus).items()}
        if not errors:
            raise MsaError(f"No validation utterance of {self.corpus.name} has {' or '.join(self.config.patterns)}.")
        mean = float(np.mean(list(errors.values())))  # a corpus may lack a modality: its patterns have no row
        self.history[-1] |= {"valid_mae": mean, "valid": errors}
        if self.best is None or mean < self.history[self.best_epoch]["valid_mae"]:
            self.best = {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
            self.best_epoch = self.epoch - 1

    def _kept_model(self) -> Method:
        """The model whose weights count: the averaged one when there is one."""
        if self.averaged is None:
            return self.model.eval()
        shadow = methods.build(self.model.name, asdict(self.model.config), self.model.dims).to(self.device)
        shadow.load_state_dict(self.averaged, strict=True)
        return shadow.eval()

    def save_state(self) -> None:
        """Everything needed to go on, replaced atomically."""
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
        state = torch.load(self.state_path, map_location=self.device, weights_only=True)
        if state["fingerprint"] != self.fingerprint:
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
        """The best epoch as a checkpoint; then the state goes."""
        assert self.best is not None
        model = self._kept_model()
        model.load_state_dict(self.best, strict=True)
        model.conclude(self._seen(model))
        valid = self.corpus.rows("valid")
        predicted = pattern_scores(model, self.corpus, valid, tuple(missing.PATTERNS), device=self.device)
        golden = methods.golden(model.to("cpu"), self.corpus.batch(valid[:2]))
        calibration = calibrate(model, self.corpus)
        checkpoint.write(self.folder, model.state_dict(), self._manifest(predicted, calibration), golden)
        self.state_path.unlink(missing_ok=True)

    def _manifest(self, predicted: Mapping[str, np.ndarray], calibration: Mapping[str, Any]) -> dict[str, Any]:
        residuals = _residuals(predicted, self.corpus)
        facts, best = dict(self.corpus.manifest), self.history[self.best_epoch]
        return {
            "method": self.model.name,
            "config": asdict(self.model.config),
            "dims": self.model.dims,
            "feature_set": self.corpus.feature_set,
            "train": asdict(self.config),
            "teacher": self.taught_by,
            "corpus": {"name": self.corpus.name, **facts},
            "licence": "research and teaching only: " + "; ".join(facts.get("sources", {"": "see corpus"}).values()),
            "seed": self.config.seed,
            "best_epoch": self.best_epoch,
            "selection": {"patterns": list(self.config.patterns), "valid_mae": best["valid_mae"]},
            "validation_mae": {p: float(r.mean()) for p, r in residuals.items()},
            "calibration": calibration,
            "mean_score": float(self.corpus.label[self.rows].mean(dtype=np.float64)),
            "n_parameters": sum(p.numel() for p in self.model.parameters()),
            "n_trained": sum(p.numel() for p in self.model.parameters() if p.requires_grad),
            "history": [{k: v for k, v in h.items() if k != "valid"} for h in self.history],
            "versions": {
                "msa_core": __version__, "torch": torch.__version__, "numpy": np.__version__,
                "python": platform.python_version(),
            },
        }  # fmt: skip


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices only."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def _schedule(epoch: float, config: TrainConfig) -> float:
    """Share of the peak rate: linear warm-up, then cosine to zero."""
    if epoch < config.warmup_epochs:
        return (epoch + 0.01) / (config.warmup_epochs + 0.01)
    share = (epoch - config.warmup_epochs) / max(config.epochs - config.warmup_epochs, 1e-9)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def _mixed_seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in model.state_dict().items()}


def _average(averaged: dict[str, Tensor], model: nn.Module, decay: float) -> None:
    """Move the averaged weights towards the model's."""
    for name, value in model.state_dict().items():
        averaged[name].lerp_(value.detach(), 1 - decay)
