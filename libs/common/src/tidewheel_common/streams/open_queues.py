"""Open queues: those in whose lines nothing waits, so that what is new need not wait for the dispatcher either.

The dispatcher says which queues are closed, and who serves what; what gateways accept for an open queue goes straight
to its stream. It is a hint like all that Redis holds. Where it is missing, tasks go by the dispatcher; where it is out
of date, some go to a stream that has little room, or to executors that do not serve them any more: these drop the
hints, and the dispatcher takes the tasks back.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidewheel_common.streams.client import Redis
from tidewheel_common.streams.keys import EVERY_QUEUE, OPEN
from tidewheel_common.streams.stream import Line, depths

LASTS = 3.0
"""Seconds after which all queues are closed, if no dispatcher says anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQueues:
    """What a dispatcher says of all queues."""

    served: Mapping[str, frozenset[str]]
    """The handlers that live executors serve in a queue, or in every other one (`*`)."""
    windows: Mapping[str, int]
    """Hints of one priority that may wait in a queue's stream unread."""
    window: int
    """The same for all other queues."""
    closed: frozenset[str]
    """The queues in which something waits, or for which something is set, as far as the dispatcher has seen it."""

    def handlers(self, queue: str) -> frozenset[str]:
        """Return the handlers whose tasks may go straight to a queue's streams."""
        if queue in self.closed:
            return frozenset()
        return self.served.get(queue) or self.served.get(EVERY_QUEUE, frozenset())

    def write(self) -> str:
        """Return it as it stands in Redis."""
        served = {queue: sorted(handlers) for queue, handlers in self.served.items()}
        return json.dumps([served, dict(self.windows), self.window, sorted(self.closed)])

    @classmethod
    def read(cls, text: bytes) -> "OpenQueues":
        """Read what stands in Redis.

        Raises:
            ValueError: another release has written it.
        """
        try:
            served, windows, window, closed = json.loads(text)
            handlers = {queue: frozenset(names) for queue, names in served.items()}
            return cls(served=handlers, windows=dict(windows), window=int(window), closed=frozenset(closed))
        except (TypeError, AttributeError) as error:
            raise ValueError("It is not what this release writes.") from error


@dataclass(slots=True)
class OpenLine:
    """What may go straight to the stream of a line."""

    handlers: frozenset[str]
    room: int
    """Hints."""


async def tell_open_queues(redis: Redis, opened: OpenQueues) -> None:
    """Say what holds from now on.

    Raises:
        RedisError: Redis does not answer.
    """
    await redis.set(OPEN, opened.write(), px=int(LASTS * 1000))


async def read_open_lines(redis: Redis, lines: Sequence[Line]) -> dict[Line, OpenLine]:
    """Return those of some lines that are open, each with the room that it has now.

    Raises:
        RedisError: Redis does not answer.
    """
    text: Any = await redis.get(OPEN)
    if text is None:
        return {}
    try:
        told = OpenQueues.read(text)
    except ValueError:
        return {}
    served = {line: handlers for line in lines if (handlers := told.handlers(line.queue))}
    held = await depths(redis, list(served))
    return {
        line: OpenLine(handlers, max(0, told.windows.get(line.queue, told.window) - held[line].unread))
        for line, handlers in served.items()
        if held[line].grouped  # a stream that is missing is the dispatcher's affair
    }
