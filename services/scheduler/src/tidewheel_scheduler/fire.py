"""Fires recurring schedules: `(new) -> ready` or, with jitter, `(new) -> waiting`; each nominal time exactly once.

What a schedule does is decided in the core (`core/turn.py`); here it is done, for a batch at a time. Whatever becomes
of a nominal time is written into the ledger in the same transaction, so a fire that fails is tried again as a whole.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.rule import Rule, read_rule
from tidewheel_common.core.turn import Decision, Entry, RunOverlap, Standing, fired_entry, take_turn
from tidewheel_common.process.failpoints import fp
from tidewheel_common.process.loop import AGAIN
from tidewheel_scheduler import schedule_queries as queries
from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.schedule_queries import DueSchedule, PausedSchedule, Turn, Written

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
            await self._wake(connection, now)
            freed = await queries.schedules_freed(connection, now=now, size=self.size)
            turns = self._turns(freed, self._late_turn)
            born = await self._take(connection, turns, now)
            due = await queries.schedules_due(connection, now=now, size=self.size)
            late = self._turns(due, self._turn)
            born += await self._take(connection, late, now)
            await self._pause(connection, [*freed, *due], [*turns, *late], now)
            full = len(due) >= self.size or len(freed) >= self.size
            following = None if full else await queries.schedules_next_due(connection, now=now)
        self._count(due, late)
        if born:
            fp("scheduler.fired")
            self.wake_dispatcher()
            self.counts.fired.inc(len(born))
        if full:
            return AGAIN
        return None if following is None else max(following, SHORTEST_PAUSE)

    async def _take(self, connection: AsyncConnection, turns: Sequence[Turn], now: datetime | None) -> list[UUID]:
        if not turns:
            return []
        fp("scheduler.firing")
        if cancel := [task_id for turn in turns for task_id in turn.cancel]:
            await queries.tasks_supersede(connection, cancel, now=now)
        return await queries.schedules_fire(connection, turns, now=now)

    async def _wake(self, connection: AsyncConnection, now: datetime | None) -> None:
        woken: list[tuple[UUID, datetime | None]] = []
        for schedule in await queries.schedules_waking(connection, now=now, size=self.size):
            try:
                woken.append((schedule.id, _rule(schedule).plan.next_after(schedule.paused_until)))
            except InvalidSchedule as error:
                await self._give_up(connection, schedule.id, error, now)
        if woken:
            await queries.schedules_wake(connection, woken, now=now)

    async def _pause(
        self, connection: AsyncConnection, held: Iterable[DueSchedule], turns: Iterable[Turn], now: datetime | None
    ) -> None:
        """Pause the schedules that could not take their turn."""
        took = {turn.schedule_id for turn in turns}
        for schedule_id in {schedule.id for schedule in held} - took:
            await queries.schedules_pause(connection, schedule_id, now=now)
            self.counts.paused.inc()

    async def _give_up(
        self, connection: AsyncConnection, schedule_id: UUID, error: InvalidSchedule, now: datetime | None
    ) -> None:
        _complain(schedule_id, error)
        await queries.schedules_pause(connection, schedule_id, now=now)
        self.counts.paused.inc()

    def _turns(self, schedules: Iterable[DueSchedule], take: Callable[[DueSchedule], Turn]) -> list[Turn]:
        turns: list[Turn] = []
        for schedule in schedules:
            try:
                turns.append(take(schedule))
            except InvalidSchedule as error:
                _complain(schedule.id, error)
        return turns

    def _turn(self, schedule: DueSchedule) -> Turn:
        rule = _rule(schedule)
        standing = Standing(
            overlap=RunOverlap(schedule.overlap),
            fired=schedule.fired,
            held=schedule.held_at,
            open_runs=tuple(schedule.open_runs),
        )
        decision = take_turn(rule, standing, schedule.next_run_at or schedule.now, schedule.now)
        return Turn(
            schedule_id=schedule.id,
            entries=tuple(self._written(rule, schedule, entry) for entry in decision.entries),
            following_at=decision.following,
            held_at=decision.held,
            spent=_spent(decision, schedule.held_at),
            ends=decision.following is None,
            cancel=decision.cancel,
        )

    def _late_turn(self, schedule: DueSchedule) -> Turn:
        """Return the turn of a fire that waited for a run to end; it was counted when it began to wait."""
        nominal = schedule.held_at or schedule.now
        entry = fired_entry(nominal, schedule.now, why="It waited for the run before it to end.")
        return Turn(
            schedule_id=schedule.id,
            entries=(self._written(_rule(schedule), schedule, entry),),
            following_at=schedule.next_run_at,
            held_at=None,
            spent=0,
            ends=schedule.next_run_at is None,
        )

    def _written(self, rule: Rule, schedule: DueSchedule, entry: Entry) -> Written:
        if not entry.fires:
            return Written(entry=entry, task_id=None, run_at=None)
        return Written(entry=entry, task_id=self.new_id(), run_at=rule.plan.run_at(schedule.id, entry.nominal_at))

    def _count(self, due: Sequence[DueSchedule], turns: Sequence[Turn]) -> None:
        now = due[0].now if due else None
        for turn in turns:
            for written in turn.entries:
                self.counts.outcomes.labels(outcome=written.entry.outcome.value).inc()
                if written.entry.fires and now is not None:
                    self.counts.lag.observe((now - written.entry.nominal_at).total_seconds())


def _rule(schedule: DueSchedule | PausedSchedule) -> Rule:
    return read_rule(
        every=schedule.every,
        cron=schedule.cron,
        timezone=schedule.timezone,
        starts_at=schedule.starts_at,
        rule=schedule.rule,
    )


def _spent(decision: Decision, held: datetime | None) -> int:
    return sum(entry.fires for entry in decision.entries) + (decision.held is not None and decision.held != held)


def _complain(schedule_id: UUID, error: InvalidSchedule) -> None:
    log.warning(
        "schedule paused",
        schedule_id=schedule_id,
        error=f"{error} The schedule is paused; change it and resume it.",
    )
