"""The benchmark measures every method on a real clip; its times are for people, no test depends on them."""

import pytest
from paths import ROOT

from msa_core import methods
from msa_core.evaluation import benchmark
from msa_core.predict import Analyser


@pytest.mark.slow
def test_the_table_has_every_measurement(analyser, monkeypatch):
    monkeypatch.setattr(Analyser, "load", lambda: analyser)
    table = benchmark.table(ROOT / "examples" / "crema_happy.mp4", repeats=1)
    head, rule, *rows = table.splitlines()
    assert "device" in head and "median of 1" in head and rule == "|---|---|"
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert all(len(row) == 2 and any(unit in row[1] for unit in (" s", " ms", " GB")) for row in cells)
    names = [name for name, _ in cells]
    for method in map(methods.method_name, analyser.methods):
        assert f"a switch, {method}, median and slowest subset" in names
        assert f"vision off and half the voice's frames dropped, {method}" in names
    assert "Rank-N-Contrast, 256 items" in names and "peak memory of this process" in names
