"""Wake-ups over Redis pub/sub: they make things fast. Losing every one of them costs latency, never work."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from redis.asyncio import Connection, Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from tidewheel_common.streams.client import ANSWER, TRANSIENT

MOST_WORDS = 10_000
"""Words that wait to be sent while Redis does not answer; what is more is dropped, like any wake-up may be."""

LISTEN_PAUSE = 1.0
"""Seconds one listening tick waits for a message; a process that is asked to stop waits as long at most."""


class Speaker:
    """Publishes wake-ups without ever delaying or failing its caller, all on one connection.

    Calls that come while it speaks are folded into what it says next. Nobody waits for an answer: the answers to what
    it has said are read before it speaks again. So a connection that was lost is noticed then, and made anew.

    Args:
        redis: lends the connection, once and for all: its pool needs another for whoever else uses it.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pending: dict[str, list[str]] = {}
        self._connection: Connection | None = None
        self._unanswered = 0
        self._task: asyncio.Task[None] | None = None

    def say(self, channel: str, *words: str) -> None:
        """Ask for a wake-up; `words` travel with it, comma-separated."""
        pending = self._pending.setdefault(channel, [])
        pending.extend(words[: MOST_WORDS - len(pending)])
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._speak())

    async def _speak(self) -> None:
        while self._pending:
            pending, self._pending = self._pending, {}
            with suppress(*TRANSIENT):
                async with asyncio.timeout(ANSWER):
                    await self._send([("PUBLISH", channel, ",".join(words)) for channel, words in pending.items()])

    async def _send(self, commands: Sequence[tuple[str, ...]]) -> None:
        if self._connection is None:
            self._connection = await self._redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        connection = self._connection
        try:
            await self._hear(connection)
            await connection.send_packed_command(connection.pack_commands(commands))
            self._unanswered = len(commands)
        except BaseException:
            self._unanswered = 0
            await connection.disconnect(nowait=True)
            raise

    async def _hear(self, connection: Connection) -> None:
        """Read what is still to be answered. What turns out to be lost is closed; the next command connects anew."""
        try:
            while self._unanswered:
                self._unanswered -= 1
                with suppress(ResponseError):  # what was refused then must not cost what is said now
                    await connection.read_response()
            await asyncio.sleep(0)  # a loop that runs only now and then sees the end of a connection no earlier
            lost = connection.is_connected and await connection.can_read()
        except (RedisConnectionError, OSError):
            lost = True
        if lost:
            self._unanswered = 0
            await connection.disconnect(nowait=True)

    async def close(self) -> None:
        """Let the last wake-up leave; whoever gives up waiting for it takes it back."""
        if self._task is not None and not self._task.done():
            await self._task


class Waker:
    """Wakes those who listen on one channel."""

    def __init__(self, speaker: Speaker, channel: str) -> None:
        self._speaker = speaker
        self._channel = channel

    def wake(self, *words: str) -> None:
        """Ask for a wake-up; `words` travel with it, comma-separated. Neither fails nor waits."""
        self._speaker.say(self._channel, *words)


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
