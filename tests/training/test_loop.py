"""Training loop: it learns, continues interrupted runs exactly, writes a full manifest and ships the best run."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import AS_TEACHER, corpus

from msa_core import checkpoint, methods
from msa_core.config import facts, from_dict, later
from msa_core.errors import CheckpointError, MsaError
from msa_core.explain import conformal
from msa_core.features import COMPACT
from msa_core.methods import METHODS
from msa_core.missing import COMPLETE, PATTERNS
from msa_core.training import command, scores
from msa_core.training import loop as train
from msa_core.training.loop import TrainConfig, fit
from msa_core.training.processes import Processes

CORPUS = corpus(150)
FAST = dict(epochs=3, batch=32)
ERRORS = {
    "baseline": ["mse"],
    "sdumc": ["mse_full", "mse_missing"],
    "corrkd": ["score"],
    "promma": ["task"],
    "lnln": ["score"],
}


class Killed(Exception):
    pass


def teacher_for(name, folder):
    """A teacher where the method needs one."""
    debug = METHODS[name].Config.debug()
    if not methods.build(name, asdict(debug), CORPUS.dims).needs_teacher:
        return None
    complete = TrainConfig(regime="complete", epochs=1)
    return fit(name, CORPUS, folder / "teacher", complete, replace(debug, **AS_TEACHER[name]))


def kill_after(n):
    def progress(_, share):
        if round(share * FAST["epochs"]) == n:
            raise Killed

    return progress


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_overfits_one_batch(name):
    torch.manual_seed(0)
    settings = {"dropout": 0.0, "input_dropout": (0.0, 0.0, 0.0), "input_noise": (0.0, 0.0, 0.0)}
    if name == "sdumc":
        settings |= {"d_model": 32, "attention_dropout": 0.0, "frame_dropout": 0.0}
    if name in AS_TEACHER:
        settings |= {**AS_TEACHER[name], "head_dropout": 0.0, "frame_dropout": 0.0}
    model = methods.build(name, settings, CORPUS.dims).train()
    model.set_statistics(CORPUS.statistics(CORPUS.rows("train")))
    batch = CORPUS.batch(np.arange(8))
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(150):
        terms = model.losses(model(batch) if model.double_flow else None, model(batch), batch.label)
        loss = sum(model.config.loss_weights()[k] * v for k, v in terms.items() if k in ERRORS[name])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_resumed_run_equals_the_uninterrupted_one(name, ema, tmp_path):
    config, model_config = TrainConfig(regime="mrm", ema=ema, **FAST), METHODS[name].Config.debug()
    teacher = teacher_for(name, tmp_path)
    straight = fit(name, CORPUS, tmp_path / "straight", config, model_config, teacher)
    for stop in (1, 2):
        with pytest.raises(Killed):
            fit(name, CORPUS, tmp_path / "killed", config, model_config, teacher, progress=kill_after(stop))
    resumed = fit(name, CORPUS, tmp_path / "killed", config, model_config, teacher)
    a, b = (checkpoint.read(f) for f in (straight, resumed))
    assert a[1]["history"] == b[1]["history"] and len(a[1]["history"]) == 3
    assert all(torch.equal(v, b[0][k]) for k, v in a[0].items())
    assert a[1]["sha256"] == b[1]["sha256"] and not list(tmp_path.glob(".*"))


def test_half_done_run_with_other_settings_is_refused(tmp_path):
    debug = METHODS["baseline"].Config.debug()
    with pytest.raises(Killed):
        fit("baseline", CORPUS, tmp_path / "run", TrainConfig(**FAST), debug, progress=kill_after(1))
    with pytest.raises(MsaError, match="half-done run with other settings.*Delete it"):
        fit("baseline", CORPUS, tmp_path / "run", TrainConfig(lr=1e-2, **FAST), debug)
    other = replace(CORPUS, split=np.roll(CORPUS.split, 30))  # same name, length and scores
    with pytest.raises(MsaError, match="another corpus"):
        fit("baseline", other, tmp_path / "run", TrainConfig(**FAST), debug)


@pytest.mark.slow
def test_a_half_done_student_of_another_teacher_is_refused(tmp_path):
    debug, config = METHODS["corrkd"].Config.debug(), TrainConfig(**FAST)
    teacher = teacher_for("corrkd", tmp_path)
    with pytest.raises(Killed):
        fit("corrkd", CORPUS, tmp_path / "run", config, debug, teacher, progress=kill_after(1))
    other = TrainConfig(regime="complete", epochs=1, seed=1)
    fit("corrkd", CORPUS, teacher, other, replace(debug, distil=False))
    with pytest.raises(MsaError, match="half-done run"):
        fit("corrkd", CORPUS, tmp_path / "run", config, debug, teacher)


@pytest.mark.slow
def test_manifest_says_everything(tmp_path):
    seen = []
    folder = fit("sdumc", CORPUS, tmp_path / "run", TrainConfig(seed=3, **FAST), METHODS["sdumc"].Config.debug(),
                 progress=lambda what, share: seen.append(share))  # fmt: skip
    manifest = checkpoint.read_manifest(folder)
    assert seen == pytest.approx([1 / 3, 2 / 3, 1])
    assert manifest["method"] == "sdumc" and manifest["feature_set"] == COMPACT.id and manifest["seed"] == 3
    assert manifest["corpus"] == {"name": "synthetic", **CORPUS.manifest} and "random numbers" in manifest["licence"]
    assert set(manifest["versions"]) == {"msa_core", "torch", "numpy", "python"}
    assert manifest["mean_score"] == pytest.approx(CORPUS.label[CORPUS.rows("train")].mean())
    bare = {p + conformal.WITHOUT_SIMULATED_TEXT for p in ("audio", "audio+vision")}
    assert (
        set(manifest["calibration"]["half_width"]) == set(PATTERNS) | bare and manifest["calibration"]["level"] == 0.8
    )
    chosen = min(manifest["history"], key=lambda h: h["valid_mae"])
    assert chosen["epoch"] == manifest["best_epoch"] and chosen["valid_mae"] == manifest["selection"]["valid_mae"]
    assert manifest["selection"]["patterns"] == list(PATTERNS)
    model, _ = methods.load(folder, COMPACT.id)
    assert methods.verify_golden(model, folder) < 1e-5
    assert manifest["n_parameters"] == sum(p.numel() for p in model.parameters())
    valid = CORPUS.rows("valid")
    for p, found in scores.pattern_scores(model, CORPUS, valid, tuple(PATTERNS)).items():
        error = np.nanmean(np.abs(found - CORPUS.label[valid]))
        assert error == pytest.approx(manifest["validation_mae"][p], rel=1e-5)


def test_selection_patterns_of_the_regimes():
    assert TrainConfig(regime="complete").patterns == (COMPLETE,)
    assert TrainConfig(regime="vision").patterns == ("vision",)
    assert TrainConfig(regime="mrm:0.5").patterns == tuple(PATTERNS)


def test_bad_settings_are_refused():
    with pytest.raises(MsaError, match="Unknown regime 'half'"):
        TrainConfig(regime="half")
    with pytest.raises(MsaError, match="epochs is 0"):
        TrainConfig(epochs=0)
    with pytest.raises(MsaError, match="clip_norm is inf; give a finite number"):
        TrainConfig(clip_norm=float("inf"))
    with pytest.raises(MsaError, match="weight_rs_view is inf; .* all are finite"):
        METHODS["sdumc"].Config(weight_rs_view=float("inf"))
    with pytest.raises(MsaError, match="has no setting 'speed'"):
        command.parse_settings("baseline", ["speed=3"])
    with pytest.raises(MsaError, match="write KEY=VALUE"):
        command.parse_settings("baseline", ["lr"])
    loop, own = command.parse_settings("sdumc", ["lr=0.01", "d_model=64", "regime=subset", "input_dropout=[0,0.1,0]"])
    assert (loop.lr, loop.regime, own.d_model, own.input_dropout) == (0.01, "subset", 64, (0, 0.1, 0))
    with pytest.raises(MsaError, match="TrainConfig.lr is 'fast'"):
        from_dict(TrainConfig, {"lr": "fast"})


def test_presets_are_the_published_sizes():
    loop, own = command.parse_settings("sdumc", [], "published")
    model = methods.build("sdumc", asdict(own), {"text": 4096, "audio": 1024, "vision": 1024, "simulated": 4096})
    assert (own.d_model, model.head.in_features, loop.batch, loop.lr) == (256, 128, 64, 1e-4)
    assert model.contrast[0].out_features == 64 and own.loss_weights()["rnc"] == 0.8
    loop, own = command.parse_settings("corrkd", ["regime=complete", "distil=false"], "published")
    model = methods.build("corrkd", asdict(own), CORPUS.dims)
    assert model.encode["text"].convolution.projection.out_features == 3 * 40 and model.head.in_features == 120
    assert loop.regime == "complete" and loop.batch == 64 and not own.distil and not own.fuse
    with pytest.raises(MsaError, match="promma has no preset 'published'. Its presets: none."):
        command.parse_settings("promma", [], "published")
    with pytest.raises(MsaError, match="sdumc has no preset 'paper'. Its presets: published."):
        command.parse_settings("sdumc", [], "paper")


def test_settings_added_later_are_no_change_at_their_defaults():
    """Runs, kept scores and half-done states from before stay what they were."""
    config = TrainConfig()
    assert not {"accumulate", "mixed_precision"} & set(facts(config)) and later(config)["accumulate"] == 1
    assert facts(replace(config, accumulate=2))["accumulate"] == 2
    assert "emotions" not in facts(METHODS["corrkd"].Config()) and from_dict(TrainConfig, facts(config)) == config


def test_the_error_of_emotions_is_their_cross_entropy():
    two = replace(CORPUS, label=np.stack([CORPUS.label > 0, CORPUS.label < 1], 1) * np.float32(1),
                  manifest={"emotions": ["happy", "sad"]})  # fmt: skip
    true = torch.from_numpy(two.label[two.rows("valid")])
    odds = 2 * torch.randn(true.shape, generator=torch.Generator().manual_seed(0))
    given = odds.numpy().astype(np.float64)
    given[3] = np.nan
    (found,) = scores.errors_of({"text": given}, two).values()
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(odds, true, reduction="none").mean(1)
    assert found == pytest.approx(np.delete(wanted.numpy(), 3), rel=1e-5)
    assert scores.selected({"selection": {scores.chosen_by(two): 0.5}}) == ("cross-entropy", 0.5)
    assert scores.selected({"selection": {scores.chosen_by(CORPUS): 0.5}}) == ("MAE", 0.5)


def test_patience_stops():
    run = train.TrainingRun("baseline", CORPUS, Path("x"), TrainConfig(patience=2), None, None, Processes())
    run.best_epoch, run.epoch = 4, 7
    assert run.finished
    run.epoch = 6
    assert not run.finished


def test_half_width_covers():
    residuals = np.arange(1.0, 11.0)
    assert conformal.half_width(residuals, 0.8) == 9.0  # ceil(11 * 0.8) = 9th of 10
    rng = np.random.default_rng(0)
    covered = [
        np.mean(np.abs(rng.normal(size=500)) <= conformal.half_width(np.abs(rng.normal(size=99)), 0.8))
        for _ in range(200)
    ]
    assert np.mean(covered) == pytest.approx(0.8, abs=0.015)


def test_the_teacher_stays_frozen(tmp_path, monkeypatch):
    debug, loaded, load = METHODS["corrkd"].Config.debug(), [], methods.load
    teacher = teacher_for("corrkd", tmp_path)

    def remembered(*args):
        loaded.append(load(*args))
        return loaded[-1]

    monkeypatch.setattr(methods, "load", remembered)
    fit("corrkd", CORPUS, tmp_path / "run", TrainConfig(epochs=1), debug, teacher=teacher)
    state, stored = loaded[0][0].state_dict(), checkpoint.read(teacher)[0]
    assert len(loaded) == 1 and all(torch.equal(v, stored[k]) for k, v in state.items())


def test_train_command_ships_the_best_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "ROOT", tmp_path / "checkpoints")
    CORPUS.save(tmp_path / "corpus")
    lines = list(
        command.command("baseline", tmp_path / "corpus", ["epochs=1", "d_model=8"], 2, tmp_path / "runs", "b-v1")
    )
    shipped = checkpoint.read_manifest("b-v1")
    values = [checkpoint.read_manifest(tmp_path / "runs" / f"b-v1-seed{s}")["selection"]["valid_mae"] for s in (0, 1)]
    assert shipped["selection"]["valid_mae"] == min(values) and len(lines) == 3


@pytest.mark.slow
def test_a_study_ships_its_best_seeds_with_their_teachers(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "ROOT", tmp_path / "checkpoints")
    with pytest.raises(MsaError, match="has no run 'late fusion'"):
        list(command.ship_study(tmp_path))
    values = {}
    for run_name in command.SHIPPED_RUNS:
        for seed in (0, 1):
            name, loop = f"{run_name}-seed{seed}", TrainConfig(epochs=1, seed=seed, regime="complete")
            method = {"late fusion": "baseline", "masked late fusion": "baseline"}.get(run_name, run_name.split()[0])
            debug, taught = METHODS[method].Config.debug(), None
            if methods.build(method, asdict(debug), CORPUS.dims).needs_teacher:
                own = replace(debug, **AS_TEACHER[method])
                taught = fit(method, CORPUS, tmp_path / "runs" / f"{method}-teacher-seed{seed}", loop, own)
            run = fit(method, CORPUS, tmp_path / "runs" / name, loop, debug, teacher=taught)
            values[name] = checkpoint.read_manifest(run)["selection"]["valid_mae"]
    lines = list(command.ship_study(tmp_path / "runs"))
    assert len(lines) == len(command.SHIPPED_RUNS)
    for run_name, name in command.SHIPPED_RUNS.items():
        shipped = checkpoint.read_manifest(name)
        assert shipped["selection"]["valid_mae"] == min(values[f"{run_name}-seed{s}"] for s in (0, 1))
        if shipped["teacher"]:
            assert shipped["teacher"]["checkpoint"] == f"{name}-teacher"
            assert methods.load_teacher(name, shipped) is not None


@pytest.mark.slow
def test_train_command_ships_the_teacher_with_its_student(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "ROOT", tmp_path / "checkpoints")
    CORPUS.save(tmp_path / "corpus")
    tiny = ["epochs=1", "d_model=8", "n_heads=2", "d_feedforward=8"]
    where = tmp_path / "corpus", tmp_path / "runs"
    list(command.command("corrkd", where[0], [*tiny, "regime=complete", "distil=false"], 2, where[1], None, "teacher"))
    list(command.command("corrkd", where[0], tiny, 2, where[1], "c-v1", teacher="teacher"))
    for seed in (0, 1):  # every seed has the teacher of its seed
        assert checkpoint.read_manifest(where[1] / f"c-v1-seed{seed}")["teacher"]["checkpoint"] == f"teacher-seed{seed}"
    shipped = checkpoint.read_manifest("c-v1")
    assert shipped["teacher"]["checkpoint"] == "c-v1-teacher"
    assert methods.load_teacher("c-v1", shipped).config.distil is False
    with pytest.raises(MsaError, match="Teacher teacher-seed2 is not in"):
        list(command.command("corrkd", where[0], tiny, 3, where[1], None, teacher="teacher"))
    with pytest.raises(CheckpointError, match="No checkpoint 'nobody'"):
        list(command.command("corrkd", where[0], tiny, 1, where[1], None, teacher="nobody"))
    taught = where[1] / f"teacher-seed{shipped['seed']}"
    assert checkpoint.read("c-v1-teacher")[1]["sha256"] == checkpoint.read_manifest(taught)["sha256"]


def test_a_finished_run_is_kept_and_never_replaced(tmp_path):
    CORPUS.save(tmp_path / "corpus")
    weights = tmp_path / "runs" / "a-seed0" / checkpoint.MANIFEST

    def train(method="baseline", label="a", seeds=1, *settings):
        tiny = ["epochs=1", "d_model=8", *settings]
        return list(command.command(method, tmp_path / "corpus", tiny, seeds, tmp_path / "runs", None, label))

    first, written = train(), weights.stat().st_mtime_ns
    assert train(seeds=2)[0] == first[0] and weights.stat().st_mtime_ns == written
    assert (tmp_path / "runs" / "a-seed1" / checkpoint.MANIFEST).is_file()
    with pytest.raises(MsaError, match=r"a-seed0 holds a finished run whose 'train' is .*0\.001.* and not .*0\.002"):
        train("baseline", "a", 1, "lr=0.002")
    with pytest.raises(MsaError, match='whose \'method\' is "baseline" and not "lnln"'):
        train("lnln", "a", 1)
    thesis = tmp_path / "runs" / "mine-seed0" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years")
    with pytest.raises(MsaError, match=r"mine-seed0 holds files, and none of them is"):
        train("baseline", "mine")
    assert weights.stat().st_mtime_ns == written and thesis.read_text() == "years"


def test_a_state_that_is_cut_off_is_a_sentence(tmp_path):
    debug = METHODS["baseline"].Config.debug()
    with pytest.raises(Killed):
        fit("baseline", CORPUS, tmp_path / "run", TrainConfig(**FAST), debug, progress=kill_after(1))
    state = tmp_path / ".run.state.pt"
    whole = state.read_bytes()
    for part in (b"", whole[:100], whole[: len(whole) // 2], whole[:-10], b"x" * 100):
        state.write_bytes(part)
        with pytest.raises(MsaError, match="cut off or damaged.*Delete it"):
            fit("baseline", CORPUS, tmp_path / "run", TrainConfig(**FAST), debug)


def test_a_full_disk_leaves_the_state_that_was_there(tmp_path):
    """A limit on the size of files stands for the full disk: torch itself would raise something else than OSError."""
    resource = pytest.importorskip("resource")
    debug = METHODS["baseline"].Config.debug()
    with pytest.raises(Killed):
        fit("baseline", CORPUS, tmp_path / "run", TrainConfig(**FAST), debug, progress=kill_after(1))
    before = (tmp_path / ".run.state.pt").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            fit("baseline", CORPUS, tmp_path / "run", TrainConfig(**FAST), debug)
        with pytest.raises(OSError, match="File too large"):
            checkpoint.write(tmp_path / "shipped", {"w": torch.zeros(10_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / ".run.state.pt").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [".run.state.pt"]
    fit("baseline", CORPUS, tmp_path / "run", TrainConfig(**FAST), debug)
