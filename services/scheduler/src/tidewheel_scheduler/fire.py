"""Fires recurring schedules: `(new) -> ready` or, with jitter, `(new) -> waiting`; each nominal time exactly once.

What a schedule does is decided in the core (`core/turn.py`); here it is done, for a batch at a time. Whatever becomes
of a nominal time is written into the ledger in the same transaction, so a fire that fails is tried again as a whole.

A fire that is refused holds up nobody: the batch is done again one by one, and the schedule at fault keeps its time,
says why, and is tried again later and later, alone, until it succeeds (ADR 26).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from tidewheel_common.core.backoff import backoff
from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.task import Retry
from tidewheel_common.process.failpoints import fp
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Connection, Engine
from tidewheel_common.store.errors import StoreError, refusal
from tidewheel_common.store.ids import uuid7
from tidewheel_common.weather import store_is_away
from tidewheel_scheduler import schedule_queries as queries
from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.schedule_queries import DueSchedule, Turn
from tidewheel_scheduler.turns import due_turn, freed_turn, rule_of

BATCH = 200
EVERY = 0.5
"""Seconds; the poll that makes firing certain when a wake-up was lost."""

SHORTEST_PAUSE = 0.005
"""Seconds. What is due and was not taken is in the hands of another scheduler: ask again, but do not spin."""

RETRY = Retry(initial=1.0, factor=2.0, maximum=300.0, jitter=0.0)
"""When a refused fire is tried again. It is never given up: its nominal time must not be lost."""

TakeTurn = Callable[[DueSchedule, Callable[[], UUID]], Turn]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Done:
    """What one tick has done."""

    born: list[UUID] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """Lets due schedules take their turns, and knows when the next one is due."""

    engine: Engine
    wake_dispatcher: Callable[[], None]
    counts: Counts
    new_id: Callable[[], UUID] = uuid7
    size: int = BATCH

    async def tick(self, now: datetime | None = None) -> float | None:
        """Fire one batch; return the seconds until the next schedule is due, None when none is."""
        done = _Done()
        async with self.engine.begin() as connection:
            await self._wake(connection, now)
            freed = await queries.schedules_freed(connection, now=now, size=self.size)
            await self._let(connection, freed, freed_turn, now, done)
            due = await queries.schedules_due(connection, now=now, size=self.size)
            await self._let(connection, due, due_turn, now, done)
            again = await queries.schedules_retrying(connection, now=now, size=self.size)
            for schedule in again:
                await self._let(connection, [schedule], due_turn, now, done)
            full = self.size in {len(freed), len(due), len(again)}
            outlook = await queries.schedules_outlook(connection, now=now)
        self.counts.failing.set(outlook.failing)
        self._count(done.turns)
        if done.born:
            fp("scheduler.fired")
            self.wake_dispatcher()
            self.counts.fired.inc(len(done.born))
        if full:
            return AGAIN
        return None if outlook.seconds is None else max(outlook.seconds, SHORTEST_PAUSE)

    async def _let(
        self,
        connection: Connection,
        schedules: Sequence[DueSchedule],
        take: TakeTurn,
        now: datetime | None,
        done: _Done,
    ) -> None:
        """Let schedules that are held take their turns, whatever becomes of the turns of others."""
        turns: list[tuple[DueSchedule, Turn]] = []
        for schedule in schedules:
            try:
                turns.append((schedule, take(schedule, self.new_id)))
            except InvalidSchedule as error:
                await self._give_up(connection, schedule.id, str(error), now)
            except Exception as error:  # noqa: BLE001 - one bad row never stops a sweep
                await self._put_off(connection, schedule, error, now)
        if turns:
            fp("scheduler.firing")
            await self._together(connection, turns, now, done)

    async def _together(
        self,
        connection: Connection,
        turns: Sequence[tuple[DueSchedule, Turn]],
        now: datetime | None,
        done: _Done,
    ) -> None:
        """Take turns at once; when one of them is refused, each on its own."""
        taken = [turn for _, turn in turns]
        try:
            async with connection.begin():
                if cancel := [task_id for turn in taken for task_id in turn.cancel]:
                    await queries.tasks_supersede(connection, cancel, now=now)
                born = await queries.schedules_fire(connection, taken, now=now)
        except Exception as error:
            if store_is_away(error):
                raise
            if len(turns) == 1:
                await self._put_off(connection, turns[0][0], error, now)
                return
            for each in turns:
                await self._together(connection, [each], now, done)
            return
        done.born.extend(born)
        done.turns.extend(taken)

    async def _wake(self, connection: Connection, now: datetime | None) -> None:
        woken: list[tuple[UUID, datetime | None]] = []
        for schedule in await queries.schedules_waking(connection, now=now, size=self.size):
            try:
                woken.append((schedule.id, rule_of(schedule).plan.next_after(schedule.paused_until)))
            except InvalidSchedule as error:
                await self._give_up(connection, schedule.id, str(error), now)
            except Exception as error:  # noqa: BLE001 - one bad row never stops a sweep
                await self._give_up(connection, schedule.id, refusal(error), now)
        if woken:
            await queries.schedules_wake(connection, woken, now=now)

    async def _give_up(self, connection: Connection, schedule_id: UUID, why: str, now: datetime | None) -> None:
        reason = f"{why} Change it and resume it."
        log.warning("schedule paused", schedule_id=schedule_id, error=reason)
        await queries.schedules_pause(connection, schedule_id, reason=reason, now=now)
        self.counts.paused.inc()

    async def _put_off(
        self, connection: Connection, schedule: DueSchedule, error: Exception, now: datetime | None
    ) -> None:
        reason, wait = refusal(error), backoff(RETRY, schedule.failures + 1, 0.5)
        # What PostgreSQL says of a refused row holds the row itself; a log must not.
        trace = None if isinstance(error, StoreError) else error
        log.error("fire refused", schedule_id=schedule.id, error=reason, retry_in=wait, exc_info=trace)
        await queries.schedules_put_off(connection, schedule.id, reason=reason, wait=wait, now=now)
        self.counts.refused.inc()

    def _count(self, turns: Iterable[Turn]) -> None:
        for turn in turns:
            for written in turn.entries:
                self.counts.outcomes.labels(outcome=written.entry.outcome.value).inc()
                if written.entry.fires:
                    self.counts.lag.observe((turn.at - written.entry.nominal_at).total_seconds())
