"""Training loop of every method: it knows batches, regimes, named loss terms and patterns, but no method's name.

The epoch is chosen by the mean absolute error on validation over the patterns of the regime (of emotions by the
cross-entropy); one checkpoint serves all metrics. Every random number comes from (seed, epoch), so an interrupted run
continues to the same losses. Several processes share every batch (processes.py).
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from msa_core import atomic, checkpoint, methods, missing
from msa_core.config import facts
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError, shortened
from msa_core.explain.conformal import VOICED
from msa_core.methods import Method
from msa_core.methods.layers import sharing
from msa_core.schema import Output
from msa_core.training import teacher as teachers
from msa_core.training.config import TrainConfig
from msa_core.training.manifest import manifest
from msa_core.training.optimiser import copied_weights, epoch_seed, move_average, parameter_groups, rate_share
from msa_core.training.processes import Processes
from msa_core.training.scores import calibrate, chosen_by, errors_of, pattern_scores

EpochProgress = Callable[[str, float], None]  # (sentence, share done in [0, 1])
VERSION_OF_STATE = 2  # of an interrupted run's file
EVALUATION_BATCH = 256  # utterances at a time outside of training
SHOWN = 300  # characters of settings in an error


def fit(
    method: str,
    corpus: Corpus,
    folder: Path,
    config: TrainConfig | None = None,
    model_config: Any = None,
    teacher: str | Path | None = None,
    progress: EpochProgress | None = None,
    device: str = "cpu",
    processes: Processes | None = None,
    keep: bool = False,
) -> Path:
    """Train `method` on `corpus` and write the best epoch as a checkpoint.

    Args:
        folder: checkpoint to write; an interrupted run of the same settings beside it is continued.
        model_config: the method's Config; None = its defaults.
        teacher: checkpoint of a trained model that, frozen, gives the complete flow instead of the method itself.
        device: where one process computes.
        processes: this process among several, which call this with the same arguments; None = it is the only one.
        keep: leave a finished run of the same settings as it is, and refuse a folder that holds anything else.

    Returns:
        `folder`.

    Raises:
        MsaError: for an interrupted or kept run with other settings, a loss that is not finite, a method that needs a
            teacher and has none, a teacher that does not fit the corpus, or batches too small for the processes.
        ProcessError: another process is gone.
    """
    config, team = config or TrainConfig(), processes or Processes(device=device)
    run, done = team.together(lambda: _ready(keep, method, corpus, Path(folder), config, model_config, teacher, team))
    if done:
        return run.folder
    _need_one_run(run, team)
    team.same_values([*run.model.state_dict().values(), *(run.averaged or {}).values()])
    silent = None if team.main else True
    bar = tqdm(total=config.epochs, initial=run.epoch, desc=run.folder.name, unit="epoch", disable=silent)
    while run.epoch < config.epochs and not run.finished:
        run.train_epoch()
        run.validate()
        run.save_state()
        bar.set_postfix(loss=f"{run.history[-1]['loss']:.3f}", valid=f"{run.history[-1][run.chosen_by]:.3f}")
        bar.update()
        if progress:
            progress(f"epoch {run.epoch} of {config.epochs}", run.epoch / config.epochs)
    bar.close()
    run.write()
    team.wait()
    return run.folder


def _ready(keep: bool, *arguments: Any) -> tuple[TrainingRun, bool]:
    """Make a run, or take up the one that was interrupted; and tell whether it is kept as it is.

    Arguments and errors as of `TrainingRun`, `is_done` and `resume`.
    """
    run = TrainingRun(*arguments)
    if keep and run.is_done():
        return run, True
    run.resume()
    return run, False


def _sorted(part: str, value: Any) -> str:
    """Write a part of a manifest for a comparison; of a teacher its weights count, not its name."""
    return json.dumps(value and value["sha256"] if part == "teacher" else value, sort_keys=True, default=str)


def _emotions(method: str, model_config: Any, corpus: Corpus) -> dict[str, Any]:
    """Return what the emotions of a corpus set in the config of a method. Raises: MsaError when they do not fit."""
    given = tuple(getattr(model_config, "emotions", ()))
    if given and given != corpus.emotions:
        raise MsaError(f"emotions is {list(given)}, {corpus.name} has {list(corpus.emotions)}. Leave the setting out.")
    learning = methods.learning(corpus.emotions)
    if method not in learning:
        raise MsaError(
            f"{method} learns scores, and {corpus.name} has emotions ({', '.join(corpus.emotions)}). Train "
            f"{' or '.join(learning)} on it."
        )
    return {"emotions": corpus.emotions} if corpus.emotions else {}


def _need_one_run(run: TrainingRun, team: Processes) -> None:
    """Check that every process has the same corpus, settings, teacher and epoch. Raises: MsaError."""
    found = team.exchange((run.epoch, run.fingerprint))
    other = next((rank for rank, seen in enumerate(found) if seen != found[0]), None)
    if other is not None:
        raise MsaError(
            f"Process {other} has another corpus, teacher or half-done run than process 0 (epoch {found[other][0]} "
            f"and {found[0][0]}). Give every machine the same files, and a folder for runs that all of them see."
        )


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
        team: Processes,
    ):
        self.corpus, self.config, self.folder = corpus.for_seed(config.seed), config, folder
        self.team, self.device, corpus = team, team.device, self.corpus
        self.state_path = folder.parent / f".{folder.name}.state.pt"
        self.rows, self.digest = corpus.rows("train"), corpus.digest
        self.chosen_by = chosen_by(corpus)
        self.n_batches = math.ceil(len(self.rows) / config.batch)
        self._need_rows()
        torch.manual_seed(config.seed)
        settings = ({} if model_config is None else asdict(model_config)) | _emotions(method, model_config, corpus)
        self.model = methods.build(method, settings, corpus.dims).to(self.device)
        self.model.lowers = config.error
        self.model.set_statistics(corpus.statistics(self.rows))
        self.teacher, self.taught_by = teachers.frozen(teacher, self.model, corpus, self.device)
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
        found = [VERSION_OF_STATE, self.model.name, facts(self.config), facts(self.model.config), self.corpus.name]
        found += [self.digest, dict(self.corpus.manifest), self.taught_by and self.taught_by["sha256"]]
        return json.dumps(found, sort_keys=True, default=str)

    @property
    def finished(self) -> bool:
        """True when patience ran out."""
        return 0 < self.config.patience <= self.epoch - 1 - self.best_epoch

    def is_done(self) -> bool:
        """Tell whether the folder holds this very run, finished.

        Raises:
            MsaError: it holds another run, or something that is no run.
        """
        if not self.folder.is_dir() or not any(self.folder.iterdir()):
            return False
        way = "Move it away, or give another --out or --label."
        if not (self.folder / checkpoint.MANIFEST).is_file():
            raise MsaError(f"{self.folder} holds files, and none of them is {checkpoint.MANIFEST}. {way}")
        there = checkpoint.read_manifest(self.folder)
        wanted: dict[str, Any] = {"method": self.model.name, "train": facts(self.config)}
        wanted |= {"config": facts(self.model.config), "teacher": self.taught_by}
        wanted |= {"corpus": {"name": self.corpus.name, **self.corpus.manifest}}
        for part, value in wanted.items():
            one, other = (_sorted(part, v) for v in (there.get(part), value))
            if one != other:
                seen = f"{part!r} is {shortened(one, SHOWN)} and not {shortened(other, SHOWN)}"
                raise MsaError(f"{self.folder} holds a finished run whose {seen}. {way}")
        return True

    def _need_rows(self) -> None:
        """Check that every process has a row in every part of the smallest batch. Raises: MsaError."""
        smallest, parts, count = len(self.rows) // self.n_batches, self.config.accumulate, self.team.count
        if smallest // parts < count:
            raise MsaError(
                f"The smallest batch has {smallest} utterances, too few for {parts} parts (accumulate) on {count} "
                "processes. Give a larger batch, fewer parts or fewer processes."
            )

    def train_epoch(self) -> None:
        """Pass over the training rows once."""
        torch.manual_seed(epoch_seed(self.config.seed, self.epoch, self.team.rank))
        rng = np.random.default_rng([self.config.seed, self.epoch])
        order = rng.permutation(self.rows)
        self.model.train()
        sums: dict[str, float] = {}
        for step, rows in enumerate(np.array_split(order, self.n_batches)):
            progress = self.epoch + step / self.n_batches
            for group in self.optimizer.param_groups:
                group["lr"] = self.config.lr * rate_share(progress, self.config.epochs, self.config.warmup_epochs)
            terms = self._step(rows, rng if self.config.augment else None)
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value * len(rows)
        self.history.append({"epoch": self.epoch, **{k: v / len(order) for k, v in sums.items()}})
        self.epoch += 1

    def _step(self, rows: np.ndarray, crop: np.random.Generator | None) -> dict[str, float]:
        """Update the weights once and return every loss term and the weighted sum, averaged over the parts."""
        self.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, float] = {}
        for part in np.array_split(rows, self.config.accumulate):
            share = len(part) / len(rows)
            for name, value in self._backward(part, crop, share).items():
                sums[name] = sums.get(name, 0.0) + share * value
        self.team.average_gradients(self.model)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimizer.step()
        if self.averaged is not None:
            move_average(self.averaged, self.model, self.config.ema)
        return sums

    def _backward(self, rows: np.ndarray, crop: np.random.Generator | None, share: float) -> dict[str, float]:
        """Add the gradient of some rows, `share` of a batch, and return every loss term and the weighted sum.

        Raises:
            MsaError: the loss is not finite.
        """
        terms = self.model.losses(*self._flows(self.model, rows, self.epoch, crop))
        weights = self.model.config.loss_weights()
        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        if not torch.isfinite(loss):
            worst = {k: float(v) for k, v in terms.items()}
            raise MsaError(f"The loss is not finite at epoch {self.epoch}: {worst}. Lower lr (now {self.config.lr}).")
        (share * loss).backward()
        return {"loss": float(loss.detach()), **{k: float(v.detach()) for k, v in terms.items()}}

    def _flows(
        self, model: Method, rows: np.ndarray, epoch: int, crop: np.random.Generator | None = None
    ) -> tuple[Output | None, Output, Tensor]:
        """Answer complete rows, by the teacher or the model itself, and what is left of them, and label them.

        Every process answers its share; all of them return the answers to all rows, for `losses`.
        """
        batch = self.corpus.batch(rows, crop, self.team.share(len(rows))).to(self.device)
        full: Output | None = None
        with self._precision(), sharing():
            if self.teacher is not None:
                with torch.no_grad():
                    full = self.teacher(batch)
            elif model.double_flow:
                full = model(batch)
            left = model(self.remove(batch, self.config.seed, epoch))
        if full is not None:
            full = self.team.whole(full, len(rows))
        return full, self.team.whole(left, len(rows)), self._label(rows)

    def _precision(self) -> AbstractContextManager[Any]:
        """Compute with the numbers of the settings."""
        if self.config.mixed_precision == "no":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16)

    def _label(self, rows: np.ndarray) -> Tensor:
        """Return the labels of rows, where the model is."""
        return torch.from_numpy(self.corpus.label[rows].astype(np.float32)).to(self.device)

    @torch.no_grad()
    def _seen(self, model: Method) -> Iterator[tuple[Output | None, Output, Tensor]]:
        """Answer the training rows with the kept model, in random order, uncropped; missing is as in the best epoch."""
        order = np.random.default_rng(self.config.seed).permutation(self.rows)
        for start in range(0, len(order), EVALUATION_BATCH):
            yield self._flows(model, order[start : start + EVALUATION_BATCH], self.best_epoch)

    @torch.no_grad()
    def _held_out(self, model: Method, rows: np.ndarray) -> Iterator[tuple[Output, Tensor]]:
        """Answer the validation rows under every pattern that validation averages over, where something is left.

        Where text could be simulated from the voice, once more without it.
        """
        for start in range(0, len(rows), EVALUATION_BATCH):
            some = rows[start : start + EVALUATION_BATCH]
            n, label = len(some), self._label(some)
            batch = self.corpus.batch(some, share=self.team.share(n)).to(self.device)
            for p in self.config.patterns:
                left = missing.pattern(batch, p)
                if self.team.any(bool(left.present.any()), n):
                    yield self.team.whole(model(left), n), label
                if p in VOICED:
                    yield self.team.whole(model(missing.without_simulated_text(left)), n), label

    def validate(self) -> None:
        """Compute the mean error over the patterns on validation and keep the weights when they are the best so far."""
        model = self._kept_model()
        rows = self.corpus.rows("valid")
        model.tune(self._held_out(model, rows))
        predicted = pattern_scores(model, self.corpus, rows, self.config.patterns, self.team)
        errors = {p: float(r.mean()) for p, r in errors_of(predicted, self.corpus).items()}
        if not errors:
            raise MsaError(f"No validation utterance of {self.corpus.name} has {' or '.join(self.config.patterns)}.")
        mean = float(np.mean(list(errors.values())))  # a corpus may lack a modality: its patterns have no row
        self.history[-1] |= {self.chosen_by: mean, "valid": errors}
        if self.best is None or mean < self.history[self.best_epoch][self.chosen_by]:
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
        """Write everything needed to continue, atomically; the main process does."""
        if not self.team.main:
            return
        state = {
            "fingerprint": self.fingerprint, "epoch": self.epoch, "history": json.dumps(self.history),
            "best_epoch": self.best_epoch, "best": self.best, "model": self.model.state_dict(),
            "averaged": self.averaged, "optimizer": self.optimizer.state_dict(),
        }  # fmt: skip
        self.state_path.parent.mkdir(parents=True, exist_ok=True)
        data = io.BytesIO()
        torch.save(state, data)
        atomic.write_bytes(self.state_path, data.getvalue())  # which a full disk ends with an OSError

    def resume(self) -> None:
        """Continue the state beside the checkpoint, if there is one."""
        if not self.state_path.exists():
            return
        state = checkpoint.read_state(self.state_path, self.device)
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
        """Write the best epoch as a checkpoint and delete the state of the interrupted run; the main process does."""
        assert self.best is not None
        model = self._kept_model()
        model.load_state_dict(self.best, strict=True)
        model.conclude(self._seen(model))
        valid = self.corpus.rows("valid")
        predicted = pattern_scores(model, self.corpus, valid, tuple(missing.PATTERNS), self.team)
        calibration = calibrate(model, self.corpus, self.team)
        if not self.team.main:
            return
        golden = methods.golden(model.to("cpu"), self.corpus.batch(valid[:2]))
        manifest_ = manifest(
            model,
            self.corpus,
            train=facts(self.config),
            teacher=self.taught_by,
            selection={
                "patterns": list(self.config.patterns),
                self.chosen_by: self.history[self.best_epoch][self.chosen_by],
            },
            best_epoch=self.best_epoch,
            validation={p: float(e.mean()) for p, e in errors_of(predicted, self.corpus).items()},
            calibration=calibration,
            history=self.history,
        )
        checkpoint.write(self.folder, model.state_dict(), manifest_, golden)
        self.state_path.unlink(missing_ok=True)
