"""Model cards: every number is the manifest's, and the front matter is what the Hub reads."""

import json
import re
import shutil

import pytest
from huggingface_hub import ModelCard
from paths import ROOT

from msa_core import checkpoint
from msa_core.__main__ import main
from msa_core.errors import CheckpointError
from msa_core.methods.card import CARD, card

SHIPPED = checkpoint.available()
every_checkpoint = pytest.mark.parametrize("name", SHIPPED)


@every_checkpoint
def test_the_card_beside_a_checkpoint_is_that_of_its_manifest(name):
    text = (checkpoint.ROOT / name / CARD).read_text(encoding="utf-8")
    assert text == card(name), "run python -m msa_core cards"


@every_checkpoint
def test_front_matter(name):
    text, manifest = card(name), checkpoint.read_manifest(name)
    data = ModelCard(text).data
    assert (data.license, data.license_name, data.language) == ("other", "research-and-teaching-only", "en")
    assert data.library_name == "missing-modality-lab" and "sentiment-analysis" in data.tags and data.datasets
    if "method" in manifest:
        measured = {r.metric_name.removeprefix("MAE with "): r.metric_value for r in data.eval_results}
        assert measured == pytest.approx(manifest["validation_mae"], abs=5e-5) and data.metrics == ["mae"]
        assert {r.dataset_split for r in data.eval_results} == {"validation"}


@every_checkpoint
def test_the_card_says_what_has_to_be_said(name):
    text, manifest = card(name), checkpoint.read_manifest(name)
    assert re.findall(r"^## (.+)$", text, re.M) == [
        "What it is", "What it is not", "Data and licences", "Measured", "How to load", "Files"
    ]  # fmt: skip
    assert "not a measure of feelings" in text and "None" not in text and "  \n" not in text
    licence = manifest.get("licence") or manifest["data"]["licence"]
    assert licence in text and all(digest in text for digest in manifest["sha256"].values())
    assert ("is not its authors' system" in text) == name.startswith("promma")
    assert ("comes along" in text) == bool(manifest.get("teacher"))


def test_results_of_a_network_name_the_data_they_were_measured_on():
    found = {r.dataset_split: r.dataset_name for r in ModelCard(card("voice-ravdess-urdu-v1")).data.eval_results}
    assert found["test ravdess clean"] == "RAVDESS" and found["test urdu clean"] == "URDU"


def test_no_number_is_typed(tmp_path):
    """Other numbers in the manifest are other numbers in the card."""
    folder = shutil.copytree(checkpoint.ROOT / "sdumc-composite-v1", tmp_path / "own")
    manifest = json.loads((folder / checkpoint.MANIFEST).read_text())
    manifest["validation_mae"]["text"], manifest["calibration"]["half_width"]["audio"] = 0.12345, 7.654321
    manifest |= {"n_parameters": 1234567, "n_trained": 765432, "seed": 98, "best_epoch": 41}
    manifest["corpus"]["utterances"]["test"] = 5432109
    (folder / checkpoint.MANIFEST).write_text(json.dumps(manifest))
    text = card(folder)
    measured = ("| text | 0.123 |", "value: 0.1235", "| 7.65 |")
    for said in (*measured, "1,234,567, 765,432 of them", "seed 98, epoch 42 of 7", "5,432,109 test", "# own\n"):
        assert said in text, said
    (folder / checkpoint.MODEL).write_bytes(b"")
    with pytest.raises(CheckpointError, match="was altered"):
        card(folder)


def test_the_command_writes_one_for_every_checkpoint(tmp_path, monkeypatch, capsys):
    some = tmp_path / "checkpoints"
    some.mkdir()
    for name in SHIPPED[:2]:
        (some / name).symlink_to(ROOT / "checkpoints" / name)
    monkeypatch.setattr(checkpoint, "ROOT", some)
    assert main(["cards", "--out", str(tmp_path / "out")]) == 0
    written = [tmp_path / "out" / name / CARD for name in SHIPPED[:2]]
    assert capsys.readouterr().out.splitlines() == [str(file) for file in written]
    assert [file.read_text(encoding="utf-8") for file in written] == [card(name) for name in SHIPPED[:2]]
