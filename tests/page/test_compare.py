"""The second clip of the Compare tab: an example is read step by step, once for all visitors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from msa_core import prepared
from msa_core.page.compare import ChosenExample, Comparing
from msa_core.page.files import EXAMPLES, Uploads
from msa_core.page.services import Services
from msa_core.page.session import Shipped
from msa_core.schema import Stream, Utterance

STREAM = Stream(np.zeros((2, 3), np.float32), np.array([0.0, 0.5], np.float32))
READ = Utterance(
    id="crema_sad.mp4", duration_s=1.0, feature_set="made-up", text=STREAM, audio=STREAM, vision=STREAM,
    simulated=STREAM, transcript="", words=(),
)  # fmt: skip


def test_a_second_example_is_read_with_its_steps_and_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "utterance", lambda clip: None)  # no example was read beforehand

    def extract(path: str, progress: Callable[[str, float], None], **_: Any) -> Utterance:
        assert Path(path) == EXAMPLES / "crema_sad.mp4"
        progress("media", 0.0)
        progress("speech", 0.5)
        return READ

    services = Services(SimpleNamespace(extract=extract), Shipped(EXAMPLES, extract), Uploads(lambda: EXAMPLES))  # type: ignore[arg-type]
    events = Comparing(services, *("status", "second", "example", "drawn"))  # type: ignore[arg-type]
    chosen, request = ChosenExample("crema_sad.mp4", "en"), SimpleNamespace(session_hash="a tab")
    *steps, last = events.choose(chosen, request)  # type: ignore[arg-type]
    assert len(steps) == 2 and all("mm-steps" in step["status"] for step in steps)
    assert 'aria-valuenow="50"' in steps[1]["status"]
    assert last == {"status": "", "second": READ}
    assert list(events.choose(chosen, request)) == [last]  # type: ignore[arg-type]
    assert list(events.choose(ChosenExample("", "en"), request)) == [{"status": "", "second": None}]  # type: ignore[arg-type]
    (failed,) = events.choose(ChosenExample("no.mp4", "en"), request)  # type: ignore[arg-type]
    assert "There is no example" in failed["status"] and "mm-failed" in failed["status"]
