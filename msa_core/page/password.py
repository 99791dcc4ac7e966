"""The password of a class: without it the page and all its addresses are closed (MSA_PASSWORD)."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, unquote

from msa_core.i18n import ENGLISH, LANGUAGES, use
from msa_core.page.rate import Rate, address
from msa_core.views.template import render

ENTER = "/enter"  # where the form goes
OPEN = "/gradio_api/startup-events"  # that gradio asks itself while it starts; it gives nothing
COOKIE = "mm-entered"
KEPT_S = 12 * 3600
LARGEST = 4096  # bytes of a filled-in form
GUESSES, GUESSES_IN_ALL = 10, 100  # wrong passwords a minute, of one visitor and of all
WRONG_S = 0.5  # that a wrong password takes
CLOSED = (
    "This page asks for a password: open it in a browser, or send it (URL-encoded) as Authorization: Bearer PASSWORD."
)
Headers = dict[bytes, str]


class Password:
    """One password for all visitors; a browser that gave it holds a cookie, which ends with the server."""

    def __init__(self, password: str) -> None:
        self._password, self._token = password, secrets.token_urlsafe(32)
        self._guesses, self._in_all = Rate(GUESSES), Rate(GUESSES_IN_ALL)

    def knows(self, asked: Headers, visitor: str) -> bool:
        """Return whether a request may come in: with the cookie, or with the password of a program."""
        try:
            cookie = SimpleCookie(asked.get(b"cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        if cookie is not None and _same(cookie.value, self._token):
            return True
        kind, _, told = asked.get(b"authorization", "").partition(" ")
        return kind.lower() == "bearer" and not self._too_many(visitor) and self._right(told.strip(), visitor)

    async def answer(self, scope: Any, path: str, receive: Any, send: Any) -> None:
        """Answer a request that may not come in: with the form, or with what the filled-in form said."""
        asked = headers(scope)
        visitor = address(asked.get(b"x-forwarded-for", ""), (scope.get("client") or ("",))[0])
        if path == ENTER and scope["method"] == "POST":
            told = await _password(receive)
            if self._too_many(visitor):
                await self._form(scope, send, 429)
            elif self._right(told, visitor):
                query = scope.get("query_string", b"").decode("latin-1")
                await _send(
                    send, 303, b"", {"location": f"./?{query}" if query else "./", "set-cookie": self._cookie(scope)}
                )
            else:
                await asyncio.sleep(WRONG_S)
                await self._form(scope, send, 403)
        elif path == "/":
            await self._form(scope, send, 401)
        else:
            await _send(send, 401, CLOSED.encode(), {"content-type": "text/plain; charset=utf-8"})

    def _too_many(self, visitor: str) -> bool:
        return bool(self._guesses.wait_s(visitor) or self._in_all.wait_s(""))

    def _right(self, told: str, visitor: str) -> bool:
        right = any(_same(one, self._password) for one in (told, unquote(told)))
        if not right:
            self._guesses.add(visitor)
            self._in_all.add("")
        return right

    def _cookie(self, scope: Any) -> str:
        """Write the cookie; one for a frame in another page holds for that page alone."""
        asked = headers(scope)
        path = scope.get("root_path", "").rstrip("/") or "/"
        safe = asked.get(b"x-forwarded-proto", scope.get("scheme", "http")).split(",")[0].strip() == "https"
        framed = safe and asked.get(b"sec-fetch-dest") in ("iframe", "frame")
        where = "; SameSite=None; Partitioned" if framed else "; SameSite=Lax"
        return f"{COOKIE}={self._token}; Path={path}; Max-Age={KEPT_S}; HttpOnly{'; Secure' if safe else ''}{where}"

    async def _form(self, scope: Any, send: Any, status: int) -> None:
        """Send the form, in the browser's language. Args: status: 401 asks, 403 was wrong, 429 was too often wrong."""
        query = scope.get("query_string", b"").decode("latin-1")
        language = headers(scope).get(b"accept-language", "").split(",")[0].split("-")[0].strip().lower()
        language = language if language in LANGUAGES else ENGLISH
        with use(language):
            action = ENTER.removeprefix("/") + (f"?{query}" if query else "")
            body = render("password", action=action, language=language, status=status).encode()
        await _send(send, status, body, {"content-type": "text/html; charset=utf-8", "cache-control": "no-store"})


def headers(scope: Any) -> Headers:
    """Return the headers of a request by their names in small letters."""
    return {k.lower(): v.decode("latin-1") for k, v in scope["headers"]}


def _same(told: str, wanted: str) -> bool:
    return hmac.compare_digest(told.encode(), wanted.encode())


async def _password(receive: Any) -> str:
    """Read the password out of a filled-in form; "" of one that is too large or holds none."""
    body = b""
    while len(body) <= LARGEST:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if len(body) > LARGEST:
        return ""
    return parse_qs(body.decode(errors="replace"), max_num_fields=10).get("password", [""])[0]


async def _send(send: Any, status: int, body: bytes, told: dict[str, str]) -> None:
    head = [(k.encode(), v.encode()) for k, v in {**told, "content-length": str(len(body))}.items()]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
