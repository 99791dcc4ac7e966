"""SDUMC's projector: the loss by hand, a projector that learns, a stopped run, clips and tables that cannot be used."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import variants

from msa_core import checkpoint
from msa_core.errors import MsaError
from msa_core.feature_training import transcripts
from msa_core.feature_training.speech_projector import ProjectorRun, ProjectorTraining, rate_share, split
from msa_core.feature_training.transcripts import Spoken
from msa_core.features.large import simulator, speech, text
from msa_core.features.large.cache import Cache
from msa_core.features.large.config import ModelConfig, SimulatedConfig

HOW = SimulatedConfig(ModelConfig("wavlm"), "projector", "Write it down:")
TRAINING = ProjectorTraining(epochs=3, batch=2, lr=0.02, warmup=1, hidden=32)
SAID = {"a.wav": "Don't forget", "b.wav": "eleven o'clock", "c.wav": "a jacket", "d.wav": "an alarm"}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for k, name in enumerate(SAID):
        wave = 0.2 * np.random.default_rng(k).normal(size=16000 + 3200 * k).astype(np.float32)
        variants.write(folder / name, wave=wave, audio="pcm_s16le", sample_format="s16", rate=16000)
    return folder


@pytest.fixture(scope="module")
def models(tiny_model: Any) -> tuple[speech.SpeechModel, text.LargeText]:
    hears = speech.load(speech.find(ModelConfig(str(tiny_model("wavlm"))), Path()), "fp32", "cpu")
    found = text.find(ModelConfig(str(tiny_model("llama")), layers=(-2, -1)), Path(), True)
    return hears, text.LargeText(found, True, "fp32", "cpu")


def spoken(folder: Path) -> list[Spoken]:
    return [Spoken(name, folder / name, said) for name, said in SAID.items()]


def run(models: Any, clips: Path, folder: Path, training: ProjectorTraining = TRAINING, **more: Any) -> ProjectorRun:
    return ProjectorRun(*models, HOW, more.get("spoken", spoken(clips)), folder, training, more.get("cache", Cache()))


def test_the_loss_is_that_of_every_next_token_of_the_words_and_of_their_end(
    models: Any, clips: Path, tmp_path: Path
) -> None:
    """Worked by hand, clip by clip and without padding: -log p of each token of the words, then of the end."""
    own, words = run(models, clips, tmp_path / "p"), models[1]
    terms = []
    for clip in spoken(clips)[:2]:
        frames = own._frames(clip)
        assert frames is not None
        ids = words.tokenizer(HOW.instruction)["input_ids"]
        answer = [*words.tokenizer(clip.text, add_special_tokens=False)["input_ids"], 2]
        embed = words.model.get_input_embeddings()
        with torch.no_grad():
            row = torch.cat([own.projector(torch.from_numpy(frames)), embed(torch.tensor(ids + answer))])
            logits = words.model(inputs_embeds=row[None]).logits[0].log_softmax(-1)
        first = len(row) - len(answer)
        terms += [-float(logits[first + k - 1, token]) for k, token in enumerate(answer)]
    loss = own._loss(spoken(clips)[:2])
    assert loss is not None and float(loss.detach()) == pytest.approx(np.mean(terms), rel=1e-5)
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in own.projector.parameters())
    assert all(p.grad is None for p in words.model.parameters()), "the language model is frozen"


def test_a_projector_learns_and_is_written_with_its_best_epoch(models: Any, clips: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    folder = run(models, clips, tmp_path / "p", replace(TRAINING, epochs=10)).run(lines.append)
    tensors, manifest = checkpoint.read(folder)
    losses = [h["train_loss"] for h in manifest["history"]]
    assert len(losses) == len(lines) == 10 and losses[-1] < losses[0] - 0.05
    assert manifest["clips"] == {"train": 3, "valid": 1, "skipped": 0} and manifest["kind"] == simulator.KIND
    golden, _ = checkpoint.read(folder, checkpoint.GOLDEN)
    found = simulator.find_projector(folder).build(16, 16)
    torch.testing.assert_close(found(golden["frames"]), golden["inputs"])
    assert not list(tmp_path.glob(".*.state.pt"))
    best = run(models, clips, tmp_path / "again")
    best.projector.load_state_dict(tensors)
    assert best.validate() == pytest.approx(min(h["valid_loss"] for h in manifest["history"]), rel=1e-5)


def test_a_stopped_run_goes_on_to_the_same_losses(
    models: Any, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = checkpoint.read_manifest(run(models, clips, tmp_path / "whole").run())["history"]
    monkeypatch.setattr("msa_core.feature_training.speech_projector.SAVE_S", -1.0)  # after every update
    for stop in (1, 3):
        stopped = run(models, clips, tmp_path / "stopped")
        step = stopped._step

        def failing(some: Any, stop: int = stop, own: Any = stopped, step: Any = step) -> None:
            if own.updates == stop:
                raise KeyboardInterrupt
            step(some)

        monkeypatch.setattr(stopped, "_step", failing)
        with pytest.raises(KeyboardInterrupt):
            stopped.run()
    with pytest.raises(MsaError, match="half-done run with other settings, clips or models"):
        run(models, clips, tmp_path / "stopped", replace(TRAINING, lr=0.5)).run()
    assert checkpoint.read_manifest(run(models, clips, tmp_path / "stopped").run())["history"] == whole
    (tmp_path / ".broken.state.pt").write_bytes(b"no state")
    with pytest.raises(MsaError, match="cut off or damaged"):
        run(models, clips, tmp_path / "broken").run()


def test_clips_that_cannot_be_used_are_named_and_end_nothing(models: Any, clips: Path, tmp_path: Path) -> None:
    for name in SAID:
        shutil.copy(clips / name, tmp_path)
    (tmp_path / "a.wav").write_bytes(b"no sound")
    variants.write(tmp_path / "b.wav", wave=np.zeros(480, np.float32), audio="pcm_s16le", sample_format="s16")
    long = np.zeros(31 * 16000, np.float32)
    variants.write(tmp_path / "c.wav", wave=long, audio="pcm_s16le", sample_format="s16", rate=16000)
    own = [replace(s, split="valid" if s.name == "d.wav" else "train") for s in spoken(tmp_path)]
    used = run(models, tmp_path, tmp_path / "p", spoken=own + [Spoken("e", clips / "b.wav", "clock", "train")])
    used.run()
    assert set(used.skipped) == {"a.wav", "b.wav", "c.wav"}
    assert used.skipped["b.wav"] == speech.TOO_SHORT and "cut it to 30 s" in used.skipped["c.wav"]
    with pytest.raises(MsaError, match="No validation clip can be used"):
        bad = [replace(s, split="train" if s.name == "d.wav" else "valid") for s in spoken(tmp_path)]
        run(models, tmp_path, tmp_path / "q", spoken=bad).run()


def test_frames_are_read_once_with_a_cache(models: Any, clips: Path, tmp_path: Path, monkeypatch: Any) -> None:
    run(models, clips, tmp_path / "p", cache=Cache(tmp_path / "cache")).run()
    monkeypatch.setattr(models[0], "frames", lambda *_: pytest.fail("they are kept"))
    run(models, clips, tmp_path / "q", cache=Cache(tmp_path / "cache")).run()


def test_splits_rates_and_settings(tmp_path: Path) -> None:
    some = [Spoken(str(k), tmp_path, "x") for k in range(10)]
    train, valid = split(some, ProjectorTraining(held_out=0.2))
    assert len(valid) == 2 and {s.name for s in train + valid} == {s.name for s in some}
    assert split(some, ProjectorTraining(held_out=0.2)) == (train, valid)
    with pytest.raises(MsaError, match="0 clips are for training and 1 for validation"):
        split(some[:1], ProjectorTraining())
    assert [rate_share(k, 100, 1000) for k in (0, 9, 10, 55, 99)] == pytest.approx([1 / 11, 10 / 11, 1, 0.5, 1 / 90])
    with pytest.raises(MsaError, match="held_out is 1.0"):
        ProjectorTraining(held_out=1.0)
    with pytest.raises(MsaError, match="epochs is 0; give at least 1"):
        ProjectorTraining(epochs=0)


def test_tables(clips: Path, tmp_path: Path) -> None:
    table = tmp_path / "words.csv"

    def read(content: str) -> list[Spoken]:
        table.write_text(content)
        return transcripts.read(clips, table)

    assert read("clip,text,split\na.wav,Hello there,train\n") == [
        Spoken("a.wav", clips / "a.wav", "Hello there", "train")
    ]
    wrong = {
        "name,text\na.wav,x\n": "words.csv has no column 'clip'",
        "clip,text\n": "has no column 'clip' but no rows",
        "clip,text\na.wav,\n": "line 2: give a clip that no other line names, and its words",
        "clip,text\na.wav,x\na.wav,y\n": "line 3: give a clip that no other",
        "clip,text,split\na.wav,x,test\n": "line 2: split 'test'. Valid splits: train, valid",
        "clip,text\nz.wav,x\n": "line 2: z.wav is not in clips",
        f"clip,text\n{'z' * 300},x\n": r"line 2: z{75} \[...\] z{20} is not in clips",
        "clip,text\na.wav,well, now\n": "line 2: 3 cells for 2 columns: 'a.wav', 'well', 'now'",
    }
    for content, sentence in wrong.items():
        with pytest.raises(MsaError, match=sentence):
            read(content)
    with pytest.raises(MsaError, match="Cannot read the table lost.csv"):
        transcripts.read(clips, tmp_path / "lost.csv")
