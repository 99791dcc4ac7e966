"""The page: layout and wiring only. `python app.py` opens it; every number and every drawing comes from `msa_core`.

Privacy, in one place: a clip lives in gradio's temporary folder, is deleted at once when it is bad, and otherwise
when it is replaced, when its page closes or after 15 to 20 minutes; the extracted features live in memory as long.
"""

from __future__ import annotations

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
try:
    import spaces  # Hugging Face ZeroGPU; must come before torch

    gpu = spaces.GPU
except ImportError:

    def gpu(function):  # type: ignore[no-untyped-def]
        """Off ZeroGPU nothing needs to be reserved."""
        return function


import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial, wraps
from html import escape
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import gradio as gr

from msa_core import compare, degrade, lessons
from msa_core.degrade import Degradation
from msa_core.errors import MsaError
from msa_core.evaluation import results
from msa_core.i18n import ENGLISH, LANGUAGES, active, catalogue, known, say, use
from msa_core.lessons import drawings
from msa_core.lessons.handout import sheet
from msa_core.page import api_arguments, preview
from msa_core.page.files import Uploads
from msa_core.page.session import Edit, Left, Presence, Settings, Shipped, Visit, predict, rewrite, seen, strike
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Prediction, Utterance
from msa_core.views import answer as figures
from msa_core.views import clip as figures_clip
from msa_core.views import comparison, page_parts, prediction_csv
from msa_core.views import numbers as figures_numbers
from msa_core.views.parts import method_name, modality_title
from msa_core.views.report import report_html

HERE = Path(__file__).resolve().parent
STATIC = HERE / "msa_core" / "static"
EXAMPLES = HERE / "examples"
KEEP_S = 900  # seconds a clip and its features stay, at most
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
HEAVY: dict[str, Any] = {
    "show_progress": "hidden",
    "concurrency_id": "extract",
    "concurrency_limit": 1,
    "api_visibility": "private",
}
CHOOSE = """element.addEventListener('click', event => {
  const button = event.target.closest('button[data-clip]');
  if (button) trigger('choose', {clip: button.dataset.clip});
});"""
STRIKE = """const waiting = new Set();  // words clicked while an earlier strike is being answered
let asked = -Infinity;  // ms; after 5 s without a new answer, as when one was refused, the next click goes out anyway
const ask = () => {
  if (!waiting.size || performance.now() - asked < 5000) return;
  asked = performance.now();
  trigger('strike', {words: [...waiting]});
  waiting.clear();
};
const answered = new MutationObserver(() => { asked = -Infinity; ask(); });
answered.observe(element, {characterData: true, childList: true, subtree: true});
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-word]'), word = button && Number(button.dataset.word);
  if (!button) return;
  button.setAttribute('aria-pressed', button.getAttribute('aria-pressed') !== 'true');
  if (!waiting.delete(word)) waiting.add(word);
  ask();
});"""
SHOW_ANSWER = """() => { if (innerWidth < 760 && document.querySelector('#mm-status .mm-done'))
  document.querySelector('#mm-switches').parentElement.scrollIntoView(); }"""
WANTED = f"""() => {{ const wanted = (mmLanguage.get() || navigator.language).toLowerCase();
  return {list(LANGUAGES)}.find(code => wanted.startsWith(code)) || '{ENGLISH}'; }}"""
SAVE = f"file => {{ if (file) ({prediction_csv.SAVE})(...file); }}"
REMEMBER = """language => { mmLanguage.set(language); document.documentElement.lang = language;
  return language; }"""


def _uploads() -> Path:
    """Gradio's temporary folder."""
    return Path(gr.utils.get_upload_folder()).resolve()


UPLOADS = Uploads(_uploads)
PRESENCE = Presence()


class Words:
    """The components that carry words, so that they can be said again in another language."""

    def __init__(self) -> None:
        self.components: list[Any] = []
        self._texts: list[Callable[[], dict[str, Any]]] = []
        self._marker, self._plain = gr.I18n(), set[str]()

    def put(self, kind: Callable[..., Any], texts: Callable[[], dict[str, Any]], **fixed: Any) -> Any:
        """A component of `kind`; `texts` gives the settings that are words, in the active language."""
        component = kind(**{k: self._marked(v) for k, v in texts().items()}, **fixed)
        self.components.append(component)
        self._texts.append(texts)
        return component

    def said(self) -> list[Any]:
        """An update for each component, in the active language."""
        return [gr.update(**texts()) for texts in self._texts]

    def _marked(self, value: Any) -> Any:
        """A plain text as gradio's own translatable text: the first picture is in the browser's language already."""
        if (
            not isinstance(value, str)
            or "}" in value
            or any(value not in catalogue(c) for c in LANGUAGES if c != ENGLISH)
        ):
            return value
        self._plain.add(value)
        return self._marker(value)

    @property
    def i18n(self) -> gr.I18n:
        """The marked texts in every language, for `launch`."""
        return gr.I18n(**{code: {t: catalogue(code).get(t, t) for t in sorted(self._plain)} for code in LANGUAGES})


@dataclass(frozen=True)
class Desk:
    """The components of the Analyse screen that other screens read."""

    visit: gr.State
    edit: gr.State
    absent_text: gr.Radio
    method: gr.Dropdown
    spoken: gr.Radio
    switches: dict[str, gr.Checkbox]
    rates: dict[str, gr.Slider]
    language: gr.Radio

    @property
    def inputs(self) -> list[Any]:
        """What `Asked` is made from."""
        return [self.visit, self.edit, self.language, self.absent_text, self.method,
                *self.switches.values(), *self.rates.values()]  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """The values of `Desk.inputs` in an event."""

    visit: Visit | None
    edit: Edit | None
    language: str
    settings: Settings

    @staticmethod
    def of(visit: Visit | None, edit: Edit | None, language: str, absent_text: str, method: str, *rest: Any) -> Asked:
        """From the values in order."""
        n = len(MODALITIES)
        on = dict(zip(MODALITIES, map(bool, rest[:n]), strict=True))
        rates = {m: float(r or 0) / 100 for m, r in zip(MODALITIES, rest[n : 2 * n], strict=True)}
        return Asked(visit, edit, language, Settings(on, rates, absent_text, method))

    @property
    def utterance(self) -> Utterance | None:
        """The visitor's clip as it is now, or None."""
        return None if self.visit is None else seen(self.visit, self.edit)


def build(analyser: Analyser) -> gr.Blocks:
    """The page around loaded models."""
    gr.set_static_paths([EXAMPLES])
    words, shipped = Words(), Shipped(EXAMPLES, analyser.extract)
    with gr.Blocks(
        title="Missing-Modality Lab", analytics_enabled=False, delete_cache=(300, KEEP_S), fill_width=True
    ) as page:
        with gr.Row(elem_id="mm-top"):
            words.put(_html, lambda: {"value": page_parts.head()}, name="mm-head")
            language = words.put(
                gr.Radio, lambda: {"label": say("Language")}, choices=[(v, k) for k, v in LANGUAGES.items()],
                value=ENGLISH, elem_id="mm-language", min_width=150, scale=0, container=False,
            )  # fmt: skip
        words.put(_html, lambda: {"value": page_parts.notices()}, name="mm-notices")
        with gr.Tabs(elem_id="mm-tabs") as tabs:
            with words.put(gr.Tab, lambda: {"label": say("Analyse")}, id="analyse"):
                desk, redraw_analyse = _analyse_screen(page, analyser, words, language)
            with words.put(gr.Tab, lambda: {"label": say("Compare")}, id="compare") as compare_tab:
                redraw_compare = _compare_screen(analyser, words, desk, shipped, compare_tab)
            with words.put(gr.Tab, lambda: {"label": say("Learn")}, id="learn"):
                redraw_learn = _learn_screen(analyser, words, desk, shipped)
            with words.put(gr.Tab, lambda: {"label": say("Numbers")}, id="numbers"):
                redraw_numbers = _numbers_screen(words, language)
            with words.put(gr.Tab, lambda: {"label": say("About")}, id="about"):
                words.put(gr.Markdown, lambda: {"value": page_parts.about()}, elem_classes="mm-about")
                words.put(gr.Markdown, lambda: {"value": page_parts.sources(EXAMPLES)}, elem_classes="mm-about")
        _languages(page, words, language, [redraw_analyse, redraw_compare, redraw_learn, redraw_numbers])
        _api(analyser, shipped)
        page.unload(_leaving(page))
    del tabs
    page.words = words.i18n  # `launch` hands it to gradio
    return page.queue(max_size=16, default_concurrency_limit=1, api_open=False)


Redraw = tuple[Callable[..., list[Any]], list[Any], list[Any]]  # function, inputs, outputs: what depends on a clip


def _languages(page: gr.Blocks, words: Words, language: gr.Radio, redraws: list[Redraw]) -> None:
    """Say everything again when the language changes; start in the browser's, or in the one chosen last time."""

    def begin(chosen: str, request: gr.Request) -> list[Any]:
        if chosen != ENGLISH:
            return [chosen, *speak(chosen, request)]
        PRESENCE.speak(request.session_hash, chosen)
        return [gr.skip()] * (1 + len(words.components))

    def speak(chosen: str, request: gr.Request) -> list[Any]:
        PRESENCE.speak(request.session_hash, chosen)
        with use(chosen):
            return words.said()

    opened = page.load(begin, language, [language, *words.components], js=WANTED, **QUICK)
    changed = language.input(speak, language, words.components, js=REMEMBER, **QUICK)
    for function, inputs, outputs in redraws:
        changed.then(_each(function), inputs, outputs, **QUICK)
        opened.then(_each(_unless_english(function, len(outputs))), [language, *inputs], outputs, **QUICK)


def _each(function: Callable[..., list[Any]]) -> Callable[..., Any]:
    """Gradio wants the value itself where an event has one output; a list would be written out as text."""

    def values(*given: Any) -> Any:
        drawn = function(*given)
        return drawn[0] if len(drawn) == 1 else drawn

    return values


def _unless_english(function: Callable[..., list[Any]], n: int) -> Callable[..., list[Any]]:
    """The page is built in English: nothing is drawn again for it."""
    return lambda language, *values: [gr.skip()] * n if language == ENGLISH else function(*values)


def _html(value: str = "", name: str | None = None, script: str | None = None, **extra: Any) -> gr.HTML:
    """One of our own drawings; only our style sheet applies to it."""
    return gr.HTML(value, elem_id=name, js_on_load=script, apply_default_css=False, **extra)


# ---------------------------------------------------------------- Analyse


def _analyse_screen(page: gr.Blocks, analyser: Analyser, words: Words, language: gr.Radio) -> tuple[Desk, Redraw]:
    visit = gr.State(None, time_to_live=KEEP_S, delete_callback=_forgetting(page))
    edit = gr.State(None, time_to_live=KEEP_S)
    with gr.Row(elem_id="mm-screen"):
        with gr.Column(scale=4, min_width=300, elem_id="mm-left"):
            video, spoken, examples, again, status = _clip_column(words, language)
        with gr.Column(scale=9, min_width=300, elem_id="mm-right"):
            desk = _controls(analyser, words, visit, edit, language, spoken)
            lower = _changes(words)
            answer = _html(figures.answer(None), "mm-answer", STRIKE + figures_clip.SCRIPT)
            with gr.Row(elem_id="mm-saves"):
                csv = words.put(gr.Button, lambda: {"value": say("Save CSV")}, elem_id="mm-save-csv", size="sm")
                pictures = words.put(
                    gr.Checkbox,
                    lambda: {"label": say("with pictures of the clip")},
                    value=True,
                    container=False,
                    min_width=0,
                    elem_id="mm-pictures",
                )
                report = words.put(
                    gr.Button, lambda: {"value": say("Save a report")}, elem_id="mm-save-report", size="sm"
                )
            seen_html = _html("", "mm-seen", figures_clip.SCRIPT)
    shown = {"video": video, "status": status, "visit": visit, "edit": edit, "answer": answer, "seen": seen_html,
             "transcript": lower["transcript"], "text_status": lower["status"],
             "blur": lower["blur"], "noise": lower["noise"],
             **{f"rate_{m}": s for m, s in desk.rates.items()}, **desk.switches}  # fmt: skip
    read = _reading(analyser, shown)
    settings = [visit, desk.absent_text, desk.method, spoken, language]
    heavy = {"outputs": list(shown.values()), **HEAVY}

    def analyse(request: gr.Request, playing: str | None, *rest: Any) -> Iterator[dict[Any, Any]]:
        known = rest[0] is not None and playing == rest[0].clip  # read again from the file as it came, undamaged
        yield from read(rest[0].original if known else playing, None, playing, *rest, request)

    def choose(event: gr.EventData, request: gr.Request, *rest: Any) -> Iterator[dict[Any, Any]]:
        if event.clip not in page_parts.EXAMPLE_TITLES:
            raise gr.Error(f"There is no example {event.clip!r}.")
        path = str(EXAMPLES / event.clip)
        yield {video: path}
        yield from read(path, None, path, *rest, request)

    def reread(request: gr.Request, blur: float, noise: float, *rest: Any) -> Iterator[dict[Any, Any]]:
        how = Degradation(blur / 100, None if not noise else degrade.MAX_NOISE_DB - noise)
        yield from read(rest[0] and rest[0].original, how, rest[0] and rest[0].clip, *rest, request)

    uploaded = gr.on([video.upload, video.stop_recording, again.click], analyse, [video, *settings],
                     api_name="page_analyse", **heavy)  # fmt: skip
    chosen = examples.choose(choose, settings, api_name="page_example", **heavy)
    lower["apply"].click(reread, [lower["blur"], lower["noise"], *settings], api_name="page_reread", **heavy)
    for event in (uploaded, chosen):
        event.then(None, js=SHOW_ANSWER)
    draw = _drawing(analyser)
    gr.on(
        [*(s.input for s in desk.switches.values()), *(r.input for r in desk.rates.values()),
         desk.absent_text.input, desk.method.input],
        draw, desk.inputs, answer, api_name="predict", trigger_mode="always_last", **QUICK,
    )  # fmt: skip
    _editing(analyser, desk, answer, lower)
    _saving(analyser, desk, csv, report, pictures)
    redraw = _redraw_analyse(analyser, draw)
    return desk, (redraw, desk.inputs, [answer, desk.absent_text, seen_html, status, *desk.switches.values()])


def _clip_column(words: Words, language: gr.Radio) -> tuple[gr.Video, gr.Radio, gr.HTML, gr.Button, gr.HTML]:
    """Player, camera consent, examples, steps. The camera can only be chosen after consent."""
    video = words.put(
        gr.Video, lambda: {"label": say("Your clip")}, sources=["upload"], show_label=False, elem_id="mm-clip",
        webcam_options=gr.WebcamOptions(mirror=False), include_audio=True, buttons=[],
    )  # fmt: skip
    with gr.Row():
        record = words.put(gr.Button, lambda: {"value": say("Record yourself")}, elem_id="mm-record")
        again = words.put(gr.Button, lambda: {"value": say("Analyse")}, variant="primary", elem_id="mm-analyse")
    with gr.Column(visible=False, elem_id="mm-consent") as consent:
        words.put(_html, lambda: {"value": page_parts.consent()})
        with gr.Row():
            no = words.put(gr.Button, lambda: {"value": say("Not now")}, elem_id="mm-refuse")
            yes = words.put(gr.Button, lambda: {"value": say("I agree, go on")}, variant="primary", elem_id="mm-agree")
    status = _html("", "mm-status")
    spoken = words.put(
        gr.Radio,
        lambda: {
            "label": say("Speech in the clip"),
            "choices": [(say("English"), "en"), (say("Chinese"), "zh")],
        },
        value="en",
        elem_id="mm-spoken",
    )
    examples = words.put(_html, lambda: {"value": page_parts.examples(EXAMPLES)}, name="mm-examples", script=CHOOSE)
    words.put(_html, lambda: {"value": page_parts.privacy()})
    record.click(lambda: gr.Column(visible=True), None, consent, **QUICK)
    no.click(lambda: gr.Column(visible=False), None, consent, **QUICK)
    yes.click(
        lambda: (gr.Column(visible=False), gr.Video(sources=["webcam", "upload"], value=None)),
        None,
        [consent, video],
        **QUICK,
    )
    return video, spoken, examples, again, status


def _controls(
    analyser: Analyser, words: Words, visit: gr.State, edit: gr.State, language: gr.Radio, spoken: gr.Radio
) -> Desk:
    with gr.Row(elem_id="mm-switches"):
        switches = {
            m: words.put(
                gr.Checkbox, partial(lambda m: {"label": modality_title(m), "info": say("no clip yet")}, m),
                value=True, interactive=False, elem_id=f"mm-{m}", min_width=90,
            )
            for m in MODALITIES
        }  # fmt: skip
    with gr.Row(elem_id="mm-settings"):
        absent_text = words.put(
            gr.Radio,
            lambda: {
                "label": say("When text is off"),
                "choices": [(say("simulate it from the voice"), "simulated"), (say("use nothing"), "none")],
            },
            value="simulated",
            elem_id="mm-absent-text",
        )
        method = words.put(
            gr.Dropdown,
            lambda: {
                "label": say("Missing-modality model"),
                "choices": [(method_name(m), m) for m in analyser.methods],
            },
            value=analyser.methods[0],
            filterable=False,
            elem_id="mm-method",
        )
    with words.put(gr.Accordion, lambda: {"label": say("Drop some of the words, the voice or the face")}, open=False,
                   elem_id="mm-drops"), gr.Row(elem_id="mm-rates"):  # fmt: skip
        rates = {
            m: words.put(
                gr.Slider, partial(lambda m: {"label": page_parts.dropped_title(m)}, m), minimum=0, maximum=90,
                step=10, value=0, elem_id=f"mm-rate-{m}", min_width=150, buttons=[],
            )
            for m in MODALITIES
        }  # fmt: skip
    gr.on(
        [method.input, language.input],
        lambda name, said: _absent_text(analyser, name, said),
        [method, language],
        absent_text,
        **QUICK,
    )
    return Desk(visit, edit, absent_text, method, spoken, switches, rates, language)


def _changes(words: Words) -> dict[str, Any]:
    """Other words, a blurred picture, a noisy sound."""
    with words.put(
        gr.Accordion,
        lambda: {"label": say("Change the words, blur the picture, add noise")},
        open=False,
        elem_id="mm-changes",
    ):
        transcript = words.put(
            gr.Textbox, lambda: {"label": say("Edit the words")}, lines=2, max_length=2000, elem_id="mm-transcript"
        )
        with gr.Row():
            heard = words.put(
                gr.Button, lambda: {"value": say("Restore the original words")}, elem_id="mm-heard", size="sm"
            )
            use_words = words.put(
                gr.Button, lambda: {"value": say("Use these words")}, variant="primary", elem_id="mm-use", size="sm"
            )
        status = _html("", "mm-text-status")
        with gr.Row():
            blur = words.put(
                gr.Slider,
                lambda: {"label": say("Blur the picture (percent of its shorter side)")},
                minimum=0,
                maximum=100 * degrade.MAX_BLUR,
                step=0.5,
                value=0,
                elem_id="mm-blur",
                min_width=200,
                buttons=[],
            )
            noise = words.put(
                gr.Slider,
                lambda: {"label": say("Add noise to the sound (0 is none)")},
                minimum=0,
                maximum=degrade.MAX_NOISE_DB - degrade.MIN_NOISE_DB,
                step=1,
                value=0,
                elem_id="mm-noise",
                min_width=200,
                buttons=[],
            )
        apply = words.put(gr.Button, lambda: {"value": say("Apply and read the clip again")}, elem_id="mm-apply")
        words.put(_html, lambda: {"value": page_parts.slower()})
    return {"transcript": transcript, "heard": heard, "use": use_words, "status": status, "blur": blur,
            "noise": noise, "apply": apply}  # fmt: skip


def _absent_text(analyser: Analyser, method: str, language: str) -> Any:
    """The choice behind a switched-off text is only there for methods that read simulated text."""
    reads = analyser.reads_simulated(method)
    with use(language):
        info = "" if reads else say("{method} reads no simulated text", method=method_name(method))
    return gr.update(interactive=reads, info=info)


def _reading(analyser: Analyser, shown: dict[str, Any]) -> Callable[..., Iterator[dict[Any, Any]]]:
    """The event that reads a clip: steps while it works, then everything at once; errors leave the old answer."""
    extraction = _extraction(analyser)

    def read(
        clip: str | None,
        how: Degradation | None,
        playing: str | None,
        visit: Visit | None,
        absent_text: str,
        method: str,
        spoken: str,
        language: str,
        request: gr.Request,
    ) -> Iterator[dict[Any, Any]]:
        """`how` is None for a new clip; else the clip of the visit is read again, damaged like this.

        playing: what the player shows. language: when the reading began; what is said follows the visitor's choice.
        The line that says it is done comes last.
        """
        status, started, steps = shown["status"], time.perf_counter(), ["media"]

        def line(drawing: Callable[..., str], *values: Any) -> dict[Any, Any]:
            with use(PRESENCE.language(request.session_hash, language)):
                return {status: drawing(*values)}

        if not clip:
            yield line(page_parts.failed, "There is no clip yet: record, upload or choose one first.")
            return
        claims, kept = [(clip, UPLOADS.claim(clip))], ""
        here = PRESENCE.watch(request.session_hash)
        try:
            yield line(page_parts.working, steps, 0.0)
            for item in extraction(_ours(clip), how or Degradation(), spoken, here):
                if isinstance(item, Utterance):
                    utterance = item
                    break
                step, share = item
                steps += [step] if step not in steps else []
                yield line(page_parts.working, steps, share)
            source = "transcript" if utterance.text.present else absent_text
            prediction = analyser.predict(utterance, method, (), source)
            playable = _playable(clip, how)
            claims.append((playable, UPLOADS.claim(playable)))
            here()
            seconds = time.perf_counter() - started
            now = PRESENCE.language(request.session_hash, language)
            with use(now):
                done = {status: page_parts.finished(utterance, seconds)}
                drawn = {
                    shown["answer"]: figures.answer(prediction),
                    shown["seen"]: figures_clip.clip(utterance),
                    **{shown[m]: _switch(utterance, m, now) for m in MODALITIES},
                }
            kept = playable
        except Left:
            return
        except Exception as e:
            ours = not isinstance(e, MsaError)
            if ours:
                logging.exception("analysis failed")
            _release(claims)  # before it is said
            yield {
                **line(page_parts.failed, page_parts.OUR_FAULT if ours else str(e)),
                shown["video"]: visit and visit.clip,
            }
            return
        finally:  # also when gradio closes this generator
            if not kept:
                _release(claims)
        if visit:
            _release([(visit.clip, visit.claim), (visit.original, visit.original_claim)])
        (original, original_claim), (_, claim) = claims
        yield {
            **drawn,
            shown["visit"]: Visit(utterance, kept, claim, original, original_claim, request.session_hash, seconds),
            shown["edit"]: None,
            shown["transcript"]: page_parts.editable(utterance),
            shown["text_status"]: "",
            **({} if kept == playing else {shown["video"]: kept}),
            **({shown["blur"]: 0, shown["noise"]: 0} if how is None else {}),
            **{shown[f"rate_{m}"]: 0 for m in MODALITIES},
        }
        yield done

    return _ending(read, shown["status"])


def _ending(read: Callable[..., Iterator[dict[Any, Any]]], component: Any) -> Callable[..., Iterator[dict[Any, Any]]]:
    """The steps of an event, then one that sets nothing.

    Gradio sets the values of an event's last step a second time when the event has ended, on a busy machine seconds
    later, over what the visitor has changed since.
    """

    @wraps(read)
    def steps(*values: Any) -> Iterator[dict[Any, Any]]:
        yield from read(*values)
        yield {component: gr.skip()}

    return steps


def _release(claims: list[tuple[str, str]]) -> None:
    for clip, claim in claims:
        UPLOADS.release(clip, claim)


def _switch(utterance: Utterance, modality: str, language: str, on: bool = True) -> Any:
    """A new clip starts with everything it has switched on; what it lacks cannot be switched."""
    there = utterance.stream(modality).present
    with use(language):
        info: Any = page_parts.state(utterance, modality)
    return gr.update(value=on and there, interactive=there, info=info)


def _drawing(analyser: Analyser) -> Callable[..., str]:
    """The event behind every switch and slider: nothing is extracted again, one HTML block changes."""

    def draw(*values: Any) -> str:
        asked = Asked.of(*values)
        with use(asked.language):
            if asked.utterance is None:
                return figures.answer(None, page_parts.gone(KEEP_S)) if _touched(asked) else figures.answer(None)
            try:
                return figures.answer(predict(analyser, asked.utterance, asked.settings))
            except MsaError as e:
                return figures.answer(None, known(str(e)))

    return draw


def _touched(asked: Asked) -> bool:
    return not all(asked.settings.on.values()) or any(asked.settings.rates.values())


def _redraw_analyse(analyser: Analyser, draw: Callable[..., str]) -> Callable[..., list[Any]]:
    def redraw(*values: Any) -> list[Any]:
        asked = Asked.of(*values)
        first = [draw(*values), _absent_text(analyser, asked.settings.method, asked.language)]
        if asked.visit is None:
            return [*first, "", "", *[gr.update()] * len(MODALITIES)]
        with use(asked.language):
            drawn = figures_clip.clip(asked.visit.utterance)
            line = page_parts.finished(asked.visit.utterance, asked.visit.seconds)
        utterance, on = seen(asked.visit, asked.edit), asked.settings.on
        return [*first, drawn, line, *(_switch(utterance, m, asked.language, on[m]) for m in MODALITIES)]

    return redraw


def _editing(analyser: Analyser, desk: Desk, answer: gr.HTML, lower: dict[str, Any]) -> None:
    """Strike single words out by clicking them, or write other words: only the text is encoded again."""
    draw = _drawing(analyser)
    out = [desk.edit, answer, lower["transcript"], lower["status"], *desk.switches.values()]

    def change(make: Callable[[Asked], Edit | None], values: tuple[Any, ...]) -> list[Any]:
        asked = Asked.of(*values)
        same = [gr.update()] * len(MODALITIES)
        with use(asked.language):
            if asked.visit is None:
                return [None, figures.answer(None, page_parts.gone(KEEP_S)), gr.update(), "", *same]
            try:
                edit = make(asked)
            except MsaError as e:
                return [asked.edit, gr.update(), gr.update(), page_parts.failed(str(e)), *same]
        utterance = seen(asked.visit, edit)
        on = dict(asked.settings.on)
        if utterance.text.present and not seen(asked.visit, asked.edit).text.present:
            on["text"] = True  # words where there were none: they are what was asked for
        on = {m: on[m] and utterance.stream(m).present for m in MODALITIES}
        rates = values[5 + len(MODALITIES) :]
        drawn = draw(asked.visit, edit, *values[2:5], *on.values(), *rates)
        shown = page_parts.editable(utterance)
        return [edit, drawn, shown, "", *(_switch(utterance, m, asked.language, on[m]) for m in MODALITIES)]

    def strike_words(event: gr.EventData, *values: Any) -> list[Any]:
        words = event.words if isinstance(event.words, list) else []
        return change(lambda asked: strike(analyser, asked.visit, asked.edit, words), values)  # type: ignore[arg-type]

    def write(text: str, *values: Any) -> list[Any]:
        return change(lambda asked: rewrite(analyser, asked.visit, text), values)  # type: ignore[arg-type]

    def as_heard(*values: Any) -> list[Any]:
        return change(lambda asked: None, values)

    answer.strike(strike_words, desk.inputs, out, api_name="page_strike", trigger_mode="multiple", **QUICK)
    gr.on([lower["use"].click, lower["transcript"].submit], write, [lower["transcript"], *desk.inputs], out,
          api_name="page_words", **QUICK)  # fmt: skip
    lower["heard"].click(as_heard, desk.inputs, out, api_name="page_as_heard", **QUICK)


def _saving(analyser: Analyser, desk: Desk, csv: gr.Button, report: gr.Button, pictures: gr.Checkbox) -> None:
    """Files are made in the browser from what the event returns: the server writes none."""
    file = gr.JSON(visible="hidden")

    def saving(make: Callable[[Utterance, Settings], list[str]], values: tuple[Any, ...]) -> list[str] | None:
        asked = Asked.of(*values)
        with use(asked.language):
            try:
                if asked.utterance is None:
                    raise MsaError("There is no clip yet: record, upload or choose one first.")
                return make(asked.utterance, asked.settings)
            except MsaError as e:
                gr.Warning(escape(known(str(e))))  # gradio draws it as HTML
                return None

    def table(utterance: Utterance, settings: Settings) -> list[str]:
        return ["prediction.csv", "text/csv", prediction_csv.as_csv(predict(analyser, utterance, settings))]

    def save_csv(*values: Any) -> list[str] | None:
        return saving(table, values)

    def save_report(with_pictures: bool, *values: Any) -> list[str] | None:
        def page(utterance: Utterance, settings: Settings) -> list[str]:
            by_method = {m: predict(analyser, utterance, replace(settings, method=m)) for m in analyser.methods}
            html = report_html(utterance, by_method, settings.method, with_pictures=with_pictures)
            return ["missing-modality-report.html", "text/html", html]

        return saving(page, values)

    csv.click(save_csv, desk.inputs, file, **QUICK).then(None, file, None, js=SAVE)
    report.click(save_report, [pictures, *desk.inputs], file, **QUICK).then(None, file, None, js=SAVE)


def _extraction(
    analyser: Analyser,
) -> Callable[[str, Degradation, str, Callable[[], None]], Iterator[tuple[str, float] | Utterance]]:
    @gpu
    def extract(
        clip: str, how: Degradation, spoken: str, here: Callable[[], None]
    ) -> Iterator[tuple[str, float] | Utterance]:
        """The steps as they happen, then the utterance. Raises: MsaError; Left when `here` does.

        Closed early, it tells its worker to stop and does not wait: gradio closes it where all visitors are served.
        """
        news: SimpleQueue[tuple[str, float] | None] = SimpleQueue()
        unwanted = threading.Event()

        def tell(step: str, share: float) -> None:
            here()
            if unwanted.is_set():
                raise Left
            news.put((step, share))

        worker = ThreadPoolExecutor(1)
        try:
            job = worker.submit(analyser.extract, clip, progress=tell, damage=how, spoken=spoken)
            job.add_done_callback(lambda _: news.put(None))
            while (item := news.get()) is not None:
                yield item
            yield job.result()
        finally:
            unwanted.set()
            worker.shutdown(wait=False)

    return extract


# ---------------------------------------------------------------- Compare


def _compare_screen(analyser: Analyser, words: Words, desk: Desk, shipped: Shipped, tab: gr.Tab) -> Redraw:
    second = gr.State(None, time_to_live=KEEP_S)
    with gr.Row(elem_id="mm-compare-choices"):
        other = words.put(
            gr.Dropdown,
            lambda: {
                "label": say("Compare with a second clip"),
                "choices": [(say("none"), ""), *((known(t), n) for n, t in page_parts.EXAMPLE_TITLES.items())],
            },
            value="",
            filterable=False,
            elem_id="mm-second",
        )
        upload = words.put(
            gr.UploadButton, lambda: {"label": say("Upload the second clip")}, file_types=["video", "audio"],
            elem_id="mm-second-upload",
        )  # fmt: skip
    status = _html("", "mm-compare-status")
    drawn = _html(comparison.empty(), "mm-compare")

    def draw(visit: Visit | None, edit: Edit | None, language: str, beside: Utterance | None) -> str:
        with use(language):
            if visit is None:
                return comparison.empty()
            try:
                utterance = seen(visit, edit)
                found = compare.compare(analyser, utterance)
                lost = compare.robustness(analyser, utterance)
                other = None if beside is None else compare.compare(analyser, beside)
            except MsaError as e:
                return page_parts.failed(str(e))
            return comparison.screen(found, lost, other)

    def redraw(*values: Any) -> list[Any]:
        return [draw(*values)]

    inputs = [desk.visit, desk.edit, desk.language, second]

    extraction = _extraction(analyser)

    def read(file: Any, language: str, spoken: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
        """A second clip of one's own: deleted as soon as it was read."""
        clip = file["path"] if _is_file(file) else None

        def line(drawing: Callable[..., str], *values: Any) -> dict[Any, Any]:
            with use(PRESENCE.language(request.session_hash, language)):
                return {status: drawing(*values)}

        if not clip:
            yield {status: ""}
            return
        claim = UPLOADS.claim(clip)
        try:
            for item in extraction(_ours(clip), Degradation(), spoken, PRESENCE.watch(request.session_hash)):
                if isinstance(item, Utterance):
                    UPLOADS.release(clip, claim)
                    yield {status: "", second: item, other: None}  # so that "none" can be chosen again
                    return
                yield line(page_parts.working, [item[0]], item[1])
        except Left:
            return
        except Exception as e:
            UPLOADS.release(clip, claim)
            if not isinstance(e, MsaError):
                logging.exception("analysis failed")
            yield line(page_parts.failed, str(e) if isinstance(e, MsaError) else page_parts.OUR_FAULT)
        finally:
            UPLOADS.release(clip, claim)

    def chosen(name: str, language: str) -> dict[Any, Any]:
        if not name:
            return {status: "", second: None}
        try:
            return {status: "", second: shipped.utterance(name)}
        except MsaError as e:
            with use(language):
                return {status: page_parts.failed(str(e))}

    out = [status, second, other]
    tab.select(draw, inputs, drawn, api_name="page_compare", **QUICK)
    upload.upload(
        _ending(read, status),
        [upload, desk.language, desk.spoken],
        out,
        preprocess=False,
        **HEAVY,  # gradio's own leaves a file behind
    ).then(draw, inputs, drawn, **QUICK)
    other.input(chosen, [other, desk.language], out, **HEAVY).then(draw, inputs, drawn, **QUICK)
    return redraw, inputs, [drawn]


# ---------------------------------------------------------------- Learn


def _learn_screen(analyser: Analyser, words: Words, desk: Desk, shipped: Shipped) -> Redraw:
    """Every lesson: the idea, a guess, the computed answer, something to try."""
    done = gr.State([], time_to_live=KEEP_S)
    overview = _html(drawings.overview(lessons.LESSONS, (), lessons.LESSONS[0].name), "mm-overview")
    with gr.Row(elem_id="mm-learn-choices"):
        whose = words.put(
            gr.Radio,
            lambda: {
                "label": say("Clip of the lessons"),
                "choices": [(say("the example of each lesson"), "example"), (say("your own clip"), "own")],
            },
            value="example",
            elem_id="mm-whose",
        )
        for kind, title in (("pdf", "Teacher's sheet (PDF)"), ("md", "Teacher's sheet (Markdown)")):
            words.put(
                gr.DownloadButton,
                partial(
                    lambda kind, title: {"label": known(title), "value": str(sheet.path(active(), kind))}, kind, title
                ),
                elem_id=f"mm-sheet-{kind}",
                scale=0,
                min_width=220,
            )
    with gr.Tabs(elem_id="mm-lessons"):
        built = [
            _lesson(words, number, lesson, _learning(analyser, desk, shipped, lesson))
            for number, lesson in enumerate(lessons.LESSONS, 1)
        ]
    base = [desk.visit, desk.edit, desk.language, whose]
    for screen in built:
        _wire_lesson(screen, base, done, overview)

    def redraw(visit: Visit | None, edit: Edit | None, language: str, own: str, answered: list[str], *rest: Any) -> Any:
        values = iter(rest)
        with use(language):
            drawn: list[Any] = [drawings.overview(lessons.LESSONS, answered)]
        for screen in built:
            guess, *tried = (next(values) for _ in (screen.guess, *screen.controls))
            if screen.lesson.name in answered:
                drawn += [
                    screen.answer_to(visit, edit, language, own, guess),
                    screen.try_out(visit, edit, language, own, *tried),
                ]
            else:
                drawn += ["", ""]
        return drawn

    inputs = [*base, done, *(c for screen in built for c in (screen.guess, *screen.controls))]
    return redraw, inputs, [overview, *(html for screen in built for html in (screen.answer, screen.finding))]


@dataclass(frozen=True)
class LessonScreen:
    """One lesson on the page: its components, and the functions that draw its answer and what is tried."""

    lesson: lessons.Lesson
    guess: gr.Radio
    ask: gr.Button
    answer: gr.HTML
    controls: list[Any]
    finding: gr.HTML
    read: Callable[..., None]
    answer_to: Callable[..., str]
    try_out: Callable[..., str]


def _learning(
    analyser: Analyser, desk: Desk, shipped: Shipped, lesson: lessons.Lesson
) -> tuple[Callable[..., None], Callable[..., str], Callable[..., str]]:
    """Functions that read the lesson's example or take one's own clip, and draw its answer and what its controls do."""

    def clip(visit: Visit | None, edit: Edit | None, own: str) -> Utterance:
        if own == "own":
            if visit is None:
                raise MsaError("There is no clip of yours yet: open Analyse and record, upload or choose one first.")
            return seen(visit, edit)
        return shipped.utterance(lesson.clip)

    def read(visit: Visit | None, edit: Edit | None, own: str) -> None:
        with suppress(MsaError):  # the drawings say it
            clip(visit, edit, own)

    def answer_to(visit: Visit | None, edit: Edit | None, language: str, own: str, guess: int | None) -> str:
        with use(language):
            try:
                return drawings.answered(lesson, lesson.answer(analyser, clip(visit, edit, own)), guess)
            except MsaError as e:
                return page_parts.failed(str(e))

    def try_out(visit: Visit | None, edit: Edit | None, language: str, own: str, *values: Any) -> str:
        with use(language):
            try:
                named = {c.name: v for c, v in zip(lesson.controls, values, strict=True)}
                return drawings.found(lesson.experiment(analyser, clip(visit, edit, own), **named))
            except MsaError as e:
                return page_parts.failed(str(e))

    return read, answer_to, try_out


def _lesson(
    words: Words,
    number: int,
    lesson: lessons.Lesson,
    functions: tuple[Callable[..., None], Callable[..., str], Callable[..., str]],
) -> LessonScreen:
    with (
        words.put(gr.Tab, lambda: {"label": f"{number} · {lesson.title}"}, id=lesson.name),
        gr.Row(elem_classes="mm-lesson-row"),
    ):
        with gr.Column(scale=5, min_width=300):
            words.put(_html, lambda: {"value": drawings.card(lesson, number)}, name=f"mm-lesson-{lesson.name}")
        with gr.Column(scale=6, min_width=300):
            guess = words.put(
                gr.Radio,
                lambda: {"label": lesson.texts.question, "choices": [(c, i) for i, c in enumerate(lesson.choices)]},
                elem_id=f"mm-guess-{lesson.name}",
                elem_classes="mm-guess",
            )
            ask = words.put(
                gr.Button, lambda: {"value": say("Show the answer")}, variant="primary", elem_id=f"mm-ask-{lesson.name}"
            )
            answer = _html("", f"mm-answer-{lesson.name}")
            words.put(_html, lambda: {"value": drawings.task(lesson)})
            with gr.Row(elem_classes="mm-trial"):
                controls = [_control(words, lesson, i) for i in range(len(lesson.controls))]
            finding = _html("", f"mm-finding-{lesson.name}")
    return LessonScreen(lesson, guess, ask, answer, controls, finding, *functions)


def _wire_lesson(screen: LessonScreen, base: list[Any], done: gr.State, overview: gr.HTML) -> None:
    def once_read(visit: Visit | None, edit: Edit | None, language: str, own: str, request: gr.Request) -> str:
        """The visitor's language when the clip is there: reading it takes seconds."""
        screen.read(visit, edit, own)
        return PRESENCE.language(request.session_hash, language)

    def ask(
        request: gr.Request,
        visit: Visit | None,
        edit: Edit | None,
        language: str,
        own: str,
        answered: list[str],
        guess: int | None,
        *rest: Any,
    ) -> list[Any]:
        answered = [*answered, screen.lesson.name] if screen.lesson.name not in answered else answered
        language = once_read(visit, edit, language, own, request)
        with use(language):
            listed = drawings.overview(lessons.LESSONS, answered, screen.lesson.name)
        told = screen.answer_to(visit, edit, language, own, guess)
        return [told, screen.try_out(visit, edit, language, own, *rest), answered, listed]

    def try_out(
        request: gr.Request, visit: Visit | None, edit: Edit | None, language: str, own: str, *values: Any
    ) -> str:
        return screen.try_out(visit, edit, once_read(visit, edit, language, own, request), own, *values)

    out = [screen.answer, screen.finding, done, overview]
    screen.ask.click(ask, [*base, done, screen.guess, *screen.controls], out, **HEAVY)
    gr.on(
        [c.input for c in screen.controls], try_out, [*base, *screen.controls], screen.finding,
        trigger_mode="always_last", **QUICK,
    )  # fmt: skip


def _control(words: Words, lesson: lessons.Lesson, at: int) -> Any:
    """The component of one thing that can be tried."""
    control = lesson.controls[at]
    name = f"mm-try-{lesson.name}-{control.name}"
    if control.kind == "slider":
        return words.put(
            gr.Slider, lambda: {"label": lesson.controls[at].label}, minimum=control.low, maximum=control.high,
            step=control.step, value=control.start, elem_id=name, buttons=[],
        )  # fmt: skip
    return words.put(
        gr.Radio,
        lambda: {"label": lesson.controls[at].label, "choices": list(lesson.controls[at].options)},
        value=control.start,
        elem_id=name,
    )


# ---------------------------------------------------------------- Numbers


def _numbers_screen(words: Words, language: gr.Radio) -> Redraw:
    """Choices over one block of HTML that follows them; what papers report stands apart, below."""
    with gr.Row(elem_id="mm-choices"):
        chosen = [
            words.put(
                gr.Dropdown,
                partial(lambda i: dict(zip(("label", "choices"), figures_numbers.choices()[i][1:3], strict=True)), i),
                value=start,
                filterable=False,
                elem_id=f"mm-{name}",
            )
            for i, (name, _, _, start) in enumerate(figures_numbers.choices())
        ]
    start = figures_numbers.screen(*(c.value for c in chosen))
    shown = _html(start, "mm-numbers", figures_numbers.SCRIPT, server_functions=[results.as_json])
    words.put(_html, lambda: {"value": figures_numbers.reported()}, name="mm-papers")

    def draw(*values: Any) -> str:
        *choices, language = values
        with use(language):
            return figures_numbers.screen(*choices)

    inputs = [*chosen, language]
    public = QUICK | {"api_visibility": "public"}
    gr.on([c.input for c in chosen], draw, inputs, shown, trigger_mode="always_last", api_name="numbers", **public)
    return lambda *values: [draw(*values)], inputs, [shown]


# ---------------------------------------------------------------- for programs


def _api(analyser: Analyser, shipped: Shipped) -> None:
    """Every action under a stable name (README, "From a program"); nothing of a clip outlives the call."""
    one_at_a_time = threading.Lock()

    @contextmanager
    def held(*clips: Any) -> Iterator[None]:
        """The clips are claimed on arrival and deleted in every case; an error of ours is one line."""
        claims = [(clip["path"], UPLOADS.claim(clip["path"])) for clip in clips if _is_file(clip)]
        try:
            yield
        except MsaError as e:
            raise gr.Error(str(e), print_exception=False) from e
        finally:
            _release(claims)

    def check(**asked: Any) -> Degradation:
        return api_arguments.check(analyser.methods, **asked)

    def read(clip: Any, spoken: str = "en", how: Degradation | None = None) -> Utterance:
        if not _is_file(clip):
            raise MsaError("Give a clip: handle_file(PATH) of gradio_client.")
        with one_at_a_time:
            return analyser.extract(_ours(clip["path"]), damage=how, spoken=spoken)

    def analyse(
        clip: gr.FileData,
        dropped: list[str] | None = None,
        text_source: str = "transcript",
        method: str = "sdumc",
        frame_missing_rate: dict[str, float] | None = None,
        transcript: str | None = None,
        struck: list[int] | None = None,
        blur: float = 0.0,
        noise_db: float | None = None,
        spoken: str = "en",
    ) -> dict[str, Any]:
        """One clip to one JSON object (README, "JSON contract"); the clip is deleted before this returns."""
        with held(clip):
            how = check(dropped=dropped, text_source=text_source, method=method, frame_missing_rate=frame_missing_rate,
                        transcript=transcript, struck=struck, blur=blur, noise_db=noise_db, spoken=spoken)  # fmt: skip
            utterance = read(clip, spoken, how)
            if transcript is not None or struck:
                utterance = analyser.edit(utterance, transcript, struck or ())
            return analyser.predict(utterance, method, dropped or (), text_source, frame_missing_rate).to_json()

    def compared(clip: gr.FileData, second: gr.FileData | None = None, spoken: str = "en") -> dict[str, Any]:
        """Seven patterns x every method x both flows, and robustness over dropped frames; of a second clip too."""

        def answer(clip: Any) -> dict[str, Any]:
            utterance = read(clip, spoken)
            return {
                "comparison": compare.compare(analyser, utterance).to_json(),
                "robustness": compare.robustness(analyser, utterance).to_json(),
            }

        with held(clip, second):
            check(spoken=spoken)
            return answer(clip) | ({} if second is None else {"second": answer(second)})

    def report(clip: gr.FileData, method: str = "sdumc", dropped: list[str] | None = None, language: str = "en") -> str:
        """The one-page report as HTML."""
        with held(clip):
            check(method=method, dropped=dropped, language=language)
            utterance = read(clip)
            with use(language):
                by_method = {m: switched(utterance, m, dropped) for m in analyser.methods}
                return report_html(utterance, by_method, method)

    def numbers_as_csv(clip: gr.FileData, method: str = "sdumc", dropped: list[str] | None = None) -> str:
        """The numbers of an analysis as CSV."""
        with held(clip):
            check(method=method, dropped=dropped)
            return prediction_csv.as_csv(switched(read(clip), method, dropped))

    def switched(utterance: Utterance, method: str, dropped: list[str] | None) -> Prediction:
        gone = dropped or ()
        return analyser.predict(utterance, method, gone, "simulated" if "text" in gone else "transcript")

    def lesson(
        name: str, example: str | None = None, settings: dict[str, Any] | None = None, language: str = "en"
    ) -> dict[str, Any]:
        """A lesson's computed answer and what its experiment finds, on an example clip."""
        with held():
            check(language=language)
            found = {x.name: x for x in lessons.LESSONS}[
                api_arguments.one_of("name", name, [x.name for x in lessons.LESSONS])
            ]
            if not isinstance(settings, dict | None):
                raise MsaError(f"settings is {settings!r}; give an object with the names of the lesson's controls.")
            utterance = shipped.utterance(example or found.clip)
            with use(language):
                tried = found.experiment(analyser, utterance, **(settings or {}))
                answer = found.answer(analyser, utterance)
                return {"title": found.title, "question": found.texts.question, "choices": list(found.choices),
                        "correct": answer.correct, "said": answer.said, "facts": dict(answer.facts),
                        "tried": {"said": tried.said, "facts": dict(tried.facts)}}  # fmt: skip

    def evaluation(name: str) -> dict[str, Any]:
        """One evaluation file, as the evaluation command wrote it."""
        with held():
            return json.loads(results.as_json(name))

    for function, name in ((analyse, "analyse"), (compared, "compare"), (report, "report"), (numbers_as_csv, "csv"),
                           (lesson, "lesson"), (evaluation, "evaluation")):  # fmt: skip
        gr.api(function, api_name=name, concurrency_limit=16)  # clips are claimed on arrival


def _is_file(clip: Any) -> bool:
    return isinstance(clip, dict) and isinstance(clip.get("path"), str) and "\0" not in clip["path"]


def _ours(clip: str) -> str:
    """The path when it is an upload or an example. Raises: MsaError for any other file of this computer."""
    path = Path(clip).resolve()
    if not any(path.is_relative_to(folder) for folder in (_uploads(), EXAMPLES)):
        raise MsaError(f"{path.name} was not uploaded here. Upload it first.")
    return clip


def _playable(clip: str, how: Degradation | None) -> str:
    """A file the browser can show: the clip, a copy beside it, or what the models got when it was damaged."""
    if how is not None and not how.none:
        folder = Path(tempfile.mkdtemp(dir=_uploads()))
        try:
            return str(preview.degraded_copy(clip, how, folder))
        except MsaError:
            folder.rmdir()
            raise
    return clip if Path(clip).is_relative_to(EXAMPLES) else str(preview.browser_copy(clip, Path(clip).parent))


def _forgetting(page: gr.Blocks) -> Callable[[Visit | None], None]:
    """When a clip's time is over: its file, its features, and gradio's copies of the drawings."""

    def forget(visit: Visit | None) -> None:
        if visit is not None:
            _release([(visit.clip, visit.claim), (visit.original, visit.original_claim)])
            page.state_holder.session_data.pop(visit.session or "", None)

    return forget


def _leaving(page: gr.Blocks) -> Callable[[gr.Request], None]:
    """When a tab closes, everything of it is dropped at once and what is computed for it stops."""

    def leave(request: gr.Request) -> None:
        session = request.session_hash or ""
        PRESENCE.leave(session)
        page.state_holder.delete_state(session)
        page.state_holder.session_data.pop(session, None)

    return leave


def theme() -> gr.themes.Base:
    """Gradio's own parts in the page's palette (`static/page.css`); system fonts, so nothing is fetched."""
    plain = gr.themes.Font("sans-serif")
    base = gr.themes.Base(primary_hue="violet", neutral_hue="zinc", radius_size="lg", font=[plain], font_mono=[plain])
    colours = {"body_background_fill": "paper", "body_text_color": "ink", "block_background_fill": "card"}
    colours |= {"block_border_color": "line", "block_info_text_color": "ink3"}
    colours |= {"button_primary_background_fill": "accent", "button_primary_text_color": "accent-ink"}
    colours |= {"button_primary_background_fill_hover": "accent", "slider_color": "accent"}
    return base.set(**{part + dark: f"var(--mm-{name})" for part, name in colours.items() for dark in ("", "_dark")})


def launch(page: gr.Blocks, **extra: Any) -> Any:
    """Open the page with its safe settings: no analytics, no outside request, bounded uploads, no leaked errors."""
    return page.launch(
        share=False,
        ssr_mode=False,
        pwa=False,
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        footer_links=["api"],
        max_file_size="50mb",
        state_session_capacity=64,
        allowed_paths=[str(EXAMPLES)],
        theme=theme(),
        css_paths=[
            STATIC / "page.css",
            *sorted(set(STATIC.glob("*.css")) - {STATIC / "page.css", STATIC / "report.css"}),
        ],
        head=f"<script>{(STATIC / 'page.js').read_text()}</script>",
        i18n=page.words,  # type: ignore[attr-defined]
        **extra,
    )


if __name__ == "__main__":
    launch(build(Analyser.load()))
