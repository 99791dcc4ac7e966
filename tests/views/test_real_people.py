"""Real people on the Numbers tab: every number is the file's, texts are escaped, a winner only beyond chance."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from evaluations import NASTY

from msa_core.evaluation import results
from msa_core.evaluation.real import tables
from msa_core.i18n import use
from msa_core.views import real_people


def row(label: str, kind: str, complete: str | None, difference: list[float] | None, **values: float) -> dict[str, Any]:
    return {"label": label, "title": label.upper(), "kind": kind, "complete": complete, "values": values,
            "against_complete": difference}  # fmt: skip


def sample() -> dict[str, Any]:
    """Make a file with an invented set."""
    rows = [
        row("constant", "constant", None, None, mae=0.9, auc=0.5, within_1=1.0),
        row("complete", "complete", None, None, mae=0.8, auc=0.7, within_1=0.9, coverage=0.9),
        row("sdumc", "method", "complete", [-0.2, -0.3, -0.1], mae=0.6, auc=0.8, within_1=0.8, coverage=0.81),
    ]
    part = {"kind": "meld", "name": "meld", "n": 1234, "facts": {"constant": 0.0, "without_words": 2},
            "patterns": ["text"], "left_out": {}, "rows": rows, "nearest": {"row": "sdumc", "tied": []},
            "against_complete": {"nearer": ["sdumc"], "farther": [], "unclear": []}}  # fmt: skip
    return {"kind": "real", "level": 0.8, "not_there": {"nemo": "nemo/data.tsv"}, "sets": [part]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the invented file in place of the shipped ones."""
    (tmp_path / results.REAL).write_text(json.dumps(sample()))
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    return tmp_path


def change(folder: Path, **values: Any) -> None:
    found = sample()
    found["sets"][0] |= values
    (folder / results.REAL).write_text(json.dumps(found))


def test_the_table_has_the_files_numbers(folder: Path) -> None:
    html = real_people.screen()
    assert "1234 lines of the dev part" in html and "Left out because they hold no word: 2." in html
    assert "SDUMC is nearest to the labels, beyond chance against every other row." in html
    assert "−0.200" in html and "−0.300 to −0.100" in html and "nemo (nemo/data.tsv)" in html
    for tag in ("table", "div", "details", "p", "th", "td", "tr"):
        assert len(re.findall(f"<{tag}[ >]", html)) == html.count(f"</{tag}>"), tag
    starred = [s.split("</span>")[1].split("<")[0] for s in html.split('class="mm-star"')[1:]]
    assert starred == ["0.800", "0.600", "81.0"]  # AUC, MAE, coverage nearest to 80 %: a constant is always within 1


def test_nothing_is_a_winner_within_chance(folder: Path) -> None:
    change(folder, nearest={"row": "sdumc", "tied": ["complete"]})
    html = real_people.screen()
    assert "No row is clearly nearest to the labels: SDUMC, COMPLETE cannot be told apart." in html
    assert "beyond chance" not in html
    change(folder, nearest=None, against_complete=None)
    assert "nearest to the labels" not in real_people.screen()


def test_downloads_are_the_numbers(folder: Path) -> None:
    data = re.findall(r'download="(real[^"]*)" href="data:[^;]+;base64,([^"]+)"', real_people.screen())
    files = {name: base64.b64decode(text).decode() for name, text in data}
    assert files.keys() == {"real-meld.csv"}
    assert 'data-save="real"' in real_people.screen() and json.loads(results.as_json("real")) == sample()
    found = {r["label"]: r for r in csv.DictReader(io.StringIO(files["real-meld.csv"]))}
    assert float(found["sdumc"]["against_complete high"]) == -0.1 and found["constant"]["coverage"] == ""


def test_texts_are_escaped(folder: Path) -> None:
    rows = [r | {"title": NASTY} for r in sample()["sets"][0]["rows"]]
    change(folder, kind="labelled", name=NASTY, left_out={NASTY: NASTY}, rows=rows)
    html = real_people.screen()
    assert "<img" not in html and "&lt;img" in html


def test_what_is_absent_or_malformed_is_said(folder: Path) -> None:
    for content in ("{", "[]", '{"sets": 3}', '{"sets": [{"kind": "meld"}]}'):
        (folder / results.REAL).write_text(content)
        html = real_people.screen()
        assert "real.json cannot be read (" in html and "python -m msa_core evaluate-real" in html
    (folder / results.REAL).unlink()
    assert "Nothing was measured yet." in real_people.screen()
    assert results.load()[1] == []


def test_people_stand_beside_models_where_the_file_has_both(folder: Path) -> None:
    assert "mm-beside" not in real_people.screen()
    rows = [row("person", "person", None, None, **{"mae audio": 0.9}), row("sdumc", "method", None, None)]
    clips = [{"id": str(i), "labels": {"audio": 1.0}, "scores": {"sdumc": {"audio": 0.8 + 0.01 * i}}} for i in range(9)]
    rows[1]["title"] = NASTY
    change(folder, kind="cremad", rows=rows, items=clips, facts={}, nearest=None, against_complete=None)
    html = real_people.screen()
    beside = html.split("mm-beside")[1].split("</details>")[0]
    assert "9 clips" in beside and "0.90" in beside and "★" in beside and "0.16" in beside and "<img" not in html
    assert 'download="people-and-models.csv"' in beside and "One person is 0.90 from the others" in beside


def test_the_file_is_no_corpus(folder: Path) -> None:
    assert results.load() == ({}, [])


def test_every_word_of_the_shipped_file_is_chinese() -> None:
    result = results.real()
    assert result is not None
    with use("zh"):
        html = real_people.screen()
        heads = {text for part in result["sets"] for c in tables.columns(part) for text in (c.title, c.note)}
    shown = re.sub(r"<[^>]*>", " ", html)
    names = {"MAE", "AUC", "CSV", "JSON", "VADER", "MELD", "EmoBank", "CREMA", "GRID", "RAVDESS", "nEMO", "SDUMC"}
    names |= {"CorrKD", "ProMMA", "V", "D", "Pearson", "r"}
    assert set(re.findall(r"[A-Za-z]+", shown)) <= names, heads
