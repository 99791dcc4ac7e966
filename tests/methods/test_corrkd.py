"""CorrKD beyond the contract: teacher and student, degenerate batches, classes, mechanism."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from synthetic import corpus
from torch.nn import functional as F

from msa_core import checkpoint, methods, missing
from msa_core.errors import CheckpointError, MsaError
from msa_core.features import COMPACT
from msa_core.methods import losses
from msa_core.methods.corrkd import CLASSES, STUDENT, TEACHER, CorrKDConfig
from msa_core.methods.losses import prototypes
from msa_core.missing import PATTERNS
from msa_core.training.loop import TrainConfig, fit

CORPUS = corpus(150)
DEBUG = CorrKDConfig.debug()
FAST = {"epochs": 2, "batch": 32}


def build(**settings):
    torch.manual_seed(settings.pop("seed", 0))
    model = methods.build("corrkd", {**asdict(DEBUG), **settings}, CORPUS.dims)
    model.set_statistics(CORPUS.statistics(CORPUS.rows("train")))
    return model


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A teacher and a student that learned from it, as checkpoint folders side by side."""
    folder = tmp_path_factory.mktemp("runs")
    complete, mrm = (TrainConfig(regime=r, **FAST) for r in ("complete", "mrm"))
    fit("corrkd", CORPUS, folder / "teacher", complete, replace(DEBUG, distil=False))
    fit("corrkd", CORPUS, folder / "student", mrm, DEBUG, teacher=folder / "teacher")
    return folder


def test_classes_are_the_rounded_score_or_its_sign():
    scores = torch.tensor([-3.0, -2.4, -0.6, -0.5, 0.0, 0.4, 0.6, 1.8, 3.0])
    assert build(n_classes=7).classes(scores).tolist() == [0, 1, 2, 3, 3, 3, 4, 5, 6]
    assert build(n_classes=3).classes(scores).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert set(CLASSES) == {3, 7}


def test_score_and_classes_are_read_out_of_the_joint_representation():
    model = build(n_classes=3).eval()
    with torch.no_grad():
        out = model(CORPUS.batch(np.arange(4)))
        seen = out.joint.clamp(min=0)
        assert torch.allclose(out.score, 3 * torch.tanh(model.read_out(seen).squeeze(-1) / 3))
        assert torch.allclose(out.logits, model.head(seen)) and out.logits.shape == (4, 3)


@pytest.mark.slow
@pytest.mark.parametrize("prototypes_", ["batch", "ema"])
@pytest.mark.parametrize("response", ["mutual_information", "kl", "none"])
@pytest.mark.parametrize("n_classes", [3, 7])
@pytest.mark.parametrize("case", ["one class", "one sample", "one pattern", "absent classes"])
def test_degenerate_batches_have_finite_terms_and_gradients(prototypes_, response, n_classes, case):
    student = build(prototypes=prototypes_, response=response, n_classes=n_classes).train()
    teacher = build(seed=1, distil=False, n_classes=n_classes).eval()
    rows = {"one sample": [0], "one pattern": np.arange(8)}.get(case, np.arange(6))
    batch = CORPUS.batch(rows)
    if case == "one class":
        batch = replace(batch, label=torch.full((6,), 2.0))
    if case == "absent classes":
        batch = replace(batch, label=torch.tensor([-3.0, -3.0, -2.9, 3.0, 3.0, 2.8]))
    left = missing.pattern(batch, "vision") if case == "one pattern" else missing.mrm(batch, seed=0)
    with torch.no_grad():
        full = teacher(batch)
    terms = student.losses(full, student(left), batch.label)
    assert all(torch.isfinite(t) for t in terms.values())
    sum(terms.values()).backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in student.parameters())
    if case == "one sample":
        assert terms["cpd"].item() == pytest.approx(0.0, abs=1e-6)


def test_a_student_that_is_its_teacher_loses_nothing_but_the_bound():
    student, batch = build().eval(), CORPUS.batch(np.arange(8))
    with torch.no_grad():
        out = student(batch)
        terms = student.losses(out, out, batch.label)
        assert terms["cpd"].item() == 0.0
        apart = replace(out, joint=50 * out.joint)
        assert student.losses(apart, apart, batch.label)["scd"].item() == 0.0


def test_the_teacher_gets_no_gradient():
    student, teacher, batch = build().train(), build(seed=1, distil=False).eval(), CORPUS.batch(np.arange(8))
    sum(student.losses(teacher(batch), student(missing.mrm(batch, 0)), batch.label).values()).backward()
    assert all(p.grad is None for p in teacher.parameters())


def test_simulated_text_is_read_where_there_is_no_text():
    plain, hearing = build().eval(), build(use_simulated=True).eval()
    assert (plain.reads_simulated_text, hearing.reads_simulated_text) == (False, True)
    assert plain.state_dict().keys() == hearing.state_dict().keys()
    batch = CORPUS.batch(np.arange(40))
    with torch.no_grad():
        for pattern in PATTERNS:
            left = missing.pattern(batch, pattern)
            moved = ~torch.isclose(plain(left).score, hearing(left).score, atol=1e-7)
            assert torch.equal(moved, left.valid["simulated"].any(1) & ~left.present[:, 0])


def test_ablations_drop_their_term():
    assert set(DEBUG.loss_weights()) == {"task", "score", "scd", "cpd", "rcd"}
    assert set(replace(DEBUG, use_scd=False).loss_weights()) == {"task", "score", "cpd", "rcd"}
    assert set(replace(DEBUG, use_cpd=False).loss_weights()) == {"task", "score", "scd", "rcd"}
    assert set(replace(DEBUG, response="none").loss_weights()) == {"task", "score", "scd", "cpd"}
    assert set(replace(DEBUG, distil=False).loss_weights()) == {"task", "score"}
    assert not any("critic" in n for n, _ in build(response="kl").named_parameters())


def test_prototypes_remember_when_asked_to():
    student, teacher = build(prototypes="ema", momentum=0.5).train(), build(seed=1, distil=False).eval()
    batch = CORPUS.batch(np.arange(12))
    with torch.no_grad():
        full, out = teacher(batch), student(missing.mrm(batch, 0))
        classes = student.classes(batch.label)
        now, there = prototypes(full.joint, classes, 7)
        student.losses(full, out, batch.label)
        assert torch.allclose(student.memory[TEACHER], now)
        student.losses(replace(full, joint=3 * full.joint), out, batch.label)
        assert torch.allclose(student.memory[TEACHER][there], 2 * now[there], atol=1e-5)
        assert (student.memory[:, ~there] == 0).all()
        before = student.eval().memory.clone()
        student.losses(full, out, batch.label)
        assert torch.equal(student.memory, before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_classes": 5}, "n_classes is 5; choose one of: 3, 7"),
        ({"prototypes": "queue"}, "prototypes is 'queue'; choose one of: batch, ema"),
        ({"response": "mse"}, "response is 'mse'; choose one of: mutual_information, kl, none"),
        ({"momentum": 1.0}, "momentum 1.0"),
        ({"margin": -1.0}, "margin -1.0"),
        ({"n_heads": 3}, "cannot be divided into n_heads 3"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(MsaError, match=message):
        build(**settings)


def test_a_student_without_a_fitting_teacher_is_refused(taught, tmp_path):
    config = TrainConfig(**FAST)
    with pytest.raises(MsaError, match="learns from a trained teacher and has none.*--teacher"):
        fit("corrkd", CORPUS, tmp_path / "run", config, DEBUG)
    with pytest.raises(MsaError, match="Train both with the same widths and classes"):
        fit("corrkd", CORPUS, tmp_path / "run", config, replace(DEBUG, n_classes=3), teacher=taught / "teacher")
    with pytest.raises(CheckpointError, match="No checkpoint"):
        fit("corrkd", CORPUS, tmp_path / "run", config, DEBUG, teacher=tmp_path / "nobody")
    narrow = corpus(60, dims={"text": 4, "audio": 4, "vision": 4, "simulated": 4})
    with pytest.raises(MsaError, match="has widths.*corpus synthetic has"):
        fit("corrkd", narrow, tmp_path / "run", config, DEBUG, teacher=taught / "teacher")
    with pytest.raises(MsaError, match="was trained on another corpus than this synthetic"):
        fit("corrkd", corpus(60, seed=1), tmp_path / "run", config, DEBUG, teacher=taught / "teacher")
    with pytest.raises(MsaError, match="must be corrkd, trained without a teacher on complete input"):
        fit("corrkd", CORPUS, tmp_path / "run", config, DEBUG, teacher=taught / "student")
    for name in ("baseline", "sdumc"):
        with pytest.raises(MsaError, match=f"{name} with these settings learns from no teacher"):
            debug = methods.METHODS[name].Config.debug()
            fit(name, CORPUS, tmp_path / "run", config, debug, teacher=taught / "teacher")


@pytest.mark.slow
def test_a_class_that_training_lacks_has_no_prototype(tmp_path):
    few = replace(CORPUS, label=np.clip(CORPUS.label, -2.2, 1.2).astype(np.float32))  # no -3, +2, +3
    teacher = fit("corrkd", few, tmp_path / "t", TrainConfig(regime="complete", **FAST), replace(DEBUG, distil=False))
    for memory in ("batch", "ema"):
        debug = replace(DEBUG, prototypes=memory)
        folder = fit("corrkd", few, tmp_path / memory, TrainConfig(regime="mrm", **FAST), debug, teacher=teacher)
        student, _ = methods.load(folder, COMPACT.id)
        batch = few.batch([0, 0])
        with torch.no_grad():
            facts = student.mechanism(student(batch), 0, 0, methods.load(teacher, COMPACT.id)[0](batch))
        for nearness in facts["prototype_similarity"].values():
            assert [k for k, v in nearness.items() if v is None] == ["-3", "+2", "+3"]


def test_the_typical_distance_is_that_of_clips_in_random_order():
    student, batch = build(), CORPUS.batch(np.arange(6))
    with torch.no_grad():
        out = student.eval()(batch)
        student.conclude([(out, out, batch.label), (replace(out, joint=out.joint[:1]), out, batch.label)][:1])
    want = (out.joint - out.joint.roll(1, 0)).norm(dim=1).mean()
    assert student.typical_distance.item() == pytest.approx(want.item(), rel=1e-5)


def test_the_form_of_the_paper_has_no_layer_between_pooling_and_classifier():
    model = build(fuse=False).eval()
    with torch.no_grad():
        out = model(CORPUS.batch(np.arange(4)))
        assert torch.allclose(out.logits, model.head(out.joint)) and not list(model.fuse.parameters())


def test_the_manifest_names_the_teacher_and_another_one_is_refused(taught, tmp_path):
    manifest = checkpoint.read_manifest(taught / "student")
    own = checkpoint.read_manifest(taught / "teacher")
    assert manifest["teacher"] == {"checkpoint": "teacher", "sha256": own["sha256"]["model.safetensors"]}
    assert own["teacher"] is None and methods.load_teacher(taught / "teacher", own) is None
    teacher = methods.load_teacher(taught / "student", manifest)
    batch = CORPUS.batch(np.arange(3))
    assert torch.equal(teacher(batch).score, methods.load(taught / "teacher", COMPACT.id)[0](batch).score)
    wrong = manifest | {"teacher": manifest["teacher"] | {"sha256": "0" * 64}}
    with pytest.raises(CheckpointError, match="is not the teacher that student learned from"):
        methods.load_teacher(taught / "student", wrong)
    with pytest.raises(CheckpointError, match="learned from nobody, which is neither beside it nor shipped"):
        methods.load_teacher(taught / "student", {"teacher": {"checkpoint": "nobody", "sha256": ""}})


def test_prototypes_over_the_training_data_are_kept(taught):
    student, _ = methods.load(taught / "student", COMPACT.id)
    teacher, _ = methods.load(taught / "teacher", COMPACT.id)
    batch = CORPUS.batch(CORPUS.rows("train"))
    with torch.no_grad():
        want, there = prototypes(teacher(batch).joint, student.classes(batch.label), 7)
    assert torch.allclose(student.prototypes[TEACHER], want, atol=1e-4)
    assert ((student.prototypes[STUDENT].abs().sum(1) > 0) == there).all() and student.typical_distance > 0


@pytest.mark.parametrize("pattern", PATTERNS)
def test_mechanism_says_what_teacher_and_student_make_of_a_clip(taught, pattern):
    student, manifest = methods.load(taught / "student", COMPACT.id)
    teacher = methods.load_teacher(taught / "student", manifest)
    rows = np.flatnonzero(CORPUS.batch(np.arange(150)).present.all(1).numpy())[:1]
    full = CORPUS.batch(rows)
    left = missing.pattern(full, pattern)
    with torch.no_grad():
        both = teacher(full), teacher(left)
        answers = replace(both[0], joint=torch.cat([a.joint for a in both]), logits=torch.cat([a.logits for a in both]))
        ours = student(left)
    facts = student.mechanism(ours, 0, 0, answers)
    responses = facts["class_responses"]
    target = CLASSES[7][int(both[0].logits[0].argmax())]
    for who, out in (("teacher_full", both[0]), ("teacher_left", both[1]), ("student", ours)):
        p = dict(zip(CLASSES[7], torch.softmax(out.logits[0], -1).tolist(), strict=True))
        assert responses["target"] == target and responses[who]["target"] == pytest.approx(p.pop(target))
        assert responses[who]["non_target"] == pytest.approx(p)
    distance = facts["distance"]
    assert distance["student"] == pytest.approx((ours.joint[0] - both[0].joint[0]).norm().item())
    assert distance["teacher_left"] == pytest.approx((both[1].joint[0] - both[0].joint[0]).norm().item(), abs=1e-5)
    assert distance["student_to_teacher_left"] == pytest.approx((ours.joint[0] - both[1].joint[0]).norm().item())
    nearness = facts["prototype_similarity"]["student"]
    want = torch.cosine_similarity(ours.joint[0], student.prototypes[STUDENT], dim=1).tolist()
    assert [v for v in nearness.values() if v is not None] == pytest.approx([w for w in want if w != 0], abs=1e-5)
    assert "class_responses" not in student.mechanism(ours, 0)


def emotional(distil=True, seed=0):
    model = build(distil=distil, seed=seed, emotions=("neutral", "happy", "sad"), dropout=0.0, head_dropout=0.0,
                  frame_dropout=0.0, input_dropout=(0.0,) * 3, input_noise=(0.0,) * 3)  # fmt: skip
    there = torch.from_numpy(np.random.default_rng(seed).random((12, 3)) < 0.4).float()
    return model.train(), there


def test_every_emotion_is_a_binary_task():
    """Each term against a plain loop over emotions and utterances."""
    student, there = emotional()
    teacher, batch = emotional(distil=False, seed=1)[0], CORPUS.batch(np.arange(12))
    with torch.no_grad():
        full = teacher(batch)
    left = student(missing.mrm(batch, seed=0))
    assert left.logits.shape == (12, 3, 2) and left.score.shape == (12, 3)
    assert torch.equal(left.score > 0, left.logits.argmax(-1) == 1)
    terms, y = student.losses(full, left, there), there.long()
    assert set(terms) == {"task", "scd", "cpd", "rcd"} == set(student.config.loss_weights())
    each = [F.cross_entropy(left.logits[:, e], y[:, e]) for e in range(3)]
    assert terms["task"].item() == pytest.approx(sum(each).item() / 3, rel=1e-5)
    gaps = []
    for e in range(3):
        for k in (0, 1):
            rows = y[:, e] == k
            own = [F.cosine_similarity(h, h[rows].mean(0)[None]) for h in (full.joint, left.joint)]
            gaps.append((own[0] - own[1]).abs().mean())
    assert terms["cpd"].item() == pytest.approx(sum(gaps).item() / 6, rel=1e-4)
    rcd = 0.0
    for e in range(3):
        for name, k in (("target", y[:, e]), ("non_target", 1 - y[:, e])):
            s, t = (o.logits[:, e].softmax(-1)[torch.arange(12), k][:, None] for o in (left, full))
            rcd -= losses.mutual_information(student.critic[name], s, t).item() / 3
    assert terms["rcd"].item() == pytest.approx(rcd, rel=1e-4)
    sum(terms.values()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in student.parameters())


def test_prototypes_of_emotions_are_kept_over_all_training_data():
    student, there = emotional()
    batch = CORPUS.batch(np.arange(12))
    with torch.no_grad():
        full, left = emotional(distil=False, seed=1)[0](batch), student(batch)
    student.conclude([(full, left, there)])
    for row, answer in ((TEACHER, full), (STUDENT, left)):
        for e in range(3):
            for k in (0, 1):
                mean = answer.joint[there[:, e] == k].mean(0)
                assert torch.allclose(student.prototypes[row, 2 * e + k], mean, atol=1e-6)
    assert set(student.mechanism(left, 0, teacher=full)) == {"attention"}
