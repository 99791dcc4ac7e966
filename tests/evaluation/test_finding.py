"""The headline finding: winners only beyond chance, ties and the constant said, over the rows that are drawn."""

from __future__ import annotations

from typing import Any

import pytest
from evaluations import PATTERNS

from msa_core.evaluation import finding, results
from msa_core.i18n import use


def row(label: str, kind: str, mae: float, sd: float = 0.01, **stored: Any) -> dict[str, Any]:
    return {"label": label, "title": label.upper(), "kind": kind, "seeds": 5, "six": mae, "six_sd": sd,
            "table": {p: {"mae": mae} for p in PATTERNS}, "sd": {p: {"mae": sd} for p in PATTERNS},
            **stored}  # fmt: skip


def made(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"corpus": "made-up", "patterns": PATTERNS, "naive": {"label": "naive"}, "rows": list(rows)}


def names(rows: Any) -> list[str]:
    return [r.title for r in rows]


CONSTANT = row("constant", "constant", 1.6, 0.0)
MASKED = row("masked", "masked", 1.0)


def said(result: dict[str, Any], everything: bool = False) -> str:
    told = finding.sentences(result, everything)
    assert told is not None
    return told[0]


def test_a_clear_winner_is_named() -> None:
    result = made(CONSTANT, MASKED, row("a", "method", 0.8, against_masked=[-0.2, -0.3, -0.1]))
    assert said(result) == (
        "On made-up, over the 6 incomplete patterns, one row is clearly nearest to the labels: “A” (MAE 0.800), "
        "and these methods reliably beat the masked baseline: A."
    )


def test_a_shipped_corpus_has_its_name() -> None:
    result = made(CONSTANT, MASKED, row("a", "method", 0.8, against_masked=[-0.2, -0.3, -0.1])) | {
        "corpus": "composite"
    }
    assert said(result).startswith("On the composed corpus, over the 6 incomplete patterns, ")
    with use("zh"):
        assert said(result).startswith("在“拼合语料库”上")


def test_seeds_and_stored_intervals_can_both_leave_it_open() -> None:
    within_seeds = made(CONSTANT, row("a", "method", 0.80, 0.03), row("b", "method", 0.84, 0.02))
    assert "no row is clearly nearest to the labels (not told apart: A; B; MAE 0.800 to 0.840)." in said(within_seeds)
    assert "“A” (MAE 0.800)" in said(made(CONSTANT, row("a", "method", 0.80, 0.02), row("b", "method", 0.85, 0.02)))
    few_clips = made(CONSTANT, MASKED, row("a", "method", 0.8, against_masked=[-0.2, -0.5, 0.1]))
    found = finding.find(few_clips, False)
    assert found is not None and names(found.tied) == ["MASKED"] and names(found.unclear) == ["A"]
    assert said(few_clips).endswith(", and no method reliably beats the masked baseline.")
    paired = [row("a", "method", 0.7, against_masked=[-0.3, -0.4, -0.2]),
              row("b", "method", 0.8, against_masked=[-0.2, -0.3, -0.1]),
              row("c", "method", 0.95, against_masked=[-0.05, -0.1, -0.01])]  # fmt: skip
    found = finding.find(made(CONSTANT, MASKED, *paired), False)
    assert found is not None and names(found.tied) == ["B"] and names(found.better) == ["A", "B", "C"]


def test_the_gap_closed_tells_rows_from_naive_and_specialists() -> None:
    rows = [row("naive", "naive", 1.0), row("a", "method", 0.9, gap_interval=[-0.1, 1.0])]
    found = finding.find(made(*rows), False)
    assert found is not None and names(found.tied) == ["NAIVE"]
    rows[1]["gap_interval"] = [0.2, 1.0]
    found = finding.find(made(*rows), False)
    assert found is not None and found.tied == () and found.best.title == "A"
    special = [row(f"{p} only", "specialist", 0.85, regime=p) for p in PATTERNS[:-1]]
    found = finding.find(made(*rows, *special), False)
    assert found is not None and found.best.title == "A specialist for each pattern" and names(found.tied) == ["A"]
    assert found.best.spread == pytest.approx(0.01)  # of the mean: at most the mean of the six deviations


def test_worse_than_masked_is_said_and_is_no_winner() -> None:
    result = made(CONSTANT, MASKED, row("a", "method", 1.2, against_masked=[0.2, 0.1, 0.3]))
    told = finding.sentences(result, False)
    assert told is not None and "“MASKED” (MAE 1.000), and no method reliably beats" in told[0]
    assert "Reliably worse: A." in told[1]


def test_nobody_better_than_the_constant_is_said() -> None:
    worse = made(row("constant", "constant", 0.5, 0.0), row("a", "method", 0.8), row("b", "method", 0.9))
    assert "no model is as near to the labels as the constant (MAE 0.500)." in said(worse)
    for constant in (0.79, 0.81):
        equal = made(row("constant", "constant", constant, 0.0), row("a", "method", 0.8, 0.05), row("b", "method", 0.9))
        assert "no model is clearly nearer to the labels than the constant (not told apart from it: A)." in said(equal)
    steady = made(row("constant", "constant", 0.9, 0.0), row("a", "method", 0.8, 0.2), row("b", "method", 0.81))
    assert "(not told apart: A; B; CONSTANT; MAE 0.800 to 0.900)" in said(steady)  # b is clearly nearer than it


def test_it_follows_the_rows_that_are_drawn() -> None:
    extra = row("a without x", "ablation", 0.5, against_masked=[-0.5, -0.6, -0.4])
    result = made(CONSTANT, MASKED, row("a", "method", 0.8, against_masked=[-0.2, -0.3, -0.1]), extra)
    assert "“A” (MAE 0.800)" in said(result) and "A WITHOUT X" not in said(result)
    assert "“A WITHOUT X” (MAE 0.500)" in said(result, True) and "baseline: A WITHOUT X; A." in said(result, True)
    crowd = [row(f"m{i}", "variant", 0.8) for i in range(6)]
    assert "(not told apart: M0; M1; M2; M3; 2 more; MAE" in said(made(CONSTANT, *crowd), True)


def test_too_little_to_compare_is_not_said() -> None:
    half = row("a", "method", 0.1)
    del half["table"]["text"]
    assert finding.sentences(made(CONSTANT, half), False) is None and finding.sentences(made(), False) is None
    alone = made(CONSTANT, row("a", "method", 0.7)) | {"patterns": ["text"]}
    assert said(alone).startswith("On made-up, with text alone, one row is clearly nearest to the labels: “A”")
    strange = row("b", "method", 0.6, against_masked=[1], gap_interval=3) | {"six_sd": "x", "sd": 3}
    assert "“B” (MAE 0.600)." in said(made(CONSTANT, MASKED, strange))


def test_every_shipped_evaluation_is_told_by_its_own_numbers() -> None:
    for corpus, result in results.load()[0].items():
        for everything in (False, True):
            found = finding.find(result, everything)
            assert found is not None, corpus
            shown = results.table(result, "patterns", "mae", everything)
            last = [line.cells[-1].value for line in shown.lines]
            least = min((v, line.title) for v, line in zip(last, shown.lines, strict=True) if v is not None)
            assert (pytest.approx(found.best.error), found.best.title) == least
            by_title = {results.title_of(r): r for r in result["rows"]}
            for title in names(found.better):
                assert by_title[title]["against_masked"][2] < 0, (corpus, title)
            against = [r for r in results.rows_of(result, everything) if r.get("against_masked")]
            assert len(against) == len(found.better + found.unclear + found.worse)
            with use("zh"):
                told = finding.sentences(result, everything)
            assert told is not None and told[0].endswith("。") and "on" not in told[0].split()


def test_the_shipped_corpora_say_what_was_measured() -> None:
    found = {corpus: finding.find(result, False) for corpus, result in results.load()[0].items()}
    better = {corpus: set(names(f.better)) for corpus, f in found.items() if f is not None and f.masked}
    assert better["mosi"] == set() and better["mosei-922"] == {"Support vector regression"}
    assert better["mmmo-120"] >= {"Support vector regression", "ProMMA (reconstruction)", "CorrKD"}
    assert better["composite"] == set()  # of the same input; their simulated text is what beats the plain baseline


def test_of_one_cluster_nothing_is_told_apart() -> None:
    none = [-0.5, None, None]
    result = made(CONSTANT, MASKED, row("a", "method", 0.5, against_masked=none, against_plain=none))
    found = finding.find(result, False)  # one pattern had one cluster: the test set has several
    assert found is not None and names(found.unclear) == ["A"] and names(found.tied) == ["MASKED"]
    told = finding.sentences(result | {"one_cluster": True}, False)
    assert told is not None and told[0] == (
        "On made-up, over the 6 incomplete patterns, no model is clearly nearer to the labels than the constant "
        "(not told apart from it: A; MASKED), and no method reliably beats the masked baseline."
    )
    assert "The test set is one speaker or video, so that there are no intervals" in told[1]
