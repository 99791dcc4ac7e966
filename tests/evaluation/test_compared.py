"""References of the same input: a row that reads simulated text is measured against those that read it too."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from synthetic import corpus

from msa_core.corpora.corpus import Corpus
from msa_core.corpora.ragged import Ragged
from msa_core.evaluation import compared, evaluate, finding, markdown, results
from msa_core.methods import METHODS, Recipe
from msa_core.missing import INCOMPLETE
from msa_core.training.loop import TrainConfig, fit

CORPUS = corpus(150)
VOICED = ("audio", "audio+vision")


def trained(
    folder: Path,
    regime: str,
    method: str = "baseline",
    data: Corpus = CORPUS,
    teacher: Path | None = None,
    **settings: Any,
) -> Path:
    config = replace(METHODS[method].Config.debug(), **settings)
    return fit(method, data, folder, TrainConfig(regime=regime, epochs=2, batch=32), config, teacher)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Late fusion in every role, with and without simulated text, and SDUMC with and without."""
    root = tmp_path_factory.mktemp("runs")
    for regime in ("complete", "subset", *INCOMPLETE):
        trained(root / f"plain {regime}-seed0", regime)
    for regime in ("subset", *VOICED):
        trained(root / f"hearing {regime}-seed0", regime, use_simulated=True)
    trained(root / "sdumc-seed0", "subset", "sdumc")
    trained(root / "deaf-seed0", "subset", "sdumc", use_simulated=False)
    return evaluate.report(CORPUS, sorted(root.iterdir()))


def test_every_row_says_whether_it_reads_imagined_text(report: dict[str, Any]) -> None:
    rows = {r["label"]: r for r in report["rows"]}
    reads = {label for label, r in rows.items() if r["reads_simulated_text"]}
    fills = {f"plain complete, absent = {fill}, simulated text" for fill in ("zero", "mean")}
    assert reads == {"hearing subset", "hearing audio", "hearing audio+vision", "sdumc", *fills}
    # Simulated text changes only what the voice is left of.
    naive = [rows[f"plain complete, absent = zero{told}"]["table"] for told in ("", ", simulated text")]
    same = {p for p in INCOMPLETE if naive[0][p] == naive[1][p]}
    assert set(INCOMPLETE) - same == {"audio", "audio+vision", "text+audio"}  # a twentieth of the texts is missing
    assert naive[0]["text+audio+vision"] != naive[1]["text+audio+vision"]


def test_the_gap_is_measured_between_references_of_the_same_input(report: dict[str, Any]) -> None:
    rows = {r["label"]: r for r in report["rows"]}
    for simulated, ends in ((False, report), (True, report["with_simulated_text"])):
        naive = [r for r in report["rows"] if r["kind"] == "naive" and r["reads_simulated_text"] is simulated]
        assert ends["naive"]["six"] == min(r["six"] for r in naive)
        own = {p: f"{'hearing' if simulated and p in VOICED else 'plain'} {p}" for p in INCOMPLETE}
        mean = np.mean([rows[name]["table"][p]["mae"] for p, name in own.items()])
        assert ends["specialists"] == pytest.approx(mean, abs=1e-6)
        row = rows["sdumc" if simulated else "deaf"]
        assert row["distance"] == pytest.approx(row["six"] / mean - 1)
        masked = rows["hearing subset" if simulated else "plain subset"]
        assert masked["against_masked"] is None
        assert row["against_masked"][0] == pytest.approx(row["six"] - masked["six"], abs=1e-6)
        assert row["against_masked"][1] <= row["against_masked"][0] <= row["against_masked"][2]
        if row["gap_closed"] is not None:
            n, s = ends["naive"]["six"], ends["specialists"]
            assert row["gap_closed"] == pytest.approx((n - row["six"]) / (n - s))
        # One reference for all, so that rows of different input can be compared with each other.
        assert row["against_plain"][0] == pytest.approx(row["six"] - rows["plain subset"]["six"], abs=1e-6)
    assert rows["plain subset"]["against_plain"] is None and rows["hearing subset"]["against_plain"] is not None


def test_the_tables_say_which_reference_it_is(report: dict[str, Any]) -> None:
    table = markdown.headline(report)
    assert table.startswith("| test MAE | simulated text | text |") and "against masked (95 %)" in table
    assert [line.split(" | ")[1] for line in table.splitlines() if "a specialist for each" in line] == ["no", "yes"]
    assert "| SDUMC (1 seed) | yes |" in table and "| deaf (1 seed) | no |" in table
    told = results.rows_of(report, everything=False)[-2:]
    assert [r["six"] for r in told] == [report["specialists"], report["with_simulated_text"]["specialists"]]
    for row in told:
        mean = np.mean([row["table"][p]["mae"] for p in INCOMPLETE])
        assert row["six"] == pytest.approx(mean, abs=1e-6)
    shown = results.table(report, "headline")
    assert {line.name for line in shown.lines if line.reads_simulated} >= {"sdumc", "hearing subset"}
    said = finding.sentences(report, everything=False)
    assert said is not None and "measured against “hearing subset”, which reads it too." in said[1]


def test_without_simulated_text_there_is_one_input(tmp_path: Path) -> None:
    mute = replace(CORPUS, index={**CORPUS.index, "simulated": Ragged.of([[] for _ in CORPUS.ids], np.int64)})
    folders = [trained(tmp_path / f"{m}-seed0", "subset", m, mute) for m in ("baseline", "sdumc")]
    found = evaluate.report(mute, folders)
    rows = {r["label"]: r for r in found["rows"]}
    assert not any(r["reads_simulated_text"] for r in found["rows"]) and "with_simulated_text" not in found
    assert rows["sdumc"]["against_masked"] == rows["sdumc"]["against_plain"] is not None
    assert "simulated text" not in markdown.headline(found)


@pytest.mark.parametrize("method", METHODS)
def test_an_ablation_stands_beside_the_row_that_it_changes(method: str) -> None:
    recipes = METHODS[method].recipes()
    groups: Any = [SimpleNamespace(recipe=recipe, run_name=recipe.run_name) for recipe in recipes]
    for group in groups:
        changed = compared._changed(group, groups)
        if group.recipe.kind == "ablation":
            assert changed is not None and changed is not group
            assert compared._changed(group, [g for g in groups if g is not changed]) is None  # no other takes its place
        else:
            assert changed is None
    variant = SimpleNamespace(recipe=Recipe("x", "X, a = b", "variant", changes="x"), run_name="x")
    itself: Any = SimpleNamespace(recipe=Recipe("x", "X", "method"), run_name="x")
    found: Any = compared._changed(variant, [variant, itself])  # type: ignore[arg-type, list-item]
    assert found is itself


def test_the_table_of_ablations_measures_against_what_is_changed(report: dict[str, Any]) -> None:
    rows = [{**row, "kind": "ablation", "against_changed": [0.012, -0.003, 0.02]} for row in report["rows"][-1:]]
    table = markdown.headline({**report, "rows": rows}, ablations=True).splitlines()
    assert table[0].endswith("| against what it changes (95 %) |")
    assert table[2].endswith("| +0.012 (-0.003 to +0.020) |")
    assert "what it changes" not in markdown.headline(report)
    assert all(row["against_changed"] is None for row in report["rows"] if row["kind"] != "constant")


def test_the_sentence_under_the_ablations_names_those_whose_whole_interval_is_on_one_side(
    report: dict[str, Any],
) -> None:
    found = {"A": [0.02, 0.001, 0.04], "B": [0.01, -0.001, 0.02], "C": [-0.02, -0.04, -0.001], "D": None}
    rows = [{**report["rows"][-1], "kind": "ablation", "title": t, "against_changed": d} for t, d in found.items()]
    sentence = markdown.ablations({**report, "rows": rows}).splitlines()[-1]
    assert sentence.startswith("Farther from the labels than what it changes, beyond chance: *A*. Nearer: *C*. ")
    without = markdown.ablations({**report, "rows": rows[1:2]}).splitlines()[-1]
    assert "beyond chance: none. Nearer: none." in without
    assert markdown.ablations({**report, "rows": rows[3:]}).splitlines()[-1].startswith("|")


def test_a_teacher_that_was_trained_otherwise_since_gives_no_price(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    CORPUS.save(tmp_path / "corpus")
    teacher = trained(runs / "t-seed0", "complete", "corrkd", distil=False)
    trained(runs / "s-seed0", "subset", "corrkd", teacher=teacher)

    def student() -> dict[str, Any]:
        found = evaluate.command(tmp_path / "corpus", runs, tmp_path / "out", jobs=1)
        return next(row for row in found["rows"] if row["label"] == "s")

    assert student()["complete_model"] == "t" and student()["price"] is not None
    assert "warning" not in capsys.readouterr().err
    trained(runs / "t-seed0", "complete", "corrkd", distil=False, dropout=0.3)
    assert student()["complete_model"] is None and student()["price"] is None
    said = "warning: s has no price: it learned from other weights than those that are now in t-seed0. Train it again"
    assert said in capsys.readouterr().err


def test_one_speaker_has_no_interval_and_no_verdict(tmp_path: Path) -> None:
    alone = replace(CORPUS, columns={**CORPUS.columns, "speaker": np.zeros(len(CORPUS))})
    for regime in ("complete", "subset", *INCOMPLETE):
        trained(tmp_path / f"{regime}-seed0", regime, data=alone)
    trained(tmp_path / "sdumc-seed0", "subset", "sdumc", data=alone, use_simulated=False)
    result = json.loads(json.dumps(evaluate.report(alone, sorted(tmp_path.iterdir())), allow_nan=False))
    row, masked = (next(r for r in result["rows"] if r["label"] == label) for label in ("sdumc", "subset"))
    assert result["one_cluster"] is True and row["gap_interval"] is None
    assert row["against_masked"] == [pytest.approx(row["six"] - masked["six"]), None, None]
    written, told = markdown.markdown(result), finding.sentences(result, everything=True)
    assert f"| {row['against_masked'][0]:+.3f} |" in written and "beyond chance" not in written
    assert told is not None and "reliably beat the" not in told[0] and "one row is clearly" not in told[0]
    shown = results.table(result, "headline")
    assert all(cell.interval is None for line in shown.lines for cell in line.cells)
