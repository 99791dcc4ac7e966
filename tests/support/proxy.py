"""A reverse proxy as in front of a shared machine: it serves a page below a path and strips the path."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from urllib.parse import urlsplit

PIECE = 1 << 16
Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


class Proxy:
    """Forward what is asked for below `prefix` to `target`, piece by piece, so that streams stay streams.

    `asked` are the paths below the prefix, `refused` all others; a connection carries one request.
    """

    def __init__(self, target: str, prefix: str) -> None:
        self.asked: list[str] = []
        self.refused: list[str] = []
        self._host, self._port = urlsplit(target).hostname, urlsplit(target).port
        self._prefix = prefix

    async def serve(self, browser: Reader, answer: Writer) -> None:
        """Answer one connection of the browser."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            first, *headers = (await browser.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
            method, path, version = first.split(" ")
            if not path.startswith(f"{self._prefix}/"):
                self.refused.append(path)
                answer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await answer.drain()
            else:
                self.asked.append(path.removeprefix(self._prefix))
                head = "\r\n".join([f"{method} {self.asked[-1]} {version}", *self._forwarded(headers)])
                await self._exchange(browser, answer, f"{head}\r\n\r\n".encode("latin-1"))
        answer.close()

    def _forwarded(self, headers: list[str]) -> list[str]:
        """Make the headers for the page: its own address, and what the browser asked for beside it."""
        named = {name.lower(): value for name, value in (h.split(": ", 1) for h in headers if ": " in h)}
        named |= {
            "x-forwarded-host": named["host"],
            "x-forwarded-proto": "http",
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-prefix": self._prefix,
            "host": f"{self._host}:{self._port}",
            "connection": "close",
        }
        return [f"{name}: {value}" for name, value in named.items()]

    async def _exchange(self, browser: Reader, answer: Writer, head: bytes) -> None:
        """Pass on a request and its answer until one of both sides ends."""
        page, ask = await asyncio.open_connection(self._host, self._port)
        ask.write(head)
        ways = [asyncio.create_task(_passed(browser, ask)), asyncio.create_task(_passed(page, answer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        ask.close()


async def _passed(source: Reader, target: Writer) -> None:
    with suppress(ConnectionError):
        while piece := await source.read(PIECE):
            target.write(piece)
            await target.drain()


@contextmanager
def below(target: str, prefix: str) -> Iterator[SimpleNamespace]:
    """Serve `target` below `prefix` on a free port: `url`, `asked` and `refused`."""
    proxy, loop, bound = Proxy(target, prefix), asyncio.new_event_loop(), list[int]()
    ready, stop = threading.Event(), asyncio.Event()

    async def run() -> None:
        async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
            bound.append(server.sockets[0].getsockname()[1])
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert ready.wait(10), "the proxy does not start"
    try:
        yield SimpleNamespace(url=f"http://127.0.0.1:{bound[0]}{prefix}/", asked=proxy.asked, refused=proxy.refused)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
