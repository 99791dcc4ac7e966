"""Likeness of imagined text to the real one: by hand, and only where it means something."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import corpus

from msa_core import methods, missing
from msa_core.corpora.ragged import Ragged
from msa_core.errors import MsaError
from msa_core.evaluation import likeness
from msa_core.training.loop import TrainConfig, fit

CORPUS = corpus(150)


def model(**settings: object) -> methods.Method:
    torch.manual_seed(0)
    made = methods.build("sdumc", {"d_model": 8, "d_contrast": 4, **settings}, CORPUS.dims)
    made.set_statistics(CORPUS.statistics(CORPUS.rows("train")))
    return made.eval()


def test_cosines_are_those_of_the_mechanism() -> None:
    """Clip by clip, as the page shows them."""
    made, rows = model(), CORPUS.rows("test")
    for pattern in ("audio", "audio+vision"):
        found, other = likeness.cosines(made, CORPUS, rows, pattern)
        assert (np.isnan(found) <= np.isnan(other)).all() and not np.allclose(found, other, equal_nan=True)
        for column, row in enumerate(rows):
            batch = CORPUS.batch([row])
            if not batch.present[0, 0]:
                assert np.isnan(found[:, column]).all()
                continue
            parts = [batch, missing.pattern(batch, pattern)]
            joined = replace(
                batch,
                features={s: torch.cat([p.features[s] for p in parts]) for s in batch.features},
                valid={s: torch.cat([p.valid[s] for p in parts]) for s in batch.valid},
                observed={s: torch.cat([p.observed[s] for p in parts]) for s in batch.observed},
                present=torch.cat([p.present for p in parts]),
                ids=batch.ids * 2,
            )
            with torch.inference_mode():
                shown = made.mechanism(made(joined), 1, 0)["text_similarity"]  # type: ignore[typeddict-item]
            assert found[:, column] == pytest.approx([shown["before"], shown["after"]], abs=1e-5)


def test_an_imagination_that_changes_nothing_changes_no_cosine() -> None:
    made = model()
    torch.nn.init.zeros_(made.imagine_utterance["text"].decoder.weight)  # type: ignore[union-attr,index]
    torch.nn.init.zeros_(made.imagine_utterance["text"].decoder.bias)  # type: ignore[union-attr,index]
    told = likeness.report(made, CORPUS, "made")
    assert [(r["split"], r["pattern"]) for r in told["rows"]] == [
        (s, p) for s in ("valid", "test") for p in ("audio", "audio+vision")
    ]
    for row in told["rows"]:
        assert row["before"] == row["after"] and row["change"] == [0, 0, 0] and row["nearer"] == 0
        assert row["other"][0] == row["other"][1] != row["before"]


def test_what_has_no_imagination_is_refused() -> None:
    rows = CORPUS.rows("test")
    with pytest.raises(MsaError, match="SDUMC has no imagination network here. Give a checkpoint of SDUMC with MIA"):
        likeness.cosines(model(use_mia=False), CORPUS, rows, "audio")
    late = methods.build("baseline", {"d_model": 8, "d_fusion": 8}, CORPUS.dims)
    with pytest.raises(MsaError, match="Late fusion has no imagination network here"):
        likeness.cosines(late, CORPUS, rows, "audio")
    mute = replace(CORPUS, index={**CORPUS.index, "simulated": Ragged.of([[] for _ in CORPUS.ids], np.int64)})
    with pytest.raises(MsaError, match="synthetic, valid: no clip has text that is also simulated from its voice"):
        likeness.report(model(), mute, "made")


def test_the_command_writes_what_the_table_says(tmp_path: Path) -> None:
    CORPUS.save(tmp_path / "corpus")
    config = methods.METHODS["sdumc"].Config.debug()
    run = fit("sdumc", CORPUS, tmp_path / "run-seed0", TrainConfig(epochs=1, batch=32), config)
    result = likeness.command(tmp_path / "corpus", str(run), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "synthetic-likeness.json").read_text()) == result
    table = likeness.markdown(result).splitlines()
    assert table[0] == "`run-seed0` on synthetic." and len(table) == 8
    row = result["rows"][-1]
    assert table[-1].startswith(f"| test | audio+vision | {row['n']} | {row['before']:.3f} | {row['after']:.3f} |")
    assert row["change"][1] <= row["change"][0] <= row["change"][2]
    both = likeness.command(tmp_path / "corpus", str(run), tmp_path / "out", tmp_path, ["run"])
    assert both == result | {"beside": [result]}
    assert likeness.markdown(both) == "\n\n".join(2 * [likeness.markdown(result)])


@pytest.mark.parametrize(("runs", "labels"), [(None, ["x"]), (Path("runs"), [])])
def test_runs_and_their_names_go_together(tmp_path: Path, runs: Path | None, labels: list[str]) -> None:
    with pytest.raises(MsaError, match="Give both, or neither"):
        likeness.command(tmp_path, "sdumc", tmp_path, runs, labels)


def test_a_change_without_an_interval_is_tabulated_alone() -> None:
    row = {"split": "test", "pattern": "audio", "n": 2, "before": 0.1, "after": 0.3, "change": [0.2, None, None]}
    result = {"checkpoint": "c", "corpus": "k", "rows": [row | {"nearer": 1.0, "other": [0.1, 0.2]}]}
    assert "| 0.300 | +0.200 | 100.0 % |" in likeness.markdown(result)
