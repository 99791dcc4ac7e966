"""The password of a class: nothing but the form is told without it, and everything works behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from msa_core import prepared
from msa_core.page import door, password
from msa_core.page.build import build, launch

SECRET = "wörter & mehr"
AS_A_PROGRAM = {"authorization": f"Bearer {quote(SECRET)}"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Where uploads lie."""
    return tmp_path_factory.mktemp("gradio")


@pytest.fixture(scope="module")
def page(folder: Any) -> Iterator[str]:
    """The address of a page with a password whose models are never asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setenv("MSA_PASSWORD", SECRET)
        patch.setattr(password, "WRONG_S", 0.0)
        patch.setattr(prepared, "utterance", lambda clip: None)
        analyser: Any = SimpleNamespace(methods=("sdumc",), extract=None, reads_simulated_text=lambda _: True)
        blocks = build(analyser)
        _, url, _ = launch(blocks, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
        yield url.rstrip("/")
        blocks.close()


def enter(page: str, told: str = SECRET, **headers: str) -> httpx.Response:
    return httpx.post(f"{page}/enter", data={"password": told}, headers=headers)


def paths() -> list[str]:
    """An address of every route, offered or not."""
    routes = sorted(door.NEEDED | door.OWN | door.REFUSED)
    return [re.sub(r"\{[^}]*\}", "a", route) for route in routes if route not in ("/", password.OPEN)]


def test_every_address_is_closed(page: str, folder: Any) -> None:
    with httpx.Client(base_url=page) as client:
        for path in paths():
            for method in ("GET", "POST"):
                answer = client.request(method, path)
                assert (answer.status_code, answer.text) == (401, password.CLOSED), (method, path)
                assert "content-security-policy" in answer.headers
        assert client.post("/gradio_api/upload", files={"files": ("a.mp4", b"x")}).status_code == 401
        assert client.post("/live/enter").status_code == 401
    assert list(folder.rglob("*")) == []


def test_the_form_says_what_is_asked_in_the_visitors_language(page: str) -> None:
    asked = httpx.get(page + "/?clip=crema_sad.mp4&off=text")
    assert asked.status_code == 401 and 'action="enter?clip=crema_sad.mp4&amp;off=text"' in asked.text
    assert "open to those who know its password" in asked.text and SECRET not in asked.text
    assert "gradio" not in asked.text.lower()
    assert "知道密码的人" in httpx.get(page, headers={"accept-language": "zh-CN,zh;q=0.9"}).text
    assert "<script>" not in httpx.get(page + '/?a="><script>').text


def test_with_the_password_the_page_is_open(page: str) -> None:
    answer = httpx.post(f"{page}/enter?lang=zh", data={"password": SECRET})
    assert answer.status_code == 303 and answer.headers["location"] == "./?lang=zh"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/;" in cookie and SECRET not in cookie
    with httpx.Client(base_url=page, cookies=answer.cookies) as client:
        assert "window.gradio_config" in client.get("/").text
        assert client.get("/config").status_code == 200 and client.get("/example/crema_happy.mp4").status_code == 200
        assert client.post("/gradio_api/upload", files={"files": ("a.mp4", b"x")}).status_code == 200
        assert client.get("/monitoring").status_code == 404
    stale = {"cookie": f"{password.COOKIE}=made-up"}
    assert httpx.get(f"{page}/config", headers=stale).status_code == 401


def test_a_program_sends_the_password(page: str) -> None:
    assert httpx.get(f"{page}/config", headers=AS_A_PROGRAM).status_code == 200
    assert httpx.get(f"{page}/config", headers={"authorization": "Bearer no"}).status_code == 401
    assert httpx.get(f"{page}/config", headers={"authorization": "Basic bm86bm8="}).status_code == 401


def test_gradios_client_works_behind_it(page: str) -> None:
    from gradio_client import Client

    with pytest.raises(Exception, match="Please login"):
        Client(page, verbose=False)
    client = Client(page, headers=AS_A_PROGRAM, verbose=False)
    assert client.predict("composite", api_name="/evaluation")["corpus"] == "composite"


def test_guesses_are_counted(page: str) -> None:
    me = {"x-forwarded-for": "10.0.0.8"}
    guess = {**me, "authorization": "Bearer guess"}
    wrong = enter(page, "guess", **me)
    assert wrong.status_code == 403 and "not the password" in wrong.text
    assert enter(page, "x" * 10_000, **me).status_code == 403
    for _ in range(password.GUESSES - 2):
        httpx.get(f"{page}/config", headers=guess)
    late = enter(page, **me)
    assert late.status_code == 429 and "Wait a minute" in late.text
    assert httpx.get(f"{page}/config", headers={**me, **AS_A_PROGRAM}).status_code == 401
    assert enter(page, **{"x-forwarded-for": "10.0.0.9"}).status_code == 303


def test_a_cookie_for_a_frame_holds_in_that_page_alone(page: str) -> None:
    framed = {"x-forwarded-proto": "https", "sec-fetch-dest": "iframe"}
    cookie = enter(page, **framed).headers["set-cookie"]
    assert cookie.endswith("; HttpOnly; Secure; SameSite=None; Partitioned")
    assert enter(page, **{"x-forwarded-proto": "https"}).headers["set-cookie"].endswith("; Secure; SameSite=Lax")


def test_without_a_password_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSA_PASSWORD", "")
    assert door.Door(lambda *_: None, None, None)._password is None  # type: ignore[arg-type, return-value]
