"""A clip named by an address: refused in one line, and no request leaves the server."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio import processing_utils
from gradio_client import Client, handle_file

from msa_core import prepared
from msa_core.page.build import NO_ADDRESS, build, launch
from msa_core.page.files import has_address


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A page whose models are never asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        patch.setattr(prepared, "utterance", lambda clip: None)  # nothing to answer on arrival
        analyser = SimpleNamespace(methods=("sdumc",), extract=lambda *_, **__: pytest.fail("a clip was read"))
        analyser.reads_simulated_text = lambda _: True
        blocks = build(analyser)  # type: ignore[arg-type]
        _, url, _ = launch(blocks, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
        yield SimpleNamespace(url=url, blocks=blocks)
        blocks.close()


@pytest.fixture(scope="module")
def client(page: Any) -> Client:
    return Client(page.url, verbose=False)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Another server: `.url`, and `.asked`, the requests that it received or that gradio began."""
    asked: list[str] = []

    async def begun(url: str, *_: Any, **__: Any) -> str:
        asked.append(url)
        raise ValueError(url)

    for function in ("async_ssrf_protected_download", "async_get_with_secure_transport"):
        if hasattr(processing_utils, function):
            monkeypatch.setattr(processing_utils, function, begun)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        do_HEAD = do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/clip.mp4", asked=asked)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["analyse", "compare", "report", "csv"])
def test_an_address_is_refused_in_one_line(client: Client, elsewhere: Any, name: str, caplog: Any, capfd: Any) -> None:
    capfd.readouterr()
    with caplog.at_level(logging.WARNING), pytest.raises(Exception, match="fetches nothing") as told:
        client.predict(handle_file(elsewhere.url), api_name=f"/{name}")
    assert str(told.value).count(NO_ADDRESS) == 1 and "\n" not in str(told.value)
    assert elsewhere.asked == [], "the server sent a request"
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err + caplog.text


def test_every_event_refuses_addresses(page: Any, elsewhere: Any) -> None:
    """Not only the named calls: a program can call any event of the page."""
    file = {"path": elsewhere.url, "url": elsewhere.url, "orig_name": "a.mp4", "meta": {"_type": "gradio.FileData"}}
    kinds = {"video", "uploadbutton", "api"}
    takes = [f for f in page.blocks.fns.values() if kinds & {i.get_block_name() for i in f.inputs}]
    assert len(takes) >= 8
    with ThreadPoolExecutor(1) as elsewhere_than_the_browser:  # whose loop runs in this thread
        for event in takes:
            for given in (file, {"video": file}, [file]):
                asked = page.blocks.preprocess_data(event, [given] * len(event.inputs), None)
                with pytest.raises(gr.Error, match="fetches nothing"):
                    elsewhere_than_the_browser.submit(asyncio.run, asked).result()
    assert elsewhere.asked == [], "the server sent a request"


@pytest.mark.parametrize(
    "path",
    ["http://a/b", "HTTPS://a/b", " http://a", "//a/b.mp4", "ftp://a/b", "data:video/mp4;base64,AA", "file:///x"],
)
def test_what_is_an_address(path: str) -> None:
    assert (
        has_address([None, {"path": path}])
        and has_address({"video": {"path": path}})
        and has_address([[{"path": path}]])
    )


@pytest.mark.parametrize("path", ["/folder/ab/a.mp4", "C:\\\\clips\\\\a.mp4", "clip 10:30.mp4", "a.mp4", None, 3])
def test_what_is_none(path: Any) -> None:
    assert not has_address([{"path": path, "url": "http://127.0.0.1:7860/file=a.mp4"}, "http://in.a/transcript", None])
