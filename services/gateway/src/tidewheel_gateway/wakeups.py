"""The gateway's side of Redis: whom it wakes, and what it hears. None of it is needed to accept a task."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from tidewheel_common.streams.client import TRANSIENT, open_redis
from tidewheel_common.streams.keys import WAKE_DISPATCHER, WAKE_EXECUTOR, WAKE_FINAL, WAKE_REAPER, WAKE_SCHEDULER
from tidewheel_common.streams.wake import Listener, Speaker, Waker
from tidewheel_gateway.finals import Finals

LINGER: Final = 10.0
"""Seconds for which the gateway goes on listening when nobody waits any more: whoever waits once often waits again."""


class Wakeups:
    """Wakes the other processes, and hears which tasks became final.

    Args:
        url: Redis' address.
        finals: told which tasks became final, while somebody waits for one: to hear of every task costs more than a
            quarter of what it costs to accept it.
        monotonic: seconds that never jump.
    """

    def __init__(self, url: str, finals: Finals, *, monotonic: Callable[[], float]) -> None:
        self._redis = open_redis(url, client_name="tidewheel-gateway", pool_size=8)
        self._speaker = Speaker(self._redis)
        self.dispatcher = Waker(self._speaker, WAKE_DISPATCHER)
        self.scheduler = Waker(self._speaker, WAKE_SCHEDULER)
        self.reaper = Waker(self._speaker, WAKE_REAPER)
        self.executor = Waker(self._speaker, WAKE_EXECUTOR)
        self.final = Waker(self._speaker, WAKE_FINAL)
        self._finals = finals
        self._monotonic = monotonic
        self._listener: Listener | None = None
        self._until = monotonic()

    async def listen(self, stop: asyncio.Event) -> float | None:
        """Hear what there is to hear while somebody waits, but not beyond the stop; the body of a loop."""
        now = self._monotonic()
        if self._finals.awaited:
            self._until = now + LINGER
        elif now >= self._until:
            await self._leave()
            return None
        if self._listener is None:
            self._listener = Listener(self._redis, {WAKE_FINAL: self._finals.hear})
        return await self._listener.listen(stop)

    async def _leave(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()

    async def close(self) -> None:
        """Let the last wake-ups leave, and disconnect."""
        await self._speaker.close()
        with contextlib.suppress(*TRANSIENT):
            await self._leave()
            await self._redis.aclose()
