"""Events of the page without a browser: what happens to a clip when its visitor leaves, or when something fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import app
from msa_core.damage import Damage
from msa_core.errors import MsaError
from msa_core.uploads import Uploads

REQUEST = SimpleNamespace(session_hash="a tab")


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
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Uploads:
    """The page's claims on files, in a folder of the test."""
    own = Uploads(lambda: tmp_path)
    monkeypatch.setattr(app, "UPLOADS", own)
    monkeypatch.setattr(app, "_uploads", lambda: tmp_path)
    monkeypatch.setattr(app, "PRESENCE", app.Presence())
    return own


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """An upload in a folder of its own, as gradio puts it."""
    path = tmp_path / "upload" / "mine.mp4"
    path.parent.mkdir()
    path.write_bytes(b"a clip")
    return path


def reading(analyser: Any, clip: Path, visit: Any = None) -> Iterator[dict[Any, Any]]:
    """The event that reads a clip; its outputs are named."""
    names = ("video", "status", "visit", "edit", "answer", "seen", "transcript", "text_status", "blur", "noise",
             "text", "audio", "vision", "rate_text", "rate_audio", "rate_vision")  # fmt: skip
    read = app._reading(analyser, {name: name for name in names})
    return read(str(clip), None, visit, "simulated", "sdumc", "en", "en", REQUEST)


def test_closing_an_extraction_stops_it_and_waits_for_nothing() -> None:
    analyser = Slow()
    steps = app._extraction(analyser)("clip.mp4", Damage(), "en", lambda: None)  # type: ignore[arg-type]
    assert next(steps) == ("media", 0.0)
    start = time.monotonic()
    steps.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 2, "gradio closes it in its event loop: every visitor would wait"
    analyser.may_go_on.set()
    assert analyser.stopped.wait(5), "the work went on for nobody"


def test_a_closed_reading_leaves_no_file(uploads: Uploads, mine: Path, tmp_path: Path) -> None:
    analyser = Slow()
    events = reading(analyser, mine)
    next(events), next(events)
    assert mine.exists()
    events.close()  # type: ignore[attr-defined]
    analyser.may_go_on.set()
    assert list(tmp_path.iterdir()) == [] and not uploads._claims


def test_a_visitor_who_left_is_read_for_no_longer(uploads: Uploads, mine: Path, tmp_path: Path) -> None:
    analyser = Slow()
    events = reading(analyser, mine)
    next(events), next(events)
    app.PRESENCE.leave("a tab")
    analyser.may_go_on.set()
    assert list(events) == [] and analyser.stopped.is_set()
    assert list(tmp_path.iterdir()) == [] and not uploads._claims


@pytest.mark.parametrize("error", [MsaError("The clip is too long. Cut it."), OSError("disk")])
def test_a_clip_that_fails_is_deleted_before_it_is_said(
    uploads: Uploads, mine: Path, tmp_path: Path, error: Exception
) -> None:
    def extract(*_: Any, **__: Any) -> None:
        raise error

    events = reading(SimpleNamespace(extract=extract), mine, SimpleNamespace(clip="old.mp4"))
    next(events)
    told = next(events)
    assert list(tmp_path.iterdir()) == [] and not uploads._claims
    assert told["video"] == "old.mp4" and "disk" not in told["status"] and "mm-failed" in told["status"]
    assert list(events) == []


def test_a_damaged_copy_that_cannot_be_made_leaves_no_folder(uploads: Uploads, mine: Path, tmp_path: Path) -> None:
    with pytest.raises(MsaError):
        app._playable(str(mine), Damage(blur=0.05))
    assert [p.name for p in tmp_path.iterdir()] == ["upload"]
