"""A bare HTTP/1.1 client for load: what it costs is not what is measured.

A request is encoded once, before the clock starts; an answer is cut out of the bytes and not parsed. There is no
coroutine for a request: whoever has a free connection sends, everybody else stands in line, and the line counts
towards the latency, because a request is timed from when it was due.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

CONNECTIONS = 32

Done = Callable[[int, bytes], None]
"""Receives the status and the body of an answer; the status is 0 when the connection ended before it came."""

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STATUS = slice(9, 12)
_ID = re.compile(rb'"id": ?"([0-9a-f-]{36})"')


class Connection(asyncio.Protocol):
    """One kept-alive connection; one request at a time."""

    def __init__(self, *, freed: "Callable[[Connection], None]", lost: "Callable[[Connection], None]") -> None:
        self._freed = freed
        self._lost = lost
        self._done: Done | None = None
        self._received = b""
        self._wanted = 0  # bytes of the answer, head included; 0 while its head is not complete
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, done: Done) -> None:
        """Send an encoded request; `done` hears of the answer."""
        assert self._transport is not None, "a connection is free only while it is open"
        self._done = done
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        if not self._wanted:
            end = self._received.find(_HEAD_END)
            if end < 0:
                return
            length = _LENGTH.search(self._received, 0, end)
            self._wanted = end + len(_HEAD_END) + (int(length.group(1)) if length else 0)
        if len(self._received) >= self._wanted:
            self._answered(int(self._received[_STATUS]))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature is asyncio's
        self._lost(self)
        if self._done is not None:
            done, self._done = self._done, None
            done(0, b"")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _answered(self, status: int) -> None:
        answer, self._received, self._wanted = self._received, b"", 0
        done, self._done = self._done, None
        self._freed(self)
        if done is not None:
            done(status, answer)


class Pool:
    """A fixed number of connections, and the line of requests that wait for one."""

    def __init__(self, url: str, api_key: str, size: int) -> None:
        place = urlsplit(url)
        self._place = place
        self._size = size
        self._head = (
            f"Host: {place.netloc}\r\nAuthorization: Bearer {api_key}\r\nContent-Type: application/json\r\n"
        ).encode()
        self._free: list[Connection] = []
        self._all: list[Connection] = []
        self._line: deque[tuple[bytes, Done]] = deque()

    async def fill(self) -> None:
        """Open the connections that are missing: a server closes those that were idle for long."""
        secure = self._place.scheme == "https"
        while len(self._all) < self._size:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(freed=self._next, lost=self._forget),
                self._place.hostname or "",
                self._place.port or (443 if secure else 80),
                ssl=secure or None,
            )
            self._all.append(connection)
            self._next(connection)

    def encode(self, path: str, body: Any) -> bytes:
        """Return a POST with a JSON body as it goes over the wire."""
        text = json.dumps(body, separators=(",", ":")).encode()
        return b"POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (path.encode(), self._head, len(text), text)

    def send(self, request: bytes, done: Done) -> None:
        """Send an encoded request as soon as a connection is free."""
        if self._free:
            self._free.pop().send(request, done)
        else:
            self._line.append((request, done))

    def close(self) -> None:
        for connection in tuple(self._all):
            connection.close()

    def _forget(self, connection: Connection) -> None:
        if connection in self._all:
            self._all.remove(connection)
        if connection in self._free:
            self._free.remove(connection)

    def _next(self, connection: Connection) -> None:
        if self._line:
            connection.send(*self._line.popleft())
        else:
            self._free.append(connection)


def ids_in(answer: bytes) -> list[bytes]:
    """Return the ids of the tasks that an answer names."""
    return _ID.findall(answer)


@asynccontextmanager
async def open_pool(url: str, api_key: str, size: int = CONNECTIONS) -> AsyncIterator[Pool]:
    pool = Pool(url, api_key, size)
    try:
        await pool.fill()
        yield pool
    finally:
        pool.close()
