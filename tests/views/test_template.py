"""Templates: every text is escaped, nothing undefined is passed over, and a method's panel is found."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup
from paths import ROOT
from predictions import NASTY, prediction, taught

from msa_core import i18n
from msa_core.methods import METHODS
from msa_core.views import mechanism, template
from msa_core.views.mechanism import PANELS, panel_of


def test_texts_are_escaped_and_html_is_kept() -> None:
    html = template.render("card", title=NASTY, hint=Markup("<b>x</b>"), body=NASTY, css="")
    assert NASTY not in html and "<b>x</b>" in html and html.count("&lt;img") == 2


def test_a_value_that_is_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="hint"):
        template.render("card", title="x")


def test_a_translated_text_escapes_what_is_put_into_it() -> None:
    assert template._say("Target: {target}", target=NASTY) == f"Target: {NASTY}"  # escaped where it is shown
    with i18n.use("zh"):
        html = template._say("Target: {target}", target=Markup("<b>1</b>"))
    assert html == "目标类别：<b>1</b>" and isinstance(html, Markup)


def test_every_method_has_a_panel() -> None:
    assert {m.panel for m in METHODS.values()} <= set(PANELS)
    assert panel_of(prediction()) is PANELS["gates"] and panel_of(taught()) is PANELS["distillation"]


def test_a_checkpoint_by_name_has_the_panel_of_its_method() -> None:
    assert panel_of(taught(method="corrkd-composite-v1")) is PANELS["distillation"]
    assert panel_of(prediction(method=str(ROOT / "checkpoints" / "sdumc-composite-v1"))) is PANELS["gates"]
    assert panel_of(prediction(method="mine", mechanism={})) is PANELS["attention"]
    assert "no inner weights" in mechanism.inside(prediction(method="mine", mechanism={}))
