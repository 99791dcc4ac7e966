"""Do displayed weights mean anything: a model that is the truth gets full marks, and every control what it deserves."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from synthetic import DIMS, corpus
from torch import nn

from msa_core import checkpoint, methods
from msa_core.corpora.ragged import Ragged
from msa_core.errors import MsaError
from msa_core.evaluation import evaluate, faithfulness, subsets
from msa_core.features import COMPACT
from msa_core.methods import Displayed
from msa_core.missing import PATTERNS, pattern
from msa_core.schema import MODALITIES, STREAMS, Output
from msa_core.training.loop import TrainConfig, fit

WEIGHTS = np.array([0.6, 0.3, -0.2])  # of the ratings, for the score
CONTROLS = {"control: score / 3", "Shapley values"}


def rated(n=150, seed=0):
    """The synthetic corpus, complete, with three independent ratings and a score that is linear in them."""
    base, rng = corpus(n), np.random.default_rng(seed)
    ratings = rng.uniform(-3, 3, (n, 3))
    columns = {f"rating_{m}": ratings[:, i] for i, m in enumerate(MODALITIES)}
    whole = {s: Ragged.of([[2 * i, 2 * i + 1] for i in range(n)], np.int64) for s in STREAMS}
    return replace(base, index=whole, columns=columns, label=(0.4 + ratings @ WEIGHTS).astype(np.float32))


def transparent(n=150):
    """A rated corpus whose features say the ratings: one frame per clip and modality, the rating in channel 0."""
    base = rated(n)
    pools = dict(base.pools)
    for m in MODALITIES:
        values = np.random.default_rng(1).normal(size=(n, 1, DIMS[m]))
        values[:, 0, 0] = base.columns[f"rating_{m}"]
        pools[m] = Ragged.of(list(values), np.float32, DIMS[m])
    return replace(base, pools=pools, index=dict.fromkeys(STREAMS, Ragged.of([[i] for i in range(n)], np.int64)))


class Linear(nn.Module):
    """The human model itself: score = base + sum of weights times rating above the mean, 0 for what is missing."""

    def __init__(self, corpus_):
        super().__init__()
        train = corpus_.rows("train")
        self.mean = [corpus_.columns[f"rating_{m}"][train].mean() for m in MODALITIES]
        self.base = float(corpus_.label[train].mean(dtype=np.float64))

    def forward(self, batch):
        said = [w * (batch.features[m][:, 0, 0].double() - mean)
                for w, m, mean in zip(WEIGHTS, MODALITIES, self.mean, strict=True)]  # fmt: skip
        parts = torch.stack(said, 1) * batch.present
        return Output(score=self.base + parts.sum(1), joint=parts)

    def displayed(self, output):
        return {
            "truth": Displayed(output.joint, True),
            "size": Displayed(output.joint.abs(), False),
            "contrary": Displayed(1 / output.joint.abs(), False),
            "same": Displayed(torch.ones_like(output.joint), False),
        }


def build(name, seed=0):
    torch.manual_seed(seed)
    model = methods.build(name, asdict(methods.METHODS[name].Config.debug()), DIMS)
    model.set_statistics(rated().statistics(rated().rows("train")))
    return model.eval()


def test_known_contributions_by_hand():
    data = rated()
    train = data.rows("train")
    ratings = np.stack([data.columns[f"rating_{m}"] for m in MODALITIES], 1)
    rows = data.rows("test")[:7]
    found = faithfulness.known_contributions(data, rows)
    assert found == pytest.approx(WEIGHTS * (ratings[rows] - ratings[train].mean(0)), abs=1e-5)
    assert found.sum(1) == pytest.approx(data.label[rows] - data.label[train].mean(), abs=1e-4)


def test_known_contributions_fit_training_rows_only():
    data = rated()
    noisy = replace(data, label=np.where(data.split == "train", data.label, -data.label))
    rows = data.rows("test")
    assert np.array_equal(faithfulness.known_contributions(noisy, rows), faithfulness.known_contributions(data, rows))


def test_known_contributions_name_the_missing_column():
    with pytest.raises(MsaError, match="Corpus synthetic has no column 'rating_audio': the true contributions"):
        faithfulness.known_contributions(corpus(), np.arange(3))


@pytest.mark.parametrize("chosen", [("audio",), ("text", "vision"), MODALITIES])
def test_repairing_exchanges_the_chosen_entries_among_the_rows_and_nothing_else(chosen):
    data = rated()
    rows = data.rows("test")
    new = faithfulness.repaired(data, rows, chosen)
    others = np.setdiff1d(np.arange(len(data)), rows)
    for s in STREAMS:
        before, after = (np.reshape(c.index[s].values, (len(data), 2)) for c in (data, new))
        assert np.array_equal(before[others], after[others])
        assert sorted(before[rows].tolist()) == sorted(after[rows].tolist())  # a permutation of whole clips' pieces
        assert np.array_equal(before, after) == ((s if s in MODALITIES else "text") not in chosen)
        if s in MODALITIES:
            source = after[:, 0] // 2  # entries of clip i are 2 i and 2 i + 1: the clip that a piece came from
            assert np.array_equal(new.columns[f"rating_{s}"], data.columns[f"rating_{s}"][source])
    assert np.array_equal(new.label, data.label) and new.pools is data.pools
    assert faithfulness.repaired(data, rows, chosen).digest == new.digest
    assert faithfulness.repaired(data, rows, chosen, seed=1).digest != new.digest


def test_repairing_pairs_modalities_independently_and_moves_absences():
    data = corpus(150)  # one vision track in ten is absent; only the text is rated
    rows = data.rows("train")
    new = faithfulness.repaired(data, rows)
    for m in MODALITIES:
        lengths = [sorted(c.index[m].lengths[rows].tolist()) for c in (data, new)]
        assert lengths[0] == lengths[1]
    whole = faithfulness.repaired(rated(), rows)
    sources = [np.reshape(whole.index[m].values, (150, 2))[rows, 0] // 2 for m in MODALITIES]
    assert all((sources[a] == sources[b]).mean() < 0.1 for a, b in ((0, 1), (0, 2), (1, 2)))
    assert set(new.columns) == {"rating_text"}


def test_row_centred_correlation():
    rng = np.random.default_rng(0)
    values, truth, own = rng.normal(size=(40, 3)), rng.normal(size=(40, 3)), rng.normal(size=(40, 1))
    assert faithfulness.row_centred(truth, truth) == pytest.approx(1.0)
    assert faithfulness.row_centred(-truth, truth) == pytest.approx(-1.0)
    assert faithfulness.row_centred(np.tile(own / 3, (1, 3)), truth) is None
    assert faithfulness.row_centred(values + 100 * own, truth) == pytest.approx(faithfulness.row_centred(values, truth))
    assert faithfulness.row_centred(values, truth - own) == pytest.approx(faithfulness.row_centred(values, truth))


def test_row_centred_by_hand():
    values, truth = np.array([[1.0, 2.0, 3.0]]), np.array([[5.0, 9.0, 7.0]])  # ranks 1 2 3 and 1 3 2: 1 - 6 * 2 / 24
    assert faithfulness.row_centred(values, truth) == pytest.approx(0.5)


def test_top_1_by_hand():
    truth = np.array([[3.0, 1.0, 2.0], [0.0, 1.0, 0.0], [0.0, 1.0, 2.0], [1.0, 0.0, -1.0]])
    values = np.array([[9.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.1], [0.0, 0.0, 0.0]])  # the last: a tie, text
    assert faithfulness.top_1(values, truth) == 0.75


def test_shapley_values_by_hand_and_in_sum():
    scores = {p: np.random.default_rng(i).normal(size=5) for i, p in enumerate(PATTERNS)}
    values = faithfulness.shapley_values(scores, base=0.25)
    assert values.shape == (5, 3) and values.sum(1) == pytest.approx(scores["text+audio+vision"] - 0.25)
    simple = {p: np.array([float(len(members) ** 2)]) for p, members in PATTERNS.items()}
    assert faithfulness.shapley_values(simple, 0.0) == pytest.approx(np.full((1, 3), 3.0))  # 9, shared evenly
    text = 1 / 3 * 1 + 1 / 6 * (1 - 0) + 1 / 6 * (1 - 0) + 1 / 3 * (4 - 2)
    only = dict(zip(PATTERNS, map(np.array, ([1.0], [0.0], [0.0], [1.0], [1.0], [2.0], [4.0])), strict=True))
    assert faithfulness.shapley_values(only, 0.0)[0, 0] == pytest.approx(text)


def test_a_model_that_is_the_truth_gets_full_marks():
    """Also on clips that were paired anew: so ratings travel with their pieces."""
    data = transparent()
    model = Linear(data)
    found = faithfulness.follows_truth(model, data, model.base)
    perfect = {"natural": 1.0, "decorrelated": 1.0, "conflict_top_1": 1.0, "decorrelated_top_1": 1.0}
    for name, signed in (("truth", 1.0), ("Shapley values", 1.0), ("size", 0.0)):
        assert found[name] == pytest.approx(perfect | {"signed": signed}, abs=1e-3), name
    assert found["contrary"]["natural"] < -0.5 and found["contrary"]["conflict_top_1"] == 0.0
    assert found["same"]["natural"] is None and found["same"]["decorrelated"] is None


def test_controls_are_the_share_of_clips_where_their_modality_leads():
    data = transparent()
    model, rows = Linear(data), data.rows("test")
    found = faithfulness.follows_truth(model, data, model.base)
    truth = faithfulness.known_contributions(data, rows)
    ratings = np.stack([data.columns[f"rating_{m}"][rows] for m in MODALITIES], 1)
    conflict = np.ptp(ratings, axis=1) >= subsets.CONFLICT
    assert 0 < conflict.sum() < len(rows)
    first = faithfulness.known_contributions(data, data.rows("train"))
    for there, lead, ending in ((truth, first, ""), (np.abs(truth), np.abs(first), ", without sign")):
        often = np.bincount(lead.argmax(1), minlength=3).argmax()
        control = found[f"control: always {MODALITIES[often]}{ending}"]
        assert control["conflict_top_1"] == pytest.approx((there[conflict].argmax(1) == often).mean())
        assert control["natural"] is None and control["decorrelated"] is None
    third = found["control: score / 3"]
    assert third["natural"] is None
    assert third["conflict_top_1"] == pytest.approx((truth[conflict].argmax(1) == 0).mean())  # ties: text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shown"),
    [("sdumc", {"modality gates": 1.0}), ("promma", {"prompt weights": 0.0, "prompt push": 1.0}), ("baseline", {})],
)
def test_real_models_have_their_numbers_and_the_controls(name, shown):
    found = faithfulness.follows_truth(build(name), rated(), 0.4)
    always = {k for k in found if k.startswith("control: always")}
    heard = {faithfulness.AS_SHOWN} if build(name).reads_simulated_text else set()
    assert set(found) == set(shown) | CONTROLS | always | heard and len(always) == 2
    assert sum(k.endswith(", without sign") for k in always) == 1
    for key, numbers in found.items():
        assert numbers["signed"] == shown.get(key, float(not key.endswith("sign")))
        assert 0 <= numbers["conflict_top_1"] <= 1 and 0 <= numbers["decorrelated_top_1"] <= 1
        assert all(v is None or -1 <= v <= 1 for v in (numbers["natural"], numbers["decorrelated"]))
        assert (numbers["natural"] is None) == key.startswith("control")
    assert set(faithfulness.follows_model(build(name), rated())) == set(shown)


@pytest.mark.slow
def test_displayed_does_not_depend_on_how_rows_are_batched():
    data, model = rated(400), build("promma")  # more rows than one batch of displayed holds
    rows = np.arange(300)
    whole = faithfulness.displayed(model, data, rows)
    with torch.no_grad():
        part = model.displayed(model(data.batch(rows[290:])))
    assert set(whole) == {"prompt weights", "prompt push"}
    for name, (values, signed) in whole.items():
        assert values.shape == (300, 3) and signed == part[name].signed
        assert torch.allclose(values[290:], part[name].values, atol=1e-5)


def test_moves_go_down_with_the_numbers_of_a_perfect_model():
    data = transparent()
    model, rows = Linear(data), data.rows("test")
    found = faithfulness.follows_model(model, data)
    parts = np.abs(faithfulness.known_contributions(data, rows))
    ordered = np.sort(parts, 1)[:, ::-1].mean(0)
    for name in ("truth", "size"):
        assert found[name]["deletion"]["moves"] == pytest.approx(ordered, abs=1e-4)
        assert found[name]["deletion"]["top_1"] == 1.0
    assert found["contrary"]["deletion"]["moves"] == pytest.approx(ordered[::-1], abs=1e-4)
    assert found["contrary"]["deletion"]["top_1"] == 0.0
    assert found["same"]["deletion"]["moves"] == pytest.approx(parts.mean(0), abs=1e-4)  # ties keep their order
    shares = np.bincount(parts.argmax(1), minlength=3) / len(rows)
    assert found["truth"]["deletion"]["control"] == pytest.approx(shares.max())


def test_permutation_moves_by_what_another_clip_says():
    data = transparent()
    model, rows = Linear(data), data.rows("test")
    moved = []
    for i, m in enumerate(MODALITIES):
        other = faithfulness.repaired(data, rows, (m,))
        moved.append(
            np.abs(faithfulness.known_contributions(data, rows) - faithfulness.known_contributions(other, rows))[:, i]
        )
    found = faithfulness.follows_model(model, data)["same"]["permutation"]
    assert found["moves"] == pytest.approx(np.mean(moved, 1), abs=1e-4)
    assert found["top_1"] == pytest.approx((np.argmax(moved, 0) == 0).mean())


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three untrained runs beside each other, and the corpus."""
    folder = tmp_path_factory.mktemp("evidence")
    rated().save(folder / "corpus")
    for name, seed in (("sdumc", 0), ("sdumc", 1), ("promma", 0)):
        model = build(name, seed)
        facts = {"method": name, "feature_set": COMPACT.id, "config": asdict(model.config), "dims": DIMS}
        checkpoint.write(
            folder / "runs" / f"{name}-seed{seed}", model.state_dict(), {**facts, "mean_score": 0.1 + seed}
        )
    return folder


@pytest.mark.slow
def test_command_writes_what_it_reports(runs, tmp_path):
    out = tmp_path / "new" / "out"
    result = faithfulness.command(runs / "corpus", runs / "runs", ["sdumc", "promma"], out)
    assert json.loads((out / "synthetic-evidence.json").read_text()) == result
    assert [(r["label"], r["seeds"]) for r in result["rows"]] == [("sdumc", 2), ("promma", 1)]
    data = rated()
    rows = data.rows("test")
    ratings = np.stack([data.columns[f"rating_{m}"][rows] for m in MODALITIES], 1)
    assert result["n"] == len(rows) and result["conflict"] == (np.ptp(ratings, axis=1) >= subsets.CONFLICT).sum()
    by_seed = [faithfulness.follows_truth(build("sdumc", s), data, 0.1 + s)["modality gates"] for s in (0, 1)]
    mean = result["rows"][0]["truth"]["modality gates"]
    assert mean == pytest.approx({k: (by_seed[0][k] + by_seed[1][k]) / 2 for k in mean}, abs=1e-6)
    moves = [faithfulness.follows_model(build("sdumc", s), data)["modality gates"]["deletion"]["moves"] for s in (0, 1)]
    told = result["rows"][0]["model"]["modality gates"]["deletion"]["moves"]
    assert told == pytest.approx(np.mean(moves, 0), abs=1e-6)
    text = (out / "synthetic-evidence.md").read_text()
    assert text.startswith("# What displayed weights mean\n\n") and faithfulness.markdown(result) in text
    assert f"{result['n']} test clips, {result['conflict']} of them in conflict." in text


@pytest.mark.slow
def test_markdown_has_a_row_for_every_number(runs, tmp_path):
    result = faithfulness.command(runs / "corpus", runs / "runs", ["promma", "sdumc"], tmp_path)
    text = faithfulness.markdown(result)
    gates = result["rows"][1]["truth"]["modality gates"]
    cells = [f"{gates[k]:.2f}" for k in ("natural", "decorrelated", "conflict_top_1", "decorrelated_top_1")]
    assert f"| sdumc (2 seeds) | modality gates | {' | '.join(cells)} |" in text
    assert "| promma (1 seed) | prompt weights (without sign) |" in text and "| promma (1 seed) | prompt push |" in text
    assert "| promma (1 seed) | control: score / 3 | - | - |" in text and "without sign (without sign)" not in text
    weights = result["rows"][0]["model"]["prompt weights"]["permutation"]
    moves = " | ".join(f"{v:.2f}" for v in weights["moves"])
    assert f"| prompt weights | permutation | {moves} | {weights['top_1']:.2f} | {weights['control']:.2f} |" in text
    n_truth, n_model = (sum(len(r[k]) for r in result["rows"]) for k in ("truth", "model"))
    lines = [line for line in text.splitlines() if line.startswith(("| sdumc", "| promma"))]
    assert len(lines) == n_truth + 2 * n_model
    assert all(line.count("|") in (7, 9) for line in lines)


def test_command_names_the_runs_there_are(runs, tmp_path):
    with pytest.raises(MsaError, match=r"has no run 'corrkd'. There are: promma, sdumc\."):
        faithfulness.command(runs / "corpus", runs / "runs", ["sdumc", "corrkd"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_command_refuses_a_corpus_without_ratings_first(tmp_path):
    corpus(60).save(tmp_path / "corpus")
    with pytest.raises(MsaError, match="no column 'rating_audio'"):
        faithfulness.command(tmp_path / "corpus", tmp_path / "no runs", ["sdumc"], tmp_path)


def test_only_the_contributions_as_shown_read_simulated_text():
    data, model = rated(), build("sdumc")
    louder = {**data.pools, "simulated": replace(data.pools["simulated"], values=data.pools["simulated"].values * 3)}
    both = [faithfulness.follows_truth(model, c, 0.4) for c in (data, replace(data, pools=louder))]
    assert [n for n in both[0] if both[0][n] != both[1][n]] == [faithfulness.AS_SHOWN]
    deaf = faithfulness.follows_truth(build("corrkd"), data, 0.4)
    assert faithfulness.EXACT in deaf and faithfulness.AS_SHOWN not in deaf
    rows = data.rows("test")[:4]
    with torch.no_grad():
        heard = [model(pattern(c.batch(rows), "audio")).score for c in (data, replace(data, pools=louder))]
    assert not torch.allclose(*heard)


@pytest.mark.slow
def test_kept_scores_tell_the_contributions_as_shown(tmp_path):
    """Runs that are gone: the same numbers from their kept scores, beside what the report had."""
    data, corpus_, out = rated(), tmp_path / "corpus", tmp_path / "out"
    data.save(corpus_)
    debug = methods.METHODS["sdumc"].Config.debug()
    loops = [TrainConfig(epochs=1, batch=32, seed=seed) for seed in (0, 1)]
    found = [fit("sdumc", data, tmp_path / "runs" / f"sdumc-seed{loop.seed}", loop, debug) for loop in loops]
    evaluate.report(data, found, scores=tmp_path / "kept" / data.name)
    whole = faithfulness.command(corpus_, tmp_path / "runs", ["sdumc"], out)
    told = whole["rows"][0]["truth"].pop(faithfulness.AS_SHOWN)
    (out / "synthetic-evidence.json").write_text(json.dumps(whole))
    again = faithfulness.command(corpus_, None, ["sdumc"], out, tmp_path / "kept")
    truth = again["rows"][0]["truth"]
    for key in ("natural", "conflict_top_1"):
        assert truth[faithfulness.AS_SHOWN][key] == pytest.approx(told[key], abs=5e-3)  # kept with four decimals
    assert [truth[faithfulness.AS_SHOWN][k] for k in ("decorrelated", "decorrelated_top_1")] == [None, None]
    assert {n: m for n, m in truth.items() if n != faithfulness.AS_SHOWN} == whole["rows"][0]["truth"]
    assert list(truth)[-1].startswith("control") and json.loads((out / "synthetic-evidence.json").read_text()) == again
    with pytest.raises(MsaError, match="Give --runs; or --scores where"):
        faithfulness.command(corpus_, None, ["sdumc"], tmp_path / "none", tmp_path / "kept")
