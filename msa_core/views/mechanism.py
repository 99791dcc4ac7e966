"""The part of the answer panel that explains a method: each method names its panel, and a panel is four functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from markupsafe import Markup

from msa_core import methods
from msa_core.i18n import known
from msa_core.schema import Prediction
from msa_core.views import distillation, gates, prompts
from msa_core.views.parts import method_title
from msa_core.views.template import render

Draw = Callable[[Prediction], str]


class Panel(NamedTuple):
    """The view of one kind of mechanism.

    complete: what the complete model is to the method, an English text; "" for late fusion. hint: explains `inside`;
    takes the method's title. inside: the body of its card. gap: the card on what stands in for missing modalities.
    beside: another card, or "".
    """

    complete: str
    hint: Callable[[str], str]
    inside: Draw
    gap: Draw
    beside: Draw


def _nothing(prediction: Prediction) -> str:
    return ""


PANELS = {
    "attention": Panel("", gates.hint, gates.inside, gates.gap, _nothing),
    "gates": Panel("", gates.hint, gates.inside, gates.gap, _nothing),
    "distillation": Panel("teacher", distillation.hint, distillation.inside, distillation.gap, distillation.distances),
    "prompts": Panel("backbone", prompts.hint, prompts.inside, prompts.verdicts, prompts.attention),
}


def panel_of(prediction: Prediction) -> Panel:
    """Look up the panel that the method names."""
    return PANELS[methods.panel_of(prediction.method)]


def complete_model(prediction: Prediction) -> str:
    """Name what the complete model is to the method: its teacher or backbone; "" for late fusion."""
    return known(panel_of(prediction).complete)


def inside(prediction: Prediction) -> str:
    """Draw the card that shows how the method came to its score."""
    panel, title = panel_of(prediction), method_title(prediction.method)
    return render("mechanism", method=title, hint=panel.hint(title), body=Markup(panel.inside(prediction)))


def gap(prediction: Prediction) -> str:
    """Draw the card on what stands in for missing modalities."""
    return panel_of(prediction).gap(prediction)


def beside(prediction: Prediction) -> str:
    """Draw what else the panel has, "" when it has nothing."""
    return panel_of(prediction).beside(prediction)
