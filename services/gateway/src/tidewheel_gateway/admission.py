"""Lets in as much as the gateway can carry, and refuses the rest at once: before a key is looked up or a body parsed.

A call that is refused costs next to nothing and says when to come again; one that is let in and waits for its turn
costs memory, and its caller's patience. Reading calls, which may hold an answer for a minute (`?wait=`), have a limit
of their own, so that they never keep tasks from being accepted.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidewheel_gateway.problems import RETRY_SOON, Problem

READS_PER_WRITE: Final = 4
"""So many reading calls may be in flight for each writing one."""

BODY_ROOM: Final = 64 * 1024 * 1024
"""Bytes of bodies that calls in flight may hold together. What is made of a body takes some times as much."""

BODY_TIME: Final = 30.0
"""Seconds in which a body must have come."""


@dataclass(slots=True)
class _Lane:
    most: int
    taken: int = 0


class Admission:
    """ASGI middleware that bounds what is in flight.

    Args:
        app: what it surrounds.
        most: writing calls that may be in flight.
        body_room: bytes of bodies that may be held.
        body_time: seconds in which a body must have come.
    """

    def __init__(self, app: ASGIApp, *, most: int, body_room: int = BODY_ROOM, body_time: float = BODY_TIME) -> None:
        self._app = app
        self._writes = _Lane(most)
        self._reads = _Lane(most * READS_PER_WRITE)
        self._body_room = body_room
        self._body_time = body_time
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a call through, or refuse it. Probes and metrics are always let through."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1"):
            await self._app(scope, receive, send)
            return
        lane = self._reads if scope["method"] == "GET" else self._writes
        if lane.taken >= lane.most:
            raise _overloaded("More calls are in flight than the gateway takes at once.")
        body = _Body(self, receive, until=asyncio.get_running_loop().time() + self._body_time)
        lane.taken += 1
        try:
            await self._app(scope, body.receive, send)
        finally:
            lane.taken -= 1
            self._held -= body.held

    def hold(self, size: int) -> None:
        """Take room for a part of a body.

        Raises:
            Problem: there is none.
        """
        if self._held + size > self._body_room:
            raise _overloaded("The bodies of all calls together are too large right now.", close=True)
        self._held += size


class _Body:
    """A body on its way in."""

    def __init__(self, admission: Admission, receive: Receive, *, until: float) -> None:
        self._admission = admission
        self._receive = receive
        self._until = until
        self._complete = False
        self.held = 0

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise _too_slow() from None
        size = len(message.get("body", b""))
        self._admission.hold(size)
        self.held += size
        self._complete = not message.get("more_body", False)
        return message


def _overloaded(what: str, *, close: bool = False) -> Problem:
    return Problem(
        "overloaded", f"{what} Try again.", headers={**RETRY_SOON, **({"Connection": "close"} if close else {})}
    )


def _too_slow() -> Problem:
    return Problem(
        "body_too_slow", "The body did not come in time. Send smaller batches.", headers={"Connection": "close"}
    )
