"""Reports of tasks that this executor has lost or cut off, kept until PostgreSQL has them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.streams.hint import Hint

BATCH = 1000
"""Tasks that one tick reports."""

MOST_WAITING = 20_000
"""Tasks of lost messages that wait for PostgreSQL. While it is away children may go on dying, but none can claim; what
is not reported is found when its lease has ended."""

Report = Callable[[Sequence[Hint]], Awaitable[object]]
"""Writes down what has become of tasks. A lost connection is raised, and the report is made again."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class LostReports:
    """Hands the tasks of lost messages to PostgreSQL, in the event loop of the thread beside Celery.

    Args:
        lost: reports tasks of children that died.
        interrupted: reports tasks of children that this executor has cut off itself.
    """

    def __init__(self, *, lost: Report, interrupted: Report) -> None:
        self._report_lost = lost
        self._report_interrupted = interrupted
        self._waiting: list[Hint] = []
        self._interrupted: list[Hint] = []
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
        """Report one batch of what waits."""
        more = await self._hand_over(self._interrupted, self._report_interrupted)
        return AGAIN if await self._hand_over(self._waiting, self._report_lost) or more else None

    async def finish(self) -> None:
        """Report all that waits."""
        while await self.tick() is not None:
            continue

    async def _hand_over(self, waiting: list[Hint], report: Report) -> bool:
        """Report the first of what waits; tell whether there is more."""
        if hints := tuple(waiting[:BATCH]):
            await report(hints)
            del waiting[: len(hints)]
        return bool(waiting)
