"""The door of the page: gradio's other routes are refused, every answer has its headers, uploads are counted."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import coroutines
import gradio as gr
import httpx
import pytest
from gradio.routes import App

from msa_core import prepared
from msa_core.page import door, quota
from msa_core.page.build import build, launch
from msa_core.page.files import Uploads
from msa_core.page.quota import Quota


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A page whose models are never asked, and the folder of its uploads."""
    folder = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setenv("MSA_EMBEDDERS", "https://course.example")
        patch.setattr(prepared, "utterance", lambda clip: None)  # nothing to answer on arrival
        analyser = SimpleNamespace(methods=("sdumc",), extract=lambda *_, **__: pytest.fail("a clip was read"))
        analyser.reads_simulated_text = lambda _: True
        blocks = build(analyser)  # type: ignore[arg-type]
        _, url, _ = launch(blocks, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
        yield SimpleNamespace(url=url.rstrip("/"), folder=folder)
        blocks.close()


def installed() -> set[str]:
    """Every route of the installed gradio, whatever router it lies in."""
    with gr.Blocks() as blocks:
        gr.Video()
    found: set[str] = set()
    routers = list(App.create_app(blocks).routes)
    while routers:
        route: Any = routers.pop()
        inner = getattr(route, "original_router", None) or getattr(route, "app", None)
        routers += getattr(inner, "routes", [])
        found |= {route.path} if hasattr(route, "path") else set()
    return found


def test_every_route_of_gradio_is_needed_or_refused() -> None:
    routes = installed()
    assert len(routes) > 50 and "/gradio_api/process_recording" in routes
    new = routes - door.NEEDED - door.REFUSED
    assert not new, f"decide in door.py whether the page needs {sorted(new)}"
    assert not door.NEEDED & door.REFUSED


@pytest.mark.parametrize("route", sorted(door.REFUSED))
def test_the_others_are_refused(route: str) -> None:
    assert not door.offered(route.replace("{", "a").replace("}", "a").replace(":", "a"))


@pytest.mark.parametrize("path", ["/gradio_api/process_recording", "/monitoring", "/gradio_api/proxy=http://a/b", "/x"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_refusal_is_one_line(page: Any, path: str, method: str) -> None:
    answer = httpx.request(method, page.url + path, files={"video": b"x"} if method == "POST" else None)
    assert (answer.status_code, answer.text) == (404, door.NOT_OFFERED)
    assert list(page.folder.rglob("*")) == []


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/theme.css", "/static/no", "/monitoring"])
def test_every_answer_has_the_headers(page: Any, path: str) -> None:
    for origin in ({}, {"origin": "http://127.0.0.1:1"}, {"origin": "https://evil.example"}):
        found = httpx.get(page.url + path, headers=origin).headers
        policy = found["content-security-policy"]
        assert "frame-ancestors 'self' https://huggingface.co https://*.hf.space https://course.example" in policy
        assert "object-src 'none'" in policy and "http:" not in policy
        assert found["x-content-type-options"] == "nosniff" and found["referrer-policy"] == "same-origin"
        assert "camera=(self), microphone=(self)" in found["permissions-policy"]
        assert found.get_list("content-security-policy") == [policy]


def test_the_live_tab_is_answered_by_post_alone(page: Any) -> None:
    assert httpx.post(f"{page.url}/live/place?id=nobody").json() == {"seated": False, "ahead": 0, "ended": "lost"}
    assert httpx.get(f"{page.url}/live/place").status_code == 405
    assert httpx.post(f"{page.url}/live/a/b").status_code == 404


def test_an_answer_before_a_request_has_them_too(page: Any) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    assert "content-security-policy" in httpx.options(page.url + "/config", headers=asked).headers


def test_no_path_of_this_computer_is_told(page: Any) -> None:
    from msa_core.config import PACKAGE

    for path in ("/", "/config", "/gradio_api/info", "/openapi.json"):
        text = httpx.get(page.url + path).text
        assert str(PACKAGE.parent) not in text and str(page.folder) not in text, path


@pytest.mark.parametrize("name", ["evil.example/<script>", "a b", 'a"b', "a'b", "", "http://a"])
@pytest.mark.parametrize("header", ["host", "x-forwarded-host"])
def test_what_is_no_name_of_a_server_is_not_repeated(page: Any, header: str, name: str) -> None:
    answer = httpx.get(page.url + "/config", headers={header: name})
    assert answer.status_code == 400 and "content-security-policy" in answer.headers
    assert not name or name not in answer.text


def test_the_page_is_kept_by_no_cache(page: Any) -> None:
    assert httpx.get(page.url + "/config").headers["cache-control"] == "no-store"


async def _asked(
    headers: dict[str, str], path: str = "/config", hosts: str = "", limits: Any = None, root: str = ""
) -> Any:
    """Ask a door for a path. Returns: status and text; 200 and "in" when the request went through."""
    said: list[Any] = []

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"in"})

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "path": path,
        "root_path": root,
        "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSA_HOSTS", hosts)
        await door.Door(inside, limits, Uploads(lambda: Path()))(scope, None, send)  # type: ignore[arg-type]
    return said[0]["status"], said[1]["body"].decode()


def asked(*args: Any, **how: Any) -> tuple[int, str]:
    return coroutines.run(_asked(*args, **how))


def test_a_request_that_names_no_server_is_refused_where_names_are_set() -> None:
    """Such is HTTP/1.0."""
    assert asked({}, hosts="lab.example") == (400, door.NO_HOST)
    assert asked({}) == (200, "in")


@pytest.mark.parametrize("path", ["/lab", "/lab/", "/lab/config", "/config", "/lab/gradio_api/queue/join"])
def test_a_page_below_a_path_is_offered(path: str) -> None:
    assert asked({"host": "a"}, path=path, root="/lab") == (200, "in")
    assert asked({"host": "a"}, path="/lab/monitoring", root="/lab") == (404, door.NOT_OFFERED)
    assert asked({"host": "a"}, path="/laboratory", root="/lab") == (404, door.NOT_OFFERED)


def test_with_a_list_of_names_others_are_refused() -> None:
    hosts = "lab.example, www.lab.example"
    assert asked({"host": "LAB.example:443"}, hosts=hosts) == (200, "in")
    assert asked({"host": "evil.example"}, hosts=hosts) == (400, door.NO_HOST)
    assert asked({"host": "lab.example", "x-forwarded-host": "evil.example"}, hosts=hosts) == (400, door.NO_HOST)


def test_uploads_are_limited_by_visitor_and_in_all(tmp_path: Any) -> None:
    limits = Quota(lambda: tmp_path, 900, per_visitor=100, in_all=1000)

    def upload(size: int, visitor: str = "a", language: str = "en") -> tuple[int, str]:
        given = {"content-length": str(size), "x-forwarded-for": visitor, "accept-language": language}
        return asked(given, path="/gradio_api/upload", limits=limits)

    assert upload(60) == (200, "in")
    status, text = upload(60)
    assert status == 413 and text.endswith("within 15 minutes. Wait before the next clip.")
    assert upload(60, "b") == (200, "in") and upload(60, language="zh-CN,zh;q=0.9")[1].startswith("你在 15 分钟内")
    (tmp_path / "clip").write_bytes(bytes(980))
    assert upload(30, "c") == (413, "This server holds as many clips as it can. Try again in 15 minutes.")
    (tmp_path / "clip").unlink()
    assert upload(quota.LARGEST + 1, "d")[1].startswith("This file is larger than 50 MB.")
    assert asked({}, path="/gradio_api/upload", limits=limits)[0] == 413  # of unknown length: it may be the largest


def test_what_a_visitor_sent_long_ago_is_forgotten(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(quota.time, "monotonic", lambda: now[0])
    limits = Quota(lambda: tmp_path, 900, per_visitor=100)
    limits.add("a", 100)
    assert limits.refused("a", 1) is not None
    now[0] = 901.0
    assert limits.refused("a", 1) is None and limits._lately == {}


def test_an_upload_goes_through(page: Any) -> None:
    answer = httpx.post(f"{page.url}/gradio_api/upload", files={"files": ("a.mp4", b"x")})
    assert answer.status_code == 200 and len(json.loads(answer.text)) == 1
    large = http.client.HTTPConnection(httpx.URL(page.url).netloc.decode())
    large.putrequest("POST", "/gradio_api/upload")
    large.putheader("Content-Length", str(60 * quota.MB))
    large.endheaders()  # refused before a byte of it is sent
    refused = large.getresponse()
    assert refused.status == 413 and refused.headers["content-security-policy"]
    assert refused.read().startswith(b"This file is larger than 50 MB.")
    large.close()
