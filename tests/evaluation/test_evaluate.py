import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from synthetic import AS_TEACHER, corpus

from msa_core import checkpoint, methods, missing
from msa_core.corpora.ragged import Ragged
from msa_core.errors import MsaError
from msa_core.evaluation import bootstrap, evaluate, groups, markdown, metrics, protocols, runs, subsets
from msa_core.evaluation.compared import gap_closed
from msa_core.evaluation.scoring import Request, kept, predict
from msa_core.methods import METHODS, Recipe
from msa_core.missing import COMPLETE, INCOMPLETE, PATTERNS
from msa_core.schema import MODALITIES
from msa_core.training.loop import TrainConfig, fit
from msa_core.training.scores import pattern_scores

CORPUS = corpus(150)
FAST = dict(epochs=2, batch=32)
ALL = protocols.conditions(tuple(PATTERNS))


def trained(folder, regime="mrm", method="baseline", seed=0, teacher=None, data=CORPUS, **settings):
    config = replace(METHODS[method].Config.debug(), **settings)
    return fit(method, data, folder, TrainConfig(regime=regime, seed=seed, **FAST), config, teacher)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Late fusion in every role, two seeds of the masked one."""
    root = tmp_path_factory.mktemp("runs")
    for regime in ("complete", "mrm", *INCOMPLETE):
        for seed in (0, 1) if regime == "mrm" else (0,):
            trained(root / f"baseline-{regime}-seed{seed}", regime, seed=seed)
    return root


def rows_of(result):
    return {r["label"]: r for r in result["rows"]}


def test_the_conditions_of_every_protocol():
    assert ALL["patterns"] == list(PATTERNS)
    assert ALL["frames"] == [f"frame:{r / 10}" for r in range(10)] and ALL["blocks"] == ["block:0.3", "block:0.5"]
    assert ALL["modality"] == [f"modality:0.{r}" for r in range(1, 8)]
    two = protocols.conditions(("audio", "vision", "audio+vision"))
    assert two["modality"][-1] == "modality:0.5"  # of two modalities one is kept
    assert protocols.auilc([1.0] * 10) == pytest.approx(0.9) and math.isnan(protocols.auilc([1.0, math.nan]))
    assert protocols.auilc([0.0, 0.2, 0.6]) == pytest.approx(0.1 * (0.1 + 0.4))


@pytest.mark.slow
def test_scores_in_one_pass_equal_scores_one_by_one(tmp_path):
    """Sorted, trimmed, shared batches and derived conditions against the plain way."""
    folder, rows = trained(tmp_path / "s-seed0", method="sdumc"), CORPUS.rows("test")
    asked = tuple(c for found in ALL.values() for c in found)
    scores = predict([Request(folder, ({},), asked, rows)], CORPUS)[0][0]
    model, _ = methods.load(folder, CORPUS.feature_set)
    for p, expected in pattern_scores(model, CORPUS, rows, tuple(PATTERNS)).items():
        assert np.allclose(scores[p][rows], expected, atol=1e-4, equal_nan=True)
    batch = CORPUS.batch(rows)
    for condition in asked:
        left = protocols.removed(batch, condition)
        expected = np.where(left.present.any(1), model(left).score.detach(), np.nan)
        assert np.allclose(scores[condition][rows], expected, atol=1e-4, equal_nan=True), condition
    assert np.isnan(scores[COMPLETE][CORPUS.rows("train")]).all()


@pytest.mark.slow
def test_processes_give_the_same_scores(tmp_path):
    CORPUS.save(tmp_path / "corpus")
    big = replace(CORPUS, split=np.array(["test"] * len(CORPUS)))  # more than one batch
    request = [Request(trained(tmp_path / "b-seed0"), ({},), ("text", "frame:0.5"), big.rows("test"))]
    one, two = predict(request, big)[0][0], predict(request, big, tmp_path / "corpus", jobs=2)[0][0]
    assert all(np.array_equal(one[c], two[c], equal_nan=True) for c in one) and np.isfinite(one["text"]).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_variants_answer_as_separate_models_do(name, tmp_path):
    teacher = None
    if methods.build(name, asdict(METHODS[name].Config.debug()), CORPUS.dims).needs_teacher:
        teacher = trained(tmp_path / "t", "complete", name, **AS_TEACHER[name])
    folder = trained(tmp_path / "run", "complete" if name == "baseline" else "mrm", name, teacher=teacher)
    model, manifest = methods.load(folder, CORPUS.feature_set)
    variants = model.variants(manifest["config"]) if name != "baseline" else [{"fill": f} for f in runs.FILLS]
    for condition in ("text", "audio", "frame:0.4", COMPLETE):
        batch = protocols.removed(CORPUS.batch(CORPUS.rows("test")), condition)
        for settings, score in zip(variants, model.answers(batch, variants), strict=True):
            alone, _ = methods.load(folder, CORPUS.feature_set, settings)
            assert np.allclose(score.detach(), alone(batch).score.detach(), atol=1e-6)


def test_a_score_that_is_not_finite_is_refused(folders, monkeypatch):
    """It would only lower the number of utterances that a table is measured on."""
    plain = METHODS["baseline"].answers

    def lost(self, batch, variants):
        return [s.masked_fill(batch.present[:, 1], math.nan) for s in plain(self, batch, variants)]

    monkeypatch.setattr(METHODS["baseline"], "answers", lost)
    there = int(CORPUS.batch(CORPUS.rows("test")).present[:, 1].sum())
    wanted = f"baseline-audio-seed0 under audio are not finite for {there} of {there} utterances"
    with pytest.raises(MsaError, match=wanted):
        evaluate.report(CORPUS, [folders / "baseline-audio-seed0"])


def test_a_modality_rate_is_a_choice_of_patterns():
    rows = CORPUS.rows("test")
    left = kept(CORPUS, rows, "modality:0.4")
    expected = missing.modality_rate(CORPUS.batch(rows), 0.4, protocols.SEED).present.numpy()
    assert np.array_equal(left, expected) and left.any(1).all() and not left.all()


def test_report_of_every_role(folders):
    result = evaluate.report(CORPUS, sorted(folders.iterdir()))
    rows = rows_of(result)
    assert [r["kind"] for r in result["rows"]] == ["constant", *["naive"] * 4, "masked", *["specialist"] * 6]
    masked, naive = (
        rows["baseline-mrm"],
        [r for r in result["rows"] if r["kind"] == "naive" and not r["reads_simulated_text"]],
    )
    assert masked["seeds"] == 2 and {"zero", "mean"} == {r["label"].split(" = ")[1] for r in naive}
    assert result["naive"]["six"] == min(r["six"] for r in naive)
    assert set(masked["table"]) == {c for found in ALL.values() for c in found}
    assert list(rows["baseline-text"]["table"]) == ["text"] and rows["baseline-text"]["six"] is None
    upper = np.mean([rows[f"baseline-{p}"]["table"][p]["mae"] for p in INCOMPLETE])
    assert result["specialists"] == pytest.approx(upper, abs=1e-6)
    assert masked["distance"] == pytest.approx(masked["six"] / upper - 1)
    assert masked["six"] == pytest.approx(np.mean([masked["table"][p]["mae"] for p in INCOMPLETE]))
    naive_six, closed = result["naive"]["six"], masked["gap_closed"]
    assert (closed is None) == (naive_six <= result["specialists"])
    if closed is not None:
        gap = gap_closed(naive_six, masked["six"], result["specialists"])
        assert closed == pytest.approx(gap, rel=1e-3)
    curve = [masked["table"][c]["mae"] for c in ALL["frames"]]
    assert masked["auilc"]["mae"] == pytest.approx(protocols.auilc(curve))
    assert set(masked["coverage"]) == set(PATTERNS) and all(0 <= v <= 1 for v in masked["coverage"].values())
    rows_ = CORPUS.rows("test")
    hits, each = [], []
    for seed in (0, 1):
        model, manifest = methods.load(folders / f"baseline-mrm-seed{seed}", CORPUS.feature_set)
        error = np.abs(pattern_scores(model, CORPUS, rows_, ("vision",))["vision"] - CORPUS.label[rows_])
        error = error[np.isfinite(error)]
        hits.append((error <= manifest["calibration"]["half_width"]["vision"]).mean())
        each.append(error.mean())
    assert masked["coverage"]["vision"] == pytest.approx(np.mean(hits))
    assert masked["sd"]["vision"]["mae"] == pytest.approx(np.std(each, ddof=1), abs=1e-5)
    assert naive[0]["six_sd"] is None and masked["six_sd"] > 0
    constant, seen = result["rows"][0], CORPUS.index["vision"].lengths[rows_] > 0
    mean = CORPUS.label[CORPUS.rows("train")].mean()
    same = np.abs(CORPUS.label[rows_][seen] - mean).mean()  # on the utterances that methods are measured on
    assert constant["table"]["vision"]["mae"] == pytest.approx(same, abs=1e-5) and not seen.all()
    assert constant["table"]["text"]["pearson"] is None and constant["seeds"] == 0
    assert 0 < result["realised"]["modality:0.1"] < result["realised"]["modality:0.7"] < 0.7


def test_command_writes_the_files(folders, tmp_path):
    CORPUS.save(tmp_path / "corpus")
    result = evaluate.command(tmp_path / "corpus", folders, tmp_path / "out", jobs=1)
    assert json.loads((tmp_path / "out" / "synthetic.json").read_text()) == result
    text = (tmp_path / "out" / "synthetic.md").read_text()
    assert markdown.headline(result) in text and "## frames: frame:0.3" in text and "80 % asked" in text
    assert (tmp_path / "out" / "synthetic.svg").read_text().startswith("<svg")
    assert "| Constant (training mean) |" in text and "a specialist for each pattern (1 seed)" in text
    with pytest.raises(MsaError, match="holds no trained run"):
        evaluate.command(tmp_path / "corpus", tmp_path / "nothing", tmp_path / "out")


@pytest.mark.slow
def test_a_corpus_without_a_modality_has_the_patterns_of_the_others(tmp_path):
    nothing = Ragged.of([[] for _ in CORPUS.ids], np.int64)
    textless = replace(CORPUS, index={**CORPUS.index, "text": nothing})
    found = [trained(tmp_path / r, r, data=textless) for r in ("complete", "mrm", "audio", "vision")]
    assert "text" not in checkpoint.read_manifest(found[0])["calibration"]["half_width"]
    result = evaluate.report(textless, found)
    assert result["patterns"] == ["audio", "vision", "audio+vision"]
    rows = rows_of(result)
    own = rows["mrm"]["table"]
    assert rows["mrm"]["six"] == pytest.approx((own["audio"]["mae"] + own["vision"]["mae"]) / 2)
    alone = [rows[p]["table"][p]["mae"] for p in ("audio", "vision")]
    assert result["specialists"] == pytest.approx(np.mean(alone))
    assert "| test MAE | simulated text | audio | vision | audio+vision | mean of two |" in markdown.headline(result)
    mute = replace(textless, index={**textless.index, "audio": nothing})
    with pytest.raises(MsaError, match="nothing can go missing"):
        evaluate.report(mute, found)


@pytest.mark.slow
def test_promma_never_generates_what_its_corpus_never_had(tmp_path):
    nothing = Ragged.of([[] for _ in CORPUS.ids], np.int64)
    textless = replace(CORPUS, index={**CORPUS.index, "text": nothing, "simulated": nothing})
    teacher = trained(tmp_path / "t", "complete", "promma", data=textless, prompted=False)
    folder = trained(tmp_path / "p", "subset", "promma", teacher=teacher, data=textless)
    for decide in ("evaluate", "always"):
        model, _ = methods.load(folder, textless.feature_set, {"decide": decide})
        trace = model(missing.pattern(textless.batch(textless.rows("test")), "audio")).trace
        assert not trace["generated"][:, 0].any() and trace["missing"][:, 0].any()
        assert decide == "evaluate" or trace["generated"][:, 2].any()


@pytest.mark.slow
def test_a_student_is_measured_against_its_teacher(tmp_path):
    for seed in (0, 1):
        teacher = trained(tmp_path / f"t-seed{seed}", "complete", "corrkd", seed, distil=False)
        trained(tmp_path / f"s-seed{seed}", "mrm", "corrkd", seed, teacher)
    trained(tmp_path / "b-seed0", "complete")
    result = evaluate.report(CORPUS, sorted(tmp_path.glob("*-seed*")))
    rows = rows_of(result)
    assert result["naive"]["label"].startswith("b, absent")  # the common naive model, never a method's own teacher
    assert rows["s"]["complete_model"] == "t" and rows["s"]["seeds"] == rows["t"]["seeds"] == 2
    assert rows["s"]["price"] == pytest.approx(rows["s"]["complete"] / rows["t"]["complete"] - 1)
    assert rows["t"]["price"] is None and rows["t"]["gap_closed"] is None
    alone = evaluate.report(CORPUS, [*tmp_path.glob("s-seed1"), *tmp_path.glob("t-seed*"), *tmp_path.glob("b-*")])
    own = rows_of(evaluate.report(CORPUS, [tmp_path / "t-seed1"]))["t"]["complete"]
    one = rows_of(alone)["s"]
    assert one["price"] == pytest.approx(one["complete"] / own - 1)  # against the very teacher of its seed
    orphan = evaluate.report(CORPUS, [tmp_path / "s-seed0", tmp_path / "b-seed0"])
    assert rows_of(orphan)["s"]["price"] is None


@pytest.mark.slow
def test_a_new_method_gets_its_rows_without_touching_the_evaluation(tmp_path, monkeypatch):
    class Mean(METHODS["baseline"]):
        name, title, published = "mean", "Mean of everything", True

        @classmethod
        def recipes(cls):
            return [Recipe("mean", "Mean of everything", "method"), Recipe("mean, half", "Mean, half", "ablation")]

    monkeypatch.setitem(METHODS, "mean", Mean)
    found = [trained(tmp_path / f"{name}-seed0", "subset", "mean") for name in ("mean", "mean, half")]
    rows = rows_of(evaluate.report(CORPUS, found))
    assert rows["mean"]["kind"] == "method" and rows["mean"]["title"] == "Mean of everything"
    assert rows["mean, half"]["kind"] == "ablation" and "frame:0.5" not in rows["mean, half"]["table"]


@pytest.mark.slow
def test_folds_test_every_utterance_once(tmp_path):
    folded = replace(CORPUS, columns={**CORPUS.columns, "fold": np.arange(150) % 3.0})
    assert folded.n_folds == 3 and CORPUS.n_folds == 0 and CORPUS.for_seed(5) is CORPUS
    tested = [folded.for_seed(s).rows("test") for s in range(3)]
    assert sorted(np.concatenate(tested)) == list(range(150))
    one = folded.for_seed(4)
    assert set(one.columns["fold"][one.rows("test")]) == {1.0} and set(one.columns["fold"][one.rows("valid")]) == {2.0}
    runs = [trained(tmp_path / f"b-seed{s}", seed=s, data=folded) for s in range(6)]
    assert checkpoint.read_manifest(runs[4])["corpus"]["fold"] == 1
    result = evaluate.report(folded, runs)
    row = rows_of(result)["b"]
    assert result["n"] == 150 and result["folds"] == 3 and row["seeds"] == 2  # two repetitions of three folds
    errors = []
    for block in (0, 3):  # both repetitions by hand
        scores = np.full(150, np.nan)
        for s in range(block, block + 3):
            model, own = methods.load(runs[s], folded.feature_set)[0], folded.for_seed(s)
            scores[own.rows("test")] = pattern_scores(model, own, own.rows("test"), ("audio",))["audio"]
        errors.append(np.abs(scores - folded.label).mean())
    assert row["table"]["audio"]["mae"] == pytest.approx(np.mean(errors), abs=1e-5)
    assert row["sd"]["audio"]["mae"] == pytest.approx(np.std(errors, ddof=1), abs=1e-5)
    with pytest.raises(MsaError, match="has 3 folds, there are runs of seed 3, 4. Train the others"):
        evaluate.report(folded, runs[:5])
    teacher = trained(tmp_path / "t", "complete", "corrkd", 0, data=folded, distil=False)
    with pytest.raises(MsaError, match="another corpus"):  # a teacher of another fold has seen this test set
        trained(tmp_path / "s", "mrm", "corrkd", 1, teacher, data=folded)


def test_gap_closed_by_hand():
    assert gap_closed(1.0, 0.9, 0.8) == pytest.approx(0.5)
    assert math.isnan(gap_closed(0.8, 0.7, 0.8))
    truth = np.abs(np.random.default_rng(0).normal(size=(7, 400)))
    weights = bootstrap.cluster_weights([np.arange(400) // 2])
    low, high = bootstrap.gap_interval(truth + 0.2, truth + 0.1, truth, weights)
    assert low == pytest.approx(0.5, abs=1e-4) and high == pytest.approx(0.5, abs=1e-4)
    assert bootstrap.gap_interval(truth, truth + 0.1, truth + 0.2, weights) is None
    low, high = bootstrap.difference_interval(truth + 0.1, truth, weights)
    assert low == pytest.approx(0.1, abs=1e-4) and high == pytest.approx(0.1, abs=1e-4)


def test_an_absent_modality_is_no_error_of_zero():
    errors = np.ones((3, 40))
    errors[0, 10:] = np.nan
    errors[1] = 3.0
    weights = bootstrap.cluster_weights([np.arange(40)])
    assert np.allclose(bootstrap.pattern_means(errors, weights), 2.0)
    alone = np.where(np.arange(40) < 1, 1.0, np.nan) * np.ones((2, 1))
    means = bootstrap.pattern_means(alone, weights)
    assert np.isnan(means).any() and np.allclose(means[np.isfinite(means)], 1.0)


def test_folds_may_have_other_numbers_of_epochs_and_seeds_of_a_fold_may_not():
    """`study` gives the smallest of five folds one epoch more, and `evaluate` refused its runs."""

    def run(seed, fold, **loop):
        manifest = {"method": "baseline", "config": {}, "train": {"seed": seed, **loop}, "corpus": {"fold": fold}}
        return SimpleNamespace(folder=Path(f"a-seed{seed}"), manifest=manifest)

    folds = [run(0, 0, epochs=21), run(1, 1, epochs=22), run(2, 0, epochs=21), run(3, 1, epochs=22)]
    groups.need_one_setting(folds)
    for other in (run(3, 1, epochs=21), run(3, 1, epochs=22, lr=0.1)):
        with pytest.raises(MsaError, match="and a-seed3 have one run name but other settings"):
            groups.need_one_setting([*folds[:3], other])


@pytest.mark.slow
def test_runs_that_do_not_belong_are_refused(tmp_path):
    other = replace(CORPUS, name="other")
    with pytest.raises(MsaError, match="Run b-seed0 was trained on another corpus than this synthetic .other, fold -"):
        evaluate.report(CORPUS, [trained(tmp_path / "b-seed0", data=other)])
    folded = replace(CORPUS, columns={**CORPUS.columns, "fold": np.arange(150) % 3.0})
    with pytest.raises(MsaError, match="may have seen these test rows"):
        evaluate.report(folded, [trained(tmp_path / "c-seed0")])
    twice = [trained(tmp_path / "d-seed0"), trained(tmp_path / "d-seed1")]
    with pytest.raises(MsaError, match="d-seed0 and d-seed1 are both of seed 0. Remove one"):
        evaluate.report(CORPUS, twice)
    unlike = [trained(tmp_path / "e-seed0"), trained(tmp_path / "e-seed1", seed=1, d_model=4)]
    with pytest.raises(MsaError, match="one run name but other settings"):
        evaluate.report(CORPUS, unlike)
    masked = [trained(tmp_path / "f-seed0"), trained(tmp_path / "g-seed0")]
    with pytest.raises(MsaError, match="Several runs could be the masked reference: f, g"):
        evaluate.report(CORPUS, masked)
    official = trained(tmp_path / "masked late fusion-seed0", "subset")
    rows = rows_of(evaluate.report(CORPUS, [*masked, official]))
    assert rows["masked late fusion"]["against_masked"] is None and rows["f"]["against_masked"] is not None
    lying = trained(tmp_path / "late fusion-seed0", "mrm")  # a recipe's label on another training
    assert rows_of(evaluate.report(CORPUS, [lying]))["late fusion"]["kind"] == "masked"
    with pytest.raises(MsaError, match="expression-ferplus-v1 is no trained run of a method: its manifest has no"):
        evaluate.report(CORPUS, [checkpoint.ROOT / "expression-ferplus-v1"])
    for folds in (np.arange(150) % 2.0, np.arange(150) % 3 + 1.0):
        with pytest.raises(MsaError, match="the folds are .* at least three"):
            replace(CORPUS, columns={"fold": folds})


@pytest.mark.slow
def test_a_reconstruction_is_called_so_under_any_label(tmp_path):
    teacher = trained(tmp_path / "t-seed0", "complete", "promma", prompted=False)
    run = trained(tmp_path / "mine-seed0", "subset", "promma", teacher=teacher)
    row = rows_of(evaluate.report(CORPUS, [run]))["mine"]
    assert row["reconstruction"] is True and row["title"] == "mine (reconstruction)"


def test_intervals_widen_with_the_clusters():
    rng = np.random.default_rng(0)
    speaker = np.arange(600) % 6
    errors = np.abs(rng.normal(size=(7, 600)) + rng.normal(size=6)[speaker])
    other = np.abs(rng.normal(size=(7, 600)))

    def width(*clusters):
        low, high = bootstrap.difference_interval(errors, other, bootstrap.cluster_weights(clusters))
        return high - low

    alone, both = width(np.arange(600)), width(np.arange(600), speaker)
    assert both > 2 * alone
    weights = bootstrap.cluster_weights([speaker])
    assert all(len(set(w[speaker == s])) == 1 for w in weights[:20] for s in range(6))


def test_a_cluster_inside_another_is_not_drawn_twice():
    video, clip = np.repeat(np.arange(5), 4), np.arange(20)
    for columns in ([clip, video], [video, clip], [video, video + 7.0]):
        (kept,) = bootstrap.independent(columns)
        assert np.array_equal(kept, video)
    crossed = np.tile(np.arange(4), 5)
    assert len(bootstrap.independent([clip, video, crossed])) == 2  # the clip is inside both


@pytest.mark.slow
def test_slices_and_sims_scale(tmp_path):
    rng = np.random.default_rng(1)
    ratings = {f"rating_{m}": rng.uniform(-3, 3, 150) for m in MODALITIES}
    rated = replace(
        CORPUS, columns={**ratings, "decorrelated": np.arange(150) % 2.0}, manifest={**CORPUS.manifest, "scale": "sims"}
    )
    rows = rated.rows("test")
    parts = subsets.of(rated, rows)
    spread = np.ptp(np.stack([ratings[f"rating_{m}"][rows] for m in MODALITIES], 1), axis=1)
    assert np.array_equal(parts["conflict"], spread >= 2.4) and parts["decorrelated"].sum() == 15
    assert subsets.of(CORPUS, rows) == {}
    result = evaluate.report(rated, [trained(tmp_path / "b-seed0", data=rated)])
    row = rows_of(result)["b"]
    assert result["metrics"] == list(metrics.SIMS_NAMES) and result["scale"] == "sims"
    plain = rows_of(evaluate.report(CORPUS, [trained(tmp_path / "c-seed0")]))["c"]
    scores = predict([Request(tmp_path / "b-seed0", ({},), ("text",), rows)], rated)[0][0]["text"][rows]
    by_hand = np.nanmean(np.abs(scores - rated.label[rows])[parts["conflict"]]) / 3
    assert row["slices"]["conflict"]["text"] == pytest.approx(by_hand, abs=1e-5)
    assert (
        row["six"] == pytest.approx(plain["six"] / 3, abs=1e-5) and row["width"]["text"] == plain["width"]["text"] / 3
    )
    assert set(row["slices"]) == {"conflict", "decorrelated"} and "## Slices" in markdown.markdown(result)
