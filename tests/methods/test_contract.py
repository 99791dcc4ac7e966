"""Contract of every registered method, with every pattern and batch size: a new method is tested once registered."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import AS_TEACHER, DIMS, corpus

from msa_core import checkpoint, methods, missing
from msa_core.errors import CheckpointError, MsaError
from msa_core.features import COMPACT, TUNED
from msa_core.methods import METHODS
from msa_core.methods.layers import (
    AttentionPool,
    ConvFrameEncoder,
    FrameEncoder,
    Frames,
    Standardise,
    dropout_factor,
    remembering,
)
from msa_core.methods.sequences import SelfAttention, SequenceEncoder
from msa_core.missing import PATTERNS
from msa_core.schema import MODALITIES, STREAMS, Batch

CORPUS = corpus(40)
COMPLETE_ROWS = np.flatnonzero(CORPUS.batch(np.arange(40)).present.all(1).numpy())
STATISTICS = CORPUS.statistics(CORPUS.rows("train"))
every_method = pytest.mark.parametrize("name", METHODS)


def build(name, **settings_):
    torch.manual_seed(0)
    model = methods.build(name, {**asdict(METHODS[name].Config.debug()), **settings_}, DIMS)
    model.set_statistics(STATISTICS)
    return model


def run(model, batch):
    with torch.no_grad():
        return model.eval()(batch).score


def terms_of(model, full, left, out=None):
    """Compute `losses`, with the complete flow of the model itself or of a teacher, where it needs one."""
    flow = None
    if model.double_flow:
        flow = model(full)
    elif model.needs_teacher:
        with torch.no_grad():
            flow = teacher_of(model).eval()(full)
    return model.losses(flow, model(left) if out is None else out, full.label)


def teacher_of(student):
    torch.manual_seed(1)
    model = methods.build(student.name, {**asdict(student.config), **AS_TEACHER[student.name]}, DIMS)
    model.set_statistics(STATISTICS)
    return model.requires_grad_(False)


def changed(batch, part, **tensors):
    return replace(batch, **{part: {**getattr(batch, part), **tensors}})


@every_method
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [1, 3])
def test_contract(name, pattern, size):
    model, full = build(name).train(), CORPUS.batch(COMPLETE_ROWS[:size])
    left = missing.pattern(full, pattern)
    out = model(left)
    assert out.score.shape == (size,) and torch.isfinite(out.score).all() and (out.score.abs() <= 3).all()
    assert out.joint.shape[0] == size and torch.isfinite(out.joint).all()
    assert all(t.shape[0] == size for t in out.trace.values())
    terms = terms_of(model, full, left, out)
    assert set(terms) == set(model.config.loss_weights())
    assert all(t.shape == () and torch.isfinite(t) for t in terms.values())
    mechanism = model.eval().mechanism(model(left), size - 1)
    for m, weights in mechanism["attention"].items():
        assert len(weights) == model(left).trace[f"attention_{m}"].shape[1]


def test_a_method_and_its_checkpoints_name_a_panel(tmp_path):
    for name, method in METHODS.items():
        assert method.panel in methods.PANELS and methods.panel_of(name) == method.panel
        checkpoint.write(tmp_path / name, build(name).state_dict(), {"method": name})
        assert methods.panel_of(str(tmp_path / name)) == method.panel
    assert methods.panel_of("nobody") == "attention"
    assert {m.panel for m in METHODS.values()} == set(methods.PANELS)


@every_method
def test_every_trainable_parameter_gets_a_gradient(name):
    model, full = build(name).train(), CORPUS.batch(COMPLETE_ROWS[:8])
    for pattern in PATTERNS:
        terms = terms_of(model, full, missing.pattern(full, pattern))
        sum(terms.values()).backward()
    dead = [n for n, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert dead == [] and all(torch.isfinite(p.grad).all() for p in model.parameters() if p.requires_grad)


@every_method
@given(poison=st.sampled_from([float("nan"), float("inf"), 1e6]), pattern=st.sampled_from(list(PATTERNS)[:-1]))
@settings(max_examples=12, deadline=None)
def test_absent_features_are_never_read(name, poison, pattern):
    model = build(name).eval()
    left = missing.pattern(CORPUS.batch(COMPLETE_ROWS[:3]), pattern)
    want = run(model, left)
    absent = {s: torch.where(left.valid[s][..., None], left.features[s], poison).requires_grad_() for s in STREAMS}
    score = model(changed(left, "features", **absent)).score
    assert torch.equal(score, want)
    score.sum().backward()
    for s in STREAMS:
        gradient = absent[s].grad
        assert gradient is None or (gradient[~left.valid[s]] == 0).all()


@every_method
def test_dropped_frames_are_never_read(name):
    model, batch = build(name), missing.frame(CORPUS.batch(COMPLETE_ROWS[:4]), 0.4, seed=0)
    poisoned = {s: torch.where(batch.observed[s][..., None], batch.features[s], torch.nan) for s in STREAMS}
    assert torch.equal(run(model, batch), run(model, changed(batch, "features", **poisoned)))


@every_method
@given(extra=st.integers(1, 9), pattern=st.sampled_from(list(PATTERNS)))
@settings(max_examples=12, deadline=None)
def test_padding_and_order_change_nothing(name, extra, pattern):
    model, batch = build(name), missing.pattern(CORPUS.batch(COMPLETE_ROWS[:5]), pattern)
    want = run(model, batch)
    pad = torch.nn.functional.pad
    longer = Batch(
        {s: pad(batch.features[s], (0, 0, 0, extra)) for s in STREAMS},
        {s: pad(batch.valid[s], (0, extra)) for s in STREAMS},
        {s: pad(batch.observed[s], (0, extra)) for s in STREAMS},
        batch.present,
        ids=batch.ids,
    )
    assert torch.allclose(run(model, longer), want, atol=1e-5)
    order = COMPLETE_ROWS[[3, 0, 4]]
    assert torch.allclose(run(model, missing.pattern(CORPUS.batch(order), pattern)), want[[3, 0, 4]], atol=1e-5)


@every_method
def test_one_clip_equals_the_same_clip_in_a_mixed_batch(name):
    model, batch = build(name), missing.subset(CORPUS.batch(np.arange(12)), seed=1)
    alone = [run(model, missing.subset(CORPUS.batch([i]), seed=1)) for i in range(12)]
    assert torch.allclose(torch.cat(alone), run(model, batch), atol=1e-5)


@every_method
def test_nothing_left_is_finite(name):
    model, batch = build(name), CORPUS.batch([0, 1])
    nothing = missing.pattern(missing.pattern(batch, "text"), "vision")
    assert not nothing.present.any() and torch.isfinite(run(model, nothing)).all()
    gone = missing.frame(batch, 1.0, seed=0)
    assert torch.allclose(run(model, gone), run(model, nothing), atol=1e-6)


@every_method
@pytest.mark.parametrize("pattern", PATTERNS)
def test_one_frame_is_enough(name, pattern):
    """NaN of a deviation over one frame would leave the utterance out of every measure."""
    model, whole = build(name), missing.pattern(CORPUS.batch(COMPLETE_ROWS[:2]), pattern)
    first = {s: whole.observed[s].cumsum(1) == 1 for s in STREAMS}
    one = changed(whole, "observed", **{s: whole.observed[s] & first[s] for s in STREAMS})
    score = run(model, one)
    assert torch.isfinite(score).all() and (score.abs() <= 3).all()


@every_method
def test_forward_never_reads_the_score(name):
    model, batch = build(name), CORPUS.batch([0, 1])
    assert torch.equal(run(model, batch), run(model, replace(batch, label=None)))


@every_method
def test_save_load_same_score(name, tmp_path):
    model, batch = build(name).eval(), CORPUS.batch(COMPLETE_ROWS[:3])
    manifest = {"method": name, "config": asdict(model.config), "dims": DIMS, "feature_set": COMPACT.id}
    folder = tmp_path / "m"
    checkpoint.write(folder, model.state_dict(), manifest, methods.golden(model, batch))
    again, _ = methods.load(folder, COMPACT.id)
    assert torch.equal(run(again, batch), run(model, batch)) and not again.training
    assert methods.verify_golden(again, folder) == 0.0
    with torch.no_grad():
        for p in again.parameters():
            p += 0.1 * torch.randn_like(p)
    with pytest.raises(CheckpointError, match="away from its recorded scores"):
        methods.verify_golden(again, folder)


def test_load_refuses(tmp_path):
    model = build("baseline")
    good = {"method": "baseline", "config": asdict(model.config), "dims": DIMS, "feature_set": COMPACT.id}

    def written(name, **facts):
        checkpoint.write(tmp_path / name, model.state_dict(), {**good, **facts})
        return tmp_path / name

    with pytest.raises(CheckpointError, match="needs features 'large-v1', these are 'compact-v1'. Extract"):
        methods.load(written("a", feature_set="large-v1"), COMPACT.id)
    with pytest.raises(CheckpointError, match="needs features 'compact-v2', these are 'compact-v1'"):
        methods.load(written("e", feature_set=TUNED.id), COMPACT.id)
    assert methods.load(written("f"), TUNED.id)[1]["feature_set"] == COMPACT.id, "a refined set is read too"
    with pytest.raises(CheckpointError, match="of method 'mult', which is unknown. Valid methods: baseline"):
        methods.load(written("b", method="mult"), COMPACT.id)
    with pytest.raises(CheckpointError, match="does not fit method 'sdumc'"):
        methods.load(written("c", method="sdumc", config=asdict(METHODS["sdumc"].Config.debug())), COMPACT.id)
    with pytest.raises(MsaError, match="has no setting 'depth'"):
        methods.load(written("d"), COMPACT.id, {"depth": 3})
    with pytest.raises(MsaError, match="Unknown method 'x'"):
        methods.build("x", {}, DIMS)


def test_sdumc_simulated_text_speaks_only_when_the_text_is_missing():
    batch = CORPUS.batch(COMPLETE_ROWS[:4])
    other = changed(batch, "features", simulated=torch.randn_like(batch.features["simulated"]))
    model = build("sdumc")
    assert torch.equal(run(model, batch), run(model, other))
    silent = [missing.pattern(b, "audio+vision") for b in (batch, other)]
    assert not torch.allclose(*(run(model, b) for b in silent))
    without = [missing.without_simulated_text(b) for b in silent]
    assert torch.equal(*(run(model, b) for b in without))
    ablated = build("sdumc", use_simulated=False)
    assert torch.equal(*(run(ablated, b) for b in silent))


def test_sdumc_mia_touches_only_the_rows_that_miss_something():
    model, batch = build("sdumc"), CORPUS.batch(COMPLETE_ROWS[:4])
    want = run(model, batch)
    with torch.no_grad():
        for n, p in model.named_parameters():
            if n.startswith("imagine"):
                p.add_(1.0)
    assert torch.equal(run(model, batch), want)
    left = missing.pattern(batch, "text+audio")
    assert not torch.allclose(run(model, left), run(build("sdumc"), left))
    assert not any(n.startswith("imagine") for n, _ in build("sdumc", use_mia=False).named_parameters())
    assert "rnc" not in build("sdumc", use_rnc=False).config.loss_weights()


def test_sdumc_representation_similarity_follows_what_is_missing():
    model, full = build("sdumc").eval(), CORPUS.batch(COMPLETE_ROWS[:4])
    nothing_missing = model.losses(model(full), model(full), full.label)
    assert all(nothing_missing[k].item() == 0.0 for k in ("rs_view", "rs_attention", "mkd"))
    gone = model.losses(model(full), model(missing.pattern(full, "text+audio")), full.label)
    assert gone["rs_view"] > 0 and gone["rs_attention"] > 0
    ignored = build("sdumc", rs_modalities=(1.0, 1.0, 0.0)).eval()
    terms = ignored.losses(ignored(full), ignored(missing.pattern(full, "text+audio")), full.label)
    assert terms["rs_view"].item() == 0.0 and terms["rs_attention"].item() == 0.0


def test_sdumc_attention_is_a_distribution_over_usable_frames():
    model, batch = build("sdumc").eval(), missing.frame(CORPUS.batch(COMPLETE_ROWS[:4]), 0.3, seed=0)
    trace = model(batch).trace
    for m in MODALITIES:
        for kind in ("attention", "pooling"):
            weights = trace[f"{kind}_{m}"]
            assert torch.allclose(weights.sum(1), torch.ones(4), atol=1e-5)
            assert (weights[~batch.observed[m]][1:] == 0).all()


def test_attention_pool_equals_torch():
    torch.manual_seed(0)
    pool, x, keep = AttentionPool(6, scale=1.0), torch.randn(3, 5, 6), torch.ones(3, 5, dtype=torch.bool)
    keep[1, 3:] = False
    row, place = keep.nonzero(as_tuple=True)
    pooled, _ = pool(Frames(x[row, place], row, place, (3, 5)))
    keys, query = torch.tanh(pool.key(x)), pool.context.T.expand(3, 1, 6)
    want = torch.nn.functional.scaled_dot_product_attention(query, keys, x, attn_mask=keep[:, None], scale=1.0)
    assert torch.allclose(pooled, want.squeeze(1), atol=1e-6)


def test_self_attention_equals_torch():
    torch.manual_seed(0)
    ours, x = SelfAttention(12, n_heads=3, d_feedforward=20, dropout=0.0).eval(), torch.randn(3, 5, 12)
    theirs = torch.nn.TransformerEncoderLayer(12, 3, 20, 0.0, batch_first=True, norm_first=True).eval()
    pairs = {"self_attn.in_proj_": "projection.", "self_attn.out_proj.": "output.", "norm1.": "norm.",
             "norm2.": "norm_feedforward.", "linear1.": "feedforward.0.0.", "linear2.": "feedforward.1."}  # fmt: skip
    own = ours.state_dict()
    theirs.load_state_dict({t + k: own[o + k] for t, o in pairs.items() for k in ("weight", "bias")})
    keep = torch.ones(3, 5, dtype=torch.bool)
    keep[1, 3:] = keep[2, 1:] = False
    y, weights = ours(x, keep)
    assert torch.allclose(y[keep], theirs(x, src_key_padding_mask=~keep)[keep], atol=1e-6)
    assert torch.allclose(weights.sum(-1), torch.ones(3, 3, 5)) and (weights.permute(0, 3, 1, 2)[~keep] == 0).all()
    with pytest.raises(MsaError, match="d_model 10 cannot be divided into n_heads 3"):
        SelfAttention(10, 3, 8, 0.0)


def test_convolution_equals_torch_with_zeros_for_what_does_not_take_part():
    torch.manual_seed(0)
    ours, x, keep = ConvFrameEncoder(4, 6).eval(), torch.randn(2, 7, 4), torch.rand(2, 7) > 0.3
    theirs = torch.nn.Conv1d(4, 6, 3, padding=1)
    with torch.no_grad():
        ours.projection.weight.normal_()
        ours.bias.normal_()
        theirs.weight.copy_(ours.projection.weight.view(3, 6, 4).permute(1, 2, 0))
        theirs.bias.copy_(ours.bias)
    want = theirs(torch.where(keep[..., None], x, 0.0).mT).mT
    assert torch.allclose(
        ours.sequence(torch.where(keep[..., None], x, torch.nan), keep, Standardise(4)), want, atol=1e-6
    )


@every_method
def test_several_batches_are_scored_as_one_by_one(name):
    model = build(name).eval()
    batches = [missing.pattern(CORPUS.batch(COMPLETE_ROWS[:4]), "audio"), CORPUS.batch(COMPLETE_ROWS[4:7])]
    with torch.no_grad():
        for found, batch in zip(model.each(batches), batches, strict=True):
            want = model(batch)
            assert torch.allclose(found.score, want.score, atol=1e-6)
            assert torch.allclose(found.joint, want.joint, atol=1e-5) and found.trace.keys() == want.trace.keys()
            for key, value in want.trace.items():
                assert found.trace[key].shape == value.shape, key
                assert torch.allclose(found.trace[key].float(), value.float(), atol=1e-5), key


@pytest.mark.slow
@every_method
def test_answers_from_memory_are_those_computed(name):
    """All patterns of one batch, then another batch: nothing is mistaken for something seen before."""
    model = build(name).eval()
    batches = [missing.pattern(CORPUS.batch(rows), p) for rows in (COMPLETE_ROWS[:5], COMPLETE_ROWS[5:10])
               for p in PATTERNS]  # fmt: skip
    batches += [missing.frame(batches[-1], 0.5, seed) for seed in (0, 1)]
    with torch.no_grad():
        plain = [model(b).score for b in batches]
        with remembering():
            for _ in range(2):
                assert all(torch.equal(model(b).score, p) for b, p in zip(batches, plain, strict=True))


def test_memory_spares_the_work_and_ends(monkeypatch):
    encoder, calls = FrameEncoder(3, 4).eval(), []
    monkeypatch.setattr(encoder.projection, "forward", lambda x, f=encoder.projection.forward: calls.append(1) or f(x))
    x, keep, plain = torch.randn(2, 5, 3), torch.ones(2, 5, dtype=torch.bool), Standardise(3)
    fewer = keep.clone()
    fewer[0, 4] = False
    with remembering(), torch.no_grad():
        first = encoder(x, keep, plain)
        assert encoder(x, keep.clone(), plain) is first and encoder(x[:, :5], keep, plain) is first and len(calls) == 1
        assert encoder(x, fewer, plain) is not first and encoder(x.clone(), keep, plain) is not first
        assert len(calls) == 3 and encoder.train()(x, keep, plain) is not first
        assert encoder.eval()(x, keep, Standardise(3)) is not first
        with torch.enable_grad():
            assert encoder(x, keep, plain).values.requires_grad
    with torch.no_grad():
        assert encoder(x, keep, plain) is not first
        with remembering():
            assert encoder(x, keep, plain) is not first


def test_memory_tells_prompts_apart():
    encoder, x, keep = (
        SequenceEncoder(5, 8, 2, 1, 12, 0.0, (0.0, 0.0, 0.0)).eval(),
        torch.randn(2, 4, 5),
        torch.ones(2, 4) > 0,
    )
    plain, (one, other) = Standardise(5), ([(torch.randn(2, 8), torch.randn(8))] for _ in range(2))
    with remembering(), torch.no_grad():
        first, _, _ = encoder(x, keep, plain, one)
        for prompts in (other, []):
            assert not torch.allclose(encoder(x, keep, plain, prompts)[0], first)
        assert encoder(x, keep, plain, [(t.clone(), r) for t, r in one])[0] is first


def test_dropout_rate_and_mean():
    torch.manual_seed(0)
    factor = dropout_factor(torch.zeros(()), (1000, 100), 0.3)
    assert abs((factor == 0).float().mean() - 0.3) < 0.01 and abs(factor.mean() - 1) < 0.01


@pytest.mark.slow
def test_baseline_fill_mean_is_the_running_mean():
    model, batch = (
        build("baseline", dropout=0.0, input_noise=(0.0, 0.0, 0.0), input_dropout=(0.0, 0.0, 0.0)),
        CORPUS.batch(COMPLETE_ROWS),
    )
    model.train()
    for _ in range(250):
        model(batch)
    mean = model.mean_vector.clone()
    model.eval()
    frames = {m: model.encode[m](batch.features[m], batch.valid[m], model.standardise[m]) for m in MODALITIES}
    for i, m in enumerate(MODALITIES):
        active = replace(frames[m], values=torch.nn.functional.gelu(frames[m].values))
        want = model.utterance[m](model.pool[m](active)[0]).mean(0)
        assert torch.allclose(mean[i], want, atol=5e-3)
    with pytest.raises(MsaError, match="fill is 'median'; choose one of: zero, mean"):
        build("baseline", fill="median")
