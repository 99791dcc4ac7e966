"""The answer panel of the page: sentence, three gauges, contributions, mechanism, words, voice, seconds.

The structure of the panel does not change from one switch to the next, only numbers and styles do: the page
updates it in place, so the needles move instead of jumping.
"""

from __future__ import annotations

import base64
from typing import NamedTuple

from markupsafe import Markup

from msa_core.i18n import known, say
from msa_core.schema import MODALITIES, Prediction
from msa_core.views import mechanism, people, summary
from msa_core.views.clip import duration, timeline, transcript
from msa_core.views.gauges import empty_gauges, gauges_of
from msa_core.views.heard import heard
from msa_core.views.parts import method_title, signed, tone
from msa_core.views.template import render

WELCOME = "Record yourself, upload a clip or choose an example: the answer appears here."


def answer(prediction: Prediction | None, message: str = WELCOME) -> str:
    """Draw the whole panel as HTML; without a prediction three empty gauges under `message`, an English text."""
    if prediction is None:
        empty = {"sentence": known(message), "people": None, "gauges": empty_gauges(), "disclaimer": summary.DISCLAIMER}
        return str(render("answer", prediction=None, **empty))
    seconds = prediction.timings_s.get("predict")
    html = render(
        "answer",
        prediction=prediction,
        sentence=summary.sentence(prediction),
        people=people.sentence(prediction),
        gauges=gauges_of(prediction),
        disclaimer=summary.DISCLAIMER,
        seconds=None if seconds is None else duration(seconds),
        json=base64.b64encode(prediction.json_text().encode()).decode(),
        stack=Markup(f"{contributions(prediction)}{mechanism.gap(prediction)}{mechanism.beside(prediction)}"),
        mechanism=Markup(mechanism.inside(prediction)),
        below=Markup(f"{transcript(prediction)}{heard(prediction)}{timeline(prediction)}"),
    )
    return str(html)


class Step(NamedTuple):
    """One line of the waterfall: a bar from `start` to `end`; the sum so far at `step` joins it to the next bar."""

    label: str
    icon: str | None
    start: float
    end: float
    tone: str | None  # None: the modality is off and has no bar
    step: float | None
    value: str
    css: str = ""


def contributions(prediction: Prediction) -> Markup:
    """Draw a waterfall from the training mean over each modality to the score (exact Shapley values)."""
    values = prediction.contributions
    level = values["base"]
    lines = [Step(say("Training mean"), None, 0.0, level, "plain", level, signed(level), "mm-first")]
    for m in MODALITIES:
        start, level = level, level + values[m]
        on = prediction.modalities[m]["present"]
        shown = (tone(values[m]), level, signed(values[m]), "") if on else (None, level, say("off"), "mm-off")
        lines.append(Step(known(m), m, start, level, *shown))
    lines.append(Step(say("Score"), None, 0.0, level, tone(level), None, signed(level), "mm-sum"))
    return render("contributions", lines=lines, method=method_title(prediction.method))
