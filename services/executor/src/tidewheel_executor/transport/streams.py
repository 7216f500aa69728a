"""What the executor asks of the task streams, over a synchronous client. Reading is the channel's: it must not block.

The client is its own, not a channel's: a task that was started before a reconnect is acknowledged after it, when the
channel that delivered it is long closed. Ids do not care.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from typing import Any, Protocol

from redis import Redis
from redis.exceptions import ResponseError

from tidewheel_common.streams.bundle import Bundle
from tidewheel_common.streams.bundle_sizes import tell_bundle_sizes
from tidewheel_common.streams.keys import GROUP, QUEUES
from tidewheel_common.streams.stream import APPEND, PUSH, push_arguments
from tidewheel_executor.transport.entry import Entry, Unreadable, read_entry

SILENCE = 60_000
"""Milliseconds after which a consumer that holds nothing is removed. A live one asks at least every second."""


class Placed(Protocol):
    """Anything with a place in a stream."""

    @property
    def stream(self) -> str:
        """The key of the stream."""
        ...

    @property
    def id(self) -> bytes:
        """The id within it."""
        ...


def script(name: str) -> str:
    """Return the text of one of our Lua scripts."""
    return (files(__package__) / f"{name}.lua").read_text(encoding="utf-8")


class TaskStreams:
    """The commands that settle, hold, claim and give back entries.

    All may raise what redis-py raises for a lost connection; nothing is lost then, since entries stay pending.
    """

    def __init__(self, redis: Redis, *, consumer: str) -> None:
        self._redis = redis
        self._consumer = consumer
        self._give_back = redis.register_script(APPEND + script("give_back"))
        self._push = redis.register_script(PUSH)
        self._bury = redis.register_script(script("bury"))

    def ack(self, entries: Iterable[Placed]) -> None:
        """Delete and acknowledge entries. Entries that are gone are no error.

        Not in a transaction: a full Redis 7 queues nothing for one, and would stay full. Deleted first, because what is
        pending and gone is forgotten by whoever claims it; what is acknowledged and there would stay for ever.
        """
        pipeline = self._redis.pipeline(transaction=False)
        for stream, ids in _by_stream(entries):
            pipeline.xdel(stream, *ids)
            pipeline.xack(stream, GROUP, *ids)
        pipeline.execute()

    def give_back(self, entries: Sequence[Entry]) -> int:
        """Let others have entries at once, at the tail of their streams, and return how many hints were still ours."""
        if not entries:
            return 0
        arguments: list[Any] = [GROUP]
        for entry in entries:
            arguments += [entry.id, entry.bundle.size, entry.bundle.text]
        given: int = self._give_back(keys=[entry.stream for entry in entries], args=arguments)
        return given

    def append(self, stream: str, bundles: Sequence[Bundle]) -> None:
        """Let others have a part of an entry, at the tail of its stream, and keep the entry."""
        self._push(keys=[stream], args=push_arguments(bundles))

    def hold(self, entries: Iterable[Placed]) -> None:
        """Say that this worker still has these entries, so that nobody takes them for abandoned."""
        pipeline = self._redis.pipeline(transaction=False)
        for stream, ids in _by_stream(entries):
            pipeline.xclaim(stream, GROUP, self._consumer, 0, [*ids], justid=True)
        # An emptied Redis has no group: then there is nothing to hold, and the next pull makes it anew.
        pipeline.execute(raise_on_error=False)

    def tell(self, bundle_sizes: Mapping[str, int]) -> None:
        """Tell dispatchers how many hints of some handlers may share an entry."""
        pipeline = self._redis.pipeline(transaction=False)
        tell_bundle_sizes(pipeline, bundle_sizes)
        pipeline.execute()

    def claim_abandoned(self, streams: Sequence[str], *, idle: float, most: int) -> list[Entry | Unreadable]:
        """Take over entries that nobody has held for `idle` seconds, at most about `most`."""
        claimed: list[Entry | Unreadable] = []
        for stream in streams:
            if len(claimed) >= most:
                break
            claimed += self._claim(stream, idle=idle, most=most - len(claimed))
        return claimed

    def _claim(self, stream: str, *, idle: float, most: int) -> list[Entry | Unreadable]:
        try:
            # Raw, because the reply has two elements in Redis 6.2 and three from 7.0 on.
            reply: Any = self._redis.execute_command(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
                "XAUTOCLAIM", stream, GROUP, self._consumer, int(idle * 1000), "0-0", "COUNT", most
            )
        except ResponseError as error:
            if "NOGROUP" in str(error) or "no such key" in str(error):
                return []
            raise
        # Redis 6.2 answers nil for an entry that was deleted while it was pending.
        return [read_entry(stream, item[0], item[1]) for item in reply[1] if item and item[0] and item[1]]

    def bury(self, streams: Sequence[str]) -> int:
        """Remove consumers that died with nothing pending."""
        return int(self._bury(keys=list(streams), args=[GROUP, SILENCE, ""]))

    def leave(self, streams: Sequence[str]) -> None:
        """Remove this worker's own consumer, unless something is pending for it."""
        self._bury(keys=list(streams), args=[GROUP, SILENCE, self._consumer])

    def sizes(self, streams: Sequence[str]) -> int:
        """Return how many entries the streams hold, in flight included."""
        pipeline = self._redis.pipeline(transaction=False)
        for stream in streams:
            pipeline.xlen(stream)
        return sum(pipeline.execute())

    def clear(self, streams: Sequence[str]) -> int:
        """Delete the streams and return how many entries they held; PostgreSQL brings their tasks back."""
        size = self.sizes(streams)
        self._redis.delete(*streams)
        return size

    def queues(self) -> set[str]:
        """Return the names of all queues that were ever dispatched to."""
        members: Any = self._redis.smembers(QUEUES)
        return {member.decode() for member in members}


def _by_stream(entries: Iterable[Placed]) -> list[tuple[str, list[bytes]]]:
    ordered = sorted(entries, key=lambda entry: entry.stream)
    return [(stream, [entry.id for entry in group]) for stream, group in groupby(ordered, key=lambda e: e.stream)]
