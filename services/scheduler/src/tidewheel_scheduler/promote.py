"""Promotes due tasks: `waiting -> ready`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tidewheel_common.process.failpoints import fp
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_scheduler import queries
from tidewheel_scheduler.counts import Counts

BATCH = 1000
EVERY = 0.5
"""Seconds; the poll that makes promotion certain when a wake-up was lost."""

SHORTEST_PAUSE = 0.005
"""Seconds. What is due and was not taken is in the hands of another scheduler: ask again, but do not spin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promote:
    """Makes ready what is due, and knows when the next task will be."""

    engine: Engine
    wake_dispatcher: Callable[[], None]
    counts: Counts
    size: int = BATCH

    async def tick(self, now: datetime | None = None) -> float | None:
        """Promote one batch; return the seconds until the next task is due, None when none waits."""
        async with self.engine.connect() as connection:
            late = await queries.tasks_promote(connection, now=now, size=self.size)
            full = len(late) >= self.size
            due = None if full else await queries.tasks_next_due(connection, now=now)
        if late:
            fp("scheduler.promoted")
            self.wake_dispatcher()
            self._count(late)
        if full:
            return AGAIN
        return None if due is None else max(due, SHORTEST_PAUSE)

    def _count(self, late: list[float]) -> None:
        self.counts.promoted.inc(len(late))
        for seconds in late:
            self.counts.lag.observe(seconds)
