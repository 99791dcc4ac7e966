"""Events of the page without a browser: what happens to a clip when its visitor leaves, or when something fails."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest

from msa_core.degrade import Degradation
from msa_core.errors import MsaError
from msa_core.page.analyse_inputs import AnalyseInputs
from msa_core.page.answering import Answering, Changes
from msa_core.page.api import named_calls
from msa_core.page.components import with_a_last_step
from msa_core.page.extraction import extraction
from msa_core.page.files import EXAMPLES, Uploads
from msa_core.page.reading import Reading, ReadingOutputs, Wanted
from msa_core.page.services import Services
from msa_core.page.session import Kept, Presence, Settings, Shipped
from msa_core.schema import MODALITIES
from msa_core.views.answer import Panel

REQUEST = SimpleNamespace(session_hash="a tab")
SETS_NOTHING = {"status": gr.skip()}


SINGLE = (
    "video", "status", "visit", "example", "edit", "clip", "facts", "transcript", "text_status", "blur", "noise",
    "linked",
)  # fmt: skip
OUTPUTS = ReadingOutputs(
    *SINGLE, answer={p: p for p in Panel._fields}, switches={m: m for m in MODALITIES},
    rates={m: f"rate_{m}" for m in MODALITIES},
)  # fmt: skip


class Slow:
    """An analyser that reads on until it is told to stop."""

    methods = ("sdumc",)

    def __init__(self) -> None:
        self.stopped, self.may_go_on = threading.Event(), threading.Event()

    def extract(self, path: str, progress: Callable[[str, float], None], **_: Any) -> None:
        """See `Analyser.extract`."""
        try:
            progress("media", 0.0)
            self.may_go_on.wait(20)
            progress("speech", 0.1)
        except BaseException:
            self.stopped.set()
            raise


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    """Claims on files in a folder of the test."""
    return Uploads(lambda: tmp_path)


@pytest.fixture
def presence() -> Presence:
    return Presence()


@pytest.fixture
def services(analyser: Any, uploads: Uploads, presence: Presence) -> Services:
    """What visitors of the real models share."""
    return Services(analyser, Shipped(EXAMPLES, analyser.extract), uploads, presence)


def inputs(visit: Any = None, language: str = "en", method: str = "sdumc") -> AnalyseInputs:
    """A visitor who touched nothing."""
    settings = Settings(dict.fromkeys(MODALITIES, True), dict.fromkeys(MODALITIES, 0.0), "simulated", method)
    return AnalyseInputs(visit, None, language, "en", settings)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """An upload in a folder of its own, as gradio puts it."""
    path = tmp_path / "upload" / "mine.mp4"
    path.parent.mkdir()
    path.write_bytes(b"a clip")
    return path


@pytest.fixture
def read(uploads: Uploads, presence: Presence, mine: Path) -> Callable[..., Iterator[dict[Any, Any]]]:
    """`read(analyser)`: the event that reads a clip; its outputs are named."""

    def start(analyser: Any, visit: Any = None) -> Iterator[dict[Any, Any]]:
        shipped = Shipped(EXAMPLES, analyser.extract)
        reading = Reading(Services(analyser, shipped, uploads, presence), OUTPUTS)
        return with_a_last_step(reading.read, "status")(Wanted(str(mine), None, str(mine)), inputs(visit), REQUEST)

    return start


def test_closing_an_extraction_stops_it_and_waits_for_nothing() -> None:
    analyser = Slow()
    steps = extraction(Services(analyser, None))("clip.mp4", Degradation(), "en", lambda: None)  # type: ignore[arg-type]
    assert next(steps) == ("media", 0.0)
    start = time.monotonic()
    steps.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 2, "gradio closes it in its event loop: every visitor would wait"
    analyser.may_go_on.set()
    assert analyser.stopped.wait(5), "the work went on for nobody"


def test_a_closed_reading_leaves_no_file(read: Any, uploads: Uploads, mine: Path, tmp_path: Path) -> None:
    analyser = Slow()
    events = read(analyser)
    next(events), next(events)
    assert mine.exists()
    events.close()  # type: ignore[attr-defined]
    analyser.may_go_on.set()
    assert list(tmp_path.iterdir()) == [] and not uploads._claims


def test_a_visitor_who_left_is_read_for_no_longer(
    read: Any, uploads: Uploads, presence: Presence, tmp_path: Path
) -> None:
    analyser = Slow()
    events = read(analyser)
    next(events), next(events)
    presence.leave("a tab")
    analyser.may_go_on.set()
    assert list(events) == [SETS_NOTHING] and analyser.stopped.is_set()
    assert list(tmp_path.iterdir()) == [] and not uploads._claims


@pytest.mark.parametrize("error", [MsaError("The clip is too long. Cut it."), OSError("disk")])
def test_a_clip_that_fails_is_deleted_before_it_is_said(
    read: Any, uploads: Uploads, tmp_path: Path, error: Exception
) -> None:
    def extract(*_: Any, **__: Any) -> None:
        raise error

    events = read(SimpleNamespace(extract=extract), SimpleNamespace(clip="old.mp4"))
    next(events)
    told = next(events)
    assert list(tmp_path.iterdir()) == [] and not uploads._claims
    assert told["video"] == "old.mp4" and "disk" not in told["status"] and "mm-failed" in told["status"]
    assert list(events) == [SETS_NOTHING], "gradio sets the last step's values again when the event has ended"


def test_a_damaged_copy_that_cannot_be_made_leaves_no_folder(uploads: Uploads, mine: Path, tmp_path: Path) -> None:
    with pytest.raises(MsaError):
        uploads.playable(str(mine), Degradation(blur=0.05))
    assert [p.name for p in tmp_path.iterdir()] == ["upload"]


@pytest.fixture(scope="module")
def wired(analyser: Any) -> SimpleNamespace:
    """The actions for programs by name, as gradio calls them, and `.folder`, where their uploads lie."""
    found = SimpleNamespace(folder=Path("nowhere"))
    services = Services(analyser, Shipped(EXAMPLES, analyser.extract), Uploads(lambda: found.folder), Presence())
    with gr.Blocks() as page:
        named_calls(services)
    found.actions = {f.api_name: f.fn for f in page.fns.values()}
    return found


@pytest.fixture
def actions(wired: SimpleNamespace, tmp_path: Path) -> dict[str, Callable[..., Any]]:
    """The same with uploads in a folder of the test."""
    wired.folder = tmp_path
    return wired.actions  # type: ignore[no-any-return]


BAD = [
    ("analyse", {"dropped": "text"}, "dropped is 'text'"),
    ("analyse", {"dropped": ["smell"]}, "Unknown modality 'smell'"),
    ("analyse", {"dropped": [["text"]]}, "Unknown modality"),
    ("analyse", {"text_source": ["none"]}, "Unknown text source"),
    ("analyse", {"method": None}, "method is None"),
    ("analyse", {"method": ["sdumc"]}, "choose from: sdumc, corrkd, promma"),
    ("analyse", {"frame_missing_rate": [1]}, r"frame_missing_rate is \[1\]"),
    ("analyse", {"frame_missing_rate": {"text": "half"}}, "frame rate of text is 'half'"),
    ("analyse", {"frame_missing_rate": 0}, "frame_missing_rate is 0"),
    ("analyse", {"transcript": 5}, "transcript is 5"),
    ("analyse", {"transcript": "x" * 2001}, "2001 characters"),
    ("analyse", {"struck": "x"}, "struck is 'x'"),
    ("analyse", {"struck": 5}, "struck is 5"),
    ("analyse", {"struck": [True]}, r"struck is \[True\]"),
    ("analyse", {"blur": "much"}, "blur is 'much'"),
    ("analyse", {"blur": float("nan")}, "The blur is nan"),
    ("analyse", {"noise_db": [3]}, r"noise_db is \[3\]"),
    ("analyse", {"noise_db": 90}, "noise is at 90"),
    ("analyse", {"spoken": "xx"}, "spoken is 'xx'"),
    ("analyse", {"spoken": ["en"]}, r"spoken is \['en'\]"),
    ("compare", {"spoken": None}, "spoken is None"),
    ("analyse", {"any_language": 1}, "any_language is 1; give true or false"),
    ("compare", {"any_language": "yes"}, "any_language is 'yes'"),
    ("report", {"language": "xx"}, "language is 'xx'"),
    ("report", {"method": "bert"}, "method is 'bert'"),
    ("csv", {"dropped": {"text": 1}}, "dropped is"),
]


@pytest.mark.parametrize(("action", "settings", "line"), BAD)
def test_a_wrong_setting_is_said_before_the_clip_is_read(
    actions: Any, mine: Path, tmp_path: Path, analyser: Any, monkeypatch: Any, action: str, settings: Any, line: str
) -> None:
    monkeypatch.setattr(analyser, "extract", lambda *_, **__: pytest.fail("the clip was read"))
    with pytest.raises(gr.Error, match=line) as told:
        actions[action]({"path": str(mine)}, **settings)
    assert "\n" not in str(told.value) and str(tmp_path) not in str(told.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("clip", [None, "a.mp4", {}, {"path": 3}, {"path": "a\0b"}, {"path": "/etc/passwd"}])
@pytest.mark.parametrize("action", ["analyse", "compare", "report", "csv"])
def test_what_is_no_clip_is_said(actions: Any, action: str, clip: Any) -> None:
    with pytest.raises(gr.Error, match="Give a clip|passwd was not uploaded here") as told:
        actions[action](clip)
    assert "/etc" not in str(told.value)


def test_both_clips_are_deleted_when_one_cannot_be_read(actions: Any, mine: Path, tmp_path: Path) -> None:
    second = tmp_path / "other" / "second.mp4"
    second.parent.mkdir()
    second.write_bytes(b"no clip")
    with pytest.raises(gr.Error, match=r"(mine|second)\.mp4"):
        actions["compare"]({"path": str(mine)}, {"path": str(second)})
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_uploads_itself_is_no_clip(actions: Any, mine: Path, tmp_path: Path) -> None:
    for path in (tmp_path, mine.parent):
        with pytest.raises(gr.Error):
            actions["analyse"]({"path": str(path)})
    assert mine.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"name": "magic"}, "name is 'magic'; choose from: "),
        ({"name": ["adds"]}, "name is"),
        ({"name": "adds", "example": "../README.md"}, "There is no example"),
        ({"name": "adds", "example": ["crema_happy.mp4"]}, "There is no example"),
        ({"name": "adds", "settings": [1]}, r"settings is \[1\]"),
        ({"name": "adds", "settings": {"analyser": 1}}, "Unknown setting 'analyser'"),
        ({"name": "adds", "language": "xx"}, "language is 'xx'"),
    ],
)
def test_lessons_say_what_is_wrong(actions: Any, given: dict[str, Any], line: str) -> None:
    with pytest.raises(gr.Error, match=line):
        actions["lesson"](**given)


@pytest.mark.parametrize("name", ["../composite", None, ["composite"], 3])
def test_there_are_no_other_evaluations(actions: Any, name: Any) -> None:
    with pytest.raises(gr.Error, match="There is no evaluation of"):
        actions["evaluation"](name)


def answering(services: Services) -> Answering:
    """The quick events, with names in place of components."""
    components: Any = SimpleNamespace(absent_text="absent_text", switches={})
    clip: Any = {"clip": "clip", "facts": "facts"}
    return Answering(services, components, cast(Changes, None), OUTPUTS.answer, clip, cast(gr.HTML, "status"))


def test_the_remark_on_simulated_text_follows_the_language(services: Services) -> None:
    chinese, own = (
        answering(services).redraw(inputs(None, code, "corrkd"))["absent_text"]["info"] for code in ("zh", "en")
    )
    assert "CorrKD" in chinese and "reads" not in chinese
    assert "reads no simulated text" in own


def untimed(html: str) -> str:
    """An answer without how long it took."""
    return re.sub(r"answered in [^<]*|href=\"data:[^\"]*\"", "", html, flags=re.S)


@pytest.mark.slow
def test_a_reading_and_a_switch_give_the_same_answer(services: Services, tmp_path: Path) -> None:
    clip = tmp_path / "upload" / "mine.mp4"
    clip.parent.mkdir()
    shutil.copy(EXAMPLES / "crema_happy.mp4", clip)
    *_, drawn, done = Reading(services, OUTPUTS).read(Wanted(str(clip), None, str(clip)), inputs(), REQUEST)  # type: ignore[arg-type]
    again = answering(services).draw(inputs(drawn["visit"]))
    assert {p: untimed(html) for p, html in again.items()} == {p: untimed(drawn[p]) for p in Panel._fields}
    assert drawn["example"] == "" and "mm-done" in done["status"]
    services.uploads.release_all(drawn["visit"].claims)
    assert list(tmp_path.iterdir()) == []


def test_an_example_is_answered_without_any_reading(services: Services, monkeypatch: Any) -> None:
    monkeypatch.setattr(services.analyser, "extract", lambda *_, **__: pytest.fail("the clip was read"))
    path = str(EXAMPLES / "crema_sad.mp4")
    reading = Reading(services, OUTPUTS)
    drawn, done = reading.read(Wanted(path, None, path), inputs(), REQUEST)  # type: ignore[arg-type]
    assert drawn["visit"] is None and drawn["example"] == "crema_sad.mp4" and "mm-done" in done["status"]
    assert not services.uploads._claims
    settings = replace(inputs().settings, on={"text": True, "audio": True, "vision": False}, method="promma")
    shown = reading.example("crema_sad.mp4", inputs(), Kept(settings))
    assert shown is not None and shown["vision"]["value"] is False and "ProMMA" in shown["ruler"]
    assert "face off" in shown["ruler"] and reading.example("../README.md", inputs(), Kept(settings)) is None


@pytest.mark.parametrize("asked", [{"spoken": "zh"}, {"any_language": True}])
def test_an_example_that_is_to_be_read_otherwise_is_read(services: Services, monkeypatch: Any, asked: Any) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise MsaError("It is read.")

    monkeypatch.setattr(services.analyser, "extract", refuse)
    path = str(EXAMPLES / "crema_sad.mp4")
    *_, last = Reading(services, OUTPUTS).read(Wanted(path, None, path), replace(inputs(), **asked), REQUEST)  # type: ignore[arg-type]
    assert "It is read." in last["status"]


def test_visitors_share_an_example_and_only_its_name_is_theirs(services: Services) -> None:
    def given(example: Any) -> AnalyseInputs:
        on = dict.fromkeys(MODALITIES, True)
        rates: dict[str, float | None] = dict.fromkeys(MODALITIES, 0.0)
        return AnalyseInputs.of(
            services.shipped, None, example, None, "en", "en", False, "simulated", "sdumc", on, rates
        )

    one, two = given("crema_happy.mp4"), given("crema_happy.mp4")
    assert one.utterance is two.utterance is not None
    for other in ("", "nothing.mp4", "../examples/crema_happy.mp4", "votes.csv", None, ["crema_happy.mp4"]):
        assert given(other).visit is None
