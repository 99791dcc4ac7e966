"""The door of the page: who does not know the password, and what the page does not need, is refused.

Uploads are counted, other bodies are read first, and every answer has security headers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from msa_core.errors import Message
from msa_core.i18n import ENGLISH, LANGUAGES, known, use
from msa_core.page import bodies
from msa_core.page.files import Uploads
from msa_core.page.password import OPEN, Password
from msa_core.page.password import headers as asked_with
from msa_core.page.quota import LARGEST, Quota
from msa_core.page.rate import address

Scope = MutableMapping[str, Any]
Messages = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Messages, Send], Awaitable[None]]

NEEDED = frozenset(  # gradio's routes that the page, or a program with the named calls, asks for
    "/ /config /config/ /static/{path:path} /assets/{path:path} /svelte/{path:path} /favicon.ico /robots.txt "
    "/manifest.json /theme.css /openapi.json /gradio_api/theme.css /gradio_api/startup-events /gradio_api/app_id "
    "/gradio_api/app_id/ /gradio_api/info /gradio_api/info/ /gradio_api/openapi.json "
    "/gradio_api/file={path_or_url:path} /gradio_api/file/{path:path} /gradio_api/heartbeat/{session_hash} "
    "/gradio_api/api/{api_name} /gradio_api/api/{api_name}/ /gradio_api/run/{api_name} /gradio_api/run/{api_name}/ "
    "/gradio_api/call/{api_name} /gradio_api/call/{api_name}/ /gradio_api/call/{api_name}/{event_id} "
    "/gradio_api/call/v2/{api_name} /gradio_api/call/v2/{api_name}/ /gradio_api/call/v2/{api_name}/{event_id} "
    "/gradio_api/queue/join /gradio_api/queue/data /gradio_api/cancel /gradio_api/reset /gradio_api/reset/ "
    "/gradio_api/upload /gradio_api/upload_progress "
    "/gradio_api/component_server /gradio_api/component_server/".split()  # functions of our own components (numbers.js)
)
OWN = frozenset(  # the page's own: files without their place here, and the Live tab
    {"/teaching/{name}", "/example/{name}", "/live/{name}"}
)
REFUSED = frozenset(  # the others: accounts, monitoring, ffmpeg, proxies, code of an editor, components of others
    "/login /login/ /logout /pwa_icon /pwa_icon/{size} /monitoring /monitoring/summary /monitoring/{key} "
    "/gradio_api/deep_link /gradio_api/user /gradio_api/user/ /gradio_api/login_check /gradio_api/login_check/ "
    "/gradio_api/token /gradio_api/token/ /gradio_api/dev/reload /gradio_api/runs /gradio_api/runs/ "
    "/gradio_api/run-history/connect /gradio_api/run-history/buckets /gradio_api/run-history/records "
    "/gradio_api/run-history/records/{endpoint}/{record_id}/assets/{asset_id} "
    "/gradio_api/custom_component/{id}/{environment}/{type}/{file_name} /gradio_api/proxy={url_path:path} "
    "/gradio_api/stream/{event_id} /gradio_api/stream/{event_id}/close "
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8 "
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext} "
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file "
    "/gradio_api/queue/status "
    "/gradio_api/process_recording /gradio_api/vibe-edit /gradio_api/vibe-edit/ /gradio_api/undo-vibe-edit "
    "/gradio_api/undo-vibe-edit/ /gradio_api/vibe-code /gradio_api/vibe-code/ /gradio_api/vibe-starter-queries "
    "/gradio_api/vibe-starter-queries/".split()
)
NOT_OFFERED = "This page does not offer this address."
NO_HOST = "The name of this server is not among those that it answers to."
HOST = re.compile(r"([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(:\d{1,5})?", re.IGNORECASE)
EMBEDDERS = "https://huggingface.co https://*.hf.space"  # beside the page itself; MSA_EMBEDDERS adds others


def headers() -> dict[str, str]:
    """Return the headers of every answer.

    Gradio's page needs inline scripts and styles, and makes functions of the scripts of events and components; all
    else comes from the page's own server, and nothing is sent to another.
    """
    inside = " ".join(f"{part} 'self' data: blob:;" for part in ("img-src", "media-src", "font-src", "connect-src"))
    policy = (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src 'self' blob:; "
        f"style-src 'self' 'unsafe-inline'; {inside} object-src 'none'; base-uri 'self'; form-action 'self'; "
        f"frame-ancestors 'self' {EMBEDDERS} {os.environ.get('MSA_EMBEDDERS', '')}"
    )
    return {
        "content-security-policy": policy.strip(),
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "permissions-policy": "camera=(self), microphone=(self), geolocation=(), display-capture=(), usb=()",
    }


def offered(path: str) -> bool:
    """Return whether a path below the page is one that the page needs."""
    return NEEDED_PATHS.fullmatch(path) is not None


def _pattern(route: str) -> str:
    """Write a route of gradio as a regular expression."""
    parts = re.split(r"(\{[^}]*\})", route)
    return "".join(re.escape(p) if not p.startswith("{") else ".*" if p.endswith(":path}") else "[^/]+" for p in parts)


NEEDED_PATHS = re.compile("|".join(sorted(map(_pattern, NEEDED | OWN))), re.DOTALL)


class Door:
    """A middleware around all of gradio's own."""

    def __init__(self, app: App, quota: Quota, uploads: Uploads) -> None:
        """Args: app: what answers the requests that come in. quota: limits on uploads. uploads: where they lie."""
        self._app, self._quota, self._uploads, self._headers = app, quota, uploads, headers()
        self._hosts = {h.lower() for h in os.environ.get("MSA_HOSTS", "").replace(",", " ").split()}
        password = os.environ.get("MSA_PASSWORD", "")
        self._password = Password(password) if password else None

    async def __call__(self, scope: Scope, receive: Messages, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # the page opens no websocket
            await send({"type": "websocket.close", "code": 1008})
            return

        async def sealed(message: Any) -> None:
            if message["type"] == "http.response.start":
                ours = {k.encode(): v.encode() for k, v in self._headers.items()}
                if _path(scope) in ("/", "/config", "/config/"):  # it holds the name that was asked for
                    ours[b"cache-control"] = b"no-store"
                kept = [(k, v) for k, v in message.get("headers", []) if k.lower() not in ours]
                message = {**message, "headers": [*kept, *ours.items()]}
            await send(message)

        if not self._known(scope):
            await _refuse(sealed, 400, NO_HOST)
        elif self._password is not None and _path(scope) != OPEN and not self._password.knows(*_who(scope)):
            await self._password.answer(scope, _path(scope), receive, sealed)
        elif not offered(_path(scope)):
            await _refuse(sealed, 404, NOT_OFFERED)
        elif _path(scope) == "/gradio_api/upload":
            await self._upload(scope, receive, sealed)
        elif scope.get("method") == "POST" and not _path(scope).startswith("/live/"):
            again, status, why = await bodies.read(receive)
            if why is None:
                await self._app(scope, again, sealed)
            else:
                await _refuse(sealed, status, _said(why, _who(scope)[0].get(b"accept-language", "")))
        else:
            await self._app(scope, receive, sealed)

    async def _upload(self, scope: Scope, receive: Messages, send: Send) -> None:
        """Hand an upload on and count it, unless it is too large or too much; a visitor is an address."""
        asked, visitor = _who(scope)
        told = asked.get(b"content-length", "")
        size, got = int(told) if told.isdecimal() else LARGEST, 0
        why = self._quota.refused(visitor, size)
        if why is not None:
            await _refuse(send, 413, _said(why, asked.get(b"accept-language", "")))
            return
        self._quota.add(visitor, size)

        async def counted() -> Any:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            return message if got <= size else {"type": "http.disconnect"}

        with self._uploads.receiving():
            await self._app(scope, counted, send)

    def _known(self, scope: Scope) -> bool:
        """Return whether every name of this server in the request is a name, and one of MSA_HOSTS if that is set."""
        named = [v.decode("latin-1") for k, v in scope["headers"] if k.lower() in (b"host", b"x-forwarded-host")]
        if self._hosts and not named:
            return False
        for name in (one.strip() for value in named for one in value.split(",")):
            if not HOST.fullmatch(name):
                return False
            if self._hosts and re.sub(r":\d+$", "", name).lower() not in self._hosts:
                return False
        return True


def _who(scope: Scope) -> tuple[dict[bytes, str], str]:
    """Return the headers of a request, and the visitor who sent it."""
    asked = asked_with(scope)
    return asked, address(asked.get(b"x-forwarded-for", ""), (scope.get("client") or ("",))[0])


def _path(scope: Scope) -> str:
    """Return the path below the one that the page is served at."""
    path, root = scope["path"], scope.get("root_path", "").rstrip("/")
    return str(path.removeprefix(root) if root and f"{path}/".startswith(f"{root}/") else path) or "/"


def _said(why: Message, languages: str) -> str:
    """Say a sentence in the browser's language."""
    first = languages.split(",")[0].split("-")[0].strip().lower()
    with use(first if first in LANGUAGES else ENGLISH):
        return known(why)


async def _refuse(send: Send, status: int, why: str) -> None:
    """Answer with one line of text."""
    body = why.encode()
    head = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
