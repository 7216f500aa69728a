"""Notes which tasks have not begun in time, for those who want to be told.

It finds them by an index in which only such tasks stand. Who is told is known to the executors, which have the keys:
what is noted here is what they owe.
"""

from dataclasses import dataclass
from datetime import datetime

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_scheduler import queries
from tidewheel_scheduler.counts import Counts

BATCH = 1000
EVERY = 1.0
"""Seconds; how much later than it was asked for it may be noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapse:
    """Notes what has not begun before its `late_at`."""

    engine: Engine
    counts: Counts
    size: int = BATCH

    async def tick(self, now: datetime | None = None) -> float | None:
        """Look at one batch."""
        async with self.engine.begin() as connection:
            looked_at = await queries.tasks_lapse(connection, now=now, size=self.size)
        self.counts.lapsed.inc(sum(looked_at))
        return AGAIN if len(looked_at) >= self.size else None
