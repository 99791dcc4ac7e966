"""Requests that no browser sends: every event of the page with values of any kind, a line each and an untouched log."""

from __future__ import annotations

import html
import json
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from msa_core import prepared
from msa_core.errors import MsaError
from msa_core.page.build import build, launch
from msa_core.soak.tab import Tab

BAD: tuple[Any, ...] = ("x" * 5_000, -1, {"a": 1}, None)
MOST = 700  # characters of an answer
HOSTILE_NAME = "<img src=x onerror=alert(1)> \"'{name}%s.mp4"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A page that refuses every clip by its name: its address, its folder and its events."""

    def extract(path: str, **_: Any) -> Any:
        raise MsaError("{name} is empty. Export it again.", name=path.rpartition("/")[2])

    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("gradio")
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setattr(prepared, "utterance", lambda clip: None)
        stand_in: Any = SimpleNamespace(methods=("sdumc",), extract=extract, reads_simulated_text=lambda _: True)
        blocks = build(stand_in)
        _, url, _ = launch(blocks, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
        config = httpx.get(f"{url}config").json()
        yield SimpleNamespace(url=url.rstrip("/"), folder=folder, config=config)
        blocks.close()


def sent(page: Any, event: dict[str, Any], data: list[Any], more: Any = None) -> str:
    """Send values to an event as the page would; return what is said."""
    session = uuid.uuid4().hex if event["queue"] else "one for all that need no place in the queue"
    body = {"data": data, "fn_index": event["id"], "session_hash": session, "event_data": more, "trigger_id": None}
    if event["queue"] is False:
        return httpx.post(f"{page.url}/gradio_api/run/{event['api_name']}", json=body).text
    joined = httpx.post(f"{page.url}/gradio_api/queue/join", json=body)
    if not joined.is_success:
        return joined.text
    with httpx.stream("GET", f"{page.url}/gradio_api/queue/data?session_hash={session}", timeout=60) as lines:
        return next(line for line in lines.iter_lines() if "process_completed" in line)


@pytest.mark.slow
def test_every_event_refuses_what_does_not_fit(page: Any, capfd: Any) -> None:
    capfd.readouterr()
    for number, event in enumerate(page.config["dependencies"]):
        for bad in (BAD[number % 2], BAD[2 + number // 2 % 2]):
            said = sent(page, event, [bad] * len(event["inputs"]), bad if isinstance(bad, dict) else None)
            assert "Traceback" not in said and len(said) < MOST or '"success":true' in said or '"data"' in said
    told = capfd.readouterr()
    assert "Traceback" not in told.out + told.err


@pytest.mark.slow
def test_one_value_that_does_not_fit_among_right_ones(page: Any, capfd: Any) -> None:
    """For every event another component, in turn, and what a script would have sent with it."""
    at = {component["id"]: component["props"] for component in page.config["components"]}
    sent_with = ({}, None, {"clip": {"a": 1}, "query": [1], "words": ["x", [2], None, -1]}, "x", [1])
    capfd.readouterr()
    for number, event in enumerate(page.config["dependencies"]):
        right = [at[i].get("value") for i in event["inputs"]]
        example = [k for k, i in enumerate(event["inputs"]) if at[i].get("elem_id") == "mm-example"]
        for place in {number % max(1, len(right)), *example} if right else ():
            bad = BAD[0] if place in example else (*BAD, 1e308, [1, [2]])[number % 6]
            values = [bad if k == place else value for k, value in enumerate(right)]
            said = sent(page, event, values, sent_with[number % len(sent_with)])
            assert "Traceback" not in said, (event["api_name"], place)
            told = capfd.readouterr()
            assert "Traceback" not in told.out + told.err, (event["api_name"], place, told.err[-1500:])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["page_example", "open", "page_strike"])
def test_what_no_script_sends_with_an_event(page: Any, name: str, capfd: Any) -> None:
    at = {component["id"]: component["props"] for component in page.config["components"]}
    event = next(e for e in page.config["dependencies"] if e["api_name"] == name)
    values = [at[i].get("value") for i in event["inputs"]]
    capfd.readouterr()
    for more in (None, {}, "x", [1], {"clip": {"a": 1}, "query": [1], "words": ["x", [2], None, -1, 1e308]}):
        assert "Traceback" not in sent(page, event, values, more)
        told = capfd.readouterr()
        assert "Traceback" not in told.out + told.err, (more, told.err[-1500:])


@pytest.mark.parametrize("path", ["run/predict", "queue/join", "call/v2/analyse", "component_server"])
def test_json_that_is_none(page: Any, path: str, capfd: Any) -> None:
    """Nested 900 deep, NaN and infinity, cut off, and no JSON at all."""
    deep = "[" * 900 + "]" * 900
    bodies = [f'{{"data": {deep}, "session_hash": "s"}}', '{"data": [NaN, -Infinity, 1e999], "session_hash": "s"}']
    capfd.readouterr()
    for body in (*bodies, deep, "[" * 100_000, "nul", "", "\x00", '{"data": '):
        answer = httpx.post(
            f"{page.url}/gradio_api/{path}", content=body, headers={"content-type": "application/json"}, timeout=60
        )
        assert "Traceback" not in answer.text
        told = capfd.readouterr()
        assert "Traceback" not in told.out + told.err, told.err[-1500:]


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e999"])
@pytest.mark.parametrize("place", ["blur", "frame_missing_rate", "struck"])
def test_numbers_that_are_none_in_a_named_call(page: Any, value: str, place: str, capfd: Any) -> None:
    asked = {"blur": "0.0", "frame_missing_rate": "null", "struck": "null"} | {place: value}
    if place == "frame_missing_rate":
        asked[place] = f'{{"audio": {value}}}'
    with Tab(page.url, "192.0.2.9") as tab:
        file = json.dumps(tab.upload("clip.mp4", b"x"))
    body = (
        f'{{"data": [{file}, null, "transcript", "sdumc", {asked["frame_missing_rate"]}, null, {asked["struck"]}, '
        f'{asked["blur"]}, null, "en", false]}}'
    )
    capfd.readouterr()
    answer = httpx.post(
        f"{page.url}/gradio_api/call/analyse", content=body, headers={"content-type": "application/json"}, timeout=60
    )
    if answer.is_success:
        answer = httpx.get(f"{page.url}/gradio_api/call/analyse/{answer.json()['event_id']}", timeout=60)
        assert "event: error" in answer.text and len(answer.text) < 6_000
    told = capfd.readouterr()
    assert "Traceback" not in told.out + told.err, told.err[-1500:]
    assert list(page.folder.rglob("clip.mp4")) == []


def test_a_refused_clip_with_a_hostile_name_is_only_text(page: Any) -> None:
    with Tab(page.url, "192.0.2.10") as tab:
        tab.set({"mm-clip": tab.upload(HOSTILE_NAME, b"x")})
        tab.run("page_analyse")
        said = tab.value("mm-status")
    assert "is empty. Export it again." in said and "<img" not in said and "onerror" in html.unescape(said)
