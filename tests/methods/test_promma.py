"""ProMMA beyond the contract: frozen parts, decisions to generate, prompt weights, mechanism."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from synthetic import corpus

from msa_core import checkpoint, methods, missing
from msa_core.errors import MsaError
from msa_core.features import COMPACT
from msa_core.methods.layers import usable
from msa_core.methods.promma.answers import BOUND, EVERYTHING, best_thresholds, column_of, first_alike, situation_of
from msa_core.methods.promma.config import ProMMAConfig
from msa_core.missing import INCOMPLETE, PATTERNS
from msa_core.schema import MODALITIES
from msa_core.training.loop import TrainConfig, fit

CORPUS = corpus(150)
COMPLETE_ROWS = np.flatnonzero(CORPUS.batch(np.arange(150)).present.all(1).numpy())
DEBUG = ProMMAConfig.debug()
FAST = {"epochs": 2, "batch": 32}


def build(**settings):
    torch.manual_seed(settings.pop("seed", 0))
    model = methods.build("promma", {**asdict(DEBUG), **settings}, CORPUS.dims)
    model.set_statistics(CORPUS.statistics(CORPUS.rows("train")))
    return model.eval()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A backbone and prompts that were trained around it, as checkpoint folders side by side."""
    folder = tmp_path_factory.mktemp("runs")
    complete, subset = (TrainConfig(regime=r, **FAST) for r in ("complete", "subset"))
    fit("promma", CORPUS, folder / "teacher", complete, replace(DEBUG, prompted=False))
    fit("promma", CORPUS, folder / "prompts", subset, DEBUG, teacher=folder / "teacher")
    return folder


def test_the_backbone_is_its_teachers_and_stays_frozen(trained):
    teacher, _ = checkpoint.read(trained / "teacher")
    tensors, manifest = checkpoint.read(trained / "prompts")
    shared = [k for k in tensors if k.startswith(("backbone.", "standardise."))]
    assert set(shared) == set(teacher) and all(torch.equal(tensors[k], teacher[k]) for k in shared)
    model = build()
    trainable = {n.split(".")[0] for n, p in model.named_parameters() if p.requires_grad}
    assert "backbone" not in trainable and {"shared", "generator", "evaluator", "weigh"} <= trainable
    assert manifest["n_trained"] == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert manifest["n_parameters"] == sum(p.numel() for p in model.parameters())


def test_the_frozen_backbone_has_no_dropout_while_prompts_are_trained():
    model = build(dropout=0.5, head_dropout=0.5, frame_dropout=0.5, input_dropout=(0.5,) * 3, input_noise=(1.0,) * 3)
    model.train()
    assert model.training and model.evaluator.training and model.generator.training
    assert not [n for n, part in model.backbone.named_modules() if part.training]
    batch = CORPUS.batch(COMPLETE_ROWS[:6])
    keep = usable(batch)
    first, second = (model.backbone.encoded(batch.features, keep, model._standardises()).summary for _ in range(2))
    assert torch.equal(first, second)
    teacher = build(prompted=False, dropout=0.5).train()  # which is trained itself
    assert all(part.training for _, part in teacher.backbone.named_modules())
    assert not any(part.training for part in model.eval().modules())


def test_at_real_widths_at_most_a_tenth_is_trained_and_growth_is_linear():
    dims = COMPACT.dims
    model = methods.build("promma", {}, dims)
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert sum(p.numel() for p in trained.values()) <= 0.1 * sum(p.numel() for p in model.parameters())
    of_a_modality = [sum(p.numel() for n, p in trained.items() if f".{m}" in n) for m in MODALITIES]
    assert len(set(of_a_modality)) == 1  # one set of parts per modality, none per pattern
    assert not any("+" in n for n in trained)


def test_weights_sum_to_one_over_what_takes_part():
    model, full = build(), CORPUS.batch(COMPLETE_ROWS[:6])
    for pattern, members in PATTERNS.items():
        trace = model(missing.pattern(full, pattern)).trace
        part = trace["real"] | trace["generated"]
        assert torch.allclose(trace["weights"].sum(1), torch.ones(6), atol=1e-5)
        assert (trace["weights"][~part] == 0).all() and (trace["information"][~part] == 0).all()
        assert trace["real"].tolist() == [[m in members for m in MODALITIES]] * 6


def test_a_generated_modality_weighs_no_more_than_its_confidence_allows():
    model, left = build(generate="always"), missing.pattern(CORPUS.batch(COMPLETE_ROWS[:6]), "text+vision")
    want = model(left).trace
    with torch.no_grad():
        model.generator.sure["audio"].bias += 50.0
    sure = model(left).trace
    assert torch.allclose(sure["confidence"][:, 1], torch.ones(6))
    assert (sure["weights"][:, 1] > want["weights"][:, 1]).all()
    assert torch.allclose(want["weights"][:, 1] / want["weights"][:, 0] / want["confidence"][:, 1],
                          sure["weights"][:, 1] / sure["weights"][:, 0], rtol=1e-4)  # fmt: skip
    even = build(use_dpw=False)(CORPUS.batch(COMPLETE_ROWS[:6])).trace["weights"]
    assert torch.allclose(even, torch.full((6, 3), 1 / 3))


def test_information_of_one_clip_by_hand():
    model = build(n_prompts=2)
    with torch.no_grad():
        model.weigh.prior.copy_(torch.tensor([0.25, 0.75]))
    p = torch.tensor([[[0.5, 0.5], [0.25, 0.75], [1.0 - 1e-7, 1e-7]]])
    want = [0.5 * np.log(2) + 0.5 * np.log(2 / 3), 0.0, np.log(4)]
    assert model.weigh.information(p.log())[0].tolist() == pytest.approx(want, abs=1e-5)
    assert model.weigh.lean(p.log())[0].tolist() == pytest.approx([-1.5, 0.0, -4.5], abs=1e-5)  # places -3 and 3
    share = build().weigh.share_of(torch.tensor([-3.0, 0.25, 3.0]))
    assert share[0].tolist() == [1, 0, 0, 0, 0, 0, 0] and share[2].tolist() == [0, 0, 0, 0, 0, 0, 1]
    assert share[1].tolist() == pytest.approx([0, 0, 0, 0.75, 0.25, 0, 0])


def test_answers_are_those_of_always_and_never_and_both_are_kept():
    model = build()
    always, never = (
        methods.build("promma", {**asdict(DEBUG), "generate": g}, CORPUS.dims) for g in ("always", "never")
    )
    for other in (always, never):
        other.load_state_dict(model.state_dict(), strict=False)
    for pattern in INCOMPLETE:
        left = missing.pattern(CORPUS.batch(COMPLETE_ROWS[:5]), pattern)
        answers = model(left).trace["answers"]
        assert torch.allclose(answers[:, EVERYTHING], always.eval()(left).score, atol=1e-5)
        assert torch.allclose(answers[:, 0], never.eval()(left).score, atol=1e-5)
    out, row = model(left), 0
    facts = model.mechanism(out, row)["evaluator"]["text"]
    assert {facts["score_generated"], facts["score_left_out"]} == {out.trace["answers"][row, 1].item(),
                                                                  out.trace["answers"][row, 0].item()}  # fmt: skip
    assert out.score[row].item() == facts["score_generated" if facts["decision"] == "generated" else "score_left_out"]


def test_the_threshold_decides():
    model, left = build(), missing.pattern(CORPUS.batch(COMPLETE_ROWS[:5]), "audio")
    for bound, generated in ((-BOUND, [True, False, True]), (BOUND, [False] * 3)):
        model.threshold.fill_(bound)
        out = model(left)
        assert out.trace["generated"].tolist() == [generated] * 5
        assert torch.equal(out.score, out.trace["answers"][:, EVERYTHING if any(generated) else 0])


def test_which_answer_goes_with_what_is_generated():
    generated = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]]).bool()
    assert column_of(generated).tolist() == [0, 1, 2, 3, 4, 4]
    patterns = torch.tensor([[m in members for m in MODALITIES] for members in PATTERNS.values()])
    for heard in (False, True):
        numbers = situation_of(patterns, torch.full((len(patterns),), heard)).tolist()
        assert sorted(numbers) == [n + 8 * heard for n in range(1, 8)]


def test_choices_that_come_to_the_same_are_fused_once(monkeypatch):
    there = torch.tensor([[[1, 1, 0], [1, 1, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]],
                          [[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1]]], dtype=torch.bool)  # fmt: skip
    assert first_alike(there).tolist() == [[0, 0, 0, 3, 3], [0, 0, 2, 3, 4]]
    still = {k: 0.0 for k, v in asdict(DEBUG).items() if "dropout" in k and isinstance(v, float)}
    model = build(**still, input_dropout=(0, 0, 0), input_noise=(0, 0, 0))
    batch, fused = CORPUS.batch(COMPLETE_ROWS[:6]), []
    plain = model.backbone.fused
    monkeypatch.setattr(model.backbone, "fused", lambda s, *rest: fused.append(len(s)) or plain(s, *rest))
    for p in PATTERNS:
        left = missing.pattern(batch, p)
        with torch.no_grad():
            each, own = model.train()(left).trace, model.eval()(left).trace
        assert torch.allclose(each["answers"], own["answers"], atol=1e-6), p
        n = 2 ** (3 - len(PATTERNS[p]))
        assert fused[-4:] == [30, 30, 6 * n, 6 * n]


def test_thresholds_are_the_best_on_held_out_data():
    gate = torch.linspace(-2, 2, 200)[:, None].repeat(1, 3)
    helps = gate[:, 1] > 0.5  # generating audio helps where its gate is above 0.5
    error = torch.ones(200, 5)
    error[:, 2] = torch.where(helps, 0.0, 2.0)
    best = best_thresholds(gate, error, torch.tensor([False, True, False]), column_of)
    assert best[1].item() == pytest.approx(0.5, abs=0.06) and best[0] == best[2] == -BOUND
    worse = torch.ones(200, 5)
    worse[:, 2] = 1.5  # it never helps
    assert best_thresholds(gate, worse, torch.tensor([False, True, False]), column_of)[1] >= gate.max()


def test_tuning_never_loses_to_always_or_never_on_what_it_was_tuned_on(trained):
    model, _ = methods.load(trained / "prompts", COMPACT.id)
    rows = CORPUS.rows("valid")
    for pattern in INCOMPLETE:
        batch = CORPUS.batch(rows)
        out = model(missing.pattern(batch, pattern))
        there = (out.trace["real"] == torch.tensor([m in PATTERNS[pattern] for m in MODALITIES])).all(1)
        error = (out.trace["answers"] - batch.label[:, None]).abs()[there].mean(0)
        ours = (out.score - batch.label).abs()[there].mean()
        assert ours <= min(error[0], error[EVERYTHING]) + 1e-6


def test_generated_text_may_start_from_the_voice():
    model = build(generate="always")
    batch = CORPUS.batch(COMPLETE_ROWS[:4])
    heard = replace(batch, features={**batch.features, "simulated": torch.randn_like(batch.features["simulated"])})
    silent = [missing.pattern(b, "audio+vision") for b in (batch, heard)]
    assert not torch.allclose(*(model(b).score for b in silent))
    assert torch.equal(model(batch).score, model(heard).score)
    for deaf in (build(generate="always", use_simulated=False), build(generate="never")):
        assert torch.equal(*(deaf(b).score for b in silent)) and not deaf.reads_simulated_text


def test_the_generator_learns_to_rebuild_and_not_from_the_score():
    model = build().train()
    full, left = CORPUS.batch(COMPLETE_ROWS[:8]), missing.pattern(CORPUS.batch(COMPLETE_ROWS[:8]), "text")
    out = model(left)
    out.trace["answers"].sum().backward()
    assert all(p.grad is None or not p.grad.any() for n, p in model.generator.named_parameters())
    with torch.no_grad():
        teacher = build(prompted=False, seed=1)(full)
    terms = model.losses(teacher, out, full.label)
    nothing = model.losses(teacher, model(full), full.label)
    assert terms["generated"] > 0 and nothing["generated"] == nothing["confidence"] == nothing["evaluator"] == 0


@pytest.mark.parametrize(
    ("settings", "gone"),
    [({"generate": "always"}, {"chosen", "evaluator"}),
     ({"generate": "never"}, {"chosen", "evaluator", "generated", "confidence"}),
     ({"use_mpd": False}, {"orthogonal", "reconstruction"}), ({"use_dpw": False}, set()), ({"use_mpdc": False}, set())],
)  # fmt: skip
def test_ablations(settings, gone):
    model = build(**settings).train()
    terms = set(model.config.loss_weights())
    assert set(build().config.loss_weights()) - terms == gone
    full = CORPUS.batch(COMPLETE_ROWS[:4])
    with torch.no_grad():
        teacher = build(prompted=False)(full)
    assert set(model.losses(teacher, model(missing.pattern(full, "vision")), full.label)) == terms
    assert hasattr(model, "before") == model.config.use_mpdc and hasattr(model, "disentangle") == model.config.use_mpd


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"generate": "maybe"}, "generate is 'maybe'; choose one of: evaluate, always, never"),
     ({"n_prompts": 1}, "n_prompts is 1"), ({"temperature": 0.0}, "temperature 0.0"), ({"rank": 0}, "rank 0"),
     ({"d_model": 10, "n_heads": 3}, "d_model 10 cannot be divided into n_heads 3")],
)  # fmt: skip
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(MsaError, match=message):
        build(**settings)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_mechanism_says_what_was_weighed(trained, pattern):
    model, manifest = methods.load(trained / "prompts", COMPACT.id)
    teacher = methods.load_teacher(trained / "prompts", manifest)
    batch = CORPUS.batch([COMPLETE_ROWS[0], COMPLETE_ROWS[0]])
    left = missing.pattern(batch, pattern)
    rows = replace(batch, present=torch.stack([left.present[0], batch.present[0]]),
                   **{k: {s: torch.stack([getattr(left, k)[s][0], getattr(batch, k)[s][0]]) for s in batch.features}
                      for k in ("features", "valid", "observed")})  # fmt: skip
    out, beside = model(rows), teacher(left)
    facts = model.mechanism(out, 0, 1, beside)
    assert sum(facts["prompt_weights"].values()) == pytest.approx(1, abs=1e-5)
    assert sum(facts["prompt_weights_full"].values()) == pytest.approx(1, abs=1e-5)
    for m in MODALITIES:
        verdict = facts["evaluator"][m]
        assert (verdict is None) == (m in PATTERNS[pattern])
        if verdict:
            assert verdict["decision"] == ("generated" if m in facts["imagined"] else "left out")
            assert (verdict["worth"] > verdict["threshold"]) == (verdict["decision"] == "generated")
            assert 0 <= verdict["confidence"] <= 1 and verdict["importance"] >= 0
        assert np.shape(facts["prompt_similarity"][m]) == (DEBUG.n_prompts, DEBUG.n_prompts)
        posterior = facts["prompt_posterior"][m]
        assert posterior is None or sum(posterior.values()) == pytest.approx(1, abs=1e-5)
        assert len(facts["attention_without_prompts"][m]) == len(facts["attention"][m])
    if pattern == missing.COMPLETE:
        assert facts["prompt_weights"] == pytest.approx(facts["prompt_weights_full"], abs=1e-5)


def test_thresholds_know_whether_there_is_imagined_text():
    model, left = build(), missing.pattern(CORPUS.batch(COMPLETE_ROWS[:4]), "audio")
    model.threshold.fill_(BOUND)
    model.threshold[2 + 8, 0] = -BOUND  # the voice is there and text imagined from it: generate the text
    assert model(left).trace["generated"].tolist() == [[True, False, False]] * 4
    assert not model(missing.without_simulated_text(left)).trace["generated"].any()


def test_another_shape_of_backbone_is_refused():
    with pytest.raises(MsaError, match="The teacher has n_heads 4, these prompts 2"):
        build().adopt(build(prompted=False, n_heads=4))


def test_nothing_held_out_changes_no_threshold():
    model = build()
    model.tune([])
    assert not model.threshold.any()


def test_a_variant_that_never_generates_has_no_evaluator():
    model, left = build(generate="never"), missing.pattern(CORPUS.batch(COMPLETE_ROWS[:2]), "audio")
    facts = model.mechanism(model(left), 0, 1)
    assert facts["evaluator"] is None and facts["imagined"] == [] and facts["text_simulated"] is False
