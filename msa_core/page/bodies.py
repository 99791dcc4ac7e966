"""Bodies of requests, read before gradio parses them: too long or too deeply nested ones are refused in one line."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from msa_core.errors import Message, message

MOST_BYTES = 1024 * 1024  # of one body; an upload and the Live tab have limits of their own
MOST_DEPTH = 32  # lists and objects within one another; the page itself sends fewer than ten
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[{]|[\]}]")

Messages = Callable[[], Awaitable[Any]]


async def read(receive: Messages) -> tuple[Messages, int, Message | None]:
    """Read the body of a request.

    Returns: what hands the body on and then goes on as `receive` does; the status of a refusal, and why; 200 and None
    for a body that may pass.
    """
    parts, size, more = [], 0, True
    while more:
        part = await receive()
        parts.append(part)
        size += len(part.get("body", b""))
        more = part["type"] == "http.request" and part.get("more_body", False)
        if size > MOST_BYTES:
            return (
                receive,
                413,
                message("This request has more than {most} bytes. Upload a clip as a file.", most=MOST_BYTES),
            )
    if depth(b"".join(part.get("body", b"") for part in parts)) > MOST_DEPTH:
        return (
            receive,
            400,
            message("This request nests values more than {most} deep. Send plain ones.", most=MOST_DEPTH),
        )
    left = iter(parts)

    async def again() -> Any:
        part = next(left, None)
        return await receive() if part is None else part

    return again, 200, None


def depth(body: bytes) -> int:
    """Measure how deep the lists and objects of JSON are nested, valid or not."""
    now = deepest = 0
    for bracket in _BRACKETS.findall(_STRING.sub(b"", body)):
        now += 1 if bracket in b"[{" else -1
        deepest = max(deepest, now)
    return deepest
