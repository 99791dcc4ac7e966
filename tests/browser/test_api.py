"""The page's named calls by gradio_client: what docs/api.md says of them, and that nothing of a clip stays."""

from __future__ import annotations

import csv
import io
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from chromium import CLIP, EXAMPLES, ROOT, stored
from gradio_client import Client, handle_file

from msa_core import compare
from msa_core.degrade import Degradation
from msa_core.evaluation.results import as_json
from msa_core.lessons import LESSONS
from msa_core.views import prediction_csv

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def client(site: Any) -> Client:
    return Client(site.url, verbose=False)


@pytest.fixture
def call(client: Client, site: Any, tmp_path: Path) -> Any:
    """`call("analyse", ..)` with a copy of the example as clip when the first argument is a file."""
    mine = tmp_path / "by api.mp4"
    shutil.copy(CLIP, mine)

    def run(name: str, *values: Any, **named: Any) -> Any:
        values = tuple(handle_file(str(mine)) if v is CLIP else v for v in values)
        answer = client.predict(*values, **named, api_name=f"/{name}")
        assert [n for n in stored(site.folder) if n.endswith(".mp4")] == []
        return answer

    return run


def test_the_docs_name_the_calls(client: Client) -> None:
    named = set(client.view_api(return_format="dict")["named_endpoints"])
    table = re.search(r"## From a program.*?\n## ", (ROOT / "docs" / "api.md").read_text(), re.S)
    assert table and named == set(re.findall(r"^\| `(/\w+)` \|", table[0], re.M))


def test_analyse_gives_the_public_json(call: Any, analyser: Any) -> None:
    utterance = analyser.extract(str(CLIP))
    answer = call("analyse", CLIP, ["text"], "simulated", "sdumc")
    own = analyser.predict(utterance, dropped=("text",), text_source="simulated").to_json()
    assert set(answer) == set(own) and answer["scores"] == pytest.approx(own["scores"], abs=1e-4)
    answer = call("analyse", CLIP, ["audio"], "transcript", "corrkd")
    own = analyser.predict(utterance, "corrkd", ["audio"]).to_json()
    assert answer["mechanism"].keys() == own["mechanism"].keys() and answer["method"] == "corrkd"
    assert answer["scores"] == pytest.approx(own["scores"], abs=1e-4)


def test_analyse_takes_edits_and_damage(call: Any, analyser: Any) -> None:
    answer = call("analyse", CLIP, frame_missing_rate={"audio": 0.5}, transcript="I love this coat", struck=[0])
    edited = analyser.edit(analyser.extract(str(CLIP)), "I love this coat", [0])
    own = analyser.predict(edited, frame_missing_rate={"audio": 0.5})
    assert answer["scores"] == pytest.approx(own.scores, abs=1e-4) and answer["transcript"] == "love this coat"
    answer = call("analyse", CLIP, blur=0.05, noise_db=5)
    own = analyser.predict(analyser.extract(str(CLIP), degradation=Degradation(0.05, 5)))
    assert answer["scores"] == pytest.approx(own.scores, abs=1e-4) and answer["notes"] == list(own.notes)


def test_compare_report_and_csv(call: Any, analyser: Any) -> None:
    answer, own = call("compare", CLIP, CLIP), compare.compare(analyser, analyser.extract(str(CLIP))).to_json()
    assert answer["comparison"].keys() == own.keys() and "robustness" in answer["second"]
    text = call("report", CLIP, "promma", ["vision"], "zh")
    assert text.startswith("<!doctype html>") and 'lang="zh' in text and "ProMMA" in text
    rows = list(csv.DictReader(io.StringIO(call("csv", CLIP, "sdumc", ["vision"]))))
    own = prediction_csv.as_csv(analyser.predict(analyser.extract(str(CLIP)), "sdumc", ["vision"]))
    mine = {(r["section"], r["key"]): r["value"] for r in csv.DictReader(io.StringIO(own))}
    scores = [r for r in rows if r["section"] == "scores"]
    assert scores and all(
        float(r["value"]) == pytest.approx(float(mine[r["section"], r["key"]]), abs=1e-4) for r in scores
    )


def test_lessons_and_evaluation(call: Any, analyser: Any) -> None:
    lesson = LESSONS[0]
    answer = call("lesson", lesson.name)
    own = lesson.answer(analyser, analyser.extract(str(EXAMPLES / lesson.clip)))
    assert answer["correct"] == own.correct and answer["said"] == own.said and answer["tried"]["said"]
    assert call("lesson", lesson.name, "crema_sad.mp4", None, "zh")["title"] != answer["title"]
    assert call("evaluation", "composite")["corpus"] == "composite" and as_json("composite").startswith("{")


@pytest.mark.parametrize(
    ("values", "named", "line"),
    [
        (("analyse", CLIP, ["smell"], "none", "sdumc"), {}, "Unknown modality 'smell'"),
        (("analyse", CLIP), {"method": "nope"}, "method is 'nope'"),
        (("analyse", CLIP), {"blur": 3}, "The blur is 3"),
        (("analyse", CLIP), {"struck": [99]}, "99"),
        (("analyse", CLIP), {"frame_missing_rate": {"audio": 2}}, "frame rate of audio"),
        (("analyse", CLIP), {"spoken": "xx"}, "xx"),
        (("report", CLIP), {"language": "xx"}, "language is 'xx'"),
        (("lesson", "nope"), {}, "name is 'nope'"),
        (("lesson", "adds", "../app.py"), {}, "There is no example"),
        (("evaluation", "../../x"), {}, "x"),
    ],
)
def test_bad_values_are_one_clear_line(call: Any, values: Any, named: Any, line: str) -> None:
    with pytest.raises(Exception, match=re.escape(line)) as told:
        call(*values, **named)
    assert "Traceback" not in str(told.value) and str(ROOT) not in str(told.value)
