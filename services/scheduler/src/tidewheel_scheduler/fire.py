"""Fires recurring schedules: `(new) -> ready`, each nominal time exactly once.

After a downtime a schedule fires once, for the latest nominal time that has passed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.recurrence import Recurrence
from tidewheel_common.process.failpoints import fp
from tidewheel_common.process.loop import AGAIN
from tidewheel_scheduler import queries
from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.queries import DueSchedule, Turn

BATCH = 200
EVERY = 0.5
"""Seconds; the poll that makes firing certain when a wake-up was lost."""

SHORTEST_PAUSE = 0.005
"""Seconds. What is due and was not taken is in the hands of another scheduler: ask again, but do not spin."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """Lets due schedules take their turns, and knows when the next one is due."""

    engine: AsyncEngine
    wake_dispatcher: Callable[[], None]
    counts: Counts
    new_id: Callable[[], UUID] = uuid7
    size: int = BATCH

    async def tick(self, now: datetime | None = None) -> float | None:
        """Fire one batch; return the seconds until the next schedule is due, None when none is."""
        async with self.engine.begin() as connection:
            due = await queries.schedules_due(connection, now=now, size=self.size)
            turns, broken = self._turns(due)
            if turns:
                fp("scheduler.firing")
            born = await queries.schedules_fire(connection, turns, now=now) if turns else []
            for schedule in broken:
                await queries.schedules_pause(connection, schedule.id, now=now)
            full = len(due) >= self.size
            following = None if full else await queries.schedules_next_due(connection, now=now)
        self.counts.paused.inc(len(broken))
        if born:
            fp("scheduler.fired")
            self.wake_dispatcher()
            self.counts.fired.inc(len(born))
        if full:
            return AGAIN
        return None if following is None else max(following, SHORTEST_PAUSE)

    def _turns(self, due: list[DueSchedule]) -> tuple[list[Turn], list[DueSchedule]]:
        turns: list[Turn] = []
        broken: list[DueSchedule] = []
        for schedule in due:
            try:
                turns.append(self._turn(schedule))
            except InvalidSchedule as error:
                log.warning(
                    "schedule paused",
                    schedule_id=schedule.id,
                    error=f"{error} The schedule is paused; change it and resume it.",
                )
                broken.append(schedule)
        return turns, broken

    def _turn(self, schedule: DueSchedule) -> Turn:
        recurrence = Recurrence(
            anchor=schedule.starts_at, every=schedule.every, cron=schedule.cron, timezone=schedule.timezone
        )
        return Turn(
            schedule_id=schedule.id,
            nominal_at=recurrence.latest_until(schedule.next_run_at, schedule.now),
            following_at=recurrence.next_after(schedule.now),
            task_id=self.new_id(),
        )
