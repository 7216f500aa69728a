"""Expires tasks that did not start in time: `blocked, waiting, ready, queued -> expired`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_scheduler import queries
from tidewheel_scheduler.counts import Counts

BATCH = 1000
EVERY = 1.0
"""Seconds; how late an expiry may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """Ends what has not started before its `expires_at`."""

    engine: Engine
    announce: Callable[[list[UUID]], None]
    counts: Counts
    size: int = BATCH

    async def tick(self, now: datetime | None = None) -> float | None:
        """Expire one batch."""
        async with self.engine.begin() as connection:
            expired = await queries.tasks_expire(connection, now=now, size=self.size)
        if expired:
            self.announce(expired)
            self.counts.expired.inc(len(expired))
        return AGAIN if len(expired) >= self.size else None
