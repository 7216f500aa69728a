"""Reports of tasks that an executor has lost or cut off: kept until PostgreSQL has them, and then made again."""

import asyncio
import heapq
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

import structlog

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import STATEMENT_TIMEOUT
from tidewheel_common.streams.hint import Hint

BATCH = 1000
"""Tasks that one tick reports."""

MOST_WAITING = 20_000
"""Tasks of lost messages that wait for PostgreSQL. While it is away children may go on dying, but none can claim; what
is not reported is found when its lease has ended."""

REPEATED = (1.0, 3.0, 7.0, 15.0, STATEMENT_TIMEOUT + 2.0)
"""Seconds after which a report is made again. What a child had asked PostgreSQL for before it died may wait there for a
lock, and be done when nobody expects it any more; after the last of these PostgreSQL has given up on it."""

SLACK = 1.0
"""Seconds that the last words of a child may have needed to reach PostgreSQL."""

Report = Callable[[Sequence[Hint], float | None], Coroutine[Any, Any, object]]
"""Writes down what has become of tasks, as far as they were claimed so many seconds ago, or at any time. A lost
connection is raised, and the report is made again."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _Repeat(NamedTuple):
    due: float
    number: int
    """Makes each one different, so that none is ordered by what follows."""
    told: float
    """When the report was made first."""
    times: int
    hints: tuple[Hint, ...]
    report: Report


class LostReports:
    """Hands the tasks of lost messages to PostgreSQL, in the event loop of the thread beside Celery.

    Args:
        lost: reports tasks of children that died.
        interrupted: reports tasks of children that this executor has cut off itself.
        clock: seconds that never jump.
    """

    def __init__(self, *, lost: Report, interrupted: Report, clock: Callable[[], float] = time.monotonic) -> None:
        self._report_lost = lost
        self._report_interrupted = interrupted
        self._clock = clock
        self._waiting: list[Hint] = []
        self._interrupted: list[Hint] = []
        self._repeats: list[_Repeat] = []
        self._repeated = 0
        self._made = 0
        self.wake = asyncio.Event()

    def add(self, hints: Sequence[Hint]) -> None:
        """Take hints over; they are kept until PostgreSQL has them, as many as there is room for."""
        room = MOST_WAITING - len(self._waiting)
        if len(hints) > room:
            log.warning(
                "too many lost tasks wait to be reported; the rest waits for its leases", tasks=len(hints) - room
            )
        self._waiting += hints[:room]
        self.wake.set()

    def interrupt(self, hints: Sequence[Hint]) -> None:
        """Take over the hints of messages that this executor has cut off itself."""
        self._interrupted += hints
        self.wake.set()

    async def tick(self) -> float | None:
        """Report one batch of what waits, or make one report again; return the seconds until the next is due."""
        if await self._report_first():
            return AGAIN
        if self._repeats and self._repeats[0].due <= self._clock():
            await self._make_again(self._repeats[0])
        return max(AGAIN, self._repeats[0].due - self._clock()) if self._repeats else None

    async def finish(self) -> None:
        """Report all that waits. What was to be made again is left to the scheduler, as this executor signs off."""
        while await self._report_first():
            continue

    async def _report_first(self) -> bool:
        """Report the first of what waits; tell whether there is more."""
        more = await self._hand_over(self._interrupted, self._report_interrupted)
        return await self._hand_over(self._waiting, self._report_lost) or more

    async def _hand_over(self, waiting: list[Hint], report: Report) -> bool:
        if hints := tuple(waiting[:BATCH]):
            told = self._clock()
            await report(hints, None)
            del waiting[: len(hints)]
            self._repeat_later(told, hints, report)
        return bool(waiting)

    def _repeat_later(self, told: float, hints: tuple[Hint, ...], report: Report) -> None:
        if self._repeated + len(hints) <= MOST_WAITING:
            self._repeated += len(hints)
            self._made += 1
            heapq.heappush(self._repeats, _Repeat(told + REPEATED[0], self._made, told, 1, hints, report))

    async def _make_again(self, repeat: _Repeat) -> None:
        """Make a report again: whoever claims one of its tasks from now on is another child, and lives."""
        ago = max(0.0, self._clock() - repeat.told - SLACK)
        await repeat.report(repeat.hints, ago)
        if repeat.times < len(REPEATED):
            due = repeat.told + REPEATED[repeat.times]
            heapq.heapreplace(self._repeats, repeat._replace(due=due, times=repeat.times + 1))
        else:
            heapq.heappop(self._repeats)
            self._repeated -= len(repeat.hints)
