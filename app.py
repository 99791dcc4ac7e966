"""The page: layout and wiring only. `python app.py` opens it; every number comes from `msa_core`.

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


import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import gradio as gr

from msa_core import figures, figures_clip, figures_numbers, figures_page, numbers, preview
from msa_core.errors import MsaError
from msa_core.figures_parts import TITLES, method_name
from msa_core.predict import Analyser, switches
from msa_core.schema import MODALITIES, Utterance
from msa_core.uploads import Uploads

HERE = Path(__file__).resolve().parent
CSS = HERE / "msa_core" / "static" / "page.css"
ABOUT = HERE / "msa_core" / "static" / "about.md"
EXAMPLES = HERE / "examples"
OUR_FAULT = "Something failed on our side, not in your clip. The clip was deleted; try again or try another one."
KEEP_S = 900  # seconds a clip and its features stay, at most
SEEK = """element.addEventListener('click', event => {
  const at = event.target.closest('[data-seek]'), video = document.querySelector('#mm-clip video');
  if (at && video) { video.currentTime = Number(at.dataset.seek); video.play(); }
});"""
CHOOSE = """element.addEventListener('click', event => {
  const button = event.target.closest('button[data-clip]');
  if (button) trigger('choose', {clip: button.dataset.clip});
});"""
SHOW_ANSWER = """() => { if (innerWidth < 760 && document.querySelector('#mm-status .mm-done'))
  document.querySelector('#mm-switches').parentElement.scrollIntoView(); }"""


def _uploads() -> Path:
    """Gradio's temporary folder."""
    return Path(gr.utils.get_upload_folder()).resolve()


UPLOADS = Uploads(_uploads)


@dataclass(frozen=True)
class Visit:
    """What one browser tab has: the extracted clip, the file behind its preview and the claim on it, its session."""

    utterance: Utterance
    clip: str
    claim: str
    session: str | None


def build(analyser: Analyser) -> gr.Blocks:
    """The page around loaded models."""
    gr.set_static_paths([EXAMPLES])
    with gr.Blocks(
        title="Missing-Modality Lab", analytics_enabled=False, delete_cache=(300, KEEP_S), fill_width=True
    ) as page:
        _html(figures_page.HEAD)
        with gr.Tabs():
            with gr.Tab("Analyse"):
                _analyse_screen(page, analyser)
            with gr.Tab("Numbers"):
                _numbers_screen()
            with gr.Tab("About"):
                gr.Markdown(ABOUT.read_text(), elem_classes="mm-about")
                gr.Markdown((EXAMPLES / "README.md").read_text(), elem_classes="mm-about")
        gr.api(_api(analyser), api_name="analyse", concurrency_limit=16)  # claimed on arrival
        page.unload(_leaving(page))
    return page.queue(max_size=16, default_concurrency_limit=1, api_open=False)


def _html(content: str, name: str | None = None, script: str | None = None, **extra: Any) -> gr.HTML:
    """One of our own drawings; only our style sheet applies to it."""
    return gr.HTML(content, elem_id=name, js_on_load=script, apply_default_css=False, **extra)


def _numbers_screen() -> None:
    """Choices over one block of HTML that follows them; what papers report stands apart, below."""
    with gr.Row(elem_id="mm-choices"):
        chosen = [
            gr.Dropdown(values, value=start, label=label, filterable=False, elem_id=f"mm-{name}")
            for name, label, values, start in figures_numbers.choices()
        ]
    start = figures_numbers.screen(*(c.value for c in chosen))
    shown = _html(start, "mm-numbers", figures_numbers.SCRIPT, server_functions=[numbers.as_json])
    _html(figures_numbers.reported(), "mm-papers")
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last"}
    gr.on([c.input for c in chosen], figures_numbers.screen, chosen, shown, api_name="numbers", **quick)


def _analyse_screen(page: gr.Blocks, analyser: Analyser) -> None:
    visit = gr.State(None, time_to_live=KEEP_S, delete_callback=_forgetting(page))
    with gr.Row(elem_id="mm-screen"):
        with gr.Column(scale=4, min_width=300, elem_id="mm-left"):
            video, examples, again, status = _clip_column()
        with gr.Column(scale=9, min_width=300):
            switches, absent_text, method = _controls(analyser)
            answer = _html(figures.answer(None), "mm-answer", SEEK)
            seen = _html("", "mm-seen", SEEK)
    shown = {"video": video, "status": status, "visit": visit, "answer": answer, "seen": seen, **switches}
    analyse = _analysing(analyser, shown)
    settings = [visit, absent_text, method]
    heavy: dict[str, Any] = {
        "outputs": list(shown.values()),
        "show_progress": "hidden",
        "concurrency_id": "extract",
        "concurrency_limit": 1,
        "api_visibility": "private",
    }
    uploaded = gr.on(
        [video.upload, video.stop_recording, again.click], analyse, [video, *settings], api_name="page_analyse", **heavy
    )
    chosen = examples.choose(_choosing(analyse, video), settings, api_name="page_example", **heavy)
    for event in (uploaded, chosen):
        event.then(None, js=SHOW_ANSWER)
    gr.on(
        [*(s.input for s in switches.values()), absent_text.input, method.input],
        _predicting(analyser),
        [*settings, *switches.values()],
        answer,
        api_name="predict",
        queue=False,
        show_progress="hidden",
        trigger_mode="always_last",
    )


def _clip_column() -> tuple[gr.Video, gr.HTML, gr.Button, gr.HTML]:
    """Player, camera consent, examples, steps. The camera can only be chosen after consent."""
    video = gr.Video(
        sources=["upload"],
        label="Your clip",
        show_label=False,
        elem_id="mm-clip",
        webcam_options=gr.WebcamOptions(mirror=False),
        include_audio=True,
        buttons=[],
    )
    with gr.Row():
        record = gr.Button("Record yourself", elem_id="mm-record")
        again = gr.Button("Analyse", variant="primary", elem_id="mm-analyse")
    with gr.Column(visible=False, elem_id="mm-consent") as consent:
        _html(figures_page.CONSENT)
        with gr.Row():
            no = gr.Button("Not now", elem_id="mm-refuse")
            yes = gr.Button("I agree, go on", variant="primary", elem_id="mm-agree")
    status = _html("", "mm-status")
    examples = _html(figures_page.examples(EXAMPLES), "mm-examples", CHOOSE)
    _html(figures_page.PRIVACY)
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    record.click(lambda: gr.Column(visible=True), None, consent, **quick)
    no.click(lambda: gr.Column(visible=False), None, consent, **quick)
    yes.click(
        lambda: (gr.Column(visible=False), gr.Video(sources=["webcam", "upload"], value=None)),
        None,
        [consent, video],
        **quick,
    )
    return video, examples, again, status


def _controls(analyser: Analyser) -> tuple[dict[str, gr.Checkbox], gr.Radio, gr.Dropdown]:
    with gr.Row(elem_id="mm-switches"):
        switches = {
            m: gr.Checkbox(
                True, label=TITLES[m], info="no clip yet", interactive=False, elem_id=f"mm-{m}", min_width=90
            )
            for m in MODALITIES
        }
    with gr.Row(elem_id="mm-settings"):
        absent_text = gr.Radio(
            [("imagine it from the voice", "simulated"), ("use nothing", "none")],
            value="simulated",
            label="When text is off",
            elem_id="mm-absent-text",
        )
        method = gr.Dropdown(
            [(method_name(m), m) for m in analyser.methods],
            value=analyser.methods[0],
            label="Missing-modality model",
            filterable=False,
            elem_id="mm-method",
        )
    method.input(
        lambda name: _absent_text(analyser, name),
        method,
        absent_text,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return switches, absent_text, method


def _absent_text(analyser: Analyser, method: str) -> gr.Radio:
    """The choice behind a switched-off text is only there for methods that read imagined text."""
    reads = analyser.reads_simulated(method)
    return gr.Radio(interactive=reads, info=None if reads else f"{method_name(method)} reads no imagined text")


def _analysing(analyser: Analyser, shown: dict[str, Any]) -> Callable[..., Iterator[dict[Any, Any]]]:
    """The event that reads a clip: steps while it works, then everything at once; errors leave the old answer."""
    extraction = _extraction(analyser)

    def analyse(
        clip: str | None, visit: Visit | None, absent_text: str, method: str, request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        status, started, steps = shown["status"], time.perf_counter(), ["media"]
        if not clip:
            yield {status: figures_page.failed("There is no clip yet: record, upload or choose one first.")}
            return
        claim, kept = UPLOADS.claim(clip), ""
        try:
            yield {status: figures_page.working(steps, 0.0)}
            for item in extraction(_ours(clip)):
                if isinstance(item, Utterance):
                    utterance = item
                    break
                step, share = item
                steps += [step] if step not in steps else []
                yield {status: figures_page.working(steps, share)}
            source = "transcript" if utterance.text.present else absent_text
            answer = figures.answer(analyser.predict(utterance, method, (), source))
            kept = _playable(clip)
            kept_claim = UPLOADS.claim(kept)
        except MsaError as e:
            yield {status: figures_page.failed(str(e)), shown["video"]: visit and visit.clip}
            return
        except Exception:
            logging.exception("analysis failed")
            yield {status: figures_page.failed(OUR_FAULT), shown["video"]: visit and visit.clip}
            return
        finally:
            UPLOADS.release(clip, claim)
            if visit and kept:
                UPLOADS.release(visit.clip, visit.claim)
        yield {
            status: figures_page.finished(utterance, time.perf_counter() - started),
            shown["visit"]: Visit(utterance, kept, kept_claim, request.session_hash),
            shown["answer"]: answer,
            shown["seen"]: figures_clip.clip(utterance),
            **({} if kept == clip else {shown["video"]: kept}),
            **{shown[m]: _switch(utterance, m) for m in MODALITIES},
        }

    return analyse


def _switch(utterance: Utterance, modality: str) -> gr.Checkbox:
    """A new clip starts with everything it has switched on; what it lacks cannot be switched."""
    there = utterance.stream(modality).present
    return gr.Checkbox(value=there, interactive=there, info=figures_page.state(utterance, modality))


def _choosing(
    analyse: Callable[..., Iterator[dict[Any, Any]]], video: gr.Video
) -> Callable[..., Iterator[dict[Any, Any]]]:
    def choose(
        visit: Visit | None, absent_text: str, method: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        if event.clip not in figures_page.EXAMPLE_TITLES:
            raise gr.Error(f"There is no example {event.clip!r}.")
        path = str(EXAMPLES / event.clip)
        yield {video: path}
        yield from analyse(path, visit, absent_text, method, request)

    return choose


def _predicting(analyser: Analyser) -> Callable[..., str]:
    """The event behind every switch: nothing is extracted again, one HTML block changes."""

    def predict(visit: Visit | None, absent_text: str, method: str, text: bool, audio: bool, vision: bool) -> str:
        if visit is None:
            return figures.answer(
                None, f"No clip is there: clips are deleted after {KEEP_S // 60} minutes. Choose one."
            )
        on = dict(zip(MODALITIES, (text, audio, vision), strict=True))
        dropped = [m for m in MODALITIES if not on[m] and visit.utterance.stream(m).present]
        source = "transcript" if text and visit.utterance.text.present else absent_text
        try:
            return figures.answer(analyser.predict(visit.utterance, method, dropped, source))
        except MsaError as e:
            return figures.answer(None, str(e))

    return predict


def _extraction(analyser: Analyser) -> Callable[[str], Iterator[tuple[str, float] | Utterance]]:
    @gpu
    def extract(clip: str) -> Iterator[tuple[str, float] | Utterance]:
        """The steps as they happen, then the utterance. Raises: MsaError."""
        news: SimpleQueue[tuple[str, float] | None] = SimpleQueue()
        with ThreadPoolExecutor(1) as worker:
            job = worker.submit(analyser.extract, clip, progress=lambda step, share: news.put((step, share)))
            job.add_done_callback(lambda _: news.put(None))
            while (item := news.get()) is not None:
                yield item
            yield job.result()

    return extract


def _api(analyser: Analyser) -> Callable[..., dict[str, Any]]:
    one_at_a_time = threading.Lock()

    def analyse(
        clip: gr.FileData, dropped: list[str] | None = None, text_source: str = "transcript", method: str = "sdumc"
    ) -> dict[str, Any]:
        """One clip to one JSON object (README, "JSON contract"); the clip is deleted before this returns."""
        if not isinstance(clip, dict) or not isinstance(clip.get("path"), str):
            raise gr.Error("Give a clip: handle_file(PATH) of gradio_client.", print_exception=False)
        path = clip["path"]
        claim = UPLOADS.claim(path)
        try:
            gone = [] if dropped is None else dropped
            if not isinstance(gone, list) or not isinstance(method, str):
                raise MsaError(f"dropped is {gone!r}, method is {method!r}; give a list of names and a name.")
            switches(gone, text_source)
            analyser.manifest(method)
            with one_at_a_time:
                utterance = analyser.extract(_ours(path))
            return analyser.predict(utterance, method, gone, text_source).to_json()
        except MsaError as e:
            raise gr.Error(str(e), print_exception=False) from e
        finally:
            UPLOADS.release(path, claim)

    return analyse


def _ours(clip: str) -> str:
    """The path when it is an upload or an example. Raises: MsaError for any other file of this computer."""
    path = Path(clip).resolve()
    if not any(path.is_relative_to(folder) for folder in (_uploads(), EXAMPLES)):
        raise MsaError(f"{path.name} was not uploaded here. Upload it first.")
    return clip


def _playable(clip: str) -> str:
    """A file the browser can show: the clip, or a copy beside it."""
    if Path(clip).is_relative_to(EXAMPLES):
        return clip
    return str(preview.browser_copy(clip, Path(clip).parent))


def _forgetting(page: gr.Blocks) -> Callable[[Visit | None], None]:
    """When a clip's time is over: its file, its features, and gradio's copies of the drawings."""

    def forget(visit: Visit | None) -> None:
        if visit is not None:
            UPLOADS.release(visit.clip, visit.claim)
            page.state_holder.session_data.pop(visit.session, None)

    return forget


def _leaving(page: gr.Blocks) -> Callable[[gr.Request], None]:
    """When a tab closes, everything of it is dropped at once."""

    def leave(request: gr.Request) -> None:
        page.state_holder.delete_state(request.session_hash)
        page.state_holder.session_data.pop(request.session_hash, None)

    return leave


def theme() -> gr.themes.Base:
    """Gradio's own parts in the page's palette (`static/page.css`); system fonts, so nothing is fetched."""
    plain = gr.themes.Font("sans-serif")
    base = gr.themes.Base(primary_hue="violet", neutral_hue="zinc", radius_size="lg", font=[plain], font_mono=[plain])
    colours = {"body_background_fill": "paper", "body_text_color": "ink", "block_background_fill": "card"}
    colours |= {"block_border_color": "line", "block_info_text_color": "ink3"}
    colours |= {"button_primary_background_fill": "accent", "button_primary_text_color": "accent-ink"}
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
        css_paths=CSS,
        **extra,
    )


if __name__ == "__main__":
    launch(build(Analyser.load()))
