"""Training of SDUMC's projector from speech frames to the input space of a frozen language model.

As SLAM-LLM does (arXiv 2402.08846): voice, instruction and the true transcript stand in a row, the language model
predicts every next token of the transcript and its end from all that is before it (teacher forcing), and only the
projector learns. A run that was stopped goes on to the same losses.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from msa_core import atomic, checkpoint, media
from msa_core.checkpoint import sha256
from msa_core.config import MediaLimits
from msa_core.errors import MsaError, fault
from msa_core.feature_training.transcripts import Spoken
from msa_core.features.large.cache import Cache, Part
from msa_core.features.large.config import SimulatedConfig
from msa_core.features.large.simulator import KIND, STACK, SpeechProjector, ends, instruction
from msa_core.features.large.speech import TOO_SHORT, SpeechModel
from msa_core.features.large.text import LargeText
from msa_core.features.windows import WINDOW_S

SAVE_S = 120.0  # between two savings of the state within an epoch
IGNORED = -100  # target of a place that is not learned from


@dataclass(frozen=True)
class ProjectorTraining:
    """Settings of the training; learning rate, batch and warm-up are SLAM-LLM's."""

    epochs: int = 3
    batch: int = 4  # clips
    lr: float = 1e-4  # AdamW, peak
    warmup: int = 1000  # updates, at most a tenth of all; linear, then linear to zero
    weight_decay: float = 0.0
    clip_norm: float = 1.0  # of the gradient
    held_out: float = 0.1  # share of the clips for validation, where the table has no column split
    hidden: int = 2048  # width inside the projector
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        for name, least in {"epochs": 1, "batch": 1, "lr": 1e-9, "warmup": 0, "hidden": 1, "seed": 0}.items():
            if not getattr(self, name) >= least:
                raise MsaError(f"{name} is {getattr(self, name)}; give at least {least}.")
        if not 0.0 < self.held_out < 1.0:
            raise MsaError(f"held_out is {self.held_out}; give a share between 0 and 1.")


class ProjectorRun:
    """State of one training: projector, optimiser, history, and the best projector so far."""

    def __init__(
        self,
        speech: SpeechModel,
        text: LargeText,
        how: SimulatedConfig,
        spoken: Sequence[Spoken],
        folder: Path,
        config: ProjectorTraining,
        cache: Cache,
    ) -> None:
        """Hold the models and split the clips.

        Args:
            speech: reads the clips.
            text: the frozen language model.
            how: its instruction.
            spoken: clips with their true words.
            folder: checkpoint to write; the state of a stopped run lies beside it.
            config: settings.
            cache: of speech frames.

        Raises:
            MsaError: there are fewer than two clips, or one side of the split is empty.
        """
        self.speech, self.text, self.config, self.folder, self.cache = speech, text, config, folder, cache
        self.state_path = folder.parent / f".{folder.name}.state.pt"
        self.instruction, self.end = instruction(text, how), ends(text)[0]
        self.how, self.spoken = how, list(spoken)
        self.train, self.valid = split(spoken, config)
        torch.manual_seed(config.seed)
        self.projector = SpeechProjector(speech.source.dim, text.dim, config.hidden).to(text.device)
        self.optimizer = torch.optim.AdamW(self.projector.parameters(), config.lr, weight_decay=config.weight_decay)
        self.per_epoch = -(-len(self.train) // config.batch)
        self.updates, self.losses = 0, list[float]()  # in all; losses of the epoch that runs
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] | None = None
        self.skipped: dict[str, str] = {}

    @property
    def fingerprint(self) -> str:
        """Facts that must be equal for a stopped run to be continued."""
        clips = [[s.name, s.text, s.split] for s in self.spoken]
        models = [[m.identity, m.layers] for m in (self.speech.source, self.text.source)]
        return json.dumps([asdict(self.config), self.how.instruction, models, clips])

    def run(self, told: Callable[[str], None] = lambda _: None) -> Path:
        """Train, or go on with a stopped training, and write the best epoch by validation loss as a checkpoint.

        Args:
            told: called with a line about each epoch.

        Raises:
            MsaError: a loss is not finite, no clip can be used, or the stopped run was another one.
        """
        self.resume()
        while len(self.history) < self.config.epochs:
            self.train_epoch()
            valid = self.validate()
            self.history.append({"train_loss": float(np.mean(self.losses or [np.nan])), "valid_loss": valid})
            if valid <= min(h["valid_loss"] for h in self.history):
                self.best = {k: v.detach().cpu().clone() for k, v in self.projector.state_dict().items()}
            self.losses = []
            self.save_state()
            last = self.history[-1]
            told(f"epoch {len(self.history)}: loss {last['train_loss']:.4f}, validation {last['valid_loss']:.4f}")
        self.write()
        return self.folder

    def train_epoch(self) -> None:
        """Pass over the training clips once, from where a stopped run was."""
        epoch, done = len(self.history), self.updates - len(self.history) * self.per_epoch
        order = np.random.default_rng([self.config.seed, epoch]).permutation(len(self.train))
        saved = time.monotonic()
        for at in range(done, self.per_epoch):
            chosen = order[at * self.config.batch : (at + 1) * self.config.batch]
            self._step([self.train[i] for i in chosen])
            self.updates += 1
            if time.monotonic() - saved > SAVE_S:
                self.save_state()
                saved = time.monotonic()

    def _step(self, clips: Sequence[Spoken]) -> None:
        """Update the projector once, unless none of the clips can be used."""
        share = rate_share(self.updates, self.per_epoch * self.config.epochs, self.config.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * share
        loss = self._loss(clips)
        if loss is None:
            return
        if not torch.isfinite(loss):
            raise MsaError(f"The loss is not finite after {self.updates} updates. Lower lr, or give --dtype bf16.")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.projector.parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.losses.append(float(loss.detach()))

    @torch.no_grad()
    def validate(self) -> float:
        """Compute the mean loss of the validation clips. Raises: MsaError when none can be used."""
        losses, size = [], self.config.batch
        for at in range(0, len(self.valid), size):
            loss = self._loss(self.valid[at : at + size])
            losses += [] if loss is None else [float(loss)]
        if not losses or not np.isfinite(losses).all():
            why = "; ".join(f"{k}: {v}" for k, v in list(self.skipped.items())[:3])
            raise MsaError(f"No validation clip can be used, or its loss is not finite ({why}). Give other clips.")
        return float(np.mean(losses))

    def _loss(self, clips: Sequence[Spoken]) -> Tensor | None:
        """Compute the mean next-token loss over the transcripts of some clips; None when none can be used."""
        rows, targets = [], []
        for clip in clips:
            frames = self._frames(clip)
            if frames is None:
                continue
            said = self.text.tokenizer(clip.text, add_special_tokens=False)["input_ids"]
            answer = torch.tensor([*said, self.end], device=self.text.device)
            heard = self.projector(torch.from_numpy(frames).to(self.text.device)).to(self.instruction.dtype)
            before = torch.cat([heard, self.instruction])
            rows.append(torch.cat([before, self.text.model.get_input_embeddings()(answer)]))
            targets.append(torch.cat([answer.new_full((len(before),), IGNORED), answer]))
        if not rows:
            return None
        inputs = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        labels = nn.utils.rnn.pad_sequence(targets, batch_first=True, padding_value=IGNORED)
        lengths = torch.tensor([len(r) for r in rows], device=inputs.device)
        mask = (torch.arange(inputs.shape[1], device=inputs.device) < lengths[:, None]).long()
        logits = self.text.model(inputs_embeds=inputs, attention_mask=mask).logits[:, :-1].float()
        return nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED)

    def _frames(self, clip: Spoken) -> np.ndarray | None:
        """Read the speech frames of a clip; None, with its reason in `skipped`, when they cannot be used."""

        def make() -> Part:
            info = media.probe(clip.path, MediaLimits.command_line())
            if not info.has_audio:
                raise MsaError("no sound.")
            if info.duration_s > WINDOW_S:
                raise MsaError(f"{info.duration_s:.1f} s long; cut it to {WINDOW_S} s at most.")
            return Part(self.speech.stream(media.waveform(clip.path, info), 1))

        if clip.name in self.skipped:
            return None
        source = self.speech.source
        key = f"projector {source.identity} {source.layers} {self.speech.dtype}"
        try:
            values = self.cache(sha256(clip.path) if self.cache.folder else None, key, make).stream.values
        except (MsaError, OSError) as e:
            self.skipped[clip.name] = fault(e)
            return None
        if values is None or len(values) < STACK:
            self.skipped[clip.name] = TOO_SHORT
            return None
        return values

    def save_state(self) -> None:
        """Write everything needed to go on, atomically."""
        state = {
            "fingerprint": self.fingerprint, "updates": self.updates, "losses": self.losses, "best": self.best,
            "history": json.dumps(self.history), "projector": self.projector.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }  # fmt: skip
        self.state_path.parent.mkdir(parents=True, exist_ok=True)
        data = io.BytesIO()
        torch.save(state, data)
        atomic.write_bytes(self.state_path, data.getvalue())

    def resume(self) -> None:
        """Go on with the state beside the checkpoint, if there is one. Raises: MsaError."""
        if not self.state_path.exists():
            return
        state = checkpoint.read_state(self.state_path, self.text.device)
        if state["fingerprint"] != self.fingerprint:
            raise MsaError(
                f"{self.state_path} is a half-done run with other settings, clips or models. Delete it to start "
                "again, or give another output folder."
            )
        self.updates, self.losses, self.best = state["updates"], state["losses"], state["best"]
        self.history = json.loads(state["history"])
        self.projector.load_state_dict(state["projector"])
        self.optimizer.load_state_dict(state["optimizer"])

    def write(self) -> None:
        """Write the best projector as a checkpoint and delete the state of the run."""
        assert self.best is not None
        kept = SpeechProjector(self.speech.source.dim, self.text.dim, self.config.hidden)
        kept.load_state_dict(self.best)
        frames = torch.randn(2 * STACK, self.speech.source.dim, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            golden = {"frames": frames, "inputs": kept.eval()(frames)}
        manifest: dict[str, Any] = {
            "kind": KIND,
            "settings": asdict(self.config),
            "speech": {"model": self.speech.source.name, "identity": self.speech.source.identity},
            "text": {"model": self.text.source.name, "identity": self.text.source.identity},
            "layers": list(self.speech.source.layers),
            "instruction": self.how.instruction,
            "clips": {"train": len(self.train), "valid": len(self.valid), "skipped": len(self.skipped)},
            "history": self.history,
            "versions": {"torch": torch.__version__, "transformers": _version()},
        }
        checkpoint.write(self.folder, self.best, manifest, golden)
        self.state_path.unlink(missing_ok=True)


def split(spoken: Sequence[Spoken], config: ProjectorTraining) -> tuple[list[Spoken], list[Spoken]]:
    """Split clips into those for training and for validation: by their own split, else at random by the seed.

    Raises:
        MsaError: one side is empty.
    """
    if any(s.split for s in spoken):
        train, valid = [s for s in spoken if s.split == "train"], [s for s in spoken if s.split == "valid"]
    else:
        held = max(1, round(config.held_out * len(spoken)))
        chosen = set(np.random.default_rng(config.seed).permutation(len(spoken))[:held].tolist())
        train = [s for i, s in enumerate(spoken) if i not in chosen]
        valid = [s for i, s in enumerate(spoken) if i in chosen]
    if not train or not valid:
        raise MsaError(f"{len(train)} clips are for training and {len(valid)} for validation. Give at least one each.")
    return train, valid


def rate_share(update: int, updates: int, warmup: int) -> float:
    """Compute the share of the peak learning rate at an update: linear warm-up, then linear to zero."""
    rising = min(warmup, updates // 10)
    if update < rising:
        return (update + 1) / (rising + 1)
    return max(0.0, (updates - update) / max(updates - rising, 1))


def _version() -> str:
    from importlib.metadata import version

    return version("transformers")
