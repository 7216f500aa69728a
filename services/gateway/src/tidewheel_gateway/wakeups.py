"""The gateway's side of Redis: whom it wakes, and what it hears. None of it is needed to accept a task."""

import asyncio
import contextlib
from collections.abc import Callable

from tidewheel_common.streams.client import TRANSIENT, open_redis
from tidewheel_common.streams.keys import WAKE_DISPATCHER, WAKE_EXECUTOR, WAKE_FINAL, WAKE_REAPER, WAKE_SCHEDULER
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
        self.executor = Waker(self._redis, WAKE_EXECUTOR)
        self.final = Waker(self._redis, WAKE_FINAL)
        self._hear_final = hear_final
        self._listener: Listener | None = None

    async def listen(self, stop: asyncio.Event) -> float:
        """Hear what there is to hear, but not beyond the stop; the body of a loop."""
        if self._listener is None:
            self._listener = Listener(self._redis, {WAKE_FINAL: self._hear_final})
        return await self._listener.listen(stop)

    async def close(self) -> None:
        """Let the last wake-ups leave, and disconnect."""
        for waker in (self.dispatcher, self.scheduler, self.reaper, self.executor, self.final):
            await waker.close()
        with contextlib.suppress(*TRANSIENT):
            if self._listener is not None:
                await self._listener.close()
            await self._redis.aclose()
