"""The page as a whole: its tabs, its look, and the safe settings that it opens with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any

import gradio as gr
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from msa_core import media
from msa_core.errors import MOST_VALUE, MsaError, shortened
from msa_core.i18n import ENGLISH, LANGUAGES, STATIC, known, say
from msa_core.page import memory, scripts
from msa_core.page.analyse import analyse_tab
from msa_core.page.api import named_calls
from msa_core.page.compare import compare_tab
from msa_core.page.components import Words, html
from msa_core.page.door import Door
from msa_core.page.files import EXAMPLES, Uploads, has_address
from msa_core.page.languages import Languages
from msa_core.page.learn import learn_tab
from msa_core.page.live import LiveRoom, live_tab
from msa_core.page.numbers import numbers_tab
from msa_core.page.quota import Quota
from msa_core.page.services import KEEP_S, Services, leaving
from msa_core.page.share import LinkParts, Others, Sharing, link_parts, link_place
from msa_core.predict import Analyser
from msa_core.views import page_parts

SWEEP_S, SEATS_SWEEP_S = 60.0, 5.0  # between two sweeps of what was left behind: files, and seats of live visitors
TOO_FEW = "This call takes {n} values, and {got} came. Give all of them, in the order of docs/api.md."
NO_FIT = "This is nothing that the page takes here. The calls for programs are in docs/api.md."
NO_ADDRESS = "A clip is named by an address, and this page fetches nothing. Upload the file: handle_file(PATH)."


class Page(gr.Blocks):
    """Blocks that fetch nothing: gradio would ask other servers for a file that a client names by its address."""

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False
    ) -> list[Any]:
        """Refuse addresses before gradio looks at the values of an event, and values that it cannot take.

        Whoever sends them is no visitor of the page: a line is the answer, and the log stays as it is.

        Raises: gr.Error.
        """
        if has_address(inputs):
            raise gr.Error(NO_ADDRESS, print_exception=False)
        if len(inputs) < len(block_fn.inputs):
            raise gr.Error(TOO_FEW.format(n=len(block_fn.inputs), got=len(inputs)), print_exception=False)
        try:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except gr.Error as e:
            raise gr.Error(shortened(str(e.message), MOST_VALUE), print_exception=False) from None
        except Exception:
            raise gr.Error(NO_FIT, print_exception=False) from None

    async def process_api(self, block_fn: Any, *given: Any, **named: Any) -> dict[str, Any]:
        """Run an event unless it runs in the browser alone; what it refuses is a line. Raises: gr.Error."""
        if (self.fns[block_fn] if isinstance(block_fn, int) else block_fn).fn is None:
            raise gr.Error(NO_FIT, print_exception=False)
        try:
            return await super().process_api(block_fn, *given, **named)
        except (MsaError, gr.Error) as e:
            raise gr.Error(shortened(str(e.message), MOST_VALUE), print_exception=False) from None


def build(analyser: Analyser) -> gr.Blocks:
    """Build the page around loaded models.

    Privacy, in one place: a clip lives in gradio's temporary folder, is deleted at once when it is bad, and otherwise
    when it is replaced, when its page closes or after 15 to 20 minutes; the extracted features live in memory as long.
    """
    gr.set_static_paths([EXAMPLES])
    words, services, room = Words(), Services.around(analyser), LiveRoom(analyser)
    with (
        _without_servers(),
        Page(
            title="Missing-Modality Lab", analytics_enabled=False, delete_cache=(300, KEEP_S), fill_width=True
        ) as page,
    ):
        language, link = _top(words)
        with gr.Tabs(elem_id="mm-tabs"):
            with words.put(gr.Tab, lambda: {"label": say("Analyse")}, id="analyse"):
                _tab_name(words, "Analyse")
                components, analyse = analyse_tab(page, services, words, language, link.line)
            with words.put(gr.Tab, lambda: {"label": say("Live")}, id="live"):
                _tab_name(words, "Live")
                live_tab(room, words)
            with words.put(gr.Tab, lambda: {"label": say("Compare")}, id="compare") as tab:
                _tab_name(words, "Compare")
                compare, comparing = compare_tab(services, words, components, tab)
            with words.put(gr.Tab, lambda: {"label": say("Learn")}, id="learn"):
                _tab_name(words, "Learn")
                learn, lesson_clip = learn_tab(services, words, components)
            with words.put(gr.Tab, lambda: {"label": say("Numbers")}, id="numbers") as numbers_place:
                _tab_name(words, "Numbers")
                numbers, numbers_choices = numbers_tab(words, language, numbers_place)
            with words.put(gr.Tab, lambda: {"label": say("About")}, id="about"):
                _tab_name(words, "About")
                words.put(gr.Markdown, lambda: {"value": page_parts.about()}, elem_classes="mm-about")
                words.put(gr.Markdown, lambda: {"value": page_parts.sources(EXAMPLES)}, elem_classes="mm-about")
        others = Others(services, comparing, [lesson_clip, numbers_choices])
        others.wire(link.line, components, compare)
        Sharing().wire(link, components, others)
        Languages(services.presence, words, language).wire(page, [*analyse, compare, learn, numbers])
        named_calls(services)
        page.unload(leaving(page, services))
        page.queue(max_size=40, default_concurrency_limit=1, api_open=False)
    page.words, page.uploads, page.room = words.i18n, services.uploads, room  # for `launch`
    return page


@contextmanager
def _without_servers() -> Iterator[None]:
    """Let gradio make no web application: it makes one at every step of a page, and `launch` the one that is used."""
    app = getattr(gr.blocks, "App", None)
    made = getattr(app, "create_app", None)
    if made is None:  # a gradio that makes them elsewhere: the page opens later, and is the same
        yield
        return
    setattr(app, "create_app", lambda *_, **__: None)  # noqa: B010  mypy takes no new method
    try:
        yield
    finally:
        setattr(app, "create_app", made)  # noqa: B010


def _top(words: Words) -> tuple[gr.Radio, LinkParts]:
    """Build head, choice of language, the buttons for a link and for present mode (present.js), and notices."""
    with gr.Row(elem_id="mm-top"):
        words.put(html, lambda: {"value": page_parts.head()}, name="mm-head")
        language = words.put(
            gr.Radio, lambda: {"label": say("Language")}, choices=[(v, k) for k, v in LANGUAGES.items()],
            value=ENGLISH, elem_id="mm-language", min_width=150, scale=0, container=False,
        )  # fmt: skip
        link = link_parts(words)
        words.put(gr.Button, lambda: {"value": say("Present")}, elem_id="mm-present", size="sm", scale=0)
    words.put(html, lambda: {"value": page_parts.notices()}, name="mm-notices")
    link_place(words, link)
    words.put(html, lambda: {"value": page_parts.leave()}, name="mm-leave")
    return language, link


def _tab_name(words: Words, title: str) -> None:
    words.put(html, lambda: {"value": page_parts.tab_name(known(title))})


def theme() -> gr.themes.Base:
    """Return gradio's own parts in the page's palette (`static/page.css`); system fonts, so nothing is fetched."""
    plain = gr.themes.Font("sans-serif")
    base = gr.themes.Base(primary_hue="violet", neutral_hue="zinc", radius_size="lg", font=[plain], font_mono=[plain])
    colours = {"body_background_fill": "paper", "body_text_color": "ink", "block_background_fill": "card"}
    colours |= {"block_border_color": "line", "block_info_text_color": "ink3"}
    colours |= {"button_primary_background_fill": "accent", "button_primary_text_color": "accent-ink"}
    colours |= {"button_primary_background_fill_hover": "accent", "slider_color": "accent"}
    return base.set(**{part + dark: f"var(--mm-{name})" for part, name in colours.items() for dark in ("", "_dark")})


async def _teaching(request: Request) -> Response:
    """Answer with a teacher's sheet as a file to save."""
    name = request.path_params["name"]
    found = {path.name: path for path in (EXAMPLES / "teaching").iterdir()}.get(name)
    return Response(status_code=404) if found is None else FileResponse(found, filename=name)


async def _example(request: Request) -> Response:
    """Answer with an example clip, to be played."""
    name = request.path_params["name"]
    found = {path.name: path for path in EXAMPLES.iterdir() if path.suffix.lower() in media.SUFFIXES}.get(name)
    return Response(status_code=404) if found is None else FileResponse(found)


def _opened(uploads: Uploads, room: LiveRoom) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """Return what happens while the server runs: the door stands before gradio, and leftovers are swept."""

    async def sweeping() -> None:
        while True:
            await asyncio.to_thread(uploads.sweep, KEEP_S)
            await asyncio.to_thread(memory.give_back)
            for _ in range(round(SWEEP_S / SEATS_SWEEP_S)):
                room.seats.sweep()
                await memory.end_idle_threads()
                await asyncio.sleep(SEATS_SWEEP_S)

    @asynccontextmanager
    async def running(app: Any) -> AsyncIterator[None]:
        app.middleware_stack = Door(app.middleware_stack, Quota(uploads.folder, KEEP_S), uploads)  # around gradio's own
        app.add_route("/teaching/{name}", _teaching)
        app.add_route("/example/{name}", _example)
        app.add_route("/live/{name}", room.answer, methods=["POST"])
        task = asyncio.create_task(sweeping())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            media.close()  # they may be writing a copy
            uploads.clear()

    return running


def launch(page: gr.Blocks, **extra: Any) -> Any:
    """Open the page with its safe settings: no analytics, no outside request, bounded uploads, no leaked errors."""
    first, report = STATIC / "page.css", STATIC / "report.css"
    try:
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
            css_paths=[first, *sorted(set(STATIC.glob("*.css")) - {first, report})],
            head=scripts.head(),
            i18n=page.words,  # type: ignore[attr-defined]
            app_kwargs={"lifespan": _opened(page.uploads, page.room)},  # type: ignore[attr-defined]
            **extra,
        )
    finally:
        if not extra.get("prevent_thread_lock"):  # the server has ended
            media.close()
            page.uploads.clear()  # type: ignore[attr-defined]
