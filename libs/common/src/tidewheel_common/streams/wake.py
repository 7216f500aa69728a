"""Wake-ups over Redis pub/sub: they make things fast. Losing every one of them costs latency, never work."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from redis.asyncio import Redis

from tidewheel_common.streams.client import TRANSIENT

MOST_WORDS = 10_000
"""Words that wait to be sent while Redis does not answer; what is more is dropped, like any wake-up may be."""

LISTEN_PAUSE = 1.0
"""Seconds one listening tick waits for a message; a process that is asked to stop waits as long at most."""


class Waker:
    """Publishes wake-ups without ever delaying or failing its caller.

    Calls that come while a publish is under way are folded into the next one.
    """

    def __init__(self, redis: Redis, channel: str) -> None:
        self._redis = redis
        self._channel = channel
        self._pending: list[str] = []
        self._wanted = False
        self._task: asyncio.Task[None] | None = None

    def wake(self, *words: str) -> None:
        """Ask for a wake-up; `words` travel with it, comma-separated."""
        self._pending.extend(words[: MOST_WORDS - len(self._pending)])
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._publish())

    async def _publish(self) -> None:
        while self._wanted:
            message = ",".join(self._pending)
            self._pending.clear()
            self._wanted = False
            with suppress(*TRANSIENT):
                await self._redis.publish(self._channel, message)

    async def close(self) -> None:
        """Let the last wake-up leave; whoever gives up waiting for it takes it back."""
        if self._task is not None and not self._task.done():
            await self._task


class Listener:
    """Hears wake-ups. Its `tick` is the body of a loop; each channel calls its own function with the message."""

    def __init__(self, redis: Redis, channels: Mapping[str, Callable[[str], None]]) -> None:
        self._redis = redis
        self._channels = {channel.encode(): hear for channel, hear in channels.items()}
        self._pubsub = redis.pubsub(ignore_subscribe_messages=True)

    async def tick(self) -> float:
        """Wait for one message, for a moment. A lost connection is raised, and joined anew by the next tick."""
        if not self._pubsub.subscribed:
            await self._pubsub.subscribe(*self._channels)
            # What was said while nobody listened is not said again: let everyone look once.
            for hear in self._channels.values():
                hear("")
        message = await self._pubsub.get_message(ignore_subscribe_messages=True, timeout=LISTEN_PAUSE)
        if message is not None:
            self._channels[message["channel"]](message["data"].decode())
        return 0.0

    async def listen(self, stop: asyncio.Event) -> float:
        """Do what `tick` does, but wait no longer than until a stop."""
        hearing = asyncio.create_task(self.tick())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({hearing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return hearing.result() if hearing.done() else 0.0
        finally:
            hearing.cancel()
            stopping.cancel()
            await asyncio.gather(hearing, stopping, return_exceptions=True)

    async def close(self) -> None:
        """Leave the channels."""
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
