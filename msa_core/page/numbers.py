"""The Numbers tab: choices over one block of drawings that follows them; below it real people, and what papers say."""

from __future__ import annotations

from functools import partial

import gradio as gr

from msa_core.evaluation import results
from msa_core.i18n import use
from msa_core.page.components import QUICK, Form, Redraw, Words, html
from msa_core.page.scripts import script
from msa_core.views import numbers, real_people


def numbers_tab(words: Words, language: gr.Radio) -> Redraw:
    """Build the tab. Its one event is public: the order of the inputs is that of `draw`."""
    with gr.Row(elem_id="mm-choices"):
        chosen = {
            name: words.put(
                gr.Dropdown,
                partial(lambda i: dict(zip(("label", "choices"), numbers.choices()[i][1:3], strict=True)), i),
                value=start,
                filterable=False,
                elem_id=f"mm-{name}",
            )
            for i, (name, _, _, start) in enumerate(numbers.choices())
        }
    first = numbers.screen(**{name: c.value for name, c in chosen.items()})
    shown = html(first, "mm-numbers", script("numbers"), server_functions=[results.as_json])
    words.put(html, lambda: {"value": real_people.screen()}, name="mm-real", script=script("numbers"))
    words.put(html, lambda: {"value": numbers.reported()}, name="mm-papers")
    gr.on(
        [c.input for c in chosen.values()], draw, [*chosen.values(), language], shown,
        trigger_mode="always_last", api_name="numbers", **QUICK | {"api_visibility": "public"},
    )  # fmt: skip
    form = Form(lambda **values: {shown: draw(**values)}, **chosen, language=language)
    return Redraw(form.read, form.components, [shown])


def draw(corpus: str, protocol: str, metric: str, rows: str, language: str) -> str:
    """Draw the tables of one choice."""
    with use(language):
        return numbers.screen(corpus, protocol, metric, rows)
