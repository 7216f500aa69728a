"""The gateway's side of Redis: whom it wakes, and what it hears. None of it is needed to accept a task."""

import asyncio
import contextlib
from collections.abc import Callable

from tidewheel_common.streams.client import TRANSIENT, open_redis
from tidewheel_common.streams.keys import WAKE_DISPATCHER, WAKE_FINAL, WAKE_REAPER, WAKE_SCHEDULER
from tidewheel_common.streams.wake import Listener, Waker


class Wakeups:
    """Wakes the other processes, and hears which tasks became final.

    Args:
        url: Redis' address.
        hear_final: called with the ids of tasks that became final, comma-separated.
    """

    def __init__(self, url: str, *, hear_final: Callable[[str], None]) -> None:
        self._redis = open_redis(url, client_name="tidewheel-gateway", pool_size=8)
        self.dispatcher = Waker(self._redis, WAKE_DISPATCHER)
        self.scheduler = Waker(self._redis, WAKE_SCHEDULER)
        self.reaper = Waker(self._redis, WAKE_REAPER)
        self.final = Waker(self._redis, WAKE_FINAL)
        self._hear_final = hear_final
        self._listener: Listener | None = None

    async def listen(self, stop: asyncio.Event) -> float:
        """Hear what there is to hear, but not beyond the stop; the body of a loop."""
        if self._listener is None:
            self._listener = Listener(self._redis, {WAKE_FINAL: self._hear_final})
        hearing = asyncio.create_task(self._listener.tick())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({hearing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return hearing.result() if hearing.done() else 0.0
        finally:
            hearing.cancel()
            stopping.cancel()
            await asyncio.gather(hearing, stopping, return_exceptions=True)

    async def close(self) -> None:
        """Let the last wake-ups leave, and disconnect."""
        for waker in (self.dispatcher, self.scheduler, self.reaper, self.final):
            await waker.close()
        with contextlib.suppress(*TRANSIENT):
            if self._listener is not None:
                await self._listener.close()
            await self._redis.aclose()
