"""HTTP/1.1 as uvicorn speaks it, but with each answer in one write."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class OneWrite(HttpToolsProtocol):
    """Holds the head of an answer back until its body comes, as ASGI has it.

    uvicorn writes the head by itself. That is a system call, a packet (over TLS a record too) and a wake-up of the
    caller more for each answer: 15 of 200 microseconds of the gateway's, and as much of the caller's.
    """

    _transport: "_Holding"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to serve a connection."""
        self._transport = _Holding(transport, self)
        super().connection_made(self._transport)

    def on_response_complete(self) -> None:
        """Send what is held: an answer to HEAD has no body."""
        self._transport.flush()
        super().on_response_complete()


class _Holding(asyncio.Transport):
    """A transport that holds the first piece of each answer until there is a second one."""

    def __init__(self, transport: asyncio.Transport, protocol: HttpToolsProtocol) -> None:
        super().__init__()
        self._transport = transport
        self._protocol = protocol
        self._begun: object = None  # the cycle whose head has come; uvicorn has one for each request
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write, or hold the head of an answer that has just begun."""
        cycle: RequestResponseCycle | None = self._protocol.cycle
        if cycle is not None and cycle is not self._begun and cycle.response_started:
            self._begun = cycle
            self._head = bytes(data)
            return
        head, self._head = self._head, b""
        self._transport.write(head + data if head else data)

    def flush(self) -> None:
        """Write what is held."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Write what is held, and close."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether it is closed or about to be."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the transport knows."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Hear nothing for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Hear again."""
        self._transport.resume_reading()
