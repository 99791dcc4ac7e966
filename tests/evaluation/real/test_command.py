"""`evaluate-real` from folders to `real.json`: the form of the file, what is absent, and what the tables say of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from paths import EXAMPLES, ROOT

from msa_core.__main__ import main
from msa_core.errors import MsaError
from msa_core.evaluation import results
from msa_core.evaluation.real import baselines, clips, command, tables, texts
from msa_core.evaluation.real.scored import Row, Scored, joined
from msa_core.missing import INCOMPLETE, PATTERNS
from msa_core.predict import Analyser

SHIPPED = results.FOLDER / results.REAL
KEYS = {"kind", "feature_set", "checkpoints", "level", "confidence", "resamples", "not_there", "sets"}
SET_KEYS = {"kind", "name", "n", "facts", "patterns", "left_out", "rows", "nearest", "against_complete"}
ROW_KEYS = {"label", "title", "kind", "complete", "values", "against_complete"}


def check_form(result: dict) -> None:
    """Check the contract of `real.json`; every number is finite."""
    json.dumps(result, allow_nan=False)
    assert result.keys() == KEYS and result["kind"] == "real"
    for part in result["sets"]:
        assert part.keys() - {"items"} == SET_KEYS
        labels = [row["label"] for row in part["rows"]]
        assert len(set(labels)) == len(labels) and set(part["patterns"]) <= set(PATTERNS)
        for row in part["rows"]:
            assert row.keys() == ROW_KEYS and all(isinstance(v, float) for v in row["values"].values())
            assert row["complete"] is None or row["complete"] in labels
            if row["against_complete"] is not None:
                mean, low, high = row["against_complete"]
                assert low is high is None or low <= mean <= high
        for told in (
            (part["nearest"] and [part["nearest"]["row"], *part["nearest"]["tied"]] or []),
            *(part["against_complete"] or {}).values(),
        ):
            assert set(told) <= set(labels)
        assert {c.key for c in tables.columns(part)} and tables.table(part, 0.8).lines
        for item in part.get("items", ()):
            assert item["scores"].keys() <= set(labels) and item["labels"].keys() <= set(part["patterns"])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of two labelled clips, of which one is no clip."""
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copy(EXAMPLES / "crema_happy.mp4", folder / "happy.mp4")
    (folder / "broken.mp4").write_bytes(b"nothing")
    (folder / clips.LABELS).write_text("file,label\nhappy.mp4,2\nbroken.mp4,-1\n")
    return folder


@pytest.mark.slow
def test_everything_is_measured_and_written(data, media, own, quickly, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- real:begin -->\nold\n<!-- real:end -->\nb\n")
    out = tmp_path / "out"
    asked = ["evaluate-real", "--data", str(data), "--media", str(media), "--clips", str(own), "--out", str(out)]
    assert main([*asked, "--readme", str(page)]) == 0
    result = json.loads((out / results.REAL).read_text())
    check_form(result)
    parts = {part["kind"]: part for part in result["sets"]}
    assert list(parts) == ["meld", "emobank", "ravdess", "nemo", "cremad", "grid", "labelled", "clips"]
    assert set(result["not_there"]) <= {"VADER"}
    rows = {row["label"]: row for row in parts["meld"]["rows"]}
    assert {"constant", "complete", "corrkd-complete", "masked", "sdumc", "corrkd", "promma"} <= rows.keys()
    assert rows["constant"]["values"]["mae"] == 1 and rows["constant"]["values"]["auc"] == 0.5
    assert rows["corrkd"]["complete"] == "corrkd-complete" and rows["sdumc"]["complete"] == "complete"
    # The votes of the channels are those of the patterns; without votes of "both" no other pattern is judged.
    (item,) = parts["cremad"]["items"]
    assert item["labels"] == {"audio": pytest.approx(2 / 3, abs=1e-5), "text+audio": pytest.approx(2 / 3, abs=1e-5),
                              "vision": pytest.approx(10 / 7, abs=1e-5)}  # fmt: skip
    constant = next(row for row in parts["cremad"]["rows"] if row["label"] == "constant")
    assert constant["values"]["mae"] == pytest.approx((2 / 3 + 2 / 3 + 10 / 7) / 3, abs=1e-5)
    # A clip that cannot be read is named, the others count.
    assert parts["labelled"]["n"] == 1 and list(parts["labelled"]["left_out"]) == ["broken.mp4"]
    assert parts["clips"]["n"] == 3 and set(parts["clips"]["patterns"]) == set(PATTERNS)
    # The page, the Markdown beside the JSON and the terminal say the same.
    text = tables.markdown(result)
    assert page.read_text() == f"a\n<!-- real:begin -->\n{text}\n<!-- real:end -->\nb\n"
    assert text in (out / "real.md").read_text() and text in capsys.readouterr().out


@pytest.mark.slow
def test_scores_are_those_of_the_page(analyser, media, data):
    """A row of a clip is what `predict` answers with the modalities switched off."""
    measure = command.Measure(analyser)
    (part,) = [measure.clips("cremad", "cremad", clips.cremad(data, media), lambda said: None).report()]
    (item,) = part["items"]
    utterance = analyser.extract(EXAMPLES / "crema_happy.mp4")
    for method in analyser.methods:
        prediction = analyser.predict(utterance, method, ["text", "vision"])
        complete = next(row["complete"] for row in part["rows"] if row["label"] == method)
        assert item["scores"][method]["audio"] == pytest.approx(prediction.scores["missing_model_left"], abs=1e-3)
        assert item["scores"][complete]["audio"] == pytest.approx(prediction.scores["complete_model_left"], abs=1e-3)


@pytest.mark.slow
def test_a_folder_without_a_usable_clip_does_not_lose_the_others(data, own, quickly, tmp_path):
    (own / clips.LABELS).write_text("file,label\nbroken.mp4,-1\n")
    result = command.command(data, None, [own], tmp_path, progress=lambda said: None)
    assert [part["kind"] for part in result["sets"]] == ["meld", "emobank", "ravdess", "nemo"]
    assert result["not_there"]["mine"].startswith("none of its 1 clips can be used: broken.mp4 ")


@pytest.mark.slow
def test_clips_of_one_name_in_several_folders_stay_apart(quickly, tmp_path):
    lines = {"sub/a.mp4": 2, "s2/a.mp4": -1, "sub/bad.mp4": 1, "./s2/bad.mp4": 0}
    folders = [tmp_path / "one" / "mine", tmp_path / "two" / "mine"]
    for folder in folders:
        for name in lines:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if "bad" in name:
                (folder / name).write_bytes(b"nothing")
            else:
                shutil.copy(EXAMPLES / "crema_happy.mp4", folder / name)
        (folder / clips.LABELS).write_text("".join(f"{k},{v}\n" for k, v in {"file": "label", **lines}.items()))
    seen: list[Scored] = []
    report = Scored.report
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scored, "report", lambda self: seen.append(self) or report(self))
        result = command.command(tmp_path / "none", None, folders, tmp_path / "out", progress=lambda said: None)
    first, second, whole = result["sets"]
    assert [first["name"], second["name"]] == ["mine (1)", "mine (2)"]
    assert {item["id"]: item["labels"]["text"] for item in first["items"]} == {"sub/a.mp4": 2, "s2/a.mp4": -1}
    assert list(first["left_out"]) == ["sub/bad.mp4", "s2/bad.mp4"]
    assert list(whole["left_out"]) == [f"mine ({n})/{f}/bad.mp4" for n in (1, 2) for f in ("sub", "s2")]
    assert whole["n"] == len(set(seen[-1].clusters)) == 4


def test_sets_are_named_apart():
    folders = [Path(f"/{k}/{name}") for k, name in enumerate(["mine", "grid", "mine", "mine (1)", "own"])]
    assert command._names(folders) == ["mine (1) (1)", "grid (2)", "mine (3)", "mine (1)", "own"]


@pytest.mark.parametrize("other", ["mine", "mine/../mine", "link"])
def test_a_folder_given_twice_is_refused(tmp_path, monkeypatch, other):
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    Path("link").symlink_to("mine")
    with pytest.raises(MsaError, match="--clips names the folder 'mine' more than once. Leave one of them out."):
        command._names([Path("mine"), Path(other)])


@pytest.mark.slow
def test_what_is_absent_is_named_and_the_rest_is_measured(data, quickly, tmp_path, monkeypatch):
    monkeypatch.setattr(baselines, "vader", lambda: None)
    shutil.rmtree(data / "ravdess")
    (data / texts.EMOBANK).unlink()
    result = command.command(data, None, [], tmp_path, progress=lambda said: None)
    check_form(result)
    assert [part["kind"] for part in result["sets"]] == ["meld", "nemo"]
    assert result["not_there"] == {"emobank": texts.EMOBANK, "ravdess": "ravdess", "cremad": "--media FOLDER",
                                   "grid": "--media FOLDER", "VADER": "vaderSentiment"}  # fmt: skip
    assert "Not measured, because it was not there: emobank (emobank/emobank_train_dev.csv)" in tables.absent(result)


def test_faults_are_found_before_a_model_is_loaded(tmp_path, own, monkeypatch):
    monkeypatch.setattr(Analyser, "load", lambda *given: pytest.fail("loaded"))
    with pytest.raises(MsaError, match="nothing to measure in empty: it lacks meld/train_sent_emo.csv, "):
        command.command(tmp_path / "empty", None, [], tmp_path)
    (own / clips.LABELS).write_text("file,label\nhappy.mp4,4\n")
    with pytest.raises(MsaError, match="labels.csv of mine, line 2: the label 4 is outside the scale"):
        command.command(tmp_path / "empty", None, [own], tmp_path)


def invented(kind: str, errors: dict[str, np.ndarray]) -> Scored:
    """Make a set whose labels are 0, so that scores are errors."""
    first = next(iter(errors.values()))
    rows = [Row(name, name.upper(), "method" if name != "c" else "complete", e, None if name == "c" else "c")
            for name, e in errors.items()]  # fmt: skip
    patterns, n = tuple(PATTERNS)[: len(first)], first.shape[1]
    return Scored(kind, kind, patterns, tuple(map(str, range(n))), rows, np.zeros(first.shape), np.arange(n), each=True)


def test_sentences_name_a_winner_only_beyond_chance():
    noise = 0.5 + np.abs(np.random.default_rng(0).normal(size=(1, 50)))
    clear = invented("labelled", {"c": noise, "a": noise - 0.3, "b": noise + 0.2}).report()
    assert tables.sentences(clear) == [
        "A is nearest to the labels, beyond chance against every other row.",
        "Against their complete model with the same input: nearer to the labels: A; farther: B; not told apart: none.",
    ]
    even = invented("labelled", {"c": noise, "a": noise[:, ::-1], "b": noise + 0.2}).report()
    first, second = tables.sentences(even)
    assert first.startswith("No row is clearly nearest to the labels: ") and first.endswith(" cannot be told apart.")
    assert {"A", "C"} == set(first.split(": ")[1].removesuffix(" cannot be told apart.").split(", "))
    assert "not told apart: A." in second


def test_sets_of_clips_are_put_together():
    one = np.full((7, 3), 1.0)
    two = np.full((2, 2), 2.0)
    whole = joined("clips", "all clips", [invented("grid", {"c": one, "a": one}), invented("labelled", {"c": two})])
    found = whole.report()
    assert found["n"] == 5 and len(found["patterns"]) == 7
    rows = {row["label"]: row["values"] for row in found["rows"]}
    assert rows["c"]["mae text"] == pytest.approx((3 * 1 + 2 * 2) / 5) and rows["c"]["mae vision"] == 1
    assert rows["c"]["mae"] == pytest.approx((2 * 1.4 + 4) / len(INCOMPLETE), abs=1e-5) and rows["a"]["mae"] == 1


def test_the_shipped_file_has_the_form():
    result = json.loads(SHIPPED.read_text())
    check_form(result)
    assert SHIPPED.with_suffix(".md").read_text() == f"# {tables.TITLE}\n\n{tables.markdown(result)}\n"
    kinds = {row["kind"] for part in result["sets"] for row in part["rows"]}
    assert {"constant", "baseline", "person", "complete", "masked", "method"} == kinds
    assert {"meld", "emobank", "ravdess", "nemo", "cremad", "grid"} <= {part["kind"] for part in result["sets"]}
    there = {p.name for p in (ROOT / "checkpoints").iterdir()}
    assert set(result["checkpoints"].values()) <= there, "write it again with evaluate-real"
