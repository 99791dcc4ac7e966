"""One tab of the page without a browser: its components with their values, its events, and what they answer."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import httpx
from gradio_client.utils import apply_diff

from msa_core.errors import MsaError

WAIT_S = 600.0  # for an answer, the queue included
API = "/gradio_api"


class Refused(Exception):
    """The page refused or failed; the text is what it said."""


class Tab:
    """A visitor's tab; leaving the `with` block closes it."""

    def __init__(self, url: str, address: str) -> None:
        """Load the page. Args: url: of the page. address: of the visitor, as a proxy would tell it."""
        headers = {"x-forwarded-for": address, "accept-language": "en"}
        if password := os.environ.get("MSA_PASSWORD"):
            headers["authorization"] = f"Bearer {quote(password)}"
        self._session, self._open = uuid.uuid4().hex, ExitStack()
        self._http = self._open.enter_context(httpx.Client(base_url=url, headers=headers, timeout=WAIT_S))
        try:
            self._get("/")
            config = self._get("/config").json()
            beat = self._http.stream("GET", f"{API}/heartbeat/{self._session}")
            self._open.enter_context(beat)  # the page drops a tab when this stream ends
        except BaseException:
            self._open.close()
            raise
        self.names = {c["props"].get("elem_id"): c["id"] for c in config["components"]}
        self.kinds = {c["id"]: c["type"] for c in config["components"]}
        self.values: dict[int, Any] = {c["id"]: c["props"].get("value") for c in config["components"]}
        self._events = {d["api_name"]: d for d in config["dependencies"] if d["api_name"]}

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def value(self, name: str) -> Any:
        """Return the value of a component by its `elem_id`."""
        return self.values[self.names[name]]

    def set(self, values: Mapping[str, Any]) -> None:
        """Set components by their `elem_id`, as a visitor would."""
        self.values |= {self.names[name]: value for name, value in values.items()}

    def upload(self, name: str, data: bytes) -> dict[str, Any]:
        """Upload a file. Returns: what names it in an event. Raises: Refused."""
        answer = self._answered(self._http.post(f"{API}/upload", files={"files": (name, data)}))
        return {"path": answer.json()[0], "orig_name": name, "size": len(data), "meta": {"_type": "gradio.FileData"}}

    def run(self, event: str) -> list[int]:
        """Let an event happen and take over its answer.

        Returns: the components that it may set. Raises: Refused.
        """
        found = self._events[event]
        body = {
            "data": [None if self.kinds[i] == "state" else self.values[i] for i in found["inputs"]],
            "fn_index": found["id"],
            "session_hash": self._session,
            "event_data": None,
            "trigger_id": None,
        }
        if found["queue"] is False:
            answer = self._answered(self._http.post(f"{API}/run/{event}", json=body)).json()
            self._take(found["outputs"], answer["data"])
        else:
            self._answered(self._http.post(f"{API}/queue/join", json=body))
            for data in self._steps():
                self._take(found["outputs"], data)
        return list(found["outputs"])

    def _steps(self) -> Iterator[list[Any]]:
        """Yield the outputs of each step of the event that waits in the queue, whole."""
        whole: list[Any] = []
        with self._http.stream("GET", f"{API}/queue/data", params={"session_hash": self._session}) as lines:
            for line in lines.iter_lines():
                said = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                kind, output = said.get("msg"), said.get("output") or {}
                if kind in ("process_generating", "process_completed") and not said.get("success", True):
                    raise Refused(str(output.get("error")))
                if kind == "process_generating":  # the first is whole, the others say what is different
                    data = output["data"]
                    whole = [apply_diff(a, b) for a, b in zip(whole, data, strict=True)] if whole else data
                    yield whole
                if kind == "process_completed":  # its last step sets nothing (components.with_a_last_step)
                    return
                if kind == "unexpected_error":
                    raise Refused(str(said.get("message")))
        raise Refused("The connection ended before the answer.")

    def _take(self, outputs: list[int], data: list[Any]) -> None:
        for number, value in zip(outputs, data, strict=True):
            if isinstance(value, dict) and value.get("__type__") == "update":
                if "value" in value:
                    self.values[number] = value["value"]
            else:
                self.values[number] = value

    def _get(self, path: str) -> httpx.Response:
        return self._answered(self._http.get(path))

    def _answered(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        raise Refused(f"{answer.status_code} {answer.text[:300]}")


def needs_loopback(url: str) -> str:
    """Return the address of a page of this computer. Raises: MsaError for any other."""
    try:
        host = httpx.URL(url).host
    except httpx.InvalidURL:
        host = ""
    if host not in ("localhost", "127.0.0.1", "::1"):
        raise MsaError(f"--url is {url!r}; a soak goes to a page of this computer only, such as http://127.0.0.1:7860.")
    return url.rstrip("/")
