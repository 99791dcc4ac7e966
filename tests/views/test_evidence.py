"""The evidence about displayed weights on the Numbers tab: every number is the file's, controls stand once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from msa_core.views import evidence, summary


def test_the_table_has_the_numbers_of_the_file() -> None:
    result = json.loads(summary.EVIDENCE.read_text())
    shown = evidence.table(result)
    first, name = result["rows"][0], next(iter(result["rows"][0]["truth"]))
    assert shown.lines[0].title == f"SDUMC: {name}" and shown.lines[0].method == "sdumc"
    assert shown.lines[0].cells[0].value == first["truth"][name]["natural"]
    controls = [line.title for line in shown.lines if line.kind == "baseline"]
    assert len(controls) == len(set(controls)) == 3 and shown.lines[-1].title == controls[-1]
    html = evidence.section()
    assert "Do displayed weights mean" in html and html.count("<tr") == len(shown.lines) + 1
    assert str(summary.gates_evidence()) in html


def test_without_a_file_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "EVIDENCE", tmp_path / "none.json")
    assert evidence.section() == ""
