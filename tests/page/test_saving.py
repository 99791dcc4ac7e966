"""Files to save without a browser: what hands them out, and the status line that says why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest
from predictions import prediction, utterance

from msa_core.errors import MsaError
from msa_core.i18n import ENGLISH
from msa_core.page.analyse_inputs import AnalyseInputs
from msa_core.page.saving import NO_CLIP, ReportInputs, Saving
from msa_core.page.session import Settings, Visit
from msa_core.schema import MODALITIES

NOTHING_LEFT = "Nothing is left."


class Answers:
    """Stand-in for the models: they answer as long as something is switched on."""

    methods = ("sdumc",)

    def predict(self, clip: Any, method: str, dropped: list[str], *_: Any) -> Any:
        """See `Analyser.predict`."""
        if len(dropped) == len(MODALITIES):
            raise MsaError(NOTHING_LEFT)
        return prediction()


def inputs(language: str = ENGLISH, clip: bool = True, on: bool = True) -> AnalyseInputs:
    settings = Settings(dict.fromkeys(MODALITIES, on), dict.fromkeys(MODALITIES, 0.0), "simulated", "sdumc")
    seen = utterance()
    visit = Visit(seen, "clip.mp4", "", "clip.mp4", "", None, 1.5) if clip else None
    return AnalyseInputs(visit, None, language, "en", settings)


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said beside the status line."""
    said: list[str] = []
    monkeypatch.setattr(gr, "Warning", said.append)
    return said


@pytest.fixture
def saving() -> Saving:
    return Saving(Answers(), "status")  # type: ignore[arg-type]


BUTTONS: list[Callable[[Saving, AnalyseInputs], Any]] = [
    lambda saving, given: saving.save_csv(given),
    lambda saving, given: saving.save_report(ReportInputs(given, with_pictures=False)),
]


@pytest.mark.parametrize("press", BUTTONS, ids=["csv", "report"])
def test_without_a_clip_the_status_line_says_why(saving: Saving, press: Any, warned: list[str]) -> None:
    told = press(saving, inputs(clip=False))
    assert told[saving.file] is None and NO_CLIP in told["status"] and 'role="alert"' in told["status"]
    assert warned == [NO_CLIP]
    assert "还没有片段" in press(saving, inputs("zh", clip=False))["status"]


def test_a_saved_file_takes_an_earlier_reason_away(saving: Saving, warned: list[str]) -> None:
    assert NOTHING_LEFT in saving.save_csv(inputs(on=False))["status"] and warned == [NOTHING_LEFT]
    told = saving.save_csv(inputs())
    assert told[saving.file][0] == "prediction.csv" and "mm-done" in told["status"]
