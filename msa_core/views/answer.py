"""The answer of the page, part by part: sentence, ruler, what was said and heard, seconds, inside the model.

The structure of a part does not change from one switch to the next, only numbers and styles do: the page updates it in
place, so the marks move instead of jumping.
"""

from __future__ import annotations

import base64
from typing import NamedTuple

from markupsafe import Markup

from msa_core.i18n import known, say
from msa_core.schema import MODALITIES, Prediction
from msa_core.views import mechanism, people, summary
from msa_core.views.clip import duration, timeline, transcript
from msa_core.views.flow import flow
from msa_core.views.heard import heard
from msa_core.views.parts import method_title, signed, tone
from msa_core.views.ruler import ruler
from msa_core.views.template import render

WELCOME = "Record yourself, upload a clip or choose an example: the answer appears here."


class Panel(NamedTuple):
    """The parts of an answer as HTML, each for a place of its own on the page.

    answer: the sentences. ruler: the marks from -3 to 3. flow: what each modality adds. moments: second by second.
    said: words and voice. inside: how the method came to its score. details: time and all numbers.
    """

    answer: str
    ruler: str
    flow: str = ""
    moments: str = ""
    said: str = ""
    inside: str = ""
    details: str = ""


def answer(prediction: Prediction | None, message: str = WELCOME, everything: Prediction | None = None) -> Panel:
    """Draw all parts; without a prediction a ruler under `message`, an English text.

    everything: of a clip of which nothing is left, the prediction from everything; its mark stays on the ruler.
    """
    told = {"disclaimer": summary.DISCLAIMER}
    if prediction is None:
        return Panel(render("answer", sentence=known(message), people=None, **told), ruler(None, everything))
    sentence = summary.sentence(prediction)
    voted = people.sentence(prediction) or ("" if prediction.people else None)  # its line stays
    seconds = prediction.timings_s.get("predict")
    code = base64.b64encode(prediction.json_text().encode()).decode()
    stack = _part("mm-stack", contributions(prediction), mechanism.gap(prediction), mechanism.beside(prediction))
    return Panel(
        answer=render("answer", sentence=sentence, people=voted, **told),
        ruler=ruler(prediction),
        flow=flow(prediction),
        moments=_part("mm-moments", timeline(prediction)),
        said=_part("mm-heard-said", transcript(prediction), heard(prediction)),
        inside=_part("mm-pair", stack, mechanism.inside(prediction)),
        details=render("answer_details", seconds=None if seconds is None else duration(seconds), json=code),
    )


def _part(css: str, *drawn: str) -> Markup:
    """Put drawings into one box."""
    return Markup('<div class="mm {}">{}</div>').format(css, Markup("").join(map(Markup, drawn)))


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
