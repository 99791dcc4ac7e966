"""The Numbers tab: choices over one block of drawings that follows them; below it real people, and what papers say.

What is below is drawn when the tab is opened: nobody else has to load it.
"""

from __future__ import annotations

from functools import partial

import gradio as gr

from msa_core.evaluation import results
from msa_core.i18n import use
from msa_core.page.components import QUICK, Choices, Form, Redraw, Updates, Words, html
from msa_core.page.scripts import script
from msa_core.views import evidence, numbers, real_people


def numbers_tab(words: Words, language: gr.Radio, tab: gr.Tab) -> tuple[Redraw, Choices]:
    """Build the tab. The event of its choices is public: the order of the inputs is that of `draw`."""
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
    first_four = [chosen[name] for name in ("corpus", "protocol", "metric", "rows")]
    first = numbers.screen(**{name: c.value for name, c in chosen.items()})
    shown = html(first, "mm-numbers", script("numbers"), server_functions=[results.as_json])
    below = [
        html("", "mm-real", script("numbers"), server_functions=[results.as_json]),
        html("", "mm-weights", script("numbers")),
        html("", "mm-papers"),
    ]
    tab.select(draw_below, language, below, api_name="page_numbers", **QUICK)
    gr.on(
        [c.input for c in chosen.values()], draw, [*first_four, language, chosen["missing"]], shown,
        trigger_mode="always_last", api_name="numbers", **QUICK | {"api_visibility": "public"},
    )  # fmt: skip

    def redraw(**values: str) -> Updates:
        return {shown: draw(**values), **dict(zip(below, draw_below(values["language"]), strict=True))}

    form = Form(redraw, **chosen, language=language)
    choices = Choices(chosen, [shown], lambda values, language: {shown: draw(**values, language=language)})
    return Redraw(form.read, form.components, [shown, *below]), choices


def draw_below(language: str) -> list[str]:
    """Draw what no choice changes: real people, what displayed weights mean, what papers report."""
    with use(language):
        return [real_people.screen(), evidence.section(), numbers.reported()]


def draw(corpus: str, protocol: str, metric: str, rows: str, language: str, missing: str = numbers.ANYTHING) -> str:
    """Draw the tables of one choice."""
    with use(language):
        return numbers.screen(corpus, protocol, metric, rows, missing)
