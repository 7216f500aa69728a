"""Releases dependants whose parents ended in other hands than an executor's: cancelled, expired, lost.

An executor tells the dependants in the transaction that ends their parent; this sweep is what makes it certain. It
finds its rows by an index that is empty when nothing is left to tell, however many tasks are blocked.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tidewheel_common.core.lifecycle import State
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_scheduler import queries
from tidewheel_scheduler.counts import Counts

BATCH = 200
"""Parents of one tick."""

EVERY = 0.5
"""Seconds; how late a dependant may hear of a parent that no executor ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Moves dependants on."""

    engine: Engine
    wake_dispatcher: Callable[[], None]
    announce: Callable[[list[UUID]], None]
    counts: Counts
    size: int = BATCH

    async def tick(self, now: datetime | None = None) -> float | None:
        """Tell the dependants of one batch of parents; what is cancelled here may have dependants of its own."""
        async with self.engine.begin() as connection:
            parents = await queries.parents_ended(connection, size=self.size)
            moved = await queries.dependants_release(connection, parents, now=now) if parents else []
        states = Counter(state for _, state in moved)
        for state, count in states.items():
            self.counts.released.labels(state=state.value).inc(count)
        if states[State.READY]:
            self.wake_dispatcher()
        if cancelled := [task_id for task_id, state in moved if state is State.CANCELLED]:
            self.announce(cancelled)
        return AGAIN if parents else None
