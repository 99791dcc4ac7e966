"""Bodies of requests: what is too long or too deep never reaches gradio, and what passes arrives as it was sent."""

from __future__ import annotations

import json
from typing import Any

import coroutines
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msa_core.page import bodies

PLAIN = st.none() | st.booleans() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def nested(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, (dict, list)) + max(map(nested, inside), default=0)


@given(VALUES)
def test_the_depth_is_that_of_the_parsed_value(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert bodies.depth(text.encode("utf-8", "surrogatepass")) == nested(value)


@pytest.mark.parametrize(
    ("body", "depth"),
    [(b"", 0), (b'"[[["', 0), (b'"\\"[[', 0), (b"[" * 900, 900), (b"]]]]{[", 0), (b'{"a": "\\\\"}[', 1)],
)
def test_the_depth_of_what_is_no_json(body: bytes, depth: int) -> None:
    assert bodies.depth(body) == depth


def read(*parts: bytes) -> tuple[bytes, int, str | None]:
    """Read a body that comes in parts, and once more from what it was handed on to."""
    sent = [{"type": "http.request", "body": part, "more_body": part is not parts[-1]} for part in parts]
    waiting = iter([*sent, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(waiting)

    async def both() -> tuple[bytes, int, str | None]:
        again, status, why = await bodies.read(receive)
        if why is not None:
            return b"", status, str(why)
        got = [await again() for _ in sent]
        assert (await again())["type"] == "http.disconnect"
        return b"".join(part["body"] for part in got), status, None

    return coroutines.run(both())


def test_a_body_in_parts_is_handed_on_whole() -> None:
    assert read(b'{"data": [', b"1]", b"}") == (b'{"data": [1]}', 200, None)
    assert read(b"") == (b"", 200, None)


def test_a_long_or_deep_body_is_refused_in_a_line() -> None:
    limit = bodies.MOST_BYTES
    assert read(b"x" * limit)[1] == 200
    assert read(b"x" * limit, b"x") == (b"", 413, "This request has more than 1048576 bytes. Upload a clip as a file.")
    assert read(b"[" * 16, b"[" * 16 + b"]" * 32)[1] == 200
    assert read(b"[" * 16, b"[" * 17)[1:] == (400, "This request nests values more than 32 deep. Send plain ones.")
