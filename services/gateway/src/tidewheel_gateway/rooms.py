"""How much may go straight to the streams: what Redis says of the lines that are in use, asked in the background.

Accepting waits for none of it: what is not known goes by the dispatcher.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from tidewheel_common.core.task import Priority
from tidewheel_common.streams.client import TRANSIENT, Redis
from tidewheel_common.streams.open_queues import OpenLine, read_open_lines
from tidewheel_common.streams.stream import Line
from tidewheel_gateway.records import Straight, TaskRow

REFRESH = 0.2
"""Seconds between two questions."""

AGAIN = 0.005
"""The same where a line has less room than the next flight may want; for each line in use, as each costs something."""

FRESH = 2.0
"""Seconds for which an answer is good."""

IN_USE = 10.0
"""Seconds for which a line is asked about after a task that might have gone straight."""

ANSWER = 1.0
"""Seconds in which Redis answers."""

SHUN = 5.0
"""Seconds for which nothing goes straight after Redis has failed."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Rooms:
    """Remembers what Redis has said, less what was taken since.

    Args:
        redis: where the streams are.
        monotonic: seconds that never jump.

    Attributes:
        wake: set when it should look at once.
    """

    def __init__(self, redis: Redis, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.wake = asyncio.Event()
        self._redis = redis
        self._monotonic = monotonic
        self._used: dict[Line, float] = {}
        self._opened: Mapping[Line, OpenLine] = {}
        self._asked_at = self._due_at = monotonic()
        self._shunning = False

    def take(self, rows: Iterable[TaskRow]) -> Straight:
        """Return the tasks that may go straight to their streams, and take the room for them."""
        waiting: dict[tuple[str, int], list[TaskRow]] = {}
        for row in rows:
            if row.run_at is None and not row.delay and row.concurrency_key is None and not row.pending_parents:
                waiting.setdefault((row.queue, row.priority), []).append(row)
        now = self._monotonic()
        fresh = now - self._asked_at <= FRESH
        taken = {}
        for (queue, priority), found in waiting.items():
            line = Line(queue, Priority(priority))
            self._used[line] = now
            if fresh and (first := self._within_room(line, found)):
                taken[line] = first
            if line not in taken or self._opened[line].room < len(found):
                self.wake.set()
        return taken

    def _within_room(self, line: Line, rows: Sequence[TaskRow]) -> Sequence[TaskRow]:
        opened = self._opened.get(line)
        if opened is None:
            return ()
        first = [row for row in rows if row.handler in opened.handlers][: opened.room]
        opened.room -= len(first)
        return first

    async def look(self) -> float | None:
        """Ask Redis about the lines that are in use; the body of a loop."""
        now = self._monotonic()
        if now < self._due_at:
            return self._due_at - now
        self._used = {line: at for line, at in self._used.items() if now - at < IN_USE}
        if not self._used:
            return None
        try:
            async with asyncio.timeout(ANSWER):
                self._opened = await read_open_lines(self._redis, list(self._used))
        except TRANSIENT as error:
            self.shun(error)
        else:
            self._asked_at = now
            self._due_at = now + AGAIN * len(self._used)
        return None

    def shun(self, error: BaseException) -> None:
        """Let nothing go straight for a while: Redis has failed."""
        # A line for each streak: it is tried again and again.
        (log.debug if self._shunning else log.warning)("nothing goes straight now", error_type=type(error).__name__)
        self._shunning = True
        self._opened = {}
        self._due_at = self._monotonic() + SHUN

    def trust(self) -> None:
        """Hear that Redis has taken hints."""
        self._shunning = False
