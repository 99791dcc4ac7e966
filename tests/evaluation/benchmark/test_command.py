"""The command: parts kept from an earlier file, its tables, mistakes in one line, and a guard on a few ratios."""

import json

import pytest

from msa_core.errors import MsaError
from msa_core.evaluation.benchmark import command, network_part
from msa_core.evaluation.benchmark.rows import row
from msa_core.evaluation.benchmark.timing import Times

ROW = row("clip", Times((1.0,), (1.0,)))
ROOM = 1.5  # of a ratio, for a machine that does other things


def test_other_parts_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "_part", lambda name, *rest: {"rows": [ROW]})
    file = tmp_path / "performance.json"
    command.save(command.run(["training"], 1, {}, str, lambda part: None), file, None)
    both = command.run(["cold"], 1, command.earlier(file), str, lambda part: None)
    assert list(both) == ["training", "cold"] and both["training"] == json.loads(file.read_text())["training"]
    assert all("| clip |" in table and "1 rounds" in table for table in command.tables(both).values())


@pytest.mark.parametrize("text,said", [("{", "no JSON"), ("[1]", "holds a list")])
def test_a_damaged_earlier_file_is_one_line(tmp_path, text, said):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(MsaError, match=said):
        command.earlier(tmp_path / "x.json")


def test_an_unknown_part_names_the_parts():
    with pytest.raises(MsaError, match="Choose from: clip, networks"):
        command.run(["memory"], 1, {}, str, lambda part: None)


@pytest.mark.slow
def test_ratios_stay_where_they_are(analyser):
    """Batched coalitions, the ranking loss and the short mel must not cost more than the plain way."""
    from paths import ROOT

    found = network_part.rows(analyser, analyser.extract(ROOT / "examples" / "crema_happy.mp4"), 2)
    ratios = {r["name"]: r["cpu_ratio"]["median"] for r in found if "cpu_ratio" in r}
    assert len(ratios) == len(network_part.LENGTHS_S) + 1 + len(analyser.methods)
    assert not {name: ratio for name, ratio in ratios.items() if ratio > ROOM * limit(name)}


def limit(name):
    """The most that a ratio should be on a quiet machine."""
    return 0.5 if name.startswith("Rank-N-Contrast") or "coalitions" in name else 0.7
