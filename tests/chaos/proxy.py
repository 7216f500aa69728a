"""One TCP link of the rig: carries bytes between a client and a server, and breaks in the ways that networks break.

Bytes that a broken link has swallowed cannot be made up for: a connection that lost any is dropped when the link heals.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_LINGER_ZERO = struct.pack("ii", 1, 0)
"""Closing sends RST instead of FIN (socket(7), SO_LINGER)."""


@dataclass(slots=True, kw_only=True)
class Toxics:
    """What is wrong with a link at the moment.

    Attributes:
        latency: seconds that each piece takes, either way.
        mute_requests: what the client says vanishes.
        mute_answers: what the server says vanishes.
        unanswered: so many more requests reach the server and lose their connection when the answer comes.
    """

    latency: float = 0.0
    mute_requests: bool = False
    mute_answers: bool = False
    unanswered: int = 0


class _Half(asyncio.Protocol):
    """One end of a carried connection."""

    def __init__(self, pair: "_Pair", *, answers: bool) -> None:
        self._pair = pair
        self._answers = answers
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._pair.joined(self)

    def data_received(self, data: bytes) -> None:
        self._pair.carry(data, answers=self._answers)

    def connection_lost(self, _: Exception | None) -> None:
        self._pair.end()

    def pause_writing(self) -> None:
        self._pair.hold(answers=self._answers)

    def resume_writing(self) -> None:
        self._pair.go_on(answers=self._answers)


class _Pair:
    """A connection from a client, and the one to the server that stands for it."""

    def __init__(self, proxy: "Proxy") -> None:
        self._proxy = proxy
        self.client = _Half(self, answers=False)
        self.server = _Half(self, answers=True)
        self.incomplete = False
        self._doomed = False
        self._due = 0.0
        self._connecting: asyncio.Task[None] | None = None

    def joined(self, half: _Half) -> None:
        if half is self.client and half.transport is not None:
            # Not at once: in Python 3.11.2 a transport begins to read after this, whatever was said before.
            asyncio.get_running_loop().call_soon(half.transport.pause_reading)
            self._proxy.pairs.add(self)
            self._connecting = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.server, "127.0.0.1", self._proxy.target)
        except OSError:
            self.end()
            return
        if self.client.transport is None or self.client.transport.is_closing():
            self.end()
            return
        self.client.transport.resume_reading()

    def carry(self, data: bytes, *, answers: bool) -> None:
        toxics = self._proxy.toxics
        if toxics.mute_answers if answers else toxics.mute_requests:
            self.incomplete = True
            return
        if answers and self._doomed:
            self.end(reset=True)
            return
        if not answers and toxics.unanswered and not self._doomed:
            toxics.unanswered -= 1
            self._doomed = True
        self._pass_on(data, self.client if answers else self.server)

    def _pass_on(self, data: bytes, to: _Half) -> None:
        loop = asyncio.get_running_loop()
        self._due = max(self._due, loop.time() + self._proxy.toxics.latency)
        if self._due <= loop.time():
            _write(to, data)
        else:
            loop.call_at(self._due, _write, to, data)

    def hold(self, *, answers: bool) -> None:
        other = self.client if answers else self.server
        if other.transport is not None:
            other.transport.pause_reading()

    def go_on(self, *, answers: bool) -> None:
        other = self.client if answers else self.server
        if other.transport is not None:
            other.transport.resume_reading()

    def end(self, *, reset: bool = False) -> None:
        self._proxy.pairs.discard(self)
        if self._connecting is not None and asyncio.current_task() is not self._connecting:
            self._connecting.cancel()
        for half in (self.client, self.server):
            if half.transport is not None and not half.transport.is_closing():
                if reset:
                    _linger_zero(half.transport)
                    half.transport.abort()
                else:
                    half.transport.close()


@dataclass(slots=True, kw_only=True)
class Proxy:
    """A link that can be broken.

    Attributes:
        name: who speaks to whom.
        target: the server's port on this machine.
        port: where clients connect.
    """

    name: str
    target: int
    port: int = 0
    toxics: Toxics = field(default_factory=Toxics)
    pairs: set[_Pair] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen, on the same port each time."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: _Pair(self).client, "127.0.0.1", self.port, reuse_address=True
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Refuse new connections and drop the present ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()

    def reset(self) -> None:
        """Drop the present connections as a crashed peer would."""
        for pair in list(self.pairs):
            pair.end(reset=True)

    async def heal(self) -> None:
        """Be a good link again."""
        self.toxics = Toxics()
        for pair in [pair for pair in self.pairs if pair.incomplete]:
            pair.end(reset=True)
        await self.open()


@asynccontextmanager
async def open_proxy(name: str, target: int) -> AsyncIterator[Proxy]:
    """Run a proxy in front of a port."""
    proxy = Proxy(name=name, target=target)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.cut()


def _write(half: _Half, data: bytes) -> None:
    if half.transport is not None and not half.transport.is_closing():
        half.transport.write(data)


def _linger_zero(transport: asyncio.Transport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
